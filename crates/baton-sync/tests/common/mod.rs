//! Genuine updates for the tests: peers that are real yrs documents, edit at random on a seed and
//! hear of one another late. Of the crate under test only the scanner is used.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

pub mod invented;

use std::collections::{BTreeMap, HashMap};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use baton_sync::lib0::{Reader, write_var_uint};
use baton_sync::scan::{Block, BlockKind, Content, Parent};
use baton_sync::yrs;
use baton_sync::{ClientId, Clock, DeleteSet, Id, IdRange, scan};
use baton_testkit::Random;
use yrs::types::ToJson;
use yrs::undo::{Options as UndoOptions, UndoManager};
use yrs::updates::decoder::Decode;
use yrs::{
    Any, Array, ArrayPrelim, ArrayRef, Doc, GetString, Map, MapPrelim, MapRef, OffsetKind, Options,
    Out, Text, TextPrelim, TextRef, Transact, TransactionMut, WriteTxn, Xml, XmlElementPrelim,
    XmlFragment, XmlFragmentRef, XmlOut, XmlTextPrelim,
};

/// Random numbers from a seed, and what may be invented with them.
pub struct Dice {
    random: Random,
    /// Cut texts also through the middle of a surrogate pair. Yjs and yrs then put a replacement
    /// character for each half where they have to cut, and peers that did not have to cut see
    /// something else: then contents cannot be compared.
    pub through_pairs: bool,
    /// Insert subdocuments, and collect no garbage: yrs 0.28.1 uses a subdocument's item after it
    /// freed it when a transaction deletes and collects it.
    pub subdocuments: bool,
    /// Invent content that yrs reads otherwise than Yjs.
    pub beyond_yrs: bool,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::from_seed(seed),
            through_pairs: false,
            subdocuments: false,
            beyond_yrs: false,
        }
    }

    /// Below `end`; the tests count in the clocks' integers.
    pub fn below(&mut self, end: u32) -> u32 {
        self.random.below(end)
    }

    pub fn word(&mut self, from: &[&'static str]) -> &'static str {
        self.random.pick::<&'static str>(from)
    }
}

impl Deref for Dice {
    type Target = Random;

    fn deref(&self) -> &Random {
        &self.random
    }
}

impl DerefMut for Dice {
    fn deref_mut(&mut self) -> &mut Random {
        &mut self.random
    }
}

/// What a session of several peers leaves behind.
pub struct Session {
    /// Every update as its peer sent it, in an order in which each comes after what it refers to.
    pub log: Vec<Vec<u8>>,
}

/// One writer.
struct Peer {
    doc: Doc,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
    undo: UndoManager<()>,
    /// How much of the log it has heard.
    heard: usize,
}

/// Runs `steps` random edits by `peers` peers.
pub fn session(dice: &mut Dice, peers: u32, steps: u32) -> Session {
    dice.subdocuments = dice.one_in(2);
    let mut peers: Vec<Peer> = (0..peers).map(|index| Peer::new(dice, index)).collect();
    let mut log: Vec<Vec<u8>> = Vec::new();
    for _ in 0..steps {
        let at = dice.below(peers.len() as u32) as usize;
        let peer = &mut peers[at];
        if dice.one_in(3) {
            peer.hear(&log);
        }
        peer.edit(dice);
        log.append(&mut peer.sent.lock().unwrap());
    }
    Session { log }
}

/// The whole state that these updates make, each of which fits what is before it: the blocks as
/// their authors sent them, and these deletions.
pub fn gathered<U: AsRef<[u8]>>(log: &[U], deletes: &DeleteSet) -> Vec<u8> {
    let mut clients: BTreeMap<ClientId, (Clock, u64, Vec<u8>)> = BTreeMap::new();
    for update in log {
        let update = scan(update.as_ref()).unwrap();
        for block in update.blocks() {
            let (clock, count, bytes) = clients.entry(block.client).or_default();
            if block.clock == *clock {
                *clock = block.end();
                *count += 1;
                bytes.extend_from_slice(&update.bytes()[block.span.clone()]);
            }
            assert!(
                block.end() <= *clock,
                "no hole, and no block that is known in part"
            );
        }
    }
    let mut out = Vec::new();
    write_var_uint(&mut out, clients.len() as u64);
    for (client, (_, count, bytes)) in clients.iter().rev() {
        for part in [*count, client.get(), 0] {
            write_var_uint(&mut out, part);
        }
        out.extend_from_slice(bytes);
    }
    let all: Vec<IdRange> = deletes.iter().collect();
    let clients: Vec<_> = all.chunk_by(|a, b| a.client == b.client).collect();
    write_var_uint(&mut out, clients.len() as u64);
    for ranges in clients {
        write_var_uint(&mut out, ranges[0].client.get());
        write_var_uint(&mut out, ranges.len() as u64);
        for range in ranges {
            write_var_uint(&mut out, u64::from(range.start));
            write_var_uint(&mut out, u64::from(range.end - range.start));
        }
    }
    out
}

/// One unit of an encoded state: its neighbours and parent, and its content.
#[derive(Debug, PartialEq)]
pub struct Unit {
    pub id: Id,
    pub place: (Option<Id>, Option<Id>, String),
    pub content: String,
}

/// All units of an encoded state, read without the crate's own cuts.
pub fn units(encoded: &[u8]) -> Vec<Unit> {
    let scan = scan(encoded).unwrap();
    let mut all = Vec::new();
    for block in scan.blocks() {
        let contents = contents_of(&block, &encoded[block.span.clone()]);
        assert_eq!(contents.len(), block.len as usize);
        for (clock, content) in (block.clock..).zip(contents) {
            let client = block.client;
            let place = match block.kind {
                BlockKind::Gc | BlockKind::Skip => (None, None, String::new()),
                BlockKind::Item(_) if clock == block.clock => {
                    let parent = format!("{:?} {:?}", block.parent, block.key);
                    (block.origin, block.right_origin, parent)
                }
                BlockKind::Item(_) => {
                    let origin = Some(Id {
                        client,
                        clock: clock - 1,
                    });
                    (
                        origin,
                        block.right_origin,
                        format!("{:?} None", Parent::Inherited),
                    )
                }
            };
            all.push(Unit {
                id: Id { client, clock },
                place,
                content,
            });
        }
    }
    all
}

fn contents_of(block: &Block<'_>, bytes: &[u8]) -> Vec<String> {
    let BlockKind::Item(kind) = block.kind else {
        return vec!["gone".to_owned(); block.len as usize];
    };
    let mut reader = Reader::new(bytes);
    reader.u8().unwrap();
    for _ in block.origin.iter().chain(&block.right_origin) {
        reader.var_uint().unwrap();
        reader.var_uint().unwrap();
    }
    match block.parent {
        Parent::Inherited => {}
        Parent::Root(_) => {
            reader.u8().unwrap();
            reader.var_string().unwrap();
        }
        Parent::Id(_) => {
            reader.u8().unwrap();
            reader.var_uint().unwrap();
            reader.var_uint().unwrap();
        }
    }
    block.key.map(|_| reader.var_string().unwrap());
    match kind {
        Content::Deleted => vec!["deleted".to_owned(); block.len as usize],
        Content::String => {
            let text = reader.var_string().unwrap();
            text.encode_utf16()
                .map(|unit| format!("{unit:x}"))
                .collect()
        }
        Content::Json => {
            let count = reader.var_uint().unwrap();
            let texts = (0..count).map(|_| reader.var_string().unwrap().to_owned());
            texts.collect()
        }
        Content::Any => {
            let count = reader.var_uint().unwrap();
            let mut cursor = yrs::encoding::read::Cursor::new(reader.rest());
            let values = (0..count).map(|_| {
                let start = cursor.next;
                Any::decode(&mut cursor).unwrap();
                format!("{:x?}", &cursor.buf[start..cursor.next])
            });
            values.collect()
        }
        _ => vec![format!("{kind:?} {:?}", reader.rest())],
    }
}

impl Session {
    /// What a bare yrs document shows that hears the log in order. (Not what a peer shows: after
    /// an undo in an XML attribute a yrs peer may see something else than all who hear of it.)
    pub fn outcome(&self) -> BTreeMap<String, String> {
        let doc = Doc::with_options(Options {
            offset_kind: OffsetKind::Utf16,
            ..Options::with_guid_and_client_id("bare".into(), yrs::ClientID::new(1))
        });
        for update in &self.log {
            let update = yrs::Update::decode_v1(update).unwrap();
            doc.transact_mut().apply_update(update).unwrap();
        }
        contents(&doc)
    }
}

/// All root types by name, as text.
pub fn contents(doc: &Doc) -> BTreeMap<String, String> {
    // A root type that came with an update has no type until somebody asks for it by one.
    let text = doc.get_or_insert_text("text");
    let map = doc.get_or_insert_map("map");
    let array = doc.get_or_insert_array("array");
    let xml = doc.get_or_insert_xml_fragment("xml");
    let txn = doc.transact();
    BTreeMap::from([
        (
            "text".to_owned(),
            rich(&text.diff(&txn, yrs::types::text::YChange::identity)),
        ),
        ("map".to_owned(), sorted(&map.to_json(&txn))),
        ("array".to_owned(), sorted(&array.to_json(&txn))),
        ("xml".to_owned(), xml.get_string(&txn)),
    ])
}

/// A value as text, with the keys of its maps in order, and numbers as JavaScript has them: yrs
/// writes a large whole number as a float and reads it back as one.
pub fn sorted(any: &Any) -> String {
    let mut json = String::new();
    any.to_json(&mut json);
    serde_json::from_str::<serde_json::Value>(&json)
        .unwrap()
        .to_string()
}

/// A rich text, character by character: where yrs has cut it is not of interest.
fn rich(chunks: &[yrs::types::text::Diff<yrs::types::text::YChange>]) -> String {
    let mut all = String::new();
    for chunk in chunks {
        let attributes = chunk
            .attributes
            .iter()
            .flat_map(|attributes| attributes.iter());
        let attributes: BTreeMap<_, _> = attributes
            .map(|(key, value)| (Arc::clone(key), sorted(value)))
            .collect();
        match &chunk.insert {
            Out::Any(Any::String(text)) => {
                text.chars()
                    .for_each(|c| all.push_str(&format!("{c}{attributes:?}")));
            }
            Out::Any(embed) => all.push_str(&format!("<{}>{attributes:?}", sorted(embed))),
            other => all.push_str(&format!("<{other:?}>{attributes:?}")),
        }
    }
    all
}

impl Peer {
    fn new(dice: &mut Dice, index: u32) -> Self {
        // Small ids, ids above 32 bits, and the largest there is.
        let base = *dice.pick(&[1, 1_000, 0x1_0000_0000, (1 << 53) - 100]);
        let id = yrs::ClientID::new(base + u64::from(index));
        let doc = Doc::with_options(Options {
            offset_kind: OffsetKind::Utf16,
            skip_gc: dice.one_in(2) || dice.subdocuments,
            // It deletes on hearing, and tells nobody: two such peers do not agree.
            cleanup_formatting: false,
            ..Options::with_guid_and_client_id("peer".into(), id)
        });
        let sent = Arc::new(Mutex::new(Vec::new()));
        let outbox = Arc::clone(&sent);
        doc.observe_update_v1("log", move |txn, event| {
            if txn
                .origin()
                .is_none_or(|origin| origin.as_ref() != b"remote")
            {
                outbox.lock().unwrap().push(event.update.clone());
            }
        })
        .unwrap();
        let mut undo = UndoManager::with_options(UndoOptions {
            capture_timeout_millis: 0,
            ..Default::default()
        });
        undo.expand_scope(&doc, &doc.get_or_insert_text("text"));
        undo.expand_scope(&doc, &doc.get_or_insert_map("map"));
        undo.expand_scope(&doc, &doc.get_or_insert_array("array"));
        undo.expand_scope(&doc, &doc.get_or_insert_xml_fragment("xml"));
        Self {
            doc,
            sent,
            undo,
            heard: 0,
        }
    }

    fn hear(&mut self, log: &[Vec<u8>]) {
        for update in &log[self.heard..] {
            let update = yrs::Update::decode_v1(update).unwrap();
            self.doc
                .transact_mut_with("remote")
                .apply_update(update)
                .unwrap();
        }
        self.heard = log.len();
    }

    fn edit(&mut self, dice: &mut Dice) {
        if dice.one_in(12) {
            self.undo.undo_blocking();
        } else if dice.one_in(20) {
            self.undo.redo_blocking();
        } else {
            let mut txn = self.doc.transact_mut();
            for _ in 0..=dice.below(3) {
                edit(&mut txn, dice);
            }
        }
    }
}

fn edit(txn: &mut TransactionMut<'_>, dice: &mut Dice) {
    match dice.below(10) {
        0..=3 => edit_text(&txn.get_or_insert_text("text"), txn, dice),
        4..=5 => edit_map(&txn.get_or_insert_map("map"), txn, dice),
        6..=7 => edit_array(&txn.get_or_insert_array("array"), txn, dice),
        _ => edit_xml(&txn.get_or_insert_xml_fragment("xml"), txn, dice),
    }
}

fn edit_text(text: &TextRef, txn: &mut TransactionMut<'_>, dice: &mut Dice) {
    let cuts = cuts(text, txn, dice.through_pairs);
    let from = dice.below(cuts.len() as u32) as usize;
    let to = (from + dice.below(4) as usize).min(cuts.len() - 1);
    let (at, span) = (cuts[from], cuts[to] - cuts[from]);
    match dice.below(8) {
        0..=2 => {
            let chunk = *dice.pick(&["a", "hello ", "ö", "日本", "😀", "👩‍👩‍👧", "e\u{301}", "𝄞x"]);
            text.insert(txn, at, chunk);
        }
        3 => text.insert_with_attributes(txn, at, "bold", attributes(dice)),
        4 => {
            let image = HashMap::from([("image".to_owned(), json(dice, 1))]);
            text.insert_embed(txn, at, Any::from(image));
        }
        5 => text.format(txn, at, span, attributes(dice)),
        _ => text.remove_range(txn, at, span),
    }
}

/// The places where a text may be cut.
fn cuts(text: &TextRef, txn: &TransactionMut<'_>, through_pairs: bool) -> Vec<u32> {
    if through_pairs {
        return (0..=text.len(txn)).collect();
    }
    let mut cuts = vec![0];
    let mut at = 0;
    for chunk in text.diff(txn, yrs::types::text::YChange::identity) {
        let steps = match chunk.insert {
            Out::Any(Any::String(text)) => text.chars().map(char::len_utf16).collect(),
            _ => vec![1],
        };
        for step in steps {
            at += step as u32;
            cuts.push(at);
        }
    }
    cuts
}

fn attributes(dice: &mut Dice) -> HashMap<Arc<str>, Any> {
    let key: Arc<str> = Arc::from(*dice.pick(&["bold", "href", "größe"]));
    HashMap::from([(key, json(dice, 1))])
}

fn edit_map(map: &MapRef, txn: &mut TransactionMut<'_>, dice: &mut Dice) {
    let key = *dice.pick(&["k", "key", "schlüssel", ""]);
    match (dice.below(10), map.get(txn, key)) {
        (0, _) => {
            map.remove(txn, key);
        }
        (1, _) => {
            map.insert(txn, key, MapPrelim::from([("inner", any(dice, 1))]));
        }
        (2, _) => {
            map.insert(txn, key, TextPrelim::new("nested"));
        }
        (3, _) => {
            map.insert(txn, key, ArrayPrelim::from([any(dice, 1), any(dice, 1)]));
        }
        (4, _) if dice.subdocuments => {
            map.insert(txn, key, subdocument(dice));
        }
        (_, Some(Out::YMap(inner))) => edit_map(&inner, txn, dice),
        (_, Some(Out::YText(inner))) => edit_text(&inner, txn, dice),
        (_, Some(Out::YArray(inner))) => edit_array(&inner, txn, dice),
        _ => {
            map.insert(txn, key, any(dice, 3));
        }
    }
}

fn subdocument(dice: &mut Dice) -> Doc {
    let client = yrs::ClientID::new(u64::from(dice.below(1000)));
    let guid = format!("sub-{}", dice.below(5));
    Doc::with_options(Options {
        auto_load: dice.one_in(2),
        ..Options::with_guid_and_client_id(guid.as_str().into(), client)
    })
}

fn edit_array(array: &ArrayRef, txn: &mut TransactionMut<'_>, dice: &mut Dice) {
    let len = array.len(txn);
    let at = dice.below(len + 1);
    let inner = if at < len { array.get(txn, at) } else { None };
    match (dice.below(8), inner) {
        (0 | 1, _) if at < len => array.remove_range(txn, at, 1 + dice.below((len - at).min(3))),
        (2, _) => {
            array.insert(txn, at, MapPrelim::from([("in", any(dice, 1))]));
        }
        (3, _) => {
            let several: Vec<Any> = (0..=dice.below(4)).map(|_| any(dice, 1)).collect();
            array.insert_range(txn, at, several);
        }
        (_, Some(Out::YMap(inner))) => edit_map(&inner, txn, dice),
        (_, Some(Out::YArray(inner))) => edit_array(&inner, txn, dice),
        _ => {
            array.insert(txn, at, any(dice, 2));
        }
    }
}

fn edit_xml(fragment: &XmlFragmentRef, txn: &mut TransactionMut<'_>, dice: &mut Dice) {
    let len = fragment.len(txn);
    let at = dice.below(len + 1);
    let inner = if at < len {
        fragment.get(txn, at)
    } else {
        None
    };
    match (dice.below(6), inner) {
        (0, Some(_)) => fragment.remove_range(txn, at, 1),
        (1 | 2, Some(XmlOut::Element(element))) => {
            element.insert_attribute(txn, "class", "value");
            element.push_back(txn, XmlElementPrelim::empty("b"));
        }
        (3 | 4, Some(XmlOut::Text(text))) => {
            let end = if dice.one_in(2) { text.len(txn) } else { 0 };
            text.insert(txn, end, "xml 😀");
        }
        (5, _) => {
            fragment.insert(txn, at, XmlTextPrelim::new("text"));
        }
        _ => {
            fragment.insert(txn, at, XmlElementPrelim::empty("p"));
        }
    }
}

pub fn any(dice: &mut Dice, depth: u32) -> Any {
    match dice.below(if depth == 0 { 10 } else { 13 }) {
        0 => Any::Null,
        1 => Any::Undefined,
        2 => Any::Bool(dice.one_in(2)),
        3 => Any::from(f64::from(dice.below(1000)) / 8.0),
        4 => Any::from(i64::from(dice.below(u32::MAX)) - (1 << 31)),
        5 => Any::from(dice.bits() as i64),
        6 => Any::from((1_i64 << 53) - 1),
        7 => Any::from(f64::MAX),
        8 => Any::from("text 😀"),
        9 => Any::from(vec![1_u8, 2, 255]),
        10 => Any::from(vec![any(dice, depth - 1), any(dice, depth - 1)]),
        11 => Any::from(HashMap::from([("a".to_owned(), any(dice, depth - 1))])),
        _ => Any::from(""),
    }
}

/// A value that survives as JSON, which is how embeds and formats travel.
pub fn json(dice: &mut Dice, depth: u32) -> Any {
    match any(dice, 0) {
        Any::Undefined | Any::Buffer(_) if depth == 0 => Any::Null,
        Any::Undefined => Any::from(vec![json(dice, depth - 1)]),
        Any::Buffer(_) => Any::from(HashMap::from([("a".to_owned(), json(dice, depth - 1))])),
        other => other,
    }
}
