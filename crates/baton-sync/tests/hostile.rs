//! Inputs that break a bare yrs, or a Yjs in a browser, each with the rule that refuses it.
#![allow(clippy::unwrap_used, reason = "a failure is to stop the run")]

use baton_sync::lib0::{DecodeError, write_var_string, write_var_uint};
use baton_sync::replica_index::{Refusal, TYPE_DEPTH};
use baton_sync::scan::{ANY_DEPTH, JSON_DEPTH};
use baton_sync::yrs::updates::decoder::Decode;
use baton_sync::yrs::{ReadTxn, Text, TransactionMut, Update, WriteTxn};
use baton_sync::{
    ApplyError, ApplyOutcome, ClientId, Document, DocumentOptions, Id, Judgement, Replica,
    ReplicaIndex, ScanError, StateVector, scan,
};

const ABORT: &[u8] = include_bytes!("hostile/abort.bin");
const COUNT_BOMB: &[u8] = include_bytes!("hostile/count-bomb.bin");
const GC_CLAIMS_CLOCKS: &[u8] = include_bytes!("hostile/gc-claims-clocks.bin");
const USE_AFTER_FREE: [&[u8]; 2] = [
    include_bytes!("hostile/use-after-free-1.bin"),
    include_bytes!("hostile/use-after-free-2.bin"),
];

fn document() -> Document {
    Document::new(&DocumentOptions::new(ClientId::from(1)))
}

fn uint(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    write_var_uint(&mut out, value);
    out
}

fn string(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_var_string(&mut out, text);
    out
}

/// An update from its blocks: for each client its first clock and its blocks' bytes.
fn update(clients: &[(u64, u64, &[Vec<u8>])]) -> Vec<u8> {
    let mut out = uint(clients.len() as u64);
    for (client, clock, blocks) in clients {
        out.extend([uint(blocks.len() as u64), uint(*client), uint(*clock)].concat());
        out.extend(blocks.concat());
    }
    out.push(0);
    out
}

/// An update that only deletes.
fn deletion(client: u64, ranges: &[(u64, u64)]) -> Vec<u8> {
    let mut out = [vec![0, 1], uint(client), uint(ranges.len() as u64)].concat();
    for (clock, len) in ranges {
        out.extend([uint(*clock), uint(*len)].concat());
    }
    out
}

/// A block directly in the root type `r`.
fn in_root(content: u8, rest: &[u8]) -> Vec<u8> {
    [&[content, 1][..], &string("r"), rest].concat()
}

/// A block in the type that (`client`, `clock`) is.
fn in_type(client: u64, clock: u64, content: u8, rest: &[u8]) -> Vec<u8> {
    [&[content, 0][..], &uint(client), &uint(clock), rest].concat()
}

/// A block to the right of (`client`, `clock`).
fn after(client: u64, clock: u64, content: u8, rest: &[u8]) -> Vec<u8> {
    [&[0x80 | content][..], &uint(client), &uint(clock), rest].concat()
}

/// One block of client 7.
fn one(block: Vec<u8>) -> Vec<u8> {
    update(&[(7, 0, &[block])])
}

fn text(chars: &str) -> Vec<u8> {
    in_root(4, &string(chars))
}

fn refused(update: &[u8]) -> ScanError {
    scan(update)
        .map(|_| ())
        .expect_err("must be refused on its bytes")
}

fn judged(document: &mut Document, update: &[u8]) -> Judgement {
    match document.apply(update) {
        Err(ApplyError::NotAdmitted(judgement)) => judgement,
        other => panic!("must be refused against the state, and was {other:?}"),
    }
}

#[test]
fn the_update_that_aborts_the_process_is_refused_on_its_bytes() {
    // A deleted item claims 2^63 clocks, to which yrs adds up with 32 bits.
    let client = ClientId::from(155_555_654);
    assert_eq!(
        refused(ABORT),
        ScanError::ClockOverflow { client, clock: 2 }
    );
}

