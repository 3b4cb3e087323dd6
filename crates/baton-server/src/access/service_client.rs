//! Requests to the services that authorization depends on: the address of keys and the webhook.
//!
//! Owns their limits: no redirects, a time for all of it, and a size for the answer. An error says
//! what failed and repeats nothing of what was sent or received.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::config::{ConfigError, ServiceUrl};

/// Largest head of an answer, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Time for which an idle connection to a service is kept.
const IDLE: Duration = Duration::from_secs(30);

/// Most idle connections that are kept.
const MAX_IDLE: usize = 32;

/// The reason for which a service gave no answer that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ServiceError {
    #[error("it cannot be connected to, or its certificate is not trusted")]
    Connect,
    #[error("it ended the connection before its answer was complete")]
    Broken,
    #[error("its answer was not complete within {0:?}")]
    Slow(Duration),
    #[error("its answer is longer than {0} bytes")]
    TooLarge(usize),
}

/// A client of one service.
#[derive(Debug)]
pub(super) struct ServiceClient {
    uri: Uri,
    transport: Transport,
    timeout: Duration,
    /// Largest answer, in bytes.
    limit: usize,
}

#[derive(Debug)]
enum Transport {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl ServiceClient {
    /// Returns a client of the service that a setting names.
    ///
    /// # Errors
    /// The setting is no address of a service, or the system has no certificates to trust.
    pub(super) fn new(
        setting: &'static str,
        url: &ServiceUrl,
        timeout: Duration,
        limit: usize,
    ) -> Result<Self, ConfigError> {
        let uri = url.uri(setting)?;
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .http1_max_buf_size(MAX_HEAD)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE);
        let transport = if url.is_tls() {
            // Named here: the provider of the process may be another one in an embedding program.
            let provider = rustls::crypto::ring::default_provider();
            let connector = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider);
            let connector =
                connector.map_err(|source| ConfigError::Certificates { setting, source })?;
            Transport::Tls(builder.build(connector.https_only().enable_http1().build()))
        } else {
            tracing::warn!(
                setting,
                "the address is plain http: a program on the way could let every client in; use https, or a network that is trusted"
            );
            Transport::Plain(builder.build_http())
        };
        Ok(Self {
            uri,
            transport,
            timeout,
            limit,
        })
    }

    /// Gets the document of the address.
    pub(super) async fn get(&self) -> Result<(StatusCode, Bytes), ServiceError> {
        self.ask(Method::GET, Bytes::new()).await
    }

    /// Posts JSON to the address.
    pub(super) async fn post(&self, json: Bytes) -> Result<(StatusCode, Bytes), ServiceError> {
        self.ask(Method::POST, json).await
    }

    async fn ask(&self, method: Method, body: Bytes) -> Result<(StatusCode, Bytes), ServiceError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone();
        let json = HeaderValue::from_static("application/json");
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, json.clone());
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::USER_AGENT, HeaderValue::from_static("baton"));
        let asking = self.ask_patiently(request);
        match tokio::time::timeout(self.timeout, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(ServiceError::Slow(self.timeout)),
        }
    }

    async fn ask_patiently(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), ServiceError> {
        let answering = match &self.transport {
            Transport::Plain(client) => client.request(request),
            Transport::Tls(client) => client.request(request),
        };
        let answer = answering.await.map_err(|error| {
            if error.is_connect() {
                ServiceError::Connect
            } else {
                ServiceError::Broken
            }
        })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), self.limit).collect().await;
        match body {
            Ok(body) => Ok((status, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(ServiceError::TooLarge(self.limit)),
            Err(_) => Err(ServiceError::Broken),
        }
    }
}
