//! Which nodes live: leases that each node renews, on a clock that stands still in an outage.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use baton_presence::Time;

use super::isolation::ISOLATED_AFTER;
use super::record_id::BootId;

/// Times of the leases. All nodes of a cluster have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseOptions {
    /// Time for which a renewal holds; at least 15 s, so that an election lapses no lease.
    pub ttl: Duration,
    /// Time between two renewals.
    pub renewal: Duration,
    /// Time after the end of a lease before its node counts as lost.
    pub grace: Duration,
}

impl Default for LeaseOptions {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(15),
            renewal: Duration::from_secs(3),
            grace: Duration::from_secs(5),
        }
    }
}

/// An effect of the leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseOutput {
    /// The shell writes the own lease: the number under the key of this boot, if the key has this
    /// revision.
    Renew {
        /// Number of the renewal, the value of the key.
        number: u64,
        /// Revision that the key must have; `None` if it must not exist.
        expected: Option<u64>,
    },
    /// A node has come, or lives after all.
    Alive(BootId),
    /// A node's lease has lapsed. The shell appends a probe to each stream; its acknowledgement
    /// shows that this node can still append.
    Lapsed(BootId),
    /// A node is lost, for this stream: the shell calls `Room::host_lost` in its documents.
    Lost {
        /// The node.
        boot: BootId,
        /// The stream that has acknowledged since.
        stream: u16,
    },
    /// The shell deletes the key of a lost node if it still has this revision.
    Delete {
        /// The node.
        boot: BootId,
        /// Revision that the key must have.
        revision: u64,
    },
}

/// The life of a node, as this one knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeLife {
    /// Its lease is held, or it is not yet known if it has one.
    Presumed,
    /// It is lost in this stream.
    Lost,
}

/// The own lease, and what this node sees of the others'.
///
/// Both come by one watch of the bucket of leases, in the order of its revisions. The age of a
/// lease is measured on a clock that runs only from one own renewal to the next, as the watch shows
/// them, and never over a pause that is longer than two intervals. So an outage of the engine, or
/// of this node's connection to it, ages no lease: neither the first outage nor a second one.
///
/// A watch that begins again shows the newest change of each key only: a renewal from before the
/// own one may have given way to a later one, which comes behind it. The revisions have a gap then.
/// So only an own renewal that was sent after the last gap was seen decides that others lapse.
#[derive(Debug)]
pub struct NodeLeases {
    own: BootId,
    options: LeaseOptions,
    streams: u16,
    last_number: u64,
    /// Revision of the own key, if it is there.
    revision: Option<u64>,
    /// Revision of the own key's last removal.
    removed_at: u64,
    /// Highest revision that the watch has shown, and the time at which one was left out before.
    shown: u64,
    gap_seen: Time,
    /// Times at which renewals were sent that the watch has not shown.
    sent: VecDeque<(u64, Time)>,
    /// Time at which the newest renewal that the watch has shown was sent.
    confirmed: Option<Time>,
    /// Time that has passed from renewal to renewal.
    clock: Duration,
    /// Reading of the clock at which the engine answered again last; `None` while it does not.
    serves_since: Option<Duration>,
    due: Time,
    peers: BTreeMap<BootId, Peer>,
    outputs: VecDeque<LeaseOutput>,
}

#[derive(Debug)]
struct Peer {
    /// Revision of its key, 0 if it was never seen.
    revision: u64,
    state: PeerState,
}

#[derive(Debug)]
enum PeerState {
    /// Renewed at this reading of the clock.
    Renewed(Duration),
    /// Asked for at this time, and never seen.
    Inquired(Time),
    /// Without a lease.
    Lapsed {
        since: Time,
        /// Streams that have acknowledged nothing since.
        streams: BTreeSet<u16>,
        /// Reading of the clock at the last renewal that was seen; 0 if none was.
        renewed: Duration,
    },
}

/// Most renewals that are remembered without having been shown.
const MAX_SENT: usize = 64;