#[test]
fn a_count_bomb_is_refused_before_anything_is_reserved() {
    let bomb = DecodeError::CountTooLarge {
        count: 1 << 28,
        remaining: 0,
    };
    assert_eq!(refused(COUNT_BOMB), ScanError::Decode(bomb));
    assert_eq!(StateVector::decode(COUNT_BOMB), Err(bomb));
    let at = |deletes: bool| {
        let bomb = [COUNT_BOMB, &[0; 7]].concat();
        if deletes {
            [&[0][..], &bomb].concat()
        } else {
            bomb
        }
    };
    for update in [at(false), at(true), one(in_root(8, COUNT_BOMB))] {
        assert!(matches!(
            refused(&update),
            ScanError::Decode(DecodeError::CountTooLarge {
                count: 0x1000_0000,
                ..
            })
        ));
    }
}

#[test]
fn nobody_can_claim_the_clocks_of_a_client_that_has_written() {
    let mut document = document();
    document
        .apply(&update(&[(77, 0, &[text("mine")])]))
        .unwrap();
    let at = Id {
        client: ClientId::from(77),
        clock: 4,
    };
    assert_eq!(
        judged(&mut document, GC_CLAIMS_CLOCKS),
        Judgement::Astride { at }
    );
    let shown = document.read(|txn| txn.get_text("r").is_some()).unwrap();
    assert!(shown);
}

#[test]
fn the_sequence_that_is_used_after_free_stops_at_its_first_update() {
    let mut document = document();
    let lacking = [(ClientId::from(1), 88), (ClientId::from(77), 45)];
    let missing = lacking.into_iter().collect();
    assert_eq!(
        judged(&mut document, USE_AFTER_FREE[0]),
        Judgement::Gap { missing }
    );
    // Without the first the second is harmless; and the first still deletes what nobody has.
    assert_eq!(document.apply(USE_AFTER_FREE[1]), Ok(ApplyOutcome::Added));
    let missing = [(ClientId::from(1), 88)].into_iter().collect();
    assert_eq!(
        judged(&mut document, USE_AFTER_FREE[0]),
        Judgement::Gap { missing }
    );
    document.diff(&StateVector::new()).unwrap();
}

#[test]
fn values_and_json_that_would_overflow_the_stack_are_refused() {
    let nested = |depth| {
        one(in_root(
            8,
            &[vec![1], [117, 1].repeat(depth), vec![126]].concat(),
        ))
    };
    assert!(matches!(
        refused(&nested(ANY_DEPTH + 1)),
        ScanError::TooDeep { .. }
    ));
    assert!(matches!(
        refused(&nested(100_000)),
        ScanError::TooDeep { .. }
    ));
    assert_eq!(
        document().apply(&nested(ANY_DEPTH)),
        Ok(ApplyOutcome::Added)
    );

    let json = |depth| {
        one(in_root(
            5,
            &string(&("[".repeat(depth) + &"]".repeat(depth))),
        ))
    };
    assert!(matches!(
        refused(&json(JSON_DEPTH + 1)),
        ScanError::BadJson { .. }
    ));
    assert!(matches!(refused(&json(100_000)), ScanError::BadJson { .. }));
    assert_eq!(document().apply(&json(JSON_DEPTH)), Ok(ApplyOutcome::Added));
}

/// Deleting a type deletes what is in it, by recursion: 3,000 levels overflow a stack of 2 MB in a
/// debug build of yrs, 12,000 in a release build, and a browser's as well. No single update need
/// be deep for that.
#[test]
fn types_that_would_overflow_the_stack_when_deleted_are_refused() {
    let mut document = document();
    let map = [1];
    let mut outcome = document.apply(&one(in_root(7, &map)));
    let mut depth = 0;
    while outcome == Ok(ApplyOutcome::Added) && depth < 1_000 {
        depth += 1;
        let inner = in_type(7, depth - 1, 7, &map);
        outcome = document.apply(&update(&[(7, depth, &[inner])]));
    }
    let too_deep = Judgement::Refused(Refusal::TooDeep);
    assert_eq!(outcome, Err(ApplyError::NotAdmitted(too_deep.clone())));
    assert_eq!(depth, u64::from(TYPE_DEPTH) + 1);
    assert_eq!(
        document.apply(&deletion(7, &[(0, 1)])),
        Ok(ApplyOutcome::Added)
    );

    // A neighbour is as deep as its origin.
    let mut blocks = vec![in_root(7, &map)];
    for clock in 0..u64::from(TYPE_DEPTH) {
        blocks.push(in_type(7, clock, 7, &map));
    }
    blocks.push(after(7, u64::from(TYPE_DEPTH), 7, &map));
    let fits = update(&[(7, 0, &blocks)]);
    assert_eq!(self::document().apply(&fits), Ok(ApplyOutcome::Added));
    blocks.push(in_type(7, u64::from(TYPE_DEPTH) + 1, 7, &map));
    let deep = update(&[(7, 0, &blocks)]);
    assert_eq!(judged(&mut self::document(), &deep), too_deep);
}

