//! `baton move`: from a data folder to a cluster, and back.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use baton_cluster_tests::{Engines, Nodes, Relayed};
use baton_sync::control_channel::ServerMessage;
use baton_tests::{Join, RawClient, ServerProcess, program};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// A killed command has a lease for 20 s, for which the next one waits.
const PATIENCE: Duration = Duration::from_secs(120);

struct Cluster {
    engines: Engines,
    _folder: TempDir,
}

impl Cluster {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let engines = Engines::start(3, folder.path(), Relayed::No).await;
        Self {
            engines: engines.expect("three engines"),
            _folder: folder,
        }
    }

    fn url(&self) -> String {
        let (user, password) = self.engines.login();
        let all = (0..3).map(|engine| self.engines.address(engine).to_string());
        let all: Vec<_> = all.collect();
        format!("nats://{user}:{password}@{}", all.join(","))
    }

    fn moves(&self, way: &str, data: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(["move", way, &self.url(), "--data"])
            .arg(data)
            .args(more)
            .env("BATON_LOG", "warn")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn moved(&self, way: &str, data: &Path, more: &[&str]) -> String {
        let output = ends(self.moves(way, data, more)).await;
        let said = text(&output.stdout);
        eprintln!("{said}");
        assert!(output.status.success(), "{said}{}", text(&output.stderr));
        said
    }

    async fn nodes(&self, count: usize) -> Nodes {
        let nodes = Nodes::start(count, &self.engines, &[]).await;
        nodes.expect("free ports")
    }
}

