//! Claims for permissions, documents and users, under Baton's names and those of others.

use baton_auth::{
    ClaimName, ClaimNames, ClaimRules, DocumentPattern, DocumentSyntax, Permissions, TokenUser,
};
use serde_json::{Value, json};

use crate::harness::{NOW_SECONDS, access, honest, honest_but, reason};

/// Returns the permissions on a document, or the reason of the refusal.
fn outcome(claims: &Value, rules: &ClaimRules, document: &str) -> String {
    match access(claims, rules) {
        Ok(access) => access.permissions(document).to_string(),
        Err(error) => error.reason().to_owned(),
    }
}

#[test]
fn permissions_are_a_list_a_string_or_a_scope() {
    let missing = "permissions-missing";
    let table = [
        (json!(["read"]), "read"),
        (json!(["write"]), "read write"),
        (json!(["lock"]), "read write lock"),
        (json!(["take-over"]), "read write lock take-over"),
        (json!(["manage"]), "manage"),
        (json!(["read", "manage"]), "read manage"),
        (json!("write"), "read write"),
        (json!("openid profile write"), "read write"),
        (json!("read,manage"), "read manage"),
        (json!(["openid", "read lock"]), "read write lock"),
        (json!("full"), "read write"),
        (json!("read-only"), "read"),
        (json!([]), missing),
        (json!(""), missing),
        (json!(null), missing),
        (json!("openid"), missing),
        (json!("Write"), missing),
        (json!("writer"), missing),
        (json!("*"), missing),
        (json!("wr\u{131}te"), missing),
        (json!(true), "claim-invalid"),
        (json!(31), "claim-invalid"),
        (json!([["write"]]), "claim-invalid"),
        (json!({"write": true}), "claim-invalid"),
    ];
    for (permissions, expected) in table {
        let claims = honest_but(&json!({ "permissions": permissions }));
        let result = outcome(&claims, &ClaimRules::default(), "team/a");
        assert_eq!(result, expected, "{permissions}");
    }
}

#[test]
fn words_of_another_issuer_can_be_given_a_meaning() {
    let mut rules = ClaimRules::default();
    rules.names.permissions = ClaimName::new("scope").unwrap();
    let words = &mut rules.permission_words;
    words.insert("baton:edit".to_owned(), Permissions::LOCK);
    // A word of Baton's can lose its meaning, where scopes of others use it.
    words.insert("write".to_owned(), Permissions::NONE);
    let claims = |scope: &str| honest_but(&json!({ "scope": scope }));
    assert_eq!(
        outcome(&claims("baton:edit"), &rules, "team/a"),
        "read write lock"
    );
    assert_eq!(
        outcome(&claims("write"), &rules, "team/a"),
        "permissions-missing"
    );
}

#[test]
fn documents_are_a_list_a_string_or_an_object_with_permissions() {
    let table = [
        (json!("a"), "a", "read write"),
        (json!(["a", "b"]), "b", "read write"),
        (json!(["a", "b"]), "c", "none"),
        (json!({"a": "read", "b/*": ["lock"]}), "a", "read"),
        (
            json!({"a": "read", "b/*": ["lock"]}),
            "b/x",
            "read write lock",
        ),
        (json!({"a": "read", "b/*": ["lock"]}), "c", "none"),
        // All patterns that fit count.
        (json!({"a": "read", "*": "manage"}), "a", "read manage"),
        // A word that Baton does not know gives nothing, rather than the other claim's words.
        (json!({"a": "owner"}), "a", "none"),
        (json!(["a", 7]), "a", "claim-invalid"),
        (json!({"a": 7}), "a", "claim-invalid"),
        (json!({"a": null}), "a", "claim-invalid"),
        (json!(7), "a", "claim-invalid"),
        (json!([""]), "", "claim-invalid"),
        (json!(["a\u{0}"]), "a", "claim-invalid"),
        (json!(["x".repeat(1025)]), "a", "claim-invalid"),
        (json!([]), "a", "documents-missing"),
        (json!({}), "a", "documents-missing"),
        (json!(null), "a", "documents-missing"),
    ];
    for (documents, document, expected) in table {
        let claims = honest_but(&json!({ "documents": documents }));
        let result = outcome(&claims, &ClaimRules::default(), document);
        assert_eq!(result, expected, "{documents} for {document}");
    }
    let many: Vec<_> = (0..257).map(|n| n.to_string()).collect();
    let (fits, over) = (json!(many[1..]), json!(many));
    let rules = ClaimRules::default();
    assert_eq!(
        outcome(&honest_but(&json!({"documents": fits})), &rules, "7"),
        "read write"
    );
    for name in ["documents", "read_only_documents"] {
        let claims = honest_but(&json!({ name: over }));
        assert_eq!(outcome(&claims, &rules, "7"), "documents-too-many");
    }
}

