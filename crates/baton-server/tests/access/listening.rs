//! The start: what is open to whom, and what is shown of settings that are secret.

use std::process::Output;

use tempfile::TempDir;
use tokio::time::timeout;

use crate::forge::SECRET;
use crate::program::{Program, WAIT, baton};

async fn fails(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let folder = TempDir::new().unwrap();
    let mut command = baton();
    command.args(arguments).current_dir(folder.path());
    command.envs(environment.iter().copied());
    let output = timeout(WAIT, command.output()).await.unwrap().unwrap();
    let text = all(&output);
    assert!(!output.status.success(), "{arguments:?}: {text}");
    text
}

fn all(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_server_without_authentication_is_not_opened_to_a_network_by_accident() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let text = fails(&["serve", "--listen", address], &[]).await;
        assert!(text.contains("--open") && text.contains("auth"), "{text}");
        assert!(!text.contains("listening on"), "{text}");
    }
}

#[tokio::test]
async fn a_server_with_tokens_or_opened_on_purpose_listens_everywhere() {
    let secret = [
        ("auth", "jwt"),
        ("auth_secret", SECRET),
        ("listen", "0.0.0.0:0"),
    ];
    for settings in [&secret[..], &[("open", "on"), ("listen", "0.0.0.0:0")]] {
        let folder = TempDir::new().unwrap();
        let mut command = baton();
        for (name, value) in settings {
            command.env(format!("BATON_{}", name.to_uppercase()), value);
        }
        let mut child = command
            .args(["serve", "--data"])
            .arg(folder.path().join("data"))
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(output));
        let line = timeout(WAIT, lines.next_line()).await.unwrap().unwrap();
        assert!(
            line.is_some_and(|line| line.contains("0.0.0.0")),
            "{settings:?}"
        );
    }
}

/// `--open` is a flag by itself: a value behind it would be taken for another argument.
#[tokio::test]
async fn the_flag_needs_no_value() {
    let text = fails(&["serve", "--open", "--listen", "192.0.2.1:1"], &[]).await;
    assert!(!text.contains("--open"), "the address is at fault: {text}");
    assert!(text.contains("192.0.2.1"), "{text}");
}

#[tokio::test]
async fn no_secret_is_in_the_help_or_in_an_error() {
    let environment = [
        ("BATON_AUTH_SECRET", SECRET),
        ("BATON_AUTH_JWKS_URL", "https://hush/?key=hush"),
        ("BATON_AUTH_WEBHOOK_URL", "https://hush/?key=hush"),
    ];
    let mut command = baton();
    command.args(["serve", "--help"]).envs(environment);
    let help = all(&command.output().await.unwrap());
    assert!(help.contains("BATON_AUTH_SECRET"), "{help}");
    assert!(!help.contains(SECRET) && !help.contains("hush"), "{help}");

    let folder = TempDir::new().unwrap();
    for line in [
        format!("auth_secret = \"{SECRET}"),
        format!("auth_secret = {SECRET}"),
        format!("auth_secret = \"{SECRET}\" oops"),
        format!("auth_secrets = \"{SECRET}\""),
        format!("auth_secret = [\"{SECRET}\"]"),
        format!("auth = \"webhook\"\nauth_secret = \"{SECRET}\""),
    ] {
        let file = Program::file(&folder, "baton.toml", &format!("# first line\n{line}\n"));
        let text = fails(&["serve", "--config", file.to_str().unwrap()], &[]).await;
        assert!(!text.contains("only for tests"), "{text}");
    }
    let short = [
        ("BATON_AUTH", "jwt"),
        ("BATON_AUTH_SECRET", "too-short-a-secret"),
    ];
    let text = fails(&["serve"], &short).await;
    assert!(
        text.contains("auth_secret: the secret has 18 bytes"),
        "{text}"
    );
    assert!(!text.contains("too-short"), "{text}");
}
