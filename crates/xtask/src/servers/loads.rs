//! The loads of the comparison, and the numbers that are read out of what they print. Owns their sizes: a whole run of
//! three repetitions over six servers is to take about a quarter of an hour, a quick one three minutes.

use serde_json::Value;

use super::Depth;
use super::contestants::{Contestant, Keeps};
use crate::trouble::Trouble;

/// For whom a load makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// Every server.
    All,
    /// Those that keep documents.
    Keeping,
    /// Those that keep them on disk.
    Storing,
    /// Baton alone: the peers' heartbeats have other intervals.
    Baton,
}

/// A load and its numbers.
#[derive(Debug, PartialEq)]
pub(super) struct Load {
    /// What `--only` takes.
    pub(super) name: &'static str,
    /// Of the generator.
    pub(super) subcommand: &'static str,
    /// Sizes.
    full: &'static str,
    quick: &'static str,
    whom: Whom,
    /// What is read out of it.
    pub(super) metrics: &'static [Metric],
}

impl Eq for Load {}

/// A number.
#[derive(Debug, PartialEq)]
pub(super) struct Metric {
    /// In the file of results, and the name of its plot.
    pub(super) key: &'static str,
    /// For people.
    pub(super) title: &'static str,
    /// What it counts.
    pub(super) unit: &'static str,
    /// Which way is good.
    pub(super) better: Better,
    /// Where it is in the generator's output, and by what it is multiplied.
    pointer: &'static str,
    factor: f64,
}

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    /// Less is better.
    Less,
    /// More is better.
    More,
}

const fn less(
    key: &'static str,
    title: &'static str,
    unit: &'static str,
    pointer: &'static str,
) -> Metric {
    Metric {
        key,
        title,
        unit,
        better: Better::Less,
        pointer,
        factor: 1.0,
    }
}

const fn more(
    key: &'static str,
    title: &'static str,
    unit: &'static str,
    pointer: &'static str,
) -> Metric {
    Metric {
        better: Better::More,
        ..less(key, title, unit, pointer)
    }
}

/// All of them, in the order in which they run.
pub(super) const LOADS: [Load; 10] = [
    Load {
        name: "crowd",
        subcommand: "crowd",
        full: "--time 5",
        quick: "--time 1",
        whom: Whom::All,
        metrics: &[
            less(
                "cpu",
                "Processor time for a million deliveries",
                "s",
                "/seen/cpu_per_million",
            ),
            less(
                "latency",
                "From due to delivered, 99th percentile",
                "ms",
                "/seen/p99",
            ),
        ],
    },
    Load {
        name: "rooms",
        subcommand: "rooms",
        full: "--time 1.5 --most-time 20",
        quick: "--time 0.5 --refine 0 --most-time 4",
        whom: Whom::All,
        metrics: &[more(
            "rooms",
            "Deliveries a second, with more and more rooms",
            "/s",
            "/seen/best/seen/per_second",
        )],
    },
    Load {
        name: "rate",
        subcommand: "rate",
        full: "--time 1.5 --most-time 20",
        quick: "--time 0.5 --refine 0 --most-time 4",
        whom: Whom::All,
        metrics: &[more(
            "rate",
            "Deliveries a second, with more and more edits",
            "/s",
            "/seen/best/seen/per_second",
        )],
    },
    Load {
        name: "idle",
        subcommand: "idle",
        full: "--connections 2000",
        quick: "--connections 1000",
        whom: Whom::All,
        metrics: &[less(
            "idle",
            "Memory of an idle connection",
            "KB",
            "/seen/kb_per_connection",
        )],
    },
    Load {
        name: "heartbeats",
        subcommand: "idle",
        full: "--connections 9900 --documents 990 --heartbeats 15",
        quick: "--connections 2000 --documents 200 --heartbeats 5",
        whom: Whom::Baton,
        metrics: &[Metric {
            factor: 100.0,
            ..less(
                "heartbeats",
                "Heartbeats of 9,900 connections, of one processor",
                "%",
                "/seen/processor_share",
            )
        }],
    },
    Load {
        name: "cold",
        subcommand: "cold",
        full: "--rounds 3",
        quick: "--rounds 1",
        whom: Whom::Keeping,
        metrics: &[less(
            "cold",
            "100 join a long document: the last has it, from memory (p99)",
            "ms",
            "/seen/0/p99",
        )],
    },
    Load {
        name: "disk",
        subcommand: "cold",
        full: "--rounds 1",
        quick: "--rounds 1",
        whom: Whom::Storing,
        metrics: &[less(
            "disk",
            "100 join a long document: the last has it, from disk (p99)",
            "ms",
            "/seen/0/p99",
        )],
    },
    Load {
        name: "storm",
        subcommand: "storm",
        full: "",
        quick: "",
        whom: Whom::All,
        metrics: &[less(
            "storm",
            "1,000 clients come at once: all are there",
            "s",
            "/seen/seconds",
        )],
    },
    Load {
        name: "churn",
        subcommand: "churn",
        full: "--time 3 --settle 6",
        quick: "--time 1 --settle 3",
        whom: Whom::Keeping,
        metrics: &[
            more(
                "churn",
                "New documents opened, edited and left",
                "/s",
                "/seen/per_second",
            ),
            less(
                "left",
                "Memory that each of them leaves",
                "KB",
                "/seen/kb_per_document",
            ),
        ],
    },
    Load {
        name: "stalled",
        subcommand: "stalled",
        full: "--time 6 --drain 15",
        quick: "--time 2 --drain 5",
        whom: Whom::All,
        metrics: &[
            less(
                "stalled",
                "p99 of the others while five do not read",
                "ms",
                "/seen/with/seen/p99",
            ),
            less(
                "unstalled",
                "p99 in the same room when all read",
                "ms",
                "/seen/without/seen/p99",
            ),
            less(
                "stalled-memory",
                "Memory for the five that do not read",
                "MB",
                "/seen/stalled_mb",
            ),
        ],
    },
];

