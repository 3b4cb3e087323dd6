//! The Rust client package together with everybody else, on networks that are not good.

use std::time::{Duration, Instant};

use baton_client::{Client, ClientOptions};
use baton_sync::control_channel::PeerStatus;
use baton_sync::document::yrs::{GetString, ReadTxn, Text, WriteTxn};
use baton_testkit::{Direction, Proxy, Random};
use baton_tests::{Join, LockState, ServerProcess, TestServer, one_machine, within};

fn client(address: std::net::SocketAddr, name: &str) -> Client {
    let mut options = ClientOptions::new(format!("ws://{address}/ws"), "notes");
    options.user.name = name.to_owned();
    Client::connect(options).unwrap()
}

async fn comes(address: std::net::SocketAddr, name: &str) -> Client {
    let client = client(address, name);
    within("the first sync", client.synced()).await.unwrap();
    client
}

fn types(client: &Client, text: &str) {
    let done = client.edit(|txn| {
        let target = txn.get_or_insert_text("t");
        target.push(txn, text);
    });
    done.unwrap();
}

fn text(client: &Client) -> String {
    let read = client.read(|txn| {
        txn.get_text("t")
            .map_or_else(String::new, |text| text.get_string(txn))
    });
    read.unwrap()
}

async fn sees(client: &Client, part: &str) {
    let mut events = client.events();
    let seeing = async {
        while !text(client).contains(part) {
            // A reader that was too slow for the events looks again all the same.
            let _missed = events.recv().await;
        }
    };
    within(&format!("{part:?}"), seeing).await;
}

#[tokio::test]
async fn the_package_and_a_stock_client_edit_together() {
    let server = TestServer::start().await;
    let ada = comes(server.address(), "Ada").await;
    let stock = server.connect(Join::stock("notes")).await;
    let member = server.connect(Join::member("notes", "Member")).await;
    types(&ada, "from the package ");
    stock.sees("from the package ").await;
    stock.types("from a stock client ");
    sees(&ada, "from a stock client ").await;
    member.sees_peer("Ada", PeerStatus::Online).await;
    within("saved", ada.saved()).await.unwrap();
    assert!(!ada.has_unsaved());
}

#[tokio::test]
async fn a_lock_goes_between_the_package_and_others() {
    let server = TestServer::start().await;
    let ada = comes(server.address(), "Ada").await;
    let bob = server.connect(Join::member("notes", "Bob")).await;
    let fence = bob.takes_lock().await;
    within("a place in the queue", ada.acquire()).await.unwrap();
    assert!(!ada.may_edit());
    bob.types("bob ");
    bob.releases(fence).await;
    let next = within("the grant", ada.granted()).await.unwrap();
    assert!(next > fence && ada.may_edit());
    types(&ada, "ada ");
    bob.sees("bob ada ").await;
    bob.acquires().await;
    ada.close().await;
    bob.claims().await;
}

#[tokio::test]
async fn the_package_holds_on_through_a_kill_of_the_server_and_loses_nothing() {
    one_machine!(Process);
    let mut server = ServerProcess::start(&[]).await;
    let ada = comes(server.address(), "Ada").await;
    within("a result", ada.acquire()).await.unwrap();
    let fence = within("the grant", ada.granted()).await.unwrap();
    let bob = server.connect(Join::member("notes", "Bob")).await;
    for word in 0..50 {
        types(&ada, &format!("{word} "));
    }
    server.kill().await;
    types(&ada, "in the dark ");
    server.start_again().await;
    within("everything saved", ada.saved()).await.unwrap();
    assert_eq!(ada.grant(), Some(fence));
    drop(bob);
    let carol = server.connect(Join::member("notes", "Carol")).await;
    carol.sees_lock(LockState::Held).await;
    assert_eq!(carol.text(), text(&ada));
    assert!(carol.text().ends_with("49 in the dark "));
}

/// The client's lease ends before the server passes the lock on, whatever the network hides from either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_believe_at_once_that_they_may_edit() {
    let server = TestServer::with(TestServer::brisk).await;
    let proxy = Proxy::to(server.address()).await.unwrap();
    let ada = comes(proxy.address(), "Ada").await;
    within("a result", ada.acquire()).await.unwrap();
    within("the grant", ada.granted()).await.unwrap();
    let bob = server.connect(Join::member("notes", "Bob")).await;
    bob.acquires().await;
    types(&ada, "in time ");
    bob.sees("in time ").await;
    let began = Instant::now();
    proxy.hold(Direction::Both);
    let offer = bob.is_offered().await;
    let believed = ada.may_edit();
    let passed = began.elapsed();
    assert!(!believed, "after {passed:?} Ada still believed");
    bob.says(&baton_sync::control_channel::ClientMessage::Claim { fence: offer });
    bob.is_granted().await;
    bob.types("bob ");
    proxy.restore();
    sees(&ada, "bob ").await;
    assert!(!ada.may_edit(), "Bob has it");
    assert_eq!(text(&ada), "in time bob ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_networks_that_cut_and_swallow_everybody_ends_with_the_same() {
    let mut random = Random::announced("bad networks");
    let server = TestServer::start().await;
    let mut people = Vec::new();
    for name in ["Ada", "Bob", "Carol"] {
        let proxy = Proxy::to(server.address()).await.unwrap();
        let client = comes(proxy.address(), name).await;
        people.push((proxy, client, name));
    }
    let end = Instant::now() + Duration::from_secs(5);
    let mut words = Vec::new();
    while Instant::now() < end {
        let (proxy, client, name) = &people[random.below(3)];
        match random.below(30) {
            0 => proxy.reset(),
            1 => proxy.hold(Direction::Both),
            2..=4 => proxy.restore(),
            _ => {
                let word = format!("<{name}{}>", words.len());
                types(client, &word);
                words.push(word);
            }
        }
        // The pace of the play.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    for (proxy, client, _) in &people {
        proxy.restore();
        within("everything saved", client.saved()).await.unwrap();
    }
    let witness = server.connect(Join::stock("notes")).await;
    let whole = witness.text();
    for word in &words {
        assert_eq!(whole.matches(word.as_str()).count(), 1, "{word}");
    }
    for (_, client, name) in &people {
        sees(client, words.last().unwrap()).await;
        let same = async {
            while text(client) != whole {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within(&format!("{name} to have it all"), same).await;
    }
    eprintln!("{} words", words.len());
}
