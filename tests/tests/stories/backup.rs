//! A backup of a server that goes on, and what is made of it.

use std::path::Path;
use std::process::Output;

use baton_server::close;
use baton_tests::{Join, RawClient, ServerProcess, one_machine, program, within};

async fn baton(arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(program());
    command.args(arguments).env("BATON_LOG", "warn");
    let output = within("the command to end", command.output()).await;
    output.expect("the program can be started")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

#[tokio::test]
async fn a_backup_under_load_restores_all_that_was_saved_and_clients_bring_what_is_newer() {
    one_machine!(OwnLog);
    let mut server = ServerProcess::start(&[]).await;
    let place = tempfile::TempDir::new().unwrap();
    let (file, data) = (place.path().join("backup"), server.data().to_owned());
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let bob = server.connect(Join::stock("notes")).await;
    let lock = ada.takes_lock().await;
    ada.types("saved before. ");
    ada.is_saved().await;
    let arguments = ["backup", text(&file), "--data", text(&data)];
    let (taken, typed) = tokio::join!(baton(&arguments), async {
        for _ in 0..50 {
            ada.types("meanwhile. ");
            ada.is_saved().await;
        }
        50
    });
    let said = String::from_utf8_lossy(&taken.stdout);
    assert!(taken.status.success(), "{taken:?}");
    assert!(
        said.contains("1 documents") && said.contains("epoch 1, verified"),
        "{said}"
    );
    let again = baton(&arguments).await;
    assert!(!again.status.success(), "a backup is never written over");
    ada.types("newer.");
    ada.is_saved().await;
    bob.sees("newer.").await;
    let all = bob.text();
    assert_eq!(typed, 50);

    server.kill().await;
    for client in [&ada, &bob] {
        client.ends().await;
    }
    std::fs::remove_dir_all(&data).unwrap();
    let restored = baton(&["restore", text(&file), "--data", text(&data)]).await;
    assert!(restored.status.success(), "{restored:?}");
    let checked = baton(&["check", "--data", text(&data)]).await;
    assert!(checked.status.success(), "{checked:?}");
    server.start_again().await;

    let carol = server.connect(Join::member("notes", "Carol")).await;
    carol.sees("saved before. ").await;
    assert!(!carol.text().contains("newer"), "that was after the backup");
    // What Ada held counts for nothing any more.
    let fence = carol.takes_lock().await;
    assert!(fence > lock, "{fence:?} comes after {lock:?}");
    carol.releases(fence).await;
    let memory = bob.takes_memory();
    let bob = server
        .connect(Join::stock("notes").remembering(memory))
        .await;
    carol.sees("newer.").await;
    assert_eq!((carol.text(), bob.text()), (all.clone(), all));
    // A client that says of which epoch its copy is, is told that it is of another.
    let memory = ada.takes_memory();
    let join = Join::member("notes", "Ada").remembering(memory);
    let ada = RawClient::try_connect(server.address(), join)
        .await
        .unwrap();
    ada.is_closed_with(close::EPOCH).await;
}

#[tokio::test]
async fn a_damaged_backup_is_refused_and_nothing_is_made_of_it() {
    one_machine!(OwnLog);
    let mut server = ServerProcess::start(&[]).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    ada.types("precious");
    ada.is_saved().await;
    server.terminate();
    server.ends().await;
    let place = tempfile::TempDir::new().unwrap();
    let (file, made) = (place.path().join("backup"), place.path().join("made"));
    // Of a folder that no server has, too.
    let taken = baton(&["backup", text(&file), "--data", text(server.data())]).await;
    assert!(taken.status.success(), "{taken:?}");
    let whole = std::fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 4;
    for bad in [&whole[..whole.len() - 1], &flipped, b"no backup"] {
        std::fs::write(&file, bad).unwrap();
        let refused = baton(&["restore", text(&file), "--data", text(&made)]).await;
        assert_eq!(refused.status.code(), Some(1));
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(
            said.contains("backup") && said.contains("nothing was changed"),
            "{said}"
        );
        assert!(!made.exists());
    }
    std::fs::write(&file, &whole).unwrap();
    let onto = baton(&["restore", text(&file), "--data", text(server.data())]).await;
    assert!(
        String::from_utf8_lossy(&onto.stderr).contains("is not empty"),
        "{onto:?}"
    );
    server.start_again().await;
    let bob = server.connect(Join::stock("notes")).await;
    assert_eq!(bob.text(), "precious");
}

#[tokio::test]
async fn a_folder_that_is_none_is_told_and_not_made() {
    one_machine!(OwnLog);
    let place = tempfile::TempDir::new().unwrap();
    let (file, data) = (place.path().join("backup"), place.path().join("nothing"));
    for arguments in [
        &["backup", text(&file), "--data", text(&data)][..],
        &["check", "--data", text(&data)],
    ] {
        let refused = baton(arguments).await;
        assert_eq!(refused.status.code(), Some(1));
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains("no data folder"), "{said}");
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}
