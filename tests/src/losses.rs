//! The ways in which the holder of a lock goes, and how long the lock then takes to be with who waits for it.
//!
//! Owns each of them from the grant to the next grant, over real sockets and, where it is a process that fails, with real
//! processes. Measures; what it may cost is the judgement of who asks.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use baton_client::{Client, ClientOptions, FencingToken, Outcome};
use baton_server::Settings;
use baton_sync::control_channel::ClientMessage;
use baton_testkit::{Direction, Proxy};

use crate::client::RawClient;
use crate::holder::HolderProcess;
use crate::join::Join;
use crate::process::ServerProcess;
use crate::within;

/// A way in which a holder goes, while somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Its process ends without a goodbye.
    Exit,
    /// Its process is killed (SIGKILL).
    Kill,
    /// Its connection is reset (RST).
    Reset,
    /// Its process is stopped (SIGSTOP); the kernel acknowledges on.
    Freeze,
    /// Nothing that it sends arrives any more; it hears all.
    Unheard,
    /// Nothing that is sent to it arrives any more; it is heard.
    Deaf,
    /// Nothing passes either way.
    CutOff,
    /// It reads nothing any more, so that its window is zero; what it sends by itself goes on.
    Unread,
}

impl Loss {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Exit,
        Self::Kill,
        Self::Reset,
        Self::Freeze,
        Self::Unheard,
        Self::Deaf,
        Self::CutOff,
        Self::Unread,
    ];

    /// Whether the server sees the end of the connection, so that the grace and the holder's lease count;
    /// otherwise the silence does.
    #[must_use]
    pub fn is_seen(self) -> bool {
        matches!(self, Self::Exit | Self::Kill | Self::Reset)
    }

    /// When the lock should have passed on, and when it must have: an answer that was under way may count once more.
    #[must_use]
    pub fn bounds(self, settings: &Settings) -> (Duration, Duration) {
        if self.is_seen() {
            // What prolonged its lease last is one beat old or two, or, just granted, nothing.
            let (grace, lease) = (settings.grace.0, settings.timings().lease());
            let beat = settings.beat_every.0;
            (grace.max(lease.saturating_sub(beat)), grace.max(lease))
        } else {
            let silence = settings.offline_after.0;
            (silence, silence + settings.answer_within.0)
        }
    }

    /// Somebody takes the lock of a document where nobody was before, somebody else waits for it, and this strikes after a
    /// while. Returns the time from there to the next grant.
    ///
    /// # Panics
    /// When the lock does not pass on, or passes while a holder in this process still believes in it.
    pub async fn strikes(self, server: SocketAddr, document: &str, after: Duration) -> Duration {
        match self {
            Self::Exit | Self::Kill | Self::Freeze => {
                self.strikes_a_process(server, document, after).await
            }
            Self::Reset => {
                let holder = RawClient::connect(server, member(document).resetting()).await;
                holder.takes_lock().await;
                let waiter = Waiter::queues(server, document).await;
                tokio::time::sleep(after).await;
                let began = Instant::now();
                drop(holder);
                waiter.is_granted().await;
                began.elapsed()
            }
            Self::Unheard | Self::Deaf | Self::CutOff => {
                self.strikes_the_network(server, document, after).await
            }
            Self::Unread => stops_reading(server, document, after).await,
        }
    }

    async fn strikes_a_process(
        self,
        server: SocketAddr,
        document: &str,
        after: Duration,
    ) -> Duration {
        let mut holder = HolderProcess::start(server, document, "holder").await;
        let waiter = Waiter::queues(server, document).await;
        tokio::time::sleep(after).await;
        let began = Instant::now();
        match self {
            Self::Exit => holder.exits().await,
            Self::Kill => holder.kill(),
            _ => holder.freezes().await,
        }
        waiter.is_granted().await;
        began.elapsed()
    }

    async fn strikes_the_network(
        self,
        server: SocketAddr,
        document: &str,
        after: Duration,
    ) -> Duration {
        let proxy = Proxy::to(server).await.expect("a free port");
        let holder = comes(proxy.address(), document).await;
        take(&holder).await;
        let waiter = Waiter::queues(server, document).await;
        tokio::time::sleep(after).await;
        let began = Instant::now();
        match self {
            Self::Unheard => proxy.hold(Direction::ToServer),
            Self::Deaf => proxy.hold(Direction::ToClient),
            _ => proxy.hold(Direction::Both),
        }
        waiter.is_granted().await;
        let took = began.elapsed();
        assert!(
            !holder.may_edit(),
            "{self:?}: two believed that they may edit, after {took:?}"
        );
        took
    }
}

/// Somebody who waits for the lock of a document, with the client package.
#[derive(Debug)]
pub struct Waiter {
    client: Client,
}

