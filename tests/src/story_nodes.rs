//! The number of nodes that serve a story, and the stories that one machine serves whatever the number is.
//!
//! `BATON_STORIES_NODES=3` has every story that uses a [`TestServer`](crate::TestServer) served by three nodes. A story
//! whose subject is one machine begins with [`one_machine!`](crate::one_machine), which names the reason, and is left out
//! there. A story that needs one machine and does not say so fails.

use std::fs::File;
use std::io::Write;

/// Number of nodes, 1 if it is not set.
const NODES: &str = "BATON_STORIES_NODES";

/// A file that gets a line for each story that is left out: its name, a tab, the reason.
const LEFT_OUT: &str = "BATON_STORIES_LEFT_OUT";

/// A reason for which a story has one machine for its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneMachine {
    /// The log of one machine: its folder, the files in it, the time of its commits, and positions that one document
    /// has for itself.
    OwnLog,
    /// The program, its arguments, its commands and its signals. `tests/cluster` kills and freezes nodes.
    Process,
    /// Limits, rates and counters that each node has for itself.
    OwnLimits,
    /// Listening, HTTP and TLS, before any document is opened.
    Listening,
    /// A server that comes back and knows that all were away. In a cluster a node that starts is one more node.
    Restart,
    /// A limit of clusters that `docs/operations/cluster.md` names.
    KnownLimit,
}

/// Returns the number of nodes that serve a story.
///
/// # Panics
/// When the variable is no number from 1 on.
#[must_use]
pub fn nodes_of_a_story() -> usize {
    let Some(given) = std::env::var_os(NODES) else {
        return 1;
    };
    let number = given.to_str().and_then(|number| number.parse().ok());
    let number = number.filter(|number| *number > 0);
    number.expect("BATON_STORIES_NODES is a number from 1 on")
}

/// Returns true if a story is left out because several nodes serve the others. Called by
/// [`one_machine!`](crate::one_machine).
///
/// # Panics
/// When the list of those that are left out cannot be written.
#[must_use]
pub fn is_left_out(story: &str, why: OneMachine) -> bool {
    if nodes_of_a_story() == 1 {
        return false;
    }
    if let Some(list) = std::env::var_os(LEFT_OUT) {
        let list = File::options().append(true).create(true).open(list);
        let line = format!("{story}\t{why:?}\n");
        // One call, so that the lines of several processes do not mix.
        let written = list.and_then(|mut list| list.write_all(line.as_bytes()));
        written.expect("the list of stories that are left out can be written");
    }
    true
}

/// Panics if several nodes serve the stories: this one needs one machine, and does not say so.
pub(crate) fn is_for_one_machine(what: &str) {
    let nodes = nodes_of_a_story();
    assert!(
        nodes == 1,
        "this story has {what}, which {nodes} nodes do not have: if one machine is its subject, begin it with \
         one_machine!(...)"
    );
}

/// Leaves a story out where several nodes serve the stories: its subject is one machine, for this reason.
///
/// ```
/// # fn story() {
/// baton_tests::one_machine!(OwnLog);
/// # }
/// ```
#[macro_export]
macro_rules! one_machine {
    ($why:ident) => {{
        fn here() {}
        let story = ::std::any::type_name_of_val(&here);
        let story = story
            .trim_end_matches("::here")
            .trim_end_matches("::{{closure}}");
        if $crate::is_left_out(story, $crate::OneMachine::$why) {
            return;
        }
    }};
}
