//! More than the server may take: refused with a clear word, and a pair of editors does not notice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_log::{Batch, MemoryStore, Store, StoreError, StoreView};
use baton_server::{ProxyHeader, close};
use baton_testkit::websocket::frame;
use baton_tests::{Join, RawClient, ServerProcess, TestServer, WildSocket, millis, one_machine};
use bytesize::ByteSize;
use futures_util::future::join_all;
use parking_lot::{Condvar, Mutex};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::pair::Pair;

#[tokio::test]
async fn an_address_that_opens_too_fast_is_told_429_and_when_to_come_again() {
    one_machine!(OwnLimits);
    let mut pair = Pair::with(|settings| {
        settings.new_connections_per_second = 2;
        settings.new_connections_burst = 5;
    })
    .await;
    let eve = || Join::stock("notes").from_address([127, 0, 0, 2]);
    let coming = async {
        let mut taken = Vec::new();
        loop {
            assert!(taken.len() < 50, "nobody is refused");
            match pair.server.try_connect(eve()).await {
                Ok(client) => taken.push(client),
                Err(refused) => return (taken, refused),
            }
        }
    };
    let (taken, refused) = coming.await;
    // One more may have been earned meanwhile.
    assert!((5..=8).contains(&taken.len()), "{}", taken.len());
    assert_eq!((refused.status, refused.retry_after), (429, Some(1)));
    let named = refused.body.contains("new_connections_per_second");
    assert!(named, "{}", refused.body);
    assert_eq!(pair.server.refused("pace_of_address"), 1);
    let other = Join::stock("notes").from_address([127, 0, 0, 3]);
    pair.server.connect(other).await.leaves().await;
    pair.during(tokio::time::sleep(Duration::from_secs(1)))
        .await;
    pair.server.connect(eve()).await.leaves().await;
    drop(taken);
    pair.testifies().await;
}

#[tokio::test]
async fn an_address_that_has_gone_is_forgotten() {
    one_machine!(OwnLimits);
    let pair = Pair::with(|settings| settings.new_connections_per_second = 50).await;
    for last in 2..40 {
        let guest = Join::stock("notes").from_address([127, 0, 0, last]);
        pair.server.connect(guest).await.leaves().await;
    }
    pair.server
        .comes_to("one address known", |load| load.addresses == 1)
        .await;
    pair.testifies().await;
}

/// A classroom behind one address: three hundred people, who all come in the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_classroom_behind_one_address_comes_in_with_the_defaults() {
    let server = TestServer::start().await;
    let coming = (0..300).map(|_| server.connect(Join::stock("lesson")));
    let class = join_all(coming).await;
    assert_eq!(server.load().connections, 300);
    class[0].types("good morning");
    for pupil in &class {
        pupil.sees("good morning").await;
    }
}

async fn with_proxy(header: ProxyHeader) -> TestServer {
    TestServer::with(|settings| {
        settings.trusted_proxies = "127.0.0.1/32,10.0.0.0/8".parse().unwrap();
        settings.proxy_header = header;
        settings.max_connections_per_address = 1;
    })
    .await
}

