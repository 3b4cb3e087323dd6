//! HTTP to the store: hyper, TLS by rustls with ring and the system's authorities.

use std::error::Error as _;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpRequestBody, HttpResponse, HttpResponseBody, HttpService,
};

/// Longest wait for a connection to the store.
const CONNECT_AT_MOST: Duration = Duration::from_secs(3);

/// Time for which an unused connection is kept; stores close them after about a minute.
const IDLE_AT_MOST: Duration = Duration::from_secs(20);

/// Most unused connections that are kept.
const IDLE_CONNECTIONS: usize = 32;

/// Makes the store's HTTP client.
#[derive(Clone, Copy, Debug)]
pub(super) struct BucketConnector;

impl HttpConnector for BucketConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp);
        let mut tcp = TcpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_AT_MOST));
        tcp.set_nodelay(true);
        // Named here: the provider of the process may be another one in an embedding program.
        let provider = rustls::crypto::ring::default_provider();
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .map_err(|error| object_store::Error::Generic {
                store: "S3",
                source: Box::new(error),
            })?;
        let tls = if plain.as_deref() == Some("true") {
            tls.https_or_http()
        } else {
            tls.https_only()
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_AT_MOST)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(tls.enable_http1().wrap_connector(tcp));
        Ok(HttpClient::new(BucketHttp(client)))
    }
}

#[derive(Debug)]
struct BucketHttp(Client<HttpsConnector<TcpConnector>, HttpRequestBody>);

#[async_trait]
impl HttpService for BucketHttp {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.0.request(request).await.map_err(|error| {
            let kind = if error.is_connect() {
                HttpErrorKind::Connect
            } else {
                // It may have been sent.
                HttpErrorKind::Interrupted
            };
            HttpError::new(kind, Chain(said(&error)))
        })?;
        Ok(answer.map(|body| {
            let broken = |error| HttpError::new(HttpErrorKind::Interrupted, error);
            HttpResponseBody::new(body.map_err(broken))
        }))
    }
}

/// An error with the texts of its causes, without which it says nothing.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Chain(String);

fn said(error: &hyper_util::client::legacy::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}
