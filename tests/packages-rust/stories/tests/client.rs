//! The client of the project `client`, with the server `baton`.

use stories::{Program, baton, project};
use tempfile::TempDir;

fn adds(url: &str, note: &str, line: &str) -> Program {
    Program::start(project("client").args([url, note, line]))
}

fn lines(client: Program) -> Vec<String> {
    let (status, mut lines) = client.ends();
    assert!(status.success(), "{status}: {lines:#?}");
    lines.sort();
    lines
}

#[test]
fn clients_that_come_at_once_each_have_the_lock_in_turn_and_what_they_saved_survives_kill_9() {
    let data = TempDir::new().unwrap();
    let mut server = Program::start(&mut baton(data.path()));
    let url = format!("ws://{}/ws", server.address());
    let [one, two] = ["one", "two"].map(|line| adds(&url, "plan", line));
    let [one, two] = [lines(one), lines(two)];
    let both = ["one", "two"].map(str::to_owned);
    // The second to have the lock had waited for the first one's line.
    assert!(one == both || two == both, "{one:?} {two:?}");
    server.kill();

    let mut server = Program::start(&mut baton(data.path()));
    let url = format!("ws://{}/ws", server.address());
    assert_eq!(lines(adds(&url, "plan", "three")), ["one", "three", "two"]);
    assert_eq!(lines(adds(&url, "other", "four")), ["four"]);
}

#[test]
fn a_wrong_address_is_named() {
    let (status, lines) = adds("http://127.0.0.1:1/ws", "plan", "one").ends();
    assert!(!status.success());
    let said = lines.join("\n");
    assert!(said.contains("begins neither with ws://"), "{said}");
}
