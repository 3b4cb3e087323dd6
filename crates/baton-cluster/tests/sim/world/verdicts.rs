//! What the oracles say to what nodes do.

use super::*;

impl World {
    pub(super) fn observe(&mut self, node: usize, observation: Observation) {
        match observation {
            Observation::Opened { key, values } => {
                self.count("openings");
                let stream = self.stream_of(&key);
                let index = usize::from(stream);
                if self.is_deceived(node, stream) {
                    return;
                }
                let history = self.histories[index].values(&key);
                if history.get(..values.len()) != Some(&values[..]) {
                    let text = differences(history, &values);
                    self.fail(format!("node {node} opened {key} with {text}"));
                }
                self.current.insert((node, key));
            }
            Observation::Applied {
                key,
                index,
                value,
                own,
            } => {
                self.count("applied");
                self.note(|| format!("node {node} applies {value} to {key}, own {own}"));
                if own {
                    self.saved.insert(value, key.clone());
                }
                if !self.proposed.contains_key(&value) {
                    self.fail(format!("{value} was never proposed"));
                }
                let stream = self.stream_of(&key);
                let history = self.histories[usize::from(stream)].values(&key);
                let right = history.get(index) == Some(&value);
                if self.current.contains(&(node, key.clone())) && !right {
                    let text = format!("value {index} of {key} at node {node} is {value}");
                    self.fail(format!("{text}, not {:?}", history.get(index)));
                }
            }
            Observation::Lapsed(boot, sent) => {
                let (now, own) = (self.now, self.places[node].boot);
                self.note(|| format!("{own} finds {boot} lapsed"));
                self.lives.entry(own).or_default().lapsed.insert(boot, now);
                self.check_lapsed(node, boot, sent);
            }
            Observation::Lost { boot, stream } => self.check_lost(node, boot, stream),
            Observation::KnowsTheEnd(stream) => {
                self.deceived.remove(&(node, stream));
            }
            Observation::Note(text) => self.note(|| text),
            Observation::Bad(text) => self.fail(format!("node {node}: {text}")),
        }
    }

    /// Returns true if a node has delivered messages that the stream has lost, and does not know it.
    /// A late write may have brought them again, to their places.
    fn is_deceived(&self, node: usize, stream: u16) -> bool {
        let seen = self.deceived.get(&(node, stream));
        let messages = &self.streams[usize::from(stream)];
        seen.is_some_and(|seen| seen.iter().any(|message| !messages.has(message)))
    }

    fn check_lost(&mut self, node: usize, lost: BootId, stream: u16) {
        self.count("nodes called lost");
        let own = self.places[node].boot;
        self.note(|| format!("{own} calls {lost} lost in {stream}"));
        let observer = &self.lives[&own];
        let lapsed = observer.lapsed.get(&lost).copied();
        let stored = observer.stored.get(&stream).copied();
        if lapsed.is_none() || stored.is_none() || stored < lapsed {
            let text = "without an acknowledgement since";
            self.fail(format!("{own} calls {lost} lost in {stream} {text}"));
        }
    }

    fn check_lapsed(&mut self, node: usize, lapsed: BootId, last: Time) {
        let own = self.places[node].boot;
        let own_renewals = &self.lives[&own].renewals;
        // A renewal after the own one that decides may not be shown yet.
        let mut renewals = self.lives[&lapsed].renewals.iter().rev();
        let renewed = renewals.find(|time| **time < last).copied();
        let renewed = renewed.unwrap_or_default();
        let since = own_renewals.iter().filter(|time| **time > renewed).count();
        let deleted = self.lives[&lapsed].deleted;
        let is_deleted = deleted.is_some_and(|at| at > renewed);
        let ago = last.since(renewed);
        if !is_deleted && (ago < LEAST_LAPSE || since < 4) {
            let text = format!("{ago:?} after a renewal, with {since} own renewals since");
            self.fail(format!("{own} finds {lapsed} lapsed {text}"));
        }
    }