/// Comes from this address, with this header; says whether it was let in.
async fn comes(
    server: &TestServer,
    from: u8,
    name: &'static str,
    value: &str,
) -> Option<RawClient> {
    let join = Join::stock("notes").from_address([127, 0, 0, from]);
    match server.try_connect(join.with_header(name, value)).await {
        Ok(client) => Some(client),
        Err(refused) => {
            assert_eq!(refused.status, 429);
            None
        }
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_everybody_counts_by_their_own_address() {
    one_machine!(OwnLimits);
    const HEADER: &str = "x-forwarded-for";
    let server = with_proxy(ProxyHeader::XForwardedFor).await;
    let server = &server;
    let _one = comes(server, 1, HEADER, "203.0.113.1").await.unwrap();
    let _two = comes(server, 1, HEADER, "203.0.113.2").await.unwrap();
    // What the client wrote itself is on the left.
    let spoofs = [
        "203.0.113.1",
        "8.8.8.8, 203.0.113.1",
        "8.8.8.8,203.0.113.1, 10.1.1.1",
    ];
    for spoof in spoofs {
        assert!(comes(server, 1, HEADER, spoof).await.is_none(), "{spoof}");
    }
    // A network of 64 bits is one customer.
    let _six = comes(server, 1, HEADER, "2001:db8::1").await.unwrap();
    assert!(comes(server, 1, HEADER, "2001:db8::2").await.is_none());
    let _seven = comes(server, 1, HEADER, "2001:db8:0:1::1").await.unwrap();
    // From anybody else the header is worth nothing.
    let _direct = comes(server, 2, HEADER, "203.0.113.77").await.unwrap();
    assert!(comes(server, 2, HEADER, "203.0.113.78").await.is_none());
    // Nor is the other header.
    let _plain = comes(server, 1, "forwarded", "for=203.0.113.90")
        .await
        .unwrap();
    assert!(
        comes(server, 1, "forwarded", "for=203.0.113.91")
            .await
            .is_none()
    );
}

#[tokio::test]
async fn the_standard_header_is_read_where_it_is_set_up() {
    one_machine!(OwnLimits);
    let server = with_proxy(ProxyHeader::Forwarded).await;
    let server = &server;
    let value = "for=8.8.8.8, for=\"203.0.113.1:4711\";proto=https";
    let _one = comes(server, 1, "forwarded", value).await.unwrap();
    assert!(
        comes(server, 1, "forwarded", "For=203.0.113.1")
            .await
            .is_none()
    );
    let _two = comes(server, 1, "forwarded", "for=203.0.113.2")
        .await
        .unwrap();
}

#[tokio::test]
async fn handshakes_over_the_limit_of_one_address_are_told_429() {
    let mut pair = Pair::with(|settings| settings.max_handshakes_per_address = 10).await;
    let address = pair.server.address();
    let silent = join_all((0..10).map(|_| WildSocket::from([127, 0, 0, 2], address))).await;
    pair.server
        .comes_to("ten silent ones", |load| load.handshakes == 10)
        .await;
    let mut late = WildSocket::from([127, 0, 0, 2], address).await;
    let head = pair.during(late.head()).await;
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    assert!(head.contains("\r\nRetry-After: "), "{head}");
    assert_eq!(pair.server.refused("handshakes_of_address"), 1);
    pair.server
        .connect(Join::stock("notes"))
        .await
        .leaves()
        .await;
    drop(silent);
    pair.testifies().await;
}

/// Sockets that connect and say nothing, far more than there are places: whoever speaks gets in all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_sockets_by_the_thousand_shut_nobody_out() {
    let mut pair = Pair::with(|settings| {
        settings.max_handshakes = 200;
        settings.max_handshakes_per_address = 100;
        settings.handshake_timeout = millis(60_000);
    })
    .await;
    let address = pair.server.address();
    let silent = async {
        let mut silent = Vec::new();
        for number in 0..2000_u32 {
            let from = [127, 0, 1, u8::try_from(number % 10).unwrap() + 1];
            silent.push(WildSocket::from(from, address).await);
        }
        silent
    };
    let silent = pair.during(silent).await;
    for _ in 0..5 {
        pair.server
            .connect(Join::stock("notes"))
            .await
            .leaves()
            .await;
        pair.edits().await;
    }
    assert!(pair.server.load().handshakes <= 200);
    let refused = pair.server.refused("handshakes");
    let of_address = pair.server.refused("handshakes_of_address");
    assert!(refused + of_address > 0, "{refused} {of_address}");
    drop(silent);
    pair.testifies().await;
}

/// Whoever goes for others learns why.
#[tokio::test]
async fn the_oldest_silent_socket_goes_first_and_is_told_503() {
    let mut pair = Pair::with(|settings| settings.max_handshakes = 2).await;
    let address = pair.server.address();
    let mut oldest = WildSocket::connect(address).await;
    let mut second = WildSocket::connect(address).await;
    pair.server
        .comes_to("two silent ones", |load| load.handshakes == 2)
        .await;
    let third = WildSocket::connect(address).await;
    let head = pair.during(oldest.head()).await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(head.contains("\r\nRetry-After: "), "{head}");
    assert_eq!(pair.server.refused("handshakes"), 1);
    // The second one was not harmed, and may speak at last.
    second
        .sends(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    let head = second.head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    drop((oldest, second, third));
    pair.testifies().await;
}

/// A store whose reads wait until they are let through.
#[derive(Clone, Default)]
struct Gated {
    store: MemoryStore,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, closed: bool) {
        *self.closed.lock() = closed;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let mut closed = self.closed.lock();
        while *closed {
            self.opened.wait(&mut closed);
        }
    }
}

impl Store for Gated {
    fn view(&self) -> Result<Box<dyn StoreView>, StoreError> {
        self.gate.pass();
        self.store.view()
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.store.commit(batch)
    }

    fn reopen(&self) -> Result<(), StoreError> {
        self.store.reopen()
    }
}

/// A storm of opens of different stored documents, on a disk that does not come after them: some wait, not for ever, the
/// rest are told so at once; and when the disk is well again, all is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_opens_is_refused_with_1013_and_not_queued_for_ever() {
    one_machine!(OwnLog);
    let store = Gated::default();
    let gate = Arc::clone(&store.gate);
    let server = TestServer::over_with(store, |settings| {
        settings.max_loads = 2;
        settings.max_waiting_loads = 5;
        settings.load_wait = millis(700);
        settings.unload_after = millis(20);
    })
    .await;
    for number in 0..20 {
        let writer = server
            .connect(Join::member(&format!("stored {number}"), "Ada"))
            .await;
        writer.types("kept");
        writer.is_saved().await;
        writer.leaves().await;
    }
    server
        .comes_to("no document in memory", |load| load.documents == 0)
        .await;
    let mut pair = Box::pin(Pair::on(server)).await;
    gate.set(true);
    let coming = (0..20).map(|number| {
        let join = Join::raw(&format!("stored {number}"));
        pair.server.try_connect(join)
    });
    let storm: Vec<_> = join_all(coming).await.into_iter().flatten().collect();
    assert_eq!(storm.len(), 20);
    // Thirteen at once, five when they had waited for long enough.
    let refused = pair.during(async {
        let mut reasons = BTreeSet::new();
        let mut refused = 0;
        while refused < 18 {
            refused = 0;
            for client in &storm {
                if let Some(ended) = client.look(|known| known.ended.clone()) {
                    assert_eq!(ended.code, Some(close::OVERLOADED), "{}", ended.reason);
                    let by_time = ended.reason.contains("load_wait");
                    assert!(by_time || ended.reason.contains("max_waiting_loads"));
                    reasons.insert(by_time);
                    refused += 1;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        reasons.len()
    });
    assert_eq!(refused.await, 2, "some at once, some after their time");
    assert_eq!(pair.server.load().loads, 2);
    assert_eq!(pair.server.refused("loads"), 18);
    gate.set(false);
    drop(storm);
    for number in 0..20 {
        let reader = pair
            .server
            .connect(Join::stock(&format!("stored {number}")))
            .await;
        assert_eq!(reader.text(), "kept");
        reader.leaves().await;
    }
    pair.testifies().await;
}

#[tokio::test]
async fn unfinished_messages_over_max_receiving_are_closed_with_1013_and_small_ones_are_not() {
    let mut pair = Pair::with(|settings| {
        settings.max_frame = ByteSize::mib(1);
        settings.max_receiving = ByteSize::mib(1);
    })
    .await;
    let address = pair.server.address();
    let whole = frame(0x82, &vec![0; 1 << 20]);
    let part = &whole[..600 * 1024];
    let mut first = WildSocket::upgraded(address, "/ws/notes").await;
    pair.during(first.sends(part)).await;
    pair.server
        .comes_to("some bytes received", |load| load.receiving >= 600 * 1024)
        .await;
    let mut second = WildSocket::upgraded(address, "/ws/notes").await;
    pair.during(second.sends(part)).await;
    let code = pair.during(second.close_code()).await;
    assert_eq!(code, Some(close::OVERLOADED));
    assert_eq!(pair.server.refused("receiving"), 1);
    drop((first, second));
    pair.testifies().await;
}

#[tokio::test]
async fn bytes_over_max_bytes_per_second_wait() {
    let mut pair = Pair::with(|settings| {
        settings.max_bytes_per_second = ByteSize::kib(64);
        settings.rate_burst = millis(250);
    })
    .await;
    let eve = pair.server.connect(Join::member("notes", "Eve")).await;
    let began = Instant::now();
    for _ in 0..8 {
        eve.types(&"e".repeat(8 * 1024));
    }
    pair.during(eve.is_saved()).await;
    let took = began.elapsed();
    // A quarter of a second's worth at once, three quarters at the rate.
    assert!(took > Duration::from_millis(600), "{took:?}");
    assert_eq!(
        eve.text().matches('e').count(),
        64 * 1024,
        "none is dropped"
    );
    eve.leaves().await;
    pair.testifies().await;
}

/// No file descriptor is left: those who are in go on, whoever comes waits, and gets in when somebody leaves.
#[tokio::test]
async fn a_server_without_file_descriptors_says_so_goes_on_and_recovers() {
    one_machine!(Process);
    let server = ServerProcess::start(&["--handshake-timeout", "60s"]).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let bob = server.connect(Join::stock("notes")).await;
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.id()))
        .unwrap()
        .count() as u64;
    let limit = Some(open + 8);
    let pid = Pid::from_raw(server.id()).unwrap();
    let few = Rlimit {
        current: limit,
        maximum: limit,
    };
    prlimit(Some(pid), Resource::Nofile, few).unwrap();
    let before = processor_time(server.id());
    let came = Instant::now();
    let mut crowd = Vec::new();
    let waiting = loop {
        let mut next = Box::pin(server.connect(Join::stock("notes")));
        // The system's own queue has the last one; it is not in while nobody leaves.
        match tokio::time::timeout(Duration::from_secs(1), &mut next).await {
            Ok(client) => crowd.push(client),
            Err(_) => break next,
        }
        assert!(crowd.len() < 20, "there is no room for so many");
    };
    ada.types("on and on");
    bob.sees("on and on").await;
    ada.is_saved().await;
    let used = processor_time(server.id()) - before;
    assert!(used < came.elapsed() / 2, "{used:?}: it spins");
    let said = server.said();
    assert!(
        said.contains("the system cannot accept a connection"),
        "{said}"
    );
    assert!(
        said.matches("cannot accept a connection").count() <= 2,
        "{said}"
    );
    crowd.pop().unwrap().leaves().await;
    let carol = waiting.await;
    assert_eq!(carol.text(), "on and on");
    drop(crowd);
    // All of it is free again.
    for _ in 0..4 {
        let guest = server.connect(Join::stock("notes")).await;
        guest.leaves().await;
    }
}

/// What a process has used of the processors.
fn processor_time(id: i32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let behind_name = stat.rsplit(')').next().unwrap();
    let mut fields = behind_name.split_whitespace().skip(11);
    let mut ticks = || fields.next().unwrap().parse::<u64>().unwrap();
    // A tick is a hundredth of a second.
    Duration::from_millis((ticks() + ticks()) * 10)
}

#[tokio::test]
async fn the_limit_on_open_files_is_raised_and_a_warning_says_when_it_does_not_do() {
    one_machine!(Process);
    let server = ServerProcess::start(&["--max-connections", "100000000"]).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let line = limits.lines().find(|line| line.contains("open files"));
    let mut numbers = line.unwrap().split_whitespace().skip(3);
    assert_eq!(numbers.next(), numbers.next(), "{line:?}");
    assert!(
        server.said().contains("max_connections"),
        "{}",
        server.said()
    );
}
