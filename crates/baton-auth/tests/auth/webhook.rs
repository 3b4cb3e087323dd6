//! Questions to the webhook and its answers.

use baton_auth::{
    Access, Permission, Permissions, TenantPrefix, Token, TokenError, TokenUser, WebhookRequest,
};
use serde_json::{Value, json};

use crate::harness::{NOW, NOW_SECONDS, reason};

fn answer_with(
    status: u16,
    body: &[u8],
    prefix: Option<&TenantPrefix>,
) -> Result<Access, TokenError> {
    let token = Token::new("opaque").unwrap();
    let request = WebhookRequest {
        token: &token,
        document: "team/a",
        address: "192.0.2.1",
    };
    request.parse_answer(status, body, prefix, NOW)
}

fn answer(body: &Value) -> Result<Access, TokenError> {
    answer_with(200, body.to_string().as_bytes(), None)
}

#[test]
fn the_question_has_token_document_and_address() {
    let token = Token::new("a\"b").unwrap();
    let request = WebhookRequest {
        token: &token,
        document: "é/\"..\"",
        address: "2001:db8::1",
    };
    let body: Value = serde_json::from_slice(&request.body()).unwrap();
    let expected = json!({"token": "a\"b", "document": "é/\"..\"", "address": "2001:db8::1"});
    assert_eq!(body, expected);
    assert!(!format!("{request:?}").contains("a\\\"b"), "{request:?}");
}

#[test]
fn an_answer_is_about_the_document_that_was_asked_for() {
    let full = json!({
        "allow": true, "permissions": ["write", "lock"],
        "user": {"id": "u1", "name": "Ada", "color": "#a03"},
        "tenant": "acme", "expires_at": NOW_SECONDS + 60, "token_id": "t7", "extra": [1],
    });
    let access = answer(&full).unwrap();
    assert_eq!(access.permissions("team/a"), Permissions::LOCK);
    for other in ["team/b", "team/a/", "team", "", "team/a2"] {
        assert!(access.permissions(other).is_empty(), "{other}");
    }
    let user = TokenUser::new("u1").unwrap().with_name("Ada").unwrap();
    assert_eq!(access.user(), Some(&user.with_color("#a03").unwrap()));
    assert_eq!(access.tenant(), Some("acme"));
    assert_eq!(access.token_id(), Some("t7"));
    assert_eq!(access.expires_at(), Some(NOW + 60_000));
}

#[test]
fn a_name_with_a_star_is_a_name() {
    let token = Token::new("opaque").unwrap();
    let request = WebhookRequest {
        token: &token,
        document: "*",
        address: "192.0.2.1",
    };
    let body = br#"{"allow":true,"permissions":"manage"}"#;
    let access = request.parse_answer(200, body, None, NOW).unwrap();
    assert!(access.permissions("*").contains(Permission::Manage));
    assert!(access.permissions("team/a").is_empty());
}

#[test]
fn only_a_plain_yes_opens_the_door() {
    let invalid = "webhook-answer-invalid";
    let yes = json!({"allow": true, "permissions": "read"});
    let but = |name: &str, value: Value| {
        let mut changed = yes.clone();
        changed[name] = value;
        changed
    };
    let table = [
        (yes.clone(), "passed"),
        (but("permissions", json!("read write")), "passed"),
        (json!({"allow": false}), "webhook-refused"),
        (but("allow", json!(false)), "webhook-refused"),
        (but("allow", json!("true")), invalid),
        (but("allow", json!(1)), invalid),
        (but("allow", json!(null)), invalid),
        (json!({"permissions": "read"}), invalid),
        (json!({"allow": true}), invalid),
        (but("permissions", json!([])), invalid),
        (but("permissions", json!("")), invalid),
        (but("permissions", json!("wirte")), invalid),
        (but("permissions", json!(["read", "owner"])), invalid),
        (but("permissions", json!([1])), invalid),
        (but("permissions", json!({"read": true})), invalid),
        (but("user", json!("u1")), invalid),
        (but("user", json!({"name": "Ada"})), invalid),
        (but("user", json!({"id": ""})), invalid),
        (but("user", json!({"id": "u1", "name": "a\n"})), invalid),
        (but("tenant", json!("a/b")), invalid),
        (but("token_id", json!("")), invalid),
        (but("expires_at", json!("soon")), invalid),
        (but("expires_at", json!(-1)), invalid),
        (but("expires_at", json!(NOW_SECONDS)), "expired"),
        (but("expires_at", json!(NOW_SECONDS + 1)), "passed"),
        (json!([yes]), invalid),
        (json!(true), invalid),
        (json!(null), invalid),
    ];
    for (body, expected) in table {
        assert_eq!(reason(&answer(&body)), expected, "{body}");
    }
    let twice = br#"{"allow":false,"permissions":"read","allow":true}"#;
    let raw: [&[u8]; 4] = [
        b"",
        b"ok",
        twice,
        b"{\"allow\":true,\"permissions\":\"\xff\"}",
    ];
    for body in raw {
        assert_eq!(reason(&answer_with(200, body, None)), invalid);
    }
    let mut long = but("extra", json!("x".repeat(16 * 1024)));
    assert_eq!(reason(&answer(&long)), invalid);
    long["extra"] = json!("x".repeat(8 * 1024));
    assert_eq!(reason(&answer(&long)), "passed");
}

#[test]
fn a_failure_is_never_a_yes() {
    let yes = json!({"allow": true, "permissions": "read"}).to_string();
    for status in 0..=999 {
        let result = answer_with(status, yes.as_bytes(), None);
        let (expected, temporary) = match status {
            200 => ("passed", false),
            401 | 403 => ("webhook-refused", false),
            408 | 429 | 500..=599 => ("webhook-unavailable", true),
            _ => ("webhook-answer-invalid", true),
        };
        assert_eq!(reason(&result), expected, "{status}");
        // The client may come again where the fault is not its own.
        let is_temporary = result.is_err_and(|error| error.is_temporary());
        assert_eq!(is_temporary, temporary, "{status}");
    }
}

#[test]
fn a_tenant_is_kept_to_its_documents() {
    let prefix = TenantPrefix::parse("{tenant}/").unwrap();
    let ask = |tenant: Value| {
        let body = json!({"allow": true, "permissions": "read", "tenant": tenant});
        answer_with(200, body.to_string().as_bytes(), Some(&prefix))
    };
    assert_eq!(
        ask(json!("team")).unwrap().permissions("team/a"),
        Permissions::READ
    );
    assert!(ask(json!("acme")).unwrap().permissions("team/a").is_empty());
    assert_eq!(reason(&ask(json!(null))), "webhook-answer-invalid");
}
