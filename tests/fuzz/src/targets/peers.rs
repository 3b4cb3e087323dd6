//! Peers that are real yrs documents and edit at once, as the bytes say. What they send must be taken by a server that
//! hears it in any order and often, and all must then see the same; what is damaged on the way must harm nobody.

use arbitrary::{Result, Unstructured};
use baton_sync::yrs::types::ToJson;
use baton_sync::yrs::updates::decoder::Decode;
use baton_sync::yrs::{
    self, Any, Array, ArrayPrelim, Doc, GetString, Map, MapPrelim, OffsetKind, Options, Out,
    ReadTxn, StateVector as TheirVector, Text, Transact, TransactionMut, WriteTxn,
};
use baton_sync::{ApplyError, ApplyOutcome, ClientId, Document, Judgement, StateVector, scan};

use super::document::{document, same_as_yrs};

struct Peer {
    doc: Doc,
    /// Updates that it has sent and the others have not heard.
    sent: Vec<Vec<u8>>,
}

pub(crate) fn peers(input: &[u8]) {
    let _ = play(&mut Unstructured::new(input));
}

fn play(u: &mut Unstructured<'_>) -> Result<()> {
    let ids: [u64; 3] = [1, 0x1_0000_0000, (1 << 53) - 100];
    let mut peers: Vec<Peer> = ids.into_iter().map(Peer::new).collect();
    let mut server = document();
    let mut harmed = document();
    for _ in 0..u.int_in_range(1..=40)? {
        let at = u.choose_index(peers.len())?;
        match u.int_in_range(0..=9)? {
            0..=5 => peers[at].edit(u)?,
            // Everything that waits goes to the server, the oldest first or the newest.
            6 => {
                let mut waiting = std::mem::take(&mut peers[at].sent);
                if u.arbitrary()? {
                    waiting.reverse();
                }
                for update in &waiting {
                    hear(&mut server, update);
                    damage(u, &mut harmed, update)?;
                }
                // What had a gap comes with the answer to a Step1.
                let lacking = peers[at].lacking(&server);
                hear(&mut server, &lacking);
            }
            _ => {
                let news = server.diff(&peers[at].vector()).unwrap();
                peers[at].take(&news);
            }
        }
    }
    for peer in &mut peers {
        let lacking = peer.lacking(&server);
        let outcome = server.apply(&lacking);
        assert!(outcome.is_ok(), "{outcome:?}: {lacking:?}");
    }
    let all = server.snapshot().unwrap();
    same_as_yrs(&server);
    for peer in &mut peers {
        peer.take(&all);
    }
    let seen = peers[0].contents();
    assert!(peers.iter().all(|peer| peer.contents() == seen));
    let newcomer = Peer::new(77);
    newcomer.take(&all);
    assert_eq!(newcomer.contents(), seen);
    same_as_yrs(&harmed);
    Ok(())
}

/// A genuine update may come too early, and is never refused.
fn hear(server: &mut Document, update: &[u8]) {
    match server.apply(update) {
        Ok(_) | Err(ApplyError::NotAdmitted(Judgement::Gap { .. } | Judgement::Astride { .. })) => {
        }
        Err(error) => panic!("{error}: {update:?}"),
    }
}

/// One that was damaged on its way is taken or refused.
fn damage(u: &mut Unstructured<'_>, harmed: &mut Document, update: &[u8]) -> Result<()> {
    let mut update = update.to_vec();
    if u.ratio(1, 3)? {
        let at = u.choose_index(update.len())?;
        match u.int_in_range(0..=3)? {
            0 => update[at] = u.arbitrary()?,
            1 => update.insert(at, u.arbitrary()?),
            2 => update.truncate(at),
            _ => drop(update.remove(at)),
        }
    }
    match harmed.apply(&update) {
        Ok(ApplyOutcome::Added) => same_as_yrs(harmed),
        Ok(ApplyOutcome::Known) | Err(ApplyError::Unsound(_)) => {}
        Err(ApplyError::NotAdmitted(_)) => {
            let part = harmed.state().closed_part(&scan(&update).unwrap());
            if let Some(part) = part {
                assert_eq!(harmed.apply(&part), Ok(ApplyOutcome::Added), "{update:?}");
            }
        }
        Err(error) => panic!("{error}: {update:?}"),
    }
    harmed.snapshot().unwrap();
    Ok(())
}

