//! Stories of peers that exchange a document over lines, without a server.

use std::collections::{BTreeMap, VecDeque};

use baton_sync::yrs::{GetString, ReadTxn, Text, Transaction, WriteTxn};
use baton_sync::{
    ClientId, Document, DocumentOptions, LineId, SyncPeer, SyncPeerError, SyncPeerOutput,
    y_websocket,
};
use bytes::Bytes;

/// Peers with numbers from 0, and the lines between them.
#[derive(Default)]
struct Net {
    peers: Vec<SyncPeer>,
    /// The other end of each peer's line.
    ends: BTreeMap<(usize, LineId), (usize, LineId)>,
    under_way: VecDeque<(usize, LineId, Bytes)>,
    synced: Vec<usize>,
    awareness: Vec<(usize, Bytes)>,
    changed: usize,
}

impl Net {
    fn new(count: u32) -> Self {
        let peer = |number| {
            let client = ClientId::from(number + 1);
            SyncPeer::new(Document::new(&DocumentOptions::new(client)))
        };
        Self {
            peers: (0..count).map(peer).collect(),
            ..Self::default()
        }
    }

    fn join(&mut self, one: usize, other: usize) {
        let line = self.peers[one].open_line();
        let back = self.peers[other].open_line();
        self.ends.insert((one, line), (other, back));
        self.ends.insert((other, back), (one, line));
    }

    fn types(&mut self, peer: usize, words: &str) {
        let typed = self.peers[peer].edit(|txn| txn.get_or_insert_text("note").push(txn, words));
        typed.expect("the document is whole");
    }

    fn collect(&mut self) {
        for (number, peer) in self.peers.iter_mut().enumerate() {
            while let Some(output) = peer.next_output() {
                match output {
                    SyncPeerOutput::Send { to, frame } => {
                        let (other, back) = self.ends[&(number, to)];
                        self.under_way.push_back((other, back, frame));
                    }
                    SyncPeerOutput::Synced(_) => self.synced.push(number),
                    SyncPeerOutput::Awareness { payload, .. } => {
                        self.awareness.push((number, payload));
                    }
                    SyncPeerOutput::Changed { .. } => self.changed += 1,
                    _ => {}
                }
            }
        }
    }

    fn run(&mut self) {
        self.collect();
        while let Some((to, line, frame)) = self.under_way.pop_front() {
            self.peers[to].receive(line, &frame).expect("a sound frame");
            self.collect();
        }
    }

    fn text(&self, peer: usize) -> String {
        let read = |txn: &Transaction<'_>| txn.get_text("note").map(|note| note.get_string(txn));
        let text = self.peers[peer].document().read(read);
        text.expect("the document is whole").unwrap_or_default()
    }
}

#[test]
fn peers_in_a_row_pass_everything_on_and_converge() {
    let mut net = Net::new(3);
    net.types(0, "before");
    net.join(0, 1);
    net.join(1, 2);
    net.run();
    assert_eq!(net.text(2), "before");
    assert_eq!(net.synced.len(), 4, "each end of each line");
    net.types(0, " one");
    net.types(2, " two");
    net.run();
    assert_eq!(net.text(0), net.text(1));
    assert_eq!(net.text(1), net.text(2));
    assert_eq!(net.text(0).len(), "before one two".len());
    let before = net.changed;
    net.run();
    assert_eq!(net.changed, before, "what is known is passed on no further");
}

#[test]
fn an_update_that_builds_on_a_lost_one_is_asked_for_with_that() {
    let mut net = Net::new(2);
    net.join(0, 1);
    net.run();
    net.types(0, "lost ");
    net.collect();
    net.under_way.clear();
    net.types(0, "found");
    net.run();
    assert_eq!(net.text(1), "lost found");
}

#[test]
fn unsound_frames_are_refused_and_change_nothing() {
    let mut net = Net::new(1);
    net.types(0, "whole");
    let line = net.peers[0].open_line();
    let refused = |peer: &mut SyncPeer, frame: &[u8]| peer.receive(line, frame).unwrap_err();
    let peer = &mut net.peers[0];
    assert!(matches!(refused(peer, &[0, 9]), SyncPeerError::Frame(_)));
    let vector = y_websocket::step1_bytes(&[5]);
    assert!(matches!(refused(peer, &vector), SyncPeerError::Question(_)));
    let update = y_websocket::update(&[1, 2, 3]);
    assert!(matches!(refused(peer, &update), SyncPeerError::Update(_)));
    let denied = y_websocket::auth_denied("no token");
    let error = refused(peer, &denied);
    assert_eq!(error, SyncPeerError::Denied("no token".to_owned()));
    assert_eq!(net.text(0), "whole");
    net.peers[0].close_line(line);
    let question = y_websocket::step1_bytes(&[0]);
    let closed = net.peers[0].receive(line, &question);
    assert_eq!(closed, Err(SyncPeerError::Closed));
}

#[test]
fn awareness_is_passed_on_to_the_others_and_not_back() {
    let mut net = Net::new(3);
    net.join(0, 1);
    net.join(1, 2);
    net.run();
    net.peers[0].send_awareness(&[1, 7, 1, 2, b'{', b'}']);
    net.run();
    let heard: Vec<_> = net.awareness.iter().map(|(peer, _)| *peer).collect();
    assert_eq!(heard, [1, 2]);
}
