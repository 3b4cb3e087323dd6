//! Keys: their forms, their limits, and which of them a token may choose.

use baton_auth::{KeyAlgorithm, KeyError, KeySet, Permissions, SigningKey, Token};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::harness::{
    ED25519_PRIVATE, ED25519_PUBLIC, P256_PRIVATE, P256_PUBLIC, RSA_PRIVATE, RSA_PUBLIC, SECRET,
    base64, ed25519, forge, honest, private_key, reason, secret_keys, token, verify_with,
};

const RSA_PKCS1_PUBLIC: &str = include_str!("keys/rsa-pkcs1-public.pem");
const RSA_1024_PUBLIC: &str = include_str!("keys/rsa-1024-public.pem");
const P384_PUBLIC: &str = include_str!("keys/p384-public.pem");

/// Signs honest claims with this header.
fn signed(header: &Value, private: &str) -> Token {
    let algorithm = match header["alg"].as_str().unwrap() {
        "RS256" => Algorithm::RS256,
        "ES256" => Algorithm::ES256,
        _ => Algorithm::EdDSA,
    };
    let key = private_key(private, algorithm);
    forge(header.to_string(), honest().to_string(), &key, algorithm)
}

/// Returns the member of a key set for a seed, with this id.
fn member(seed: u8, id: Option<&str>) -> Value {
    let key = match id {
        Some(id) => ed25519(seed).with_id(id),
        None => ed25519(seed),
    };
    let set: Value = serde_json::from_str(&key.public_jwks().unwrap()).unwrap();
    set["keys"][0].clone()
}

fn jwks(members: &[Value]) -> Result<KeySet, KeyError> {
    KeySet::from_jwks(json!({ "keys": members }).to_string().as_bytes())
}

/// Signs honest claims with the key of a seed.
fn signed_by(seed: u8, id: Option<&str>) -> Token {
    let header = match id {
        Some(id) => json!({"alg": "EdDSA", "kid": id}),
        None => json!({"alg": "EdDSA"}),
    };
    signed(&header, &ed25519(seed).private_pem().unwrap())
}

#[test]
fn public_keys_in_pem_verify_their_own_algorithm() {
    let table = [
        ("RS256", RSA_PRIVATE, RSA_PUBLIC, KeyAlgorithm::Rs256),
        ("RS256", RSA_PRIVATE, RSA_PKCS1_PUBLIC, KeyAlgorithm::Rs256),
        ("ES256", P256_PRIVATE, P256_PUBLIC, KeyAlgorithm::Es256),
        (
            "EdDSA",
            ED25519_PRIVATE,
            ED25519_PUBLIC,
            KeyAlgorithm::EdDsa,
        ),
        (
            "Ed25519",
            ED25519_PRIVATE,
            ED25519_PUBLIC,
            KeyAlgorithm::EdDsa,
        ),
    ];
    for (alg, private, public, algorithm) in table {
        let keys = KeySet::from_pem(public).unwrap();
        assert_eq!(keys.keys().collect::<Vec<_>>(), [(algorithm, None)]);
        let token = signed(&json!({ "alg": alg }), private);
        assert_eq!(reason(&verify_with(&token, &keys)), "passed", "{alg}");
        // Keys in PEM have no id, so that they fit whatever the issuer calls them.
        let named = signed(&json!({"alg": alg, "kid": "2026"}), private);
        assert_eq!(reason(&verify_with(&named, &keys)), "passed", "{alg}");
        for (other, private, ..) in table {
            let result = verify_with(&signed(&json!({ "alg": other }), private), &keys);
            let same = private == table.iter().find(|row| row.2 == public).unwrap().1;
            assert_eq!(result.is_ok(), same, "{other} with a key for {alg}");
        }
    }
}

#[test]
fn a_file_of_several_keys_is_one_set() {
    let keys = KeySet::from_pem(&[RSA_PUBLIC, "comment\n", P256_PUBLIC, ED25519_PUBLIC].concat());
    let keys = keys.unwrap();
    for (alg, private) in [
        ("RS256", RSA_PRIVATE),
        ("ES256", P256_PRIVATE),
        ("EdDSA", ED25519_PRIVATE),
    ] {
        let token = signed(&json!({ "alg": alg }), private);
        assert_eq!(reason(&verify_with(&token, &keys)), "passed", "{alg}");
    }
}

