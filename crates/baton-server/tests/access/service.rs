//! A service that the server asks, and that can misbehave in each way a service can.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// Behaviour of the service towards each request.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// Answers with this status and body.
    Answers(u16, String),
    /// The same after a while.
    AnswersLate(Duration, String),
    /// Redirects to this address.
    Redirects(String),
    /// Sends these bytes and nothing else.
    Sends(Vec<u8>),
    /// Takes the request, and says nothing.
    Hangs,
    /// Sends a head, then a byte of the body at a time.
    Drips,
}

/// See the module. Ends with this.
pub(crate) struct Service {
    address: SocketAddr,
    behaviour: Arc<Mutex<Behaviour>>,
    requests: Arc<Mutex<Vec<String>>>,
    serving: AbortHandle,
}

impl Service {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let behaviour = Arc::new(Mutex::new(behaviour));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (told, heard) = (Arc::clone(&behaviour), Arc::clone(&requests));
        let serving = tokio::spawn(async move {
            let mut each = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                each.spawn(serve(stream, Arc::clone(&told), Arc::clone(&heard)));
            }
        });
        Self {
            address,
            behaviour,
            requests,
            serving: serving.abort_handle(),
        }
    }

    /// Returns its address, with a path and a query.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/path?key=hush-this-is-a-key", self.address)
    }

    /// From now on behaves so.
    pub(crate) fn becomes(&self, behaviour: Behaviour) {
        *self.behaviour.lock() = behaviour;
    }

    /// Returns the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    behaviour: Arc<Mutex<Behaviour>>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    requests.lock().push(request);
    let behaviour = behaviour.lock().clone();
    let answer = match behaviour {
        Behaviour::Answers(status, body) => answer(status, &body),
        Behaviour::AnswersLate(wait, body) => {
            tokio::time::sleep(wait).await;
            answer(200, &body)
        }
        Behaviour::Redirects(to) => format!(
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .into_bytes(),
        Behaviour::Sends(bytes) => bytes,
        Behaviour::Hangs => return std::future::pending().await,
        Behaviour::Drips => {
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
            let mut sent = stream.write_all(head).await;
            while sent.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
                sent = stream.write_all(b" ").await;
            }
            return;
        }
    };
    let _gone = stream.write_all(&answer).await;
    let _gone = stream.shutdown().await;
}

fn answer(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .into_bytes()
}

/// Reads a request with its body.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
