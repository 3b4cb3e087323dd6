//! `baton keys new` and `baton token`, as an operator calls them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use baton_auth::{Access, ClaimRules, KeySet, Token, TokenError, TokenUser, verify};

fn baton(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_baton"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program runs")
}

/// Runs the program, which succeeds, and returns what it prints.
fn says(folder: &Path, arguments: &[&str]) -> String {
    let output = baton(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.expect("a time after 1970").as_millis();
    u64::try_from(millis).expect("a time before the sun goes out")
}

fn access(token: &str, keys: &KeySet, rules: &ClaimRules) -> Result<Access, TokenError> {
    verify(&Token::new(token).expect("a token"), keys, rules, now())
}

#[test]
fn a_new_pair_of_keys_signs_a_token_that_its_public_part_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let jwks = says(path, &["keys", "new", "--out", "private.pem"]);
    let mode = std::fs::metadata(path.join("private.pem")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    let private = std::fs::read_to_string(path.join("private.pem")).unwrap();
    assert!(private.contains("PRIVATE KEY") && !jwks.contains("PRIVATE"));

    let options = "token --key private.pem --doc team/* --doc notes --write --user u1 --name Ada --ttl 2h --id t7";
    let token = says(path, &options.split(' ').collect::<Vec<_>>());
    let keys = KeySet::from_jwks(jwks.as_bytes()).unwrap();
    let access = access(&token, &keys, &ClaimRules::default()).unwrap();
    for document in ["team/plan", "notes"] {
        assert_eq!(access.permissions(document).to_string(), "read write");
    }
    assert!(access.permissions("other").is_empty());
    assert_eq!(access.user().and_then(TokenUser::name), Some("Ada"));
    assert_eq!(access.token_id(), Some("t7"));
    let left = access.expires_at().unwrap() - now();
    assert!((7_190_000..7_240_000).contains(&left), "{left}");
}

#[test]
fn a_new_secret_signs_a_token_for_the_names_of_another_system() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let printed = says(path, &["keys", "new", "--type", "hs256", "--out", "secret"]);
    assert_eq!(printed, "", "a secret has no public part");
    let secret = std::fs::read_to_string(path.join("secret")).unwrap();
    let keys = KeySet::from_secret(secret.trim().as_bytes(), None).unwrap();
    let options = "token --key secret --doc a/* --lock --claims y-sweet";
    let token = says(path, &options.split(' ').collect::<Vec<_>>());
    let access = access(&token, &keys, &ClaimRules::y_sweet()).unwrap();
    // The words of y-sweet name documents exactly.
    assert_eq!(access.permissions("a/*").to_string(), "read write lock");
    assert!(access.permissions("a/b").is_empty());
}

#[test]
fn mistakes_are_named_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let public = says(path, &["keys", "new", "--out", "k", "--public", "pem"]);
    std::fs::write(path.join("public.pem"), public).unwrap();
    std::fs::write(path.join("short"), "short").unwrap();
    let before = std::fs::read(path.join("k")).unwrap();
    for (arguments, part) in [
        ("keys new --out k", "k exists already"),
        ("keys new --out nowhere/k", "nowhere/k cannot be created"),
        ("token --key nowhere --doc a", "nowhere cannot be read"),
        (
            "token --key public.pem --doc a",
            "public.pem: the key cannot sign",
        ),
        ("token --key short --doc a", "short: the secret has 5 bytes"),
        ("token --key k", "--doc"),
        ("token --key k --doc a --ttl 0s", "--ttl is 0"),
        ("token --key k --doc a --name Ada", "--user"),
    ] {
        let output = baton(path, &arguments.split(' ').collect::<Vec<_>>());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments}");
        assert!(error.contains(part), "{arguments}: {error}");
        assert!(output.stdout.is_empty(), "{arguments}");
    }
    assert_eq!(std::fs::read(path.join("k")).unwrap(), before);
}
