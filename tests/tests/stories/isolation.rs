//! Nothing that one session or one document does shuts out another: large late edits, long work, a stop in the midst of it.

use baton_tests::{Join, LockState, TestServer, millis};
use bytesize::ByteSize;

/// What makes an answer to the server's Step1 come too early to be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Early {
    /// The lock is being offered.
    Offered,
    /// The holder's connection was lost.
    Suspect,
    /// The server was started again while the lock was held.
    Recovering,
}

async fn server() -> TestServer {
    TestServer::with(|settings| {
        TestServer::brisk(settings);
        settings.recovery = millis(1500);
        settings.max_aside = ByteSize::mib(8);
    })
    .await
}

/// Brings an edit of so many bytes as the answer to the server's Step1, which is kept aside and judged by a timer.
async fn brings_a_late_edit(early: Early, bytes: usize) {
    let mut server = server().await;
    let writer = server.connect(Join::member("notes", "Cyd")).await;
    let mut text = "x".repeat(bytes);
    text.push_str("the end");
    writer.edits_in_silence(|txn| {
        use baton_sync::document::yrs::{Text, WriteTxn};
        txn.get_or_insert_text("t").push(txn, &text);
    });
    let memory = writer.vanishes().await;
    let holder = server.connect(Join::member("notes", "Ada")).await;
    match early {
        Early::Offered => {
            holder.acquires().await;
        }
        Early::Suspect => {
            holder.takes_lock().await;
            holder.vanishes().await;
        }
        Early::Recovering => {
            holder.takes_lock().await;
            holder.vanishes().await;
            server = server.restart().await;
        }
    }
    let watcher = server.connect(Join::member("notes", "Bob")).await;
    if early == Early::Recovering {
        watcher.sees_lock(LockState::Recovering).await;
    }
    let stock = Join::stock("notes").remembering(memory);
    let writer = server.connect(stock).await;
    // The answer is kept aside as long as the lock is with the other: the watcher has not seen it when it is sent.
    writer
        .until("the answer to be sent", |known| (known.sent > 0).then_some(()))
        .await;
    let seen = watcher.text().contains("the end");
    assert!(!seen, "{early:?}: it was judged at once");
    watcher.sees("the end").await;
    for client in [&watcher, &writer] {
        let ended = client.look(|known| known.ended.is_some());
        assert!(!ended, "{early:?}, {bytes} bytes: everybody stays");
    }
    writer.types(" and on");
    watcher.sees("and on").await;
}

#[tokio::test]
async fn a_late_edit_larger_than_a_timer_may_append_closes_nobody() {
    for early in [Early::Offered, Early::Suspect, Early::Recovering] {
        brings_a_late_edit(early, 5_000).await;
    }
}

#[tokio::test]
async fn a_late_edit_of_megabytes_closes_nobody() {
    for early in [Early::Offered, Early::Suspect, Early::Recovering] {
        brings_a_late_edit(early, 5 << 20).await;
    }
}