impl NodeLeases {
    /// Makes the leases as a node with this boot sees them, in a cluster of so many streams.
    #[must_use]
    pub fn new(own: BootId, streams: u16, options: LeaseOptions, now: Time) -> Self {
        let mut leases = Self {
            own,
            options,
            streams,
            last_number: 0,
            revision: None,
            removed_at: 0,
            shown: 0,
            gap_seen: now,
            sent: VecDeque::new(),
            confirmed: None,
            clock: Duration::ZERO,
            serves_since: Some(Duration::ZERO),
            due: now,
            peers: BTreeMap::new(),
            outputs: VecDeque::new(),
        };
        leases.handle_timeout(now);
        leases
    }

    /// Returns the end of the own lease: no other node counts this one as lost before. `None` if it
    /// has none yet.
    #[must_use]
    pub fn valid_until(&self) -> Option<Time> {
        self.confirmed.map(|sent| sent + self.options.ttl)
    }

    /// Returns the nodes that live, this one included, in order.
    #[must_use]
    pub fn alive(&self) -> Vec<BootId> {
        let renewed = |(boot, peer): (&BootId, &Peer)| {
            matches!(peer.state, PeerState::Renewed(_)).then_some(*boot)
        };
        let mut alive: Vec<_> = self.peers.iter().filter_map(renewed).collect();
        alive.push(self.own);
        alive.sort_unstable();
        alive
    }

    /// Returns the life of a node that a document of this stream names. One of which nothing is
    /// known is presumed to live until the own next renewal is seen, and is then lost: a node has
    /// a lease before it writes anything.
    pub fn life(&mut self, boot: BootId, stream: u16, now: Time) -> NodeLife {
        if boot == self.own {
            return NodeLife::Presumed;
        }
        let peer = self.peers.entry(boot).or_insert(Peer {
            revision: 0,
            state: PeerState::Inquired(now),
        });
        match &peer.state {
            PeerState::Lapsed { streams, .. } if !streams.contains(&stream) => NodeLife::Lost,
            _ => NodeLife::Presumed,
        }
    }

    /// Takes note that this node is isolated in a stream, or in none any more.
    pub fn set_isolated(&mut self, isolated: bool, now: Time) {
        self.serves_since = (!isolated).then(|| self.reading(now));
    }

    /// Returns the time on the clock of leases for which this node has served clients since another
    /// node can have done so: since that must have seen that the engine does not answer it, and
    /// without interruption. Zero of a node that lives, and while this one is isolated.
    ///
    /// For so long, clients of the other one could go on here.
    #[must_use]
    pub fn served_without(&self, boot: BootId) -> Duration {
        let renewed = match self.peers.get(&boot).map(|peer| &peer.state) {
            Some(PeerState::Renewed(reading)) => *reading,
            Some(PeerState::Lapsed { renewed, .. }) => *renewed,
            // It renewed for the last time before this node looked for the first time.
            Some(PeerState::Inquired(_)) | None => Duration::ZERO,
        };
        let cut_off = renewed + self.options.renewal + ISOLATED_AFTER;
        let since = self.serves_since.map(|since| since.max(cut_off));
        since.map_or(Duration::ZERO, |since| self.clock.saturating_sub(since))
    }

    /// Takes note that the watch shows a key: the boot in its name, the number in its value.
    pub fn seen(&mut self, boot: BootId, number: u64, revision: u64, now: Time) {
        self.shows(revision, now);
        if boot == self.own {
            self.seen_own(number, revision, now);
            return;
        }
        let state = PeerState::Renewed(self.reading(now));
        let before = self.peers.insert(boot, Peer { revision, state });
        if !matches!(before.map(|peer| peer.state), Some(PeerState::Renewed(_))) {
            self.outputs.push_back(LeaseOutput::Alive(boot));
        }
    }

    /// Takes note that the watch shows that a key was deleted: its node has said goodbye, or
    /// another node has found it lost.
    pub fn removed(&mut self, boot: BootId, revision: u64, now: Time) {
        self.shows(revision, now);
        if boot == self.own {
            // This node lives: it writes its lease again, as a new key.
            self.revision = None;
            self.removed_at = revision;
            self.due = now;
        } else if let Some(peer) = self.peers.get_mut(&boot)
            && !matches!(peer.state, PeerState::Lapsed { .. })
        {
            peer.revision = 0;
            self.lapse(boot, now);
        }
    }