#[test]
fn documents_that_are_read_only_stay_so() {
    let claims = honest_but(&json!({
        "documents": ["*"], "read_only_documents": ["law/"], "permissions": ["take-over", "manage"],
    }));
    let rules = ClaimRules::default();
    assert_eq!(
        outcome(&claims, &rules, "notes"),
        "read write lock take-over manage"
    );
    assert_eq!(outcome(&claims, &rules, "law/1"), "read");
    // Alone, they are all that the token gives, and no permission is needed.
    let claims = honest_but(&json!({
        "documents": null, "read_only_documents": "law/1", "permissions": null,
    }));
    assert_eq!(outcome(&claims, &rules, "law/1"), "read");
    assert_eq!(outcome(&claims, &rules, "law/2"), "none");
}

#[test]
fn a_token_that_is_replayed_on_another_document_opens_nothing() {
    let claims = honest_but(&json!({"documents": ["minutes"]}));
    let rules = ClaimRules::default();
    assert_eq!(outcome(&claims, &rules, "minutes"), "read write");
    for other in [
        "minute", "minutes2", "Minutes", "minutes/", "/minutes", "minutes ", "",
    ] {
        assert_eq!(outcome(&claims, &rules, other), "none", "{other}");
    }
}

#[test]
fn tokens_that_state_only_a_user_get_what_the_settings_say() {
    let rules = ClaimRules {
        default_documents: vec![DocumentPattern::parse("public/").unwrap()],
        default_permissions: Permissions::WRITE,
        ..ClaimRules::default()
    };
    let bare = json!({"exp": NOW_SECONDS + 60, "sub": "u1"});
    assert_eq!(outcome(&bare, &rules, "public/a"), "read write");
    assert_eq!(outcome(&bare, &rules, "private/a"), "none");
    assert_eq!(
        outcome(&bare, &ClaimRules::default(), "public/a"),
        "documents-missing"
    );
    // A claim that is there counts, also if it gives nothing.
    let none = honest_but(&json!({"permissions": []}));
    assert_eq!(outcome(&none, &rules, "team/a"), "permissions-missing");
}

#[test]
fn tokens_of_y_sweet_users_fit() {
    let rules = ClaimRules::y_sweet();
    let claims = |id: &str, authorization: &str| json!({"exp": NOW_SECONDS + 60, "doc_id": id, "authorization": authorization});
    assert_eq!(outcome(&claims("d1", "full"), &rules, "d1"), "read write");
    assert_eq!(outcome(&claims("d1", "read-only"), &rules, "d1"), "read");
    assert_eq!(outcome(&claims("d1", "full"), &rules, "d2"), "none");
    assert_eq!(
        outcome(&claims("d1", "owner"), &rules, "d1"),
        "permissions-missing"
    );
    // Names there are names: a user who may name a document does not get all of them.
    assert_eq!(rules.document_syntax, DocumentSyntax::Exact);
    for name in ["*", "**", "d*", "d/"] {
        assert_eq!(
            outcome(&claims(name, "full"), &rules, "d/1"),
            "none",
            "{name}"
        );
        assert_eq!(
            outcome(&claims(name, "full"), &rules, name),
            "read write",
            "{name}"
        );
    }
}

#[test]
fn tokens_of_tiptap_users_fit() {
    let rules = ClaimRules::tiptap();
    let base = || json!({"exp": NOW_SECONDS + 60, "sub": "u1"});
    assert_eq!(outcome(&base(), &rules, "any"), "read write");
    let mut some = base();
    some["allowedDocumentNames"] = json!(["u1/*", "shared"]);
    some["readonlyDocumentNames"] = json!(["news/*"]);
    for (document, expected) in [
        ("u1/a", "read write"),
        ("shared", "read write"),
        ("news/1", "read"),
        ("u2/a", "none"),
    ] {
        assert_eq!(outcome(&some, &rules, document), expected, "{document}");
    }
    let mut all_but_news = base();
    all_but_news["readonlyDocumentNames"] = json!(["news/*"]);
    assert_eq!(outcome(&all_but_news, &rules, "news/1"), "read");
    assert_eq!(outcome(&all_but_news, &rules, "u2/a"), "read write");
    let mut none = base();
    none["allowedDocumentNames"] = json!([]);
    assert_eq!(outcome(&none, &rules, "any"), "documents-missing");
}