/// To find the next block yrs recurses once for each client that it finds used up, and looks through
/// all that wait: 10,000 clients overflow its stack in a debug build, 100,000 took it half a minute.
/// It is genuine all the same (everybody appended to what the one before had written), so it is
/// applied, in parts.
#[test]
fn a_chain_of_many_clients_does_not_overflow_the_stack() {
    let clients: u32 = 20_000;
    let first = [(1, 0, vec![text("x")])];
    let others =
        (2..=u64::from(clients)).map(|id| (id, 0, vec![after(id - 1, 0, 4, &string("x"))]));
    let all: Vec<_> = first.into_iter().chain(others).rev().collect();
    let all: Vec<_> = all
        .iter()
        .map(|(id, clock, blocks)| (*id, *clock, blocks.as_slice()))
        .collect();
    let mut document = document();
    assert_eq!(document.apply(&update(&all)), Ok(ApplyOutcome::Added));
    assert_eq!(document.state().vector().len(), clients as usize);
    let length = document.read(|txn| txn.state_vector().len()).unwrap();
    assert_eq!(length, clients as usize);
    let options = DocumentOptions::new(ClientId::from(1));
    let loaded = Document::load(&document.snapshot().unwrap(), &options).unwrap();
    assert!(loaded.state().covers(document.state()));
}

#[test]
fn integers_have_one_spelling_and_their_limits() {
    let long = |bytes: &[u8]| [&[1, 1][..], bytes, &[0], &text("a"), &[0]].concat();
    assert!(scan(&long(&uint((1 << 53) - 1))).is_ok());
    let id = 1 << 53;
    assert_eq!(
        refused(&long(&uint(id))),
        ScanError::Decode(DecodeError::ClientOutOfRange { id })
    );
    assert_eq!(
        refused(&long(&[0x87, 0x00])),
        ScanError::Decode(DecodeError::BadInteger { at: 2 })
    );
    // yrs would wrap 2^32 + 7 around to clock 7.
    let clock = (1 << 32) + 7;
    assert_eq!(
        refused(&update(&[(7, clock, &[text("a")])])),
        ScanError::Decode(DecodeError::ClockOutOfRange { clock })
    );
    let client = ClientId::from(7);
    let end = (1 << 31) - 1;
    let overflow = ScanError::ClockOverflow { client, clock: end };
    assert_eq!(
        refused(&update(&[(7, u64::from(end), &[text("a")])])),
        overflow
    );
    assert_eq!(refused(&deletion(7, &[(u64::from(end), 1)])), overflow);
    assert!(scan(&deletion(7, &[(u64::from(end) - 1, 1)])).is_ok());
    // Yjs throws on a whole number beyond 2^53 - 1, at every later load as well.
    let number = |bytes: &[u8]| one(in_root(8, &[&[1, 125], bytes].concat()));
    let bits = |first, last| [&[first][..], &[0xff; 6], &[last]].concat();
    for sign in [0xbf, 0xff] {
        assert!(scan(&number(&bits(sign, 0x1f))).is_ok());
        assert!(matches!(
            refused(&number(&bits(sign, 0x3f))),
            ScanError::BadValue { .. }
        ));
    }
}

#[test]
fn clients_come_once_and_in_order() {
    let a = [text("a")];
    assert!(scan(&update(&[(8, 0, &a), (7, 0, &a)])).is_ok());
    for clients in [[(7, 0, &a[..]), (8, 0, &a)], [(7, 0, &a), (7, 1, &a)]] {
        assert!(matches!(
            refused(&update(&clients)),
            ScanError::ClientOrder { .. }
        ));
    }
    let range = [1, 0, 1];
    let twice = [&[0, 2, 7][..], &range, &[7], &range].concat();
    assert_eq!(
        refused(&twice),
        ScanError::ClientOrder {
            client: ClientId::from(7)
        }
    );
    let ascending = [&[0, 2, 7][..], &range, &[8], &range].concat();
    assert!(scan(&ascending).is_ok());
}

