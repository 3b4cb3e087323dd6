//! Settings of the connection to the engine, with their limits.
//!
//! Checked once, before anything is connected; secrets never appear in `Debug` or in an error.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use async_nats::ServerAddr;
use percent_encoding::percent_decode_str;

use super::bucket::BucketOptions;
use super::error::EngineError;

/// Settings of an [`Engine`](super::Engine).
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Addresses of the servers.
    pub servers: ServerUrls,
    /// Proof of identity that this node shows to each server.
    pub login: Login,
    /// File of the certificate authorities that may sign a server's certificate, in PEM. Without it
    /// the system's authorities count.
    pub ca_file: Option<PathBuf>,
    /// Files of the certificate and key that this node shows to a server that asks for one, in PEM.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Addresses of the servers' HTTP monitors (`http://host:8222`), one for each server. Needed
    /// only if the account may not ask for the servers' state over NATS.
    pub monitors: Vec<String>,
    /// Prefix of all streams, buckets and subjects, so that clusters can share servers: 1 to 32
    /// letters, digits, `-` and `_`. Default `baton`.
    pub prefix: String,
    /// Copies of each record, 1 to 5. One copy survives nothing: for trying only. Default 3.
    pub replicas: usize,
    /// Number of log streams, 1 to 64; fixed when the streams are created. Default 8.
    pub streams: u16,
    /// Place of the documents' snapshots; fixed when the streams are created. Default: the engine.
    pub snapshots: SnapshotPlace,
    /// Time for which the engine recognizes a message that it has already stored, 30 s to 1 h.
    /// Default 2 min.
    pub dedupe_window: Duration,
    /// Longest wait for one answer of the engine, 100 ms to 30 s. Default 5 s.
    pub answer_timeout: Duration,
    /// Longest wait for the engine at the start, in which it may still elect its leaders. Default
    /// 30 s.
    pub start_timeout: Duration,
    /// Interval of the signs of life of a reader's delivery, 100 ms to 10 s. A reader that hears
    /// nothing for three of them asks for its delivery again. Default 1 s.
    pub delivery_heartbeat: Duration,
    /// Most bytes of one stored message, 16 KiB to 32 MiB; a longer one is split. At most the
    /// servers' `max_payload` less 4 KiB. Default 512 KiB.
    pub part_bytes: usize,
}

impl EngineOptions {
    /// Returns the settings for these servers, with the defaults for all else.
    #[must_use]
    pub fn new(servers: ServerUrls) -> EngineOptions {
        EngineOptions {
            login: servers.login.clone(),
            servers,
            ca_file: None,
            client_certificate: None,
            monitors: Vec::new(),
            prefix: "baton".to_owned(),
            replicas: 3,
            streams: 8,
            snapshots: SnapshotPlace::Engine,
            dedupe_window: Duration::from_secs(120),
            answer_timeout: Duration::from_secs(5),
            start_timeout: Duration::from_secs(30),
            delivery_heartbeat: Duration::from_secs(1),
            part_bytes: 512 << 10,
        }
    }

    /// Checks each setting against its range.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let seconds = |from, to| Duration::from_millis(from)..=Duration::from_millis(to);
        let rules = [
            (
                (1..=32).contains(&self.prefix.len()) && self.prefix.chars().all(word),
                "the prefix has 1 to 32 letters, digits, '-' and '_'",
            ),
            ((1..=5).contains(&self.replicas), "replicas are 1 to 5"),
            ((1..=64).contains(&self.streams), "streams are 1 to 64"),
            (
                seconds(30_000, 3_600_000).contains(&self.dedupe_window),
                "the dedupe window is 30 s to 1 h",
            ),
            (
                seconds(100, 30_000).contains(&self.answer_timeout),
                "the answer timeout is 100 ms to 30 s",
            ),
            (
                seconds(100, 10_000).contains(&self.delivery_heartbeat),
                "the delivery heartbeat is 100 ms to 10 s",
            ),
            (
                (16 << 10..=32 << 20).contains(&self.part_bytes),
                "a stored message has 16 KiB to 32 MiB",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(EngineError::Configuration {
                what: (*rule).to_owned(),
            }),
            None => Ok(()),
        }
    }
}

/// Place of the documents' snapshots.
#[derive(Clone, Debug, Default)]
pub enum SnapshotPlace {
    /// A stream of the engine.
    #[default]
    Engine,
    /// A bucket of an S3-like store.
    Bucket(BucketOptions),
}

impl fmt::Display for SnapshotPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotPlace::Engine => f.write_str("engine"),
            SnapshotPlace::Bucket(bucket) => bucket.fmt(f),
        }
    }
}

/// Proof of identity that a node shows to the engine.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Login {
    /// None: the servers take every client, or know it by its certificate.
    #[default]
    Anonymous,
    /// A user and a password.
    User {
        /// The user.
        name: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
    /// A file with a JWT and its key, as `nsc` writes it.
    CredentialsFile(PathBuf),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Login::Anonymous => f.write_str("Anonymous"),
            Login::User { name, .. } => f.debug_struct("User").field("name", name).finish(),
            Login::Token(_) => f.write_str("Token"),
            Login::CredentialsFile(path) => f.debug_tuple("CredentialsFile").field(path).finish(),
        }
    }
}

/// Addresses of the engine's servers, without the credentials that the text had.
#[derive(Clone, Debug)]
pub struct ServerUrls {
    addresses: Vec<ServerAddr>,
    tls: bool,
    login: Login,
}

