//! The operator's door to a running server: a socket in the data folder, through which a backup is taken.
//!
//! Owns the socket file. Whoever may open it may read the data folder anyway; nobody else can reach it, no proxy and no browser.
//! One backup at a time.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use baton_log::Log;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

/// The socket's name in the data folder.
pub const SOCKET: &str = "admin.sock";

/// What is asked for to get a backup.
pub const BACKUP: &[u8; 7] = b"backup\n";

/// Bytes that are sent at a time, and how many such pieces may wait for a reader.
const PIECE: usize = 256 * 1024;
const PIECES: usize = 4;

/// A reader that takes nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The socket, which is removed when this is dropped.
#[derive(Debug)]
pub struct Door {
    listener: UnixListener,
    path: PathBuf,
}

impl Door {
    /// Makes the socket. One that an earlier process left is replaced: whoever calls this holds the folder.
    ///
    /// # Errors
    /// The system's: the path may be longer than a socket's may be (about 100 bytes).
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Gives backups of this log until it is dropped.
    pub async fn serve(self, log: Log) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    if let Err(error) = answer(stream, &log).await {
                        tracing::warn!(%error, "a backup was not finished");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin socket could not be used");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _gone_already = std::fs::remove_file(&self.path);
    }
}

async fn answer(mut stream: UnixStream, log: &Log) -> io::Result<()> {
    let mut asked = [0; BACKUP.len()];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut asked)).await??;
    if &asked != BACKUP {
        return Err(io::Error::other(
            "something was asked for that is not known",
        ));
    }
    let (sender, mut pieces) = mpsc::channel(PIECES);
    let log = log.clone();
    let writing = tokio::task::spawn_blocking(move || {
        let mut out = io::BufWriter::with_capacity(PIECE, Pieces(sender));
        log.backup(&mut out)
    });
    while let Some(piece) = pieces.recv().await {
        let piece: Vec<u8> = piece;
        tokio::time::timeout(PATIENCE, stream.write_all(&piece)).await??;
    }
    stream.shutdown().await?;
    let summary = writing.await?.map_err(io::Error::other)?;
    tracing::info!(
        documents = summary.documents,
        bytes = summary.bytes,
        "a backup was taken"
    );
    Ok(())
}

/// Gives what is written to the task that sends it. Fails once that has given up.
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
