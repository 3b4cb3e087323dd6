//! Settings: where they come from, and what is refused.

use baton_sync::control_channel::{LockMode, Right, ServerMessage};
use baton_tests::{Join, ServerProcess, one_machine};
use tempfile::TempDir;

fn file(folder: &TempDir, text: &str) -> String {
    let path = folder.path().join("baton.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_unknown_key_in_the_file_is_named() {
    one_machine!(Process);
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "grace = \"1s\"\nmax_conections = 5\n");
    let failed = ServerProcess::fails(folder.path(), &["--config", &path], &[]).await;
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.said.contains("max_conections"), "{}", failed.said);
    assert!(failed.said.contains("baton.toml"), "{}", failed.said);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    one_machine!(Process);
    let folder = TempDir::new().unwrap();
    let failed = ServerProcess::fails(folder.path(), &["--config", "nowhere.toml"], &[]).await;
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.said.contains("nowhere.toml"), "{}", failed.said);
}

#[tokio::test]
async fn a_value_that_makes_no_sense_is_named() {
    one_machine!(Process);
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "grace = \"soon\"\n");
    let failed = ServerProcess::fails(folder.path(), &["--config", &path], &[]).await;
    assert!(failed.said.contains("grace"), "{}", failed.said);
    let failed = ServerProcess::fails(folder.path(), &["--grace", "soon"], &[]).await;
    assert!(!failed.status.success());
    assert!(failed.said.contains("--grace"), "{}", failed.said);
}

#[tokio::test]
async fn clocks_that_contradict_each_other_are_refused_and_named() {
    one_machine!(Process);
    let folder = TempDir::new().unwrap();
    let arguments = ["--client-stop", "9s", "--listen", "127.0.0.1:0"];
    let failed = ServerProcess::fails(folder.path(), &arguments, &[]).await;
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.said.contains("client_stop"), "{}", failed.said);
    assert!(failed.said.contains("offline_after"), "{}", failed.said);
    let arguments = ["--max-frame", "2GiB", "--listen", "127.0.0.1:0"];
    let failed = ServerProcess::fails(folder.path(), &arguments, &[]).await;
    assert!(failed.said.contains("max_frame"), "{}", failed.said);
}

#[tokio::test]
async fn the_environment_sets_what_no_flag_does() {
    one_machine!(Process);
    let folder = TempDir::new().unwrap();
    let arguments = ["--listen", "127.0.0.1:0"];
    let environment = [("BATON_CLIENT_STOP", "9s")];
    let failed = ServerProcess::fails(folder.path(), &arguments, &environment).await;
    assert!(failed.said.contains("client_stop"), "{}", failed.said);
}

#[tokio::test]
async fn the_file_may_be_named_in_the_environment() {
    one_machine!(Process);
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "client_stop = \"9s\"\n");
    let environment = [("BATON_CONFIG", path.as_str())];
    let failed = ServerProcess::fails(folder.path(), &[], &environment).await;
    assert!(failed.said.contains("client_stop"), "{}", failed.said);
}

/// Each source's connection limit is another one, and the limit in force shows who won.
#[tokio::test]
async fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    one_machine!(Process);
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "max_connections = 3\n");
    assert_eq!(connections(&["--config", &path], &[]).await, 3);
    let environment = [("BATON_MAX_CONNECTIONS", "2")];
    assert_eq!(connections(&["--config", &path], &environment).await, 2);
    let arguments = ["--config", &path, "--max-connections", "1"];
    assert_eq!(connections(&arguments, &environment).await, 1);
}

/// How many connections such a server takes.
async fn connections(arguments: &[&str], environment: &[(&str, &str)]) -> usize {
    let server = ServerProcess::start_with(arguments, environment).await;
    let mut taken = Vec::new();
    loop {
        let join = Join::raw("notes");
        match baton_tests::RawClient::try_connect(server.address(), join).await {
            Ok(client) => taken.push(client),
            Err(refused) => {
                assert_eq!(refused.status, 503);
                return taken.len();
            }
        }
    }
}

/// The timings that a client of such a server is welcomed with: offer, grace and drain.
async fn timings(arguments: &[&str], environment: &[(&str, &str)]) -> (u64, u64, u64) {
    let server = ServerProcess::start_with(arguments, environment).await;
    let ada = baton_tests::RawClient::connect(server.address(), Join::member("notes", "Ada")).await;
    ada.hears("a welcome", |message| match message {
        ServerMessage::Welcome { timings, .. } => {
            Some((timings.offer, timings.grace, timings.drain))
        }
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_profile_sets_all_clocks_but_those_that_are_set_by_themselves() {
    one_machine!(Process);
    let folder = TempDir::new().unwrap();
    assert_eq!(timings(&[], &[]).await, (2_000, 5_000, 3_000));
    assert_eq!(timings(&["--profile", "fast"], &[]).await, (400, 0, 600));
    let strict = file(&folder, "profile = \"strict\"\ngrace = \"7s\"\n");
    let arguments = ["--config", &strict];
    assert_eq!(timings(&arguments, &[]).await, (2_000, 7_000, 10_000));
    // Another profile, named in the environment; the grace that the file sets by itself counts all the same.
    let environment = [("BATON_PROFILE", "fast"), ("BATON_TICKET_LIFE", "9s")];
    assert_eq!(timings(&arguments, &environment).await, (400, 7_000, 600));
}

#[tokio::test]
async fn rights_and_the_mode_of_new_documents_are_set_up() {
    one_machine!(Process);
    let arguments = ["--rights", "manage", "--mode", "required"];
    let server = ServerProcess::start(&arguments).await;
    let ada = baton_tests::RawClient::connect(server.address(), Join::member("notes", "Ada")).await;
    let welcome = ada
        .hears("a welcome", |message| match message {
            ServerMessage::Welcome { rights, lock, .. } => Some((rights.clone(), lock.mode)),
            _ => None,
        })
        .await;
    let rights = vec![Right::Write, Right::Lock, Right::Manage];
    assert_eq!(welcome, (rights, LockMode::Required));
    let folder = TempDir::new().unwrap();
    let failed = ServerProcess::fails(folder.path(), &["--rights", "everything"], &[]).await;
    assert!(
        failed.said.contains("everything") && failed.said.contains("take-over"),
        "{}",
        failed.said
    );
}

#[tokio::test]
async fn help_names_every_setting_with_its_meaning() {
    one_machine!(Process);
    let output = tokio::process::Command::new(baton_tests::program())
        .args(["serve", "--help"])
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for name in baton_server::Settings::NAMES {
        let flag = format!("--{}", name.replace('_', "-"));
        assert!(text.contains(&flag), "{flag}");
        let variable = format!("BATON_{}", name.to_uppercase());
        assert!(text.contains(&variable), "{variable}");
    }
}

/// Queues that pass the check must also be queues that the log takes.
#[test]
fn settings_that_pass_the_check_can_be_started_with() {
    let kib = bytesize::ByteSize::kib(64);
    let mut settings = baton_server::Settings::default();
    settings.max_frame = kib;
    settings.log_queue = kib;
    match settings.check() {
        Ok(()) => {
            let options = baton_server::Server::log_options(&settings);
            let started = baton_log::Log::in_memory(options);
            assert!(started.is_ok(), "{started:?}");
        }
        Err(error) => assert!(error.to_string().contains("log_queue"), "{error}"),
    }
}
