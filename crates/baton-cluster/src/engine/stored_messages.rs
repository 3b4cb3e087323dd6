//! Reading the messages of one subject directly, from whichever server has them.
//!
//! A server that was cut off answers from what it has: such a read can be many sequences behind,
//! and can be so right after a newer one. Nothing may be decided on it.

use std::collections::HashMap;

use async_nats::jetstream::stream::State;
use async_nats::{HeaderMap, Message, StatusCode, header};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;

use super::connection::Connection;
use super::error::EngineError;

/// Most stored messages of one answer.
const PAGE: u64 = 512;

/// Most bytes of one answer, beside its last message.
const PAGE_BYTES: u64 = 8 << 20;

const READ: &str = "a read";
const QUESTION: &str = "the question for a stream's state";

/// The extent of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamState {
    /// The lowest sequence that may be stored; one more than `last` if nothing is.
    pub first: u64,
    /// The last sequence that was given to a message, stored or not.
    pub last: u64,
    /// Number of stored messages, a message in parts counted by its parts.
    pub messages: u64,
    /// Bytes that they take on the disk of one server.
    pub bytes: u64,
    /// Number of subjects that have a message.
    pub subjects: u64,
}

/// The state of a stream and the number of messages of each subject that was asked for.
#[derive(Deserialize)]
struct StreamInfo {
    state: State,
}

#[derive(Deserialize)]
struct SubjectsPage {
    #[serde(default)]
    total: usize,
    state: SubjectsState,
}

#[derive(Deserialize)]
struct SubjectsState {
    #[serde(default)]
    subjects: HashMap<String, u64>,
}

/// Returns the state of a stream, as its leader knows it.
pub(crate) async fn stream_state(
    connection: &Connection,
    stream: &str,
) -> Result<StreamState, EngineError> {
    let path = format!("STREAM.INFO.{stream}");
    let info: StreamInfo = connection.ask(QUESTION, path, &json!({})).await?;
    Ok(StreamState {
        first: info.state.first_sequence,
        last: info.state.last_sequence,
        messages: info.state.messages,
        bytes: info.state.bytes,
        subjects: info.state.subjects_count,
    })
}

/// Returns the subjects of a stream that match `filter`, as its leader knows them.
pub(crate) async fn subjects(
    connection: &Connection,
    stream: &str,
    filter: &str,
) -> Result<Vec<String>, EngineError> {
    let mut subjects = Vec::new();
    loop {
        let question = json!({ "subjects_filter": filter, "offset": subjects.len() });
        let path = format!("STREAM.INFO.{stream}");
        let page: SubjectsPage = connection.ask(QUESTION, path, &question).await?;
        let found = page.state.subjects.len();
        subjects.extend(page.state.subjects.into_keys());
        if found == 0 || subjects.len() >= page.total {
            return Ok(subjects);
        }
    }
}

/// Removes the messages of a subject before a sequence; all without one.
pub(crate) async fn purge(
    connection: &Connection,
    stream: &str,
    subject: String,
    before: Option<u64>,
) -> Result<(), EngineError> {
    let mut question = json!({ "filter": subject });
    if let Some(before) = before {
        question["seq"] = before.into();
    }
    let path = format!("STREAM.PURGE.{stream}");
    connection
        .ask::<serde_json::Value>("a purge", path, &question)
        .await
        .map(|_| ())
}

/// Reads the messages of a subject from a sequence on. May be behind; see the module.
pub(crate) async fn read(
    connection: &Connection,
    stream: &str,
    subject: &str,
    from: u64,
) -> Result<Vec<(u64, Message)>, EngineError> {
    let mut messages = Vec::new();
    let mut next = from.max(1);
    loop {
        let page = read_page(connection, stream, subject, next).await?;
        next = page.messages.last().map_or(next, |(last, _)| last + 1);
        messages.extend(page.messages);
        if page.done {
            return Ok(messages);
        }
    }
}

/// Returns the subjects of the first messages of a stream that match `filter`, from a sequence on:
/// of those that are at most `span` sequences behind the first of them, and so many subjects. May
/// be behind; see the module.
pub(crate) async fn first_subjects(
    connection: &Connection,
    stream: &str,
    filter: &str,
    (from, span): (u64, u64),
    most: usize,
) -> Result<Vec<String>, EngineError> {
    let mut subjects = Vec::<String>::new();
    let (mut next, mut to) = (from.max(1), None);
    loop {
        let page = read_page(connection, stream, filter, next).await?;
        for (sequence, message) in page.messages {
            if sequence > *to.get_or_insert(sequence + span) {
                return Ok(subjects);
            }
            next = sequence + 1;
            if !subjects.iter().any(|known| *known == *message.subject) {
                if subjects.len() == most {
                    return Ok(subjects);
                }
                subjects.push(message.subject.to_string());
            }
        }
        if page.done {
            return Ok(subjects);
        }
    }
}

async fn read_page(
    connection: &Connection,
    stream: &str,
    subject: &str,
    from: u64,
) -> Result<Page, EngineError> {
    let failed = |error| EngineError::unanswered(READ, &error);
    let client = connection.client();
    let inbox = client.new_inbox();
    let subscribed = client.subscribe(inbox.clone()).await;
    let mut answers = subscribed.map_err(|error| failed(error.to_string()))?;
    let question = json!({
        "batch": PAGE, "max_bytes": PAGE_BYTES, "next_by_subj": subject, "seq": from,
    });
    let path = format!("$JS.API.DIRECT.GET.{stream}");
    let asked = client.publish_with_reply(path, inbox, question.to_string().into());
    asked.await.map_err(|error| failed(error.to_string()))?;
    let mut page = Page::default();
    let mut former = None;
    loop {
        let patience = connection.options().answer_timeout;
        let answer = tokio::time::timeout(patience, answers.next());
        let answer = connection.unless_lost(READ, answer).await?;
        let Ok(Some(answer)) = answer else {
            return Err(failed("it took too long".to_owned()));
        };
        match answer.status {
            None => {
                let mut answer = answer;
                let headers = answer.headers.as_ref();
                let sequence = number(headers, header::NATS_SEQUENCE);
                let after = number(headers, header::NATS_LAST_SEQUENCE);
                let sequence = sequence.ok_or_else(|| failed("no sequence".to_owned()))?;
                if former.is_some() && after != former {
                    return Err(failed("a message is missing".to_owned()));
                }
                former = Some(sequence);
                // The answer came to this question's own subject; the message's is a header.
                let subject = headers.and_then(|headers| headers.get(header::NATS_SUBJECT));
                if let Some(subject) = subject {
                    answer.subject = subject.as_str().into();
                }
                page.messages.push((sequence, answer));
            }
            Some(StatusCode::NOT_FOUND) => {
                page.done = true;
                return Ok(page);
            }
            Some(status) if status.as_u16() == 204 => {
                let pending = answer.headers.as_ref();
                let pending = pending.and_then(|headers| headers.get("Nats-Num-Pending"));
                page.done = pending.is_none_or(|pending| pending.as_str() == "0");
                page.done |= page.messages.is_empty();
                return Ok(page);
            }
            Some(StatusCode::NO_RESPONDERS) => {
                return Err(failed("no server has the stream".to_owned()));
            }
            Some(status) => return Err(failed(format!("status {status}"))),
        }
    }
}

#[derive(Default)]
struct Page {
    messages: Vec<(u64, Message)>,
    done: bool,
}

fn number(headers: Option<&HeaderMap>, name: header::HeaderName) -> Option<u64> {
    headers?.get(name)?.as_str().parse().ok()
}
