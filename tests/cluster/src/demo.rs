//! A cluster with the demo page, until Ctrl-C.
//!
//! Owns the order in which all is started, what is printed, and that all is ended by its id.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use baton_cluster_tests::{Balancer, Engines, Nodes, Relayed};
use clap::Args;

use crate::ending::told_to_end;

/// Where the cluster listens.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// First of four ports: the address of all nodes, if HAProxy is installed, and the three nodes
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

/// Starts everything, and stays until it is told to end.
pub(crate) async fn demo(options: &Options) -> Result<(), Box<dyn Error>> {
    let address = |offset: u16| {
        let port = options.port.checked_add(offset);
        port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    };
    let addresses: Option<Vec<_>> = (0..4).map(address).collect();
    let addresses = addresses.ok_or("the ports are at most 65535")?;
    for address in &addresses {
        is_free(*address)?;
    }
    // What was started ends with its owner, also when the signal comes in the middle of it.
    tokio::select! {
        told = told_to_end() => Ok(told?),
        result = run(&addresses) => result,
    }
}

async fn run(addresses: &[SocketAddr]) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    println!("starting three engines in {}", folder.path().display());
    let engines = Engines::start(3, folder.path(), Relayed::No).await?;
    println!("starting three nodes");
    let nodes = Nodes::start_at(
        &addresses[1..],
        &engines,
        &["--trusted-proxies", "127.0.0.1"],
    );
    let nodes = nodes.await?;
    let balancer = if Balancer::is_installed() {
        Some(Balancer::start(addresses[0], &addresses[1..], folder.path()).await?)
    } else {
        None
    };
    println!();
    for engine in 0..engines.count() {
        let (address, monitor) = (engines.address(engine), engines.monitor(engine));
        let pid = engines.pid(engine).unwrap_or_default();
        let number = engine + 1;
        println!("engine {number}: nats://{address}  pid {pid}  http://{monitor}/jsz");
    }
    for node in 0..nodes.count() {
        let (address, pid) = (nodes.address(node), nodes.pid(node));
        println!("node {}:   http://{address}/  pid {pid}", node + 1);
    }
    match &balancer {
        Some(balancer) => println!("all nodes: http://{}/ (HAProxy)", balancer.address()),
        None => println!("all nodes: install HAProxy for one address in front of them"),
    }
    println!("\n{}", to_try(&nodes, &engines));
    std::future::pending().await
}

/// A line for each thing to try.
fn to_try(nodes: &Nodes, engines: &Engines) -> String {
    let (one, two) = (nodes.address(0), nodes.address(1));
    let (node, engine) = (nodes.pid(0), engines.pid(0).unwrap_or_default());
    let all: Vec<String> = (0..engines.count())
        .filter_map(|engine| engines.pid(engine))
        .map(|pid| pid.to_string())
        .collect();
    format!(
        "Try it:\n\
         - open http://{one}/ and http://{two}/ and type in both: any node serves any document\n\
         - take the lock in the first window, ask for it in the second, then `kill -9 {node}`:\n  \
           the lock passes on after about 20 s (lease 15 s, grace 5 s)\n\
         - do the same in a window at the address of all nodes: it goes on at another node, and\n  \
           keeps the lock\n\
         - `kill -STOP {node}` and `kill -CONT {node}`: the same without an end of the process\n\
         - `kill -9 {engine}`: an engine less; edits go on, at most 11 s later they are saved again\n\
         - `kill -STOP {all}`: nothing can be saved, and the pages say so; `kill -CONT {all}` ends that\n\
         Ctrl-C ends everything.",
        all = all.join(" ")
    )
}

fn is_free(address: SocketAddr) -> io::Result<()> {
    TcpListener::bind(address).map(drop).map_err(|error| {
        let advice = "stop the program there, or choose other ports with --port";
        io::Error::new(error.kind(), format!("{address}: {error}; {advice}"))
    })
}
