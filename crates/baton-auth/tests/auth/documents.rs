//! Names of documents are bytes: no trick with paths reaches beyond a pattern.

use baton_auth::{DocumentPattern, PatternError};

fn fits(pattern: &str, document: &str) -> bool {
    DocumentPattern::parse(pattern).unwrap().matches(document)
}

#[test]
fn patterns_fit_what_the_documentation_says() {
    let table = [
        ("notes", "notes", true),
        ("notes", "notes2", false),
        ("notes", "Notes", false),
        ("team/", "team/a", true),
        ("team/", "team/a/b", true),
        ("team/", "team/", false),
        ("team/", "team", false),
        ("team/", "team2/a", false),
        ("team/*", "team/a", true),
        ("team/*", "team/a/b", false),
        ("team/*", "team/", true),
        ("team/*", "team", false),
        ("team/**", "team/a/b", true),
        ("team/*/notes", "team/a/notes", true),
        ("team/*/notes", "team/a/b/notes", false),
        ("team/**/notes", "team/a/b/notes", true),
        ("team/**/notes", "team/notes", false),
        ("*-draft", "a-draft", true),
        ("*-draft", "a/b-draft", false),
        ("**-draft", "a/b-draft", true),
        ("a*b*c", "aXbXbXc", true),
        ("a*b*c", "aXbXb", false),
        ("*", "anything/at/all", true),
        ("**", "anything/at/all", true),
        ("***", "anything/at/all", true),
        ("*/*", "a/b", true),
        ("*/*", "a", false),
    ];
    for (pattern, document, expected) in table {
        assert_eq!(
            fits(pattern, document),
            expected,
            "{pattern} for {document}"
        );
    }
}

#[test]
fn no_trick_with_paths_leaves_a_pattern() {
    let tricks = [
        "team/../secret",
        "team/..",
        "team/./secret",
        "team//secret",
        "team/%2e%2e/secret",
        "team/..%2fsecret",
        "team\\..\\secret",
        "./team/secret",
        "/team/secret",
        "TEAM/secret",
        "te\u{301}am/secret",
        "\u{ff54}eam/secret",
        "team\u{2215}secret",
        "team/secret\u{0}",
        "team/ secret",
    ];
    // The names are names of their own: nothing is folded into `secret` or `team/secret`.
    for trick in tricks {
        for pattern in ["secret", "team/secret", "secret/*", "other/**"] {
            assert!(!fits(pattern, trick), "{pattern} for {trick}");
        }
    }
    // One segment is one segment.
    for trick in [
        "team/../secret",
        "team/./secret",
        "team//secret",
        "team/%2e%2e/secret",
    ] {
        assert!(!fits("team/*", trick), "{trick}");
    }
    // A prefix fits the name that begins with it, and not another document that a path of this
    // text would lead to.
    assert!(fits("team/", "team/../secret"));
    assert!(!fits("team/", "secret"));
    // No form of Unicode stands for another one.
    assert!(!fits("caf\u{e9}", "cafe\u{301}"));
    assert!(!fits("cafe\u{301}", "caf\u{e9}"));
    assert!(fits("caf\u{e9}/*", "caf\u{e9}/a"));
    assert!(!fits("team/secret", "team%2fsecret"));
}

#[test]
fn only_the_star_is_special() {
    for name in [
        "a?b", "a[bc]", "{a,b}", "a\\b", "!a", "^a$", "a.b", "a+", "(a|b)", "~",
    ] {
        assert!(fits(name, name), "{name}");
        assert!(fits(&format!("{name}/*"), &format!("{name}/x")), "{name}");
    }
    for (pattern, document) in [
        ("a?b", "axb"),
        ("a[bc]", "ab"),
        ("{a,b}", "a"),
        ("a.b", "axb"),
        ("a.*", "axy"),
        ("[a-z]*", "abc"),
        ("(a|b)*", "a"),
    ] {
        assert!(!fits(pattern, document), "{pattern} for {document}");
    }
    let exact = DocumentPattern::exact("a/*").unwrap();
    assert!(exact.matches("a/*") && !exact.matches("a/b"));
}

#[test]
fn patterns_have_limits() {
    let table = [
        (String::new(), Some(PatternError::Empty)),
        ("x".repeat(1024), None),
        ("x".repeat(1025), Some(PatternError::TooLong)),
        (format!("{}*", "x".repeat(255)), None),
        (format!("{}*", "x".repeat(256)), Some(PatternError::TooLong)),
        ("a\u{7f}".to_owned(), Some(PatternError::ControlCharacter)),
        ("a\u{85}".to_owned(), Some(PatternError::ControlCharacter)),
        ("a\nb*".to_owned(), Some(PatternError::ControlCharacter)),
    ];
    for (pattern, expected) in table {
        assert_eq!(
            DocumentPattern::parse(&pattern).err(),
            expected,
            "{pattern:?}"
        );
    }
}

#[test]
fn a_hostile_pattern_costs_little() {
    // Each of these takes a matcher that goes back and forth longer than the universe is old.
    let name = "a".repeat(1024);
    for pattern in ["**a".repeat(80), "*a".repeat(120), "*".repeat(256)] {
        let pattern = format!("{}b", &pattern[..pattern.len() - 1]);
        assert!(!fits(&pattern, &name), "{pattern}");
    }
}
