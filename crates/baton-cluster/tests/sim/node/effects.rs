//! What a node does with the effects of its machines.

use super::*;
use baton_cluster::core::{MessageEnvelope, RecordId};

impl Node {
    pub(super) fn written(&mut self, stream: u16, output: WriterOutput, now: Time) {
        let shell = &mut self.streams[usize::from(stream)];
        match output {
            WriterOutput::Send(batch) => {
                shell.isolation.asked(Question::Batch(batch.number), now);
                if self.flaw == Flaw::ResendUnderNewIds && batch.attempt == 0 {
                    let records = batch.messages.iter().filter_map(plain_record);
                    self.again.insert((stream, batch.number), records.collect());
                }
                self.requests.push(Request::Batch {
                    stream,
                    number: batch.number,
                    attempt: batch.attempt,
                    messages: batch.messages.to_vec(),
                });
            }
            WriterOutput::Acknowledged(batch) => {
                shell.isolation.answered(Question::Batch(batch.number), now);
                self.leases.acknowledged(stream, batch.first_sent);
                if self.flaw != Flaw::IgnoreLostTail {
                    let first = batch.first_sequence;
                    shell.reader.acknowledged(first, batch.floor, now);
                }
            }
        }
    }

    fn passed(&mut self, stream: u16, message: &Delivered, now: Time) {
        let shell = &mut self.streams[usize::from(stream)];
        shell.writer.delivered(message, now);
        let id = message.envelope.id;
        if id.boot == self.boot {
            shell.isolation.delivered(id.counter);
        }
    }

    pub(super) fn read(&mut self, stream: u16, output: ReaderOutput, now: Time) {
        if !matches!(output, ReaderOutput::Deliver(_) | ReaderOutput::Skip(_)) {
            let text = match &output {
                ReaderOutput::TailLost { end, lost, whole } => {
                    let values: Vec<_> = lost.iter().map(|l| value_of(&l.record)).collect();
                    format!("lost after {end}: {values:?}, {whole}")
                }
                other => format!("{other:?}"),
            };
            let text = format!("{} stream {stream}: {text}", self.boot);
            self.observed.push(Observation::Note(text));
        }
        if matches!(
            output,
            ReaderOutput::Hole { .. } | ReaderOutput::IncarnationBegan(_)
        ) {
            self.observed.push(Observation::KnowsTheEnd(stream));
        }
        let shell = &mut self.streams[usize::from(stream)];
        match output {
            ReaderOutput::Subscribe {
                generation,
                from,
                scope,
            } => {
                let request = Request::Subscribe {
                    stream,
                    generation,
                    from,
                    scope,
                };
                self.requests.push(request);
            }
            ReaderOutput::Skip(message) => self.passed(stream, &message, now),
            ReaderOutput::Deliver(message) => {
                self.passed(stream, &message, now);
                self.deliver(stream, &message, now);
            }
            ReaderOutput::Hole { missing, .. } => {
                shell.offers.extend(missing);
                if self.flaw != Flaw::IgnoreHole {
                    self.open_again(stream, now);
                }
            }
            ReaderOutput::Doubt => {
                shell.writer.probe(now);
            }
            ReaderOutput::TailLost { end, lost, whole } => {
                shell.writer.rewound(end);
                shell.isolation.set_frozen(true);
                if self.flaw != Flaw::NoOffers {
                    shell.kept.extend(lost);
                }
                if !whole {
                    let text = format!("{} has lost more than its journal has", self.boot);
                    self.observed.push(Observation::Note(text));
                }
                for document in self.documents.values_mut() {
                    if document.stream == stream {
                        document.plan = None;
                    }
                }
            }
            ReaderOutput::Proclaim { .. } if self.flaw == Flaw::IgnoreLostTail => {}
            ReaderOutput::Proclaim { history, expected } => {
                let id = RecordId {
                    boot: self.boot,
                    counter: 0,
                };
                let message_id = format!("{:x}-i-{}", self.boot.0, history.current());
                let content = MessageContent::Incarnations(history);
                let message = OutgoingMessage {
                    subject: Subject::Incarnations,
                    message_id,
                    payload: MessageEnvelope { id, content }.encode(),
                };
                self.requests.push(Request::Proclaim {
                    stream,
                    expected,
                    message,
                });
            }
            ReaderOutput::IncarnationBegan(_) => {
                shell.isolation.set_frozen(false);
                shell.offers.extend(shell.kept.drain(..));
                if self.flaw != Flaw::KeepDocuments {
                    self.open_again(stream, now);
                }
            }
            ReaderOutput::Unreadable { sequence, error } => {
                let text = format!("{sequence} is not readable: {error}");
                self.observed.push(Observation::Bad(text));
            }
        }
    }

