//! Tokens and keys that Baton makes, back through everything that reads them.

use baton_auth::{
    ClaimName, ClaimRules, DocumentPattern, KeyError, KeySet, MintError, NewToken, Permissions,
    SigningKey, TenantPrefix, TokenUser, mint, secret_from_random, verify,
};

use crate::harness::{
    ED25519_PRIVATE, ED25519_PUBLIC, NOW, RSA_PRIVATE, ed25519, reason, verify_with,
};

fn contents() -> NewToken {
    let documents = ["team/*", "notes"].map(|text| DocumentPattern::parse(text).unwrap());
    let mut contents = NewToken::new(documents.into(), Permissions::LOCK, 3_600_000);
    let user = TokenUser::new("u1")
        .unwrap()
        .with_name("Ada \"A\" é")
        .unwrap();
    contents.user = Some(user.with_color("#a03").unwrap());
    contents.tenant = Some("acme".to_owned());
    contents.token_id = Some("t7".to_owned());
    contents.audience = Some("baton".to_owned());
    contents.issuer = Some("baton token".to_owned());
    contents
}

#[test]
fn everything_in_a_token_comes_back() {
    let secret = secret_from_random(&[5; 32]);
    let keys = [
        ed25519(1),
        ed25519(1).with_id("k1"),
        SigningKey::from_secret(secret.as_bytes()).unwrap(),
        SigningKey::from_secret(secret.as_bytes())
            .unwrap()
            .with_id("k2"),
    ];
    let rules = ClaimRules {
        audiences: vec!["baton".to_owned()],
        issuers: vec!["baton token".to_owned()],
        ..ClaimRules::default()
    };
    for key in keys {
        let token = mint(&key, &contents(), NOW + 1).unwrap();
        let access = verify(&token, &key.key_set().unwrap(), &rules, NOW + 1).unwrap();
        for document in ["team/a", "notes"] {
            assert_eq!(access.permissions(document), Permissions::LOCK);
        }
        assert!(access.permissions("team/a/b").is_empty());
        assert_eq!(access.user(), contents().user.as_ref());
        assert_eq!(access.tenant(), Some("acme"));
        assert_eq!(access.token_id(), Some("t7"));
        // Up to whole seconds, and the leeway of 30 s.
        assert_eq!(access.expires_at(), Some(NOW + 3_601_000 + 30_000));
    }
}

#[test]
fn a_token_is_made_with_the_names_that_its_server_reads() {
    let mut contents = contents();
    contents.names.documents = ClaimName::new("app.docs").unwrap();
    contents.names.permissions = ClaimName::new("https://example.com/may").unwrap();
    let rules = ClaimRules {
        names: contents.names.clone(),
        tenant_prefix: Some(TenantPrefix::parse("{tenant}/").unwrap()),
        ..ClaimRules::default()
    };
    contents.documents = vec![DocumentPattern::every()];
    let key = ed25519(1);
    let token = mint(&key, &contents, NOW).unwrap();
    let access = verify(&token, &key.key_set().unwrap(), &rules, NOW).unwrap();
    assert_eq!(access.permissions("acme/a"), Permissions::LOCK);
    assert!(access.permissions("other/a").is_empty());
    let default = verify_with(&token, &key.key_set().unwrap());
    assert_eq!(reason(&default), "documents-missing");
}

#[test]
fn keys_are_written_and_read_in_the_forms_of_other_tools() {
    let key = ed25519(9);
    let token = mint(&key, &contents(), NOW).unwrap();
    let public = KeySet::from_pem(&key.public_pem().unwrap()).unwrap();
    assert_eq!(reason(&verify_with(&token, &public)), "passed");

    let again = SigningKey::from_ed25519_pem(&key.private_pem().unwrap()).unwrap();
    assert_eq!(again.public_pem(), key.public_pem());

    // Made by OpenSSL.
    let foreign = SigningKey::from_ed25519_pem(ED25519_PRIVATE).unwrap();
    let written = foreign.public_pem().unwrap().replace("\r\n", "\n");
    assert_eq!(written, ED25519_PUBLIC);
    let written = foreign.private_pem().unwrap().replace("\r\n", "\n");
    assert_eq!(written, ED25519_PRIVATE);

    for bad in [
        ED25519_PUBLIC,
        RSA_PRIVATE,
        "",
        "-----BEGIN PRIVATE KEY-----",
    ] {
        let refused = SigningKey::from_ed25519_pem(bad).unwrap_err();
        assert_eq!(refused, KeyError::CannotSign, "{bad}");
    }
    let secret = SigningKey::from_secret(&[1; 32]).unwrap();
    assert!(secret.private_pem().is_none());
    assert!(secret.public_pem().is_none() && secret.public_jwks().is_none());
}

#[test]
fn keys_of_other_random_bytes_do_not_verify() {
    let token = mint(&ed25519(1), &contents(), NOW).unwrap();
    let other = verify_with(&token, &ed25519(2).key_set().unwrap());
    assert_eq!(reason(&other), "signature-invalid");
}

#[test]
fn a_token_that_no_server_would_take_is_not_made() {
    let mut long = contents();
    let name = "x".repeat(1000);
    long.documents = vec![DocumentPattern::parse(&name).unwrap(); 9];
    let refused = mint(&ed25519(1), &long, NOW).unwrap_err();
    assert!(matches!(refused, MintError::Token(_)), "{refused}");
}
