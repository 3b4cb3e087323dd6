//! The questions of a stream's task to the engine. Each is asked by a task of its own, and its
//! answer comes back as an input.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::documents::AbortOnDrop;
use super::stream_input::{Answer, OpeningAnswer, PlanAnswer, StreamInput};
use crate::core::{
    BatchAnswer, Content, Delivered, DocumentKey, Envelope, FetchedSnapshot, MarkAnswer,
    OldestTenth, OutgoingBatch, PutAnswer, Scope, SnapshotEnvelope, StreamPosition, Subject,
};
use crate::engine::{
    AppendAnswer, EngineError, Heard, LogStream, NewMessage, SnapshotKey, SnapshotStore,
};

/// Attempts to remove old snapshots: what was erased must not stay for lack of one answer.
const REMOVALS: u32 = 60;

/// Pause between two of them.
const REMOVE_AGAIN: Duration = Duration::from_secs(5);

/// Asks the engine on behalf of one stream's task.
#[derive(Clone, Debug)]
pub(super) struct Questions {
    stream: LogStream,
    snapshots: SnapshotStore,
    prefix: String,
    /// Weak: questions do not keep the task alive.
    answers: mpsc::WeakUnboundedSender<StreamInput>,
}

impl Questions {
    pub(super) fn new(
        stream: LogStream,
        snapshots: SnapshotStore,
        prefix: String,
        answers: mpsc::WeakUnboundedSender<StreamInput>,
    ) -> Questions {
        Questions {
            stream,
            snapshots,
            prefix,
            answers,
        }
    }

    pub(super) fn parse(&self, subject: &str) -> Option<Subject> {
        Subject::parse(subject, &self.prefix, self.stream.index())
    }

    fn render(&self, subject: &Subject) -> String {
        subject.render(&self.prefix, self.stream.index())
    }

    /// Returns the place of a snapshot, in words for an operator.
    pub(super) fn place_of(&self, document: DocumentKey, at: StreamPosition) -> String {
        self.snapshots.place_of(&SnapshotKey { document, at })
    }

    fn answer(&self, answer: Answer) {
        if let Some(answers) = self.answers.upgrade() {
            // A stream's task that has ended needs no answer.
            let _ = answers.send(StreamInput::Answer(answer));
        }
    }

    pub(super) fn send(&self, batch: OutgoingBatch) {
        let it = self.clone();
        tokio::spawn(async move {
            let messages: Vec<_> = batch
                .messages
                .iter()
                .map(|message| {
                    let subject = it.render(&message.subject);
                    NewMessage::new(subject, message.message_id.clone(), message.payload.clone())
                })
                .collect();
            let answer = it.stream.append(&messages).await;
            let full = match &answer {
                AppendAnswer::Stored { .. } | AppendAnswer::Duplicate => Some(false),
                AppendAnswer::Unknown(EngineError::Full { .. }) => Some(true),
                _ => None,
            };
            let answer = match answer {
                AppendAnswer::Stored { first, last } => BatchAnswer::Stored { first, last },
                AppendAnswer::Duplicate => BatchAnswer::Duplicate,
                AppendAnswer::Overtaken => BatchAnswer::Unknown,
                AppendAnswer::Unknown(error) => {
                    tracing::debug!(stream = it.stream.name(), %error, "a batch is sent again");
                    BatchAnswer::Unknown
                }
                AppendAnswer::Refused(error) => {
                    tracing::error!(stream = it.stream.name(), %error, "a batch is refused");
                    BatchAnswer::Unknown
                }
            };
            it.answer(Answer::Appended {
                number: batch.number,
                attempt: batch.attempt,
                answer,
                full,
            });
        });
    }

    /// Makes a consumer and passes on what it says until it is aborted. A task that falls behind
    /// makes the consumer wait, and that the engine.
    pub(super) fn consume(
        &self,
        generation: u64,
        from: u64,
        scope: Scope,
        said: mpsc::Sender<(u64, Heard)>,
    ) -> AbortOnDrop {
        let it = self.clone();
        AbortOnDrop(tokio::spawn(async move {
            let subjects = match scope {
                Scope::Everything => Vec::new(),
                Scope::Control => [Subject::Probes, Subject::Incarnations]
                    .map(|subject| it.render(&subject))
                    .into(),
            };
            let begun = async {
                let consumer = it.stream.consume(subjects, from).await?;
                Ok::<_, EngineError>((consumer, it.stream.state().await?))
            };
            let (mut consumer, state) = match begun.await {
                Ok(begun) => begun,
                Err(error) => {
                    tracing::debug!(stream = it.stream.name(), %error, "no consumer");
                    return it.answer(Answer::ConsumerFailed { generation });
                }
            };
            let last = state.last;
            it.answer(Answer::ConsumerBegan { last });
            loop {
                let heard = consumer.next().await;
                if heard == Heard::Ended {
                    return it.answer(Answer::ConsumerFailed { generation });
                }
                if said.send((generation, heard)).await.is_err() {
                    return;
                }
            }
        }))
    }

