//! `baton backup`, `restore`, `check`, `list` and `erase`: what an operator does with a data
//! folder.
//!
//! Owns the words that are printed and the file names in between. A backup gets its name when it is
//! whole, and verified.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use baton_log::{Log, LogOptions, check, restore_backup, verify_backup};
use baton_server::{AdminReply, AdminRequest, Server, Settings, ask_server};

type Outcome = Result<(), Box<dyn Error>>;

/// Takes a backup of a data folder, from its running server or, if there is none, from the folder
/// itself
#[derive(clap::Args)]
pub(crate) struct Backup {
    /// The file to write; must not be there
    to: PathBuf,
    /// The data folder
    #[arg(long, env = "BATON_DATA", default_value = "data")]
    data: PathBuf,
}

/// Makes a data folder of a backup, with a new epoch: locks and sessions of before count for
/// nothing
#[derive(clap::Args)]
pub(crate) struct Restore {
    /// The backup
    from: PathBuf,
    /// The data folder to make; must not be there, or be empty
    #[arg(long, env = "BATON_DATA", default_value = "data")]
    data: PathBuf,
}

/// Reads everything in the data folder of a server that does not run, and says what is damaged
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

/// Erases a document for good, also while people are in it
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
        stopped(&self.data, async |server| {
            server.list(&mut |document| say(&document.to_string()))?;
            Ok(())
        })
    }
}

impl Erase {
    pub(crate) fn run(&self) -> Outcome {
        // The request is a line.
        if self.name.chars().any(char::is_control) {
            return Err(
                "no document has control characters in its name; nothing was changed".into(),
            );
        }
        match ask_server(&self.data, &AdminRequest::Erase(self.name.clone())) {
            Ok(server) => follow(server)?,
            Err(_) => stopped(&self.data, async |server| {
                Ok(server.erase(&self.name).await?)
            })?,
        }
        say(&format!(
            "{:?} is erased; backups of before still have it",
            self.name
        ));
        Ok(())
    }
}

/// Prints what a running server answers.
fn follow(server: UnixStream) -> Outcome {
    for line in BufReader::new(server).lines() {
        match AdminReply::read(&line?) {
            AdminReply::Line(text) => say(&text),
            AdminReply::Done => return Ok(()),
            AdminReply::Error(why) => return Err(why.into()),
        }
    }
    Err("the server ended before it had answered; its log may say why".into())
}

/// Does something with a folder that no server runs on, as a server would. If one runs all the
/// same, the folder is in use, and the error says so.
fn stopped(data: &Path, what: impl AsyncFnOnce(&Server) -> Outcome) -> Outcome {
    must_be_there(data)?;
    let settings = Settings {
        data: data.to_owned(),
        ..Settings::default()
    };
    let log = Log::open_embedded(data, LogOptions::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let server = Server::new(settings, log)?;
        let done = what(&server).await;
        server.shutdown().await?;
        done
    })
}

impl Backup {
    pub(crate) fn run(&self) -> Outcome {
        if self.to.try_exists()? {
            return Err(format!(
                "{} is there already; nothing was changed; choose another name",
                self.to.display()
            )
            .into());
        }
        let mut half = self.to.clone().into_os_string();
        half.push(format!(".{}.part", std::process::id()));
        let half = PathBuf::from(half);
        let outcome = self.write(&half);
        if outcome.is_err() {
            let _not_there = std::fs::remove_file(&half);
        }
        outcome
    }

    fn write(&self, half: &Path) -> Outcome {
        let mut options = File::options();
        let made = options.write(true).create_new(true).mode(0o600).open(half);
        let mut file = made.map_err(|error| {
            format!(
                "{} cannot be written: {error}; nothing was changed",
                half.display()
            )
        })?;
        match ask_server(&self.data, &AdminRequest::Backup) {
            Ok(mut server) => {
                io::copy(&mut server, &mut file).map_err(|error| {
                    format!("the backup could not be written: {error}; nothing is left of it")
                })?;
            }
            // No server; if there is one after all, the folder is in use, and the error says so.
            Err(_) => {
                must_be_there(&self.data)?;
                let log = Log::open_embedded(&self.data, LogOptions::default())?;
                log.backup(&mut io::BufWriter::new(&mut file))?;
            }
        }
        file.sync_all()?;
        drop(file);
        let summary = verify_backup(half)
            .map_err(|error| format!("{error} (the server's log may say why)"))?;
        std::fs::rename(half, &self.to)?;
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
                "{} rows are damaged in the store already, and in the backup as well",
                summary.damaged
            ));
        }
        Ok(())
    }
}

impl Restore {
    pub(crate) fn run(&self) -> Outcome {
        // Seconds since 1970: a backup that is restored twice gives two epochs, even with the same
        // clock an hour off.
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let restored = restore_backup(&self.from, &self.data, u32::try_from(now)?)?;
        say(&format!(
            "{}: {} documents restored; the epoch was {} and is {}",
            self.data.display(),
            restored.backup.documents,
            restored.backup.epoch,
            restored.epoch
        ));
        say(
            "locks, sessions and resume tokens of before count for nothing; start the server on it",
        );
        for damaged in &restored.damaged {
            say(damaged);
        }
        Ok(())
    }
}

impl Check {
    pub(crate) fn run(&self) -> Outcome {
        must_be_there(&self.data)?;
        let log = Log::open_embedded(&self.data, LogOptions::default())?;
        let wrong = check(&log);
        for error in &wrong {
            say(&error.to_string());
        }
        let count = log.document_count();
        if wrong.is_empty() {
            say(&format!(
                "{}: {count} documents, epoch {}, all whole",
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

/// Opening a store makes one where there is none, which is nothing to be backed up or checked.
fn must_be_there(data: &Path) -> Outcome {
    if data.join("log.redb").try_exists()? {
        return Ok(());
    }
    Err(format!(
        "{} is no data folder of Baton: there is no log.redb in it; nothing was changed",
        data.display()
    )
    .into())
}

fn say(line: &str) {
    // The reader of the output is gone; the command is done all the same.
    let _closed = writeln!(io::stdout(), "{line}");
}
