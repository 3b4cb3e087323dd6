//! A running server with one bug in it: the lab finds it, names it, and says the seed. Without the bug the same play is
//! sound.
//!
//! A seed repeats the play and not the performance, so each bug has three seeds in which to show itself. The sound server
//! has to pass them all.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use baton_lab::{Chaos, Locks, Pace, Run, Scenario, Target, run};

const SEEDS: [u64; 3] = [7, 8, 9];

fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_flawed-baton").into()
}

async fn plays(scenario: &Scenario, flaw: Option<&str>) -> Run {
    let scenario = Scenario {
        server: flaw
            .map(|flaw| vec!["--flaw".to_owned(), flaw.to_owned()])
            .unwrap_or_default(),
        ..scenario.clone()
    };
    let target = Target::Program(program());
    let bound = scenario.lasts + scenario.settle + Duration::from_secs(60);
    let played = run(&scenario, &target, |_| ());
    let played = tokio::time::timeout(bound, played).await;
    played.expect("in time").expect("the run can be made")
}

/// The first problem in these words that the flawed server shows, and the seed; the sound one shows none.
async fn found(scenario: Scenario, flaw: &str, words: &[&str]) -> (u64, String) {
    let mut others = Vec::new();
    for seed in SEEDS {
        let scenario = Scenario {
            seed,
            ..scenario.clone()
        };
        let run = plays(&scenario, Some(flaw)).await;
        let named = |problem: &String| words.iter().all(|word| problem.contains(word));
        let problems: Vec<String> = run.verdict.problems().collect();
        let found = problems.iter().find(|problem| named(problem)).cloned();
        let Some(problem) = found else {
            others.extend(problems);
            continue;
        };
        assert_eq!(run.verdict.seed, seed);
        assert!(run.verdict.again.contains(&format!("--seed {seed} ")));
        assert!(run.verdict.again.contains(flaw), "{}", run.verdict.again);
        plays(&scenario, None).await.verdict.assert_good();
        return (seed, problem);
    }
    panic!("{flaw} was not found; {others:#?}");
}

fn small() -> Scenario {
    Scenario {
        clients: 4,
        docs: 1,
        lasts: Duration::from_secs(4),
        settle: Duration::from_secs(5),
        pause: Duration::from_millis(40),
        stubborn: 0,
        leave: 0,
        pace: Pace::Brisk,
        ..Scenario::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_is_dropped_at_fan_out_to_one_client() {
    // Whoever comes again, or opens the document afresh after a park, gets all of it: nobody does here.
    let scenario = Scenario {
        acquire: 0,
        ..small()
    };
    let words = ["not converged", "the copy of c", "has also"];
    let (seed, _) = found(scenario, "dropped-update", &words).await;
    assert_eq!(seed, SEEDS[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_that_is_not_checked() {
    let scenario = Scenario {
        stubborn: 40,
        acquire: 20,
        locks: Locks::Document,
        ..small()
    };
    let words = ["fence not checked", "held the lock under"];
    found(scenario, "unchecked-fence", &words).await;
}

/// Where the rest of the document is free, it takes more of an eye for what is locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_that_is_not_checked_in_a_part() {
    let scenario = Scenario {
        stubborn: 40,
        acquire: 40,
        locks: Locks::Parts,
        ..small()
    };
    let (_, problem) = found(scenario, "unchecked-fence", &["fence not checked"]).await;
    assert!(!problem.contains("held the lock"), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_record_that_is_lost_with_the_power() {
    let scenario = Scenario {
        chaos: vec![Chaos::Blackout],
        kills: 60.0,
        // After a blackout a lock would be waited for, and nobody would write.
        acquire: 0,
        settle: Duration::from_secs(15),
        ..small()
    };
    found(
        scenario,
        "forgotten-record",
        &["lost: c", "acknowledged at"],
    )
    .await;
}

/// The same on the command line: what a build's log shows.
fn lab(flaw: &[&str], json: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton-lab"));
    command
        .args(["run", "--seed", "7", "--clients", "4", "--docs", "1"])
        .args(["--lasts", "3s", "--pause", "40ms", "--brisk"])
        .args(["--stubborn", "0", "--acquire", "0", "--leave", "0"])
        .args(["--settle", "5s"])
        .arg("--program")
        .arg(program())
        .arg("--html")
        .arg(folder.path().join("report.html"))
        .args(json)
        .args(flaw);
    command.output().expect("it can be run")
}

#[test]
fn the_program_says_the_finding_the_seed_and_how_to_see_it_again() {
    let output = lab(&["--", "--flaw", "dropped-update"], &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not converged: the copy of c"), "{said}");
    assert!(said.contains("finding"), "{said}");
    let again = "again with: baton-lab run --seed 7 --clients 4 --docs 1 --lasts 3s --pause 40ms --settle 5s --stubborn 0 --acquire 0 --leave 0 --brisk -- --flaw dropped-update";
    assert!(said.contains(again), "{said}");
}

#[test]
fn the_program_says_that_all_is_sound_to_machines_too() {
    let output = lab(&[], &["--json"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(verdict["outcome"], "sound");
    assert_eq!(verdict["seed"], 7);
    assert_eq!(verdict["problems"].as_array().map(Vec::len), Some(0));
    assert_eq!(verdict["documents"][0]["converged"], true);
}

#[test]
fn wrong_usage_and_no_server_are_neither_sound_nor_a_finding() {
    for arguments in [
        ["run", "--chaos", "floods"],
        ["run", "--clients", "0"],
        ["run", "--program", "no-such-program"],
        ["run", "--url", "http://127.0.0.1:9"],
        // Nobody is there.
        ["run", "--url", "ws://127.0.0.1:9"],
        ["judge", "--json", "no-such-record.json"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baton-lab"));
        let output = command.args(arguments).output().expect("it can be run");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}