async fn ends(mut command: Command) -> Output {
    let output = timeout(PATIENCE, command.output()).await;
    output.expect("it ends in time").expect("it can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn erases(server: &ServerProcess, name: &str) {
    let mut command = Command::new(program());
    command.args(["erase", name, "--data"]).arg(server.data());
    assert!(ends(command).await.status.success(), "{name} is erased");
}

async fn stops(server: &mut ServerProcess) {
    server.terminate();
    let ended = server.ends().await;
    assert!(ended.success(), "{}", server.said());
}

/// The ids of the parks that a client was told of.
fn parks(client: &RawClient) -> Vec<u64> {
    client.look(|known| {
        let mut parks = Vec::new();
        for message in &known.channel {
            match message {
                ServerMessage::Welcome { parks: all, .. } => {
                    parks.extend(all.iter().map(|park| park.id));
                }
                ServerMessage::Parked { id, .. } => parks.push(*id),
                _ => {}
            }
        }
        parks
    })
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test --only cluster"]
#[expect(clippy::too_many_lines, reason = "one story, there and back")]
async fn a_folder_goes_to_a_cluster_while_people_work_and_back_again() {
    let (cluster, mut server) = tokio::join!(Cluster::start(), ServerProcess::start(&[]));
    let data = server.data().to_owned();
    for number in 0..20 {
        let name = format!("small/{number}");
        let client = server.connect(Join::member(&name, "Ann")).await;
        client.types(&format!("document {number}"));
        client.is_saved().await;
        client.leaves().await;
    }
    let writer = server.connect(Join::member("gone", "Ann")).await;
    writer.types("a secret");
    writer.is_saved().await;
    writer.leaves().await;
    let gone = server.connect(Join::stock("gone")).await;
    assert_eq!(gone.text(), "a secret");
    erases(&server, "gone").await;
    gone.ends().await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    ada.types("a first line. ");
    ada.is_saved().await;
    let first = ada.takes_lock().await;
    let bob = server.connect(Join::member("notes", "Bob")).await;
    bob.types("parked");
    let park = bob.is_parked().await;

    // A server has the folder.
    let refused = ends(cluster.moves("--to", &data, &[])).await;
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(
        said.contains("a server runs on") && said.contains("--live"),
        "{said}"
    );
    let said = cluster.moved("--to", &data, &["--live"]).await;
    assert!(
        said.contains("22 copied, 0 replaced, 0 unchanged, 0 failed"),
        "{said}"
    );
    ada.types("a second line. ");
    ada.is_saved().await;
    stops(&mut server).await;
    for client in [&ada, &bob] {
        client.ends().await;
    }
    ada.edits_in_silence(|txn| {
        use baton_sync::document::yrs::{Text, WriteTxn};
        let text = txn.get_or_insert_text("t");
        text.push(txn, "typed without a server. ");
    });
    let began = Instant::now();
    let said = cluster.moved("--to", &data, &[]).await;
    assert!(
        said.contains("0 copied, 1 replaced, 21 unchanged, 0 failed"),
        "{said}"
    );
    eprintln!("the pause was {:?}", began.elapsed());

    let nodes = cluster.nodes(2).await;
    let there = nodes.address(0);
    let memory = ada.takes_memory();
    let ada = RawClient::connect(there, Join::member("notes", "Ada").remembering(memory)).await;
    ada.is_saved().await;
    assert_eq!(ada.is_granted().await, first, "her lock went along");
    let stock = RawClient::connect(nodes.address(1), Join::stock("notes")).await;
    stock
        .sees("a first line. a second line. typed without a server. ")
        .await;
    let carol = RawClient::connect(there, Join::member("notes", "Carol")).await;
    assert!(parks(&carol).contains(&park), "{:?}", parks(&carol));
    ada.releases(first).await;
    let second = ada.takes_lock().await;
    assert!(second > first, "{second:?} comes after {first:?}");
    // An old copy of an erased document brings nothing back.
    let memory = gone.takes_memory();
    let join = Join::stock("gone").remembering(memory);
    let gone = RawClient::connect(there, join).await;
    gone.until("the deletion", |known| {
        known.text().is_empty().then_some(())
    })
    .await;
    let small = RawClient::connect(there, Join::member("small/7", "Ann")).await;
    small.sees("document 7").await;
    small.types(" of a cluster");
    small.is_saved().await;

    let new = tempfile::tempdir().expect("a folder");
    let new = new.path().join("data");
    let refused = ends(cluster.moves("--from", &new, &[])).await;
    let said = text(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("node-1"),
        "{said}"
    );
    let said = cluster.moved("--from", &new, &["--live"]).await;
    assert!(said.contains("22 copied"), "{said}");
    nodes.stop().await;
    ada.ends().await;
    let said = cluster.moved("--from", &new, &[]).await;
    assert!(
        said.contains("0 copied, ") && said.contains(" 0 failed"),
        "{said}"
    );
    // The folder of before: what was not edited since is replaced, for it all went to the cluster.
    let said = cluster.moved("--from", &data, &[]).await;
    assert!(
        said.contains("0 copied, ") && said.contains(" 0 failed"),
        "{said}"
    );

    server.start_again().await;
    let memory = ada.takes_memory();
    let ada = server
        .connect(Join::member("notes", "Ada").remembering(memory))
        .await;
    assert_eq!(ada.is_granted().await, second, "her lock came back");
    ada.releases(second).await;
    let third = ada.takes_lock().await;
    assert!(third > second, "{third:?} comes after {second:?}");
    let carol = server.connect(Join::member("notes", "Carol")).await;
    assert!(parks(&carol).contains(&park));
    assert_eq!(carol.text(), stock.text());
    let small = server.connect(Join::stock("small/7")).await;
    assert_eq!(small.text(), "document 7 of a cluster");
    let gone = server.connect(Join::stock("gone")).await;
    assert_eq!(gone.text(), "");
    cluster.engines.stop().await.expect("they end");
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test --only cluster"]
async fn a_move_that_was_killed_goes_on_and_other_content_is_refused() {
    const DOCUMENTS: usize = 300;
    let (cluster, mut server) = tokio::join!(Cluster::start(), ServerProcess::start(&[]));
    let data = server.data().to_owned();
    for number in 0..DOCUMENTS {
        let name = format!("d{number}");
        let client = server.connect(Join::member(&name, "Ann")).await;
        client.types(&format!("document {number}"));
        client.is_saved().await;
        client.leaves().await;
    }
    stops(&mut server).await;
    let ledger = data.join("move.ledger");
    let lines = || {
        std::fs::read_to_string(&ledger)
            .unwrap_or_default()
            .lines()
            .count()
    };
    let mut killed = cluster
        .moves("--to", &data, &[])
        .spawn()
        .expect("it starts");
    let until = Instant::now() + PATIENCE;
    while lines() < DOCUMENTS / 2 {
        assert!(Instant::now() < until, "{} lines", lines());
        sleep(Duration::from_millis(2)).await;
    }
    killed.start_kill().expect("it can be killed");
    killed.wait().await.expect("it is gone");
    assert!(lines() < 2 * DOCUMENTS, "it was killed half-way");

    let said = cluster.moved("--to", &data, &[]).await;
    assert!(
        said.contains(" 0 failed") && !said.contains(" 0 unchanged"),
        "{said}"
    );
    let said = cluster.moved("--to", &data, &[]).await;
    assert!(
        said.contains("0 copied, 0 replaced, 300 unchanged, 0 failed"),
        "{said}"
    );
    let nodes = cluster.nodes(1).await;
    for number in [0, 150, 299] {
        let client = RawClient::connect(nodes.address(0), Join::stock(&format!("d{number}"))).await;
        assert_eq!(client.text(), format!("document {number}"));
    }
    let ada = RawClient::connect(nodes.address(0), Join::member("d0", "Ada")).await;
    ada.sees("document 0").await;
    ada.types(" of the cluster");
    ada.is_saved().await;
    let refused = ends(cluster.moves("--to", &data, &[])).await;
    let said = text(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("node-1"),
        "{said}"
    );
    nodes.stop().await;
    let refused = ends(cluster.moves("--to", &data, &[])).await;
    let said = text(&refused.stdout);
    assert!(!refused.status.success(), "{said}");
    assert!(
        said.contains("\"d0\" was not moved") && said.contains("--replace"),
        "{said}"
    );
    let nodes = cluster.nodes(1).await;
    let ada = RawClient::connect(nodes.address(0), Join::stock("d0")).await;
    assert_eq!(ada.text(), "document 0 of the cluster");
    nodes.stop().await;
    let said = cluster.moved("--to", &data, &["--replace"]).await;
    // The others were opened, and are as they were.
    assert!(said.contains(" 0 failed"), "{said}");
    let nodes = cluster.nodes(1).await;
    let ada = RawClient::connect(nodes.address(0), Join::stock("d0")).await;
    assert_eq!(ada.text(), "document 0");
    nodes.stop().await;
    cluster.engines.stop().await.expect("they end");
}
