//! The program of the project `host`, and the project `client` as its visitor.

use std::net::SocketAddr;
use std::path::Path;

use stories::{Program, ask, project};
use tempfile::TempDir;

fn host(folder: &Path) -> (Program, SocketAddr) {
    let mut host = Program::start(project("host").arg("127.0.0.1:0").arg(folder));
    let address = host.address();
    (host, address)
}

fn visitor(address: SocketAddr, token: Option<&str>, note: &str, line: &str) -> Program {
    let url = format!("ws://{address}/ws");
    let mut command = project("client");
    command.args([&url, note, line]).env_remove("NOTES_TOKEN");
    if let Some(token) = token {
        command.env("NOTES_TOKEN", token);
    }
    Program::start(&mut command)
}

#[test]
fn the_host_serves_its_own_pages_and_edits_the_notes_that_people_edit_over_sockets() {
    let folder = TempDir::new().unwrap();
    let (host, address) = host(folder.path());
    let has = |request: &str, body: &str, end: &str| {
        let answer = ask(address, request, body);
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with(end),
            "{answer}"
        );
    };
    has("GET /health", "", "\r\n\r\nwell\n");
    has("POST /notes/plan", "from the host", "\r\n\r\n");
    let (status, lines) = visitor(address, Some("ada-7"), "plan", "from Ada").ends();
    assert!(status.success(), "{lines:#?}");
    assert_eq!(lines, ["from the host", "from Ada"]);
    has("GET /notes/plan", "", "\r\n\r\nfrom the host\nfrom Ada\n");
    assert!(ask(address, "GET /elsewhere", "").starts_with("HTTP/1.1 404"));

    host.interrupts();
    let (status, lines) = host.ends();
    assert!(status.success(), "{status}: {lines:#?}");
    assert_eq!(lines, ["all is saved"]);

    let (_host, address) = self::host(folder.path());
    let answer = ask(address, "GET /notes/plan", "");
    assert!(
        answer.ends_with("\r\n\r\nfrom the host\nfrom Ada\n"),
        "{answer}"
    );
}

#[test]
fn the_host_decides_who_may_read_and_who_may_edit() {
    let folder = TempDir::new().unwrap();
    let (_host, address) = host(folder.path());
    for (token, note, reason) in [
        (None, "private/diary", "401"),
        (Some("wrong"), "plan", "may not hold it"),
    ] {
        let (status, lines) = visitor(address, token, note, "from Eve").ends();
        let said = lines.join("\n");
        assert!(!status.success() && said.contains(reason), "{said}");
        let note = note.replace('/', "%2F");
        let answer = ask(address, &format!("GET /notes/{note}"), "");
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
    }
}
