//! Waits until no other node is in the cluster. A node that has a document open would not see that
//! it is replaced, and would write its own state back.

use std::time::Duration;

use baton_log::ClusterNode;
use tokio::time::{Instant, sleep};

/// Pause between two looks at the leases.
const LOOK: Duration = Duration::from_millis(100);

/// Longest wait for the own lease to be seen.
const OWN_LEASE: Duration = Duration::from_secs(30);

/// Time for which a lease may be there after it has lapsed: an election of the engine.
const LAPSED: Duration = Duration::from_secs(30);

/// Inaccuracy of the age of a lease.
const SLACK: Duration = Duration::from_millis(200);

/// Waits; see the module. `lapses` is the time after which a lease that is not renewed has lapsed.
///
/// # Errors
/// The names of other nodes that live; none if not even the own lease was seen.
pub(super) async fn wait_until_alone(
    node: &dyn ClusterNode,
    lapses: Duration,
    say: &(dyn Fn(&str) + Sync),
) -> Result<(), Vec<String>> {
    let began = Instant::now();
    // The leases come in their order: once the own one is seen, all older ones are.
    let own = || node.leases().iter().any(|lease| lease.boot == node.boot());
    while !own() && began.elapsed() < OWN_LEASE {
        sleep(LOOK).await;
    }
    if !own() {
        return Err(Vec::new());
    }
    let first_look = Instant::now();
    let mut told = false;
    loop {
        let leases = node.leases();
        let others = leases.iter().filter(|lease| lease.boot != node.boot());
        let names: Vec<_> = others.clone().map(|lease| lease.name.to_string()).collect();
        if names.is_empty() {
            return Ok(());
        }
        // A node that was killed has a lease for a while, and does not renew it.
        let lives = others
            .clone()
            .any(|lease| lease.renewed + SLACK < first_look.elapsed());
        if lives || first_look.elapsed() > lapses + LAPSED {
            return Err(names);
        }
        if !told {
            let names = names.join(", ");
            say(&format!(
                "waiting until it is certain that {names} has ended (about {} s)",
                lapses.as_secs()
            ));
            told = true;
        }
        sleep(LOOK).await;
    }
}

/// Returns the names of the other nodes.
pub(super) fn names_of_others(node: &dyn ClusterNode) -> Vec<String> {
    let leases = node.leases().into_iter();
    leases
        .filter(|lease| lease.boot != node.boot())
        .map(|lease| lease.name.to_string())
        .collect()
}