#[test]
fn nothing_is_empty_and_nothing_follows_the_end() {
    let empties = [
        one(text("")),
        one(in_root(1, &[0])),
        one(in_root(8, &[0])),
        one(vec![0, 0]),
        one(vec![10, 0]),
        [1, 0, 7, 0, 0, 0, 0, 0].to_vec(),
        deletion(7, &[(3, 0)]),
        [0, 1, 7, 0, 0, 0].to_vec(),
    ];
    for update in empties {
        assert!(
            matches!(refused(&update), ScanError::Empty { .. }),
            "{update:?}"
        );
    }
    let trailing = [&one(text("a"))[..], &[0]].concat();
    assert_eq!(
        refused(&trailing),
        ScanError::Decode(DecodeError::TrailingBytes { count: 1 })
    );
    assert!(matches!(
        refused(&[]),
        ScanError::Decode(DecodeError::UnexpectedEnd { at: 0 })
    ));
    assert_eq!(document().apply(&[0, 0]), Ok(ApplyOutcome::Known));
}

#[test]
fn deleted_ranges_are_sorted_and_disjoint() {
    let client = ClientId::from(7);
    for ranges in [[(5, 1), (3, 1)], [(3, 4), (5, 1)], [(3, 1), (3, 1)]] {
        assert_eq!(
            refused(&deletion(7, &ranges)),
            ScanError::DeleteOrder { client }
        );
    }
    assert!(scan(&deletion(7, &[(3, 2), (5, 1)])).is_ok());
}

#[test]
fn a_block_refers_to_nothing_ahead_of_itself() {
    let ahead = [
        after(7, 0, 4, &string("a")),
        after(7, 5, 4, &string("a")),
        in_type(7, 0, 4, &string("a")),
        [&[0x44][..], &uint(7), &uint(1), &string("a")].concat(),
    ];
    for block in ahead {
        let refers = ScanError::RefersAhead {
            client: ClientId::from(7),
            clock: 0,
        };
        assert_eq!(refused(&one(block)), refers);
    }
}

#[test]
fn what_yjs_does_not_define_is_refused() {
    let blocks = [
        // yrs's Move, which Yjs does not know.
        in_root(11, &[0, 7, 0]),
        // yrs looks at four bits of the content, Yjs at five.
        in_root(0x14, &string("a")),
        // A GC and a Skip with flags: an item to one, not to the other.
        vec![0x20, 1],
        vec![0x2a, 1],
    ];
    for block in blocks {
        assert!(matches!(
            refused(&one(block)),
            ScanError::UnsupportedBlock { .. }
        ));
    }
    for kind in [7, 8, 9, 15, 127] {
        let block = in_root(7, &[&[kind][..], &string("hook")].concat());
        assert!(matches!(
            refused(&one(block)),
            ScanError::UnsupportedType { .. }
        ));
    }
    let bad_parent = one([&[4, 2][..], &string("r"), &string("a")].concat());
    assert!(matches!(refused(&bad_parent), ScanError::BadParent { .. }));
    let bad_value = one(in_root(8, &[1, 99]));
    assert!(matches!(refused(&bad_value), ScanError::BadValue { .. }));
    // Yjs spreads a subdocument's options, which must be a map.
    let subdocument = |options: &[u8]| one(in_root(9, &[&string("guid"), options].concat()));
    assert!(matches!(
        refused(&subdocument(&[126])),
        ScanError::BadValue { .. }
    ));
    assert!(scan(&subdocument(&[118, 0])).is_ok());
}

