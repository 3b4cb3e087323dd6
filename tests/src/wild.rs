//! A TCP connection that keeps to no protocol.
//!
//! Owns the socket, and enough of HTTP and WebSocket to see how the server answers; what is sent is up to the story.

use std::net::{Ipv4Addr, SocketAddr};

use baton_testkit::websocket;
use rustix::net::sockopt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::within;

/// Receive buffer of a socket that is not going to read, in bytes; the kernel doubles it.
const NARROW: u32 = 2048;

/// See the module.
#[derive(Debug)]
pub struct WildSocket {
    stream: TcpStream,
}

impl WildSocket {
    /// Connects from this address of the machine's own (`127.0.0.0/8`), and says nothing.
    ///
    /// # Panics
    /// When there is no server.
    pub async fn from(from: [u8; 4], address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        let own = SocketAddr::from((Ipv4Addr::from(from), 0));
        socket.bind(own).expect("an address of this machine");
        socket
            .set_recv_buffer_size(NARROW)
            .expect("a buffer of its own size");
        let connected = within("a connection", socket.connect(address)).await;
        let stream = connected.expect("a server listens there");
        stream.set_nodelay(true).expect("a TCP socket");
        Self { stream }
    }

    /// Connects, and says nothing.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::from([127, 0, 0, 1], address).await
    }

    /// Connects and upgrades to a WebSocket at this path.
    ///
    /// # Panics
    /// When the server does not let it in.
    pub async fn upgraded(address: SocketAddr, path: &str) -> Self {
        let mut socket = Self::connect(address).await;
        socket.sends(websocket::handshake(path).as_bytes()).await;
        let head = socket.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        socket
    }

    /// Sends these bytes. False when the server takes no more.
    pub async fn sends(&mut self, bytes: &[u8]) -> bool {
        within("bytes to be taken", self.stream.write_all(bytes))
            .await
            .is_ok()
    }

    /// Sends as much of these bytes, over and over, as is taken without waiting, `most` at most. Returns how many were.
    pub fn floods(&mut self, bytes: &[u8], most: usize) -> usize {
        let mut sent = 0;
        while sent < most {
            match self.stream.try_write(&bytes[sent % bytes.len()..]) {
                Ok(count) => sent += count,
                Err(_) => break,
            }
        }
        sent
    }

    /// The head of an HTTP answer; what follows it stays unread.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn head(&mut self) -> String {
        let mut head = Vec::new();
        let reading = async {
            while !head.ends_with(b"\r\n\r\n") {
                match self.stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
        };
        within("the head of an answer", reading).await;
        String::from_utf8_lossy(&head).into_owned()
    }

    /// All that comes until the server ends the connection.
    ///
    /// # Panics
    /// When it does not.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _reset = within("the end", self.stream.read_to_end(&mut rest)).await;
        rest
    }

    /// Waits until the server closes the WebSocket. Returns the code, if it says one.
    ///
    /// # Panics
    /// When it does not close in time.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            let (opcode, payload) = self.frame().await?;
            if opcode == 8 {
                let code = payload.first_chunk::<2>()?;
                return Some(u16::from_be_bytes(*code));
            }
        }
    }

    /// The next frame of the server: opcode and payload. `None` at the end.
    ///
    /// # Panics
    /// When nothing comes in time.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        within("a frame, or the end", async {
            let first = self.stream.read_u8().await.ok()?;
            let length = match self.stream.read_u8().await.ok()? {
                126 => usize::from(self.stream.read_u16().await.ok()?),
                127 => usize::try_from(self.stream.read_u64().await.ok()?).ok()?,
                short => usize::from(short),
            };
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await.ok()?;
            Some((first & 0x0f, payload))
        })
        .await
    }

    /// Goes with a reset.
    ///
    /// # Panics
    /// Never, on a TCP socket.
    pub fn resets(self) {
        let none = Some(std::time::Duration::ZERO);
        sockopt::set_socket_linger(&self.stream, none).expect("a TCP socket");
    }
}