impl Load {
    /// The load of that name.
    pub(super) fn named(name: &str) -> Result<&'static Self, Trouble> {
        LOADS.iter().find(|load| load.name == name).ok_or_else(|| {
            let names: Vec<_> = LOADS.iter().map(|load| load.name).collect();
            Trouble::usage(format!("no load `{name}`; there are: {}", names.join(", ")))
        })
    }

    /// Whether this server is to be put under it.
    pub(super) fn is_for(&self, contestant: &Contestant) -> bool {
        match self.whom {
            Whom::All => true,
            Whom::Keeping => contestant.keeps != Keeps::Nothing,
            Whom::Storing => matches!(contestant.keeps, Keeps::Disk(_)),
            Whom::Baton => contestant.name.starts_with("baton"),
        }
    }

    /// What the generator is told beside where the server is. `last` is what this server reached in the repetition
    /// before: a climb that begins just below it is over in half the time.
    pub(super) fn arguments(
        &self,
        depth: Depth,
        contestant: &Contestant,
        last: Option<f64>,
    ) -> Vec<String> {
        let sizes = match depth {
            Depth::Full => self.full,
            Depth::Quick => self.quick,
        };
        let mut arguments: Vec<String> = sizes.split_whitespace().map(str::to_owned).collect();
        if let (Whom::Storing, Keeps::Disk(after)) = (self.whom, contestant.keeps) {
            arguments.extend(["--from-disk".to_owned(), after.to_owned()]);
        }
        if let Some(last) = last.filter(|_| self.climbs() && depth == Depth::Full) {
            let start = format!("{:.0}", (last * 0.9).max(1.0));
            let closer = ["--start", &start, "--factor", "1.2", "--refine", "1"];
            arguments.extend(closer.map(str::to_owned));
        }
        arguments
    }

    fn climbs(&self) -> bool {
        matches!(self.subcommand, "rooms" | "rate")
    }

    /// Where a climb ended: rooms, or edits a second.
    pub(super) fn reached(&self, seen: &Value) -> Option<f64> {
        self.climbs()
            .then(|| seen.pointer("/seen/best/at")?.as_f64())
            .flatten()
    }
}

impl Metric {
    /// The number in what the generator printed.
    pub(super) fn read(&self, seen: &Value) -> Option<f64> {
        Some(seen.pointer(self.pointer)?.as_f64()? * self.factor)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn baton() -> Contestant {
        Contestant {
            name: "baton",
            label: "Baton",
            wire: "y-websocket",
            base: "/ws",
            command: String::new(),
            keeps: Keeps::Disk("0"),
        }
    }

    #[test]
    fn a_climb_goes_on_where_the_last_one_ended() {
        let rooms = Load::named("rooms").unwrap();
        let seen = json!({ "seen": { "best": { "at": 200.0, "seen": { "per_second": 5.0 } } } });
        assert_eq!(rooms.metrics[0].read(&seen), Some(5.0));
        let last = rooms.reached(&seen);
        let arguments = rooms.arguments(Depth::Full, &baton(), last).join(" ");
        assert!(
            arguments.contains("--start 180 --factor 1.2"),
            "{arguments}"
        );
        let first = rooms.arguments(Depth::Full, &baton(), None).join(" ");
        assert!(!first.contains("--start"), "{first}");
    }

    #[test]
    fn only_who_stores_is_started_again() {
        let disk = Load::named("disk").unwrap();
        let memory = Contestant {
            keeps: Keeps::Memory,
            ..baton()
        };
        assert!(disk.is_for(&baton()) && !disk.is_for(&memory));
        let arguments = disk.arguments(Depth::Quick, &baton(), None).join(" ");
        assert!(arguments.ends_with("--from-disk 0"), "{arguments}");
    }
}
