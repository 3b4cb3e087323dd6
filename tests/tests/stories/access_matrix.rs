//! Each wire, with each set of permissions, in each operation: what one table says, and nothing else.

use baton_auth::Permissions;
use baton_server::close;
use baton_sync::control_channel::{ClientMessage, ErrorCode, LockMode, Outcome, PeerStatus};
use baton_sync::document::yrs::{Text, WriteTxn};
use baton_sync::hocuspocus::AccessScope;
use baton_tests::{HocuspocusClient, Join, Pass, RawClient, TestServer, http};
use tokio::time::{Duration, sleep};

/// What a client tries, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Open,
    Read,
    Awareness,
    Edit,
    SetMode,
    DecidePark,
    Acquire,
    TakeOver,
    Rest,
}

use Operation::{Acquire, Awareness, DecidePark, Edit, Open, Read, Rest, SetMode, TakeOver};

const ALL: [Operation; 9] = [
    Open, Read, Awareness, Edit, SetMode, DecidePark, Acquire, TakeOver, Rest,
];

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// y-websocket, as a stock client.
    Stock,
    /// y-websocket with Baton's channel.
    Channel,
    /// Hocuspocus, as a stock client.
    Hocuspocus,
    /// y-sweet, as a stock client.
    YSweet,
}

impl Wire {
    /// A stock client has no words for the rest.
    fn can_ask_for(self, operation: Operation) -> bool {
        match operation {
            Open | Read | Awareness | Edit | Rest => true,
            SetMode | DecidePark | Acquire | TakeOver => self == Self::Channel,
        }
    }
}

/// A line of the table: a token, and what a client with it may do with the document "notes".
struct Line {
    name: &'static str,
    token: Option<fn(&str) -> Pass>,
    may: &'static [Operation],
    /// How a client is refused that may not even open it.
    refused: u16,
}

/// The table. `document` is the one that is opened.
const TABLE: [Line; 12] = [
    Line {
        name: "no token",
        token: None,
        may: &[],
        refused: close::UNAUTHORIZED,
    },
    Line {
        name: "expired",
        token: Some(|_| Pass::to("*", Permissions::ALL).lasting(0)),
        may: &[],
        refused: close::UNAUTHORIZED,
    },
    Line {
        name: "for another document",
        token: Some(|document| Pass::to(&format!("{document}2"), Permissions::ALL)),
        may: &[],
        refused: close::FORBIDDEN,
    },
    Line {
        name: "none",
        token: Some(|document| Pass::to(document, Permissions::NONE)),
        may: &[],
        refused: close::UNAUTHORIZED,
    },
    Line {
        name: "manage alone",
        token: Some(|document| Pass::to(document, Permissions::MANAGE)),
        may: &[],
        refused: close::FORBIDDEN,
    },
    Line {
        name: "read",
        token: Some(|document| Pass::to(document, Permissions::READ)),
        may: &[Open, Read, Awareness],
        refused: 0,
    },
    Line {
        name: "write",
        token: Some(|document| Pass::to(document, Permissions::WRITE)),
        may: &[Open, Read, Awareness, Edit],
        refused: 0,
    },
    Line {
        name: "lock",
        token: Some(|document| Pass::to(document, Permissions::LOCK)),
        may: &[Open, Read, Awareness, Edit, Acquire],
        refused: 0,
    },
    Line {
        name: "take-over",
        token: Some(|document| Pass::to(document, Permissions::TAKE_OVER)),
        may: &[Open, Read, Awareness, Edit, Acquire, TakeOver],
        refused: 0,
    },
    Line {
        name: "read and manage",
        token: Some(|document| Pass::to(document, Permissions::READ | Permissions::MANAGE)),
        may: &[Open, Read, Awareness, SetMode, DecidePark],
        refused: 0,
    },
    Line {
        name: "manage of all, and read",
        token: Some(|_| Pass::to("*", Permissions::READ | Permissions::MANAGE)),
        may: &[Open, Read, Awareness, SetMode, DecidePark, Rest],
        refused: 0,
    },
    Line {
        name: "all of all",
        token: Some(|_| Pass::to("*", Permissions::ALL)),
        may: &ALL,
        refused: 0,
    },
];

