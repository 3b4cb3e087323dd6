//! `baton sessions`, `revoke` and `recheck`: the operator's commands about the access of clients
//! that are connected to a running server.

use std::path::{Path, PathBuf};

use baton_server::{AdminRequest, ask_server};
use clap::ArgGroup;

use crate::commands::{Outcome, follow};

/// Lists the open sessions of a running server
#[derive(clap::Args)]
pub(crate) struct Sessions {
    /// The data folder
    #[arg(long, env = "BATON_DATA", default_value = "data")]
    data: PathBuf,
}

/// Revokes tokens, and ends the sessions that were opened with them
#[derive(clap::Args)]
#[command(group = ArgGroup::new("revoked").required(true).args(["user", "token_id", "session"]))]
pub(crate) struct Revoke {
    /// The tokens that this user has now; one that is issued later counts again
    #[arg(long)]
    user: Option<String>,
    /// The tokens with this id
    #[arg(long)]
    token_id: Option<String>,
    /// The token of the session with this number, as `baton sessions` shows it
    #[arg(long)]
    session: Option<u64>,
    /// The data folder
    #[arg(long, env = "BATON_DATA", default_value = "data")]
    data: PathBuf,
}

/// Looks at the access of every open session anew, with the keys of today and the webhook's answer
/// of now
#[derive(clap::Args)]
pub(crate) struct Recheck {
    /// The data folder
    #[arg(long, env = "BATON_DATA", default_value = "data")]
    data: PathBuf,
}

impl Sessions {
    pub(crate) fn run(&self) -> Outcome {
        ask(&self.data, &AdminRequest::Sessions)
    }
}

impl Revoke {
    pub(crate) fn run(&self) -> Outcome {
        let request = match (&self.user, &self.token_id, self.session) {
            (Some(user), ..) => AdminRequest::RevokeUser(one_line(user)?),
            (_, Some(id), _) => AdminRequest::RevokeToken(one_line(id)?),
            (_, _, Some(session)) => AdminRequest::RevokeSession(session),
            (None, None, None) => {
                return Err("name a user, a token id or a session; nothing was changed".into());
            }
        };
        ask(&self.data, &request)
    }
}

impl Recheck {
    pub(crate) fn run(&self) -> Outcome {
        ask(&self.data, &AdminRequest::Recheck)
    }
}

/// Returns the text if it can stand in a request, which is one line.
fn one_line(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("an id is not empty and has no control characters; nothing was changed");
    }
    Ok(text.to_owned())
}

/// Sends a request to the running server, and prints its reply.
fn ask(data: &Path, request: &AdminRequest) -> Outcome {
    let server = ask_server(data, request).map_err(|error| {
        format!(
            "no server answers on the data folder {}: {error}; nothing was changed; start it, or name its folder with --data",
            data.display()
        )
    })?;
    follow(server)
}
