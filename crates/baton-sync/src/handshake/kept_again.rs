//! Updates that were kept aside, judged again when something changed for them.

use bytes::Bytes;

use super::basis::Basis;
use super::kept_updates::{Woken, own_ends};
use super::sync_handshake::{Due, Handshake};
use super::verdict::{SyncKind, Verdict};
use crate::replica_index::Judgement;
use crate::scan::scan;
use crate::state_vector::{ClientId, Clock};

impl Handshake {
    /// Notes that the blocks of this client are known up to this clock, to the document or to the
    /// session's park. [`Handshake::retry`] is to follow. Costs next to nothing unless a kept
    /// update waits for it.
    pub fn changed(&mut self, client: ClientId, known: Clock) {
        self.kept.wake(client, known);
    }

    /// Lets [`Handshake::retry`] judge large kept updates again. A caller calls this from time to
    /// time.
    pub fn take_large(&mut self) {
        self.kept.take_large();
    }

    /// Returns true if [`Handshake::take_large`] is to be called in a moment.
    #[must_use]
    pub fn has_large(&self) -> bool {
        self.kept.has_large()
    }

    /// Returns the verdict on a kept update that may have become complete. To be called after each
    /// message and after [`Handshake::changed`], until it returns `None`; also when the last
    /// verdict is settled. `basis` returns the basis on which an update is judged.
    pub fn retry<'a, B: Into<Basis<'a>>>(
        &mut self,
        basis: impl Fn(&Bytes) -> B,
    ) -> Option<Verdict> {
        if self.due.is_some() || self.clash.is_some() {
            return None;
        }
        while let Some(woken) = self.kept.next_woken() {
            let basis = basis(&woken.update).into();
            if let Some(verdict) = self.judge_again(&woken, &basis) {
                return Some(verdict);
            }
        }
        if self.kept.take_may_fit() {
            self.questions.begin_anew();
            if let asked @ Verdict::Ask = self.ask() {
                return Some(asked);
            }
        }
        if !self.kept.awaits_units() || self.questions.is_open() || self.questions.client_lacks() {
            return None;
        }
        if self.questions.answer_was_fruitless() {
            return Some(self.ask());
        }
        self.find_lacking();
        None
    }

    fn judge_again(&mut self, woken: &Woken, basis: &Basis<'_>) -> Option<Verdict> {
        let (number, kind, update) = (woken.number, woken.kind, &woken.update);
        self.rejudged += 1;
        // It was scanned when it came.
        let Ok(scanned) = scan(update) else {
            return None;
        };
        let settled = basis.settle(&scanned);
        if let Err(fault) = basis.check(&settled) {
            self.kept.remove(number);
            return Some(self.refuse(number, fault));
        }
        if woken.refused && settled.judgement() != Judgement::Known {
            self.kept.wait(number, &own_ends(&scanned));
            return None;
        }
        let mut due = Due {
            number,
            kind,
            part: false,
        };
        if let Some(verdict) = basis.whole(update, &settled) {
            self.kept.remove(number);
            self.questions.kept_was_completed();
            self.due = Some(due);
            // A part that was admitted before is not written again.
            return Some(match verdict {
                Verdict::Admit(_) if woken.partly => {
                    let rest = basis.closed_part(&settled);
                    Verdict::Admit(rest.unwrap_or_else(|| update.clone()))
                }
                other => other,
            });
        }
        self.kept.wait(number, &settled.obstacles());
        if kind == SyncKind::Update && !self.questions.client_lacks() {
            return None;
        }
        let closed = basis.closed_part(&settled)?;
        due.part = true;
        self.admit_part(due);
        Some(Verdict::Admit(closed))
    }
}
