//! The servers that are compared. Owns how each is installed and started; a peer that cannot be installed here is left
//! out, and said so. What is started is started by the load generator, which stops it by its process id.

use std::path::Path;

use crate::node;
use crate::place::Place;
use crate::run;
use crate::trouble::{Done, Trouble};

/// The release of y-sweet that crates.io has.
const Y_SWEET: &str = "0.9.1";

/// Baton's settings, in the environment of what is run: no limits against a single client or address, for the generator is
/// many clients on one; and documents leave memory soon, so that what they leave is seen without waiting half a minute.
pub(super) const SETTINGS: [(&str, &str); 7] = [
    ("BATON_MAX_MESSAGES_PER_SECOND", "1000000"),
    ("BATON_MAX_CONNECTIONS_PER_ADDRESS", "1000000"),
    ("BATON_NEW_CONNECTIONS_PER_SECOND", "1000000"),
    ("BATON_NEW_CONNECTIONS_BURST", "1000000"),
    ("BATON_MAX_HANDSHAKES", "20000"),
    ("BATON_MAX_HANDSHAKES_PER_ADDRESS", "20000"),
    ("BATON_UNLOAD_AFTER", "1s"),
];

/// Whether a document outlives the server's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    /// Nothing is even understood.
    Nothing,
    /// Documents, while the process runs.
    Memory,
    /// On disk; so many seconds after an edit at the latest.
    Disk(&'static str),
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contestant {
    /// In the file of results.
    pub(super) name: &'static str,
    /// For people.
    pub(super) label: &'static str,
    /// What it speaks, as `load --wire` calls it.
    pub(super) wire: &'static str,
    /// Where its documents are, as `load --base` takes it.
    pub(super) base: &'static str,
    /// Starts it, as `load --serve` takes it.
    pub(super) command: String,
    /// What it keeps.
    pub(super) keeps: Keeps,
}

/// All that can be had here: the forwarder and Baton first.
pub(super) fn prepare(place: &Place) -> Vec<Contestant> {
    let mut found = own(place);
    let peers: [(&str, Installer); 3] = [
        ("@y/websocket-server and Hocuspocus", from_npm),
        ("y-sweet", y_sweet),
        ("yrs-warp", yrs_warp),
    ];
    for (label, install) in peers {
        match install(place) {
            Ok(peers) => found.extend(peers),
            Err(trouble) => println!("without {label}: {trouble}"),
        }
    }
    found
}

type Installer = fn(&Place) -> Result<Vec<Contestant>, Trouble>;

fn own(place: &Place) -> Vec<Contestant> {
    let built = |name: &str| place.built("release", name).display().to_string();
    let baton = format!(
        "{} serve --listen 127.0.0.1:{{port}} --data {{data}}",
        built("baton")
    );
    vec![
        Contestant {
            name: "forwarder",
            label: "bare forwarder",
            wire: "forward",
            base: "/ws",
            command: format!("{} 127.0.0.1:{{port}}", built("forwarder")),
            keeps: Keeps::Nothing,
        },
        Contestant {
            name: "baton",
            label: "Baton",
            wire: "y-websocket",
            base: "/ws",
            command: baton.clone(),
            keeps: Keeps::Disk("0"),
        },
        Contestant {
            name: "baton-hocuspocus",
            label: "Baton, Hocuspocus wire",
            wire: "hocuspocus",
            base: "/hocuspocus",
            command: baton,
            keeps: Keeps::Disk("0"),
        },
    ]
}

fn from_npm(place: &Place) -> Result<Vec<Contestant>, Trouble> {
    let peers = place.root().join("tests/load/peers");
    node::ensure()?;
    node::install(place, &peers)?;
    let script = |name: &str| format!("node {}", peers.join(name).display());
    Ok(vec![
        Contestant {
            name: "y-websocket-server",
            label: "@y/websocket-server 0.1.1",
            wire: "y-websocket",
            base: "/ws",
            command: format!("{} {{port}}", script("y-websocket.js")),
            keeps: Keeps::Memory,
        },
        Contestant {
            name: "hocuspocus",
            label: "Hocuspocus 4.7 + SQLite",
            wire: "hocuspocus",
            base: "/",
            command: format!("{} {{port}} {{data}}", script("hocuspocus.js")),
            keeps: Keeps::Disk("3"),
        },
    ])
}

/// From crates.io, into the tools of the target folder; its npm package would fetch a binary from elsewhere.
fn y_sweet(place: &Place) -> Result<Vec<Contestant>, Trouble> {
    let binary = place.tools().join("bin/y-sweet");
    if !binary.is_file() {
        println!("installing y-sweet {Y_SWEET} from crates.io (minutes, once)");
        let mut command = place.cargo(["install", "y-sweet", "--locked", "--version", Y_SWEET]);
        run::run(command.arg("--root").arg(place.tools()))?;
    }
    Ok(vec![Contestant {
        name: "y-sweet",
        label: "y-sweet 0.9.1",
        wire: "y-websocket",
        base: "/d/{doc}/ws/{doc}",
        // Its checkpoints are 10 s apart by default.
        command: format!("{} serve {{data}} --port {{port}}", binary.display()),
        keeps: Keeps::Disk("11"),
    }])
}

fn yrs_warp(place: &Place) -> Result<Vec<Contestant>, Trouble> {
    let package = place.root().join("tests/load/peers/yrs-warp");
    let target = place.tools().join("yrs-warp");
    build_apart(place, &package, &target)?;
    let binary = target.join("release/peer-yrs-warp");
    Ok(vec![Contestant {
        name: "yrs-warp",
        label: "yrs-warp 0.9 (memory only)",
        wire: "y-websocket",
        base: "/ws",
        command: format!("{} {{port}}", binary.display()),
        keeps: Keeps::Memory,
    }])
}

fn build_apart(place: &Place, package: &Path, target: &Path) -> Done {
    let mut command = place.cargo(["build", "--locked", "--quiet", "--release"]);
    command
        .arg("--manifest-path")
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target);
    run::run(&mut command)
}
