//! The question of a client for a document, and the two answers.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use baton_auth::{Access, Permission, Permissions, Token, TokenError, TokenUser};
use baton_presence::Rights;
use baton_room::Identity;
use baton_sync::hocuspocus::AccessScope;

use super::authorize::{AccessRequest, Caller};
use super::denied::AccessDenied;

/// Token of a request, or the reason for which what it shows cannot be used.
pub(crate) type ShownToken = Result<Option<Token>, AccessDenied>;

/// The answer to a client that may at least read.
///
/// It keeps the question, so that [`Authorizer::recheck`](super::Authorizer::recheck) can ask again
/// while the connection is open.
#[derive(Clone)]
pub(crate) struct AccessGrant {
    token: Option<Token>,
    document: Box<str>,
    caller: Caller,
    access: Arc<Access>,
    permissions: Permissions,
    /// True if the program gave it to itself: no authorizer is asked.
    is_own: bool,
}

impl AccessGrant {
    /// Returns the grant of an access, if it lets the client at least read the document.
    ///
    /// # Errors
    /// The access is for other documents.
    pub(crate) fn of(
        request: AccessRequest<'_>,
        access: Arc<Access>,
    ) -> Result<Self, AccessDenied> {
        let permissions = access.permissions(request.document);
        if !permissions.contains(Permission::Read) {
            return Err(AccessDenied::not_this_document());
        }
        Ok(Self {
            token: request.token.cloned(),
            document: request.document.into(),
            caller: request.caller.clone(),
            access,
            permissions,
            is_own: false,
        })
    }

    /// Returns the grant of the program that embeds the server, for what it does by itself.
    pub(crate) fn of_program(document: &str, access: Arc<Access>) -> Self {
        Self {
            token: None,
            document: document.into(),
            caller: Caller::at(Ipv4Addr::LOCALHOST.into()),
            permissions: access.permissions(document),
            access,
            is_own: true,
        }
    }

    /// Returns true if the program gave it to itself.
    pub(super) const fn is_own(&self) -> bool {
        self.is_own
    }

    /// Returns the question that was answered.
    pub(super) fn request(&self) -> AccessRequest<'_> {
        AccessRequest::new(self.token.as_ref(), &self.document, &self.caller)
    }

    /// Returns the rights of a session; a client that may only read has none.
    pub(crate) fn rights(&self) -> Rights {
        [
            (Permission::Write, Rights::WRITE),
            (Permission::Lock, Rights::LOCK),
            (Permission::TakeOver, Rights::TAKE_OVER),
            (Permission::Manage, Rights::MANAGE),
        ]
        .into_iter()
        .filter(|(permission, _)| self.permissions.contains(*permission))
        .fold(Rights::NONE, |rights, (_, right)| rights.union(right))
    }

    /// Returns the scope of a Hocuspocus client.
    pub(crate) fn scope(&self) -> AccessScope {
        if self.permissions.contains(Permission::Write) {
            AccessScope::ReadWrite
        } else {
            AccessScope::ReadOnly
        }
    }

    /// Returns the exact name of the document.
    pub(crate) fn document(&self) -> &str {
        &self.document
    }

    /// Returns the client: its address, and its request if that was kept.
    pub(crate) const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Returns the token, if the client showed one.
    pub(crate) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// Returns all that the token gives, of which the permissions on the document are a part.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// Returns the permissions on the document.
    pub(crate) fn permissions(&self) -> Permissions {
        self.permissions
    }

    /// Returns the user, if the token states one.
    pub(crate) fn user(&self) -> Option<&TokenUser> {
        self.access.user()
    }

    /// Returns the user as the room shows it to others.
    pub(crate) fn identity(&self) -> Option<Identity> {
        let owned = |text: &str| text.to_owned();
        self.user().map(|user| {
            Identity::new(user.id())
                .with_name(user.name().map(owned))
                .with_color(user.color().map(owned))
        })
    }

    /// Returns the tenant, if the token states one.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.access.tenant()
    }

    /// Returns the identity of the token, if it has one.
    pub(crate) fn token_id(&self) -> Option<&str> {
        self.access.token_id()
    }

    /// Returns the time from which on the grant counts no more, in Unix milliseconds.
    pub(crate) fn expires_at(&self) -> Option<u64> {
        self.access.expires_at()
    }
}

/// Shows what the client may do, and not what it showed for it.
impl fmt::Debug for AccessGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessGrant")
            .field("document", &self.document)
            .field("permissions", &self.permissions)
            .finish_non_exhaustive()
    }
}

/// Returns the token of a message of a wire, in which an empty text is none.
pub(crate) fn shown_token(text: &str) -> ShownToken {
    match Token::new(text) {
        Ok(token) => Ok(Some(token)),
        Err(TokenError::Missing) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
