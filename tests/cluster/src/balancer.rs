//! An HAProxy in front of the nodes, if it is installed.
//!
//! Owns its process. Its configuration is the operator's, without TLS and with ports of its own.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use baton_tests::http::try_get;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// The configuration that operators are given.
const CONFIGURATION: &str = include_str!("../../../docs/operations/cluster/haproxy.cfg");

/// Time for it to answer; it asks each node twice before.
const READY: Duration = Duration::from_secs(20);

/// A running HAProxy; see the module.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    child: Child,
}

impl Balancer {
    /// Returns true if there is an HAProxy on the `PATH`, or in `HAPROXY`.
    #[must_use]
    pub fn is_installed() -> bool {
        program().is_some()
    }

    /// Starts it in front of these three nodes, and waits until it answers.
    ///
    /// # Errors
    /// There is none, it cannot be started, or does not answer in time.
    ///
    /// # Panics
    /// When the operator's configuration has lost a line that is replaced.
    pub async fn start(
        listen: SocketAddr,
        nodes: &[SocketAddr],
        folder: &Path,
    ) -> io::Result<Self> {
        let program = program().ok_or_else(|| io::Error::other("haproxy is not installed"))?;
        let file = folder.join("haproxy.cfg");
        fs::write(&file, configuration(listen, nodes))?;
        let child = Command::new(program)
            .arg("-db")
            .arg("-f")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("haproxy.log"))?)
            .kill_on_drop(true)
            .spawn()?;
        let balancer = Self {
            address: listen,
            child,
        };
        let until = Instant::now() + READY;
        while !balancer.answers().await {
            if Instant::now() > until {
                let said = fs::read_to_string(folder.join("haproxy.log")).unwrap_or_default();
                return Err(io::Error::other(format!("haproxy does not answer: {said}")));
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(balancer)
    }

    /// Returns the address of all nodes.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns true if a node that is ready is behind it.
    pub async fn answers(&self) -> bool {
        let answer = try_get(self.address, "/readyz", Duration::from_secs(2)).await;
        answer.is_some_and(|answer| answer.status == 200)
    }

    /// Ends it, with all connections.
    ///
    /// # Errors
    /// The system does not let us.
    pub async fn stop(mut self) -> io::Result<()> {
        self.child.kill().await
    }
}

fn program() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("HAPROXY") {
        return Some(given.into());
    }
    let folders = std::env::var_os("PATH")?;
    let mut programs = std::env::split_paths(&folders).map(|folder| folder.join("haproxy"));
    programs.find(|program| program.is_file())
}

/// Returns the operator's configuration with these addresses.
fn configuration(listen: SocketAddr, nodes: &[SocketAddr]) -> String {
    let mut own = vec![
        // More than the system may allow to open here.
        ("maxconn 40000".to_owned(), "maxconn 1000".to_owned()),
        (
            "bind :443 ssl crt /etc/ssl/collab/collab.pem alpn http/1.1".to_owned(),
            format!("bind {listen}"),
        ),
        (
            "X-Forwarded-Proto https".to_owned(),
            "X-Forwarded-Proto http".to_owned(),
        ),
        (
            "Host collab.example.org".to_owned(),
            format!("Host {listen}"),
        ),
    ];
    for (number, node) in (1..).zip(nodes) {
        own.push((format!("baton-{number}:8080"), node.to_string()));
    }
    own.into_iter()
        .fold(CONFIGURATION.to_owned(), |text, (from, to)| {
            assert!(text.contains(&from), "haproxy.cfg has {from}");
            text.replacen(&from, &to, 1)
        })
}
