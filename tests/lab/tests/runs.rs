//! A short run against the real server, with everything that can go wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use baton_lab::{
    Chaos, ClientWire, Contents, LabError, Left, Locks, Moment, Pace, Record, Scenario, Target,
    What, judge, run,
};

fn scenario() -> Scenario {
    Scenario {
        name: "short".to_owned(),
        clients: 6,
        docs: 2,
        lasts: Duration::from_secs(6),
        settle: Duration::from_secs(30),
        pause: Duration::from_millis(100),
        chaos: vec![
            Chaos::Drop,
            Chaos::Delay,
            Chaos::Partition,
            Chaos::Freeze,
            Chaos::Kill,
            Chaos::Blackout,
        ],
        disturbances: 30.0,
        pace: Pace::Brisk,
        ..Scenario::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_all_chaos_nothing_is_lost_and_the_lock_is_held_by_one() {
    let mut last = None;
    let target = Target::Started;
    let run = run(&scenario(), &target, |progress| last = Some(progress))
        .await
        .expect("the run can be made");
    run.verdict.assert_good();
    assert!(run.record.locks);
    let progress = last.expect("progress was told");
    assert!(progress.settling && progress.edits > 50, "{progress:?}");
    assert!(progress.saved > 0 && progress.disturbances > 10);
    let count = |is: fn(&What) -> bool| {
        let all = run.record.moments.iter();
        all.filter(|moment| is(&moment.what)).count()
    };
    let killed = count(|what| *what == What::Killed);
    assert_eq!((killed, count(|what| *what == What::Blackout)), (1, 1));
    assert_eq!(count(|what| *what == What::Dark), 6);
    // Who was frozen when the power went, or is at the end, is thawed like the others.
    let thawed = count(|what| matches!(what, What::Thawed { .. }));
    assert!(thawed > 0 && count(|what| *what == What::Frozen) == thawed);

    // What was observed can be written down, and judged again.
    let text = serde_json::to_string(&run.record).expect("it is plain data");
    let read = serde_json::from_str(&text).expect("and can be read");
    assert_eq!(judge(&read), run.verdict);

    tampered(&run.record);

    // The page holds all of it, and nothing that it would have to fetch.
    let page = run.html();
    assert!(page.contains("lab/2") && !page.contains("/*DATA*/"));
    assert!(!page.contains("http://") && !page.contains("https://"));
}

/// The other wires under the same chaos, in turn: each client has the same channel, and each change its confirmation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_each_wire_nothing_is_lost_and_the_lock_is_held_by_one() {
    for wire in [ClientWire::Hocuspocus, ClientWire::YSweet] {
        let scenario = Scenario { wire, ..scenario() };
        assert!(scenario.arguments().contains(wire.name()));
        let run = run(&scenario, &Target::Started, |_| ())
            .await
            .expect("the run can be made");
        run.verdict.assert_good();
        assert!(run.record.locks, "the channel is spoken on {wire:?}");
        let saved = run.record.moments.iter();
        let saved = saved.filter(|moment| matches!(moment.what, What::Saved { .. }));
        assert!(saved.count() > 0);
    }
}

/// In a day's worth of wishes, each way in which a lock passes on is there, and some parks are decided.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_pass_on_in_every_way_and_parks_are_decided() {
    let scenario = Scenario {
        clients: 6,
        docs: 1,
        lasts: Duration::from_secs(10),
        settle: Duration::from_secs(30),
        pause: Duration::from_millis(60),
        stubborn: 10,
        acquire: 50,
        locks: Locks::Parts,
        request: 40,
        take_over: 20,
        transfer: 60,
        decide: 20,
        leave: 0,
        pace: Pace::Brisk,
        ..Scenario::default()
    };
    let run = run(&scenario, &Target::Started, |_| ())
        .await
        .expect("the run can be made");
    run.verdict.assert_good();
    let document = &run.verdict.documents[0];
    let lock = &document.lock;
    assert_eq!(lock.parts, lock.grants);
    for how in [Left::Released, Left::Transfer, Left::TakenOver] {
        assert!(lock.left.contains_key(&how), "{how:?}: {lock:?}");
    }
    let asked = |moment: &Moment| matches!(moment.what, What::Requested { .. });
    assert!(run.record.moments.iter().any(asked));
    let decided = |moment: &Moment| {
        let what = &moment.what;
        matches!(what, What::Merged { .. } | What::Discarded { .. })
    };
    assert!(run.record.moments.iter().any(decided), "{document:?}");
    // Several hold at the same time, and nobody something of which somebody else has a part.
    let shown = run
        .record
        .moments
        .iter()
        .filter_map(|moment| match &moment.what {
            What::View { grants, .. } => Some(grants.len()),
            _ => None,
        });
    assert!(shown.max() > Some(1));
}