impl Waiter {
    /// Comes, and gets a place in the queue.
    ///
    /// # Panics
    /// When that fails.
    pub async fn queues(server: SocketAddr, document: &str) -> Self {
        let client = comes(server, document).await;
        let outcome = within("a place in the queue", client.acquire()).await;
        assert_eq!(outcome, Ok(Outcome::Queued));
        Self { client }
    }

    /// Waits until it holds the lock.
    ///
    /// # Panics
    /// When it does not come to that.
    pub async fn is_granted(&self) -> FencingToken {
        let granted = within("the lock to pass on", self.client.granted()).await;
        granted.expect("it waits until it gets it")
    }
}

/// A server is killed (SIGKILL) and started again on its data, and the holder comes back. Returns the time from the start
/// on until it has its grant again, which is the one from before.
///
/// # Panics
/// When it does not get it.
pub async fn resumes_after_a_restart(arguments: &[&str]) -> Duration {
    let mut server = ServerProcess::start(arguments).await;
    let mut holder = HolderProcess::start(server.address(), "notes", "holder").await;
    let _waiter = Waiter::queues(server.address(), "notes").await;
    server.kill().await;
    let began = Instant::now();
    server.start_again().await;
    holder.keeps_its_grant().await;
    began.elapsed()
}

/// The same with a holder that was killed, too. Returns the time until the one who waited has the lock.
///
/// # Panics
/// When that one does not get it.
pub async fn passes_after_a_restart(arguments: &[&str]) -> Duration {
    let mut server = ServerProcess::start(arguments).await;
    let mut holder = HolderProcess::start(server.address(), "notes", "holder").await;
    let waiter = Waiter::queues(server.address(), "notes").await;
    // What others have seen and the server has not stored would come back with them, which is another story.
    holder.rests().await;
    server.kill().await;
    holder.kill();
    let began = Instant::now();
    server.start_again().await;
    waiter.is_granted().await;
    began.elapsed()
}

/// The lock goes to and fro between two. Returns the times from sending the release to the other one's grant.
///
/// # Panics
/// When it gets stuck.
pub async fn releases(server: SocketAddr, document: &str, count: usize) -> Vec<Duration> {
    let mut holder = RawClient::connect(server, member(document)).await;
    let mut waiter = RawClient::connect(server, member(document)).await;
    let mut fence = holder.takes_lock().await;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        assert_eq!(waiter.acquires().await, Outcome::Queued);
        let began = Instant::now();
        holder.says(&ClientMessage::Release { nonce: 0, fence });
        fence = waiter.claims().await;
        times.push(began.elapsed());
        std::mem::swap(&mut holder, &mut waiter);
    }
    times
}

/// Larger than all that the two sockets take while nobody reads.
const LONG: usize = 60 * 1024;

/// Between two things that a holder says by itself.
const CHATTER: Duration = Duration::from_secs(1);

async fn stops_reading(server: SocketAddr, document: &str, after: Duration) -> Duration {
    let holder = RawClient::connect(server, member(document).with_a_narrow_socket()).await;
    holder.takes_lock().await;
    let waiter = Waiter::queues(server, document).await;
    let talker = RawClient::connect(server, Join::stock(document)).await;
    tokio::time::sleep(after).await;
    let began = Instant::now();
    holder.stalls();
    talker.states(&format!("{{\"long\":\"{}\"}}", "x".repeat(LONG)));
    let full = async {
        // The kernel announces it to nobody; it is looked at every few milliseconds.
        while !has_zero_window(server, holder.local()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("the window to be zero", full).await;
    let chattering = async {
        loop {
            holder.states("{\"here\":true}");
            tokio::time::sleep(CHATTER).await;
        }
    };
    tokio::select! {
        _fence = waiter.is_granted() => began.elapsed(),
        () = chattering => unreachable!("it does not end"),
    }
}

/// Whether the server's side of this connection has something to send and only probes a window of zero.
fn has_zero_window(server: SocketAddr, client: SocketAddr) -> bool {
    let port = |text: Option<&str>| {
        let (_, port) = text?.split_once(':')?;
        u16::from_str_radix(port, 16).ok()
    };
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    table.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let ends = (port(fields.next()), port(fields.next()));
        // State, queues, then which timer runs: 04 probes.
        let timer = fields.nth(2);
        ends == (Some(server.port()), Some(client.port()))
            && timer.is_some_and(|timer| timer.starts_with("04:"))
    })
}

fn member(document: &str) -> Join {
    Join::member(document, "somebody")
}

async fn comes(server: SocketAddr, document: &str) -> Client {
    let options = ClientOptions::new(format!("ws://{server}/ws"), document);
    let client = Client::connect(options).expect("the address is one");
    let synced = within("the first sync", client.synced()).await;
    synced.expect("the server lets it in");
    client
}

async fn take(client: &Client) {
    let outcome = within("a result", client.acquire()).await;
    assert_eq!(outcome, Ok(Outcome::Done));
    let granted = within("the grant", client.granted()).await;
    granted.expect("it is free");
}
