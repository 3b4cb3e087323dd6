//! An S3 server of a test: SeaweedFS, a real process on free loopback ports with a folder of its
//! own; and a gate before it that hides that it refused a put.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use baton_cluster::engine::BucketOptions;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const KEY: &str = "baton";
const SECRET: &str = "known-to-tests-only";

/// The bucket that the server makes when it starts.
pub(crate) const BUCKET: &str = "snapshots";

/// Returns the program that `BATON_S3_SERVER` names, or `None` where a test may be skipped.
fn program() -> Option<PathBuf> {
    let found = std::env::var_os("BATON_S3_SERVER").map(PathBuf::from);
    if found.is_none() {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "there is no S3 server: set BATON_S3_SERVER");
        eprintln!("skipped: there is no S3 server (set BATON_S3_SERVER)");
    }
    found
}

/// A running S3 server; it is killed when this is dropped.
pub(crate) struct S3Server {
    program: PathBuf,
    folder: TempDir,
    /// Of master, volumes, filer and S3, each with its other protocol.
    ports: [u16; 8],
    child: Option<Child>,
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl S3Server {
    /// Starts a server with an empty bucket; `None` if there is no program.
    pub(crate) async fn start() -> Option<S3Server> {
        let program = program()?;
        let free = || std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let listeners = [(); 8].map(|()| free());
        let ports = listeners
            .each_ref()
            .map(|listener| listener.local_addr().expect("its address").port());
        drop(listeners);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let users = format!(
            "{{\"identities\": [{{\"name\": \"baton\", \"actions\": [\"Admin\"], \"credentials\": \
             [{{\"accessKey\": \"{KEY}\", \"secretKey\": \"{SECRET}\"}}]}}]}}"
        );
        fs::write(folder.path().join("users.json"), users).expect("the users");
        let mut server = S3Server {
            program,
            folder,
            ports,
            child: None,
        };
        server.restart();
        server.make_bucket().await;
        Some(server)
    }

    /// Starts the server again with what it had.
    pub(crate) fn restart(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("a log");
        let names = ["master", "volume", "filer", "s3"].iter();
        let ports = names.zip(self.ports.chunks(2)).flat_map(|(name, ports)| {
            [
                format!("-{name}.port={}", ports[0]),
                format!("-{name}.port.grpc={}", ports[1]),
            ]
        });
        let child = Command::new(&self.program)
            .args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer"])
            .args(["-master.telemetry=false", "-master.volumeSizeLimitMB=64"])
            .arg("-master.electionTimeout=1s")
            .args(["-volume.max=0", "-s3", "-s3.port.iceberg=0"])
            .arg("-s3.port.lance=0")
            .arg(format!("-dir={}", self.folder.path().display()))
            .arg(format!(
                "-s3.config={}/users.json",
                self.folder.path().display()
            ))
            .args(ports)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        self.child = Some(child);
    }

    /// Kills the server as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // It makes them outside of its folder.
        for port in self.ports {
            for name in [
                "master-grpc",
                "volume-grpc",
                "filer",
                "filer-grpc",
                "s3",
                "s3-grpc",
            ] {
                let _ = fs::remove_file(format!("/tmp/seaweedfs-{name}-{port}.sock"));
            }
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.ports[6]).into()
    }

    /// Returns the options of a node for this prefix of the bucket.
    pub(crate) fn options(&self, prefix: &str) -> BucketOptions {
        options_at(self.address(), prefix)
    }

    /// Puts an empty object, which makes its bucket, until the server can take it.
    async fn make_bucket(&self) {
        let made = async {
            while self.filer("PUT", &format!("/buckets/{BUCKET}/ready")).await != Some(201) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let made = tokio::time::timeout(Duration::from_secs(60), made).await;
        made.unwrap_or_else(|_| {
            let log = fs::read_to_string(self.folder.path().join("log"));
            panic!("the S3 server does not start:\n{}", log.unwrap_or_default())
        });
    }

    /// Removes an object behind the back of all nodes.
    pub(crate) async fn delete_by_hand(&self, url: &str) {
        let name = url.strip_prefix("s3://").expect("an address");
        let deleted = self.filer("DELETE", &format!("/buckets/{name}")).await;
        assert_eq!(deleted, Some(204), "{url}");
    }

    /// Asks the part of the server that knows no S3; returns the status.
    async fn filer(&self, method: &str, path: &str) -> Option<u16> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.ports[4]))
            .await
            .ok()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: filer\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }
}

/// Returns the options for a store at this address.
pub(crate) fn options_at(address: SocketAddr, prefix: &str) -> BucketOptions {
    let variables = [
        ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    BucketOptions::new(&format!("s3://{BUCKET}/{prefix}"), variables).expect("a valid address")
}

/// Listens before a server and passes everything on, but says that a put over another object was
/// done: so does a store that does not know the condition.
pub(crate) async fn unconditional_gate(server: SocketAddr) -> SocketAddr {
    const REFUSED: &[u8] = b"HTTP/1.1 412 Precondition Failed\r\n";
    const DONE: &[u8] = b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\n";
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(store) = TcpStream::connect(server).await else {
                    return;
                };
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_store, mut to_store) = store.into_split();
                let on = async {
                    tokio::io::copy(&mut from_client, &mut to_store).await?;
                    to_store.shutdown().await
                };
                let back = async {
                    let mut buffer = vec![0; 64 << 10];
                    loop {
                        let read = from_store.read(&mut buffer).await?;
                        let mut bytes = &buffer[..read];
                        if let Some(rest) = bytes.strip_prefix(REFUSED) {
                            to_client.write_all(DONE).await?;
                            bytes = rest;
                        }
                        to_client.write_all(bytes).await?;
                        if read == 0 {
                            return to_client.shutdown().await;
                        }
                    }
                };
                let _ = tokio::join!(on, back);
            });
        }
    });
    address
}
