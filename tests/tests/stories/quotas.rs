//! What is stored and kept is bounded: growth is refused to who asks for it, and nothing else.

use std::time::Duration;

use baton_server::close;
use baton_sync::control_channel::ErrorCode;
use baton_sync::yrs::{GetString, Text, WriteTxn};
use baton_tests::{
    Join, RawClient, ServerProcess, TestServer, millis, one_machine, program, within,
};
use bytesize::ByteSize;

const KIB: usize = 1024;

fn deletes_all(client: &RawClient) {
    client.edits(|txn| {
        let text = txn.get_or_insert_text("t");
        let all = u32::try_from(text.get_string(txn).len()).unwrap();
        text.remove_range(txn, 0, all);
    });
}

/// Tries until one who writes this much in that document is not refused.
async fn is_admitted(server: &TestServer, document: &str, text: &str) {
    let trying = async {
        loop {
            let eve = server
                .try_connect(Join::member(document, "Eve"))
                .await
                .unwrap();
            eve.until("the first sync or an end", |known| {
                (known.synced || known.ended.is_some()).then_some(())
            })
            .await;
            // The Update of the attempt before may have been refused and its Step2, a moment later, stored.
            let open = eve.look(|known| known.ended.is_none());
            if open && eve.text().contains(text) {
                return;
            }
            eve.types(text);
            let saved = async {
                eve.is_saved().await;
                true
            };
            let refused = async {
                eve.until("a refusal or an end", |known| {
                    let told = known.channel.iter().any(|message| {
                        matches!(
                            message,
                            baton_sync::control_channel::ServerMessage::Error { .. }
                        )
                    });
                    (told || known.ended.is_some()).then_some(())
                })
                .await;
                false
            };
            let admitted = tokio::select! {
                admitted = saved => admitted,
                admitted = refused => admitted,
            };
            if admitted && open {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let admitted = tokio::time::timeout(Duration::from_secs(30), trying).await;
    assert!(admitted.is_ok(), "growth is still refused");
}

#[tokio::test]
async fn a_document_over_max_document_takes_deletions_and_nobody_else_is_affected() {
    let server = TestServer::with(|settings| settings.max_document = ByteSize::kib(64)).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let bob = server.connect(Join::stock("notes")).await;
    ada.types(&"a".repeat(40 * KIB));
    ada.is_saved().await;
    bob.sees("aaa").await;
    let before = ada.look(|known| known.saved);
    ada.types(&"b".repeat(40 * KIB));
    let said = ada.is_told_off(ErrorCode::Limit).await;
    assert!(said.contains("max_document"), "{said}");
    // A stock client can be told by nothing but the end.
    let carol = server.connect(Join::stock("notes")).await;
    carol.types(&"c".repeat(40 * KIB));
    let reason = carol.is_closed_with(close::TOO_LARGE).await;
    assert!(reason.contains("max_document"), "{reason}");
    let denied = carol.look(|known| known.denied.clone());
    assert!(denied.is_some_and(|denied| denied.contains("max_document")));
    assert_eq!(server.refused("document"), 2);
    // It is never called saved, however long that is waited for.
    server
        .connect(Join::member("other", "Ada"))
        .await
        .types("x");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        ada.look(|known| (known.saved, known.ended.is_none())),
        (before, true)
    );
    // A newcomer reads, and whoever is here deletes, which makes room.
    let dave = server.connect(Join::stock("notes")).await;
    assert_eq!(dave.text().len(), 40 * KIB);
    deletes_all(&bob);
    dave.until("an empty text", |known| {
        known.text().is_empty().then_some(())
    })
    .await;
    assert!(bob.look(|known| known.ended.is_none()));
    is_admitted(&server, "notes", &"d".repeat(40 * KIB)).await;
    dave.sees("ddd").await;
}

#[tokio::test]
async fn a_document_over_max_documents_stored_is_not_begun_until_one_is_erased() {
    one_machine!(OwnLimits);
    let server = TestServer::with(|settings| {
        settings.max_documents_stored = 2;
        settings.unload_after = millis(20);
    })
    .await;
    for name in ["one", "two"] {
        let ada = server.connect(Join::member(name, "Ada")).await;
        ada.types("kept");
        ada.is_saved().await;
        ada.leaves().await;
    }
    let refused = |name: &'static str| {
        let server = &server;
        async move {
            let bob = server.try_connect(Join::stock(name)).await.unwrap();
            let reason = bob.is_closed_with(close::OVERLOADED).await;
            assert!(reason.contains("max_documents_stored"), "{reason}");
        }
    };
    refused("three").await;
    assert_eq!(server.refused("documents_stored"), 1);
    let bob = server.connect(Join::stock("one")).await;
    assert_eq!(bob.text(), "kept");
    bob.types(" and written in");
    server.erase("two").await.unwrap();
    let carol = server.connect(Join::member("three", "Carol")).await;
    carol.types("new");
    carol.is_saved().await;
    // What was erased is as new.
    refused("two").await;
    assert!(server.erase("two").await.is_err());
}

#[tokio::test]
async fn a_store_over_max_store_reads_and_deletes_and_takes_more_when_something_was_erased() {
    one_machine!(OwnLog);
    let server = TestServer::with(|settings| {
        settings.max_store = ByteSize::mib(6);
        // No snapshot in between makes the store smaller again.
        settings.compact_after = ByteSize::gib(1);
    })
    .await;
    let old = server.connect(Join::member("old", "Ada")).await;
    old.types(&"o".repeat(2048 * KIB));
    old.is_saved().await;
    let eve = server.connect(Join::member("large", "Eve")).await;
    let mut said = None;
    for _ in 0..200 {
        eve.types(&"e".repeat(128 * KIB));
        let saved = async {
            eve.is_saved().await;
            None
        };
        let told = async { Some(eve.is_told_off(ErrorCode::Limit).await) };
        said = tokio::select! {
            said = saved => said,
            said = told => said,
        };
        if said.is_some() {
            break;
        }
    }
    let said = said.expect("the store is full at last");
    assert!(said.contains("max_store"), "{said}");
    assert_eq!(server.refused("store"), 1);
    let metrics = server.get("/metrics").await.body;
    assert!(metrics.contains("baton_store_full 1"), "{metrics}");
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status, 200);
    assert!(ready.body.contains("store-full"), "{}", ready.body);
    let new = server.try_connect(Join::stock("new")).await.unwrap();
    let reason = new.is_closed_with(close::OVERLOADED).await;
    assert!(reason.contains("max_store"), "{reason}");
    // Everything that is there can be read, and deleted.
    let bob = server.connect(Join::stock("old")).await;
    assert_eq!(bob.text().len(), 2048 * KIB);
    deletes_all(&bob);
    old.until("an empty text", |known| {
        known.text().is_empty().then_some(())
    })
    .await;
    server.erase("large").await.unwrap();
    is_admitted(&server, "old", "again").await;
    is_admitted(&server, "new", "at last").await;
}

