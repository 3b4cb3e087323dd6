//! Access that ends or changes while a connection is open: told, and then enforced, within a second.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use baton_auth::Permissions;
use baton_client::{Client, ClientEvent, ClientOptions, ClientToken};
use baton_server::{AuthMode, Settings, close};
use baton_sync::control_channel::{
    ChannelToken, ClientMessage, ErrorCode, Outcome, Right, ServerMessage,
};
use baton_sync::hocuspocus::AccessScope;
use baton_tests::{
    HocuspocusClient, Join, LockState, Pass, RawClient, ServerProcess, TestServer, http, millis,
    one_machine, program, time_until, unix_ms, within,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

/// The promise is a second; the rest is for a machine that does much else.
const SOON: Duration = Duration::from_secs(3);

async fn with_tokens() -> TestServer {
    TestServer::with(Pass::asked_for).await
}

fn operator() -> String {
    Pass::to("*", Permissions::MANAGE).of("operator").token()
}

/// How a connection ended, which is soon.
async fn is_closed_soon(client: &RawClient, code: u16) {
    let ended = timeout(SOON, client.ends()).await;
    assert_eq!(ended.expect("it is soon").code, Some(code));
}

fn shows(token: &str) -> ClientMessage {
    ClientMessage::Token {
        token: ChannelToken::new(token),
    }
}

async fn hears_rights(client: &RawClient) -> Vec<Right> {
    client
        .hears("its rights", |message| match message {
            ServerMessage::Rights { rights } => Some(rights.clone()),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn an_expired_token_ends_its_connection_and_a_new_one_opens_another() {
    let server = with_tokens().await;
    let short = Pass::to("notes", Permissions::LOCK).of("ada").lasting(2);
    let token = short.token();
    let stock = server
        .connect(Join::stock("notes").with_token(&token))
        .await;
    let member = Join::member("notes", "Ada").with_token(&token);
    let member = server.connect(member).await;
    let left = member.hears("that it expires soon", |message| match message {
        ServerMessage::TokenExpiring { left_ms } => Some(*left_ms),
        _ => None,
    });
    let left = left.await;
    assert!((1..=2_000).contains(&left), "{left}");
    let before = time_until(short.expires_ms());
    is_closed_soon_after(&stock, before).await;
    is_closed_soon_after(&member, before).await;
    let denied = stock.look(|known| known.denied.clone()).unwrap();
    assert!(denied.contains("expired"), "{denied}");
    member.is_told_off(ErrorCode::Access).await;
    // It may come again, but not with that token.
    let again = Join::raw("notes").with_token(&token);
    let again = server.try_connect(again).await.unwrap();
    again.is_closed_with(close::UNAUTHORIZED).await;
    let fresh = Pass::to("notes", Permissions::LOCK).of("ada").token();
    server
        .connect(Join::stock("notes").with_token(&fresh))
        .await;
    assert_eq!(server.refused("session_expired"), 2);
}

async fn is_closed_soon_after(client: &RawClient, wait: Duration) {
    let ended = timeout(wait + SOON, client.ends()).await;
    assert_eq!(ended.expect("it is soon").code, Some(close::EXPIRED));
}

#[tokio::test]
async fn a_new_token_of_the_same_user_lets_a_connection_go_on_with_its_rights() {
    let server = with_tokens().await;
    let short = Pass::to("notes", Permissions::TAKE_OVER)
        .of("ada")
        .lasting(8);
    let ada = Join::member("notes", "Ada").with_token(&short.token());
    let ada = server.connect(ada).await;
    let fence = ada.takes_lock().await;
    let other = Pass::to("notes", Permissions::LOCK).of("eve");
    let elsewhere = Pass::to("others", Permissions::LOCK).of("ada");
    for wrong in [other.token(), elsewhere.token(), "forged".to_owned()] {
        ada.says(&shows(&wrong));
        ada.is_told_off(ErrorCode::Access).await;
    }
    // The same rights: told all the same, and nothing is lost.
    ada.says(&shows(
        &Pass::to("notes", Permissions::TAKE_OVER).of("ada").token(),
    ));
    let rights = hears_rights(&ada).await;
    assert_eq!(rights, [Right::Write, Right::Lock, Right::TakeOver]);
    assert_eq!(ada.look(|known| known.fence()), Some(fence));
    // Fewer: its lock drains, and it only reads.
    ada.says(&shows(
        &Pass::to("notes", Permissions::READ).of("ada").token(),
    ));
    assert!(hears_rights(&ada).await.is_empty());
    ada.is_told_to_drain(fence).await;
    ada.is_drained(fence);
    ada.loses(fence).await;
    sleep(time_until(short.expires_ms() + 1_000)).await;
    assert_eq!(ada.acquires().await, Outcome::Forbidden);
    assert!(
        ada.look(|known| known.ended.is_none()),
        "it outlives its first token"
    );
}

#[tokio::test]
async fn a_hocuspocus_client_is_asked_for_a_new_token_and_denied_without_one() {
    one_machine!(KnownLimit);
    let server = with_tokens().await;
    let pass = |permissions| Pass::to("notes", permissions).of("ada");
    let short = pass(Permissions::WRITE).lasting(2);
    let open = async |pass: &Pass| {
        let mut client = HocuspocusClient::open(server.address(), "notes", &pass.token()).await;
        let synced = |client: &HocuspocusClient| client.synced.then_some(());
        client.until("the first sync", synced).await;
        client
    };
    let mut keeps = open(&short).await;
    let mut renews = open(&short).await;
    let asked = |client: &HocuspocusClient| (client.token_requests > 0).then_some(());
    renews.until("to be asked for its token", asked).await;
    renews.shows(&pass(Permissions::READ).token()).await;
    let readonly =
        |client: &HocuspocusClient| (client.scope == Some(AccessScope::ReadOnly)).then_some(());
    renews.until("its new scope", readonly).await;
    let denied = |client: &HocuspocusClient| client.denied.clone();
    let why = keeps.until("to be denied", denied).await;
    assert!(why.contains("expired"), "{why}");
    assert!(unix_ms() < short.expires_ms() + 3_000, "it is soon");
    // It may show another token on the same socket.
    keeps.denied = None;
    keeps.shows(&pass(Permissions::WRITE).token()).await;
    let in_again = |client: &HocuspocusClient| (client.authenticated > 1).then_some(());
    keeps.until("to be in again", in_again).await;
    // What an operator does is told in the same words.
    let line = "DELETE /api/v1/sessions?user=ada";
    let ended = http::call(server.address(), line, Some(&operator())).await;
    assert_eq!(ended.json(), json!({"ended": 2}), "{ended:?}");
    for client in [&mut keeps, &mut renews] {
        let why = client.until("to be denied", denied).await;
        assert!(why.contains("revoked"), "{why}");
    }
}

/// The package's own client shows its new token by itself, here and on its next connection.
#[tokio::test]
async fn the_client_package_refreshes_its_token() {
    let server = with_tokens().await;
    let token = |pass: Pass| ClientToken::new(pass.token()).unwrap();
    let pass = || Pass::to("notes", Permissions::LOCK).of("ada");
    let mut options = ClientOptions::new(format!("ws://{}/ws", server.address()), "notes");
    options.token = Some(token(pass().lasting(2)));
    let ada = Client::connect(options).unwrap();
    let mut events = ada.events();
    within("the first sync", ada.synced()).await.unwrap();
    let expiring = async {
        loop {
            if let Ok(ClientEvent::TokenExpiring { left }) = events.recv().await {
                return left;
            }
        }
    };
    assert!(within("that it expires", expiring).await <= Duration::from_secs(2));
    let first_ends = unix_ms() + 2_000;
    ada.refresh_token(token(pass()));
    let rights = async {
        loop {
            if let Ok(ClientEvent::Rights(rights)) = events.recv().await {
                return rights;
            }
        }
    };
    assert_eq!(
        within("its rights", rights).await,
        [Right::Write, Right::Lock]
    );
    sleep(time_until(first_ends + 1_000)).await;
    ada.disconnect();
    ada.reconnect();
    within("the next sync", ada.synced()).await.unwrap();
    ada.edit(|txn| {
        use baton_client::yrs::{Text, WriteTxn};
        txn.get_or_insert_text("t").push(txn, "still here");
    })
    .unwrap();
    within("that it is saved", ada.saved()).await.unwrap();
    ada.close().await;
}

#[tokio::test]
async fn an_operator_sees_the_sessions_and_ends_one_for_good() {
    one_machine!(KnownLimit);
    let server = with_tokens().await;
    let own = server.address();
    let ada_token = Pass::to("notes", Permissions::WRITE).of("ada").named("t1");
    let ada_token = ada_token.within("acme").token();
    let bob_token = Pass::to("notes", Permissions::READ).of("bob").token();
    let ada = server
        .connect(Join::stock("notes").with_token(&ada_token))
        .await;
    let ada_too = server
        .connect(Join::stock("notes").with_token(&ada_token))
        .await;
    let bob = server
        .connect(Join::stock("notes").with_token(&bob_token))
        .await;
    let operator = operator();
    let get = async |path: &str| {
        let answer = http::call(own, &format!("GET {path}"), Some(&operator)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let all = get("/api/v1/sessions").await;
    assert_eq!(all["next"], Value::Null);
    let all = all["sessions"].as_array().unwrap().clone();
    assert_eq!(all.len(), 3);
    let first = &all[0];
    for (field, value) in [
        ("document", json!("notes")),
        ("user", json!("ada")),
        ("tenant", json!("acme")),
        ("token_id", json!("t1")),
        ("wire", json!("y-websocket")),
        ("address", json!("127.0.0.1")),
        ("permissions", json!(["read", "write"])),
    ] {
        assert_eq!(first[field], value, "{field}");
    }
    assert!(first["since_ms"].as_u64().unwrap() <= unix_ms());
    assert!(first["expires_ms"].as_u64().unwrap() > unix_ms());
    let text = all.iter().map(Value::to_string).collect::<String>();
    assert!(!text.contains(&ada_token) && !text.contains(&bob_token));
    // Pages, and questions.
    let page = get("/api/v1/sessions?limit=2").await;
    assert_eq!(page["sessions"].as_array().unwrap().len(), 2);
    let next = page["next"].as_u64().unwrap();
    let page = get(&format!("/api/v1/sessions?limit=2&after={next}")).await;
    assert_eq!(page["sessions"][0]["user"], "bob");
    let bobs = get("/api/v1/sessions?user=bob&document=notes").await;
    assert_eq!(bobs["sessions"].as_array().unwrap().len(), 1);
    let none = get("/api/v1/sessions?user=ada&document=other").await;
    assert!(none["sessions"].as_array().unwrap().is_empty());
    // The session of Ada, and the other one with the same token; not that of Bob.
    let line = format!("DELETE /api/v1/sessions/{}", first["id"]);
    let ended = http::call(own, &line, Some(&operator)).await;
    assert_eq!((ended.status, ended.json()), (200, json!({"ended": 2})));
    is_closed_soon(&ada, close::UNAUTHORIZED).await;
    is_closed_soon(&ada_too, close::UNAUTHORIZED).await;
    let again = Join::raw("notes").with_token(&ada_token);
    let again = server.try_connect(again).await.unwrap();
    again.is_closed_with(close::UNAUTHORIZED).await;
    bob.states(r#"{"still":"here"}"#);
    let ended = http::call(own, &line, Some(&operator)).await;
    assert_eq!(ended.status, 404, "{ended:?}");
    let left = get("/api/v1/sessions").await;
    assert_eq!(left["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_revoked_user_is_out_with_every_token_but_one_that_is_issued_later() {
    one_machine!(KnownLimit);
    let server = TestServer::with(|settings| {
        Pass::asked_for(settings);
        settings.auth_leeway = millis(30_000);
    })
    .await;
    let pass = || Pass::to("*", Permissions::LOCK).of("ada");
    let old = [pass().token(), pass().named("t2").token()];
    let bob = Pass::to("notes", Permissions::LOCK).of("bob").token();
    let bob = server
        .connect(Join::member("notes", "Bob").with_token(&bob))
        .await;
    let first = server
        .connect(Join::stock("notes").with_token(&old[0]))
        .await;
    let second = Join::member("plans", "Ada").with_token(&old[1]);
    let second = server.connect(second).await;
    let line = "DELETE /api/v1/sessions?user=ada";
    let ended = http::call(server.address(), line, Some(&operator())).await;
    assert_eq!(ended.json(), json!({"ended": 2}), "{ended:?}");
    is_closed_soon(&first, close::UNAUTHORIZED).await;
    is_closed_soon(&second, close::UNAUTHORIZED).await;
    for old in &old {
        let again = Join::raw("notes").with_token(old);
        let again = server.try_connect(again).await.unwrap();
        again.is_closed_with(close::UNAUTHORIZED).await;
    }
    let new = pass().issued_in(2).token();
    server.connect(Join::stock("notes").with_token(&new)).await;
    assert_eq!(
        bob.acquires().await,
        Outcome::Done,
        "others are not concerned"
    );
}

#[tokio::test]
async fn the_api_is_for_operators_and_says_what_is_wrong() {
    let server = with_tokens().await;
    let own = server.address();
    let operator = operator();
    let manager = Pass::to("notes", Permissions::ALL).token();
    let editor = Pass::to("*", Permissions::TAKE_OVER).token();
    let expired = Pass::to("*", Permissions::MANAGE).lasting(0).token();
    sleep(Duration::from_millis(1_000)).await;
    for (line, token, status, code) in [
        ("GET /api/v1/sessions", None, 401, "token-missing"),
        ("GET /api/v1/sessions", Some("x"), 401, "token-malformed"),
        ("GET /api/v1/sessions", Some(&*expired), 401, "expired"),
        (
            "GET /api/v1/sessions",
            Some(&*manager),
            403,
            "not-an-operator",
        ),
        (
            "POST /api/v1/recheck",
            Some(&*editor),
            403,
            "not-an-operator",
        ),
        (
            "DELETE /api/v1/sessions/1",
            Some(&*manager),
            403,
            "not-an-operator",
        ),
        ("GET /api/v1/nothing", None, 401, "token-missing"),
        ("GET /api/v1/nothing", Some(&*operator), 404, "unknown-path"),
        (
            "PUT /api/v1/sessions",
            Some(&*operator),
            405,
            "unknown-method",
        ),
        (
            "GET /api/v1/recheck",
            Some(&*operator),
            405,
            "unknown-method",
        ),
        (
            "GET /api/v1/sessions?limit=0",
            Some(&*operator),
            400,
            "bad-query",
        ),
        (
            "GET /api/v1/sessions?limit=1001",
            Some(&*operator),
            400,
            "bad-query",
        ),
        (
            "GET /api/v1/sessions?usr=ada",
            Some(&*operator),
            400,
            "bad-query",
        ),
        (
            "DELETE /api/v1/sessions",
            Some(&*operator),
            400,
            "bad-query",
        ),
        (
            "DELETE /api/v1/sessions?user=a&token_id=b",
            Some(&*operator),
            400,
            "bad-query",
        ),
        (
            "DELETE /api/v1/sessions/99999999",
            Some(&*operator),
            404,
            "unknown-session",
        ),
        (
            "DELETE /api/v1/sessions/x",
            Some(&*operator),
            404,
            "unknown-session",
        ),
        (
            "DELETE /api/v1/sessions/-1",
            Some(&*operator),
            404,
            "unknown-session",
        ),
    ] {
        let answer = http::call(own, line, token).await;
        assert_eq!(answer.status, status, "{line}: {answer:?}");
        let body = answer.json();
        assert_eq!(body["code"], code, "{line}");
        assert!(body["message"].as_str().unwrap().len() > 20, "{body}");
    }
}

#[tokio::test]
async fn the_api_takes_a_token_from_a_header_only_and_answers_no_strange_page() {
    let server = with_tokens().await;
    let own = server.address();
    let operator = operator();
    // A token in the address would be in logs of proxies.
    let line = format!("GET /api/v1/sessions?token={operator}");
    let answer = http::call(own, &line, None).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(
        answer
            .head
            .to_lowercase()
            .contains("www-authenticate: bearer")
    );
    // A page of another origin, even with a token that it stole.
    let request = format!(
        "GET /api/v1/sessions HTTP/1.1\r\nHost: {own}\r\nOrigin: http://evil.example\r\nAuthorization: Bearer {operator}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(http::ask(own, request.as_bytes()).await.status, 403);
    // Where no client shows a token, the API would be everybody's.
    let open = TestServer::start().await;
    let answer = http::call(open.address(), "GET /api/v1/sessions", Some(&operator)).await;
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (403, &json!("api-off"))
    );
}

/// The server waits for a client over its rate and reads nothing of it meanwhile; a decision about it must not wait too.
#[tokio::test]
async fn a_client_that_floods_is_ended_all_the_same() {
    one_machine!(KnownLimit);
    let server = with_tokens().await;
    let pass = |user| Pass::to("notes", Permissions::WRITE).of(user).token();
    let eve = server
        .connect(Join::stock("notes").with_token(&pass("eve")))
        .await;
    let bob = Join::member("notes", "Bob").with_token(&pass("bob"));
    let bob = server.connect(bob).await;
    for _ in 0..20_000 {
        eve.types("flood ");
    }
    bob.sees("flood").await;
    let began = Instant::now();
    let line = "DELETE /api/v1/sessions?user=eve";
    let ended = http::call(server.address(), line, Some(&operator())).await;
    assert_eq!(ended.json(), json!({"ended": 1}), "{ended:?}");
    is_closed_soon(&eve, close::UNAUTHORIZED).await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    // What was taken before came to all; nothing follows.
    bob.types("after");
    bob.is_saved().await;
    let taken = bob.text();
    assert!(
        taken.matches("flood").count() < 20_000,
        "it was ended in the midst of it"
    );
    bob.types("later");
    bob.is_saved().await;
    assert_eq!(
        bob.text().matches("flood").count(),
        taken.matches("flood").count()
    );
}

/// The offer would stand for its whole time for a session that cannot claim it any more.
#[tokio::test]
async fn a_token_that_expires_while_its_session_is_offered_a_lock_passes_the_offer_on() {
    let server = TestServer::with(|settings| {
        Pass::asked_for(settings);
        settings.offer = millis(60_000);
    })
    .await;
    let pass = |user| Pass::to("notes", Permissions::LOCK).of(user);
    let join = |name: &str, pass: Pass| Join::member("notes", name).with_token(&pass.token());
    let ada = server.connect(join("Ada", pass("ada"))).await;
    let fence = ada.takes_lock().await;
    let short = pass("bob").lasting(2);
    let expires = short.expires_ms();
    let bob = server.connect(join("Bob", short)).await;
    let cyd = server.connect(join("Cyd", pass("cyd"))).await;
    assert_eq!(bob.acquires().await, Outcome::Queued);
    assert_eq!(cyd.acquires().await, Outcome::Queued);
    assert_eq!(ada.releases(fence).await, Outcome::Done);
    bob.is_offered().await;
    cyd.sees_lock(LockState::Offered).await;
    let ended = timeout(time_until(expires) + SOON, bob.ends()).await;
    assert_eq!(ended.unwrap().code, Some(close::EXPIRED));
    let claimed = timeout(Duration::from_secs(20), cyd.claims()).await;
    claimed.expect("it is offered the lock");
}

/// Each session costs the others of its document a message, and all of it was to be done in one turn of the document.
#[tokio::test]
async fn two_thousand_sessions_of_a_user_end_together() {
    one_machine!(KnownLimit);
    const CROWD: usize = 2_000;
    let server = TestServer::with(|settings| {
        Pass::asked_for(settings);
        settings.new_connections_burst = 10_000;
    })
    .await;
    let token = Pass::to("*", Permissions::WRITE).of("ada").token();
    let bob = Pass::to("d1", Permissions::WRITE).of("bob").token();
    let bob = server
        .connect(Join::member("d1", "Bob").with_token(&bob))
        .await;
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let document = format!("d{}", number % 20);
        let join = Join::raw(&document).with_token(&token);
        crowd.push(server.try_connect(join).await.unwrap());
    }
    server
        .comes_to("all of them", |load| load.connections > CROWD)
        .await;
    let listed = async || {
        let line = "GET /api/v1/sessions?user=ada&limit=1000";
        let page = http::call(server.address(), line, Some(&operator())).await;
        page.json()["sessions"].as_array().unwrap().len()
    };
    while listed().await < 1_000 {}
    let began = Instant::now();
    let line = "DELETE /api/v1/sessions?user=ada";
    let ended = http::call(server.address(), line, Some(&operator())).await;
    let took = began.elapsed();
    assert_eq!(ended.json(), json!({"ended": CROWD}), "{ended:?}");
    assert_eq!(listed().await, 0);
    for client in &crowd {
        client.is_closed_with(close::UNAUTHORIZED).await;
    }
    assert!(took < SOON, "{took:?}");
    bob.types("alone");
    bob.is_saved().await;
}

/// A service that decides about clients, as the story wants it to.
struct Webhook {
    address: std::net::SocketAddr,
    answer: Arc<Mutex<(u16, Value)>>,
    serving: tokio::task::AbortHandle,
}

impl Webhook {
    async fn start(permissions: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new((200, Value::Null)));
        let given = Arc::clone(&answer);
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (status, body) = given.lock().clone();
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !request.ends_with(b"}") {
                        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let body = body.to_string();
                    let length = body.len();
                    let answer = format!(
                        "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                    );
                    let _gone = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        let webhook = Self {
            address,
            answer,
            serving: serving.abort_handle(),
        };
        webhook.allows(permissions);
        webhook
    }

    fn allows(&self, permissions: &[&str]) {
        let user = json!({"id": "ada"});
        let body = json!({"allow": true, "permissions": permissions, "user": user});
        *self.answer.lock() = (200, body);
    }

    fn refuses(&self) {
        *self.answer.lock() = (200, json!({"allow": false}));
    }

    fn fails(&self) {
        *self.answer.lock() = (503, Value::Null);
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[tokio::test]
async fn a_recheck_asks_the_webhook_again_and_an_outage_throws_nobody_out() {
    one_machine!(KnownLimit);
    let webhook = Webhook::start(&["lock", "manage"]).await;
    let url = format!("http://{}/", webhook.address);
    let server = TestServer::with(|settings: &mut Settings| {
        settings.auth = AuthMode::Webhook;
        settings.auth_webhook_url = url.parse().unwrap();
    })
    .await;
    let recheck = async || {
        // The operator's token is judged by the same webhook.
        let line = "POST /api/v1/recheck";
        http::call(server.address(), line, Some("an opaque token")).await
    };
    let ada = Join::member("notes", "Ada").with_token("ada's token");
    let ada = server.connect(ada).await;
    let fence = ada.takes_lock().await;
    let report = recheck().await.json();
    let same = json!({"checked": 1, "changed": 0, "ended": 0, "undecided": 0});
    assert_eq!(report, same);
    // Fewer permissions act on the open connection.
    webhook.allows(&["read", "manage"]);
    let report = recheck().await.json();
    assert_eq!(
        report,
        json!({"checked": 1, "changed": 1, "ended": 0, "undecided": 0})
    );
    assert_eq!(hears_rights(&ada).await, [Right::Manage]);
    ada.is_told_to_drain(fence).await;
    ada.is_drained(fence);
    // What the webhook said of the operator is remembered until the next recheck.
    let line = "GET /api/v1/sessions";
    http::call(server.address(), line, Some("an opaque token")).await;
    webhook.fails();
    let report = recheck().await.json();
    assert_eq!(
        report,
        json!({"checked": 0, "changed": 0, "ended": 0, "undecided": 1})
    );
    let bob = Join::raw("notes").with_token("bob's token");
    let bob = server.try_connect(bob).await.unwrap();
    bob.is_closed_with(4504).await;
    ada.states(r#"{"still":"here"}"#);
    assert_eq!(ada.acquires().await, Outcome::Forbidden, "it is still in");
    webhook.allows(&["manage", "read"]);
    let line = "GET /api/v1/sessions";
    http::call(server.address(), line, Some("an opaque token")).await;
    webhook.refuses();
    let report = recheck().await.json();
    assert_eq!(
        report,
        json!({"checked": 1, "changed": 0, "ended": 1, "undecided": 0})
    );
    is_closed_soon(&ada, close::FORBIDDEN).await;
}

/// Runs a command of the program on a data folder. Returns what it printed.
async fn baton(data: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(program());
    command.args(arguments).arg("--data").arg(data);
    let output = within("the command", command.output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn commands_on_the_servers_machine_need_no_token() {
    one_machine!(Process);
    let environment = [("BATON_AUTH", "jwt"), ("BATON_AUTH_SECRET", Pass::SECRET)];
    let server = ServerProcess::start_with(&[], &environment).await;
    let data = server.data().to_owned();
    let join = |user: &str, id: &str| {
        let pass = Pass::to("*", Permissions::WRITE).of(user).named(id);
        Join::stock("notes").with_token(&pass.token())
    };
    let ada = server.connect(join("ada", "t1")).await;
    let bob = server.connect(join("bob", "t2")).await;
    let cyd = server.connect(join("cyd", "t3")).await;
    let list = baton(&data, &["sessions"]).await;
    assert_eq!(list.lines().count(), 3, "{list}");
    let line = list.lines().find(|line| line.contains("  cyd  ")).unwrap();
    assert!(
        line.contains("y-websocket  127.0.0.1  read,write"),
        "{line}"
    );
    assert!(line.ends_with("  notes"), "{line}");
    let cyds = line.split_whitespace().next().unwrap();
    for (arguments, client) in [
        (["revoke", "--user", "ada"], &ada),
        (["revoke", "--token-id", "t2"], &bob),
        (["revoke", "--session", cyds], &cyd),
    ] {
        let said = baton(&data, &arguments).await;
        assert!(said.contains("1 sessions were ended"), "{said}");
        is_closed_soon(client, close::UNAUTHORIZED).await;
    }
    let said = baton(&data, &["recheck"]).await;
    assert!(said.contains("0 sessions were checked"), "{said}");
    assert_eq!(baton(&data, &["sessions"]).await, "");
    let again = RawClient::try_connect(server.address(), join("ada", "t1")).await;
    again.unwrap().is_closed_with(close::UNAUTHORIZED).await;
}
