//! An engine that has no room.

use std::time::Duration;

use baton_log::ClusterNode;

use crate::member::Member;
use crate::servers::{Servers, Setup};

const STORE: &str = "6MB";

/// It looked like one that does not answer. Nothing is lost: what waited is stored when there is
/// room again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_engine_is_told_from_one_that_does_not_answer_and_loses_nothing() {
    let setup = Setup {
        file_store: STORE,
        ..Setup::of(1)
    };
    let Some(mut servers) = Servers::start(&setup) else {
        return;
    };
    let one = Member::start(&servers).await;
    let (mut open, _) = one.open("notes").await;
    assert!(one.log.has_room());
    let mut proposed = 0;
    let filling = async {
        while one.log.has_room() {
            if proposed < 60 {
                open.propose(vec![7; 300_000]).await;
                proposed += 1;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let full = tokio::time::timeout(Duration::from_secs(60), filling).await;
    assert!(full.is_ok(), "{proposed}; {}", servers.logs());
    open.propose("and one more").await;
    servers.restart_with_room(0, STORE);
    let taken = open.take(proposed + 1).await;
    assert_eq!(&taken[proposed].record[..], b"and one more");
    assert!(one.log.has_room());
}