/// Legacy JSON, of which yrs reads one value too many, and an XML hook, of which it does not read the
/// name: both were refused once, though every Yjs reads them.
#[test]
fn what_yrs_reads_otherwise_than_yjs_is_kept_and_said() {
    let values = |values: &[&str]| {
        let texts: Vec<u8> = values.iter().flat_map(|value| string(value)).collect();
        one(in_root(2, &[uint(values.len() as u64), texts].concat()))
    };
    let four = values(&["{\"b\":1,\"a\":[-0]}", "undefined", "\"\\ud83d\"", "1e999"]);
    let hook = one(in_root(7, &[&[5][..], &string("hook")].concat()));
    let large = one(in_root(5, &string("{\"n\":9223372036854775808}")));
    let half = one(in_root(
        6,
        &[string("bold"), string("\"\\ud83d\"")].concat(),
    ));
    for (update, len) in [(&four, 4), (&hook, 1), (&large, 1), (&half, 1)] {
        let scanned = scan(update).unwrap();
        assert!(scanned.is_beyond_yrs(), "{update:?}");
        let state = ReplicaIndex::new();
        assert_eq!(state.judge(&scanned), Judgement::Fits);
        assert_eq!(scanned.blocks().next().unwrap().len, len);
    }
    // The element, whose name both read, and a value that both do.
    let element = one(in_root(7, &[&[3][..], &string("p")].concat()));
    assert!(!scan(&element).unwrap().is_beyond_yrs());
    assert!(
        !scan(&one(in_root(8, &[1, 122, 0, 0, 0, 0, 0, 0, 0, 3])))
            .unwrap()
            .is_beyond_yrs()
    );

    for bad in [&["1", "undefine"][..], &["{"], &[""], &["undefined "]] {
        let refused = refused(&values(bad));
        assert!(matches!(refused, ScanError::BadJson { .. }), "{bad:?}");
    }
    assert!(matches!(refused(&values(&[])), ScanError::Empty { .. }));
    let bomb = one(in_root(2, COUNT_BOMB));
    let bomb = refused(&bomb);
    assert!(matches!(
        bomb,
        ScanError::Decode(DecodeError::CountTooLarge { .. })
    ));
    let nested = |depth| values(&[&("[".repeat(depth) + &"]".repeat(depth))]);
    assert!(scan(&nested(JSON_DEPTH)).is_ok());
    for depth in [JSON_DEPTH + 1, 100_000] {
        assert!(matches!(refused(&nested(depth)), ScanError::BadJson { .. }));
    }
    // Brackets in a string are none, also behind an escaped quote.
    let quoted = format!("\"\\\"{}\"", "[".repeat(JSON_DEPTH + 1));
    assert!(scan(&values(&[&quoted])).is_ok());
}

#[test]
fn json_is_such_as_javascript_parses() {
    let embed = |json: &str| one(in_root(5, &string(json)));
    for json in [
        "{",
        "",
        "nul",
        "[1,]",
        "{1:2}",
        "1 2",
        "01",
        "\"\n\"",
        "\"\\u12\"",
    ] {
        assert!(
            matches!(refused(&embed(json)), ScanError::BadJson { .. }),
            "{json}"
        );
    }
    for json in [
        "{\"a\":[1,-2.5,\"\\u00e4\",null,true]}",
        " 1 ",
        "-9223372036854775808",
        "\"x\"",
    ] {
        assert_eq!(
            document().apply(&embed(json)),
            Ok(ApplyOutcome::Added),
            "{json}"
        );
    }
    let format = one(in_root(6, &[string("bold"), string("tru")].concat()));
    assert!(matches!(refused(&format), ScanError::BadJson { .. }));
}

#[test]
fn a_gap_a_hole_and_a_block_in_the_middle_are_not_applied() {
    let mut document = document();
    document.apply(&update(&[(7, 0, &[text("abc")])])).unwrap();
    let client = ClientId::from(7);
    let missing = |clock| Judgement::Gap {
        missing: [(client, clock)].into_iter().collect(),
    };
    let ahead = update(&[(7, 5, &[after(7, 2, 4, &string("x"))])]);
    assert_eq!(judged(&mut document, &ahead), missing(5));
    let skip = update(&[(7, 3, &[vec![10, 2], after(7, 2, 4, &string("x"))])]);
    assert_eq!(judged(&mut document, &skip), missing(5));
    let at = Id { client, clock: 3 };
    let astride = update(&[(7, 2, &[after(7, 1, 4, &string("cd"))])]);
    assert_eq!(judged(&mut document, &astride), Judgement::Astride { at });
    assert_eq!(judged(&mut document, &deletion(7, &[(1, 3)])), missing(4));
    // A Skip over what is known: nothing is lacking, and the rest can be had.
    let known_skip = update(&[(7, 1, &[vec![10, 2], after(7, 2, 4, &string("x"))])]);
    let nothing = Judgement::Gap {
        missing: StateVector::new(),
    };
    assert_eq!(judged(&mut document, &known_skip), nothing);
    let part = document
        .state()
        .closed_part(&scan(&known_skip).unwrap())
        .unwrap();
    assert_eq!(document.apply(&part), Ok(ApplyOutcome::Added));
}

