//! Two Hocuspocus servers with one database, over Redis.
//!
//! Owns their processes. They are installed by `cargo xtask cluster measure --hocuspocus`.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use baton_load::Served;
use serde_json::Value;
use tempfile::TempDir;

use super::servers::version;

/// Number of servers.
const SERVERS: usize = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct Rivals {
    redis: Served,
    servers: Vec<Served>,
    _database: TempDir,
}

/// Returns the folder with the rivals' scripts and packages.
pub(super) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../load/peers"))
}

impl Rivals {
    /// Starts Redis and the servers.
    ///
    /// # Errors
    /// A program or a package is missing, or does not answer.
    pub(super) async fn start() -> io::Result<Self> {
        let database = tempfile::tempdir()?;
        let redis = "redis-server --bind 127.0.0.1 --port {port} --dir {data} --appendonly no";
        let redis = Served::start(redis).await?;
        let script = folder().join("hocuspocus-redis.js");
        let command = format!(
            "node {} {{port}} {} {}",
            script.display(),
            database.path().display(),
            redis.address().port()
        );
        let mut servers = Vec::new();
        for _ in 0..SERVERS {
            servers.push(Served::start(&command).await?);
        }
        Ok(Self {
            redis,
            servers,
            _database: database,
        })
    }

    /// Returns the addresses and the process ids of the servers.
    ///
    /// # Errors
    /// One of them does not run.
    pub(super) fn servers(&self) -> io::Result<Vec<(SocketAddr, u32)>> {
        let all = self.servers.iter().map(|server| {
            let pid = server.pid();
            let pid = pid.ok_or_else(|| io::Error::other("a Hocuspocus server ended"))?;
            Ok((server.address(), pid))
        });
        all.collect()
    }

    /// Returns the process id of Redis while it runs.
    pub(super) fn redis_pid(&self) -> Option<u32> {
        self.redis.pid()
    }

    /// Returns the programs and packages with their versions.
    pub(super) fn versions(&self) -> Vec<(&'static str, String)> {
        let mut versions = vec![
            ("redis-server", version("redis-server")),
            ("node", version("node")),
        ];
        for package in [
            "@hocuspocus/server",
            "@hocuspocus/extension-redis",
            "@hocuspocus/extension-sqlite",
            "@hocuspocus/provider",
        ] {
            versions.push((package, package_version(package)));
        }
        versions
    }

    /// Kills a server as `kill -9` does.
    pub(super) async fn kill_server(&mut self, server: usize) -> io::Result<()> {
        self.servers[server].kill().await
    }

    /// Starts a killed server again.
    pub(super) async fn start_server_again(&mut self, server: usize) -> io::Result<()> {
        self.servers[server].start_again().await
    }

    /// Kills Redis as `kill -9` does.
    pub(super) async fn kill_redis(&mut self) -> io::Result<()> {
        self.redis.kill().await
    }

    /// Starts the killed Redis again.
    pub(super) async fn start_redis_again(&mut self) -> io::Result<()> {
        self.redis.start_again().await
    }

    /// Tells all to end, and waits until they have.
    pub(super) async fn stop(mut self) -> io::Result<()> {
        for server in &mut self.servers {
            server.stop().await?;
        }
        self.redis.stop().await.map(drop)
    }
}

/// Returns the version of an installed package.
fn package_version(package: &str) -> String {
    let file = folder()
        .join("node_modules")
        .join(package)
        .join("package.json");
    let text = fs::read_to_string(file).unwrap_or_default();
    let about: Option<Value> = serde_json::from_str(&text).ok();
    let version = about.and_then(|about| about["version"].as_str().map(str::to_owned));
    version.unwrap_or_else(|| "not installed".to_owned())
}
