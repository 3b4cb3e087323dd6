//! Servers that are killed while batches are written.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_cluster::engine::{AppendAnswer, Engine};
use tokio::time::Instant;

use crate::appends::{batch, next};
use crate::servers::{Servers, Setup};

const BATCH: u64 = 20;

/// Appends batches until `until`; each unknown one again, as it was. Returns the last counter that
/// was acknowledged, and the number of batches that had to be sent again.
async fn write(engine: Engine, boot: u64, until: Instant) -> (u64, u64) {
    let stream = engine.stream(0);
    let (mut acknowledged, mut again) = (0, 0);
    while Instant::now() < until {
        let messages = batch("a", boot, acknowledged + 1, BATCH);
        loop {
            match stream.append(&messages).await {
                AppendAnswer::Stored { .. } | AppendAnswer::Duplicate => break,
                AppendAnswer::Unknown(_) => again += 1,
                refused => panic!("{refused:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        acknowledged += BATCH;
    }
    (acknowledged, again)
}

/// Each server in turn is killed and started again, among them the leader of the stream, while
/// three nodes write: what was acknowledged is delivered once and in order, and no batch is split.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_servers_are_killed() {
    let Some(mut servers) = Servers::start(&Setup::of(3)) else {
        return;
    };
    let reader = servers.engine().await.stream(0);
    let mut delivery = reader.deliver(1);
    let until = Instant::now() + Duration::from_secs(14);
    let mut writers = Vec::new();
    for boot in 1..=3 {
        let engine = servers.engine().await;
        writers.push(tokio::spawn(write(engine, boot, until)));
    }
    let mut read: BTreeMap<u64, u64> = BTreeMap::new();
    let reading = tokio::spawn(async move {
        let mut open: Option<(u64, u64)> = None;
        let mut last = 0;
        loop {
            let message = next(&mut delivery).await;
            assert!(message.sequence > last, "the order of the stream");
            last = message.sequence;
            let text = std::str::from_utf8(&message.payload).unwrap();
            let (boot, counter) = text.split_once('/').unwrap();
            let (boot, counter): (u64, u64) = (boot.parse().unwrap(), counter.parse().unwrap());
            if boot == 0 {
                return read;
            }
            let seen = read.entry(boot).or_default();
            assert_eq!(
                counter,
                *seen + 1,
                "of boot {boot}: neither twice nor left out"
            );
            *seen = counter;
            if let Some((open_boot, next)) = open {
                assert_eq!((boot, counter), (open_boot, next), "a batch is contiguous");
            }
            open = (!counter.is_multiple_of(BATCH)).then_some((boot, counter + 1));
        }
    });
    for index in 0..3 {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        servers.kill(index);
        tokio::time::sleep(Duration::from_millis(2500)).await;
        servers.restart(index);
    }
    let mut acknowledged = BTreeMap::new();
    for (boot, writer) in (1..).zip(writers) {
        let (count, again) = writer.await.unwrap();
        eprintln!("boot {boot}: {count} records acknowledged, {again} batches sent again");
        acknowledged.insert(boot, count);
    }
    // The end, in the same order for all.
    loop {
        match reader.append(&batch("a", 0, 1, 1)).await {
            AppendAnswer::Stored { .. } | AppendAnswer::Duplicate => break,
            answer => eprintln!("{answer:?}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let read = tokio::time::timeout(Duration::from_secs(60), reading).await;
    assert_eq!(read.expect("delivered in time").unwrap(), acknowledged);
}
