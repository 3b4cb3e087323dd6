//! Adds a line to a note while it has the lock, and prints the note once the line is saved.
//!
//! `client ws://127.0.0.1:8080/ws plan 'buy milk'`; with a token in `NOTES_TOKEN` if the server
//! asks for one.

use std::error::Error;
use std::process::ExitCode;

use baton_client::yrs::{GetString, ReadTxn, Text, WriteTxn};
use baton_client::{Client, ClientOptions, ClientToken, User};

async fn add(url: &str, note: &str, line: &str) -> Result<String, Box<dyn Error>> {
    let user = User {
        name: "Bot".to_owned(),
        ..User::default()
    };
    let mut options = ClientOptions::new(url, note).with_user(user);
    if let Ok(token) = std::env::var("NOTES_TOKEN") {
        options = options.with_token(ClientToken::new(token)?);
    }
    let client = Client::connect(options)?;
    client.ready().await?;
    client.hold().await?;
    client.lock().edit(|txn| {
        txn.get_or_insert_text("body")
            .push(txn, &format!("{line}\n"))
    })?;
    client.saved().await?;
    let text = client.read(|txn| txn.get_text("body").map(|body| body.get_string(txn)))?;
    client.close().await;
    Ok(text.unwrap_or_default())
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, note, line] = arguments.as_slice() else {
        eprintln!("usage: client URL NOTE LINE");
        return ExitCode::FAILURE;
    };
    match add(url, note, line).await {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("client: {error}");
            ExitCode::FAILURE
        }
    }
}
