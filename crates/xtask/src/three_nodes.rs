//! The step `three-nodes` of `test`: the stories over sockets once more, each on three nodes.
//!
//! Owns the account of the stories that are left out because one machine is their subject. They
//! say so themselves (`one_machine!` in `tests/`), with the reason.

use std::collections::BTreeMap;
use std::fs;

use crate::place::{Place, on_path};
use crate::run;
use crate::tally::{Runner, Tally};
use crate::trouble::Trouble;

/// The stories, as nextest selects them.
const STORIES: &str = "binary_id(baton-tests::stories)";

/// Runs the stories. The build is the one of the step `test`.
pub(crate) fn test(place: &Place) -> Result<Tally, Trouble> {
    let list = place.built("debug", "stories-left-out");
    // Stories add to it: of an earlier run nothing may be there.
    if list.exists() {
        fs::remove_file(&list)
            .map_err(|error| Trouble::failed(format!("{}: {error}", list.display())))?;
    }
    let (mut command, runner) = if on_path("cargo-nextest").is_some() {
        let mut command = place.cargo(["nextest", "run", "--workspace", "--locked"]);
        // Most of their time the stories wait: four at once keep two cores busy.
        command.args(["--no-fail-fast", "--test-threads=4", "-E", STORIES]);
        (command, Runner::Nextest)
    } else {
        let mut command = place.cargo(["test", "--workspace", "--test", "stories", "--locked"]);
        command.args(["--no-fail-fast", "--", "--test-threads=4"]);
        (command, Runner::Libtest)
    };
    let settings = [
        ("BATON_STORIES_NODES", "3".into()),
        ("BATON_STORIES_LEFT_OUT", list.clone()),
    ];
    let mut total = run::count(command.envs(settings), runner)?;
    // The runner counts the tests of all other programs, which this step is not about.
    total.skipped = 0;
    let said = fs::read_to_string(&list).unwrap_or_default();
    let left_out = by_reason(&said);
    for (reason, stories) in &left_out {
        println!("left out, {reason}: {}", stories.len());
        for story in stories {
            println!("    {story}");
        }
    }
    // They ended at once, and showed nothing here.
    let count: usize = left_out.values().map(Vec::len).sum();
    total.passed = total.passed.saturating_sub(count as u64);
    Ok(total)
}

/// Reads lines of a story, a tab and a reason.
fn by_reason(said: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut reasons = BTreeMap::<_, Vec<_>>::new();
    for (story, reason) in said.lines().filter_map(|line| line.split_once('\t')) {
        reasons.entry(reason).or_default().push(story);
    }
    for stories in reasons.values_mut() {
        stories.sort_unstable();
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stories_are_listed_by_the_reason_for_which_they_are_left_out() {
        let said = "stories::b\tFolder\nstories::c\tProcess\nstories::a\tFolder\n";
        let read = by_reason(said);
        assert_eq!(read["Folder"], ["stories::a", "stories::b"]);
        assert_eq!(read["Process"], ["stories::c"]);
        assert!(by_reason("").is_empty());
    }
}
