//! A bad network between a client and a server.
//!
//! Owns a port of its own and the connections through it. It can swallow what comes without a sign, in both directions or
//! in one, let it through again (late, and in order, as TCP does), and cut every connection.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

/// One direction through a [`Proxy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What clients send.
    ToServer,
    /// What the server sends.
    ToClient,
}

/// What goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Clear,
    Swallowing,
    SwallowingOnly(Way),
}

impl Weather {
    fn lets_through(self, way: Way) -> bool {
        match self {
            Self::Clear => true,
            Self::Swallowing => false,
            Self::SwallowingOnly(swallowed) => way != swallowed,
        }
    }
}

/// A way to a server that can be made worse; see the module.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// To this server.
    ///
    /// # Panics
    /// When there is no port for it.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let (weather, seen) = watch::channel(Weather::Clear);
        let connections = Arc::new(Mutex::new(Vec::new()));
        let accepting = tokio::spawn(accept(listener, server, seen, Arc::clone(&connections)));
        Self {
            address,
            weather,
            connections,
            accepting,
        }
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets nothing through any more, in either direction, and gives no sign of it.
    pub fn swallows(&self) {
        self.weather.send_replace(Weather::Swallowing);
    }

    /// Lets nothing through any more in this direction; the other one stays as good as it was.
    pub fn swallows_only(&self, way: Way) {
        self.weather.send_replace(Weather::SwallowingOnly(way));
    }

    /// Lets everything through, what waited first.
    pub fn clears(&self) {
        self.weather.send_replace(Weather::Clear);
    }

    /// Ends every connection, with whatever was on its way.
    pub fn cuts(&self) {
        for connection in self.connections.lock().drain(..) {
            connection.abort();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cuts();
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    weather: watch::Receiver<Weather>,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let carrying = tokio::spawn(carry(client, server, weather.clone()));
        connections.lock().push(carrying.abort_handle());
    }
}

async fn carry(client: TcpStream, server: SocketAddr, weather: watch::Receiver<Weather>) {
    // Where there is no server, the client's connection ends as well.
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    // Without this the way would be slower than the real one.
    let _ended_already = client.set_nodelay(true).and(server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(Way::ToServer, from_client, to_server, weather.clone()) => {}
        () = pump(Way::ToClient, from_server, to_client, weather) => {}
    }
}

async fn pump(
    way: Way,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if weather
            .wait_for(|weather| weather.lets_through(way))
            .await
            .is_err()
        {
            break;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    // An end, too, is nothing that gets through a network that swallows everything.
    let _gone = weather.wait_for(|weather| weather.lets_through(way)).await;
}
