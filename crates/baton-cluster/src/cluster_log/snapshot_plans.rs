//! Snapshots in the making, one for each document; a newer one waits until it is done.

use std::collections::HashMap;

use baton_presence::Time;

use super::stream_input::PlanAnswer;
use crate::core::{
    BootId, DocumentKey, RecordId, SnapshotEnvelope, SnapshotOptions, SnapshotOutcome,
    SnapshotOutput, SnapshotPlan, StreamPosition,
};

/// The snapshots that one stream's documents are making.
#[derive(Debug)]
pub(super) struct SnapshotPlans {
    boot: BootId,
    options: SnapshotOptions,
    plans: HashMap<DocumentKey, Entry>,
    /// Number of snapshots so far that replace what no record restores.
    begun: u64,
}

#[derive(Debug)]
struct Entry {
    plan: SnapshotPlan,
    /// Number of the oldest such snapshot that this plan stands for. Of another one the records are
    /// in the log, so nothing waits for it.
    number: Option<u64>,
    /// Sequence of the document's newest mark.
    newest_mark: u64,
    waiting: Option<Box<SnapshotEnvelope>>,
}

impl SnapshotPlans {
    pub(super) fn new(boot: BootId, options: SnapshotOptions) -> SnapshotPlans {
        SnapshotPlans {
            boot,
            options,
            plans: HashMap::new(),
            begun: 0,
        }
    }

    /// Begins a snapshot, or keeps it until the one before it is done. `newest_mark` is the
    /// sequence of the document's newest mark.
    pub(super) fn begin(
        &mut self,
        key: DocumentKey,
        envelope: Box<SnapshotEnvelope>,
        newest_mark: u64,
        at_once: bool,
        now: Time,
    ) {
        let before = self.plans.get_mut(&key);
        if let Some(entry) = before
            && !at_once
        {
            entry.waiting = Some(envelope);
            return;
        }
        let mut number = None;
        if at_once {
            self.begun += 1;
            let unmarked = self.plans.get(&key).filter(|it| !it.plan.is_marked());
            number = unmarked.and_then(|it| it.number).or(Some(self.begun));
        }
        self.start(key, &envelope, number, newest_mark, now);
    }

    fn start(
        &mut self,
        key: DocumentKey,
        envelope: &SnapshotEnvelope,
        number: Option<u64>,
        newest_mark: u64,
        now: Time,
    ) {
        let before = self.plans.get(&key).map_or(0, |entry| entry.newest_mark);
        let newest_mark = newest_mark.max(before);
        let options = self.options.clone();
        let plan = SnapshotPlan::new(self.boot, envelope, newest_mark, options, now);
        let entry = Entry {
            plan,
            number,
            newest_mark,
            waiting: None,
        };
        self.plans.insert(key, entry);
    }

    /// Returns the number of snapshots so far that replace what no record restores: erasures, and
    /// content of another log.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// Returns true if the log has a mark of each of the first so many of them, or of a newer one
    /// of the same document: then an opening finds it.
    pub(super) fn are_marked(&self, first: u64) -> bool {
        let mut plans = self.plans.values();
        plans.all(|it| it.plan.is_marked() || it.number.is_none_or(|number| number > first))
    }

    /// Returns true if a snapshot of this document is being made, or what it replaces is not purged
    /// yet.
    pub(super) fn has(&self, key: &DocumentKey) -> bool {
        self.plans.contains_key(key)
    }

    /// Gives up all snapshots; their documents make others.
    pub(super) fn clear(&mut self) {
        self.plans.clear();
    }

    pub(super) fn answered(&mut self, key: &DocumentKey, answer: PlanAnswer, now: Time) {
        let Some(Entry { plan, .. }) = self.plans.get_mut(key) else {
            return;
        };
        match answer {
            PlanAnswer::Put(answer) => plan.put_answered(answer),
            PlanAnswer::ReadBack(None) => plan.read_unanswered(now),
            PlanAnswer::ReadBack(Some(found)) => plan.read_back(found.as_ref(), now),
            PlanAnswer::Marked(answer) => plan.mark_answered(answer, now),
            PlanAnswer::Purged => plan.purged(),
        }
    }

    pub(super) fn probing(&mut self, key: &DocumentKey, probe: RecordId) {
        if let Some(entry) = self.plans.get_mut(key) {
            entry.plan.probing(probe);
        }
    }

    /// Takes note of a mark that the stream delivers.
    pub(super) fn mark_delivered(
        &mut self,
        key: &DocumentKey,
        position: StreamPosition,
        sequence: u64,
        now: Time,
    ) {
        if let Some(entry) = self.plans.get_mut(key) {
            entry.newest_mark = sequence;
            entry.plan.mark_delivered(position, sequence, now);
        }
    }

    /// Takes note of a claim that the stream delivers.
    pub(super) fn claim_delivered(
        &mut self,
        key: &DocumentKey,
        boot: BootId,
        position: StreamPosition,
        sequence: u64,
        now: Time,
    ) {
        if let Some(entry) = self.plans.get_mut(key) {
            entry.newest_mark = sequence;
            entry.plan.claim_delivered(boot, position, sequence, now);
        }
    }

    /// Takes note of an own probe that the stream delivers.
    pub(super) fn probe_delivered(&mut self, probe: RecordId, now: Time) {
        for entry in self.plans.values_mut() {
            entry.plan.probe_delivered(probe, now);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        let plans = self.plans.values();
        plans.filter_map(|entry| entry.plan.poll_timeout()).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        for entry in self.plans.values_mut() {
            entry.plan.handle_timeout(now);
        }
    }

    /// Returns the next effect of a plan. A plan that is done is removed, and the waiting one
    /// begins.
    pub(super) fn next_output(&mut self, now: Time) -> Option<(DocumentKey, SnapshotOutput)> {
        let mut next = None;
        for (key, entry) in &mut self.plans {
            if let Some(output) = entry.plan.next_output() {
                next = Some((key.clone(), output));
                break;
            }
        }
        let (key, output) = next?;
        if let SnapshotOutput::Done(outcome) = &output {
            if *outcome == SnapshotOutcome::NotReadable {
                tracing::error!(document = %key, "a snapshot cannot be read back; nothing is purged");
            }
            if let Some(Entry {
                waiting: Some(envelope),
                newest_mark,
                ..
            }) = self.plans.remove(&key)
            {
                self.start(key.clone(), &envelope, None, newest_mark, now);
            }
        }
        Some((key, output))
    }
}