    /// Offers what was lost, as far as the writer takes it.
    pub(super) fn offer(&mut self, now: Time) {
        for shell in &mut self.streams {
            while let Some(lost) = shell.offers.front() {
                let (key, record) = (&lost.document, &lost.record);
                let offered = match self.flaw {
                    Flaw::OffersAreNew => shell.writer.append(key, record, Pace::Soon, now),
                    _ => shell.writer.offer(key, lost.original, record, now),
                };
                if offered.is_err() {
                    break;
                }
                shell.offers.pop_front();
            }
        }
    }

    /// Opens all documents of a stream again.
    fn open_again(&mut self, stream: u16, now: Time) {
        let shell = &self.streams[usize::from(stream)];
        let history = shell.reader.history().clone();
        for document in self.documents.values_mut() {
            if document.stream != stream {
                continue;
            }
            document.plan = None;
            match &mut document.state {
                State::Opening(opening) => opening.begin(history.clone(), now),
                State::Open { .. } => {
                    let opening = DocumentOpening::new(history.clone(), opening_options(), now);
                    document.state = State::Opening(Box::new(opening));
                }
            }
        }
    }

    fn deliver(&mut self, stream: u16, message: &Delivered, now: Time) {
        let Some(key) = message.subject.document() else {
            for document in self.documents.values_mut() {
                if let Some(plan) = &mut document.plan {
                    plan.probe_delivered(message.envelope.id, now);
                }
            }
            return;
        };
        let Some(document) = self.documents.get_mut(key) else {
            return;
        };
        debug_assert_eq!(document.stream, stream);
        if let Some(plan) = &mut document.plan {
            let sequence = message.sequence;
            match &message.envelope.content {
                MessageContent::SnapshotAt { position, .. } => {
                    plan.mark_delivered(*position, sequence, now);
                }
                MessageContent::SnapshotClaimed { position } => {
                    plan.claim_delivered(message.envelope.id.boot, *position, sequence, now);
                }
                _ => {}
            }
        }
        match &mut document.state {
            State::Opening(opening) => {
                let is_mark = matches!(message.envelope.content, MessageContent::Opened { .. });
                if is_mark && message.envelope.id.boot == self.boot {
                    self.marks.insert(key.clone(), message.clone());
                }
                if is_mark || self.flaw != Flaw::DropBuffer {
                    opening.delivered(message, now);
                }
            }
            State::Open { feed, values } => {
                let Some(record) = feed.take(message) else {
                    return;
                };
                let value = value_of(&record.record).unwrap_or(0);
                values.push(value);
                self.observed.push(Observation::Applied {
                    key: key.clone(),
                    index: values.len() - 1,
                    value,
                    own: record.id.boot == self.boot,
                });
            }
        }
    }

    pub(super) fn opened(&mut self, key: &DocumentKey, output: OpeningOutput, now: Time) {
        let Some(document) = self.documents.get_mut(key) else {
            return;
        };
        let State::Opening(opening) = &mut document.state else {
            return;
        };
        let key = key.clone();
        match output {
            OpeningOutput::Mark => {
                let writer = &mut self.streams[usize::from(document.stream)].writer;
                opening.marked(writer.open(&key, &document.name, now));
            }
            OpeningOutput::ListSnapshots => self.requests.push(Request::List { key }),
            OpeningOutput::FetchSnapshot(at) => self.requests.push(Request::Fetch { key, at }),
            OpeningOutput::ReadTail => self.requests.push(Request::Tail {
                key,
                after: 0,
                first_page: Vec::new(),
                is_last: false,
            }),
            OpeningOutput::Gone(_) => {
                // Its caller is told, and tries again.
                let history = self.streams[usize::from(document.stream)]
                    .reader
                    .history()
                    .clone();
                opening.begin(history, now);
            }
            OpeningOutput::Damaged(at) => {
                let text = format!("the snapshot {at} is damaged");
                self.observed.push(Observation::Bad(text));
            }
            OpeningOutput::Opened(opened) => {
                let mut values = Vec::new();
                if let Some(snapshot) = &opened.snapshot {
                    values.extend(snapshot.content.chunks(8).filter_map(value_of));
                    if snapshot.name != document.name {
                        let text = format!("{} has another's snapshot", document.name);
                        self.observed.push(Observation::Bad(text));
                    }
                }
                let tail = opened.tail.iter();
                values.extend(tail.filter_map(|record| value_of(&record.record)));
                let feed = Box::new(opened.feed);
                document.state = State::Open {
                    feed,
                    values: values.clone(),
                };
                self.observed.push(Observation::Opened { key, values });
            }
        }
    }