    /// Proclaims an incarnation. Of several nodes one succeeds; all see it.
    pub(super) fn proclaim(&self, id: String, payload: Bytes, expected: u64) {
        let it = self.clone();
        tokio::spawn(async move {
            let subject = it.render(&Subject::Incarnations);
            let message = NewMessage::new(subject, id, payload).after(expected);
            let answer = it.stream.append(&[message]).await;
            tracing::warn!(
                stream = it.stream.name(),
                ?answer,
                "proclaimed an incarnation"
            );
        });
    }

    /// Asks for the stream's extent, and how many documents it has.
    pub(super) fn look(&self) {
        let it = self.clone();
        tokio::spawn(async move {
            let state = it.stream.state().await.ok();
            it.answer(Answer::Looked(state));
        });
    }

    /// Looks for the documents that hold the oldest part of the stream. Without an answer the next
    /// look at the stream asks again.
    pub(super) fn find_oldest(&self, oldest: OldestTenth) {
        let it = self.clone();
        tokio::spawn(async move {
            let filter = format!("{}.{}.d.>", it.prefix, it.stream.index());
            let range = (oldest.first, oldest.last - oldest.first);
            // A document has records and marks of snapshots.
            let most = 2 * oldest.documents;
            let Ok(subjects) = it.stream.first_subjects(&filter, range, most).await else {
                return;
            };
            let mut found = Vec::new();
            let mut keys = BTreeSet::new();
            for subject in subjects {
                let subject = it.parse(&subject);
                if let Some(key) = subject.as_ref().and_then(Subject::document)
                    && found.len() < oldest.documents
                    && keys.insert(key.clone())
                    && let Some(name) = it.name_of(key).await
                {
                    found.push((key.clone(), name.into()));
                }
            }
            it.answer(Answer::Oldest(found));
        });
    }

    /// Returns the name of a document; `None` if nothing is stored of it any more, or if the engine
    /// does not answer.
    async fn name_of(&self, key: &DocumentKey) -> Option<String> {
        match key.name() {
            Some(name) => Some(name),
            None => self.tail(key, 0).await.as_deref().and_then(stated_name),
        }
    }

    /// Removes probes that every node has read long ago.
    pub(super) fn purge_probes(&self, before: u64) {
        let it = self.clone();
        tokio::spawn(async move {
            let subject = it.render(&Subject::Probes);
            if let Err(error) = it.stream.purge(subject, before).await {
                tracing::debug!(%error, "old probes stay");
            }
        });
    }

    pub(super) fn list(&self, key: DocumentKey) {
        let it = self.clone();
        tokio::spawn(async move {
            // A question without an answer is asked again by the opening.
            if let Ok(found) = it.snapshots.of_document(&key).await {
                let positions = found.into_iter().map(|found| found.at).collect();
                it.answer(Answer::Opening(key, OpeningAnswer::Listed(positions)));
            }
        });
    }

    pub(super) fn fetch(&self, key: DocumentKey, at: StreamPosition) {
        let it = self.clone();
        tokio::spawn(async move {
            let document = key.clone();
            let found = match it.snapshots.get(&SnapshotKey { document, at }).await {
                Ok(Some(stored)) => match SnapshotEnvelope::decode(&stored) {
                    Ok(snapshot) => FetchedSnapshot::Whole(Box::new(snapshot)),
                    Err(_) => FetchedSnapshot::Damaged,
                },
                Ok(None) => FetchedSnapshot::Missing,
                Err(EngineError::Foreign { .. }) => FetchedSnapshot::Damaged,
                Err(_) => return,
            };
            it.answer(Answer::Opening(key, OpeningAnswer::Fetched(at, found)));
        });
    }

    pub(super) fn read_tail(&self, key: DocumentKey) {
        let it = self.clone();
        tokio::spawn(async move {
            let tail = it.tail(&key, 0).await;
            it.answer(Answer::Opening(key, OpeningAnswer::TailRead(tail)));
        });
    }

