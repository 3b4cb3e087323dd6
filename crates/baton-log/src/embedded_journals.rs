//! The embedded store as [`Journals`]: every record is placed in the call that proposes it, and
//! nothing is delivered.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::document_log::DocumentLog;
use crate::error::LogError;
use crate::journals::{Committed, DocumentJournal, Journals, LogFuture, OpenedJournal, Placement};
use crate::log::Log;
use crate::metrics::LogStats;
use crate::position::Position;
use crate::queue_room::Reservation;
use crate::queue_share::QueueShare;
use crate::types::{DocumentInfo, Durability, LoadedDocument, LogHealth, MovedContent, Urgency};

impl DocumentJournal for DocumentLog {
    fn name(&self) -> &str {
        DocumentLog::name(self)
    }

    fn share(&self) -> QueueShare {
        DocumentLog::share(self)
    }

    fn propose(
        &mut self,
        reservation: Reservation,
        _counter: u64,
        record: Bytes,
        urgency: Urgency,
    ) -> Result<Placement, LogError> {
        self.append(reservation, record, urgency).map(Placement::At)
    }

    fn next_committed(&mut self) -> Option<Committed> {
        None
    }

    fn snapshot(&mut self, at: Position, bytes: Bytes) -> Result<(), LogError> {
        DocumentLog::snapshot(self, at, bytes)
    }

    fn erase(&mut self) -> Result<(), LogError> {
        DocumentLog::erase(self)
    }

    fn erase_leaving(&mut self, remains: Bytes) -> Result<(), LogError> {
        DocumentLog::erase_leaving(self, remains)
    }

    fn replace(&mut self, above: Position, content: MovedContent) -> Result<(), LogError> {
        DocumentLog::replace(self, above, content)
    }

    fn last(&self) -> Position {
        DocumentLog::last(self)
    }

    fn durable(&self) -> Position {
        DocumentLog::durable(self)
    }

    fn is_settled(&self) -> bool {
        DocumentLog::durable(self) == DocumentLog::last(self)
    }

    fn watch(&self) -> watch::Receiver<Durability> {
        DocumentLog::watch(self)
    }

    fn failure(&self) -> Option<Arc<LogError>> {
        DocumentLog::failure(self)
    }

    fn tail_bytes(&self) -> u64 {
        DocumentLog::tail_bytes(self)
    }

    fn stored_bytes(&self) -> u64 {
        DocumentLog::stored_bytes(self)
    }

    fn tail_records(&self) -> u64 {
        DocumentLog::tail_records(self)
    }
}

impl Journals for Log {
    fn open(&self, document: &str) -> Result<OpenedJournal, LogError> {
        let (journal, loaded) = Log::open(self, document)?;
        Ok((Box::new(journal), loaded))
    }

    fn open_new(&self, document: &str) -> Result<Option<Box<dyn DocumentJournal>>, LogError> {
        let opened = Log::open_new(self, document)?;
        Ok(opened.map(|journal| Box::new(journal) as Box<dyn DocumentJournal>))
    }

    fn open_unread(&self, document: &str) -> Result<Box<dyn DocumentJournal>, LogError> {
        Ok(Box::new(Log::open_unread(self, document)?))
    }

    fn holds(&self, document: &str) -> Result<bool, LogError> {
        Ok(Log::holds(self, document))
    }

    fn read_all(
        &self,
        each: &mut dyn FnMut(DocumentInfo, Result<LoadedDocument, LogError>),
    ) -> Result<(), LogError> {
        Log::read_all(self, each)
    }

    fn documents_held(&self) -> usize {
        Log::documents_held(self)
    }

    fn document_count(&self) -> usize {
        Log::document_count(self)
    }

    fn damaged_count(&self) -> usize {
        Log::damaged(self).len()
    }

    fn epoch(&self) -> u32 {
        Log::epoch(self)
    }

    fn flush(&self) -> LogFuture<'_, ()> {
        Box::pin(Log::flush(self))
    }

    fn shutdown(&self) -> LogFuture<'_, ()> {
        Box::pin(self.clone().shutdown())
    }

    fn health(&self) -> LogHealth {
        Log::health(self)
    }

    fn watch_health(&self) -> watch::Receiver<LogHealth> {
        Log::watch_health(self)
    }

    fn is_full(&self) -> bool {
        Log::is_full(self)
    }

    fn stats(&self) -> LogStats {
        Log::stats(self)
    }

    fn bytes_stored(&self) -> Option<u64> {
        Log::bytes_stored(self)
    }

    fn folder(&self) -> Option<&Path> {
        Log::folder(self)
    }
}
