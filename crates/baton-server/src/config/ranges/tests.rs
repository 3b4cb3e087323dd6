use super::*;

/// Settings that are words, lists or paths: whatever can be parsed is valid.
const WORDS: [&str; 57] = [
    "compress_first_sync",
    "cluster",
    "cluster_credentials",
    "cluster_ca",
    "cluster_cert",
    "cluster_key",
    "cluster_monitors",
    "cluster_name",
    "cluster_snapshots",
    "cluster_node",
    "echo",
    "stamp_awareness",
    "server_token",
    "signing_key_file",
    "public_url",
    "auth",
    "open",
    "auth_secret",
    "auth_secret_file",
    "auth_key_file",
    "auth_jwks_url",
    "auth_webhook_url",
    "auth_claims",
    "claim_documents",
    "claim_read_only",
    "claim_permissions",
    "claim_user_id",
    "claim_user_name",
    "claim_user_color",
    "claim_tenant",
    "claim_token_id",
    "token_documents",
    "default_documents",
    "default_permissions",
    "auth_audiences",
    "auth_issuers",
    "auth_expiry",
    "tenant_prefix",
    "listen",
    "socket_access",
    "base",
    "tls_cert",
    "tls_key",
    "data",
    "trusted_proxies",
    "proxy_header",
    "allowed_origins",
    "allowed_hosts",
    "frame_ancestors",
    "keep_history",
    "metrics",
    "rights",
    "mode",
    "read_only_edits",
    "profile",
    "auto_pass",
    "wait_out_lease",
];

#[test]
fn every_setting_has_a_range_or_is_a_word() {
    let settings = Settings::default();
    let names: Vec<_> = ranged(&settings).iter().map(|one| one.name).collect();
    for name in Settings::NAMES {
        let found = names.iter().filter(|one| *one == name).count();
        let word = usize::from(WORDS.contains(name));
        assert_eq!(found + word, 1, "{name}");
    }
    assert_eq!(names.len() + WORDS.len(), Settings::NAMES.len());
    for one in ranged(&settings) {
        assert!(one.least < one.most, "{}", one.name);
    }
}

#[test]
fn the_defaults_are_in_range_and_what_is_absurd_is_named_with_its_range() {
    assert!(Settings::default().check().is_ok());
    let error = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.check().unwrap_err().to_string()
    };
    for (said, parts) in [
        (
            error(|settings| settings.max_frame = ByteSize::b(1)),
            ["max_frame is 1 B", "64.0 KiB and 1.0 GiB"],
        ),
        (
            error(|settings| settings.max_connections = 0),
            ["max_connections is 0", "1 and 100000000"],
        ),
        (
            error(|settings| settings.ping_every = Span(Duration::ZERO)),
            ["ping_every is 0s", "1ms and 1day"],
        ),
        (
            error(|settings| settings.max_document_name = usize::MAX),
            ["max_document_name", "1 and 1024"],
        ),
    ] {
        for part in parts {
            assert!(said.contains(part), "{said}: {part}");
        }
    }
}