/// What was observed of a sound run, with a bug planted in it, is not sound any more.
fn tampered(record: &Record) {
    let element = kept_element(record);
    let without = |contents: &mut Contents| {
        contents.text = contents.text.replace(&format!("[{element}]"), "");
        contents.array.retain(|id| *id != element);
        contents.map.remove(&element);
        contents.nested.remove(&element);
        contents.xml.retain(|(id, _)| *id != element);
    };

    // A client that was left out when an update was passed on.
    let mut fan_out = record.clone();
    let copy = fan_out.documents[0].copies[1].contents.as_mut();
    without(copy.expect("it was read"));
    let problems: Vec<String> = judge(&fan_out).problems().collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains(&format!("lacks {element}")));

    // A record that was acknowledged, and is gone from the log.
    let mut removed = record.clone();
    let ending = &mut removed.documents[0];
    let copies = ending.copies.iter_mut().map(|copy| copy.contents.as_mut());
    let stored = ending.stored.as_mut().map(|stored| &mut stored.contents);
    let all = copies.chain([stored, ending.newcomer.as_mut()]);
    all.flatten().for_each(without);
    let problems: Vec<String> = judge(&removed).problems().collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains(&format!("lost: {element},")));
    assert!(problems[0].contains("acknowledged at"));
}

/// Returns an element that is in the first document at the end, whose author was told that it is
/// saved, and that was not taken out in a copy that diverged.
fn kept_element(record: &Record) -> String {
    let saved: BTreeSet<(Option<usize>, u64)> = record
        .moments
        .iter()
        .flat_map(|moment| match &moment.what {
            What::Saved { edits } => edits.iter().map(|edit| (moment.who, *edit)).collect(),
            _ => Vec::new(),
        })
        .collect();
    let acknowledged: BTreeSet<&String> = record
        .moments
        .iter()
        .filter_map(|moment| match &moment.what {
            What::Insert { edit, element, .. } if saved.contains(&(moment.who, *edit)) => {
                Some(element)
            }
            _ => None,
        })
        .collect();
    let deleted: Vec<&String> = record
        .moments
        .iter()
        .filter_map(|moment| match &moment.what {
            What::Delete { element, .. } => Some(element),
            _ => None,
        })
        .collect();
    let newcomer = record.documents[0].newcomer.as_ref();
    let mut there = newcomer.expect("somebody came").elements();
    let kept = there.find(|(_, id)| {
        let id = id.to_string();
        acknowledged.contains(&id) && !deleted.contains(&&id)
    });
    kept.expect("something was put in").1.to_owned()
}

#[tokio::test]
async fn a_server_that_is_there_already_is_never_killed() {
    let target = Target::Url("ws://127.0.0.1:9/ws".to_owned());
    let refused = run(&scenario(), &target, |_| ()).await;
    assert!(matches!(refused, Err(LabError::NotOurs)));
}

#[test]
fn every_scenario_in_the_folder_can_be_run() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let files = std::fs::read_dir(folder).expect("it is there");
    let texts = files.map(|file| std::fs::read_to_string(file.expect("a file").path()));
    let parsed: Vec<Scenario> = texts
        .map(|text| Scenario::parse(&text.expect("text")).expect("a scenario"))
        .collect();
    assert!(parsed.len() >= 2);
    let storm = parsed.iter().find(|scenario| scenario.name == "storm");
    assert_eq!(
        storm.map(|storm| (storm.clients, storm.docs)),
        Some((12, 3))
    );
}
