//! What a run is to be: who, where, how long, how bad the network, from which seed.
//!
//! Owns the settings, their TOML and their limits; decides nothing during a run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is done to clients and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chaos {
    /// A client's connections are reset.
    Drop,
    /// What a client sends and gets comes late, in order.
    Delay,
    /// What a client sends, or gets, or both, vanishes; whatever ran then is reset, for its stream has a hole.
    Partition,
    /// A client's process stands still, as under SIGSTOP or in a frozen tab: none of its code runs, while the kernel goes
    /// on taking in and acknowledging what comes for it.
    Freeze,
    /// The server is killed (kill -9) and started again on the same data. Only a server that the lab started.
    Kill,
    /// The power goes: the server is killed, and every client with it. They come back with nothing, so that only what was
    /// on the server's disk is left, and what was acknowledged must be there. Only a server that the lab started.
    Blackout,
}

impl Chaos {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Drop,
        Self::Delay,
        Self::Partition,
        Self::Freeze,
        Self::Kill,
        Self::Blackout,
    ];

    /// Its name in a scenario and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Delay => "delay",
            Self::Partition => "partition",
            Self::Freeze => "freeze",
            Self::Kill => "kill",
            Self::Blackout => "blackout",
        }
    }

    /// Whether it needs a server that the lab may kill.
    #[must_use]
    pub const fn kills(self) -> bool {
        matches!(self, Self::Kill | Self::Blackout)
    }
}

/// The clocks of a server that the lab starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// As the product has them: a silent holder loses the lock after 10 s.
    #[default]
    Product,
    /// A fifth of that, so that seconds of a run see what else takes half a minute. A machine that stalls for a second
    /// shows in the run.
    Brisk,
}

/// The wire on which clients speak to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientWire {
    /// One document for each socket, named by the path.
    #[default]
    YWebsocket,
    /// Each message names its document; Baton's channel speaks in Stateless messages.
    Hocuspocus,
    /// As y-websocket, at another path.
    YSweet,
}

impl ClientWire {
    /// Every wire.
    pub const ALL: [Self; 3] = [Self::YWebsocket, Self::Hocuspocus, Self::YSweet];

    /// Its name in a scenario and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::YWebsocket => "y-websocket",
            Self::Hocuspocus => "hocuspocus",
            Self::YSweet => "y-sweet",
        }
    }

    /// Where a server that the lab starts speaks it.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::YWebsocket => "/ws",
            Self::Hocuspocus => "/hocuspocus",
            Self::YSweet => "",
        }
    }
}

/// What people want locks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Locks {
    /// The whole document.
    Document,
    /// Parts: a root type, several at once, or something below one.
    Parts,
    /// Now the one, now the other.
    #[default]
    Mixed,
}

impl Locks {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Document, Self::Parts, Self::Mixed];

    /// Its name in a scenario and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Parts => "parts",
            Self::Mixed => "mixed",
        }
    }
}

/// A run; see the fields. In TOML every key may be left out.
///
/// ```
/// let scenario: baton_lab::Scenario = toml::from_str(r#"
///     clients = 6
///     docs = 2
///     lasts = "5s"
///     chaos = ["drop", "freeze"]
/// "#)?;
/// assert_eq!((scenario.clients, scenario.seed), (6, 7));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// What it is called in the report.
    pub name: String,
    /// Clients in all, 1 to 1000; they are dealt to the documents in turn.
    pub clients: usize,
    /// Documents, 1 to 100.
    pub docs: usize,
    /// Where every decision comes from.
    pub seed: u64,
    /// How clients speak to the server.
    pub wire: ClientWire,
    /// How long there are edits and chaos; at most an hour.
    #[serde(with = "span")]
    pub lasts: Duration,
    /// How long everybody may then take to come back and agree.
    #[serde(with = "span")]
    pub settle: Duration,
    /// Between two acts of one client, on average.
    #[serde(with = "span")]
    pub pause: Duration,
    /// What goes wrong.
    pub chaos: Vec<Chaos>,
    /// Disturbances of each client in a minute, on average.
    pub disturbances: f64,
    /// Kills of the server in a minute, and as many blackouts, where they are asked for. At least one of each.
    pub kills: f64,
    /// Per cent of the edits that are made without asking the lock, as by a program with bad manners. They are parked.
    pub stubborn: u32,
    /// Per cent of what all clients of a document do that is asking for the lock; at most 50.
    pub acquire: u32,
    /// What they ask for.
    pub locks: Locks,
    /// Per cent of the wishes for a lock that are requests: whoever has it is asked for it. Half of the clients give it up
    /// then; the others keep it until their time is over.
    pub request: u32,
    /// Per cent of the wishes for a lock that are take-overs.
    pub take_over: u32,
    /// Per cent of the locks given back that are handed to somebody, who may not have asked.
    pub transfer: u32,
    /// Per cent of what a client does that is merging, discarding or recovering a park, if it holds a lock and there is one;
    /// at most 20.
    pub decide: u32,
    /// Per cent of what a client does that is leaving, or coming back; at most 20.
    pub leave: u32,
    /// The clocks of a server that the lab starts.
    pub pace: Pace,
    /// Further arguments of `baton serve`, for a server that the lab starts.
    pub server: Vec<String>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "run".to_owned(),
            clients: 10,
            docs: 2,
            seed: 7,
            wire: ClientWire::default(),
            lasts: Duration::from_secs(60),
            settle: Duration::from_secs(30),
            pause: Duration::from_millis(400),
            chaos: Vec::new(),
            disturbances: 4.0,
            kills: 3.0,
            stubborn: 2,
            acquire: 12,
            locks: Locks::default(),
            request: 20,
            take_over: 10,
            transfer: 30,
            decide: 4,
            leave: 3,
            pace: Pace::Product,
            server: Vec::new(),
        }
    }
}

