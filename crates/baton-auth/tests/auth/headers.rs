//! Attacks by the header, the signature and the form of a token.

use baton_auth::{ClaimRules, KeySet, Token, TokenError, verify};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;

use crate::harness::{
    NOW, P256_PRIVATE, P256_PUBLIC, RSA_PRIVATE, RSA_PUBLIC, SECRET, base64, ed25519, forge,
    forge_hs256, honest, private_key, reason, secret_keys, token, verify_with,
};

#[test]
fn the_header_cannot_choose_the_algorithm() {
    let claims = honest().to_string();
    let table = [
        (r#"{"alg":"HS256"}"#, "passed"),
        (r#"{"alg":"HS256","typ":"at+jwt","cty":"x"}"#, "passed"),
        (r#"{"alg":"none"}"#, "algorithm-refused"),
        (r#"{"alg":"None"}"#, "algorithm-refused"),
        (r#"{"alg":"hs256"}"#, "algorithm-refused"),
        (r#"{"alg":""}"#, "algorithm-refused"),
        (r#"{"alg":null}"#, "algorithm-refused"),
        (r#"{"alg":["HS256"]}"#, "algorithm-refused"),
        (r#"{"typ":"JWT"}"#, "algorithm-refused"),
        (r#"{"alg":"HS384"}"#, "algorithm-refused"),
        (r#"{"alg":"PS256"}"#, "algorithm-refused"),
        (r#"{"alg":"RS256"}"#, "algorithm-refused"),
        (r#"{"alg":"EdDSA"}"#, "algorithm-refused"),
        (r#"{"alg":"none","alg":"HS256"}"#, "token-malformed"),
        (r#"{"alg":"HS256"} "#, "passed"),
        (r#"{"alg":"HS256"}x"#, "token-malformed"),
        (r#"["HS256"]"#, "token-malformed"),
        ("", "token-malformed"),
    ];
    for (header, expected) in table {
        let result = verify_with(&forge_hs256(header, &claims), &secret_keys());
        assert_eq!(reason(&result), expected, "{header}");
    }
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let claims = base64(honest().to_string());
    for alg in ["none", "HS256", "EdDSA"] {
        let header = base64(json!({ "alg": alg }).to_string());
        for text in [format!("{header}.{claims}."), format!("{header}.{claims}")] {
            let token = Token::new(text).unwrap();
            for keys in [secret_keys(), ed25519(1).key_set().unwrap()] {
                assert!(verify_with(&token, &keys).is_err(), "{alg}");
            }
        }
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let claims = honest().to_string();
    let cases = [
        ("RS256", RSA_PRIVATE, RSA_PUBLIC, Algorithm::RS256),
        ("ES256", P256_PRIVATE, P256_PUBLIC, Algorithm::ES256),
    ];
    for (alg, private, public, algorithm) in cases {
        let keys = KeySet::from_pem(public).unwrap();
        let private = private_key(private, algorithm);
        let header = json!({ "alg": alg }).to_string();
        let good = forge(&header, &claims, &private, algorithm);
        assert_eq!(reason(&verify_with(&good, &keys)), "passed", "{alg}");

        // The attacker knows the public key, and signs with its text as a secret.
        let guessed = EncodingKey::from_secret(public.as_bytes()).unwrap();
        let as_secret = forge(r#"{"alg":"HS256"}"#, &claims, &guessed, Algorithm::HS256);
        let refused = verify_with(&as_secret, &keys);
        assert_eq!(reason(&refused), "algorithm-refused", "{alg}");
        let disguised = forge(&header, &claims, &guessed, Algorithm::HS256);
        let refused = verify_with(&disguised, &keys);
        assert_eq!(reason(&refused), "signature-invalid", "{alg}");
    }
}

#[test]
fn keys_inside_of_the_token_are_not_looked_at() {
    let attacker = ed25519(66);
    let jwks: serde_json::Value = serde_json::from_str(&attacker.public_jwks().unwrap()).unwrap();
    let message = |header: String| format!("{}.{}", base64(header), base64(honest().to_string()));
    let headers = [
        json!({"alg": "EdDSA", "jwk": jwks["keys"][0]}),
        json!({"alg": "EdDSA", "jku": "https://attacker.example/jwks"}),
        json!({"alg": "EdDSA", "x5u": "https://attacker.example/cert", "x5c": ["MII"]}),
    ];
    let key = private_key(&attacker.private_pem().unwrap(), Algorithm::EdDSA);
    for header in headers {
        let forged = forge(
            header.to_string(),
            honest().to_string(),
            &key,
            Algorithm::EdDSA,
        );
        assert!(
            forged
                .secret_text()
                .starts_with(&message(header.to_string()))
        );
        let refused = verify_with(&forged, &ed25519(1).key_set().unwrap());
        assert_eq!(refused, Err(TokenError::SignatureInvalid));
        // The same header does no harm with the right key.
        let passed = verify_with(&forged, &attacker.key_set().unwrap());
        assert_eq!(reason(&passed), "passed");
    }
}

#[test]
fn critical_extensions_are_refused() {
    let claims = honest().to_string();
    for crit in [json!(["b64"]), json!(["x"]), json!([]), json!(null)] {
        let header = json!({"alg": "HS256", "crit": crit, "b64": false}).to_string();
        let result = verify_with(&forge_hs256(header, &claims), &secret_keys());
        assert_eq!(result, Err(TokenError::CriticalHeader));
    }
}

#[test]
fn every_altered_byte_is_seen() {
    let good = token(&honest());
    let text = good.secret_text();
    assert_eq!(reason(&verify_with(&good, &secret_keys())), "passed");
    for (at, old) in text.bytes().enumerate() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if old == b'A' { b'B' } else { b'A' };
        let altered = Token::new(String::from_utf8(bytes).unwrap()).unwrap();
        assert!(verify_with(&altered, &secret_keys()).is_err(), "byte {at}");
    }
}

#[test]
fn a_token_has_three_parts_of_base64url() {
    let good = token(&honest());
    let parts: Vec<&str> = good.secret_text().split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let table = [
        format!("{header}.{claims}"),
        format!("{header}.{claims}.{signature}.x"),
        format!("{header}..{claims}.{signature}"),
        format!("{header}.{claims}.{signature}="),
        format!("{header}.{claims}.{signature} "),
        format!(" {header}.{claims}.{signature}"),
        format!("Bearer {header}.{claims}.{signature}"),
        format!("{header}.{claims}.{signature}é"),
        format!("{header}.{claims}.\u{0}{signature}"),
        "..".to_owned(),
        ".".to_owned(),
        "x".to_owned(),
    ];
    for text in table {
        let result = verify_with(&Token::new(text.clone()).unwrap(), &secret_keys());
        assert_eq!(reason(&result), "token-malformed", "{text}");
    }
}

#[test]
fn a_huge_token_is_refused_before_anything_is_read() {
    assert_eq!(reason(&Token::new("x".repeat(8192))), "passed");
    assert_eq!(
        Token::new("x".repeat(8193)).unwrap_err(),
        TokenError::TooLarge { limit: 8192 }
    );
    assert_eq!(Token::new("").unwrap_err(), TokenError::Missing);
}

#[test]
fn a_megabyte_of_claims_counts_only_where_the_limit_allows_it() {
    let mut claims = honest();
    claims["padding"] = json!("x".repeat(1 << 20));
    let large = token(&claims);
    assert_eq!(reason(&verify_with(&large, &secret_keys())), "passed");
    let limited = Token::new(large.secret_text());
    assert_eq!(reason(&limited), "token-too-large");

    claims["documents"] = json!(vec!["team/x"; 100_000]);
    let many = verify_with(&token(&claims), &secret_keys());
    assert_eq!(many, Err(TokenError::DocumentsTooMany { limit: 256 }));
}

#[test]
fn claims_are_json_that_has_one_meaning() {
    let exp = NOW / 1000 + 60;
    let start = format!(r#"{{"exp":{exp},"documents":"a","permissions":"read""#);
    let deep = |levels: usize| {
        format!(
            "{start},\"x\":{}{}}}",
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    let table: Vec<(Vec<u8>, &str)> = vec![
        (format!("{start}}}").into(), "passed"),
        (
            format!(r#"{start},"documents":"b"}}"#).into(),
            "token-malformed",
        ),
        (
            format!(r#"{start},"x":{{"y":1,"y":1}}}}"#).into(),
            "token-malformed",
        ),
        // The same key, written with an escape.
        (
            format!(r#"{start},"docu\u006dents":"b"}}"#).into(),
            "token-malformed",
        ),
        (format!("{start}}}{start}}}").into(), "token-malformed"),
        (format!("[{start}}}]").into(), "token-malformed"),
        (deep(15).into(), "passed"),
        (deep(16).into(), "token-malformed"),
        (deep(100_000).into(), "token-malformed"),
        (format!(r#"{start},"x":1e999}}"#).into(), "token-malformed"),
        (
            [start.as_bytes(), b",\"x\":\"\xff\"}"].concat(),
            "token-malformed",
        ),
        (
            [b"\xef\xbb\xbf", start.as_bytes(), b"}"].concat(),
            "token-malformed",
        ),
        (b"null".to_vec(), "token-malformed"),
        (Vec::new(), "token-malformed"),
    ];
    for (claims, expected) in table {
        let shown = String::from_utf8_lossy(&claims[..claims.len().min(120)]).into_owned();
        let result = verify_with(&forge_hs256(r#"{"alg":"HS256"}"#, claims), &secret_keys());
        assert_eq!(reason(&result), expected, "{shown}");
    }
}

#[test]
fn a_token_of_another_secret_is_refused() {
    let other = EncodingKey::from_secret(&[SECRET, b"!"].concat()).unwrap();
    let header = r#"{"alg":"HS256"}"#;
    let foreign = forge(header, honest().to_string(), &other, Algorithm::HS256);
    let result = verify(&foreign, &secret_keys(), &ClaimRules::default(), NOW);
    assert_eq!(result, Err(TokenError::SignatureInvalid));
}
