//! The bare forwarder as a program: `forwarder 127.0.0.1:9000`.
#![allow(clippy::print_stdout, reason = "the address is the program's output")]

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listen = std::env::args().nth(1);
    let address = baton_load::forwarder::start(listen.as_deref().unwrap_or("127.0.0.1:0")).await?;
    println!("http://{address}");
    std::future::pending().await
}
