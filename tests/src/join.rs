//! Who comes in, how they behave, and what they remember of an earlier connection.

use baton_sync::ClientId;
use baton_sync::compressed_update::DEFLATE_RAW;
use baton_sync::control_channel::{ClientMessage, FencingToken, Resume, User, VERSION};
use baton_sync::document::{Document, DocumentOptions};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_rustls::rustls::ClientConfig;

use crate::Seen;

/// Whether a client answers the beats of Baton's channel. It answers protocol pings all the same, as a browser does for a
/// frozen tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beats {
    /// At once.
    Answered,
    /// Never.
    Ignored,
}

/// What a client does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// What a published Yjs provider does: opens with its Step1 and its awareness, answers each Step1, repeats what it
    /// hears of others' awareness, says its own state again when somebody removes it.
    Stock,
    /// Nothing: the story sends every frame. What comes is taken in all the same.
    Raw,
}

/// What is special about a client's TCP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Socket {
    Plain,
    /// Closing it resets the connection (`SO_LINGER` 0).
    Resetting,
    /// It takes a few kilobytes that nobody has read yet (`SO_RCVBUF`).
    Narrow,
}

/// What lies between a client and the server.
#[derive(Debug, Clone)]
pub(crate) enum Transport {
    Tcp,
    /// TLS over TCP. The server's address is the name that its certificate must have.
    Tls(Arc<ClientConfig>),
    /// The socket at this path.
    Unix(PathBuf),
}

/// What a client keeps when it loses its connection: a page that goes on, or is reloaded.
#[derive(Debug)]
pub struct Memory {
    /// Its copy of the document.
    pub document: Document,
    /// The Yjs client id under which it writes.
    pub client: ClientId,
    /// Clock of its own awareness.
    pub clock: u64,
    /// What it knows of others' awareness.
    pub others: BTreeMap<u64, Seen>,
    /// For a hello that goes on with its session.
    pub resume: Option<Resume>,
    /// The locks that it believes it holds.
    pub fences: Vec<FencingToken>,
    /// The epoch of its copy.
    pub epoch: Option<u32>,
}

static CLIENTS: AtomicU64 = AtomicU64::new(1001);

impl Memory {
    /// Of somebody who was never here: an empty document under a new client id.
    #[must_use]
    pub fn fresh() -> Self {
        let number = CLIENTS.fetch_add(1, Ordering::Relaxed);
        let client = ClientId::new(number).expect("far below 2^53");
        Self {
            document: Document::new(&DocumentOptions::new(client)),
            client,
            clock: 0,
            others: BTreeMap::new(),
            resume: None,
            fences: Vec::new(),
            epoch: None,
        }
    }
}

/// How to come in; see [`RawClient::connect`](crate::RawClient::connect).
#[derive(Debug)]
pub struct Join {
    pub(crate) path: String,
    pub(crate) manners: Manners,
    pub(crate) beats: Beats,
    pub(crate) hello: Option<ClientMessage>,
    pub(crate) awareness: Option<String>,
    pub(crate) memory: Memory,
    pub(crate) socket: Socket,
    pub(crate) from: Option<Ipv4Addr>,
    pub(crate) transport: Transport,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The address on the Hocuspocus wire, if it speaks that.
    pub(crate) address: Option<String>,
}

impl Join {
    /// As a stock Yjs client, with the empty awareness state that y-protocols begins with.
    #[must_use]
    pub fn stock(document: &str) -> Self {
        Self {
            path: format!("/ws/{}", utf8_percent_encode(document, NON_ALPHANUMERIC)),
            manners: Manners::Stock,
            beats: Beats::Answered,
            hello: None,
            awareness: Some("{}".to_owned()),
            memory: Memory::fresh(),
            socket: Socket::Plain,
            from: None,
            transport: Transport::Tcp,
            headers: Vec::new(),
            address: None,
        }
    }

    /// As a stock client of y-sweet, whose address holds its token.
    #[must_use]
    pub fn y_sweet(document: &str, token: Option<&str>) -> Self {
        let name = utf8_percent_encode(document, NON_ALPHANUMERIC);
        let token = token.map(|token| format!("?token={token}"));
        Self {
            path: format!("/d/{name}/ws/{name}{}", token.unwrap_or_default()),
            ..Self::stock(document)
        }
    }

