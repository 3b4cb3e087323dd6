//! Tenants that must not be confused.

use baton_auth::{Access, ClaimRules, Permissions, TenantPrefix};
use serde_json::{Value, json};

use crate::harness::{access, honest_but, reason};

fn rules(template: &str) -> ClaimRules {
    ClaimRules {
        tenant_prefix: Some(TenantPrefix::parse(template).unwrap()),
        ..ClaimRules::default()
    }
}

fn claims(tenant: &Value) -> Value {
    honest_but(&json!({"tenant": tenant, "documents": ["*"]}))
}

#[test]
fn a_tenant_reaches_its_own_documents_alone() {
    let access = access(&claims(&json!("acme")), &rules("{tenant}/")).unwrap();
    assert_eq!(access.tenant(), Some("acme"));
    let table = [
        ("acme/a", true),
        ("acme/a/b", true),
        ("acme/../other/a", true),
        ("acme", false),
        ("acme/", false),
        ("acme2/a", false),
        ("Acme/a", false),
        ("other/a", false),
        ("../acme/a", false),
        ("/acme/a", false),
        ("%61cme/a", false),
        ("other/acme/a", false),
        ("", false),
    ];
    for (document, expected) in table {
        let writes = access.permissions(document) == Permissions::WRITE;
        assert_eq!(writes, expected, "{document}");
    }
}

#[test]
fn a_pattern_for_another_tenant_gives_nothing() {
    let mut claims = claims(&json!("acme"));
    claims["documents"] = json!(["other/*", "acme/a"]);
    claims["read_only_documents"] = json!(["third/"]);
    let access = access(&claims, &rules("{tenant}/")).unwrap();
    assert_eq!(access.permissions("acme/a"), Permissions::WRITE);
    for document in ["acme/b", "other/a", "third/a"] {
        assert!(access.permissions(document).is_empty(), "{document}");
    }
}

/// A document counts for the tenant that can reach it, and for no other.
#[test]
fn a_document_belongs_to_the_tenant_whose_token_reaches_it() {
    for template in ["{tenant}/", "t/{tenant}/docs/"] {
        let prefix = TenantPrefix::parse(template).unwrap();
        let reaches = |tenant: &str, document: &str| {
            let access = Access::to_every_document(Permissions::READ);
            let access = access.with_tenant(tenant, Some(&prefix)).unwrap();
            !access.permissions(document).is_empty()
        };
        let documents = [
            "acme/a",
            "acme/a/b",
            "acme/",
            "acme",
            "/acme/a",
            "t/acme/docs/a",
            "t/acme/docs/",
            "t/acme/doc/a",
            "t//docs/a",
            "t/acme2/docs/docs/a",
            "",
            "../a",
            "..",
            "./a",
            "a*/b",
        ];
        for document in documents {
            let owner = prefix.tenant_of(document);
            for tenant in ["acme", "acme2", "t", "docs", "a"] {
                let expected = reaches(tenant, document);
                assert_eq!(
                    owner == Some(tenant),
                    expected,
                    "{template} {document} {tenant}"
                );
            }
        }
    }
    let prefix = TenantPrefix::parse("{tenant}/").unwrap();
    assert_eq!(prefix.tenant_of("acme/a/b"), Some("acme"));
    for nameless in ["../a", "./a", "a*/b", "/a", "a"] {
        assert_eq!(prefix.tenant_of(nameless), None, "{nameless}");
    }
}

#[test]
fn only_one_rule_for_all_names_manages_every_document() {
    let manages = |changes: &Value, rules: &ClaimRules| {
        let claims = honest_but(changes);
        access(&claims, rules).is_ok_and(|access| access.manages_every_document())
    };
    let open = ClaimRules::default();
    for (changes, expected) in [
        (json!({"documents": ["*"], "permissions": ["manage"]}), true),
        (
            json!({"documents": {"a": ["read"], "**": ["manage"]}}),
            true,
        ),
        (
            json!({"documents": ["*"], "permissions": ["take-over"]}),
            false,
        ),
        (
            json!({"documents": ["*/**"], "permissions": ["manage"]}),
            false,
        ),
        (
            json!({"documents": {"a": ["manage"], "*": ["read"]}}),
            false,
        ),
        (
            json!({"documents": ["*"], "permissions": ["manage"], "read_only_documents": ["a"]}),
            false,
        ),
    ] {
        assert_eq!(manages(&changes, &open), expected, "{changes}");
    }
    let of_tenant = json!({"documents": ["*"], "permissions": ["manage"], "tenant": "acme"});
    assert!(manages(&of_tenant, &open));
    assert!(!manages(&of_tenant, &rules("{tenant}/")));
    let exact = ClaimRules {
        document_syntax: baton_auth::DocumentSyntax::Exact,
        ..open
    };
    let star = json!({"documents": ["*"], "permissions": ["manage"]});
    assert!(!manages(&star, &exact), "a document of the name `*`");
}

#[test]
fn the_prefix_may_have_more_than_the_tenant() {
    let access = access(&claims(&json!(42)), &rules("t/{tenant}/docs/")).unwrap();
    assert_eq!(access.permissions("t/42/docs/a"), Permissions::WRITE);
    for document in ["42/a", "t/42/a", "t/421/docs/a", "t/42/docs"] {
        assert!(access.permissions(document).is_empty(), "{document}");
    }
}

#[test]
fn a_tenant_is_a_plain_word() {
    let long = "x".repeat(129);
    let refused = [
        "",
        "a/b",
        "/",
        "a*",
        "*",
        "..",
        ".",
        "a\\b",
        "a\u{0}",
        "a\nb",
        "\u{202e}a",
        &long,
    ];
    for tenant in refused {
        let result = access(&claims(&json!(tenant)), &rules("{tenant}/"));
        assert_eq!(reason(&result), "claim-invalid", "{tenant:?}");
        // Also without a prefix: quotas go by tenant.
        let result = access(&claims(&json!(tenant)), &ClaimRules::default());
        assert_eq!(reason(&result), "claim-invalid", "{tenant:?}");
        assert!(Access::default().with_tenant(tenant, None).is_err());
    }
    for tenant in ["acme", "a.b", "Ärzte", "a b", "...", "{tenant}"] {
        let result = access(&claims(&json!(tenant)), &rules("{tenant}/"));
        let document = format!("{tenant}/a");
        assert_eq!(result.unwrap().permissions(&document), Permissions::WRITE);
    }
    for odd in [json!(["acme"]), json!(true), json!({}), json!(1.5)] {
        assert_eq!(
            reason(&access(&claims(&odd), &rules("{tenant}/"))),
            "claim-invalid"
        );
    }
}

#[test]
fn with_a_prefix_a_token_needs_a_tenant() {
    let none = claims(&json!(null));
    assert_eq!(
        reason(&access(&none, &rules("{tenant}/"))),
        "tenant-missing"
    );
    assert_eq!(reason(&access(&none, &ClaimRules::default())), "passed");
}

#[test]
fn a_prefix_ends_the_name_of_the_tenant() {
    for good in ["{tenant}/", "docs/{tenant}/", "{tenant}/d-"] {
        assert!(TenantPrefix::parse(good).is_ok(), "{good}");
    }
    let long = format!("{}{{tenant}}/", "x".repeat(256));
    let refused = [
        "",
        "/",
        "tenant/",
        "{tenant}",
        "{tenant}-",
        "{tenant}/{tenant}/",
        "*/{tenant}/",
        "{tenant}/\n",
        &long,
    ];
    for bad in refused {
        assert!(TenantPrefix::parse(bad).is_err(), "{bad}");
    }
}