/// A scenario that cannot be run. The caller's fault; nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// The text is no scenario.
    #[error("this is no scenario: {0}")]
    Text(String),
    /// A number is out of bounds.
    #[error("{0}")]
    Bounds(&'static str),
}

impl Scenario {
    /// From TOML.
    ///
    /// # Errors
    /// See [`ScenarioError`].
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self =
            toml::from_str(text).map_err(|error| ScenarioError::Text(error.to_string()))?;
        scenario.check()?;
        Ok(scenario)
    }

    /// The arguments of `baton-lab run` that make this scenario again, without the scenario's name.
    ///
    /// ```
    /// let scenario = baton_lab::Scenario { seed: 11, stubborn: 5, ..Default::default() };
    /// assert_eq!(scenario.arguments(), "--seed 11 --clients 10 --docs 2 --lasts 1m --stubborn 5");
    /// ```
    #[must_use]
    pub fn arguments(&self) -> String {
        let usual = Self::default();
        let span = |span: Duration| {
            humantime::format_duration(span)
                .to_string()
                .replace(' ', "")
        };
        let mut words = vec![
            format!("--seed {}", self.seed),
            format!("--clients {}", self.clients),
            format!("--docs {}", self.docs),
            format!("--lasts {}", span(self.lasts)),
        ];
        let mut unusual = |differs: bool, words_of: String| {
            if differs {
                words.push(words_of);
            }
        };
        unusual(
            self.wire != usual.wire,
            format!("--wire {}", self.wire.name()),
        );
        let kinds: Vec<&str> = self.chaos.iter().map(|kind| kind.name()).collect();
        unusual(!kinds.is_empty(), format!("--chaos {}", kinds.join(",")));
        unusual(
            self.disturbances.total_cmp(&usual.disturbances).is_ne(),
            format!("--disturbances {}", self.disturbances),
        );
        unusual(
            self.kills.total_cmp(&usual.kills).is_ne(),
            format!("--kills {}", self.kills),
        );
        unusual(
            self.pause != usual.pause,
            format!("--pause {}", span(self.pause)),
        );
        unusual(
            self.settle != usual.settle,
            format!("--settle {}", span(self.settle)),
        );
        unusual(
            self.stubborn != usual.stubborn,
            format!("--stubborn {}", self.stubborn),
        );
        unusual(
            self.acquire != usual.acquire,
            format!("--acquire {}", self.acquire),
        );
        unusual(
            self.locks != usual.locks,
            format!("--locks {}", self.locks.name()),
        );
        for (name, value, usual) in [
            ("request", self.request, usual.request),
            ("take-over", self.take_over, usual.take_over),
            ("transfer", self.transfer, usual.transfer),
            ("decide", self.decide, usual.decide),
            ("leave", self.leave, usual.leave),
        ] {
            unusual(value != usual, format!("--{name} {value}"));
        }
        unusual(self.pace == Pace::Brisk, "--brisk".to_owned());
        unusual(
            !self.server.is_empty(),
            format!("-- {}", self.server.join(" ")),
        );
        words.join(" ")
    }

    /// Whether it can be run.
    ///
    /// # Errors
    /// [`ScenarioError::Bounds`].
    pub fn check(&self) -> Result<(), ScenarioError> {
        let hour = Duration::from_secs(3600);
        let bounds = [
            (
                (1..=1000).contains(&self.clients),
                "clients: 1 to 1000 of them",
            ),
            ((1..=100).contains(&self.docs), "docs: 1 to 100 of them"),
            (self.docs <= self.clients, "docs: no more than clients"),
            (self.lasts <= hour, "lasts: at most an hour"),
            (self.settle <= hour, "settle: at most an hour"),
            (
                self.pause >= Duration::from_millis(5),
                "pause: at least 5ms",
            ),
            (self.stubborn <= 100, "stubborn: at most 100 per cent"),
            (self.acquire <= 50, "acquire: at most 50 per cent"),
            (
                self.request + self.take_over <= 100,
                "request and take_over: at most 100 per cent together",
            ),
            (self.transfer <= 100, "transfer: at most 100 per cent"),
            (self.decide <= 20, "decide: at most 20 per cent"),
            (self.leave <= 20, "leave: at most 20 per cent"),
            (
                (0.0..=600.0).contains(&self.disturbances),
                "disturbances: at most 600 a minute",
            ),
            (
                (0.0..=60.0).contains(&self.kills),
                "kills: at most 60 a minute",
            ),
        ];
        match bounds.iter().find(|(fits, _)| !fits) {
            Some((_, complaint)) => Err(ScenarioError::Bounds(complaint)),
            None => Ok(()),
        }
    }
}

/// Spans of time as people write them: `500ms`, `1m 30s`.
mod span {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*span))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        humantime::parse_duration(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_and_a_wild_number_are_refused() {
        assert!(Scenario::parse("cleints = 3").is_err());
        assert!(Scenario::parse("clients = 0").is_err());
        assert!(Scenario::parse("lasts = '2h'").is_err());
        assert!(Scenario::parse("locks = 'rooms'").is_err());
        assert!(Scenario::parse("request = 60\ntake_over = 60").is_err());
        assert!(Scenario::parse("locks = 'parts'\ntransfer = 50").is_ok());
        assert!(Scenario::parse("lasts = '90s'\nchaos = ['kill']").is_ok());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let scenario = Scenario {
            chaos: vec![Chaos::Drop, Chaos::Kill],
            ..Scenario::default()
        };
        let text = toml::to_string(&scenario).expect("it can be written");
        assert_eq!(Scenario::parse(&text), Ok(scenario));
    }
}
