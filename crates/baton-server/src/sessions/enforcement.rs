//! Carries out decisions about open sessions in their documents.
//!
//! Owns no state. Each document has a short-lived task of its own, so that one at long work does
//! not delay the others. The task takes its turns like any client, so that a client that floods its
//! document cannot keep away a decision about itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use baton_presence::{Rights, Time};
use baton_room::{AccessNews, ConnectionId, Ending, Room};

use crate::documents::open_document::OpenDocument;
use crate::documents::work_cost::StepKind;

/// Orders that one step carries out. Closing a connection tells every other one of its document.
const ORDERS_OF_A_STEP: usize = 64;

/// The rights that a session has at this moment. All clones are the same.
///
/// Orders about one session may overtake one another on their way. Each reads the rights in its own
/// step, so that the last step has the newest.
#[derive(Debug, Clone)]
pub(crate) struct CurrentRights(Arc<AtomicU8>);

impl CurrentRights {
    pub(crate) fn new(rights: Rights) -> Self {
        Self(Arc::new(AtomicU8::new(rights.into())))
    }

    pub(crate) fn set(&self, rights: Rights) {
        self.0.store(rights.into(), Ordering::Release);
    }

    pub(crate) fn get(&self) -> Rights {
        Rights::from(self.0.load(Ordering::Acquire))
    }
}

/// A decision about one session, in the words of its room.
#[derive(Debug, Clone)]
pub(crate) enum SessionOrder {
    /// Its client is told that its access ends in so many milliseconds.
    Notice { left_ms: u64 },
    /// Its rights changed.
    Rights(CurrentRights),
    /// It is closed, with the reason for people.
    Close(Ending, String),
}

/// Orders for one document.
type DocumentOrders = (Arc<OpenDocument>, Vec<(ConnectionId, SessionOrder)>);

/// Orders for sessions of any documents.
#[derive(Default)]
pub(crate) struct SessionOrders {
    /// By the address of the document in memory: one that was erased may have left its name to
    /// another.
    by_document: HashMap<usize, DocumentOrders>,
}

impl SessionOrders {
    /// Adds an order.
    pub(crate) fn add(
        &mut self,
        document: Arc<OpenDocument>,
        session: ConnectionId,
        order: SessionOrder,
    ) {
        let place = Arc::as_ptr(&document).addr();
        let entry = self.by_document.entry(place);
        let (_, orders) = entry.or_insert_with(|| (document, Vec::new()));
        orders.push((session, order));
    }

    /// Starts to carry the orders out, and waits for nothing.
    pub(crate) fn start(self) {
        for (document, orders) in self.by_document.into_values() {
            tokio::spawn(carry_out(document, orders));
        }
    }

    /// Carries the orders out, those of all documents at the same time.
    pub(crate) async fn finish(self) {
        let documents = self.by_document.into_values();
        let all = documents.map(|(document, orders)| tokio::spawn(carry_out(document, orders)));
        futures_util::future::join_all(all).await;
    }
}

async fn carry_out(document: Arc<OpenDocument>, orders: Vec<(ConnectionId, SessionOrder)>) {
    let mut orders = orders.into_iter();
    loop {
        let some: Vec<_> = orders.by_ref().take(ORDERS_OF_A_STEP).collect();
        if some.is_empty() {
            return;
        }
        let step = move |room: &mut Room, now| {
            for (session, order) in some {
                apply(room, session, order, now);
            }
        };
        // A document that is gone has told its connections so already.
        if document.own_step(StepKind::Light, step).await.is_err() {
            return;
        }
    }
}

fn apply(room: &mut Room, session: ConnectionId, order: SessionOrder, now: Time) {
    match order {
        SessionOrder::Notice { left_ms } => {
            room.tell_access(session, AccessNews::Expiring { left_ms }, now);
        }
        SessionOrder::Rights(rights) => room.set_rights(session, rights.get(), now),
        SessionOrder::Close(why, reason) => room.close(session, why, reason, now),
    }
}