#[test]
fn references_must_be_known() {
    let unknown = ClientId::from(9);
    let references = [
        after(9, 4, 4, &string("x")),
        in_type(9, 4, 4, &string("x")),
        [&[0x44][..], &uint(9), &uint(4), &string("x")].concat(),
    ];
    for block in references {
        let missing = [(unknown, 5)].into_iter().collect();
        assert_eq!(
            judged(&mut document(), &one(block)),
            Judgement::Gap { missing }
        );
    }
}

#[test]
fn a_circle_of_references_is_refused() {
    let a = [after(8, 0, 4, &string("x"))];
    let b = [after(7, 0, 4, &string("y"))];
    let circle = update(&[(8, 0, &b), (7, 0, &a)]);
    assert_eq!(
        judged(&mut document(), &circle),
        Judgement::Refused(Refusal::Circular)
    );
}

/// yrs answers with an error when the update is half applied already.
#[test]
fn a_parent_that_is_no_type_is_refused() {
    let blocks = [text("a"), in_type(7, 0, 4, &string("x"))];
    let update = update(&[(7, 0, &blocks)]);
    let parent = Id {
        client: ClientId::from(7),
        clock: 0,
    };
    let refusal = Judgement::Refused(Refusal::ParentIsNoType { parent });
    assert_eq!(judged(&mut document(), &update), refusal);
}

/// Yjs versions do not agree which of the two counts; a lock on one type could be passed by.
#[test]
fn a_block_between_two_types_is_refused() {
    let elsewhere = [&[4, 1][..], &string("other"), &string("a")].concat();
    let torn = [
        &[0xc4][..],
        &uint(7),
        &uint(0),
        &uint(7),
        &uint(1),
        &string("x"),
    ]
    .concat();
    let update = update(&[(7, 0, &[text("a"), elsewhere, torn])]);
    let at = Id {
        client: ClientId::from(7),
        clock: 2,
    };
    assert_eq!(
        judged(&mut document(), &update),
        Judgement::Refused(Refusal::Torn { at })
    );
}

/// What is inside a deleted type, or beside what is gone, is applied and is gone at once.
#[test]
fn children_of_what_is_gone_are_gone() {
    let mut document = document();
    let blocks = [vec![0, 1], in_root(1, &[1]), in_type(7, 0, 4, &string("x"))];
    document.apply(&update(&[(7, 0, &blocks)])).unwrap();
    let more = [in_type(7, 1, 4, &string("y")), after(7, 0, 4, &string("z"))];
    document.apply(&update(&[(7, 3, &more)])).unwrap();
    assert!(document.state().deletes().contains(ClientId::from(7), 0, 5));
    let everything = document.diff(&StateVector::new()).unwrap();
    assert_eq!(self::document().apply(&everything), Ok(ApplyOutcome::Added));
}

/// A lock is on a root type, and most blocks do not say in which they are.
#[test]
fn the_roots_that_an_update_touches_are_found_through_its_neighbours() {
    let mut document = document();
    let other = |content: u8, rest: &[u8]| [&[content, 1][..], &string("other"), rest].concat();
    let blocks = [text("abc"), other(7, &[1]), in_type(7, 3, 4, &string("in"))];
    document.apply(&update(&[(7, 0, &blocks)])).unwrap();
    let touched = |update: &[u8]| -> Vec<String> {
        document
            .state()
            .touched_roots(&scan(update).unwrap())
            .into_iter()
            .collect()
    };
    assert_eq!(
        touched(&update(&[(8, 0, &[after(7, 1, 4, &string("x"))])])),
        ["r"]
    );
    assert_eq!(
        touched(&update(&[(8, 0, &[after(7, 5, 4, &string("x"))])])),
        ["other"]
    );
    assert_eq!(
        touched(&update(&[(8, 0, &[in_type(7, 3, 4, &string("x"))])])),
        ["other"]
    );
    assert_eq!(touched(&deletion(7, &[(2, 2)])), ["other", "r"]);
    assert_eq!(
        touched(&update(&[(7, 0, &blocks)])),
        [""; 0],
        "it is known, so nothing changes"
    );
    let fresh = [other(4, &string("x")), after(8, 0, 4, &string("y"))];
    assert_eq!(touched(&update(&[(8, 0, &fresh)])), ["other"]);
}

