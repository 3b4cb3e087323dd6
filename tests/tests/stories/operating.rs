//! The program as its operator meets it: files, logs, signals, and what it is started with.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use baton_sync::control_channel::ServerMessage;
use baton_testkit::websocket;
use baton_tests::{Join, ServerProcess, TestServer, WildSocket, one_machine, program, within};
use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::process::Command;

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn nobody_else_may_read_what_the_program_makes() {
    one_machine!(Process);
    let server = ServerProcess::start(&[]).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    ada.types("private");
    ada.is_saved().await;
    assert_eq!(mode(server.data()), 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(server.data()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{entry:?}");
        names.push(entry.file_name().into_string().unwrap());
    }
    assert!(names.contains(&"admin.sock".to_owned()), "{names:?}");
    let place = TempDir::new().unwrap();
    let (file, made) = (place.path().join("backup"), place.path().join("made"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    for arguments in [
        ["backup".to_owned(), text(&file), text(server.data())],
        ["restore".to_owned(), text(&file), text(&made)],
    ] {
        let [command, file, data] = arguments;
        let mut run = Command::new(program());
        run.args([&command, &file, "--data", &data]);
        let output = run.output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&made), 0o700);
    for entry in std::fs::read_dir(&made).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{entry:?}");
    }
}

/// The WebSocket library writes every frame that it reads at its lowest level, and the HTTP library every byte.
#[tokio::test]
async fn no_level_of_the_log_shows_what_people_write_or_a_secret_of_theirs() {
    one_machine!(Process);
    const TEXT: &str = "what-i-wrote-in-confidence";
    const KEY: &str = "a-key-of-sixteen-bytes-or-more";
    const STATE: &str = "where-my-cursor-is";
    let levels = "trace,tungstenite=trace,tungstenite::protocol=trace,hyper=trace";
    let server = ServerProcess::start_with(&[], &[("BATON_LOG", levels)]).await;
    let join = || {
        let state = format!("{{\"name\":\"{STATE}\"}}");
        Join::member("notes", "Ada").of_user(KEY).saying(&state)
    };
    let ada = server.connect(join()).await;
    let token = ada
        .hears("a welcome", |message| match message {
            ServerMessage::Welcome { token, .. } => Some(token.clone()),
            _ => None,
        })
        .await;
    ada.types(TEXT);
    ada.is_saved().await;
    let bob = server.connect(Join::stock("notes")).await;
    bob.sees(TEXT).await;
    // A token is shown with the next connection.
    let memory = ada.vanishes().await;
    assert!(memory.resume.is_some());
    let ada = server.connect(join().remembering(memory)).await;
    ada.types("more");
    ada.is_saved().await;
    server.terminate();
    bob.ends().await;
    let said = server.said();
    assert!(said.contains("DEBUG") || said.contains("TRACE"), "{said}");
    for secret in [TEXT, KEY, STATE, &token] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let list: Vec<_> = secret.bytes().map(|byte| byte.to_string()).collect();
        for form in [
            secret.to_owned(),
            hex.clone(),
            hex.to_uppercase(),
            list.join(", "),
        ] {
            let line = said.lines().find(|line| line.contains(&form));
            assert!(line.is_none(), "{line:?}");
        }
    }
}

#[tokio::test]
async fn a_hangup_ends_it_in_order() {
    one_machine!(Process);
    let mut server = ServerProcess::start(&["--drain-over", "10ms"]).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    ada.types("kept");
    server.hangs_up();
    ada.is_closed_with(baton_server::close::GOING_AWAY).await;
    assert_eq!(server.ends().await.code(), Some(0));
    server.start_again().await;
    let bob = server.connect(Join::stock("notes")).await;
    assert_eq!(bob.text(), "kept");
}

