//! Patterns against an independent matcher, the `regex` crate.

use baton_auth::DocumentPattern;
use proptest::prelude::*;
use regex::bytes::Regex;

/// Translates a glob into a regular expression, by the words of its documentation.
fn reference(glob: &str) -> Regex {
    let mut text = String::from(r"(?s-u)\A");
    let mut rest = glob;
    while !rest.is_empty() {
        let stars = rest.bytes().take_while(|byte| *byte == b'*').count();
        match stars {
            0 => {
                let end = rest.find('*').unwrap_or(rest.len());
                for byte in rest[..end].bytes() {
                    text.push_str(&format!(r"\x{byte:02x}"));
                }
                rest = &rest[end..];
                continue;
            }
            1 => text.push_str("[^/]*"),
            _ => text.push_str(".*"),
        }
        rest = &rest[stars..];
    }
    Regex::new(&(text + r"\z")).unwrap()
}

/// Few letters, so that patterns and names often fit.
const PATTERN: &str = r"[ab/é*]{0,7}\*[ab/é*]{0,7}";
const NAME: &str = "[ab/é*]{0,20}";

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn globs_are_as_the_reference(glob in PATTERN, names in prop::collection::vec(NAME, 8)) {
        // Alone it is the pattern for every document.
        prop_assume!(glob != "*");
        let pattern = DocumentPattern::parse(&glob).unwrap();
        let reference = reference(&glob);
        for name in names {
            let expected = reference.is_match(name.as_bytes());
            prop_assert_eq!(pattern.matches(&name), expected, "{} for {}", glob, name);
        }
    }

    /// Names that are made from the pattern fit it; random ones seldom fit a long one.
    #[test]
    fn a_name_that_fills_the_stars_fits(
        parts in prop::collection::vec("[ab/]{0,5}", 2..6),
        fillings in prop::collection::vec("[ab]{0,5}", 6),
        deep in prop::collection::vec("[ab/]{0,9}", 6),
    ) {
        let fill = |star: &str, fillings: &[String]| {
            let mut glob = parts[0].clone();
            let mut name = parts[0].clone();
            for (part, filling) in parts[1..].iter().zip(fillings) {
                glob.push_str(&format!("{star}{part}"));
                name.push_str(&format!("{filling}{part}"));
            }
            (DocumentPattern::parse(&glob).unwrap(), name)
        };
        let (glob, name) = fill("*", &fillings);
        prop_assert!(glob.matches(&name), "{} for {}", glob, name);
        let (glob, name) = fill("**", &deep);
        prop_assert!(glob.matches(&name), "{} for {}", glob, name);
    }

    #[test]
    fn exact_names_and_prefixes_are_as_the_standard_library(
        text in "[ab/é]{1,6}", name in "[ab/é]{0,8}",
    ) {
        let pattern = DocumentPattern::parse(&text).unwrap();
        let expected = match text.ends_with('/') {
            true => name.starts_with(&text) && name != text,
            false => name == text,
        };
        prop_assert_eq!(pattern.matches(&name), expected, "{} for {}", text, name);
        prop_assert!(DocumentPattern::exact(&text).unwrap().matches(&text));
    }
}

#[test]
fn the_reference_finds_a_wrong_matcher() {
    // A check of the check: a star that goes over `/` differs from the reference.
    let wrong = Regex::new(r"(?s-u)\Aa/.*\z").unwrap();
    assert!(wrong.is_match(b"a/b/c") && !reference("a/*").is_match(b"a/b/c"));
    assert!(reference("a/**").is_match(b"a/b/c"));
}
