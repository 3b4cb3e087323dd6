//! The seam of authorization: the trait that decides about a client and a document.
//!
//! The modes of the setting `auth` are authorizers, and so is what an embedding program brings
//! along ([`ServerBuilder::authorize`](crate::ServerBuilder::authorize)).

use std::future::{Future, ready};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::Request;
use baton_auth::{Access, Token};
use http::request::Parts;

use super::denied::AccessDenied;

/// Decides what clients may do. Everything that opens a document asks it first, once for each
/// document, and asks again when the access expires or when an operator wants a new look.
pub trait Authorize: Send + Sync + 'static {
    /// Decides about one client and one document.
    ///
    /// Only the permissions on the document that was asked for count. An access without
    /// [`Permission::Write`](baton_auth::Permission::Write) lets the client read. Its user is shown
    /// to others in place of what the client says of itself.
    ///
    /// # Errors
    /// The client may not open the document.
    fn access<'a>(&'a self, request: AccessRequest<'a>) -> AccessFuture<'a>;

    /// Returns true if every client has to show a token. A client that shows none with its request
    /// may then send it as its first message, and is refused without asking if it does not.
    fn asks_for_tokens(&self) -> bool {
        false
    }

    /// Returns true if it decides by the head of the HTTP request. The server keeps the head for
    /// as long as the connection is open, to ask again.
    fn reads_requests(&self) -> bool {
        true
    }

    /// Returns true if every client has the same access, without proving anything.
    fn lets_everyone_in(&self) -> bool {
        false
    }

    /// Returns true if an access says what its client may do with all documents, not only with the
    /// one that was asked for.
    fn knows_all_documents(&self) -> bool {
        false
    }

    /// Waits until it can decide, for a short time. Clients are accepted then.
    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(ready(()))
    }

    /// Forgets answers that it remembers.
    fn forget_answers(&self) {}

    /// Returns its calls of other services.
    fn service_calls(&self) -> ServiceCalls {
        ServiceCalls::default()
    }
}

/// The answer to an [`AccessRequest`].
pub type AccessFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Arc<Access>, AccessDenied>> + Send + 'a>>;

/// A question: one client and one document.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AccessRequest<'a> {
    /// Token that the client showed: in the query `token`, as `Authorization: Bearer`, in a
    /// sub-protocol, or in a message.
    pub token: Option<&'a Token>,
    /// Exact name of the document, as the client wrote it. `*` stands for all documents at once:
    /// an operator asks, who needs [`Permission::Manage`](baton_auth::Permission::Manage).
    pub document: &'a str,
    /// Address and request of the client.
    pub caller: &'a Caller,
    /// True if remembered answers must not be used.
    pub is_fresh: bool,
}

impl<'a> AccessRequest<'a> {
    /// Returns a question that a remembered answer may answer.
    pub(crate) const fn new(
        token: Option<&'a Token>,
        document: &'a str,
        caller: &'a Caller,
    ) -> Self {
        Self {
            token,
            document,
            caller,
            is_fresh: false,
        }
    }
}

/// The client that asks: its address, and the head of its request. Clones share it.
#[derive(Debug, Clone)]
pub struct Caller(Arc<CallerParts>);

#[derive(Debug)]
struct CallerParts {
    address: IpAddr,
    head: Option<Parts>,
}

impl Caller {
    /// Returns a caller of which only the address is known.
    pub(crate) fn at(address: IpAddr) -> Self {
        let head = None;
        Self(Arc::new(CallerParts { address, head }))
    }

    /// Returns the caller of a request, with a copy of its head if the authorizer reads it.
    pub(crate) fn of(address: IpAddr, request: &Request, reads_requests: bool) -> Self {
        let head = reads_requests.then(|| {
            let (mut head, ()) = http::Request::new(()).into_parts();
            head.method = request.method().clone();
            head.uri = request.uri().clone();
            head.version = request.version();
            head.headers = request.headers().clone();
            head.extensions = request.extensions().clone();
            head
        });
        Self(Arc::new(CallerParts { address, head }))
    }

    /// Returns the address of the client, as the settings about proxies say; unspecified (0.0.0.0)
    /// if the program that embeds the server does not tell it.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.0.address
    }

    /// Returns the head of the request that opened the connection, with what the program's own
    /// middleware put into its extensions; `None` for an authorizer that does not read requests.
    #[must_use]
    pub fn request(&self) -> Option<&Parts> {
        self.0.head.as_ref()
    }
}

/// Calls of the services that an authorizer depends on, since the start.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ServiceCalls {
    /// Fetches of keys.
    pub key_fetches: u64,
    /// Fetches of keys that failed.
    pub key_fetch_failures: u64,
    /// Questions to a webhook.
    pub webhook_calls: u64,
    /// Questions to a webhook without a valid answer in time.
    pub webhook_failures: u64,
}