impl ServerUrls {
    /// Returns the addresses, without credentials.
    #[must_use]
    pub fn addresses(&self) -> &[ServerAddr] {
        &self.addresses
    }

    /// Returns true if every connection must be encrypted.
    #[must_use]
    pub fn requires_tls(&self) -> bool {
        self.tls
    }

    fn parse(text: &str) -> Result<ServerUrls, &'static str> {
        let (mut addresses, mut scheme, mut login) = (Vec::new(), "nats", None);
        for part in text.split(',') {
            let (own_scheme, rest) = part
                .trim()
                .split_once("://")
                .unwrap_or((scheme, part.trim()));
            scheme = match own_scheme {
                "nats" => "nats",
                "tls" => "tls",
                _ => return Err("an address starts with nats:// or tls://"),
            };
            let address = ServerAddr::from_str(&format!("{scheme}://{rest}"))
                .map_err(|_| "an address is not host or host:port")?;
            if address.host().is_empty() {
                return Err("an address has no host");
            }
            if let Some(user) = address.username() {
                let own = login_of(user, address.password())?;
                if login.as_ref().is_some_and(|former| !same(former, &own)) {
                    return Err("two addresses have different credentials");
                }
                login = Some(own);
            }
            let host = address.host();
            let host = if host.contains(':') {
                format!("[{host}]")
            } else {
                host.to_owned()
            };
            let plain = format!("{scheme}://{host}:{}", address.port());
            addresses
                .push(ServerAddr::from_str(&plain).map_err(|_| "an address has no valid host")?);
        }
        Ok(ServerUrls {
            tls: addresses.iter().any(ServerAddr::tls_required),
            login: login.unwrap_or_default(),
            addresses,
        })
    }
}

/// Reads `nats://a:4222,b,c`, `tls://a,b`, `nats://user:password@a,b` and `nats://token@a,b`. A
/// scheme counts for the addresses after it; credentials count for all.
impl FromStr for ServerUrls {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<ServerUrls, EngineError> {
        ServerUrls::parse(text).map_err(|what| EngineError::Configuration {
            what: format!("the list of servers is not valid: {what}"),
        })
    }
}

/// Without secrets, for logs.
impl fmt::Display for ServerUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.addresses.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", address.as_url_str())?;
        }
        Ok(())
    }
}

fn login_of(user: &str, password: Option<&str>) -> Result<Login, &'static str> {
    let plain = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.map(|text| text.into_owned())
    };
    let wrong = |_| "the credentials in an address are not UTF-8";
    Ok(match password {
        Some(password) => Login::User {
            name: plain(user).map_err(wrong)?,
            password: plain(password).map_err(wrong)?,
        },
        None => Login::Token(plain(user).map_err(wrong)?),
    })
}

fn same(one: &Login, other: &Login) -> bool {
    match (one, other) {
        (
            Login::User { name, password },
            Login::User {
                name: n,
                password: p,
            },
        ) => name == n && password == p,
        (Login::Token(one), Login::Token(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(text: &str) -> ServerUrls {
        text.parse().unwrap()
    }

    #[test]
    fn a_scheme_counts_for_the_addresses_after_it() {
        let servers = urls("nats://a,b:4333,tls://c");
        let shown = servers.to_string();
        assert_eq!(shown, "nats://a:4222,nats://b:4333,tls://c:4222");
        assert!(servers.requires_tls());
        assert!(!urls("10.0.0.1,[::1]:4222").requires_tls());
    }

    #[test]
    fn credentials_are_read_and_never_shown() {
        let servers = urls("nats://ann:p%40ss@a,b");
        let options = EngineOptions::new(servers);
        let Login::User { name, password } = &options.login else {
            panic!("{:?}", options.login);
        };
        assert_eq!((name.as_str(), password.as_str()), ("ann", "p@ss"));
        let token = EngineOptions::new(urls("nats://s3cr3t@a"));
        assert!(matches!(&token.login, Login::Token(token) if token == "s3cr3t"));
        for shown in [
            format!("{options:?}{}", options.servers),
            format!("{token:?}{}", token.servers),
        ] {
            assert!(
                !shown.contains("ss@") && !shown.contains("s3cr3t"),
                "{shown}"
            );
            assert!(!shown.contains("p%40ss"), "{shown}");
        }
    }

    #[test]
    fn a_wrong_list_is_refused_without_repeating_it() {
        let wrong = [
            "",
            "http://a",
            "nats://",
            "nats://a:b:c@d:e",
            "nats://u:one@a,nats://u:two@b",
            "a,,b",
        ];
        for text in wrong {
            let refused = text.parse::<ServerUrls>().unwrap_err().to_string();
            assert!(
                refused.contains("the list of servers is not valid"),
                "{refused}"
            );
            assert!(!refused.contains("one"), "{refused}");
        }
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let options = EngineOptions::new(urls("a"));
        assert!(options.check().is_ok());
        let wrong: [fn(&mut EngineOptions); 5] = [
            |options| options.prefix = "a.b".to_owned(),
            |options| options.replicas = 0,
            |options| options.streams = 65,
            |options| options.dedupe_window = Duration::from_secs(1),
            |options| options.part_bytes = 1,
        ];
        for change in wrong {
            let mut options = options.clone();
            change(&mut options);
            assert!(options.check().is_err(), "{options:?}");
        }
    }
}
