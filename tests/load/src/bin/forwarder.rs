//! The bare forwarder as a program: `forwarder 127.0.0.1:9000 [gathered]`.
#![allow(clippy::print_stdout, reason = "the address is the program's output")]

use baton_load::forwarder::{Writes, start};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listen = std::env::args().nth(1);
    let writes = match std::env::args().nth(2).as_deref() {
        None => Writes::Each,
        Some("gathered") => Writes::Gathered,
        Some(other) => {
            return Err(std::io::Error::other(format!(
                "no such way of writing: {other}"
            )));
        }
    };
    let address = start(listen.as_deref().unwrap_or("127.0.0.1:0"), writes).await?;
    println!("http://{address}");
    std::future::pending().await
}
