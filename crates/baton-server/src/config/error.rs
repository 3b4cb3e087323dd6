//! The errors of settings that cannot be used.

use std::net::SocketAddr;
use std::path::PathBuf;

#[cfg(feature = "tokens")]
use baton_auth::KeyError;

/// The reason for which the settings cannot be used. Nothing was started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file of `--config` could not be read.
    #[error(
        "the configuration file {path} cannot be read: {source}; nothing was started; check the path that --config names"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file of `--config` is no valid TOML, or has an unknown key or a value of the wrong kind.
    #[error(
        "the configuration file {path} is not valid; nothing was started; correct it: {message}"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The place and the mistake.
        message: String,
    },
    /// The value of a setting is outside of its range.
    #[error(
        "{name} is {given}, and must be between {least} and {most}; nothing was started; change it"
    )]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// Its value.
        given: String,
        /// The least that it may be.
        least: String,
        /// The most that it may be.
        most: String,
    },
    /// Two settings contradict each other.
    #[error("the settings contradict each other: {0}; nothing was started; change one of them")]
    Contradiction(String),
    /// A file with keys or a secret could not be read.
    #[error("{setting}: the file {path} cannot be read: {source}; nothing was started; correct it")]
    KeyFile {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A key or secret cannot verify tokens.
    #[cfg(feature = "tokens")]
    #[error("{setting}: {source}; nothing was started")]
    Keys {
        /// The setting that gives the key.
        setting: &'static str,
        /// The fault of the key.
        source: KeyError,
    },
    /// The system has no certificates by which a service could be trusted.
    #[error(
        "{setting} is an address of https, but the certificates of the system cannot be read: {source}; nothing was started; install them (ca-certificates), or name a file in SSL_CERT_FILE"
    )]
    Certificates {
        /// The setting with the address.
        setting: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// The server would let everyone in on an address that other machines can reach.
    #[error(
        "{address} can be reached from other machines, and auth is none: every client could write every document; nothing was started; set auth to jwt or webhook, listen on a loopback address, or pass --open if that is wanted"
    )]
    Open {
        /// Address to listen on.
        address: SocketAddr,
    },
    /// The files of the certificate (`tls_cert`, `tls_key`) cannot be used.
    #[error("TLS cannot be used: {0}; nothing was started; correct tls_cert or tls_key")]
    Tls(String),
}
