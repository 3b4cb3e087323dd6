//! Machines of a test, each in a network namespace of its own, with two cables: one to the engines,
//! one to the clients. A cable that is pulled loses what is sent, as a network does; a relay only
//! holds it.
//!
//! All of it is in a namespace that the test made for itself, and goes with its processes: no
//! address of the computer is touched. Linux only, and it needs the rights for it.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// Says that this process is in a network of its own.
const OWN_NETWORK: &str = "BATON_OWN_NETWORK";

/// Place in which a test goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// This process has a network of its own.
    Own,
    /// The test was run, and passed, in a process of its own.
    PassedInAnother,
    /// No namespace can be made here: only the loopback interface is there.
    Shared,
}

impl Network {
    /// Runs the test of this name again in a network of its own, unless this is that run.
    ///
    /// # Panics
    /// When the test fails there.
    #[must_use]
    pub fn of_test(name: &str) -> Self {
        if std::env::var_os(OWN_NETWORK).is_some() {
            return Self::Own;
        }
        let unshared = |program: &str, arguments: &[&str]| {
            let mut command = std::process::Command::new("unshare");
            command.args(["--net", "--", program]).args(arguments);
            command
        };
        let probe = unshared("ip", &["link", "add", "probe", "type", "bridge"]).output();
        match probe {
            Ok(output) if output.status.success() => {}
            output => {
                eprintln!("no network of its own can be made, on loopback instead: {output:?}");
                return Self::Shared;
            }
        }
        let test = std::env::current_exe().expect("a test knows its program");
        let test = test.to_str().expect("a path in UTF-8");
        let arguments = ["--exact", name, "--include-ignored", "--nocapture"];
        let status = unshared(test, &arguments).env(OWN_NETWORK, "1").status();
        let status = status.expect("the test runs again");
        assert!(status.success(), "{name} fails in a network of its own");
        Self::PassedInAnother
    }
}

/// See the module. Machines have numbers from 0.
#[derive(Debug)]
pub struct Machines {
    /// Processes that do nothing, each in the namespace of a machine.
    keepers: Vec<Child>,
}

/// The kinds of cable, with the third number of their addresses.
const CABLES: [(&str, u8); 2] = [("engines", 0), ("clients", 1)];

impl Machines {
    /// Makes so many, in the network of this process, which must be of its own.
    ///
    /// # Errors
    /// The system does not let us.
    pub async fn make(count: u8) -> io::Result<Self> {
        ip(&["link", "set", "lo", "up"]).await?;
        for (cable, net) in CABLES {
            ip(&["link", "add", cable, "type", "bridge"]).await?;
            let address = format!("10.77.{net}.1/24");
            ip(&["addr", "add", &address, "dev", cable]).await?;
            ip(&["link", "set", cable, "up"]).await?;
        }
        let mut machines = Self {
            keepers: Vec::new(),
        };
        for number in 0..count {
            machines.add(number).await?;
        }
        Ok(machines)
    }

    async fn add(&mut self, number: u8) -> io::Result<()> {
        // It ends with its input, so with this process.
        let mut keeper = Command::new("unshare")
            .args(["--net", "--", "sh", "-c", "echo; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pid = keeper.id().ok_or_else(ended)?.to_string();
        let output = keeper.stdout.as_mut().ok_or_else(ended)?;
        // Then it is in its namespace.
        output.read_u8().await?;
        self.keepers.push(keeper);
        let machine = usize::from(number);
        for (cable, _) in CABLES {
            let end = plug(cable, machine);
            ip(&[
                "link", "add", &end, "type", "veth", "peer", "name", cable, "netns", &pid,
            ])
            .await?;
            ip(&["link", "set", &end, "master", cable, "up"]).await?;
            let address = format!("{}/24", address(cable, machine));
            self.ip_at(machine, &["addr", "add", &address, "dev", cable])
                .await?;
            self.ip_at(machine, &["link", "set", cable, "up"]).await?;
        }
        self.ip_at(machine, &["link", "set", "lo", "up"]).await
    }

    /// Pulls the cable between a machine and the engines: what is sent is lost, without a sign.
    ///
    /// # Errors
    /// There is no such machine.
    pub async fn pull(&self, machine: usize) -> io::Result<()> {
        ip(&["link", "set", &plug("engines", machine), "down"]).await
    }

    /// Plugs it in again.
    ///
    /// # Errors
    /// There is no such machine.
    pub async fn plug(&self, machine: usize) -> io::Result<()> {
        ip(&["link", "set", &plug("engines", machine), "up"]).await
    }

    /// Returns the address of a machine among the engines.
    pub(crate) fn among_engines(&self, machine: usize) -> IpAddr {
        address("engines", machine)
    }

    /// Returns the address of a machine for clients.
    pub(crate) fn for_clients(&self, machine: usize) -> IpAddr {
        address("clients", machine)
    }

    /// Returns the words before a command that let it run on a machine.
    pub(crate) fn on(&self, machine: usize) -> Vec<String> {
        let pid = self.keepers[machine].id().unwrap_or_default();
        let namespace = format!("--net=/proc/{pid}/ns/net");
        ["nsenter", &namespace, "--"].map(str::to_owned).to_vec()
    }

    async fn ip_at(&self, machine: usize, arguments: &[&str]) -> io::Result<()> {
        let on = self.on(machine);
        let mut all: Vec<&str> = on[1..].iter().map(String::as_str).collect();
        all.push("ip");
        all.extend(arguments);
        run("nsenter", &all).await
    }
}

fn address(cable: &str, machine: usize) -> IpAddr {
    let net = CABLES.iter().find(|(name, _)| *name == cable);
    let net = net.map_or(u8::MAX, |(_, net)| *net);
    let last = u8::try_from(machine).map_or(u8::MAX, |machine| machine.saturating_add(10));
    Ipv4Addr::new(10, 77, net, last).into()
}

/// The name of the end of a cable that is in the bridge.
fn plug(cable: &str, machine: usize) -> String {
    format!("{cable}-{machine}")
}

async fn ip(arguments: &[&str]) -> io::Result<()> {
    run("ip", arguments).await
}

async fn run(program: &str, arguments: &[&str]) -> io::Result<()> {
    let output = Command::new(program).args(arguments).output().await?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{program} {arguments:?}: {said}")))
}

fn ended() -> io::Error {
    io::Error::other("the keeper of a machine ended")
}
