//! What was measured: every value of every repetition, medians, and ratios to the forwarder. Owns the file with all of
//! it, which the next run reads: a run of one load replaces the numbers of that load and keeps the others.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Depth;
use super::contestants::Contestant;
use super::loads::{LOADS, Load, Metric};
use crate::trouble::{Done, Trouble};

/// What every ratio is to.
const BASELINE: &str = "forwarder";

/// The file of results.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Results {
    /// Seconds since 1970, at the end of the last run.
    #[serde(default)]
    measured: u64,
    /// Of the machine.
    #[serde(default)]
    processors: usize,
    #[serde(default)]
    quick: bool,
    /// In the order in which they are shown.
    servers: Vec<Server>,
    /// By metric and server: the values, in the order of the repetitions.
    values: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
    /// The medians of those, and of the ratios to the forwarder of the same repetition; for who reads the file.
    #[serde(default)]
    medians: BTreeMap<String, BTreeMap<String, Median>>,
    /// How far the climbs of this run went.
    #[serde(skip)]
    reached: BTreeMap<(&'static str, &'static str), f64>,
    /// Metrics that this run has begun to replace, by server.
    #[serde(skip)]
    begun: Vec<(&'static str, &'static str)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) label: String,
}

/// A median, and what it is to the forwarder.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Median {
    pub(super) value: f64,
    pub(super) ratio: Option<f64>,
}

impl Results {
    /// What the file holds, or nothing; with the servers of this run.
    pub(super) fn begin(file: &Path, contestants: &[Contestant]) -> Self {
        let mut results: Self = fs::read(file)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        for contestant in contestants {
            let server = Server {
                name: contestant.name.to_owned(),
                label: contestant.label.to_owned(),
            };
            match results
                .servers
                .iter_mut()
                .find(|one| one.name == server.name)
            {
                Some(known) => *known = server,
                None => results.servers.push(server),
            }
        }
        results
    }

    /// Adds what the generator said in one repetition.
    pub(super) fn note(&mut self, load: &'static Load, contestant: &Contestant, seen: &Value) {
        if let Some(reached) = load.reached(seen) {
            self.reached.insert((load.name, contestant.name), reached);
        }
        for metric in load.metrics {
            let Some(value) = metric.read(seen) else {
                println!("         no `{}` in what the generator said", metric.key);
                continue;
            };
            println!(
                "         {}: {} {}",
                metric.title,
                shown(value),
                metric.unit
            );
            let of = self.values.entry(metric.key.to_owned()).or_default();
            let values = of.entry(contestant.name.to_owned()).or_default();
            if !self.begun.contains(&(metric.key, contestant.name)) {
                self.begun.push((metric.key, contestant.name));
                values.clear();
            }
            values.push(value);
        }
    }

    /// How far this server's climb went in the repetition before.
    pub(super) fn last(&self, load: &Load, contestant: &Contestant) -> Option<f64> {
        self.reached.get(&(load.name, contestant.name)).copied()
    }

    /// The servers, in the order in which they are shown.
    pub(super) fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The metrics that somebody has a value of, in the order of the loads.
    pub(super) fn metrics(&self) -> impl Iterator<Item = &'static Metric> + '_ {
        let all = LOADS.iter().flat_map(|load| load.metrics);
        all.filter(|metric| self.values.contains_key(metric.key))
    }

    /// The median of a metric of a server.
    pub(super) fn median(&self, metric: &str, server: &str) -> Option<Median> {
        let of = self.values.get(metric)?;
        let values = of.get(server)?;
        let ratios: Vec<f64> = of
            .get(BASELINE)
            .map(|base| values.iter().zip(base).map(|(a, b)| a / b).collect())
            .unwrap_or_default();
        Some(Median {
            value: median(values)?,
            ratio: median(&ratios).filter(|ratio| ratio.is_finite()),
        })
    }

    /// Writes the file.
    pub(super) fn write(&mut self, file: &Path, depth: Depth) -> Done {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.measured = now.map_or(0, |now| now.as_secs());
        self.processors = std::thread::available_parallelism().map_or(0, usize::from);
        self.quick = depth == Depth::Quick;
        self.medians = self.all_medians();
        let failed = |error: String| Trouble::failed(format!("{}: {error}", file.display()));
        let mut text = serde_json::to_string_pretty(self).map_err(|e| failed(e.to_string()))?;
        text.push('\n');
        fs::write(file, text).map_err(|e| failed(e.to_string()))
    }

    fn all_medians(&self) -> BTreeMap<String, BTreeMap<String, Median>> {
        let of = |key: &str| {
            let servers = self.servers.iter();
            servers
                .filter_map(|server| Some((server.name.clone(), self.median(key, &server.name)?)))
                .collect()
        };
        self.values
            .keys()
            .map(|key| (key.clone(), of(key)))
            .collect()
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        return sorted.get(middle).copied();
    }
    Some(
        sorted
            .get(middle.checked_sub(1)?)?
            .midpoint(*sorted.get(middle)?),
    )
}

/// A number as people write it: three digits that count, thousands and millions by letter.
pub(super) fn shown(value: f64) -> String {
    let size = value.abs();
    let (value, letter) = match size {
        _ if size >= 999_500.0 => (value / 1e6, "M"),
        _ if size >= 9_995.0 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$}{letter}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::contestants::Keeps;
    use super::*;

    pub(crate) fn contestant(name: &'static str) -> Contestant {
        Contestant {
            name,
            label: name,
            wire: "y-websocket",
            base: "/ws",
            command: String::new(),
            keeps: Keeps::Memory,
        }
    }

    #[test]
    fn ratios_are_to_the_forwarder_of_the_same_repetition_and_a_new_run_replaces_its_load() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("servers.json");
        let (forwarder, baton) = (contestant("forwarder"), contestant("baton"));
        let both = [forwarder.clone(), baton.clone()];
        let storm = Load::named("storm").unwrap();
        let seconds = |seconds: f64| json!({ "seen": { "seconds": seconds } });
        let mut results = Results::begin(&file, &both);
        for (of_forwarder, of_baton) in [(1.0, 1.1), (2.0, 2.4), (4.0, 4.0)] {
            results.note(storm, &forwarder, &seconds(of_forwarder));
            results.note(storm, &baton, &seconds(of_baton));
        }
        let median = results.median("storm", "baton").unwrap();
        assert!((median.value - 2.4).abs() < 1e-9);
        assert!((median.ratio.unwrap() - 1.1).abs() < 1e-9);
        results.write(&file, Depth::Quick).unwrap();

        let mut next = Results::begin(&file, &both);
        assert_eq!(next.median("storm", "baton").unwrap().value, 2.4, "kept");
        next.note(storm, &baton, &seconds(9.0));
        assert_eq!(
            next.median("storm", "baton").unwrap().value,
            9.0,
            "replaced"
        );
        assert_eq!(next.median("storm", "nobody"), None);
    }

    #[test]
    fn numbers_are_short() {
        let pairs = [
            (3_612_345.0, "3.61M"),
            (384_000.0, "384k"),
            (9_679.0, "9679"),
            (12.34, "12.3"),
            (4.9, "4.90"),
            (0.108, "0.11"),
        ];
        for (value, text) in pairs {
            assert_eq!(shown(value), text);
        }
    }
}
