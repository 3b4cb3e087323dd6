//! Connects a node to the engine's servers, with its login and its certificates.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event};
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::EngineError;
use super::options::{EngineOptions, Login};

/// Longest pause between two attempts to reach a server.
const RECONNECT_AT_MOST: Duration = Duration::from_secs(1);

/// Time for a server to say hello. One whose process stands still takes connections and says
/// nothing, and may be tried first.
const GREETS_WITHIN: Duration = Duration::from_secs(2);

/// Pause between two attempts to connect at the start.
const CONNECT_AGAIN: Duration = Duration::from_millis(500);

/// Interval at which a silent server is asked for a sign of life. After two that it does not answer
/// the next server is tried.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// Connects, and waits for servers that are started at the same time as this node.
pub(super) async fn connect(
    options: &EngineOptions,
    lost: &Arc<watch::Sender<u64>>,
) -> Result<Client, EngineError> {
    let until = Instant::now() + options.start_timeout;
    loop {
        let lost = lost.clone();
        let attempt = connect_options(options).await?;
        let attempt = attempt.event_callback(move |event| report(event, lost.clone()));
        let connecting = attempt.connect(options.servers.addresses().to_vec());
        let failed = match tokio::time::timeout_at(until, connecting).await {
            Ok(Ok(client)) => return Ok(client),
            Ok(Err(error)) => connect_error(&error, options.servers.to_string()),
            Err(_) => EngineError::Unreachable {
                servers: options.servers.to_string(),
                reason: "it took too long".to_owned(),
            },
        };
        if !failed.is_passing() || Instant::now() + CONNECT_AGAIN >= until {
            return Err(failed);
        }
        tracing::info!(error = %failed, "waiting for the engine");
        tokio::time::sleep(CONNECT_AGAIN).await;
    }
}

async fn connect_options(options: &EngineOptions) -> Result<ConnectOptions, EngineError> {
    let mut connect = ConnectOptions::new()
        .name(format!("baton {}", options.prefix))
        .ping_interval(PING_INTERVAL)
        .connection_timeout(GREETS_WITHIN.min(options.answer_timeout))
        .request_timeout(Some(options.answer_timeout))
        .reconnect_delay_callback(|attempts| {
            let steps = u32::try_from(attempts).unwrap_or(u32::MAX);
            RECONNECT_AT_MOST.min(Duration::from_millis(50).saturating_mul(steps))
        });
    if options.servers.requires_tls() {
        connect = connect.require_tls(true);
    }
    if let Some(file) = &options.ca_file {
        readable(file)?;
        connect = connect.add_root_certificates(file.clone());
    }
    if let Some((certificate, key)) = &options.client_certificate {
        readable(certificate)?;
        readable(key)?;
        connect = connect.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(match &options.login {
        Login::Anonymous => connect,
        Login::User { name, password } => connect.user_and_password(name.clone(), password.clone()),
        Login::Token(token) => connect.token(token.clone()),
        Login::CredentialsFile(file) => {
            readable(file)?;
            let path = file.clone();
            let read = connect.credentials_file(&path).await;
            read.map_err(|_| EngineError::Configuration {
                what: format!("{} is no credentials file of NATS", file.display()),
            })?
        }
    })
}

/// Checks early that a file can be read: the error of a failed connection would not name it.
fn readable(file: &Path) -> Result<(), EngineError> {
    match std::fs::File::open(file) {
        Ok(_) => Ok(()),
        Err(error) => Err(EngineError::Configuration {
            what: format!("{} cannot be read ({error})", file.display()),
        }),
    }
}

fn connect_error(error: &ConnectError, servers: String) -> EngineError {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            EngineError::Unauthorized { servers }
        }
        _ => EngineError::Unreachable {
            servers,
            reason: error.to_string(),
        },
    }
}

async fn report(event: Event, lost: Arc<watch::Sender<u64>>) {
    match event {
        Event::Connected => tracing::info!("connected to the engine"),
        Event::Disconnected => {
            tracing::warn!("the connection to the engine is lost");
            lost.send_modify(|losses| *losses += 1);
        }
        other => tracing::debug!(event = %other, "the engine's connection reports"),
    }
}