#[tokio::test]
async fn awareness_over_max_awareness_is_refused_whichever_documents_it_is_in() {
    one_machine!(OwnLimits);
    let server = TestServer::with(|settings| settings.max_awareness = ByteSize::kib(64)).await;
    let state = |letter: &str| format!("\"{}\"", letter.repeat(25 * KIB));
    let one = server.connect(Join::stock("one").saying(&state("a"))).await;
    let _two = server.connect(Join::stock("two").saying(&state("b"))).await;
    server
        .connect(Join::raw("two"))
        .await
        .until("b", |known| {
            known
                .memory
                .others
                .values()
                .any(|seen| seen.state.is_some())
                .then_some(())
        })
        .await;
    let three = server
        .connect(Join::stock("three").saying(&state("c")))
        .await;
    three
        .until("a word about it", |known| {
            let denied = known.denied.as_ref()?;
            denied.contains("max_awareness").then_some(())
        })
        .await;
    assert!(
        three.look(|known| known.ended.is_none()),
        "nobody is closed"
    );
    assert!(server.refused("awareness") > 0);
    let metrics = server.get("/metrics").await.body;
    let bytes = metrics
        .lines()
        .find_map(|line| line.strip_prefix("baton_awareness_bytes "))
        .and_then(|bytes| bytes.parse::<usize>().ok());
    assert!(
        bytes.is_some_and(|bytes| (50 * KIB..64 * KIB).contains(&bytes)),
        "{bytes:?}"
    );
    one.leaves().await;
    three.states(&state("d"));
    let watcher = server.connect(Join::raw("three")).await;
    watcher
        .until("what three says", |known| {
            let mut states = known
                .memory
                .others
                .values()
                .filter_map(|seen| seen.state.as_ref());
            states.any(|state| state.contains("ddd")).then_some(())
        })
        .await;
}

