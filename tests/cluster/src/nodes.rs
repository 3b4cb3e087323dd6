//! Nodes of Baton over a group of engines.
//!
//! Owns the processes, and a relay for each node's way to each engine, so that a node can be
//! parted from the engines, also in one direction. Clients reach a node directly.

use std::io;
use std::net::SocketAddr;

use baton_testkit::{Direction, Proxy};
use baton_tests::ServerProcess;

use crate::engines::{Engines, Relayed, url_of};
use crate::machines::Machines;

/// See the module. Nodes have numbers from 0.
#[derive(Debug)]
pub struct Nodes {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    process: ServerProcess,
    /// To each engine; none of a node that reaches them directly.
    ways: Vec<Proxy>,
    runs: bool,
}

impl Nodes {
    /// Starts so many over these engines, with these further arguments of `baton serve`, and
    /// waits until they listen.
    ///
    /// # Errors
    /// There are no free ports.
    ///
    /// # Panics
    /// When a node does not start; its log is in the message.
    pub async fn start(count: usize, engines: &Engines, arguments: &[&str]) -> io::Result<Self> {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_at(&vec![free; count], engines, arguments).await
    }

    /// Starts one at each of these addresses; port 0 takes a free one. Otherwise as
    /// [`Nodes::start`].
    ///
    /// # Errors
    /// There are no free ports.
    ///
    /// # Panics
    /// When a node does not start; its log is in the message.
    pub async fn start_at(
        addresses: &[SocketAddr],
        engines: &Engines,
        arguments: &[&str],
    ) -> io::Result<Self> {
        let mut nodes = Self { nodes: Vec::new() };
        for listen in addresses {
            nodes.add(*listen, engines, Relayed::Yes, arguments).await?;
        }
        Ok(nodes)
    }

    /// Starts the first node, which reaches the engines without relays, so that nothing of the
    /// measuring program is on its way.
    ///
    /// # Errors
    /// There are no free ports.
    ///
    /// # Panics
    /// When it does not start; its log is in the message.
    pub async fn start_direct(engines: &Engines, arguments: &[&str]) -> io::Result<Self> {
        let mut nodes = Self { nodes: Vec::new() };
        nodes.add_direct(engines, arguments).await?;
        Ok(nodes)
    }

    /// Starts one more as [`Nodes::start_direct`].
    ///
    /// # Errors
    /// There are no free ports.
    ///
    /// # Panics
    /// When it does not start; its log is in the message.
    pub async fn add_direct(&mut self, engines: &Engines, arguments: &[&str]) -> io::Result<()> {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        self.add(free, engines, Relayed::No, arguments).await
    }

    async fn add(
        &mut self,
        listen: SocketAddr,
        engines: &Engines,
        relayed: Relayed,
        arguments: &[&str],
    ) -> io::Result<()> {
        let (mut ways, mut addresses) = (Vec::new(), Vec::new());
        for engine in 0..engines.count() {
            match relayed {
                Relayed::Yes => {
                    let way = Proxy::to(engines.address(engine)).await?;
                    addresses.push(way.address());
                    ways.push(way);
                }
                Relayed::No => addresses.push(engines.address(engine)),
            }
        }
        let cluster = url_of(&addresses);
        self.launch(listen, &cluster, (ways, &[]), arguments).await;
        Ok(())
    }

    /// Starts a node that has these ways to the engines, with these words before its command.
    async fn launch(
        &mut self,
        listen: SocketAddr,
        cluster: &str,
        (ways, on): (Vec<Proxy>, &[String]),
        arguments: &[&str],
    ) {
        let name = format!("node-{}", self.nodes.len() + 1);
        let listen = listen.to_string();
        let mut all = vec!["--cluster", cluster, "--cluster-node", &name];
        if !listen.ends_with(":0") {
            all.extend(["--listen", &listen]);
        }
        all.extend(arguments);
        self.nodes.push(Node {
            process: ServerProcess::start_on(on, &all).await,
            ways,
            runs: true,
        });
    }

    /// Starts one on each of so many machines from this one on.
    ///
    /// # Panics
    /// When a node does not start; its log is in the message.
    pub async fn start_on(
        machines: &Machines,
        (first, count): (usize, usize),
        engines: &Engines,
    ) -> Self {
        let mut nodes = Self { nodes: Vec::new() };
        for machine in first..first + count {
            let listen = SocketAddr::new(machines.for_clients(machine), 8080);
            let on = machines.on(machine);
            let (url, ways) = (engines.url(), Vec::new());
            // Only this test reaches its address.
            nodes.launch(listen, &url, (ways, &on), &["--open"]).await;
        }
        nodes
    }

    /// Returns the number of nodes, killed ones too.
    #[must_use]
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the address of this node; kept over restarts.
    #[must_use]
    pub fn address(&self, node: usize) -> SocketAddr {
        self.nodes[node].process.address()
    }

    /// Returns the addresses of all nodes, beginning with this one.
    #[must_use]
    pub fn addresses_from(&self, node: usize) -> Vec<SocketAddr> {
        let count = self.count();
        let numbers = (0..count).map(|step| (node + step) % count);
        numbers.map(|number| self.address(number)).collect()
    }

    /// Returns the process id of this node.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn pid(&self, node: usize) -> u32 {
        self.nodes[node].process.pid()
    }

    /// Returns the log of this node since its last start.
    #[must_use]
    pub fn said(&self, node: usize) -> String {
        self.nodes[node].process.said()
    }

    // ---- faults ----

    /// Kills a node as `kill -9` does.
    ///
    /// # Panics
    /// When it ended before; its log is in the message.
    pub async fn kill(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        node.process.kill().await;
        node.runs = false;
    }

    /// Starts a killed node again on the same data and port.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_again(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        node.process.start_again().await;
        node.runs = true;
    }

    /// Stops a node where it stands (SIGSTOP).
    ///
    /// # Panics
    /// When it ended before.
    pub fn freeze(&self, node: usize) {
        self.nodes[node].process.freezes();
    }

    /// Lets a frozen node go on (SIGCONT).
    ///
    /// # Panics
    /// When it ended before.
    pub fn thaw(&self, node: usize) {
        self.nodes[node].process.thaws();
    }

    /// Parts a node from all engines: what it sends them (`ToServer`), what they send it
    /// (`ToClient`) or both waits, without a sign.
    pub fn part(&self, node: usize, direction: Direction) {
        for way in &self.nodes[node].ways {
            way.hold(direction);
        }
    }

    /// Lets a node reach the engines again; what waited arrives.
    pub fn join(&self, node: usize) {
        for way in &self.nodes[node].ways {
            way.restore();
        }
    }

    /// Tells all of them to end, and waits until they have.
    ///
    /// # Panics
    /// When one does not end in time.
    pub async fn stop(mut self) {
        for node in self.nodes.iter_mut().filter(|node| node.runs) {
            node.process.terminate();
            node.process.ends().await;
        }
    }
}
