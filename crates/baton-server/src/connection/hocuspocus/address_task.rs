//! The task of one address: lets its client in, handles its messages in order, and ends.
//!
//! Owns what a refusal means here. A provider that is denied, or that is sent a Close, does not
//! come again by itself. So a refusal that is not final is not told: the task tries again, with
//! growing pauses, and the client's messages wait.

use std::sync::Arc;
use std::time::Duration;

use baton_sync::hocuspocus;
use tokio::sync::{Semaphore, oneshot};

use super::mailbox::{Leaving, Letter, Mailbox, Next};
use crate::access::{AccessDenied, AccessGrant, Authorizer, Caller, ShownToken};
use crate::connection::outbox::WriterEvent;
use crate::connection::session::{ConnectionOver, NotJoined, Session};
use crate::connection::socket_writer::SocketWriter;
use crate::connection::wire::HocuspocusAddress;
use crate::connection::{close_codes, document_name};
use crate::documents::registry::Registry;
use crate::limits::message_rate_limit::MessageRateLimit;
use crate::sessions::open_sessions::Renewal;

/// Pause before the first new attempt; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Reason of the Close that answers a client's Close.
pub(super) const LEFT: &str = "provider_initiated";

/// The parts that all addresses of a socket share.
pub(super) struct Shared {
    pub(super) registry: Arc<Registry>,
    pub(super) authorizer: Arc<Authorizer>,
    pub(super) caller: Caller,
    pub(super) rate: Arc<MessageRateLimit>,
    /// Admits a few addresses at a time to authorizer and disk.
    pub(super) opening: Semaphore,
}

/// See the module.
pub(super) struct AddressTask {
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Arc<SocketWriter>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) address: HocuspocusAddress,
    /// Ends when the task that had this address before has ended.
    pub(super) after: Option<oneshot::Receiver<()>>,
}

/// The reason for which an address was not opened.
struct NotOpened {
    code: u16,
    reason: String,
}

impl From<AccessDenied> for NotOpened {
    fn from(denied: AccessDenied) -> Self {
        Self {
            code: denied.code,
            reason: denied.text,
        }
    }
}

impl From<NotJoined> for NotOpened {
    fn from(NotJoined { code, reason }: NotJoined) -> Self {
        Self { code, reason }
    }
}

impl AddressTask {
    /// Serves the address until its client leaves it, or the server ends it.
    pub(super) async fn run(mut self, token: ShownToken) {
        if let Some(after) = self.after.take() {
            // Its sender is dropped, and sends nothing.
            let _ended = after.await;
        }
        if let Some(session) = self.open(token).await {
            self.mailbox.admit();
            let _counted = self.shared.registry.hocuspocus().document();
            self.serve(session).await;
        }
        self.mailbox.close();
    }

    /// Opens the document, with as many attempts as that takes. Returns `None` if the client is
    /// denied it, or leaves.
    async fn open(&self, mut token: ShownToken) -> Option<Session> {
        let (mut pause, mut told) = (FIRST_PAUSE, false);
        loop {
            let refused = match self.try_open(&token, &mut told).await {
                Ok(session) => return Some(session),
                Err(refused) => refused,
            };
            if close_codes::is_final(refused.code) {
                let denied = hocuspocus::permission_denied(self.address.raw(), &refused.reason);
                self.writer.send_encoded(&denied);
                return None;
            }
            tracing::debug!(code = refused.code, "an address was not opened yet");
            tokio::select! {
                () = self.mailbox.left() => {
                    self.leave_unopened();
                    return None;
                }
                () = tokio::time::sleep(at_random(pause)) => {}
            }
            pause = (2 * pause).min(LONGEST_PAUSE);
            if let Some(newer) = self.mailbox.take_token() {
                token = newer;
            }
        }
    }

    async fn try_open(&self, token: &ShownToken, told: &mut bool) -> Result<Session, NotOpened> {
        let Shared { registry, rate, .. } = &*self.shared;
        // Never closed.
        let _turn = self.shared.opening.acquire().await;
        let document = self.address.document();
        document_name::check(document, registry.settings()).map_err(|reason| NotOpened {
            code: close_codes::BAD_NAME,
            reason,
        })?;
        let grant = self.authorize(token).await?;
        if !std::mem::replace(told, true) {
            self.tell_authenticated(&grant);
        }
        let joining = Session::join(
            Arc::clone(registry),
            document,
            &grant,
            Arc::clone(&self.writer),
            Arc::clone(rate),
        );
        Ok(joining.await?)
    }