/// Deletions are listed as ranges, which may be known in part and reach over several root types: an edit of one root
/// type was once said to touch another, and was refused under a lock that did not concern it.
#[test]
fn only_what_is_newly_deleted_touches_its_root() {
    let mut document = document();
    let other = [&[4, 1][..], &string("other"), &string("xyz")].concat();
    document
        .apply(&update(&[(7, 0, &[text("abc"), other])]))
        .unwrap();
    let touched = |document: &Document, update: &[u8]| -> Vec<String> {
        let scanned = scan(update).unwrap();
        document
            .state()
            .touched_roots(&scanned)
            .into_iter()
            .collect()
    };
    document.apply(&deletion(7, &[(1, 2)])).unwrap();
    assert_eq!(touched(&document, &deletion(7, &[(1, 3)])), ["other"]);
    assert_eq!(touched(&document, &deletion(7, &[(0, 3)])), ["r"]);
    // Typed and deleted again while offline, behind what was typed elsewhere.
    let mut typed = update(&[(7, 6, &[after(7, 5, 4, &string("w"))])]);
    assert_eq!(typed.pop(), Some(0));
    typed.extend_from_slice(&deletion(7, &[(6, 1)])[1..]);
    assert_eq!(touched(&document, &typed), ["other"]);
}

#[test]
fn a_document_that_broke_refuses_everything_and_says_why() {
    let mut document = document();
    document.apply(&one(text("a"))).unwrap();
    let broken = document
        .transact(|_| panic!("the embedder's own"))
        .unwrap_err();
    assert!(broken.to_string().contains("the embedder's own"));
    assert_eq!(
        document.apply(&one(text("a"))),
        Err(ApplyError::Broken(broken.clone()))
    );
    assert_eq!(document.diff(&StateVector::new()), Err(broken.clone()));
    assert_eq!(document.snapshot(), Err(broken.clone()));
    assert_eq!(document.read(|_| ()), Err(broken.clone()));
    assert_eq!(document.transact(|_| ()).map(|_| ()), Err(broken));
}

#[test]
fn a_local_edit_that_others_would_refuse_breaks_the_document() {
    let mut document = document();
    let apply_unseen = |txn: &mut TransactionMut<'_>| {
        let hole = Update::decode_v1(USE_AFTER_FREE[0]).unwrap();
        txn.apply_update(hole).unwrap();
    };
    assert!(document.transact(apply_unseen).is_err());
    assert!(document.snapshot().is_err());
}

#[test]
fn local_edits_come_out_as_updates() {
    let (mut here, mut there) = (document(), document());
    let edit = here.transact(|txn| {
        let text = txn.get_or_insert_text("r");
        text.push(txn, "hello");
    });
    let update = edit.unwrap().1.unwrap();
    assert_eq!(there.apply(&update), Ok(ApplyOutcome::Added));
    assert_eq!(there.state().vector(), here.state().vector());
    assert_eq!(here.apply(&update), Ok(ApplyOutcome::Known));
    assert_eq!(here.transact(|_| 5).unwrap(), (5, None));
}

#[test]
fn everything_is_encoded_once_for_many_newcomers() {
    let mut replica = Replica::new();
    replica.apply(&one(text("a"))).unwrap();
    let (first, second) = (replica.everything(), replica.everything());
    assert_eq!(first.as_ptr(), second.as_ptr());
    replica
        .apply(&update(&[(7, 1, &[after(7, 0, 4, &string("b"))])]))
        .unwrap();
    assert!(replica.everything().len() > first.len());
}

#[test]
fn damaged_snapshots_are_errors_and_never_empty_documents() {
    let mut document = document();
    document.apply(&one(text("abc"))).unwrap();
    let snapshot = document.snapshot().unwrap();
    let options = DocumentOptions::new(ClientId::from(1));
    assert!(Document::load(&snapshot, &options).is_ok());
    for end in 0..snapshot.len() {
        assert!(
            Document::load(&snapshot[..end], &options).is_err(),
            "cut at {end}"
        );
    }
}

#[test]
fn a_document_can_be_sent_to_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&document());
}
