//! The lab in a project of one's own: an application with Baton mounted in its axum server, under test.
//!
//! `cargo test -p baton-lab --example embed` runs it as a test, as a project would have it under `tests/`; `cargo run -p
//! baton-lab --example embed` writes the report, `embed.html`, beside where it is run.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::routing::get;
use baton_lab::{Chaos, Run, Scenario, Target};
use baton_log::{Log, LogOptions};
use baton_server::{Server, Settings};
use tokio::net::TcpListener;

/// The application: routes of its own, and documents under `/ws`.
async fn application() -> Result<SocketAddr, Box<dyn Error>> {
    let baton = Server::new(Settings::default(), Log::in_memory(LogOptions::default())?)?;
    let routes = baton.router().route("/about", get(async || "notes"));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    Ok(address)
}

/// Eight people in two documents on bad networks, for five seconds.
async fn bad_day(seed: u64) -> Result<Run, Box<dyn Error>> {
    let scenario = Scenario {
        name: "a bad day".to_owned(),
        clients: 8,
        docs: 2,
        seed,
        lasts: Duration::from_secs(5),
        pause: Duration::from_millis(100),
        chaos: vec![Chaos::Drop, Chaos::Delay, Chaos::Freeze],
        disturbances: 20.0,
        ..Scenario::default()
    };
    let address = application().await?;
    let target = Target::Url(format!("ws://{address}/ws"));
    Ok(baton_lab::run(&scenario, &target, |_| ()).await?)
}

#[tokio::test]
async fn nothing_is_lost_on_a_bad_day() {
    let run = bad_day(7).await.expect("the lab can run");
    // What fails names the seed, and the report of a failed run is worth keeping.
    if !run.verdict.is_good() {
        let page = std::env::temp_dir().join("bad-day.html");
        std::fs::write(&page, run.html()).expect("the report can be written");
        eprintln!("look at {}", page.display());
    }
    run.verdict.assert_good();
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let run = bad_day(7).await?;
    std::fs::write("embed.html", run.html())?;
    run.verdict.assert_good();
    Ok(())
}