impl Peer {
    fn new(id: u64) -> Self {
        let options = Options {
            offset_kind: OffsetKind::Utf16,
            cleanup_formatting: false,
            ..Options::with_guid_and_client_id("peer".into(), yrs::ClientID::new(id))
        };
        Self {
            doc: Doc::with_options(options),
            sent: Vec::new(),
        }
    }

    fn vector(&self) -> StateVector {
        let theirs = self.doc.transact().state_vector();
        let clocks = theirs.iter();
        let ours = clocks.map(|(client, clock)| (ClientId::new(client.get()).unwrap(), *clock));
        ours.collect()
    }

    /// What it would answer to the server's Step1.
    fn lacking(&self, server: &Document) -> Vec<u8> {
        let known = server.state().clocks();
        let known: TheirVector = known
            .map(|(client, clock)| (yrs::ClientID::new(client.get()), clock))
            .collect();
        self.doc.transact().encode_diff_v1(&known)
    }

    fn take(&self, update: &[u8]) {
        let update = yrs::Update::decode_v1(update).unwrap();
        self.doc.transact_mut().apply_update(update).unwrap();
    }

    fn edit(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let mut txn = self.doc.transact_mut();
        for _ in 0..u.int_in_range(1..=3)? {
            edit(&mut txn, u)?;
        }
        self.sent.push(txn.encode_update_v1());
        Ok(())
    }

    fn contents(&self) -> String {
        let text = self.doc.get_or_insert_text("text");
        let map = self.doc.get_or_insert_map("map");
        let array = self.doc.get_or_insert_array("array");
        let txn = self.doc.transact();
        let json = |any: Any| {
            let mut json = String::new();
            any.to_json(&mut json);
            let sorted: serde_json::Value = serde_json::from_str(&json).unwrap();
            sorted.to_string()
        };
        format!(
            "{} {} {}",
            text.get_string(&txn),
            json(map.to_json(&txn)),
            json(array.to_json(&txn))
        )
    }
}

fn edit(txn: &mut TransactionMut<'_>, u: &mut Unstructured<'_>) -> Result<()> {
    match u.int_in_range(0..=9)? {
        0..=3 => {
            let text = txn.get_or_insert_text("text");
            // No cut goes through a surrogate pair: each side would put its own character for the halves.
            let len = text.len(txn);
            let at = u.int_in_range(0..=len)?;
            text.insert(txn, at, u.choose(&["a", "hello", "ö", "日本"])?);
        }
        4 | 5 => {
            let text = txn.get_or_insert_text("text");
            let len = text.len(txn);
            let at = u.int_in_range(0..=len)?;
            let span = u.int_in_range(0..=(len - at).min(6))?;
            if u.arbitrary()? {
                text.remove_range(txn, at, span);
            } else {
                let bold = [("b".into(), Any::Bool(u.arbitrary()?))];
                text.format(txn, at, span, bold.into_iter().collect());
            }
        }
        6 | 7 => {
            let map = txn.get_or_insert_map("map");
            let key = *u.choose(&["k", "l", ""])?;
            match (u.int_in_range(0..=4)?, map.get(txn, key)) {
                (0, _) => drop(map.remove(txn, key)),
                (1, _) => drop(map.insert(txn, key, MapPrelim::from([("in", 1)]))),
                (_, Some(Out::YMap(inner))) => {
                    inner.insert(txn, key, u.arbitrary::<u32>()?);
                }
                _ => drop(map.insert(txn, key, u.arbitrary::<u32>()?)),
            }
        }
        _ => {
            let array = txn.get_or_insert_array("array");
            let len = array.len(txn);
            let at = u.int_in_range(0..=len)?;
            match u.int_in_range(0..=3)? {
                0 if at < len => {
                    let span = u.int_in_range(1..=(len - at).min(3))?;
                    array.remove_range(txn, at, span);
                }
                1 => drop(array.insert(txn, at, ArrayPrelim::from([1, 2]))),
                2 => array.insert_range(txn, at, [1, 2, 3]),
                _ => drop(array.insert(txn, at, u.arbitrary::<bool>()?)),
            }
        }
    }
    Ok(())
}