    async fn authorize(&self, token: &ShownToken) -> Result<AccessGrant, AccessDenied> {
        let Shared {
            authorizer, caller, ..
        } = &*self.shared;
        authorizer
            .admit(token, self.address.document(), caller)
            .await
    }

    fn tell_authenticated(&self, grant: &AccessGrant) {
        let message = hocuspocus::authenticated(self.address.raw(), grant.scope());
        self.writer.send_encoded(&message);
    }

    async fn serve(&self, mut session: Session) {
        loop {
            let next = match self.mailbox.try_next() {
                Some(next) => next,
                None => {
                    session.flush();
                    match self.wait(&mut session).await {
                        Some(next) => next,
                        None => return,
                    }
                }
            };
            if self.handle(next, &mut session).await.is_err() {
                return;
            }
        }
    }

    /// Waits for the next thing, and meanwhile tells the room what happens on the socket. Returns
    /// `None` when the address was ended.
    async fn wait(&self, session: &mut Session) -> Option<Next> {
        let outbox = self.writer.outbox();
        loop {
            tokio::select! {
                biased;
                next = self.mailbox.next() => return Some(next),
                () = outbox.ended() => return None,
                news = outbox.news() => match news {
                    WriterEvent::Alive => session.heard().await,
                    WriterEvent::Behind => session.catch_up().await,
                },
            }
        }
    }

    async fn handle(&self, next: Next, session: &mut Session) -> Result<(), ConnectionOver> {
        let letter = match next {
            Next::Letter(letter) => letter,
            Next::Heard => {
                session.heard().await;
                return Ok(());
            }
        };
        match letter {
            Letter::Frame(frame) => {
                let handled = session.frame(&frame).await;
                self.mailbox.handled(frame.len());
                handled
            }
            // Boxed: it is rare, and an address should not keep memory for it.
            Letter::Token(token) => Box::pin(self.authorize_again(&token, session)).await,
            Letter::Pong(mark) => {
                session.pong(&mark).await;
                Ok(())
            }
            Letter::QueueSent => session.frame(&hocuspocus::pong()).await,
            Letter::Fault(fault) => session.malformed(fault).await,
            Letter::Leave(leaving) => {
                session.leaves(leaving.departure());
                if leaving == Leaving::Address {
                    self.writer.end(close_codes::NORMAL, LEFT);
                }
                Err(ConnectionOver)
            }
        }
    }

    /// The client showed its token again: what it may do is decided anew.
    async fn authorize_again(
        &self,
        token: &ShownToken,
        session: &mut Session,
    ) -> Result<(), ConnectionOver> {
        match session.show_token(token).await {
            Ok((Renewal::Unchanged, grant)) => {
                self.tell_authenticated(&grant);
                Ok(())
            }
            // The room has told the client of its other rights, or that its session was ended.
            Ok((Renewal::Changed | Renewal::Ended, _)) => Ok(()),
            Err(denied) if close_codes::is_final(denied.code) => {
                self.writer.end(denied.code, denied.text);
                Err(ConnectionOver)
            }
            // The one who decides cannot be asked at the moment. What it said before still stands,
            // for as long as it was granted.
            Err(denied) => {
                tracing::debug!(code = denied.code, "a token could not be verified again");
                Ok(())
            }
        }
    }

    /// Answers a client that leaves an address which was not opened.
    fn leave_unopened(&self) {
        self.writer.end(close_codes::NORMAL, LEFT);
    }
}

impl Drop for AddressTask {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

/// Returns a duration between half of `longest` and all of it, so that many clients that were
/// refused at the same moment do not come again at the same moment.
fn at_random(longest: Duration) -> Duration {
    let mut random = [0; 2];
    // Without random numbers the pause is the longest.
    let share = match getrandom::fill(&mut random) {
        Ok(()) => f64::from(u16::from_be_bytes(random)) / f64::from(u16::MAX),
        Err(_) => 1.0,
    };
    longest.mul_f64(0.5 + share / 2.0)
}
