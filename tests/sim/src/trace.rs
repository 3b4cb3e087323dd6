//! What happened, in order: a hash over all of it, and the last events in full for whoever has to understand a failure.
//!
//! Owns both; an event is text only when a failure is shown.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use baton_presence::Time;
use baton_room::Record;
use baton_sync::y_websocket::{self, Message};
use bytes::Bytes;

/// One event. `who` and `number` mean what `what` says; `bytes` is a frame, a record, or nothing.
#[derive(Debug, Clone)]
struct Entry {
    step: u64,
    at: Time,
    what: &'static str,
    who: u64,
    number: u64,
    bytes: Bytes,
}

/// The events of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    hasher: DefaultHasher,
    steps: u64,
    shown: usize,
    last: VecDeque<Entry>,
    counts: BTreeMap<&'static str, u64>,
}

impl Trace {
    pub(crate) fn new(shown: usize) -> Self {
        Self {
            hasher: DefaultHasher::new(),
            steps: 0,
            shown,
            last: VecDeque::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Notes an event.
    pub(crate) fn note(
        &mut self,
        at: Time,
        what: &'static str,
        who: u64,
        number: u64,
        bytes: &Bytes,
    ) {
        self.steps += 1;
        *self.counts.entry(what).or_default() += 1;
        (at.0, what, who, number, bytes).hash(&mut self.hasher);
        if self.last.len() == self.shown {
            self.last.pop_front();
        }
        self.last.push_back(Entry {
            step: self.steps,
            at,
            what,
            who,
            number,
            bytes: bytes.clone(),
        });
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    pub(crate) const fn steps(&self) -> u64 {
        self.steps
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.clone()
    }

    /// The last events as text, oldest first.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.last.iter().map(Entry::text).collect()
    }
}

impl Entry {
    fn text(&self) -> String {
        let Self {
            step,
            at,
            what,
            who,
            number,
            bytes,
        } = self;
        let at = at.0.as_secs_f64();
        let content = match *what {
            "record" => Record::decode(bytes).map_or_else(|error| error.to_string(), |r| cut(&r)),
            "up" | "down" => frame(bytes),
            _ => String::from_utf8_lossy(bytes).into_owned(),
        };
        format!("{step:6} {at:10.4} s  {what:<12} {who:>3} {number:>5}  {content}")
    }
}

fn frame(bytes: &[u8]) -> String {
    match y_websocket::decode(bytes) {
        Ok(Message::Baton(payload)) => payload.to_owned(),
        Ok(Message::Step2(update)) => format!("step 2, {} bytes", update.len()),
        Ok(Message::Update(update)) => format!("update, {} bytes", update.len()),
        Ok(Message::Awareness(_)) => "awareness".to_owned(),
        Ok(Message::Step1(_)) => "step 1".to_owned(),
        Ok(other) => cut(&other),
        Err(error) => error.to_string(),
    }
}

fn cut(what: &impl std::fmt::Debug) -> String {
    let mut text = format!("{what:?}");
    if let Some((at, _)) = text.char_indices().nth(240) {
        text.truncate(at);
        text.push('…');
    }
    text
}
