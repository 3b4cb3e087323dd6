//! Parks, and the two ways of a copy whose edits are in one: to go on afresh, or to stop.
//!
//! Owns the drafts. What is in a park, and who may decide it, is the server's to say.

use baton_sync::channel::{ParkState, ParkView};
use baton_sync::{Broken, ClientId, Document, DocumentOptions, StateVector};

use super::{Bond, Core, Phase};
use crate::draft::{Draft, Kept};
use crate::events::Event;
use crate::locks::Bar;
use crate::options::Divergence;
use crate::saves::Saves;
use crate::time::Moment;

/// Drafts that are kept at the same time, as many as a document may have parks. A copy that diverges beyond it stops.
const MAX_DRAFTS: usize = 100;

/// Parks that are remembered after they were decided; the oldest are forgotten first.
const MAX_DECIDED: usize = 1000;

impl Core {
    // ---- what is known ----

    /// The parks of the document by number, as the server last told.
    pub(crate) const fn parks(&self) -> &std::collections::BTreeMap<u64, ParkView> {
        &self.parks
    }

    pub(crate) fn drafts(&self) -> &[Draft] {
        &self.drafts
    }

    pub(crate) fn drop_draft(&mut self, client: ClientId) {
        self.drafts.retain(|draft| draft.client != client);
    }

    // ---- what the server says ----

    pub(super) fn parks_told(&mut self, parks: Vec<ParkView>) {
        self.parks.clear();
        for park in parks {
            self.settle_drafts(&park);
            self.parks.insert(park.id, park);
        }
    }

    pub(super) fn park(&mut self, park: ParkView) {
        self.tell(Event::Park(park.clone()));
        self.settle_drafts(&park);
        self.parks.insert(park.id, park);
        let decided = |(_, park): &(&u64, &ParkView)| park.state != ParkState::Open;
        if self.parks.iter().filter(decided).count() > MAX_DECIDED
            && let Some((&oldest, _)) = self.parks.iter().find(decided)
        {
            self.parks.remove(&oldest);
        }
    }

    /// What was decided about a park is decided about its draft, if the park has all of it.
    fn settle_drafts(&mut self, park: &ParkView) {
        if park.state == ParkState::Open {
            return;
        }
        let settled = |draft: &mut Draft| draft.park == Some(park.id) && draft.kept == Kept::InPark;
        for draft in self.drafts.extract_if(.., settled) {
            self.turn.events.push(Event::DraftDropped(draft));
        }
    }

    /// Edits of this copy were parked.
    pub(super) fn parked(&mut self, now: Moment, id: u64, reason: String) {
        if !self.link.is_asked() {
            // Later edits of a copy that was set aside already.
            return;
        }
        self.tell(Event::Parked { id, reason });
        self.part(now, Some(id));
    }

    /// Edits of this copy were refused, and are nowhere else.
    pub(super) fn not_even_parked(&mut self, now: Moment) {
        if self.link.is_asked() && self.options.divergence == Divergence::Afresh {
            self.part(now, None);
        }
    }

    fn part(&mut self, now: Moment, park: Option<u64>) {
        match self.options.divergence {
            Divergence::Afresh if self.drafts.len() < MAX_DRAFTS => self.set_aside(now, park),
            Divergence::Afresh | Divergence::Stop => {
                self.bond = Bond::Diverged;
                self.behind = None;
                self.locks.bar(Bar::Diverged);
            }
        }
    }

    // ---- the fresh copy ----

    /// Keeps this copy as a draft and goes on with an empty one, to be filled by another connection: on this one the
    /// server takes what comes for more of the old copy.
    fn set_aside(&mut self, now: Moment, park: Option<u64>) {
        // What was not sent yet belongs into the same park.
        self.catch_up();
        let draft = match self.draft(park) {
            Ok(draft) => draft,
            Err(broken) => return self.broke(&broken),
        };
        let sent = self.saves.sent();
        self.client = ClientId::from(self.dice.draw());
        self.document = Document::new(&DocumentOptions {
            client: self.client,
        });
        self.options.copy = Vec::new();
        self.saves = Saves::default();
        self.bond = Bond::Fresh;
        self.copies += 1;
        self.drafts.push(draft.clone());
        self.tell(Event::Diverged { park, draft });
        self.retire(now, sent);
        if park.is_none() {
            // Nothing of it will ever be acknowledged.
            self.renew(now);
        }
    }

    fn draft(&self, park: Option<u64>) -> Result<Draft, Broken> {
        let (edits, clock) = self.saves.pending();
        let brought = !self.options.copy.is_empty() && !self.saves.is_durable(1);
        let since = if brought {
            // Of what came with the copy it is not known what the server had.
            StateVector::new()
        } else {
            let mut since = self.document.state().vector().clone();
            since.set(self.client, clock);
            since
        };
        Ok(Draft {
            park,
            client: self.client,
            edits,
            copy: self.document.snapshot()?,
            difference: self.document.diff(&since)?,
            kept: Kept::Here,
        })
    }

    /// On the connection of a copy that was set aside: so many of its messages are durable.
    pub(super) fn set_aside_durable(&mut self, now: Moment, messages: u64) {
        if !self.link.is_over_with(messages) {
            return;
        }
        if let Some(draft) = self.drafts.last_mut() {
            draft.kept = Kept::InPark;
        }
        if let Some(park) = self.drafts.last().and_then(|draft| draft.park)
            && let Some(view) = self.parks.get(&park).cloned()
        {
            // It may have been decided already.
            self.settle_drafts(&view);
        }
        if self.phase() == Phase::Retiring {
            self.renew(now);
        }
    }
}
