//! Six people edit two documents of the application on bad networks, and nothing is lost.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use baton_lab::{Chaos, Scenario, Target};
use tokio::net::TcpListener;

#[tokio::test]
async fn nothing_is_lost_on_a_bad_day() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let routes = lab::application(folder.path())?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let target = Target::Url(format!("ws://{}/ws", listener.local_addr()?));
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });

    let scenario = Scenario {
        name: "a bad day".to_owned(),
        clients: 6,
        docs: 2,
        seed: 7,
        lasts: Duration::from_secs(5),
        pause: Duration::from_millis(100),
        chaos: vec![Chaos::Drop, Chaos::Delay],
        disturbances: 20.0,
        ..Scenario::default()
    };
    let run = baton_lab::run(&scenario, &target, |_| ()).await?;
    println!("{}", run.verdict);
    for document in &run.verdict.documents {
        println!(
            "{}: {} acknowledged, {} lost",
            document.name,
            document.acknowledged,
            document.lost.len()
        );
    }
    run.verdict.assert_good();
    Ok(())
}