    pub(super) fn planned(&mut self, key: &DocumentKey, output: SnapshotOutput, now: Time) {
        let Some(document) = self.documents.get_mut(key) else {
            return;
        };
        let Some(plan) = &mut document.plan else {
            return;
        };
        let key = key.clone();
        match output {
            SnapshotOutput::Put {
                position: at,
                stored,
            } => {
                self.requests.push(Request::Put { key, at, stored });
            }
            SnapshotOutput::ReadBack(at) => self.requests.push(Request::ReadBack { key, at }),
            SnapshotOutput::AppendMark {
                expected,
                message_id,
                payload,
            } => {
                if self.flaw == Flaw::PurgeBeforeMark {
                    let stored = MessageEnvelope::decode(&payload).expect("own").content;
                    if let MessageContent::SnapshotAt { position, .. } = stored {
                        let (key, records) = (key.clone(), position.sequence);
                        self.requests.push(Request::Purge {
                            key,
                            records,
                            marks: 0,
                        });
                    }
                }
                let subject = Subject::Snapshots(key.clone());
                let message = OutgoingMessage {
                    subject,
                    message_id,
                    payload,
                };
                self.requests.push(Request::Mark {
                    key,
                    expected,
                    message,
                });
            }
            SnapshotOutput::Probe => {
                let writer = &mut self.streams[usize::from(document.stream)].writer;
                plan.probing(writer.probe(now));
            }
            SnapshotOutput::Purge { records, marks } => {
                self.requests.push(Request::Purge {
                    key,
                    records,
                    marks,
                });
            }
            SnapshotOutput::DeleteBelow(at) => {
                self.requests.push(Request::DeleteBelow { key, at });
            }
            SnapshotOutput::Delete(at) => self.requests.push(Request::Delete { key, at }),
            SnapshotOutput::Done(_) => document.plan = None,
        }
    }

    pub(super) fn leased(&mut self, output: &LeaseOutput, now: Time) {
        match *output {
            LeaseOutput::Renew { number, expected } => {
                let question = Question::Renewal(number);
                for shell in &mut self.streams {
                    shell.isolation.asked(question, now);
                }
                let stops = self.boot.0 % 4 == 1 && now > Time::from_millis(20_000);
                if self.flaw != Flaw::NoRenewal || !stops {
                    self.requests.push(Request::Renew { number, expected });
                }
                if self.flaw == Flaw::LeasesAgeInOutages && number > 1 {
                    self.leases
                        .seen(self.boot, number, expected.unwrap_or(0), now);
                }
            }
            LeaseOutput::Alive(_) => {}
            LeaseOutput::Lapsed(boot) => {
                let until = self.leases.valid_until().unwrap_or_default();
                let sent = Time(until.0.saturating_sub(LeaseOptions::default().ttl));
                self.observed.push(Observation::Lapsed(boot, sent));
                for (stream, shell) in (0..).zip(&mut self.streams) {
                    shell.writer.probe(now);
                    if self.flaw == Flaw::LostWithoutAnswer {
                        self.leases.acknowledged(stream, now);
                    }
                }
            }
            LeaseOutput::Lost { boot, stream } => {
                self.observed.push(Observation::Lost { boot, stream });
            }
            LeaseOutput::Delete { boot, revision } => {
                self.requests.push(Request::DeleteLease { boot, revision });
            }
        }
    }
}

/// The record in a message, if it is whole.
fn plain_record(message: &OutgoingMessage) -> Option<(DocumentKey, Bytes)> {
    let envelope = MessageEnvelope::decode(&message.payload).ok()?;
    match envelope.content {
        MessageContent::Record { part, bytes } if part.index + part.following == 0 => {
            Some((message.subject.document()?.clone(), bytes))
        }
        _ => None,
    }
}
