//! A node does not start with an engine that could lose what it calls saved.

use std::time::Duration;

use baton_cluster::engine::{Engine, EngineError, EngineOptions};

use crate::servers::{Servers, Setup};

async fn refusal(options: EngineOptions) -> String {
    let refused = Engine::start(options).await;
    refused.expect_err("a refusal").to_string()
}

#[tokio::test]
async fn a_fit_engine_is_taken_again_and_again() {
    let Some(servers) = Servers::start(&Setup::of(1)) else {
        return;
    };
    let first = servers.engine().await;
    let state = first.stream(0).state().await.unwrap();
    assert_eq!((state.last, state.messages), (0, 0));
    first.close().await;
    assert_eq!(servers.engine().await.stream_count(), 2);
}

#[tokio::test]
async fn records_must_be_on_the_disk_before_they_are_acknowledged() {
    let lax = Setup {
        sync_always: false,
        ..Setup::of(1)
    };
    let Some(servers) = Servers::start(&lax) else {
        return;
    };
    let refused = refusal(servers.options()).await;
    assert!(
        refused.contains("nats-0") && refused.contains("sync_interval: always"),
        "{refused}"
    );
}

/// An ordinary account cannot ask for the servers' state, unless the operator shares the question:
/// the monitors must be named, and are read.
#[tokio::test]
async fn the_state_is_read_from_monitors_if_the_account_may_not_ask() {
    let private = Setup {
        shares_state: false,
        ..Setup::of(1)
    };
    let Some(servers) = Servers::start(&private) else {
        return;
    };
    let refused = refusal(servers.options()).await;
    assert!(refused.contains("--cluster-monitors"), "{refused}");
    let mut options = servers.options();
    options.monitors = servers.monitors();
    assert!(Engine::start(options.clone()).await.is_ok());
    drop(servers);

    let lax = Setup {
        sync_always: false,
        ..private
    };
    let servers = Servers::start(&lax).unwrap();
    let mut options = servers.options();
    options.monitors = servers.monitors();
    let refused = refusal(options).await;
    assert!(refused.contains("sync_interval: always"), "{refused}");
}

#[tokio::test]
async fn jetstream_must_be_on() {
    let off = Setup {
        jetstream: false,
        ..Setup::of(1)
    };
    let Some(servers) = Servers::start(&off) else {
        return;
    };
    let refused = refusal(servers.options()).await;
    assert!(
        refused.contains("JetStream is off") && refused.contains("store_dir"),
        "{refused}"
    );
}

#[tokio::test]
async fn as_many_copies_as_asked_must_be_possible_and_kept() {
    let Some(servers) = Servers::start(&Setup::of(1)) else {
        return;
    };
    let mut options = servers.options();
    options.replicas = 3;
    options.start_timeout = Duration::from_secs(2);
    let refused = refusal(options.clone()).await;
    assert!(refused.contains("majority of 3 copies"), "{refused}");

    servers.engine().await;
    let mut other = servers.options();
    other.streams = 3;
    let refused = refusal(other).await;
    assert!(
        refused.contains("made with 2 streams, the settings say 3"),
        "{refused}"
    );
}

/// Three servers and three nodes that are started at once: a node that found two servers only, the
/// third one just being known as offline, ended instead of waiting for it.
#[tokio::test]
async fn a_node_waits_for_the_servers_that_are_to_hold_its_copies() {
    let Some(mut servers) = Servers::start(&Setup::of(3)) else {
        return;
    };
    servers.engine().await;
    // The group knows that there are three, and two have not heard of the third one.
    for server in 0..3 {
        servers.kill(server);
    }
    servers.restart(0);
    servers.restart(1);
    let with_prefix = |prefix: String| EngineOptions {
        prefix,
        ..servers.options()
    };
    let mut refused = String::new();
    for attempt in 0..30 {
        let mut options = with_prefix(format!("attempt-{attempt}"));
        options.start_timeout = Duration::from_secs(3);
        if let Err(error) = Engine::start(options).await {
            refused = error.to_string();
        }
        if refused.contains("3 copies are asked for") {
            break;
        }
    }
    assert!(refused.contains("3 copies are asked for"), "{refused}");
    assert!(refused.contains("--cluster-replicas"), "{refused}");
    let starting = Engine::start(with_prefix("later".to_owned()));
    let (started, ()) = tokio::join!(starting, async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        servers.restart(2);
    });
    assert!(started.is_ok(), "{started:?}");
}

