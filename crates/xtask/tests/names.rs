//! The names of public types: each stands for one type in the whole product.
//!
//! A reader who searches for a type by its name finds one definition, and no file needs an alias to
//! speak of two.

mod packages;
mod sources;

use std::collections::BTreeMap;

use sources::{Source, product_code};
use syn::{Ident, Item, Visibility};

/// Places of the definitions of each name.
type Definitions = BTreeMap<String, Vec<String>>;

/// Returns the name of the type that the item defines, if it is public.
fn public_type(item: &Item) -> Option<&Ident> {
    let (visibility, name) = match item {
        Item::Enum(item) => (&item.vis, &item.ident),
        Item::Struct(item) => (&item.vis, &item.ident),
        Item::Trait(item) => (&item.vis, &item.ident),
        Item::Type(item) => (&item.vis, &item.ident),
        Item::Union(item) => (&item.vis, &item.ident),
        _ => return None,
    };
    matches!(visibility, Visibility::Public(_)).then_some(name)
}

/// Adds the public types of these items, and of the modules among them but `tests`, to `found`.
fn collect(items: &[Item], place: &str, found: &mut Definitions) {
    for item in items {
        if let Some(name) = public_type(item) {
            let places = found.entry(name.to_string()).or_default();
            places.push(place.to_owned());
        }
        if let Item::Mod(module) = item
            && let Some((_, items)) = &module.content
            && module.ident != "tests"
        {
            collect(items, place, found);
        }
    }
}

/// Returns the names that stand for several types, each with the places of its definitions.
fn doubles(packages: &[(&str, Vec<Source>)]) -> Definitions {
    let mut found = Definitions::new();
    for (package, sources) in packages {
        for source in sources {
            let place = format!("{package}/src/{}", source.path);
            let file = syn::parse_file(&source.text)
                .unwrap_or_else(|error| panic!("{place} does not parse: {error}"));
            collect(&file.items, &place, &mut found);
        }
    }
    found.retain(|_, places| places.len() > 1);
    found
}

#[test]
fn a_public_type_name_stands_for_one_type() {
    let names = packages::product();
    let packages: Vec<_> = names
        .iter()
        .map(|package| (package.as_str(), product_code(package)))
        .collect();
    let doubles = doubles(&packages);
    let faults: Vec<_> = doubles
        .iter()
        .map(|(name, places)| format!("{name} is defined in {}", places.join(", ")))
        .collect();
    assert!(
        faults.is_empty(),
        "give each type a name of its own:\n{}",
        faults.join("\n")
    );
}

/// Returns the doubles of two crates with one file each.
fn doubles_of(one: &str, other: &str) -> Vec<String> {
    let package = |name, text: &str| {
        let source = Source {
            path: "lib.rs".to_owned(),
            text: text.to_owned(),
        };
        (name, vec![source])
    };
    let packages = [package("one", one), package("other", other)];
    doubles(&packages)
        .into_iter()
        .map(|(name, places)| format!("{name}: {}", places.join(", ")))
        .collect()
}

#[test]
fn a_name_in_two_crates_or_twice_in_one_is_seen() {
    let both = ["Mode: one/src/lib.rs, other/src/lib.rs"];
    assert_eq!(doubles_of("pub enum Mode {}", "pub type Mode = u8;"), both);
    let nested = "mod inner { pub trait Mode {} } pub struct Mode;";
    let twice = ["Mode: one/src/lib.rs, one/src/lib.rs"];
    assert_eq!(doubles_of(nested, "pub struct Other;"), twice);
}

#[test]
fn private_types_re_exports_and_tests_do_not_count() {
    let one = "pub struct Mode;";
    for other in [
        "struct Mode;",
        "pub(crate) struct Mode;",
        "pub use one::Mode;",
        "#[cfg(test)] mod tests { pub struct Mode; }",
    ] {
        assert_eq!(doubles_of(one, other), Vec::<String>::new(), "{other}");
    }
}
