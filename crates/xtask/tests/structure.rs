//! The structure of a crate's product code: who implements what, which way imports run, how long
//! files are.
//!
//! A type whose `impl` blocks are spread over many files has no owner, and files that import one
//! another in a circle can only be read all at once. Both grow unnoticed, so a machine holds them.

mod packages;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use sources::{Source, product_code};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Type, UseTree, Visibility};

/// Circles of imports that are known and still to be opened, by their first file.
///
/// `replica_index`: an index makes the walk over an update, and the walk asks an index. The parts
/// that are asked belong into a leaf below both.
const KNOWN_CIRCLES: [(&str, &str); 1] = [("baton-sync", "replica_index.rs")];

/// Files in which one type may have `impl` blocks.
const MAX_IMPL_FILES: usize = 2;

/// The fault of a circle, before the files.
const CIRCLE: &str = "files import one another in a circle: ";

/// Lines of one file.
const MAX_LINES: usize = 400;

/// Methods of `baton_room::Room`, which conducts and owns nothing.
const MAX_ROOM_METHODS: usize = 25;

/// Path of a module from the root of its crate, such as `["lock_state", "roster"]`.
type Module = Vec<String>;

/// One parsed source file, which is one module with its inline modules.
struct File {
    path: String,
    module: Module,
    lines: usize,
    syntax: syn::File,
    /// Names of the types that the file defines.
    types: BTreeSet<String>,
    /// Paths that the file re-exports, by their new names; globs have the name `*`.
    exports: Vec<(String, Vec<String>)>,
    /// Paths that the file imports, by their local names.
    imports: Vec<(String, Vec<String>)>,
}

/// All files of a crate.
struct Crate {
    files: BTreeMap<Module, File>,
}

/// Returns the module that a file below `src` defines. A program beside a library is a module of its
/// own, `main`.
fn module_of(path: &str) -> Module {
    let path = path.trim_end_matches(".rs");
    let mut module: Module = path.split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    module
}

/// Returns the module in which the submodules of a file lie.
fn submodules_of(module: &Module) -> Module {
    match module.as_slice() {
        [only] if only == "main" => Module::new(),
        _ => module.clone(),
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("test"))
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Lists the full paths of a `use` tree by the names that they get.
fn flatten(tree: &UseTree, prefix: &[String], out: &mut Vec<(String, Vec<String>)>) {
    let with = |name: &str| {
        let mut path = prefix.to_vec();
        path.push(name.to_owned());
        path
    };
    match tree {
        UseTree::Path(path) => flatten(&path.tree, &with(&path.ident.to_string()), out),
        UseTree::Name(name) if name.ident == "self" => {
            let own = prefix.last().cloned().unwrap_or_default();
            out.push((own, prefix.to_vec()));
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            out.push((name.clone(), with(&name)));
        }
        UseTree::Rename(rename) => {
            let path = with(&rename.ident.to_string());
            out.push((rename.rename.to_string(), path));
        }
        UseTree::Glob(_) => out.push(("*".to_owned(), prefix.to_vec())),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, prefix, out);
            }
        }
    }
}

impl Crate {
    fn parse(sources: &[Source]) -> Self {
        let mut files = BTreeMap::new();
        for source in sources {
            let mut syntax = syn::parse_file(&source.text)
                .unwrap_or_else(|error| panic!("{} does not parse: {error}", source.path));
            syntax.items.retain(|item| !is_test(attributes(item)));
            let mut file = File {
                path: source.path.clone(),
                module: module_of(&source.path),
                lines: source.text.lines().count(),
                types: BTreeSet::new(),
                exports: Vec::new(),
                imports: Vec::new(),
                syntax,
            };
            for item in &file.syntax.items {
                match item {
                    Item::Struct(item) => drop(file.types.insert(item.ident.to_string())),
                    Item::Enum(item) => drop(file.types.insert(item.ident.to_string())),
                    Item::Union(item) => drop(file.types.insert(item.ident.to_string())),
                    Item::Use(item) => {
                        if !matches!(item.vis, Visibility::Inherited) {
                            flatten(&item.tree, &[], &mut file.exports);
                        }
                        flatten(&item.tree, &[], &mut file.imports);
                    }
                    _ => {}
                }
            }
            files.insert(file.module.clone(), file);
        }
        Self { files }
    }

