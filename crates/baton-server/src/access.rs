//! Decides who may do what with which document, for every wire, before registry and disk.
//!
//! Owns the mode of authorization. What a token says is decided by [`baton_auth`]; here are the
//! request, the answer, and the way from permissions to the rights of a session.

use std::net::IpAddr;
use std::sync::Arc;

use baton_auth::{Access, Permission, Permissions, Token};
use baton_presence::Rights;

use crate::config::Settings;

/// A question for the [`Authorizer`]: one client and one document.
pub(crate) struct AccessRequest<'a> {
    /// Token that the client showed.
    #[expect(
        dead_code,
        reason = "for the modes of authorization that ask for a token"
    )]
    pub(crate) token: Option<&'a Token>,
    /// Exact name of the document, as the wire gave it.
    pub(crate) document: &'a str,
    /// Address of the client.
    #[expect(dead_code, reason = "for the webhook, which is told of it")]
    pub(crate) client: IpAddr,
}

/// The answer to a client that may at least read.
#[derive(Debug, Clone)]
pub(crate) struct AccessGrant {
    access: Arc<Access>,
    permissions: Permissions,
}

impl AccessGrant {
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
}

/// The answer to a client that may not open the document.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub(crate) struct AccessDenied {
    /// Close code: 44xx is final, 45xx means that the client may try again.
    pub(crate) code: u16,
    /// Reason in a few bytes, for a close frame and a metric. Names no secret.
    pub(crate) reason: &'static str,
    /// Reason for people: whose fault it is and what to do. Names no secret.
    pub(crate) text: String,
}

/// The one place that decides who may do what; see the module.
pub(crate) struct Authorizer {
    everyone: AccessGrant,
}

impl Authorizer {
    /// Returns the authorizer of these settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        let rights = settings.rights.0;
        let more = [
            (Rights::TAKE_OVER, Permissions::TAKE_OVER),
            (Rights::MANAGE, Permissions::MANAGE),
        ];
        let permissions = more
            .into_iter()
            .filter(|(right, _)| rights.contains(*right))
            .fold(Permissions::LOCK, |all, (_, more)| all | more);
        let access = Arc::new(Access::to_every_document(permissions));
        Self {
            everyone: AccessGrant {
                access,
                permissions,
            },
        }
    }

    /// Decides about one client and one document.
    ///
    /// # Errors
    /// The client may not open the document. Nothing changed.
    pub(crate) async fn authorize(
        &self,
        request: AccessRequest<'_>,
    ) -> Result<AccessGrant, AccessDenied> {
        let permissions = self.everyone.access.permissions(request.document);
        if permissions.contains(Permission::Read) {
            return Ok(AccessGrant {
                permissions,
                ..self.everyone.clone()
            });
        }
        Err(AccessDenied {
            code: crate::connection::close_codes::FORBIDDEN,
            reason: "document-not-granted",
            text: "this server grants nobody this document".to_owned(),
        })
    }
}
