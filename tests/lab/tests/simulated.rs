//! `baton-lab sim`: seeds are counted, a failing one is named, and fails again at the same event.

use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton-lab"));
    let small = ["sim", "--people", "3", "--lasts", "10s", "--json"];
    command.args(small).args(arguments);
    command.output().expect("it can be run")
}

fn said(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

#[test]
fn as_many_seeds_as_were_asked_for_are_run() {
    let output = sim(&["--seeds", "4", "--seed", "1"]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said:#}");
    assert_eq!(
        (&said["outcome"], &said["seeds"]),
        (&"sound".into(), &4.into())
    );
    assert!(said["steps"].as_u64() > Some(100), "{said:#}");
    assert!(said["seeds_per_second"].as_f64() > Some(0.0));
}

#[test]
fn a_seed_that_fails_is_named_and_fails_again_at_the_same_event() {
    let output = sim(&["--seeds", "200", "--flaw", "drop-fan-out"]);
    let first = said(&output);
    assert_eq!(output.status.code(), Some(1), "{first:#}");
    assert_eq!(first["outcome"], "finding");
    let failed = &first["failed"][0];
    let seed = failed["seed"].as_u64().expect("a seed").to_string();
    let again = failed["again"].as_str().expect("a command");
    let expected =
        format!("baton-lab sim --seeds 1 --seed {seed} --people 3 --lasts 10s --flaw drop-fan-out");
    assert_eq!(again, expected);

    let arguments: Vec<&str> = again.split(' ').skip(2).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton-lab"));
    let output = command.arg("sim").args(arguments).arg("--json").output();
    let output = output.expect("it can be run");
    assert_eq!(output.status.code(), Some(1));
    let second = said(&output);
    let violation = |of: &serde_json::Value| of["report"]["violation"].clone();
    assert!(violation(failed)["step"].is_u64());
    assert_eq!(violation(&second["failed"][0]), violation(failed));
}