    /// Returns the module in which the item of an absolute path is defined, and the item's name.
    /// The name is empty if the path names a module.
    fn resolve(&self, path: &[String]) -> Option<(Module, String)> {
        let mut module = Module::new();
        let mut rest = path;
        while let Some((first, others)) = rest.split_first() {
            let mut child = module.clone();
            child.push(first.clone());
            if !self.files.contains_key(&child) {
                break;
            }
            module = child;
            rest = others;
        }
        let Some(name) = rest.first() else {
            return Some((module, String::new()));
        };
        let file = self.files.get(&module)?;
        for (exported, path) in &file.exports {
            if exported == name
                && let Some(path) = self.absolute(&module, path)
            {
                return self.resolve(&path);
            }
            if exported == "*"
                && let Some(mut path) = self.absolute(&module, path)
            {
                let (from, _) = self.resolve(&path)?;
                if self.files[&from].types.contains(name) {
                    path.push(name.clone());
                    return self.resolve(&path);
                }
            }
        }
        Some((module, name.clone()))
    }

    /// Returns the path from the root of the crate, or `None` if it leads out of the crate or is a
    /// local name.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        let mut base;
        let mut rest = path;
        match rest.first().map(String::as_str)? {
            "crate" => {
                base = Module::new();
                rest = &rest[1..];
            }
            "self" => {
                base = module.clone();
                rest = &rest[1..];
            }
            "super" => {
                base = module.clone();
                while rest.first().is_some_and(|first| first == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            child => {
                base = submodules_of(module);
                base.push(child.to_owned());
                if !self.files.contains_key(&base) {
                    return None;
                }
                rest = &rest[1..];
            }
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }

    /// Returns the modules from which a file uses anything.
    fn uses(&self, file: &File) -> BTreeSet<Module> {
        let mut paths = Paths::default();
        for item in &file.syntax.items {
            // A re-export hands a name on and uses nothing.
            let handed_on =
                matches!(item, Item::Use(item) if !matches!(item.vis, Visibility::Inherited));
            if !handed_on {
                paths.visit_item(item);
            }
        }
        let resolved = paths.found.iter().filter_map(|(inline, path)| {
            let module = [file.module.as_slice(), inline].concat();
            Some(self.resolve(&self.absolute(&module, path)?)?.0)
        });
        resolved.filter(|module| *module != file.module).collect()
    }

    /// Returns the modules of each circle of imports.
    fn circles(&self) -> Vec<Vec<Module>> {
        let uses: BTreeMap<_, _> = self
            .files
            .iter()
            .map(|(module, file)| (module, self.uses(file)))
            .collect();
        let reach = |from: &Module| {
            let mut seen = BTreeSet::new();
            let mut open = vec![from.clone()];
            while let Some(module) = open.pop() {
                for next in uses.get(&module).into_iter().flatten() {
                    if seen.insert(next.clone()) {
                        open.push(next.clone());
                    }
                }
            }
            seen
        };
        let reached: BTreeMap<_, _> = uses.keys().map(|from| (*from, reach(from))).collect();
        let mut circles = BTreeSet::new();
        for (module, from_it) in &reached {
            let back = |other: &&Module| reached.get(other).is_some_and(|r| r.contains(*module));
            let circle: Vec<Module> = from_it.iter().filter(back).cloned().collect();
            if !circle.is_empty() {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    /// Returns the files in which each type of the crate has `impl` blocks.
    fn impl_files(&self) -> BTreeMap<(Module, String), BTreeSet<String>> {
        let mut found: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for file in self.files.values() {
            let mut impls = Impls::default();
            impls.visit_file(&file.syntax);
            for path in impls.types {
                let Some(owner) = self.owner(file, &path) else {
                    continue;
                };
                found.entry(owner).or_default().insert(file.path.clone());
            }
        }
        found
    }

    /// Returns the module and name of the type that a path in this file means, if the crate defines
    /// it.
    fn owner(&self, file: &File, path: &[String]) -> Option<(Module, String)> {
        let first = path.first()?;
        let imported = file.imports.iter().find(|(name, _)| name == first);
        let owner = if path.len() == 1 && file.types.contains(first) {
            (file.module.clone(), first.clone())
        } else if let Some((_, from)) = imported {
            let mut full = from.clone();
            full.extend(path.iter().skip(1).cloned());
            self.resolve(&self.absolute(&file.module, &full)?)?
        } else if let Some(path) = self.absolute(&file.module, path) {
            self.resolve(&path)?
        } else {
            // From a glob: the one type of that name.
            let name = path.last()?;
            let mut defining = self.files.values().filter(|f| f.types.contains(name));
            (defining.next()?.module.clone(), name.clone())
        };
        let defined = self.files.get(&owner.0)?.types.contains(&owner.1);
        defined.then_some(owner)
    }

    /// Returns what is wrong with the structure, one line of text for each fault.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for ((module, name), files) in self.impl_files() {
            if files.len() > MAX_IMPL_FILES {
                let name = [module, vec![name]].concat().join("::");
                let files: Vec<_> = files.into_iter().collect();
                let (count, files) = (files.len(), files.join(", "));
                faults.push(format!("{name} has impl blocks in {count} files: {files}"));
            }
        }
        for circle in self.circles() {
            let path = |module: &Module| self.files[module].path.clone();
            let files: Vec<_> = circle.iter().map(path).collect();
            let files = files.join(", ");
            faults.push(format!("{CIRCLE}{files}"));
        }
        for file in self.files.values() {
            if file.lines > MAX_LINES {
                let (path, lines) = (&file.path, file.lines);
                faults.push(format!("{path} has {lines} lines, at most {MAX_LINES}"));
            }
        }
        faults
    }
}

/// Collects all paths that stand in code, also those inside of macro calls.
#[derive(Default)]
struct Paths {
    /// Inline modules around the present item.
    inline: Module,
    /// Paths, each with the inline modules around it.
    found: Vec<(Module, Vec<String>)>,
}

impl Paths {
    fn push(&mut self, path: Vec<String>) {
        self.found.push((self.inline.clone(), path));
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let mut paths = Vec::new();
        flatten(&item.tree, &[], &mut paths);
        for (_, path) in paths {
            self.push(path);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.inline.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.inline.pop();
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter();
        self.push(segments.map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let tokens = call.tokens.to_string().replace(" :: ", "::");
        for word in tokens.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
            if word.contains("::") {
                self.push(word.split("::").map(str::to_owned).collect());
            }
        }
    }

    // `pub(super)` names the parent, and uses nothing of it.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    // A link in a doc comment is no import.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

/// Collects the types that `impl` blocks are for.
#[derive(Default)]
struct Impls {
    types: Vec<Vec<String>>,
}

impl<'ast> Visit<'ast> for Impls {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let mut of = &*item.self_ty;
        while let Type::Reference(reference) = of {
            of = &reference.elem;
        }
        if let Type::Path(path) = of {
            let segments = path.path.segments.iter();
            self.types
                .push(segments.map(|segment| segment.ident.to_string()).collect());
        }
    }
}

#[test]
fn types_have_one_owner_imports_run_one_way_and_files_are_short() {
    let mut found = Vec::new();
    for package in packages::product() {
        let faults = Crate::parse(&product_code(&package)).faults().into_iter();
        found.extend(faults.map(|fault| format!("{package}: {fault}")));
    }
    for (package, file) in KNOWN_CIRCLES {
        let circle = format!("{package}: {CIRCLE}{file}");
        let before = found.len();
        found.retain(|fault| !fault.starts_with(&circle));
        assert!(
            found.len() < before,
            "{package} has no circle any more that begins at {file}"
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Returns the names of the methods that the files of a crate give to a type of this name.
fn methods(package: &Crate, name: &str) -> Vec<String> {
    let items = package.files.values().flat_map(|file| &file.syntax.items);
    let impls = items.filter_map(|item| match item {
        Item::Impl(block) if block.trait_.is_none() => Some(block),
        _ => None,
    });
    let is_meant = |of: &Type| matches!(of, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name));
    impls
        .filter(|block| is_meant(&block.self_ty))
        .flat_map(|block| &block.items)
        .filter_map(|item| match item {
            syn::ImplItem::Fn(method) => Some(method.sig.ident.to_string()),
            _ => None,
        })
        .collect()
}

#[test]
fn the_room_conducts_with_few_methods() {
    let methods = methods(&Crate::parse(&product_code("baton-room")), "Room");
    assert!(methods.contains(&"settle".to_owned()), "{methods:?}");
    assert!(
        methods.len() <= MAX_ROOM_METHODS,
        "Room has {} methods, at most {MAX_ROOM_METHODS}: give the new one to an owner. {methods:?}",
        methods.len()
    );
}

/// Returns the faults of a crate of these files.
fn faults_of(files: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<_> = files
        .iter()
        .map(|(path, text)| Source {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        })
        .collect();
    Crate::parse(&sources).faults()
}

#[test]
fn a_type_with_impl_blocks_in_three_files_is_seen() {
    let room = (
        "room.rs",
        "pub struct Room;\nimpl Room {}\nimpl Default for Room {}",
    );
    let join = ("join.rs", "use crate::Room;\nimpl Room {}");
    let leave = ("room/leave.rs", "use super::Room as R;\nimpl R {}");
    let lib = ("lib.rs", "mod room;\nmod join;\npub use room::Room;");
    assert_eq!(faults_of(&[lib, room, join]), Vec::<String>::new());
    assert_eq!(
        faults_of(&[lib, room, join, leave]),
        ["room::Room has impl blocks in 3 files: join.rs, room.rs, room/leave.rs"]
    );
}

#[test]
fn types_of_one_name_are_told_apart_and_test_modules_do_not_count() {
    let part = "struct Inner;\nimpl Inner {}\n#[cfg(test)]\nmod tests { use crate::d; }";
    let (a, b, c) = (("a.rs", part), ("b.rs", part), ("c.rs", part));
    let d = ("d.rs", "use crate::a::Inner;\nuse std::fmt;");
    assert_eq!(faults_of(&[a, b, c, d]), Vec::<String>::new());
}

#[test]
fn a_circle_of_imports_is_seen_through_re_exports_paths_and_macros() {
    let lib = ("lib.rs", "mod a;\nmod b;\nmod c;\npub use c::Third;");
    let a = ("a.rs", "use super::b::Second;\npub struct First;");
    let b = ("b.rs", "pub struct Second(crate::Third);");
    let c = (
        "c.rs",
        "pub struct Third;\nfn f() { drop(vec![crate::a::First]); }",
    );
    let open = (
        "c.rs",
        "pub struct Third;\nfn f() { drop(vec![a::First]); }",
    );
    assert_eq!(faults_of(&[lib, a, b, open]), Vec::<String>::new());
    assert_eq!(
        faults_of(&[lib, a, b, c]),
        ["files import one another in a circle: a.rs, b.rs, c.rs"]
    );
}

#[test]
fn a_parent_and_a_child_that_use_one_another_are_a_circle() {
    let parent = (
        "state.rs",
        "mod rules;\npub struct State;\nfn f() { rules::apply(); }",
    );
    let child = ("state/rules.rs", "use super::State;\npub fn apply() {}");
    let owner = ("state/rules.rs", "pub(super) fn apply() {}");
    assert_eq!(faults_of(&[parent, owner]), Vec::<String>::new());
    assert_eq!(
        faults_of(&[parent, child]),
        ["files import one another in a circle: state.rs, state/rules.rs"]
    );
}

#[test]
fn an_inline_module_that_uses_its_own_file_is_no_circle() {
    let a = (
        "a.rs",
        "struct A;\nmod inner { use super::A; use super::super::b::B; }",
    );
    let b = ("b.rs", "pub struct B;");
    assert_eq!(faults_of(&[a, b]), Vec::<String>::new());
    let back = ("b.rs", "pub struct B(crate::a::A);");
    assert_eq!(
        faults_of(&[a, back]),
        ["files import one another in a circle: a.rs, b.rs"]
    );
}

#[test]
fn a_library_and_its_program_are_two_modules() {
    let long = "\n".repeat(MAX_LINES + 1);
    let main = ("main.rs", "mod commands;\nfn f() { commands::run(); }");
    let commands = ("commands.rs", "use super::main::T;\npub fn run() {}");
    assert_eq!(
        faults_of(&[("lib.rs", &long), main, commands]),
        [
            "files import one another in a circle: commands.rs, main.rs",
            "lib.rs has 401 lines, at most 400"
        ]
    );
}

#[test]
fn a_long_file_is_seen() {
    let long = "\n".repeat(MAX_LINES + 1);
    assert_eq!(
        faults_of(&[("lib.rs", &long)]),
        ["lib.rs has 401 lines, at most 400"]
    );
}
