//! The Rust client package connects: over TLS, with tokens at each place, and with a source of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use baton_auth::Permissions;
use baton_client::{
    Client, ClientEnded, ClientEvent, ClientOptions, ClientToken, CloseCause, CloseMeaning,
    TlsConfig, TokenPlacement, TokenSource,
};
use baton_server::OrNone;
use baton_sync::document::yrs::{Text, WriteTxn};
use baton_tests::certificates::Authority;
use baton_tests::{Pass, TestServer, within};
use tokio::sync::broadcast::error::TryRecvError;

fn options(server: &TestServer) -> ClientOptions {
    ClientOptions::new(format!("ws://{}/ws", server.address()), "notes")
}

#[tokio::test]
async fn it_speaks_tls_with_the_authorities_that_it_is_given_and_no_others() {
    let authority = Authority::new();
    let server = TestServer::with(|settings| {
        settings.tls_cert = OrNone(Some(authority.cert().display().to_string()));
        settings.tls_key = OrNone(Some(authority.key().display().to_string()));
    })
    .await;
    let url = format!("wss://localhost:{}/ws", server.address().port());
    let pem = std::fs::read(authority.root()).unwrap();
    let own = TlsConfig::from_pem(&pem).unwrap();
    for tls in [own, TlsConfig::from(authority.client())] {
        let ada = Client::connect(ClientOptions::new(&url, "notes").with_tls(tls)).unwrap();
        within("the first sync", ada.ready()).await.unwrap();
        ada.edit(|txn| txn.get_or_insert_text("t").push(txn, "sealed"))
            .unwrap();
        within("the edit to be saved", ada.saved()).await.unwrap();
        ada.close().await;
    }
    let stranger = std::fs::read(Authority::new().root()).unwrap();
    let stranger = TlsConfig::from_pem(&stranger).unwrap();
    let eve = Client::connect(ClientOptions::new(&url, "notes").with_tls(stranger)).unwrap();
    let mut events = eve.events();
    let refused = async {
        loop {
            if let Ok(ClientEvent::Closed { cause, .. }) = events.recv().await {
                return cause;
            }
        }
    };
    // The address may be right another time: this is not final.
    let CloseCause::Network(reason) = within("the refusal", refused).await else {
        panic!("another cause");
    };
    assert!(reason.contains("certificate"), "{reason}");
}

#[tokio::test]
async fn a_token_counts_at_each_place_where_it_may_be_put() {
    let server = TestServer::with(Pass::asked_for).await;
    let token = Pass::to("notes", Permissions::LOCK).of("ada").token();
    for placement in [
        TokenPlacement::Header,
        TokenPlacement::SubProtocol,
        TokenPlacement::Query,
    ] {
        let options = options(&server)
            .with_token(ClientToken::new(token.clone()).unwrap())
            .with_token_placement(placement);
        let ada = Client::connect(options).unwrap();
        within("the first sync", ada.ready()).await.unwrap();
        ada.close().await;
    }
    let none = Client::connect(options(&server)).unwrap();
    let Err(ClientEnded::Closed(cause)) = within("the end", none.ready()).await else {
        panic!("let in without a token");
    };
    assert_eq!(cause.code(), Some(4401));
    assert_eq!(cause.meaning(), CloseMeaning::BadToken);
}

/// A source of tokens that last this many seconds, and the number of them. Those before the `n`th
/// are forged.
fn source(seconds: u64, forged: usize) -> (TokenSource, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&given);
    let source = TokenSource::new(move || {
        let n = counter.fetch_add(1, Ordering::Relaxed);
        let pass = Pass::to("notes", Permissions::LOCK).of("ada");
        let token = match n < forged {
            true => format!("forged.{n}.token"),
            false => pass.lasting(seconds).token(),
        };
        async move { Ok(ClientToken::new(token).unwrap()) }
    });
    (source, given)
}

#[tokio::test]
async fn a_session_outlives_its_tokens() {
    let server = TestServer::with(Pass::asked_for).await;
    let (source, given) = source(3, 0);
    let ada = Client::connect(options(&server).with_token_source(source)).unwrap();
    within("the first sync", ada.ready()).await.unwrap();
    let (session, mut events) = (ada.session(), ada.events());
    let asked = async {
        while given.load(Ordering::Relaxed) < 4 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("three more tokens", asked).await;
    ada.edit(|txn| txn.get_or_insert_text("t").push(txn, "still here"))
        .unwrap();
    within("the edit to be saved", ada.saved()).await.unwrap();
    assert_eq!(ada.session(), session);
    loop {
        match events.try_recv() {
            Ok(ClientEvent::Closed { cause, .. }) => panic!("closed: {cause}"),
            Ok(_) => {}
            Err(TryRecvError::Empty) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(server.refused("session_expired"), 0);
    ada.close().await;
}

#[tokio::test]
async fn one_refused_token_is_replaced_and_a_second_ends_the_client() {
    let server = TestServer::with(Pass::asked_for).await;
    let (once, given) = source(60, 1);
    let ada = Client::connect(options(&server).with_token_source(once)).unwrap();
    let mut events = ada.events();
    within("the first sync", ada.ready()).await.unwrap();
    assert_eq!(given.load(Ordering::Relaxed), 2);
    // A frame that was on its way to the closed connection hides no refusal.
    while let Ok(event) = events.try_recv() {
        if let ClientEvent::Closed { cause, .. } = event {
            assert_eq!(cause.code(), Some(4401), "{cause}");
        }
    }
    ada.close().await;
    let (always, given) = source(60, usize::MAX);
    let eve = Client::connect(options(&server).with_token_source(always)).unwrap();
    let Err(ClientEnded::Closed(cause)) = within("the end", eve.ready()).await else {
        panic!("let in with a forged token");
    };
    assert_eq!(cause.code(), Some(4401));
    assert_eq!(given.load(Ordering::Relaxed), 2);
}
