//! `baton backup`, `restore`, `check`, `list` and `erase`: the operator's commands for a data
//! folder.
//!
//! Owns what they print, and the names of temporary files. A backup gets its name only once it is
//! complete and verified.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use baton_log::{Log, LogOptions, check, restore_backup, verify_backup};
use baton_server::{AdminReply, AdminRequest, Server, Settings, ask_server};

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// Takes a backup of a data folder, from its running server or, if there is none, from the folder
/// itself
#[derive(clap::Args)]
pub(crate) struct Backup {
    /// The file to write; must not exist
    to: PathBuf,
    /// The data folder
    #[arg(long, env = "BATON_DATA", default_value = "data")]
    data: PathBuf,
}

/// Makes a data folder from a backup, with a new epoch: earlier locks and sessions are void
#[derive(clap::Args)]
pub(crate) struct Restore {
    /// The backup
    from: PathBuf,
    /// The data folder to make; must not exist, or must be empty
    #[arg(long, env = "BATON_DATA", default_value = "data")]
    data: PathBuf,
}

/// Reads everything in the data folder of a stopped server, and reports damaged documents
#[derive(clap::Args)]
pub(crate) struct Check {
    /// The data folder
    #[arg(long, env = "BATON_DATA", default_value = "data")]
    data: PathBuf,
}

/// Lists the stored documents with their sizes
#[derive(clap::Args)]
pub(crate) struct List {
    /// The data folder
    #[arg(long, env = "BATON_DATA", default_value = "data")]
    data: PathBuf,
}

/// Erases a document for good, even while clients are connected to it
#[derive(clap::Args)]
pub(crate) struct Erase {
    /// The document's name, as `baton list` shows it
    name: String,
    /// The data folder
    #[arg(long, env = "BATON_DATA", default_value = "data")]
    data: PathBuf,
}

impl List {
    pub(crate) fn run(&self) -> Outcome {
        if let Ok(server) = ask_server(&self.data, &AdminRequest::List) {
            return follow(server);
        }
        on_stopped(&self.data, async |server| {
            server.list(&mut |document| say(&document.to_string()))?;
            Ok(())
        })
    }
}

impl Erase {
    pub(crate) fn run(&self) -> Outcome {
        // A request is one line.
        if self.name.chars().any(char::is_control) {
            return Err(
                "a document name has no control characters; nothing was changed; `baton list` shows the names".into(),
            );
        }
        match ask_server(&self.data, &AdminRequest::Erase(self.name.clone())) {
            Ok(server) => follow(server)?,
            Err(_) => on_stopped(&self.data, async |server| {
                Ok(server.erase(&self.name).await?)
            })?,
        }
        say(&format!(
            "{:?} is erased; earlier backups still contain it",
            self.name
        ));
        Ok(())
    }
}

/// Prints the reply of a running server.
pub(crate) fn follow(server: UnixStream) -> Outcome {
    for line in BufReader::new(server).lines() {
        match AdminReply::read(&line?) {
            AdminReply::Line(text) => say(&text),
            AdminReply::Done => return Ok(()),
            AdminReply::Error(why) => return Err(why.into()),
        }
    }
    Err(
        "the server stopped before its reply was complete; its log may give the reason; try again"
            .into(),
    )
}

/// Runs `work` on a folder as a server would. If a server runs on the folder after all, opening it
/// fails, with an error that says so.
fn on_stopped(data: &Path, work: impl AsyncFnOnce(&Server) -> Outcome) -> Outcome {
    must_exist(data)?;
    let mut settings = Settings::default();
    settings.data = data.to_owned();
    let log = Log::open_embedded(data, LogOptions::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let server = Server::new(settings, log)?;
        let outcome = work(&server).await;
        server.shutdown().await?;
        outcome
    })
}

impl Backup {
    pub(crate) fn run(&self) -> Outcome {
        // Checked here as well, because making the backup may take long.
        if self.to.try_exists()? {
            return Err(self.exists_already());
        }
        let mut part = self.to.clone().into_os_string();
        part.push(format!(".{}.part", std::process::id()));
        let part = PathBuf::from(part);
        let outcome = self.write(&part);
        if outcome.is_err() {
            let _may_not_exist = std::fs::remove_file(&part);
        }
        outcome
    }