#[test]
fn claims_have_full_names_or_paths() {
    let url = "https://example.com/baton.documents";
    let table = [
        ("docs", json!({"docs": "a"}), "read write"),
        ("app.docs", json!({"app": {"docs": "a"}}), "read write"),
        ("app.docs", json!({"app.docs": "a"}), "read write"),
        ("a.b.c", json!({"a": {"b": {"c": "a"}}}), "read write"),
        ("a.b.c", json!({"a.b": {"c": "a"}}), "read write"),
        ("a.b.c", json!({"a": {"b.c": "a"}}), "read write"),
        (url, json!({url: "a"}), "read write"),
        (
            url,
            json!({"https://example.com/baton": {"documents": "a"}}),
            "read write",
        ),
        // The full name wins, also with `null`: two readings of one token are worse than none.
        (
            "app.docs",
            json!({"app.docs": "b", "app": {"docs": "a"}}),
            "none",
        ),
        (
            "app.docs",
            json!({"app.docs": null, "app": {"docs": "a"}}),
            "documents-missing",
        ),
        ("app.docs", json!({"app": "a"}), "documents-missing"),
        ("app.docs", json!({"app": ["docs"]}), "documents-missing"),
        ("app.docs", json!({"docs": "a"}), "documents-missing"),
    ];
    for (name, documents, expected) in table {
        let mut rules = ClaimRules::default();
        rules.names.documents = ClaimName::new(name).unwrap();
        let mut claims = honest_but(&json!({"documents": null}));
        for (name, value) in documents.as_object().unwrap() {
            claims[name] = value.clone();
        }
        assert_eq!(
            outcome(&claims, &rules, "a"),
            expected,
            "{name} in {documents}"
        );
    }
    for bad in ["", "a\nb", "a.b.c.d.e.f.g.h.i.j", &"x".repeat(257)] {
        assert!(ClaimName::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn names_of_claims_come_from_settings() {
    let names: ClaimNames =
        serde_json::from_value(json!({"user_id": "app.user.id", "tenant": "org"})).unwrap();
    assert_eq!(names.user_id.as_str(), "app.user.id");
    assert_eq!(names.documents, ClaimNames::default().documents);
    for bad in [
        json!({"user": "x"}),
        json!({"user_id": ""}),
        json!({"user_id": 7}),
    ] {
        assert!(serde_json::from_value::<ClaimNames>(bad).is_err());
    }
}

#[test]
fn a_user_has_an_identity_and_perhaps_a_name_and_a_color() {
    let user = |changes: Value| {
        let access = access(&honest_but(&changes), &ClaimRules::default())?;
        Ok(access.user().cloned())
    };
    let ada = TokenUser::new("u1").unwrap().with_name("Ada").unwrap();
    let ada = ada.with_color("#a03").unwrap();
    let claims = json!({"sub": "u1", "name": "Ada", "color": "#a03"});
    assert_eq!(user(claims), Ok(Some(ada)));
    assert_eq!(
        user(json!({"sub": 42})),
        Ok(Some(TokenUser::new("42").unwrap()))
    );
    assert_eq!(user(json!({})), Ok(None));
    assert_eq!(user(json!({"name": "Ada"})), Ok(None));
    // Marks of the direction belong to names in Arabic and Hebrew; overrides deceive.
    let marked = json!({"sub": "u1", "name": "\u{5d0}\u{200f}!"});
    assert!(user(marked).is_ok_and(|user| user.is_some()));
    let refused = [
        json!({"sub": ""}),
        json!({"sub": "x".repeat(257)}),
        json!({"sub": "a\nb"}),
        json!({"sub": "a\u{0}"}),
        json!({"sub": true}),
        json!({"sub": 1.5}),
        json!({"sub": ["u1"]}),
        json!({"sub": "u1", "name": "x".repeat(257)}),
        json!({"sub": "u1", "name": "Ada\u{202e}nimda"}),
        json!({"sub": "u1", "name": "\u{1b}[2J"}),
        json!({"sub": "u1", "name": {"first": "Ada"}}),
        json!({"sub": "u1", "color": "x".repeat(65)}),
        json!({"sub": "u1", "color": 255}),
        json!({"jti": ""}),
        json!({"jti": "x".repeat(257)}),
    ];
    for changes in refused {
        assert_eq!(reason(&user(changes.clone())), "claim-invalid", "{changes}");
    }
    let access = access(&honest_but(&json!({"jti": "t7"})), &ClaimRules::default());
    assert_eq!(access.unwrap().token_id(), Some("t7"));
    assert_eq!(
        reason(&crate::harness::access(&honest(), &ClaimRules::default())),
        "passed"
    );
}