#[test]
fn keys_that_are_weak_or_not_public_are_refused() {
    let table = [
        (RSA_PRIVATE, KeyError::PrivateKey),
        (ED25519_PRIVATE, KeyError::PrivateKey),
        (RSA_1024_PUBLIC, KeyError::RsaSize { bits: 1024 }),
        (P384_PUBLIC, KeyError::UnsupportedKey),
        ("", KeyError::NotPem),
        ("secret", KeyError::NotPem),
        (
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            KeyError::UnsupportedKey,
        ),
    ];
    for (pem, expected) in table {
        assert_eq!(KeySet::from_pem(pem).unwrap_err(), expected, "{pem}");
    }
    // The DER of an Ed25519 key of 3 bytes: the library would panic on it.
    let short = pem::Pem::new(
        "PUBLIC KEY",
        vec![0x30, 13, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 4, 0, 1, 2, 3],
    );
    let refused = KeySet::from_pem(&pem::encode(&short));
    assert_eq!(refused.unwrap_err(), KeyError::UnsupportedKey);
}

#[test]
fn a_secret_has_32_bytes_and_is_no_key_in_pem() {
    assert!(KeySet::from_secret(&[7; 32], None).is_ok());
    let weak = KeySet::from_secret(&[7; 31], None).unwrap_err();
    assert_eq!(weak, KeyError::WeakSecret { length: 31 });
    assert!(weak.to_string().contains("at least 32"), "{weak}");
    let public = KeySet::from_secret(RSA_PUBLIC.as_bytes(), None).unwrap_err();
    assert_eq!(public, KeyError::PemAsSecret);
    assert_eq!(
        SigningKey::from_secret(b"short").unwrap_err(),
        KeyError::WeakSecret { length: 5 }
    );
}

#[test]
fn the_id_chooses_among_keys() {
    let keys = jwks(&[member(1, Some("one")), member(2, Some("two"))]).unwrap();
    let table = [
        (1, Some("one"), "passed"),
        (2, Some("two"), "passed"),
        (2, Some("one"), "signature-invalid"),
        (1, Some("three"), "key-unknown"),
        (1, Some(""), "key-unknown"),
        (1, Some("ONE"), "key-unknown"),
        (1, None, "passed"),
        (2, None, "passed"),
        (3, None, "signature-invalid"),
    ];
    for (seed, id, expected) in table {
        let result = verify_with(&signed_by(seed, id), &keys);
        assert_eq!(reason(&result), expected, "{seed} {id:?}");
    }
    let odd = [json!(7), json!(["one"]), json!("x".repeat(257))];
    for kid in odd {
        let header = json!({"alg": "EdDSA", "kid": kid});
        let token = signed(&header, &ed25519(1).private_pem().unwrap());
        assert_eq!(reason(&verify_with(&token, &keys)), "token-malformed");
    }
}

#[test]
fn two_keys_of_one_id_are_both_tried() {
    let keys = jwks(&[member(1, Some("k")), member(2, Some("k"))]).unwrap();
    for (seed, expected) in [(1, "passed"), (2, "passed"), (3, "signature-invalid")] {
        let result = verify_with(&signed_by(seed, Some("k")), &keys);
        assert_eq!(reason(&result), expected, "{seed}");
    }
    // One id and two algorithms: the header chooses the key, and the key fixes the algorithm.
    let secret = KeySet::from_secret(SECRET, Some("k")).unwrap();
    let mixed = keys.merge(secret).unwrap();
    assert_eq!(reason(&verify_with(&token(&honest()), &mixed)), "passed");
    let rsa = signed(&json!({"alg": "RS256", "kid": "k"}), RSA_PRIVATE);
    assert_eq!(reason(&verify_with(&rsa, &mixed)), "algorithm-refused");
}

#[test]
fn few_keys_are_tried_for_a_token_without_an_id() {
    let members: Vec<_> = (1..=9)
        .map(|seed| member(seed, Some(&format!("k{seed}"))))
        .collect();
    let eight = jwks(&members[..8]).unwrap();
    assert_eq!(reason(&verify_with(&signed_by(8, None), &eight)), "passed");
    let nine = jwks(&members).unwrap();
    assert_eq!(
        reason(&verify_with(&signed_by(8, None), &nine)),
        "key-ambiguous"
    );
    assert_eq!(
        reason(&verify_with(&signed_by(8, Some("k8")), &nine)),
        "passed"
    );
    // Keys of other algorithms do not count.
    let with_secret = nine.merge(secret_keys()).unwrap();
    assert_eq!(
        reason(&verify_with(&token(&honest()), &with_secret)),
        "passed"
    );
}

#[test]
fn an_old_and_a_new_secret_count_side_by_side() {
    let old = SigningKey::from_secret(&[1; 32]).unwrap();
    let new = SigningKey::from_secret(&[2; 32]).unwrap();
    let keys = old
        .key_set()
        .unwrap()
        .merge(new.key_set().unwrap())
        .unwrap();
    for key in [old, new] {
        let documents = vec![baton_auth::DocumentPattern::every()];
        let contents = baton_auth::NewToken::new(documents, Permissions::READ, 1000);
        let token = baton_auth::mint(&key, &contents, crate::harness::NOW).unwrap();
        assert_eq!(reason(&verify_with(&token, &keys)), "passed");
    }
}

