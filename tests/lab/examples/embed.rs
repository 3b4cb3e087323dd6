//! The lab within somebody's own test: their server, with Baton in it, in this process.
//!
//! `cargo run -p baton-lab --example embed` writes `embed.html` beside where it is run. In a project of one's own the body
//! of `main` is a `#[tokio::test]`.

use std::error::Error;
use std::time::Duration;

use baton_lab::{Chaos, Scenario, Target};
use baton_log::{Log, LogOptions};
use baton_server::{Server, Settings};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The application under test: whatever serves documents at an address.
    let server = Server::new(Settings::default(), Log::in_memory(LogOptions::default())?)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/ws", listener.local_addr()?);
    let serving = server.clone();
    tokio::spawn(async move { serving.listen(listener).await });

    let scenario = Scenario {
        name: "embed".to_owned(),
        clients: 8,
        docs: 2,
        lasts: Duration::from_secs(5),
        pause: Duration::from_millis(100),
        chaos: vec![Chaos::Drop, Chaos::Delay, Chaos::Freeze],
        disturbances: 20.0,
        ..Scenario::default()
    };
    let run = baton_lab::run(&scenario, &Target::Url(url), |_| ()).await?;
    // Before the judgement, so that a bad run can be looked at.
    std::fs::write("embed.html", run.html())?;
    run.verdict.assert_good();
    server.shutdown().await?;
    Ok(())
}
