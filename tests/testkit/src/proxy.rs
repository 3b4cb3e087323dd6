//! A bad network between clients and a server.
//!
//! A proxy owns a port and the connections through it; all end with it. It reads no frame, and
//! decides nothing.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

/// Bytes that a direction takes in at a time.
const CHUNK: usize = 16 * 1024;

/// Chunks that may be under way in one direction; further ones wait with their sender.
const UNDER_WAY: usize = 64;

/// Time for the other direction to end after one has ended in order.
const LINGER: Duration = Duration::from_secs(2);

/// Directions through a [`Proxy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From clients to the server.
    ToServer,
    /// From the server to clients.
    ToClient,
    /// Both of these.
    Both,
}

/// Treatment of the bytes in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Passage {
    #[default]
    Open,
    /// They wait.
    Held,
    /// They vanish.
    Lossy,
}

/// State of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Conditions {
    /// Raised to reset all connections.
    resets: u64,
    latency: Duration,
    to_server: Passage,
    to_client: Passage,
}

/// A way to a server whose network can be made worse; see the module.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    conditions: watch::Sender<Conditions>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Opens a free loopback port that leads to `server`, over a network without faults.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn to(
        server: impl ToSocketAddrs + Clone + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::through(move || TcpStream::connect(server.clone())).await
    }

    /// Opens a free loopback port that leads to the first of these servers that takes a
    /// connection, as a load balancer with spare servers does. A connection stays where it went.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn among(servers: Vec<SocketAddr>) -> io::Result<Self> {
        Self::through(move || {
            let servers = servers.clone();
            async move { TcpStream::connect(&servers[..]).await }
        })
        .await
    }

    async fn through<C, F>(connect: C) -> io::Result<Self>
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<TcpStream>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (conditions, seen) = watch::channel(Conditions::default());
        let task = tokio::spawn(listen(listener, connect, seen));
        Ok(Self {
            address,
            conditions,
            task,
        })
    }

    /// Returns the address that clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets all connections, with what is on its way.
    pub fn reset(&self) {
        self.conditions
            .send_modify(|conditions| conditions.resets += 1);
    }

    /// Delivers what comes from now on later by this much.
    pub fn delay(&self, by: Duration) {
        self.conditions
            .send_modify(|conditions| conditions.latency = by);
    }

    /// Lets nothing through in this direction, also no end of a connection, and gives no sign of
    /// it. The other direction stays as it was. [`Proxy::restore`] delivers what waits, in order.
    pub fn hold(&self, direction: Direction) {
        self.set(direction, Passage::Held);
    }

    /// Loses what comes in this direction, without a sign. The other direction stays as it was.
    /// [`Proxy::restore`] resets the connections of which something was lost.
    pub fn lose(&self, direction: Direction) {
        self.set(direction, Passage::Lossy);
    }

    /// Lets everything through again in both directions.
    pub fn restore(&self) {
        self.set(Direction::Both, Passage::Open);
    }

    fn set(&self, direction: Direction, passage: Passage) {
        self.conditions.send_modify(|conditions| {
            if direction != Direction::ToClient {
                conditions.to_server = passage;
            }
            if direction != Direction::ToServer {
                conditions.to_client = passage;
            }
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen<F>(
    listener: TcpListener,
    connect: impl Fn() -> F,
    conditions: watch::Receiver<Conditions>,
) where
    F: Future<Output = io::Result<TcpStream>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    connections.spawn(pass(client, connect(), conditions.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The way in which one direction of a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The sender has sent all.
    Closed,
    /// The connection is broken, or was to be.
    Reset,
}

/// Carries one connection.
async fn pass(
    mut client: TcpStream,
    server: impl Future<Output = io::Result<TcpStream>>,
    conditions: watch::Receiver<Conditions>,
) {
    let Ok(mut upstream) = server.await else {
        let _ = client.set_zero_linger();
        return;
    };
    // Delays are made here on purpose, not by the kernel.
    let _ = client.set_nodelay(true);
    let _ = upstream.set_nodelay(true);
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = upstream.split();
        let up = Pump::new(conditions.clone(), |conditions| conditions.to_server);
        let down = Pump::new(conditions, |conditions| conditions.to_client);
        let mut up = std::pin::pin!(up.run(from_client, to_server));
        let mut down = std::pin::pin!(down.run(from_server, to_client));
        // One end is the end of both; an orderly one leaves the other direction a moment.
        tokio::select! {
            end = &mut up => match end {
                End::Closed => timeout(LINGER, down).await.unwrap_or(End::Reset),
                End::Reset => end,
            },
            end = &mut down => match end {
                End::Closed => timeout(LINGER, up).await.unwrap_or(End::Reset),
                End::Reset => end,
            },
        }
    };
    if end == End::Reset {
        let _ = client.set_zero_linger();
        let _ = upstream.set_zero_linger();
    }
}

/// One direction of a connection.
struct Pump {
    conditions: watch::Receiver<Conditions>,
    passage: fn(&Conditions) -> Passage,
    /// Resets of the network before this connection.
    born: u64,
    /// Bytes vanished: the stream has a hole, and nothing after it may be delivered.
    holed: bool,
    /// Time at which what was sent last arrives.
    last: Instant,
}

impl Pump {
    fn new(conditions: watch::Receiver<Conditions>, passage: fn(&Conditions) -> Passage) -> Self {
        let born = conditions.borrow().resets;
        Self {
            conditions,
            passage,
            born,
            holed: false,
            last: Instant::now(),
        }
    }

    fn passage(&self) -> Passage {
        (self.passage)(&self.conditions.borrow())
    }

    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> End {
        let mut chunk = vec![0; CHUNK];
        let end = self.carry(&mut from, &mut to, &mut chunk).await;
        if end == End::Closed {
            let _ = to.shutdown().await;
        }
        end
    }

    async fn carry(
        &mut self,
        from: &mut ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
        chunk: &mut [u8],
    ) -> End {
        // Chunks on their way, with the time at which they arrive.
        let mut under_way: VecDeque<(Instant, Bytes)> = VecDeque::new();
        let mut ended = None;
        loop {
            let passage = self.passage();
            match ended {
                // An end does not get through a network that lets nothing through.
                Some(_) if passage != Passage::Open => {}
                Some(End::Closed) if !under_way.is_empty() => {}
                Some(end) => return end,
                None => {}
            }
            let front = under_way.front().filter(|_| passage != Passage::Held);
            let arrives = front.map(|(at, _)| *at);
            let there = arrives.is_some_and(|at| at <= Instant::now());
            let first: &[u8] = front.map_or(&[], |(_, bytes)| bytes);
            tokio::select! {
                changed = self.conditions.changed() => {
                    if changed.is_err() || self.is_over() {
                        return End::Reset;
                    }
                }
                read = from.read(chunk), if ended.is_none() && under_way.len() < UNDER_WAY => {
                    match read {
                        Ok(0) => ended = Some(End::Closed),
                        Ok(len) => under_way.extend(self.send(&chunk[..len])),
                        Err(_) => ended = Some(End::Reset),
                    }
                }
                () = sleep_until(arrives.unwrap_or_else(Instant::now)), if arrives.is_some() && !there => {}
                written = to.write(first), if there => match written {
                    Ok(len) if self.arrived(&mut under_way, len) => {}
                    _ => return End::Reset,
                },
            }
        }
    }

    /// Returns the chunk with the time at which it arrives, or nothing if it vanishes.
    fn send(&mut self, chunk: &[u8]) -> Option<(Instant, Bytes)> {
        if self.passage() == Passage::Lossy {
            self.holed = true;
            return None;
        }
        let latency = self.conditions.borrow().latency;
        // Nothing overtakes what was sent before, when it was slower.
        self.last = self.last.max(Instant::now() + latency);
        Some((self.last, Bytes::copy_from_slice(chunk)))
    }

    /// Takes this many delivered bytes off the first chunk. Returns true if this may go on.
    fn arrived(&self, under_way: &mut VecDeque<(Instant, Bytes)>, len: usize) -> bool {
        if let Some((_, bytes)) = under_way.front_mut() {
            bytes.advance(len);
            if bytes.is_empty() {
                under_way.pop_front();
            }
        }
        len > 0 && !self.is_over()
    }

    /// Returns true if the connection was reset, or has a hole and could be heard again.
    fn is_over(&self) -> bool {
        self.conditions.borrow().resets != self.born
            || self.holed && self.passage() != Passage::Lossy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = socket.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    async fn says(socket: &mut TcpStream, word: [u8; 4]) -> io::Result<[u8; 4]> {
        let mut heard = [0; 4];
        socket.write_all(&word).await?;
        socket.read_exact(&mut heard).await?;
        Ok(heard)
    }

    #[tokio::test]
    async fn a_slow_network_delivers_later_and_a_lossy_one_never() {
        let proxy = Proxy::to(echo().await).await.unwrap();
        let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(says(&mut socket, *b"ping").await.unwrap(), *b"ping");

        let late = Duration::from_millis(60);
        proxy.delay(late);
        let sent = Instant::now();
        assert_eq!(says(&mut socket, *b"late").await.unwrap(), *b"late");
        assert!(sent.elapsed() >= 2 * late, "{:?}", sent.elapsed());
        proxy.delay(Duration::ZERO);

        let patience = Duration::from_millis(100);
        let mut heard = [0; 4];
        proxy.lose(Direction::ToClient);
        assert!(
            timeout(patience, says(&mut socket, *b"gone"))
                .await
                .is_err()
        );
        proxy.restore();
        let end = socket.read_exact(&mut heard).await.unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_network_that_holds_delivers_in_order_when_it_is_restored() {
        let proxy = Proxy::to(echo().await).await.unwrap();
        let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
        let patience = Duration::from_millis(100);
        for direction in [Direction::ToServer, Direction::ToClient, Direction::Both] {
            proxy.hold(direction);
            assert!(
                timeout(patience, says(&mut socket, *b"late"))
                    .await
                    .is_err(),
                "{direction:?}"
            );
            socket.write_all(b"more").await.unwrap();
            proxy.restore();
            let mut heard = [0; 8];
            socket.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, *b"latemore", "{direction:?}");
        }
        // An end is held as well.
        proxy.hold(Direction::ToClient);
        socket.write_all(b"last").await.unwrap();
        socket.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let end = timeout(patience, socket.read_to_end(&mut rest)).await;
        assert!(end.is_err(), "{end:?}");
        proxy.restore();
        socket.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"last");
    }

    #[tokio::test]
    async fn a_slow_network_is_as_slow_for_each_and_nothing_overtakes() {
        let (conditions, seen) = watch::channel(Conditions::default());
        let mut pump = Pump::new(seen, |conditions| conditions.to_server);
        let hour = Duration::from_secs(3600);
        conditions.send_modify(|conditions| conditions.latency = hour);
        let before = Instant::now();
        let (first, _) = pump.send(b"a").unwrap();
        let (second, _) = pump.send(b"b").unwrap();
        assert!(first >= before + hour && second < before + hour * 2);
        conditions.send_modify(|conditions| conditions.latency = Duration::ZERO);
        let (third, _) = pump.send(b"c").unwrap();
        assert!(second <= third);
        conditions.send_modify(|conditions| conditions.to_server = Passage::Lossy);
        assert!(pump.send(b"d").is_none() && !pump.is_over());
        conditions.send_modify(|conditions| conditions.to_server = Passage::Open);
        assert!(pump.is_over());
    }

    #[tokio::test]
    async fn a_connection_goes_to_the_first_server_that_takes_one() {
        let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let gone = closed.local_addr().unwrap();
        drop(closed);
        let proxy = Proxy::among(vec![gone, echo().await]).await.unwrap();
        let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(says(&mut socket, *b"ping").await.unwrap(), *b"ping");
        let proxy = Proxy::among(vec![gone]).await.unwrap();
        let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(says(&mut socket, *b"ping").await.is_err());
    }

    #[tokio::test]
    async fn a_reset_is_a_reset_and_the_next_connection_goes_through() {
        let proxy = Proxy::to(echo().await).await.unwrap();
        let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(says(&mut socket, *b"ping").await.unwrap(), *b"ping");
        proxy.reset();
        let mut heard = [0; 4];
        let end = socket.read_exact(&mut heard).await.unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
        let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(says(&mut socket, *b"pong").await.unwrap(), *b"pong");
    }
}