    pub(super) fn check_end(&mut self, all_opened: bool) {
        if self.violation.is_some() {
            return;
        }
        let mut wrong = Vec::new();
        let mut inquiries = Vec::new();
        for (index, place) in self.places.iter().enumerate() {
            let Some(node) = &place.node else { continue };
            if node.is_isolated() || node.pending() > 0 {
                let node = node.waiting();
                wrong.push(format!("node {index} still waits for the engine: {node}"));
            }
            for (stream, messages) in (0..).zip(&self.streams) {
                let (has, newest) = (node.incarnations(stream), messages.incarnations());
                if has != newest.bases() {
                    wrong.push(format!(
                        "node {index} has incarnations {has:?} of {newest:?}"
                    ));
                }
                if self.is_deceived(index, stream) {
                    wrong.push(format!("node {index} does not know of a lost end"));
                }
            }
            for (_, key, stream) in &self.names {
                let history = self.histories[usize::from(*stream)].values(key);
                match node.values(key) {
                    Some(values) if values != history => {
                        let text = differences(history, values);
                        wrong.push(format!("node {index} has {key} with {text}"));
                    }
                    None if all_opened || node.documents.contains_key(key) => {
                        wrong.push(format!("{key} does not open at node {index}"));
                    }
                    _ => {}
                }
            }
            inquiries.push(index);
        }
        for (value, key) in &self.saved {
            let stored = self
                .histories
                .iter()
                .any(|all| all.values(key).contains(value));
            if !stored {
                wrong.push(format!("{value} was called saved, and is lost"));
            }
        }
        let alive: BTreeSet<_> = self.places.iter().map(|place| place.boot).collect();
        for (value, boot) in &self.proposed {
            let stored =
                |all: &Histories| all.documents.values().any(|history| history.has(*value));
            // A lost end takes what was acknowledged and not delivered: it was not called saved.
            if alive.contains(boot) && !self.loses_tails && !self.histories.iter().any(stored) {
                wrong.push(format!("{value} was taken from {boot}, and is nowhere"));
            }
        }
        wrong.extend(self.check_lives(&inquiries, &alive));
        if let Some(text) = wrong.into_iter().next() {
            self.fail(format!("at the end, {text}"));
        }
    }

    fn check_lives(&mut self, nodes: &[usize], alive: &BTreeSet<BootId>) -> Vec<String> {
        let now = self.now;
        let mut wrong = Vec::new();
        let boots: Vec<_> = self
            .lives
            .iter()
            .map(|(boot, life)| (*boot, life.died))
            .collect();
        for index in nodes {
            let place = &mut self.places[*index];
            let Some(node) = &mut place.node else {
                continue;
            };
            for (boot, died) in &boots {
                let life = node.leases.life(*boot, 0, now);
                let lost = life == NodeLife::Lost;
                let long_dead = died.is_some_and(|died| now.since(died) > Duration::from_secs(60));
                // A node that has come later was never shown it, and asks only now.
                let known = self
                    .lives
                    .get(&place.boot)
                    .is_some_and(|own| own.lapsed.contains_key(boot));
                if alive.contains(boot) && lost {
                    wrong.push(format!("node {index} calls {boot} lost, which lives"));
                }
                if long_dead && known && !lost {
                    wrong.push(format!("node {index} forgets that {boot} is lost"));
                }
                let was_here = self.bucket.contains(*boot);
                if long_dead && was_here {
                    wrong.push(format!("{boot} is dead, and keeps its lease"));
                }
            }
        }
        wrong
    }
}

fn differences(right: &[u64], values: &[u64]) -> String {
    let at = right
        .iter()
        .zip(values)
        .position(|(right, value)| right != value);
    let at = at.unwrap_or(right.len().min(values.len()));
    format!(
        "{} values instead of {}; number {at} is {:?} instead of {:?}",
        values.len(),
        right.len(),
        values.get(at),
        right.get(at)
    )
}