/// The document of one cell, with a host who holds the root "held", and what a guest wrote there, parked.
struct Scene {
    host: RawClient,
    park: u64,
}

impl Scene {
    async fn set(server: &TestServer, document: &str) -> Self {
        let token = Pass::to("*", Permissions::ALL).of("host").token();
        let host = Join::member(document, "Host").with_token(&token);
        let host = server.connect(host).await;
        host.types("written by the host");
        host.takes_part(&["held"]).await;
        let guest = Join::member(document, "Guest").with_token(&token);
        let guest = server.connect(guest).await;
        guest.edits(|txn| txn.get_or_insert_text("held").push(txn, "late"));
        let park = guest.is_parked().await;
        Self { host, park }
    }
}

/// Lets a client with this token try everything in order. Returns what it could do.
async fn tries(
    server: &TestServer,
    wire: Wire,
    line: &Line,
    document: &str,
) -> Result<Vec<Operation>, u16> {
    if wire == Wire::Hocuspocus {
        return tries_hocuspocus(server, line, document).await;
    }
    let scene = Scene::set(server, document).await;
    let token = line.token.map(|pass| pass(document).token());
    let join = match wire {
        Wire::Channel => Join::member(document, "Tester"),
        Wire::Stock | Wire::Hocuspocus => Join::stock(document),
        Wire::YSweet => Join::y_sweet(document, token.as_deref()),
    };
    let join = match token.as_deref().filter(|_| wire != Wire::YSweet) {
        Some(token) => join.with_token(token),
        None => join,
    };
    if line.name == "expired" {
        sleep(Duration::from_millis(1_000)).await;
    }
    let mut could = Vec::new();
    let tester = server.try_connect(join).await.unwrap();
    let refused = tester.until("to be in or out", |known| match &known.ended {
        Some(ended) => Some(ended.code),
        None => known.synced.then_some(None),
    });
    match refused.await {
        Some(code) => {
            let text = tester.text();
            assert_eq!(text, "", "who is refused has seen nothing");
            return Err(code);
        }
        None => could.push(Open),
    }
    if wire == Wire::Channel {
        tester.sees_peer("Tester", PeerStatus::Online).await;
    }
    tester.sees("written by the host").await;
    could.push(Read);
    tester.states(r#"{"user":"tester"}"#);
    let me = tester.look(|known| known.memory.client.get());
    let seen = scene.host.until("the tester's awareness", |known| {
        let seen = known.memory.others.get(&me)?.state.as_ref()?;
        seen.contains("tester").then_some(())
    });
    seen.await;
    could.push(Awareness);
    for operation in ALL.into_iter().skip(3) {
        if wire.can_ask_for(operation)
            && does(server, &tester, &scene, token.as_deref(), operation).await
        {
            could.push(operation);
        }
    }
    Ok(could)
}

/// The same over Hocuspocus, which denies without a code: a denial is that of the line.
async fn tries_hocuspocus(
    server: &TestServer,
    line: &Line,
    document: &str,
) -> Result<Vec<Operation>, u16> {
    let Scene { host, .. } = Scene::set(server, document).await;
    let token = line.token.map(|pass| pass(document).token());
    if line.name == "expired" {
        sleep(Duration::from_millis(1_000)).await;
    }
    let shown = token.as_deref().unwrap_or_default();
    let mut tester = HocuspocusClient::open(server.address(), document, shown).await;
    let denied = tester.until("to be in or out", |tester| match &tester.denied {
        Some(_) => Some(true),
        None => tester.synced.then_some(false),
    });
    if denied.await {
        assert!(tester.text().is_empty() && tester.scope.is_none());
        return Err(line.refused);
    }
    let mut could = vec![Open];
    let reads = |tester: &HocuspocusClient| tester.text().contains("by the host").then_some(());
    tester.until("the text", reads).await;
    could.push(Read);
    let me = tester.states(r#"{"user":"tester"}"#).await;
    let seen = host.until("the tester's awareness", |known| {
        let seen = known.memory.others.get(&me)?.state.as_ref()?;
        seen.contains("tester").then_some(())
    });
    seen.await;
    could.push(Awareness);
    // The answer to the server's Step1 has a status as well.
    let answered = |tester: &HocuspocusClient| (!tester.statuses.is_empty()).then_some(());
    let what = format!("{}: the status of the answer", line.name);
    tester.until(&what, answered).await;
    let before = tester.statuses.len();
    tester.types(", and by the tester").await;
    let status = |tester: &HocuspocusClient| tester.statuses.get(before).copied();
    let what = format!("{}: the status of the edit", line.name);
    let saved = tester.until(&what, status).await;
    let scope = if saved {
        AccessScope::ReadWrite
    } else {
        AccessScope::ReadOnly
    };
    assert_eq!(tester.scope, Some(scope));
    if saved {
        host.sees("by the tester").await;
        could.push(Edit);
    } else {
        host.types(".");
        host.is_saved().await;
        assert!(!host.text().contains("by the tester"));
    }
    let list = http::call(server.address(), "GET /api/v1/sessions", token.as_deref()).await;
    if list.status == 200 {
        could.push(Rest);
    }
    Ok(could)
}

async fn does(
    server: &TestServer,
    tester: &RawClient,
    scene: &Scene,
    token: Option<&str>,
    operation: Operation,
) -> bool {
    let done = |outcome| outcome == Outcome::Done;
    let Scene { host, park } = scene;
    match operation {
        Open | Read | Awareness => unreachable!("tried before"),
        Edit => edits(tester, host).await,
        SetMode => {
            let mode = LockMode::ExclusiveWhenHeld;
            done(
                tester
                    .operates(|nonce| ClientMessage::SetMode { nonce, mode })
                    .await,
            )
        }
        DecidePark => {
            let id = *park;
            done(
                tester
                    .operates(|nonce| ClientMessage::DiscardPark { nonce, id })
                    .await,
            )
        }
        Acquire => {
            let acquired = done(tester.acquires_part(&["free"]).await);
            if acquired {
                let fence = tester.claims().await;
                tester.releases(fence).await;
            }
            acquired
        }
        TakeOver => {
            let paths = vec![vec!["held".to_owned()]];
            done(
                tester
                    .operates(|nonce| ClientMessage::TakeOver { nonce, paths })
                    .await,
            )
        }
        Rest => {
            let line = "GET /api/v1/sessions";
            http::call(server.address(), line, token).await.status == 200
        }
    }
}

/// Edits where nobody holds a lock. An edit that is not taken is told to its author, and comes to nobody.
async fn edits(tester: &RawClient, host: &RawClient) -> bool {
    tester.types(", and by the tester");
    loop {
        if host.text().contains("by the tester") {
            return true;
        }
        let refused = tester.look(|known| known.denied.is_some());
        let told = !tester
            .take(|message| match message {
                baton_sync::control_channel::ServerMessage::Error { code, .. } => {
                    (*code == ErrorCode::ReadOnly).then_some(())
                }
                _ => None,
            })
            .is_empty();
        if refused || told {
            host.types(".");
            host.is_saved().await;
            assert!(!host.text().contains("by the tester"));
            return false;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

async fn is_as_the_table_says(wire: Wire) {
    let server = TestServer::with(Pass::asked_for).await;
    let mut wrong = Vec::new();
    for (number, line) in TABLE.iter().enumerate() {
        let document = format!("notes{number}");
        let could = tries(&server, wire, line, &document).await;
        let expected = if line.may.is_empty() {
            Err(line.refused)
        } else {
            let may = ALL.into_iter().filter(|one| line.may.contains(one));
            Ok(may.filter(|one| wire.can_ask_for(*one)).collect())
        };
        if could != expected {
            wrong.push(format!(
                "{wire:?}, {}: {could:?}, not {expected:?}",
                line.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_stock_client_may_do_what_its_token_says() {
    is_as_the_table_says(Wire::Stock).await;
}

#[tokio::test]
async fn a_hocuspocus_client_may_do_what_its_token_says() {
    is_as_the_table_says(Wire::Hocuspocus).await;
}

#[tokio::test]
async fn a_y_sweet_client_may_do_what_its_token_says() {
    is_as_the_table_says(Wire::YSweet).await;
}

#[tokio::test]
async fn a_client_of_the_channel_may_do_what_its_token_says() {
    is_as_the_table_says(Wire::Channel).await;
}