    /// Reads the messages of a document above a sequence; `None` if that fails.
    pub(super) async fn tail(&self, key: &DocumentKey, after: u64) -> Option<Vec<Delivered>> {
        let filter = Subject::of_document(key, &self.prefix, self.stream.index());
        let stored = self.stream.tail(&filter, after + 1).await.ok()?;
        let messages = stored.into_iter().map(|stored| {
            Some(Delivered {
                sequence: stored.sequence,
                subject: self.parse(&stored.subject)?,
                envelope: Envelope::decode(&stored.payload).ok()?,
            })
        });
        messages.collect()
    }

    pub(super) fn put(&self, key: DocumentKey, at: StreamPosition, stored: Bytes) {
        let it = self.clone();
        tokio::spawn(async move {
            let document = key.clone();
            let put = it
                .snapshots
                .put(&SnapshotKey { document, at }, stored)
                .await;
            let answer = match put {
                Ok(_) => PutAnswer::Present,
                Err(error) => {
                    tracing::debug!(%error, "a snapshot is put again");
                    PutAnswer::Unknown
                }
            };
            it.answer(Answer::Plan(key, PlanAnswer::Put(answer)));
        });
    }

    pub(super) fn read_back(&self, key: DocumentKey, at: StreamPosition) {
        let it = self.clone();
        tokio::spawn(async move {
            let document = key.clone();
            let found = match it.snapshots.get(&SnapshotKey { document, at }).await {
                Ok(found) => Some(found),
                // There is something, and it is no snapshot.
                Err(EngineError::Foreign { .. }) => Some(Some(Bytes::new())),
                Err(error) => {
                    tracing::debug!(%error, "a snapshot is read back again");
                    None
                }
            };
            it.answer(Answer::Plan(key, PlanAnswer::ReadBack(found)));
        });
    }

    pub(super) fn append_mark(&self, key: DocumentKey, id: String, payload: Bytes, expected: u64) {
        let it = self.clone();
        tokio::spawn(async move {
            let subject = it.render(&Subject::Snapshots(key.clone()));
            let message = NewMessage::new(subject, id, payload).after(expected);
            let answer = match it.stream.append(&[message]).await {
                AppendAnswer::Stored { .. } | AppendAnswer::Duplicate => MarkAnswer::Stored,
                AppendAnswer::Overtaken => MarkAnswer::Conflict,
                AppendAnswer::Unknown(_) | AppendAnswer::Refused(_) => MarkAnswer::Unknown,
            };
            it.answer(Answer::Plan(key, PlanAnswer::Marked(answer)));
        });
    }

    /// Purges the records up to a sequence, included, and the marks before another.
    pub(super) fn purge(&self, key: DocumentKey, records: u64, marks: u64) {
        let it = self.clone();
        tokio::spawn(async move {
            let subject = it.render(&Subject::Records(key.clone()));
            let purged = it.stream.purge(subject, records + 1).await;
            let subject = it.render(&Subject::Snapshots(key.clone()));
            let purged = purged.and(it.stream.purge(subject, marks).await);
            match purged {
                Ok(()) => it.answer(Answer::Plan(key, PlanAnswer::Purged)),
                Err(error) => tracing::debug!(%error, "a purge is repeated"),
            }
        });
    }

    /// Removes the snapshots of a document below a position.
    pub(super) fn remove_below(&self, key: DocumentKey, at: StreamPosition) {
        let it = self.clone();
        tokio::spawn(async move {
            for _ in 0..REMOVALS {
                match it.try_remove_below(&key, at).await {
                    Ok(()) => return,
                    Err(error) => tracing::debug!(%error, "old snapshots are removed again"),
                }
                tokio::time::sleep(REMOVE_AGAIN).await;
            }
            tracing::warn!(document = %key, %at, "old snapshots stay until the next one is stored");
        });
    }

    async fn try_remove_below(
        &self,
        key: &DocumentKey,
        at: StreamPosition,
    ) -> Result<(), EngineError> {
        let found = self.snapshots.of_document(key).await?;
        for old in found.iter().filter(|found| found.at < at) {
            self.snapshots.remove(old).await?;
        }
        Ok(())
    }

    pub(super) fn remove(&self, document: DocumentKey, at: StreamPosition) {
        let it = self.clone();
        tokio::spawn(async move {
            let _ = it.snapshots.remove(&SnapshotKey { document, at }).await;
        });
    }
}

/// Returns the name of a document that one of its marks states.
pub(super) fn stated_name(messages: &[Delivered]) -> Option<String> {
    let names = messages.iter();
    names
        .filter_map(|message| match &message.envelope.content {
            Content::Opened { name } | Content::SnapshotAt { name, .. } => Some(name.clone()),
            _ => None,
        })
        .next()
}
