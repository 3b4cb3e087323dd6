//! A service that the server asks, and that can misbehave in each way a service can.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

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

type Told = Arc<Mutex<Behaviour>>;
type Heard = Arc<Mutex<Vec<String>>>;

/// See the module. Ends with this.
pub(crate) struct Service {
    address: SocketAddr,
    behaviour: Told,
    requests: Heard,
    serving: AbortHandle,
}

impl Service {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        Self::accepting(behaviour, serve::<TcpStream>).await
    }

    async fn accepting<F>(
        behaviour: Behaviour,
        serve: impl Fn(TcpStream, Told, Heard) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
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

    /// Starts it with TLS, under the name `localhost`. Returns its certificate in PEM, too.
    pub(crate) async fn start_tls(behaviour: Behaviour) -> (Self, String) {
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let service = Self::accepting(behaviour, move |stream, told, heard| {
            let acceptor = acceptor.clone();
            async move {
                // A client that does not trust the certificate ends the handshake.
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, told, heard).await;
                }
            }
        });
        (service.await, own.cert.pem())
    }

    /// Returns its address for TLS.
    pub(crate) fn tls_url(&self) -> String {
        format!(
            "https://localhost:{}/path?key=hush-this-is-a-key",
            self.address.port()
        )
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

async fn serve<S>(mut stream: S, behaviour: Told, requests: Heard)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
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
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
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
