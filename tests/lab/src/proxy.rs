//! A door between one client and the server, which can be slammed, slowed and blocked.
//!
//! Owns a listener and the connections through it; all end with it. Reads no frame, and decides nothing.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use crate::plan::Way;

/// Bytes that a direction takes in at a time.
const CHUNK: usize = 16 * 1024;

/// Chunks that may be under way in one direction; further ones wait with their sender.
const UNDER_WAY: usize = 64;

/// How long the other direction may take to end after one has.
const LINGER: Duration = Duration::from_secs(2);

/// What happens to what comes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Weather {
    /// Raised to reset all connections.
    resets: u64,
    latency: Duration,
    up_blocked: bool,
    down_blocked: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    task: JoinHandle<()>,
}

impl Door {
    /// A door on a free loopback port to `server`, which is `host:port`.
    pub(crate) async fn open(server: String) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (weather, seen) = watch::channel(Weather::default());
        let task = tokio::spawn(listen(listener, server, seen));
        Ok(Self {
            address,
            weather,
            task,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets all connections.
    pub(crate) fn reset(&self) {
        self.weather.send_modify(|weather| weather.resets += 1);
    }

    pub(crate) fn slow(&self, by: Duration) {
        self.weather.send_modify(|weather| weather.latency = by);
    }

    pub(crate) fn block(&self, way: Way) {
        self.weather.send_modify(|weather| {
            weather.up_blocked = way != Way::Down;
            weather.down_blocked = way != Way::Up;
        });
    }

    pub(crate) fn unblock(&self) {
        self.weather.send_modify(|weather| {
            weather.up_blocked = false;
            weather.down_blocked = false;
        });
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(listener: TcpListener, server: String, weather: watch::Receiver<Weather>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    connections.spawn(pass(client, server.clone(), weather.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The sender has said all.
    Closed,
    /// The connection is broken, or was to be.
    Reset,
}

/// Carries one connection.
async fn pass(mut client: TcpStream, server: String, weather: watch::Receiver<Weather>) {
    let Ok(mut upstream) = TcpStream::connect(&server).await else {
        let _ = client.set_zero_linger();
        return;
    };
    // Delays are made here on purpose, not by the kernel.
    let _ = client.set_nodelay(true);
    let _ = upstream.set_nodelay(true);
    let born = weather.borrow().resets;
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = upstream.split();
        let up = Pump::new(born, weather.clone(), |weather| weather.up_blocked);
        let down = Pump::new(born, weather, |weather| weather.down_blocked);
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
    born: u64,
    weather: watch::Receiver<Weather>,
    blocked: fn(&Weather) -> bool,
    /// Something vanished: the stream has a hole, and nothing after it may be delivered.
    holed: bool,
    /// When the last that was sent arrives.
    last: Instant,
}

impl Pump {
    fn new(born: u64, weather: watch::Receiver<Weather>, blocked: fn(&Weather) -> bool) -> Self {
        Self {
            born,
            weather,
            blocked,
            holed: false,
            last: Instant::now(),
        }
    }

    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> End {
        let mut chunk = vec![0; CHUNK];
        let end = self.carry(&mut from, &mut to, &mut chunk).await;
        if end == End::Closed {
            let _ = to.shutdown().await;
            return end;
        }
        end
    }

    async fn carry(
        &mut self,
        from: &mut ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
        chunk: &mut [u8],
    ) -> End {
        // What is on its way, and when it is there.
        let mut under_way: VecDeque<(Instant, Bytes)> = VecDeque::new();
        let mut said_all = false;
        loop {
            let front = under_way.front();
            if said_all && front.is_none() {
                return End::Closed;
            }
            let arrives = front.map(|(at, _)| *at);
            let there = arrives.is_some_and(|at| at <= Instant::now());
            let first: &[u8] = front.map_or(&[], |(_, bytes)| bytes);
            tokio::select! {
                changed = self.weather.changed() => {
                    if changed.is_err() || self.is_over() {
                        return End::Reset;
                    }
                }
                read = from.read(chunk), if !said_all && under_way.len() < UNDER_WAY => match read {
                    Ok(0) => said_all = true,
                    Ok(len) => under_way.extend(self.sends(&chunk[..len])),
                    Err(_) => return End::Reset,
                },
                () = sleep_until(arrives.unwrap_or_else(Instant::now)), if arrives.is_some() && !there => {}
                written = to.write(first), if there => match written {
                    Ok(len) if self.arrived(&mut under_way, len) => {}
                    _ => return End::Reset,
                },
            }
        }
    }

    /// What the weather makes of a chunk: it will be there at some time, or never.
    fn sends(&mut self, chunk: &[u8]) -> Option<(Instant, Bytes)> {
        let weather = *self.weather.borrow();
        if (self.blocked)(&weather) {
            self.holed = true;
            return None;
        }
        // Nothing overtakes what was sent before, when it was slower.
        self.last = self.last.max(Instant::now() + weather.latency);
        Some((self.last, Bytes::copy_from_slice(chunk)))
    }

    /// So many bytes of the first chunk have been delivered. Whether this may go on.
    fn arrived(&self, under_way: &mut VecDeque<(Instant, Bytes)>, len: usize) -> bool {
        if let Some((_, bytes)) = under_way.front_mut() {
            bytes.advance(len);
            if bytes.is_empty() {
                under_way.pop_front();
            }
        }
        len > 0 && !self.is_over()
    }

    /// Whether the connection was reset, or has a hole and could be heard again.
    fn is_over(&self) -> bool {
        let weather = self.weather.borrow();
        weather.resets != self.born || (self.holed && !(self.blocked)(&weather))
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
    async fn a_slow_door_delivers_later_and_a_blocked_one_never() {
        let door = Door::open(echo().await.to_string()).await.unwrap();
        let mut socket = TcpStream::connect(door.address()).await.unwrap();
        assert_eq!(says(&mut socket, *b"ping").await.unwrap(), *b"ping");

        let late = Duration::from_millis(60);
        door.slow(late);
        let sent = Instant::now();
        assert_eq!(says(&mut socket, *b"late").await.unwrap(), *b"late");
        assert!(sent.elapsed() >= 2 * late, "{:?}", sent.elapsed());
        door.slow(Duration::ZERO);

        let patience = Duration::from_millis(100);
        let mut heard = [0; 4];
        door.block(Way::Down);
        assert!(
            timeout(patience, says(&mut socket, *b"gone"))
                .await
                .is_err()
        );
        door.unblock();
        let end = socket.read_exact(&mut heard).await.unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_slow_line_is_as_slow_for_each_and_nothing_overtakes() {
        let (weather, seen) = watch::channel(Weather::default());
        let mut pump = Pump::new(0, seen, |weather| weather.up_blocked);
        let hour = Duration::from_secs(3600);
        weather.send_modify(|weather| weather.latency = hour);
        let before = Instant::now();
        let (first, _) = pump.sends(b"a").unwrap();
        let (second, _) = pump.sends(b"b").unwrap();
        assert!(first >= before + hour && second < before + hour * 2);
        weather.send_modify(|weather| weather.latency = Duration::ZERO);
        let (third, _) = pump.sends(b"c").unwrap();
        assert!(second <= third);
        weather.send_modify(|weather| weather.up_blocked = true);
        assert!(pump.sends(b"d").is_none() && !pump.is_over());
        weather.send_modify(|weather| weather.up_blocked = false);
        assert!(pump.is_over());
    }

    #[tokio::test]
    async fn a_reset_is_a_reset_and_the_next_connection_goes_through() {
        let door = Door::open(echo().await.to_string()).await.unwrap();
        let mut socket = TcpStream::connect(door.address()).await.unwrap();
        assert_eq!(says(&mut socket, *b"ping").await.unwrap(), *b"ping");
        door.reset();
        let mut heard = [0; 4];
        let end = socket.read_exact(&mut heard).await.unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
        let mut socket = TcpStream::connect(door.address()).await.unwrap();
        assert_eq!(says(&mut socket, *b"pong").await.unwrap(), *b"pong");
    }
}