    /// Takes the revision under which the own key is stored, as the answer to a renewal or a read
    /// says. The next renewal replaces that: the watch may not have begun again after an outage.
    pub fn stored(&mut self, revision: u64) {
        // An answer may come behind the removal of what it stored.
        if revision > self.removed_at {
            self.revision = self.revision.max(Some(revision));
        }
    }

    /// Takes an acknowledgement of a stream's writer for something first sent at this time.
    pub fn acknowledged(&mut self, stream: u16, first_sent: Time) {
        for (boot, peer) in &mut self.peers {
            if let PeerState::Lapsed { since, streams, .. } = &mut peer.state
                && *since <= first_sent
                && streams.remove(&stream)
            {
                let boot = *boot;
                self.outputs.push_back(LeaseOutput::Lost { boot, stream });
                if streams.is_empty() && peer.revision > 0 {
                    let revision = peer.revision;
                    self.outputs
                        .push_back(LeaseOutput::Delete { boot, revision });
                }
            }
        }
    }

    /// Returns the time at which [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        self.due
    }

    /// Renews the own lease if it is time. The watch shows the renewal, and answers tell what the
    /// next one replaces.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.due > now {
            return;
        }
        self.due = now + self.options.renewal;
        self.last_number += 1;
        self.sent.push_back((self.last_number, now));
        if self.sent.len() > MAX_SENT {
            self.sent.pop_front();
        }
        self.outputs.push_back(LeaseOutput::Renew {
            number: self.last_number,
            expected: self.revision,
        });
    }

    /// Returns the next effect.
    pub fn next_output(&mut self) -> Option<LeaseOutput> {
        self.outputs.pop_front()
    }

    /// Returns the reading of the clock at this time, as late as it may be: since the last renewal
    /// that was shown.
    fn reading(&self, now: Time) -> Duration {
        let since = self
            .confirmed
            .map_or(Duration::ZERO, |sent| now.since(sent));
        self.clock + since.min(self.longest_step())
    }

    fn shows(&mut self, revision: u64, now: Time) {
        if revision > self.shown + 1 {
            self.gap_seen = now;
        }
        self.shown = self.shown.max(revision);
    }

    /// Longest step from one own renewal to the next that counts as time.
    fn longest_step(&self) -> Duration {
        2 * self.options.renewal
    }

    fn seen_own(&mut self, number: u64, revision: u64, now: Time) {
        self.stored(revision);
        let mut sent = None;
        while let Some((sent_number, at)) = self.sent.front().copied() {
            if sent_number > number {
                break;
            }
            self.sent.pop_front();
            sent = (sent_number == number).then_some(at);
        }
        let Some(sent) = sent else {
            return;
        };
        let step = self.confirmed.map(|before| sent.since(before));
        self.confirmed = Some(sent);
        if let Some(step) = step.filter(|step| *step <= self.longest_step()) {
            self.clock += step;
        }
        if sent < self.gap_seen {
            return;
        }
        let most = self.options.ttl + self.options.grace;
        let clock = self.clock;
        let lapsed = |(boot, peer): (&BootId, &Peer)| {
            let lapsed = match peer.state {
                PeerState::Renewed(reading) => clock.saturating_sub(reading) >= most,
                // Its lease would have an earlier revision than this renewal.
                PeerState::Inquired(since) => since <= sent,
                PeerState::Lapsed { .. } => false,
            };
            lapsed.then_some(*boot)
        };
        let lapsed: Vec<_> = self.peers.iter().filter_map(lapsed).collect();
        for boot in lapsed {
            self.lapse(boot, now);
        }
    }

    fn lapse(&mut self, boot: BootId, now: Time) {
        if let Some(peer) = self.peers.get_mut(&boot) {
            let renewed = match peer.state {
                PeerState::Renewed(reading) => reading,
                PeerState::Lapsed { renewed, .. } => renewed,
                PeerState::Inquired(_) => Duration::ZERO,
            };
            peer.state = PeerState::Lapsed {
                since: now,
                streams: (0..self.streams).collect(),
                renewed,
            };
            self.outputs.push_back(LeaseOutput::Lapsed(boot));
        }
    }
}

#[cfg(test)]
mod tests;
