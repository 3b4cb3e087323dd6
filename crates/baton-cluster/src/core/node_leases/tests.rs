use super::*;

const OWN: BootId = BootId(1);
const OTHER: BootId = BootId(2);

fn at(seconds: u64) -> Time {
    Time::from_millis(1_000 * seconds)
}

fn leases() -> NodeLeases {
    NodeLeases::new(OWN, 1, LeaseOptions::default(), at(0))
}

/// Lets time pass, with a renewal each 3 s that is seen at once, as long as the engine answers.
fn pass(leases: &mut NodeLeases, seconds: std::ops::Range<u64>) {
    for second in seconds {
        leases.handle_timeout(at(second));
        let number = leases.last_number;
        leases.seen(OWN, number, number, at(second));
        leases.acknowledged(0, at(second));
    }
}

fn is_lost(leases: &mut NodeLeases) -> bool {
    leases.life(OTHER, 0, at(0)) == NodeLife::Lost
}

#[test]
fn clients_of_a_dead_node_had_their_time_when_it_is_lost() {
    let mut leases = leases();
    pass(&mut leases, 0..30);
    leases.seen(OTHER, 1, 1, at(29));
    assert_eq!(leases.served_without(OTHER), Duration::ZERO);
    pass(&mut leases, 30..49);
    assert!(!is_lost(&mut leases));
    pass(&mut leases, 49..53);
    assert!(is_lost(&mut leases));
    // It was seen at 29 s, and had noticed at 34 s that it was cut off.
    let served = leases.served_without(OTHER);
    assert!(served >= Duration::from_secs(15), "{served:?}");
    assert!(served <= Duration::from_secs(19), "{served:?}");
}

#[test]
fn clients_had_no_time_while_this_node_was_isolated() {
    let mut leases = leases();
    leases.seen(OTHER, 1, 1, at(0));
    pass(&mut leases, 0..15);
    // Only a stream does not answer: leases age.
    leases.set_isolated(true, at(15));
    pass(&mut leases, 15..24);
    assert!(is_lost(&mut leases));
    assert_eq!(leases.served_without(OTHER), Duration::ZERO);
    leases.set_isolated(false, at(24));
    assert_eq!(leases.served_without(OTHER), Duration::ZERO);
    pass(&mut leases, 24..31);
    assert_eq!(leases.served_without(OTHER), Duration::from_secs(6));
}

#[test]
fn clients_had_no_time_before_an_outage_of_the_engine_was_over() {
    let mut leases = leases();
    pass(&mut leases, 0..10);
    leases.seen(OTHER, 1, 1, at(9));
    leases.set_isolated(true, at(12));
    leases.set_isolated(false, at(100));
    pass(&mut leases, 100..119);
    assert!(!is_lost(&mut leases), "the clock stood still");
    pass(&mut leases, 119..125);
    assert!(is_lost(&mut leases));
    let served = leases.served_without(OTHER);
    assert!(served >= Duration::from_secs(10), "{served:?}");
    assert!(served <= Duration::from_secs(24), "{served:?}");
}

#[test]
fn clients_had_no_time_when_this_node_has_just_started() {
    let mut leases = leases();
    assert!(!is_lost(&mut leases), "it is asked for");
    pass(&mut leases, 0..4);
    assert!(is_lost(&mut leases), "it never had a lease");
    assert_eq!(leases.served_without(OTHER), Duration::ZERO);
    pass(&mut leases, 4..16);
    assert_eq!(leases.served_without(OTHER), Duration::from_secs(10));
}

#[test]
fn a_watch_that_begins_again_shows_the_own_renewal_before_a_later_one_of_another() {
    let mut leases = leases();
    pass(&mut leases, 0..10);
    leases.seen(OTHER, 1, 11, at(9));
    // The renewals of the other one arrive, and are not shown to this node; the own ones are not
    // stored. Both come again, the other one first: its renewal 12 gave way to 14.
    for second in 10..40 {
        leases.handle_timeout(at(second));
        leases.clock += Duration::from_secs(1);
    }
    let number = leases.last_number;
    leases.seen(OWN, number, 13, at(41));
    assert!(!is_lapsed(&leases), "its renewal is on the way");
    leases.seen(OTHER, 5, 14, at(41));
    leases.handle_timeout(at(43));
    leases.seen(OWN, leases.last_number, 15, at(43));
    assert!(!is_lapsed(&leases));
}

fn is_lapsed(leases: &NodeLeases) -> bool {
    matches!(leases.peers[&OTHER].state, PeerState::Lapsed { .. })
}

/// The watch of a node whose engine was parted began again late. Each of its renewals replaced a
/// revision that was gone, and it was called lost although it read and wrote.
#[test]
fn a_renewal_replaces_what_the_answer_says_while_the_watch_shows_nothing() {
    let mut leases = leases();
    pass(&mut leases, 0..4);
    let expected = |leases: &mut NodeLeases| {
        let renewed = std::iter::from_fn(|| leases.next_output());
        let expected = renewed.filter_map(|output| match output {
            LeaseOutput::Renew { expected, .. } => Some(expected),
            _ => None,
        });
        expected.last().expect("a renewal")
    };
    expected(&mut leases);
    leases.stored(40);
    leases.handle_timeout(at(20));
    assert_eq!(expected(&mut leases), Some(40));
    // The watch comes to an earlier one.
    leases.seen(OWN, 2, 39, at(21));
    leases.handle_timeout(at(24));
    assert_eq!(expected(&mut leases), Some(40));
    // Another node has removed it, and an answer of before comes late.
    leases.removed(OWN, 41, at(25));
    leases.stored(40);
    leases.handle_timeout(at(28));
    assert_eq!(expected(&mut leases), None);
}
