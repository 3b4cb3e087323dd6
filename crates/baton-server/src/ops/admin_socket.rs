//! The admin socket: a socket in the data folder, through which an operator takes backups, lists
//! documents and erases them while the server runs.
//!
//! Owns the socket file and its protocol. Only the user that runs the server can open the socket,
//! and that user may read the data folder anyway; no proxy and no browser can reach it. A request
//! is one line:
//!
//! | request | reply |
//! | --- | --- |
//! | `backup` | the bytes of a backup, whose checksums show if it is complete |
//! | `list` | a line for each document, with a space in front; at the end `done` or `error: ...` |
//! | `erase NAME` | `done` or `error: ...` |
//! | `sessions` | a line for each open session, as for `list` |
//! | `revoke-user ID` | a line with the number of sessions that were ended, as for `list` |
//! | `revoke-token ID` | the same |
//! | `revoke-session NUMBER` | the same |
//! | `recheck` | a line with the result, as for `list` |
//!
//! Backups and lists read the whole store, so they are made one at a time.

use std::fmt::Display;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use baton_room::ConnectionId;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::server::Server;
use crate::sessions::revoke::{self, Revocation};
use crate::sessions::session_view::SessionFilter;

/// The name of the socket in the data folder.
pub const ADMIN_SOCKET: &str = "admin.sock";

/// Bytes of one piece of a long reply.
const PIECE: usize = 256 * 1024;

/// Pieces that may wait for the reader.
const PIECES: usize = 4;

/// Time for which the other side may send or take nothing; after it the request is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longest request, in bytes: room for the longest document name.
const REQUEST: u64 = 2_048;

/// Sessions that are looked up at once for a list.
const SESSIONS_OF_A_PIECE: usize = 256;

/// Last line of a reply after a success.
const DONE: &str = "done";

/// Beginning of the last line of a reply after a failure.
const ERROR: &str = "error: ";

/// A request of an operator to a running server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminRequest {
    /// Asks for a backup.
    Backup,
    /// Asks for a list of all documents.
    List,
    /// Asks to erase this document.
    Erase(String),
    /// Asks for a list of all open sessions.
    Sessions,
    /// Asks to revoke the tokens that this user has now, and to end the sessions with them.
    RevokeUser(String),
    /// The same with the tokens of this id.
    RevokeToken(String),
    /// The same with the token of this session.
    RevokeSession(u64),
    /// Asks to look at the access of every open session anew.
    Recheck,
}

impl AdminRequest {
    fn line(&self) -> String {
        match self {
            Self::Backup => "backup\n".to_owned(),
            Self::List => "list\n".to_owned(),
            Self::Erase(name) => format!("erase {name}\n"),
            Self::Sessions => "sessions\n".to_owned(),
            Self::RevokeUser(user) => format!("revoke-user {user}\n"),
            Self::RevokeToken(id) => format!("revoke-token {id}\n"),
            Self::RevokeSession(id) => format!("revoke-session {id}\n"),
            Self::Recheck => "recheck\n".to_owned(),
        }
    }

    fn read(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            None if line == "backup" => Some(Self::Backup),
            None if line == "list" => Some(Self::List),
            None if line == "sessions" => Some(Self::Sessions),
            None if line == "recheck" => Some(Self::Recheck),
            Some(("erase", name)) => Some(Self::Erase(name.to_owned())),
            Some(("revoke-user", user)) => Some(Self::RevokeUser(user.to_owned())),
            Some(("revoke-token", id)) => Some(Self::RevokeToken(id.to_owned())),
            Some(("revoke-session", id)) => id.parse().ok().map(Self::RevokeSession),
            _ => None,
        }
    }
}

/// Sends a request to the server that runs on a data folder. Returns the stream of the reply.
///
/// # Errors
/// No server runs on the folder, or this user may not use its socket.
pub fn ask_server(
    folder: &Path,
    request: &AdminRequest,
) -> io::Result<std::os::unix::net::UnixStream> {
    let mut stream = std::os::unix::net::UnixStream::connect(folder.join(ADMIN_SOCKET))?;
    stream.write_all(request.line().as_bytes())?;
    Ok(stream)
}