/// Everybody is told; and whoever comes back with a copy, of whatever kind, does not bring it back.
#[tokio::test]
async fn what_is_erased_stays_erased_whoever_comes_back() {
    one_machine!(KnownLimit);
    let server = TestServer::start().await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    ada.types("precious words");
    ada.is_saved().await;
    let bob = server.connect(Join::stock("notes")).await;
    bob.sees("precious").await;
    let fence = ada.takes_lock().await;
    // Somebody whose edit is set aside, and somebody who is away at the time.
    let eve = server.connect(Join::member("notes", "Eve")).await;
    eve.types("set aside");
    eve.is_parked().await;
    let away = server.connect(Join::stock("notes")).await.vanishes().await;
    server.erase("notes").await.unwrap();
    for client in [&ada, &bob, &eve] {
        let reason = client.is_closed_with(close::ERASED).await;
        assert!(reason.contains("erased"), "{reason}");
    }
    assert!(bob.look(|known| known.denied.is_some()));
    let carol = server.connect(Join::member("notes", "Carol")).await;
    assert_eq!(carol.text(), "");
    let again = carol.takes_lock().await;
    assert!(again > fence, "{again:?} comes after {fence:?}");
    carol.releases(again).await;
    // A client of the channel knows of which epoch its copy is.
    let memory = ada.takes_memory();
    let join = Join::member("notes", "Ada").remembering(memory);
    let ada = server.try_connect(join).await.unwrap();
    ada.is_closed_with(close::EPOCH).await;
    // Those that do not speak it have their copies emptied, and go on.
    for memory in [bob.takes_memory(), eve.takes_memory(), away] {
        let back = server
            .connect(Join::stock("notes").remembering(memory))
            .await;
        back.until("an empty copy", |known| {
            known.text().is_empty().then_some(())
        })
        .await;
        back.leaves().await;
    }
    assert_eq!(carol.text(), "");
    let dave = server.connect(Join::stock("notes")).await;
    dave.types("a new beginning");
    carol.sees("a new beginning").await;
    carol.types(".");
    carol.is_saved().await;
    let server = server.restart().await;
    let frank = server.connect(Join::stock("notes")).await;
    assert_eq!(frank.text(), "a new beginning.");
    server.erase("notes").await.unwrap();
    frank.is_closed_with(close::ERASED).await;
    let listed = server.list().await;
    assert_eq!(listed.len(), 1);
    assert!(listed[0].erased, "{listed:?}");
    let stored = server.stop().await;
    let room = stored.room("notes");
    assert_eq!(room.state().parks().count(), 0);
    assert!(!format!("{:?}", room.state().snapshot().unwrap()).contains("beginning"));
}

async fn baton(arguments: &[&str]) -> (bool, String) {
    let mut command = tokio::process::Command::new(program());
    command.args(arguments).env("BATON_LOG", "error");
    let output = within("the command to end", command.output()).await;
    let output = output.expect("the program can be started");
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[tokio::test]
async fn documents_are_listed_and_erased_by_commands_while_the_server_runs_and_while_it_does_not() {
    one_machine!(Process);
    let mut server = ServerProcess::start(&[]).await;
    let data = server.data().to_str().unwrap().to_owned();
    for name in ["a/deep name", "done", "other"] {
        let ada = server.connect(Join::member(name, "Ada")).await;
        ada.types("some words");
        ada.is_saved().await;
        ada.leaves().await;
    }
    let bob = server.connect(Join::stock("done")).await;
    let (good, said) = baton(&["list", "--data", &data]).await;
    assert!(good, "{said}");
    let names: Vec<_> = said.lines().map(|line| line[38..].to_owned()).collect();
    assert_eq!(names, ["a/deep name", "done", "other"], "{said}");
    for line in said.lines() {
        let mut words = line.split_whitespace();
        let bytes: u64 = words.next().unwrap().parse().unwrap();
        assert!((30..10_000).contains(&bytes), "{line}");
        assert!(words.next().unwrap().ends_with('Z'), "{line}");
    }
    let (good, said) = baton(&["erase", "done", "--data", &data]).await;
    assert!(good && said.contains("erased"), "{said}");
    bob.is_closed_with(close::ERASED).await;
    let (good, said) = baton(&["erase", "nothing", "--data", &data]).await;
    assert!(!good && said.contains("no document"), "{said}");
    server.kill().await;
    // What was said to be erased is, also after the end of the process.
    let (_, said) = baton(&["list", "--data", &data]).await;
    assert!(said.contains("done  (erased)"), "{said}");
    let (good, said) = baton(&["erase", "a/deep name", "--data", &data]).await;
    assert!(good, "{said}");
    let (_, said) = baton(&["list", "--data", &data]).await;
    assert!(said.contains("a/deep name  (erased)"), "{said}");
    server.start_again().await;
    for (name, text) in [("a/deep name", ""), ("done", ""), ("other", "some words")] {
        let bob = server.connect(Join::stock(name)).await;
        assert_eq!(bob.text(), text, "{name}");
    }
}