    /// Over TLS, as this configuration says.
    #[must_use]
    pub fn over_tls(mut self, config: &Arc<ClientConfig>) -> Self {
        self.transport = Transport::Tls(Arc::clone(config));
        self
    }

    /// Through a Unix socket.
    #[must_use]
    pub fn over_unix(mut self, path: &Path) -> Self {
        self.transport = Transport::Unix(path.to_owned());
        self
    }

    /// Over the Hocuspocus wire, under this address: the name of the document, and perhaps NUL and a session id.
    #[must_use]
    pub fn over_hocuspocus(mut self, address: &str) -> Self {
        "/hocuspocus".clone_into(&mut self.path);
        self.address = Some(address.to_owned());
        self
    }

    /// As a Yjs client that speaks Baton's channel, under this name.
    #[must_use]
    pub fn member(document: &str, name: &str) -> Self {
        let mut join = Self::stock(document);
        join.hello = Some(ClientMessage::Hello {
            version: VERSION,
            resume: None,
            epoch: None,
            fences: Vec::new(),
            locks: None,
            user: User {
                name: name.to_owned(),
                color: "teal".to_owned(),
                ..User::default()
            },
            user_key: None,
            client: Some(join.memory.client.get()),
            observer: false,
            encodings: Vec::new(),
        });
        join
    }

    /// As somebody who says nothing by itself.
    #[must_use]
    pub fn raw(document: &str) -> Self {
        let mut join = Self::stock(document);
        join.manners = Manners::Raw;
        join
    }

    /// The same, but saying nothing by itself after its hello.
    #[must_use]
    pub fn unmannered(mut self) -> Self {
        self.manners = Manners::Raw;
        self
    }

    /// At this path, as it stands in the request.
    #[must_use]
    pub fn at_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Only to watch.
    #[must_use]
    pub fn observing(mut self) -> Self {
        if let Some(ClientMessage::Hello { observer, .. }) = &mut self.hello {
            *observer = true;
        }
        self
    }

    /// Asking for a compressed first sync.
    #[must_use]
    pub fn reading_compressed(mut self) -> Self {
        if let Some(ClientMessage::Hello { encodings, .. }) = &mut self.hello {
            encodings.push(DEFLATE_RAW.to_owned());
        }
        self
    }

    /// As a session of the user with this secret.
    #[must_use]
    pub fn of_user(mut self, secret: &str) -> Self {
        if let Some(ClientMessage::Hello { user_key, .. }) = &mut self.hello {
            *user_key = Some(secret.to_owned());
        }
        self
    }

    /// With this awareness state, as JSON.
    #[must_use]
    pub fn saying(mut self, state: &str) -> Self {
        self.awareness = Some(state.to_owned());
        self
    }

    /// Without an awareness state, as who exports or indexes documents.
    #[must_use]
    pub fn unseen(mut self) -> Self {
        self.awareness = None;
        self
    }

    /// Going by a reset of the connection, when it is dropped or vanishes.
    #[must_use]
    pub fn resetting(mut self) -> Self {
        self.socket = Socket::Resetting;
        self
    }

    /// With room for only a few kilobytes that it has not read yet.
    #[must_use]
    pub fn with_a_narrow_socket(mut self) -> Self {
        self.socket = Socket::Narrow;
        self
    }

    /// From this address of the machine's own, `127.0.0.0/8`.
    #[must_use]
    pub fn from_address(mut self, address: [u8; 4]) -> Self {
        self.from = Some(address.into());
        self
    }

    /// With this header in the request.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With this token.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {token}"))
    }

    /// Without answering beats.
    #[must_use]
    pub fn ignoring_beats(mut self) -> Self {
        self.beats = Beats::Ignored;
        self
    }

    /// With what was kept of an earlier connection. A member asks to resume its session.
    #[must_use]
    pub fn remembering(mut self, memory: Memory) -> Self {
        if let Some(ClientMessage::Hello {
            resume,
            epoch,
            fences,
            client,
            ..
        }) = &mut self.hello
        {
            resume.clone_from(&memory.resume);
            *epoch = memory.epoch;
            fences.clone_from(&memory.fences);
            *client = Some(memory.client.get());
        }
        self.memory = memory;
        self
    }
}