/// A line of the reply to every request but [`AdminRequest::Backup`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminReply {
    /// A part of the reply.
    Line(String),
    /// The reply is complete, and the request was carried out.
    Done,
    /// The reason for which the request was not carried out.
    Error(String),
}

impl AdminReply {
    /// Parses a line, without its line end.
    #[must_use]
    pub fn read(line: &str) -> Self {
        if line == DONE {
            return Self::Done;
        }
        match (line.strip_prefix(' '), line.strip_prefix(ERROR)) {
            (Some(text), _) => Self::Line(text.to_owned()),
            (_, Some(why)) => Self::Error(why.to_owned()),
            _ => Self::Error(
                "the reply of the server is not understood; use the `baton` of the same version"
                    .to_owned(),
            ),
        }
    }
}

/// The listening socket. Dropping it removes the file.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl AdminSocket {
    /// Creates the socket. Replaces one that an earlier process left, because the caller has the
    /// data folder to itself.
    ///
    /// # Errors
    /// An error of the system. The path may be too long for a socket (about 100 bytes).
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(ADMIN_SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Carries out requests, until the task is dropped.
    pub async fn serve(self, server: Server) {
        let reading = Arc::new(Semaphore::new(1));
        let mut answering = JoinSet::new();
        loop {
            while answering.try_join_next().is_some() {}
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (server, reading) = (server.clone(), Arc::clone(&reading));
                    answering.spawn(async move {
                        if let Err(error) = answer(stream, server, &reading).await {
                            tracing::warn!(%error, "the reply to a request on the admin socket was not sent completely");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin socket cannot accept a connection; trying again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let _gone_already = std::fs::remove_file(&self.path);
    }
}

async fn answer(mut stream: UnixStream, server: Server, reading: &Semaphore) -> io::Result<()> {
    let mut line = String::new();
    let mut asked = BufReader::new((&mut stream).take(REQUEST));
    tokio::time::timeout(PATIENCE, asked.read_line(&mut line)).await??;
    match AdminRequest::read(line.trim_end_matches('\n')) {
        Some(AdminRequest::Backup) => {
            // Never closed.
            let _one_at_a_time = reading.acquire().await;
            backup(&mut stream, server).await
        }
        Some(AdminRequest::List) => {
            // Never closed.
            let _one_at_a_time = reading.acquire().await;
            list(&mut stream, server).await
        }
        Some(AdminRequest::Erase(name)) => {
            let erased = server.erase(&name).await;
            match &erased {
                Ok(()) => tracing::info!(document = %name, "an operator erased the document"),
                Err(error) => tracing::warn!(document = %name, %error, "the document was not erased"),
            }
            finish(&mut stream, erased.map_err(|error| error.to_string())).await
        }
        Some(AdminRequest::Sessions) => sessions(&mut stream, &server).await,
        Some(AdminRequest::RevokeUser(user)) => {
            revoke(&mut stream, &server, Revocation::User(user)).await
        }
        Some(AdminRequest::RevokeToken(id)) => {
            revoke(&mut stream, &server, Revocation::TokenId(id)).await
        }
        Some(AdminRequest::RevokeSession(id)) => {
            revoke(&mut stream, &server, Revocation::Session(id)).await
        }
        Some(AdminRequest::Recheck) => {
            let report = server.app.recheck().await;
            say(&mut stream, &report).await?;
            finish(&mut stream, Ok(())).await
        }
        None => finish(&mut stream, Err("the server does not know this request; nothing was changed; use the `baton` of the same version".to_owned())).await,
    }
}

/// Sends the last line of a reply.
async fn finish(stream: &mut UnixStream, outcome: Result<(), String>) -> io::Result<()> {
    let line = match outcome {
        Ok(()) => format!("{DONE}\n"),
        Err(why) => format!("{ERROR}{}\n", why.replace('\n', " ")),
    };
    stream.write_all(line.as_bytes()).await?;
    stream.shutdown().await
}

/// Sends a part of a reply, which is one line.
async fn say(stream: &mut UnixStream, line: &impl Display) -> io::Result<()> {
    let line = format!(" {line}\n");
    tokio::time::timeout(PATIENCE, stream.write_all(line.as_bytes())).await??;
    Ok(())
}

async fn sessions(stream: &mut UnixStream, server: &Server) -> io::Result<()> {
    let sessions = server.app.registry().sessions();
    let mut after = ConnectionId(0);
    loop {
        let page = sessions.page(after, &SessionFilter::default(), SESSIONS_OF_A_PIECE);
        let Some(last) = page.last() else {
            return finish(stream, Ok(())).await;
        };
        after = ConnectionId(last.id);
        for session in &page {
            say(stream, session).await?;
        }
    }
}

async fn revoke(
    stream: &mut UnixStream,
    server: &Server,
    revocation: Revocation,
) -> io::Result<()> {
    let sessions = server.app.registry().sessions();
    let revoked = revoke::revoke(sessions, &revocation, PATIENCE).await;
    let ended = revoked.ended;
    tracing::info!(ended, "an operator revoked access");
    say(stream, &format!("{ended} sessions were ended")).await?;
    finish(stream, revoked.listed.map_err(|full| full.to_string())).await
}

async fn backup(stream: &mut UnixStream, server: Server) -> io::Result<()> {
    let written = send(stream, move |out| server.backup(out)).await?;
    stream.shutdown().await?;
    let summary = written.map_err(io::Error::other)?;
    tracing::info!(
        documents = summary.documents,
        bytes = summary.bytes,
        "a backup was taken"
    );
    Ok(())
}

async fn list(stream: &mut UnixStream, server: Server) -> io::Result<()> {
    let written = send(stream, move |out| {
        let mut failed = Ok(());
        let listed = server.list(&mut |document| {
            if failed.is_ok() {
                failed = writeln!(out, " {document}");
            }
        });
        listed.map_err(|error| error.to_string())?;
        failed
            .and_then(|()| out.flush())
            .map_err(|error| error.to_string())
    })
    .await?;
    finish(stream, written).await
}

/// Runs `write` on a thread of its own, and sends what it writes as fast as the other side reads.
async fn send<T: Send + 'static>(
    stream: &mut UnixStream,
    write: impl FnOnce(&mut dyn Write) -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, mut pieces) = mpsc::channel(PIECES);
    let writing = tokio::task::spawn_blocking(move || {
        let mut out = io::BufWriter::with_capacity(PIECE, Pieces(sender));
        write(&mut out)
    });
    while let Some(piece) = pieces.recv().await {
        let piece: Vec<u8> = piece;
        tokio::time::timeout(PATIENCE, stream.write_all(&piece)).await??;
    }
    Ok(writing.await?)
}

/// A writer that passes its bytes to the sending task. Fails once that task has given up.
struct Pieces(mpsc::Sender<Vec<u8>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(bytes.to_vec());
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_are_read_as_they_are_written() {
        let erase = AdminRequest::Erase("a name/with  spaces ".to_owned());
        for request in [
            AdminRequest::Backup,
            AdminRequest::List,
            erase,
            AdminRequest::Sessions,
            AdminRequest::RevokeUser("a user".to_owned()),
            AdminRequest::RevokeToken("t1".to_owned()),
            AdminRequest::RevokeSession(7),
            AdminRequest::Recheck,
        ] {
            let line = request.line();
            let read = AdminRequest::read(line.trim_end_matches('\n'));
            assert_eq!(read, Some(request));
        }
        for line in [
            "",
            "backups",
            "erase",
            "list all",
            "revoke-session x",
            "revoke-user",
        ] {
            assert_eq!(AdminRequest::read(line), None, "{line}");
        }
        assert_eq!(AdminReply::read("done"), AdminReply::Done);
        // A document of that name.
        assert_eq!(
            AdminReply::read(" done"),
            AdminReply::Line("done".to_owned())
        );
        assert_eq!(
            AdminReply::read("error: x"),
            AdminReply::Error("x".to_owned())
        );
        assert!(matches!(AdminReply::read("?"), AdminReply::Error(_)));
    }
}
