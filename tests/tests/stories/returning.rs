//! After a crash: copies that come back before the holder, with edits of it that were seen and never stored.

use baton_sync::control_channel::ServerMessage;
use baton_tests::{Join, RawClient, ServerProcess, one_machine};

fn is_parked(client: &RawClient) -> bool {
    client.look(|known| {
        let mut told = known.channel.iter();
        told.any(|message| matches!(message, ServerMessage::Parked { .. }))
    })
}

/// The wait of a commit is long here, so that the server dies before it, and short enough to be waited for afterwards.
#[tokio::test]
async fn nobody_is_blamed_for_edits_that_the_holder_lost() {
    one_machine!(Process);
    let mut server = ServerProcess::start(&["--commit-delay", "8s"]).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    ada.takes_lock().await;
    let bob = server.connect(Join::member("notes", "Bob")).await;
    let stock = server.connect(Join::stock("notes")).await;
    ada.types("seen, not stored");
    bob.sees("stored").await;
    stock.sees("stored").await;
    server.kill().await;
    for client in [&ada, &bob, &stock] {
        client.ends().await;
    }
    let [ada, bob, stock] = [&ada, &bob, &stock].map(RawClient::takes_memory);
    server.start_again().await;

    let bob = server
        .connect(Join::member("notes", "Bob").remembering(bob))
        .await;
    let stock = server
        .connect(Join::stock("notes").remembering(stock))
        .await;
    // Both have answered the server's Step1, and are there before the holder is.
    for client in [&bob, &stock] {
        client
            .until("a copy to be sent", |known| (known.sent > 0).then_some(()))
            .await;
    }
    let ada = server
        .connect(Join::member("notes", "Ada").remembering(ada))
        .await;
    ada.is_saved().await;
    bob.is_saved().await;
    assert!(!is_parked(&bob), "Bob typed nothing");
    // Still there, and it hears what is typed next.
    ada.types(" before");
    stock.sees("not stored before").await;
    bob.sees("not stored before").await;
    let late = server.connect(Join::member("notes", "Late")).await;
    late.sees("seen, not stored before").await;
}
