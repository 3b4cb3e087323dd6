//! The document's parks, and the drafts: copies of this client that were set aside.
//!
//! Owns both lists and their bounds. The server decides the content of a park and its fate.

use std::collections::BTreeMap;

use baton_sync::ClientId;
use baton_sync::control_channel::{ParkStatus, ParkView};

use super::outputs::Outputs;
use crate::draft::{Draft, DraftLocation};
use crate::events::ClientEvent;

/// Most drafts kept at a time: as many as a document may have parks. A copy that diverges beyond
/// that stops.
const MAX_DRAFTS: usize = 100;

/// Most decided parks remembered; the oldest are forgotten first.
const MAX_DECIDED: usize = 1000;

/// The parks that the server told of, and the drafts of this client.
#[derive(Debug, Default)]
pub(super) struct ParkedEdits {
    parks: BTreeMap<u64, ParkView>,
    drafts: Vec<Draft>,
}

impl ParkedEdits {
    pub(super) const fn parks(&self) -> &BTreeMap<u64, ParkView> {
        &self.parks
    }

    pub(super) fn drafts(&self) -> &[Draft] {
        &self.drafts
    }

    pub(super) fn has_room_for_draft(&self) -> bool {
        self.drafts.len() < MAX_DRAFTS
    }

    pub(super) fn add_draft(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }

    pub(super) fn drop_draft(&mut self, client: ClientId) {
        self.drafts.retain(|draft| draft.client != client);
    }

    /// Replaces the list of parks by the one in a welcome.
    pub(super) fn replace_parks(&mut self, parks: Vec<ParkView>, out: &mut Outputs) {
        self.parks.clear();
        for park in parks {
            self.drop_decided_drafts(&park, out);
            self.parks.insert(park.id, park);
        }
    }

    pub(super) fn park_changed(&mut self, park: ParkView, out: &mut Outputs) {
        out.event(ClientEvent::Park(park.clone()));
        self.drop_decided_drafts(&park, out);
        self.parks.insert(park.id, park);
        let decided = |(_, park): &(&u64, &ParkView)| park.state != ParkStatus::Open;
        if self.parks.iter().filter(decided).count() > MAX_DECIDED
            && let Some((&oldest, _)) = self.parks.iter().find(decided)
        {
            self.parks.remove(&oldest);
        }
    }

    /// Notes that all edits of the newest draft are durable in its park.
    pub(super) fn newest_draft_is_in_park(&mut self, out: &mut Outputs) {
        let Some(draft) = self.drafts.last_mut() else {
            return;
        };
        draft.location = DraftLocation::InPark;
        // The park may have been decided before its last edits were durable.
        if let Some(park) = draft.park.and_then(|park| self.parks.get(&park)).cloned() {
            self.drop_decided_drafts(&park, out);
        }
    }

    /// Drops the drafts whose edits are all in this park, once the park is decided.
    fn drop_decided_drafts(&mut self, park: &ParkView, out: &mut Outputs) {
        if park.state == ParkStatus::Open {
            return;
        }
        let decided = |draft: &mut Draft| {
            draft.park == Some(park.id) && draft.location == DraftLocation::InPark
        };
        for draft in self.drafts.extract_if(.., decided) {
            out.event(ClientEvent::DraftDropped(draft));
        }
    }
}
