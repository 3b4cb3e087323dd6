//! The stored form of a record: one byte of format version and then the
//! [postcard](https://postcard.jamesmunns.com/wire-format) form of [`Record`].
//!
//! Owns the formats and the errors of reading; the meaning of a record is elsewhere.

use baton_presence::{Mode, SessionId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::hosts::HostId;
use super::record::{Placing, Record};
use crate::token::TokenHash;

/// First byte of every record but those of the two other formats that are read.
pub(super) const FORMAT: u8 = 3;

/// The format of a record that names the user of a token: [`FORMAT`], then the postcard form of
/// the user's id.
pub(super) const IDENTIFIED: u8 = 4;

/// The format of a record by a host of a cluster: the postcard form of [`Frame`], then a record of
/// another format, unless the frame says all.
pub(super) const FRAMED: u8 = 5;

/// The format in which an edit found its park by its session alone: see [`Placing`]. Still read.
pub(super) const BY_SESSION: u8 = 2;

/// The format of versions before the first release.
pub(super) const UNRELEASED: u8 = 1;

/// The part of a record that only hosts of a cluster write.
#[derive(Serialize, Deserialize)]
enum Frame {
    AttachedTo {
        host: HostId,
        from: u64,
        shown: Option<TokenHash>,
    },
    Since {
        session: SessionId,
        since: u64,
    },
    HostLost {
        host: HostId,
    },
    /// As `Since`, with the note of a request.
    SinceNoted {
        session: SessionId,
        since: u64,
        note: String,
    },
    Erased {
        epoch: u32,
        unread: bool,
    },
    HostOverdue {
        host: HostId,
        to: u64,
    },
    InitialMode {
        mode: Mode,
    },
}

/// First bytes of [`Record::Erased`].
const ERASED: [u8; 2] = [FRAMED, 4];

/// The stored bytes are no record. The store, or a newer Baton, is at fault; nothing changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Another format.
    #[error(
        "record format {0} is not known to this version, which writes {FORMAT}, {IDENTIFIED} and {FRAMED}; use the newer baton that wrote it"
    )]
    Format(u8),
    /// The format of before the first release.
    #[error(
        "record format {UNRELEASED} was written by a version before the first release, and nothing reads it any more; export the document with that version, or start with an empty data folder"
    )]
    Unreleased,
    /// Not a record.
    #[error("the stored bytes are not a record: {0}")]
    Malformed(#[from] postcard::Error),
}

impl Record {
    /// The bytes to store.
    ///
    /// # Errors
    /// Only if memory for them cannot be had.
    pub fn encode(&self) -> Result<Bytes, RecordError> {
        let room = match self.content() {
            Self::Update { update, .. } | Self::Suggested { update, .. } => update.len() + 48,
            _ => 160,
        };
        let mut buffer = Vec::with_capacity(room);
        if let Some(frame) = self.frame() {
            buffer.push(FRAMED);
            buffer = postcard::to_extend(&frame, buffer)?;
        }
        let content = self.content();
        if matches!(
            content,
            Self::HostLost { .. } | Self::Erased { .. } | Self::InitialMode(_)
        ) {
            return Ok(buffer.into());
        }
        let user_id = content
            .profile()
            .and_then(|profile| profile.user_id.as_ref());
        buffer.push(match content {
            Self::Update {
                placing: Placing::BySession,
                ..
            } => BY_SESSION,
            _ if user_id.is_some() => IDENTIFIED,
            _ => FORMAT,
        });
        let mut buffer = postcard::to_extend(content, buffer)?;
        if let Some(user_id) = user_id {
            buffer = postcard::to_extend(user_id, buffer)?;
        }
        Ok(buffer.into())
    }

    fn frame(&self) -> Option<Frame> {
        Some(match *self {
            Self::AttachedTo {
                host, from, shown, ..
            } => Frame::AttachedTo { host, from, shown },
            Self::Since {
                session,
                since,
                ref note,
                ..
            } if !note.is_empty() => Frame::SinceNoted {
                session,
                since,
                note: note.clone(),
            },
            Self::Since { session, since, .. } => Frame::Since { session, since },
            Self::Erased { epoch, unread } => Frame::Erased { epoch, unread },
            Self::InitialMode(mode) => Frame::InitialMode { mode },
            Self::HostLost {
                host,
                overdue_to: 0,
            } => Frame::HostLost { host },
            Self::HostLost { host, overdue_to } => Frame::HostOverdue {
                host,
                to: overdue_to,
            },
            _ => return None,
        })
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let Some((&FRAMED, rest)) = bytes.split_first() else {
            return Self::decode_content(bytes);
        };
        let (frame, rest) = postcard::take_from_bytes(rest)?;
        let content = |rest| Self::decode_content(rest).map(Box::new);
        Ok(match frame {
            Frame::AttachedTo { host, from, shown } => Self::AttachedTo {
                host,
                from,
                shown,
                record: content(rest)?,
            },
            Frame::Since { session, since } => Self::Since {
                session,
                since,
                note: String::new(),
                record: content(rest)?,
            },
            Frame::SinceNoted {
                session,
                since,
                note,
            } => Self::Since {
                session,
                since,
                note,
                record: content(rest)?,
            },
            Frame::Erased { epoch, unread } => Self::Erased { epoch, unread },
            Frame::InitialMode { mode } => Self::InitialMode(mode),
            Frame::HostLost { host } => Self::HostLost {
                host,
                overdue_to: 0,
            },
            Frame::HostOverdue { host, to } => Self::HostLost {
                host,
                overdue_to: to,
            },
        })
    }

    /// Returns true if stored bytes are a [`Record::Erased`], which takes as long as the document
    /// is large.
    #[must_use]
    pub fn is_erasure(bytes: &[u8]) -> bool {
        bytes.starts_with(&ERASED)
    }

    fn decode_content(bytes: &[u8]) -> Result<Self, RecordError> {
        match bytes.split_first() {
            Some((&FORMAT, rest)) => Ok(postcard::from_bytes(rest)?),
            Some((&BY_SESSION, rest)) => {
                let mut record = postcard::from_bytes(rest)?;
                if let Self::Update { placing, .. } = &mut record {
                    *placing = Placing::BySession;
                }
                Ok(record)
            }
            Some((&IDENTIFIED, rest)) => {
                let (mut record, rest) = postcard::take_from_bytes::<Self>(rest)?;
                if let Some(profile) = record.profile_mut() {
                    profile.user_id = Some(postcard::from_bytes(rest)?);
                }
                Ok(record)
            }
            Some((&UNRELEASED, _)) => Err(RecordError::Unreleased),
            Some((&other, _)) => Err(RecordError::Format(other)),
            None => Err(RecordError::Malformed(
                postcard::Error::DeserializeUnexpectedEnd,
            )),
        }
    }
}

#[cfg(test)]
mod tests;