#[tokio::test]
async fn a_stream_that_was_changed_is_refused_with_the_command_that_mends_it() {
    let Some(servers) = Servers::start(&Setup::of(1)) else {
        return;
    };
    servers.engine().await;
    let client = async_nats::ConnectOptions::with_user_and_password("node".into(), "s3cr3t".into());
    let address = servers.url("x").replace("nats://x@", "nats://");
    let jetstream = async_nats::jetstream::new(client.connect(address).await.unwrap());
    let mut stream = jetstream.get_stream("baton-log-1").await.unwrap();
    let good = stream.info().await.unwrap().config.clone();
    let mut changed = good.clone();
    changed.max_age = Duration::from_secs(3600);
    jetstream.update_stream(changed).await.unwrap();
    let refused = refusal(servers.options()).await;
    assert!(
        refused.contains("nats stream edit baton-log-1 --max-age"),
        "{refused}"
    );
    let mut changed = good.clone();
    changed.allow_atomic_publish = false;
    jetstream.update_stream(changed).await.unwrap();
    let refused = refusal(servers.options()).await;
    assert!(
        refused.contains("nats stream edit baton-log-1 --allow-batch"),
        "{refused}"
    );
    jetstream.update_stream(good).await.unwrap();
    servers.engine().await;
}

#[tokio::test]
async fn credentials_are_checked_and_never_repeated() {
    let Some(servers) = Servers::start(&Setup::of(1)) else {
        return;
    };
    let mut options = EngineOptions::new(servers.url("node:wr0ng").parse().unwrap());
    options.start_timeout = Duration::from_secs(5);
    let error = Engine::start(options).await.expect_err("a refusal");
    assert!(matches!(error, EngineError::Unauthorized { .. }), "{error}");
    assert!(!error.to_string().contains("wr0ng"), "{error}");
    assert!(!format!("{error:?}").contains("wr0ng"));
}

#[tokio::test]
async fn no_server_is_an_error_that_names_the_addresses() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut options = EngineOptions::new(format!("nats://u:s3cr3t@{address}").parse().unwrap());
    options.start_timeout = Duration::from_secs(2);
    let refused = refusal(options).await;
    assert!(refused.contains(&address.to_string()), "{refused}");
    assert!(!refused.contains("s3cr3t"), "{refused}");
}

#[tokio::test]
async fn tls_with_an_authority_of_ones_own() {
    let names = vec!["127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let certificate = file("cert.pem", made.cert.pem());
    let key = file("key.pem", made.signing_key.serialize_pem());
    let lines = format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\" }}",
        certificate.display(),
        key.display()
    );
    let Some(servers) = Servers::start(&Setup {
        lines,
        ..Setup::of(1)
    }) else {
        return;
    };
    let tls = servers.url("node:s3cr3t").replace("nats://", "tls://");
    let mut options = servers.options();
    options.servers = tls.parse().unwrap();
    options.start_timeout = Duration::from_secs(5);
    let untrusted = refusal(options.clone()).await;
    assert!(untrusted.contains("could be reached"), "{untrusted}");
    options.ca_file = Some(certificate);
    let trusted = Engine::start(options.clone()).await;
    assert!(trusted.is_ok(), "{trusted:?}");
    options.ca_file = Some(folder.path().join("missing.pem"));
    let missing = refusal(options).await;
    assert!(missing.contains("missing.pem cannot be read"), "{missing}");
}
