//! Engines, and a load balancer, for nodes that another program starts.
//!
//! Owns the order in which all is started, and what is printed for that program to read.

use std::error::Error;
use std::net::{SocketAddr, TcpListener};

use baton_cluster_tests::{Balancer, Engines, Relayed};
use clap::Args;

use crate::ending::{input_ended, told_to_end};

/// The nodes that are to come.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Address of a node; of three of them, HAProxy is put in front
    #[arg(long = "node", num_args = 1)]
    nodes: Vec<SocketAddr>,
}

/// Starts the engines, prints `cluster: URL`, starts HAProxy in front of the nodes, prints
/// `all nodes: URL` once it finds one that is ready, and stays until the standard input ends.
pub(crate) async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    tokio::select! {
        told = told_to_end() => Ok(told?),
        ended = input_ended() => Ok(ended?),
        result = start(&options.nodes) => result,
    }
}

async fn start(nodes: &[SocketAddr]) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let engines = Engines::start(3, folder.path(), Relayed::No).await?;
    println!("cluster: {}", engines.url());
    let balancer = if nodes.is_empty() {
        None
    } else {
        let free = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let balancer = Balancer::start(free, nodes, folder.path()).await?;
        println!("all nodes: http://{}/", balancer.address());
        Some(balancer)
    };
    // Both are ended by being dropped.
    std::future::pending::<()>().await;
    drop((balancer, engines));
    Ok(())
}