    fn exists_already(&self) -> Box<dyn Error> {
        let to = self.to.display();
        format!("{to} exists already; nothing was changed; choose another name").into()
    }

    fn write(&self, part: &Path) -> Outcome {
        let mut options = File::options();
        let made = options.write(true).create_new(true).mode(0o600).open(part);
        let mut file = made.map_err(|error| {
            format!(
                "{} cannot be created: {error}; nothing was changed",
                part.display()
            )
        })?;
        match ask_server(&self.data, &AdminRequest::Backup) {
            Ok(mut server) => {
                io::copy(&mut server, &mut file).map_err(|error| {
                    format!("the backup could not be written: {error}; it was removed; the server's log may give the reason")
                })?;
            }
            // If a server runs on the folder after all, opening it fails, with an error that says
            // so.
            Err(_) => {
                must_exist(&self.data)?;
                let log = Log::open_embedded(&self.data, LogOptions::default())?;
                log.backup(&mut io::BufWriter::new(&mut file))?;
            }
        }
        file.sync_all()?;
        drop(file);
        let summary = verify_backup(part)
            .map_err(|error| format!("{error} (the server's log may give the reason)"))?;
        publish(part, &self.to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => self.exists_already(),
            _ => error.into(),
        })?;
        let folder = self
            .to
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        say(&format!(
            "{}: {} documents, {} bytes, epoch {}, verified",
            self.to.display(),
            summary.documents,
            summary.bytes,
            summary.epoch
        ));
        if summary.damaged > 0 {
            say(&format!(
                "{} rows were damaged in the store, and are so in the backup; `baton check` names the documents",
                summary.damaged
            ));
        }
        Ok(())
    }
}

impl Restore {
    pub(crate) fn run(&self) -> Outcome {
        // Seconds since 1970, so that a backup which is restored twice has two epochs.
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let restored = restore_backup(&self.from, &self.data, u32::try_from(now)?)?;
        say(&format!(
            "{}: {} documents restored; the epoch was {} and is {}",
            self.data.display(),
            restored.backup.documents,
            restored.backup.epoch,
            restored.epoch
        ));
        say("earlier locks, sessions and resume tokens are void; start the server on this folder");
        for damaged in &restored.damaged {
            say(damaged);
        }
        Ok(())
    }
}

impl Check {
    pub(crate) fn run(&self) -> Outcome {
        must_exist(&self.data)?;
        let log = Log::open_embedded(&self.data, LogOptions::default())?;
        let wrong = check(&log);
        for error in &wrong {
            say(&error.to_string());
        }
        let count = log.document_count();
        if wrong.is_empty() {
            say(&format!(
                "{}: {count} documents, epoch {}, none is damaged",
                self.data.display(),
                log.epoch()
            ));
            return Ok(());
        }
        Err(format!(
            "{} of {count} documents are damaged; nothing was changed; restore a backup",
            wrong.len()
        )
        .into())
    }
}

/// Gives a finished file its name.
///
/// # Errors
/// The name is taken (`AlreadyExists`), or the system cannot do it. The file keeps its old name.
fn publish(part: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(part, to) {
        Ok(()) => std::fs::remove_file(part),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without hard links cannot check and rename in one step.
        Err(_) if to.try_exists()? => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => std::fs::rename(part, to),
    }
}

/// Returns an error if there is no store, because opening the folder would create one.
pub(crate) fn must_exist(data: &Path) -> Outcome {
    if data.join("log.redb").try_exists()? {
        return Ok(());
    }
    Err(format!(
        "{} is no data folder of Baton: it contains no log.redb; nothing was changed; check the path",
        data.display()
    )
    .into())
}

pub(crate) fn say(line: &str) {
    // The command is complete even if the reader of its output is gone.
    let _closed = writeln!(io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A backup takes long, and its name was checked only at its beginning: of two at once with one
    /// name, the second replaced the first, and both reported success.
    #[test]
    fn a_finished_backup_never_replaces_a_file_that_came_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let (part, to) = (
            folder.path().join("monday.part"),
            folder.path().join("monday"),
        );
        std::fs::write(&part, "second").unwrap();
        std::fs::write(&to, "first").unwrap();
        let error = publish(&part, &to).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "first");
        std::fs::remove_file(&to).unwrap();
        publish(&part, &to).unwrap();
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "second");
        assert!(!part.exists());
    }
}