/// What it said, once that holds this.
async fn says(path: &Path, part: &str) -> String {
    let looking = async {
        loop {
            let said = std::fs::read_to_string(path).unwrap_or_default();
            if said.contains(part) {
                return said;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("the program to say so", looking).await
}

/// Who starts a server and does not wait for its word may have closed the other end.
#[tokio::test]
async fn a_closed_standard_output_is_no_reason_not_to_serve() {
    one_machine!(Process);
    let place = TempDir::new().unwrap();
    let log = place.path().join("stderr");
    let mut child = Command::new(program())
        .args(["serve", "--listen", "localhost:0", "--data"])
        .arg(place.path().join("data"))
        .env("BATON_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let said = says(&log, "address=").await;
    let address = said.split("address=").nth(1).unwrap();
    let address = address.split_whitespace().next().unwrap();
    let answer = baton_tests::http::get(address.parse().unwrap(), "/healthz").await;
    assert_eq!(answer.status, 200);
    assert!(!said.contains("panicked"), "{said}");
    child.start_kill().unwrap();
    within("its end", child.wait()).await.unwrap();
}

#[tokio::test]
async fn it_listens_on_a_name_and_says_where() {
    one_machine!(Process);
    for listen in ["localhost:0", "127.0.0.1:0", "[::1]:0"] {
        let place = TempDir::new().unwrap();
        let log = place.path().join("stderr");
        let mut child = Command::new(program())
            .args(["serve", "--listen", listen, "--data"])
            .arg(place.path().join("data"))
            .env("BATON_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let said = says(&log, "address=").await;
        let address = said.split("address=").nth(1).unwrap();
        let address = address.split_whitespace().next().unwrap();
        let answer = baton_tests::http::get(address.parse().unwrap(), "/healthz").await;
        assert_eq!(answer.status, 200, "{listen}");
        child.start_kill().unwrap();
        within("its end", child.wait()).await.unwrap();
    }
    let place = TempDir::new().unwrap();
    for (listen, part) in [
        ("no-such-name.invalid:0", "--listen"),
        ("localhost", "--listen"),
    ] {
        let failed = ServerProcess::fails(place.path(), &["--listen", listen], &[]).await;
        assert!(failed.said.contains(part), "{}", failed.said);
        assert!(!failed.said.contains("panicked"), "{}", failed.said);
    }
}

#[tokio::test]
async fn absurd_settings_are_refused_with_their_range() {
    one_machine!(Process);
    let place = TempDir::new().unwrap();
    for (flag, value) in [
        ("--max-frame", "1"),
        ("--max-connections", "0"),
        ("--max-outbox", "0"),
        ("--max-document", "0"),
        ("--max-messages-per-second", "0"),
        ("--ping-every", "0s"),
        ("--log-queue", "1"),
        ("--shutdown-deadline", "0s"),
        ("--max-awareness-entry", "0"),
    ] {
        let arguments = [flag, value, "--listen", "127.0.0.1:0"];
        let failed = ServerProcess::fails(place.path(), &arguments, &[]).await;
        assert_eq!(failed.status.code(), Some(1), "{flag}");
        let name = flag.trim_start_matches('-').replace('-', "_");
        let said = failed.said.contains(&name) && failed.said.contains("must be between");
        assert!(said, "{}", failed.said);
    }
}

/// Those who came when all places were taken were closed with their request unread, which reset the connection: they never
/// learned why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_beyond_all_places_is_answered_and_never_reset() {
    let server = TestServer::with(|settings| settings.max_handshakes_per_address = 10).await;
    let address = server.address();
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(WildSocket::connect(address).await);
    }
    let coming = (0..1200).map(|_| async move {
        let mut socket = WildSocket::connect(address).await;
        let request = websocket::handshake("/ws/notes");
        socket.sends(request.as_bytes()).await;
        // Slower to read than the server is to close.
        tokio::time::sleep(Duration::from_millis(400)).await;
        socket.head().await
    });
    let mut told = 0;
    for head in join_all(coming).await {
        let known = ["429", "503", "101"]
            .iter()
            .any(|status| head.starts_with(&format!("HTTP/1.1 {status} ")));
        assert!(known, "an answer, not {head:?}");
        told += usize::from(head.contains(" 429 "));
    }
    assert!(told > 300, "{told} of them were told 429");
    drop(silent);
}
