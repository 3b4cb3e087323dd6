//! Opens the WebSocket of an attempt: the address, the headers, the token and TLS.
//!
//! Owns the parts of the handshake that stay the same over all attempts. Decides nothing: an
//! attempt that fails is a [`CloseCause`].

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::http::header::{
    AUTHORIZATION, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL,
};
use tokio_tungstenite::tungstenite::http::{Error as HttpError, HeaderMap, HeaderValue, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::close_cause::CloseCause;
use crate::document_url::document_url;
use crate::error::ConnectError;
use crate::options::ClientOptions;
#[cfg(feature = "rustls")]
use crate::tls::TlsConfig;
use crate::token::{ClientToken, TokenPlacement};

/// An open WebSocket.
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Bytes of the socket's read buffer. The library's default is 128 KiB for each connection.
const READ_BUFFER: usize = 16 * 1024;

/// The sub-protocol that is offered beside the token, so that the server need not repeat the token.
const SUB_PROTOCOL: &str = "baton";

/// The way to one document.
pub(crate) struct Transport {
    address: Uri,
    headers: HeaderMap,
    placement: TokenPlacement,
    config: WebSocketConfig,
    /// Only for an address with `wss://`.
    #[cfg(feature = "rustls")]
    tls: Option<TlsConfig>,
}

impl Transport {
    /// Checks the address, and reads the certificates if it asks for TLS.
    pub(crate) fn new(options: &ClientOptions) -> Result<Self, ConnectError> {
        let address = document_url(&options.url, &options.document)?;
        Ok(Self {
            #[cfg(feature = "rustls")]
            tls: match &options.tls {
                _ if address.scheme_str() != Some("wss") => None,
                Some(own) => Some(own.clone()),
                None => Some(TlsConfig::platform()?),
            },
            address,
            headers: options.headers.clone(),
            placement: options.token_placement,
            config: WebSocketConfig::default()
                .read_buffer_size(READ_BUFFER)
                .max_message_size(Some(options.max_message))
                .max_frame_size(Some(options.max_message)),
        })
    }

    /// Opens a WebSocket.
    pub(crate) async fn open(&self, token: Option<&ClientToken>) -> Result<Socket, CloseCause> {
        let request = self.request(token).map_err(|error| cause(&error))?;
        let opened = self.connect(request).await;
        opened
            .map(|(socket, _)| socket)
            .map_err(|error| cause(&error))
    }

    async fn connect(&self, request: Request) -> Result<(Socket, Response), Error> {
        let config = Some(self.config);
        // Small writes leave at once.
        let no_delay = true;
        #[cfg(feature = "rustls")]
        if let Some(tls) = &self.tls {
            let connector = Some(tls.connector());
            return tokio_tungstenite::connect_async_tls_with_config(
                request, config, no_delay, connector,
            )
            .await;
        }
        tokio_tungstenite::connect_async_with_config(request, config, no_delay).await
    }

    fn request(&self, token: Option<&ClientToken>) -> Result<Request, Error> {
        let mut address = self.address.clone();
        if let (Some(token), TokenPlacement::Query) = (token, self.placement) {
            address = with_query(&address, token)?;
        }
        let mut request = address.into_client_request()?;
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        let Some(token) = token else {
            return Ok(request);
        };
        match self.placement {
            TokenPlacement::Query => {}
            TokenPlacement::Header => {
                let value = secret(format!("Bearer {}", token.secret()))?;
                headers.insert(AUTHORIZATION, value);
            }
            TokenPlacement::SubProtocol => {
                let value = secret(format!("{SUB_PROTOCOL}, baton.token.{}", encoded(token)))?;
                headers.insert(SEC_WEBSOCKET_PROTOCOL, value);
            }
        }
        Ok(request)
    }
}

fn encoded(token: &ClientToken) -> String {
    utf8_percent_encode(token.secret(), NON_ALPHANUMERIC).to_string()
}

/// Returns a header that is left out of debug output.
fn secret(text: String) -> Result<HeaderValue, HttpError> {
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn with_query(address: &Uri, token: &ClientToken) -> Result<Uri, HttpError> {
    let mut parts = address.clone().into_parts();
    let separator = if address.query().is_some() { '&' } else { '?' };
    let path = parts.path_and_query.take();
    let path = path.as_ref().map_or("/", |path| path.as_str());
    let path = format!("{path}{separator}token={}", encoded(token));
    parts.path_and_query = Some(path.parse()?);
    Ok(Uri::from_parts(parts)?)
}

/// Returns the cause of a failure of the library.
pub(crate) fn cause(error: &Error) -> CloseCause {
    match error {
        Error::Http(response) => CloseCause::Refused {
            status: response.status().as_u16(),
            retry_after: response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|seconds| seconds.to_str().ok()?.trim().parse().ok())
                .map(Duration::from_secs),
        },
        other => CloseCause::Network(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(placement: TokenPlacement) -> Request {
        let options = ClientOptions::new("ws://a:1/ws?k=v", "d")
            .with_token_placement(placement)
            .with_header("authorization", "Basic x")
            .unwrap();
        let token = ClientToken::new("a.b/c").unwrap();
        let transport = Transport::new(&options).unwrap();
        transport.request(Some(&token)).unwrap()
    }

    #[test]
    fn a_token_goes_where_the_program_wants_it() {
        let request = sent(TokenPlacement::Header);
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer a.b/c");
        assert_eq!(request.uri(), "ws://a:1/ws/d?k=v");
        let request = sent(TokenPlacement::SubProtocol);
        let offered = &request.headers()[SEC_WEBSOCKET_PROTOCOL];
        assert_eq!(offered, "baton, baton.token.a%2Eb%2Fc");
        assert_eq!(request.headers()[AUTHORIZATION], "Basic x");
        let request = sent(TokenPlacement::Query);
        assert_eq!(request.uri(), "ws://a:1/ws/d?k=v&token=a%2Eb%2Fc");
        assert!(!format!("{:?}", sent(TokenPlacement::Header)).contains("a.b/c"));
    }
}