#[test]
fn members_of_a_set_that_cannot_verify_are_left_out() {
    let good = member(1, Some("good"));
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    let useless = [
        with("use", json!("enc")),
        with("key_ops", json!(["sign"])),
        with("alg", json!("RS256")),
        with("alg", json!("none")),
        with("alg", json!(7)),
        with("crv", json!("Ed448")),
        with("kty", json!("AKP")),
        with("x", json!("AAAA")),
        with("x", json!("not base64!")),
        with("x", json!(null)),
        json!({"kty": "oct", "k": base64(SECRET), "alg": "HS256", "kid": "shared"}),
        json!({"kty": "RSA", "n": base64([0xff; 128]), "e": "AQAB"}),
        json!({"kty": "RSA", "n": "", "e": "AQAB"}),
        json!({"kty": "RSA", "n": base64([0xff; 1024]), "e": "AQAB"}),
        json!({"kty": "EC", "crv": "P-256", "x": base64([1; 32]), "y": base64([1; 32])}),
        json!({"kty": "EC", "crv": "P-256", "x": base64([1; 3]), "y": ""}),
        json!({"kty": "EC", "crv": "P-384", "x": base64([1; 48]), "y": base64([1; 48])}),
        json!(null),
        json!({}),
        json!([]),
        json!("key"),
    ];
    for useless in &useless {
        assert_eq!(
            jwks(std::slice::from_ref(useless)).unwrap_err(),
            KeyError::NoUsableKey,
            "{useless}"
        );
        let keys = jwks(&[useless.clone(), good.clone()]).unwrap();
        assert_eq!(keys.keys().count(), 1, "{useless}");
        let result = verify_with(&signed_by(1, Some("good")), &keys);
        assert_eq!(reason(&result), "passed", "{useless}");
    }
    for fine in [
        with("use", json!("sig")),
        with("key_ops", json!(["verify"])),
        with("alg", json!("Ed25519")),
        with("x5c", json!(["whatever"])),
    ] {
        assert!(jwks(std::slice::from_ref(&fine)).is_ok(), "{fine}");
    }
}

#[test]
fn a_set_has_limits() {
    let members: Vec<_> = (0..65).map(|seed| member(seed, Some("k"))).collect();
    assert!(jwks(&members[..64]).is_ok());
    assert_eq!(
        jwks(&members).unwrap_err(),
        KeyError::TooManyKeys { limit: 64 }
    );
    let long = vec![b' '; 256 * 1024 + 1];
    let limit = 256 * 1024;
    assert_eq!(
        KeySet::from_jwks(&long).unwrap_err(),
        KeyError::TooLarge { limit }
    );
    for bad in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"keys":{}}"#,
        r#"{"keys":"#,
        "<html>",
    ] {
        assert_eq!(
            KeySet::from_jwks(bad.as_bytes()).unwrap_err(),
            KeyError::NotJwks,
            "{bad}"
        );
    }
    let deep = format!(
        r#"{{"keys":[{}{}]}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(
        KeySet::from_jwks(deep.as_bytes()).unwrap_err(),
        KeyError::NotJwks
    );
    assert_eq!(jwks(&[]).unwrap_err(), KeyError::NoUsableKey);
}

#[test]
fn keys_are_not_shown() {
    let key = SigningKey::from_secret(SECRET).unwrap();
    let shown = format!("{key:?} {:?} {:?}", key.key_set().unwrap(), ed25519(7));
    assert!(!shown.contains("secret of"), "{shown}");
    assert!(!shown.contains("7, 7"), "{shown}");
    assert!(
        shown.contains("HS256") && shown.contains("EdDSA"),
        "{shown}"
    );
}

/// The example of RFC 8037, appendix A.
#[test]
fn the_thumbprint_of_a_key_is_that_of_its_public_part() {
    let seed = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c,
        0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae,
        0x7f, 0x60,
    ];
    let key = SigningKey::from_ed25519_seed(seed).unwrap();
    let set = key.with_thumbprint().public_jwks().unwrap();
    let set: Value = serde_json::from_str(&set).unwrap();
    let member = &set["keys"][0];
    assert_eq!(member["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(member["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let secret = SigningKey::from_secret(SECRET).unwrap().with_thumbprint();
    assert_eq!(secret.key_set().unwrap().keys().next().unwrap().1, None);
}
