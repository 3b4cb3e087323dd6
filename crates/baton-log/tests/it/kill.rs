//! A real process on a real file, killed twenty times at random moments: everything that it had
//! printed as durable is there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use baton_log::{Log, LogOptions, Position, Urgency};
use baton_testkit::Random;
use bytes::Bytes;

use crate::model::block_on;

const FOLDER: &str = "BATON_LOG_KILL_FOLDER";
const DOCUMENTS: usize = 5;

/// The content of a record, or of the snapshot at its position, follows from the position. So a
/// position that was assigned twice has the same content twice.
fn content(name: &str, position: Position, what: &str) -> Bytes {
    let text = format!("{what} {position} of {name} ");
    text.repeat(1 + position.get() as usize % 7).into()
}

fn name(number: usize) -> String {
    format!("document {number}")
}

/// Appends as fast as it can, and prints what is durable. Ends only when it is killed, or after a
/// minute.
fn append_until_killed(folder: &Path) {
    let log = Log::open_embedded(folder, LogOptions::default()).unwrap();
    let mut documents: Vec<_> = (0..DOCUMENTS)
        .map(|number| log.open(&name(number)).unwrap().0)
        .collect();
    let mut printed = [Position::START; DOCUMENTS];
    let started = std::time::Instant::now();
    let mut random = Random::announced("appends");
    while started.elapsed() < Duration::from_secs(60) {
        let number = random.below(DOCUMENTS);
        let document = &mut documents[number];
        let record = content(&name(number), document.last().next(), "record");
        let urgency = if random.chance(2) {
            Urgency::Now
        } else {
            Urgency::Soon
        };
        let reservation = block_on(log.reserve(record.len())).unwrap();
        document.append(reservation, record, urgency).unwrap();
        if random.one_in(500) {
            let at = document.last();
            document
                .snapshot(at, content(&name(number), at, "snapshot"))
                .unwrap();
        }
        for (number, document) in documents.iter().enumerate() {
            if document.durable() > printed[number] {
                printed[number] = document.durable();
                let mut out = std::io::stdout().lock();
                writeln!(out, "durable {number} {}", printed[number]).unwrap();
                out.flush().unwrap();
            }
        }
    }
}

#[test]
#[ignore = "the other process of the test below, which starts it"]
fn the_process_that_is_killed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        append_until_killed(Path::new(&folder));
    }
}

/// Starts the process, kills it some time after its first output, and returns the last positions
/// that it had printed.
fn start_and_kill(folder: &Path, random: &mut Random) -> BTreeMap<usize, Position> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "kill::the_process_that_is_killed",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok).filter_map(|line| {
        let mut words = line.strip_prefix("durable ")?.split(' ');
        let number = words.next()?.parse().ok()?;
        Some((number, Position::new(words.next()?.parse().ok()?)))
    });
    let mut durable = BTreeMap::from([lines.next().unwrap()]);
    let reader = std::thread::scope(|scope| {
        let reader = scope.spawn(|| lines.collect::<BTreeMap<usize, Position>>());
        std::thread::sleep(random.millis(0, 150));
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap()
    });
    durable.extend(reader);
    durable
}

#[test]
fn what_a_killed_process_had_called_durable_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::announced("kills");
    let mut known: BTreeMap<usize, Position> = BTreeMap::new();
    for _ in 0..20 {
        known.extend(start_and_kill(folder.path(), &mut random));
        let log = Log::open_embedded(folder.path(), LogOptions::default()).unwrap();
        for (&number, &durable) in &known {
            let name = name(number);
            let (document, loaded) = log.open(&name).unwrap();
            assert!(
                document.last() >= durable,
                "{name}: {} < {durable}",
                document.last()
            );
            let mut next = Position::START;
            if let Some((at, snapshot)) = loaded.snapshot {
                assert_eq!(snapshot, content(&name, at, "snapshot"));
                next = at;
            }
            for (position, record) in loaded.tail {
                next = next.next();
                assert_eq!((position, &record), (next, &content(&name, next, "record")));
            }
            assert_eq!(next, document.last());
        }
        drop(log);
    }
    assert_eq!(known.len(), DOCUMENTS);
}
