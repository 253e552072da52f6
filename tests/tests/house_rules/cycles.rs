//! The modules of a crate form no import cycle.
//!
//! A module depends on the file that defines an item which the module's code names: in a `use`, in a path, or in the
//! arguments of a macro. A re-export is followed to the definition and is no dependency itself: a parent may re-export
//! its children's items. Code under `#[cfg(test)]` is ignored; a `mod x { }` counts as part of its file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::buffer::{Cursor, TokenBuffer};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, Expr, ExprLit, Field, ImplItem, Item, Lit, Local, Macro, Meta, MetaList, MetaNameValue, Token,
    TraitItem, UseTree, Visibility,
};

use crate::{assert_none, members, parse, read, root};

/// The sources of a crate by the paths of their modules; the path of the root is empty.
type Modules = BTreeMap<String, String>;
/// Which module depends on which, and the items it names there.
type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;
/// The segments of a path in code.
type Segments = Vec<String>;

/// One import of a `use` item.
struct Import {
    /// `None` for a glob.
    name: Option<String>,
    path: Segments,
    is_reexport: bool,
}

/// One module, in its own file or inline.
#[derive(Default)]
struct Scope {
    /// The module whose file this is.
    file: String,
    defines: BTreeSet<String>,
    imports: Vec<Import>,
    /// All paths in the code, of one or more segments.
    names: BTreeSet<Segments>,
}

type Scopes = BTreeMap<String, Scope>;

/// What a path resolves to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Module(String),
    /// An item, with the module that defines it.
    Item(String, String),
    OtherCrate,
}

fn child(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

fn parent(module: &str) -> String {
    module.rsplit_once("::").map_or("", |(parent, _)| parent).to_owned()
}

/// Whether a `cfg` condition holds only in tests.
fn needs_test(condition: &Meta) -> bool {
    let Meta::List(list) = condition else { return condition.path().is_ident("test") };
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).unwrap_or_default();
    (list.path.is_ident("all") && parts.iter().any(needs_test))
        || (list.path.is_ident("any") && parts.iter().all(needs_test))
}

fn is_test(attributes: &[Attribute]) -> bool {
    let mut conditions = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    conditions.any(|attribute| attribute.parse_args().is_ok_and(|condition| needs_test(&condition)))
}

/// The name that an item defines, and the attributes of any item.
fn parts(item: &Item) -> (Option<String>, &[Attribute]) {
    let (name, attributes) = match item {
        Item::Const(item) => (Some(&item.ident), &item.attrs),
        Item::Enum(item) => (Some(&item.ident), &item.attrs),
        Item::Fn(item) => (Some(&item.sig.ident), &item.attrs),
        Item::Static(item) => (Some(&item.ident), &item.attrs),
        Item::Struct(item) => (Some(&item.ident), &item.attrs),
        Item::Trait(item) => (Some(&item.ident), &item.attrs),
        Item::Type(item) => (Some(&item.ident), &item.attrs),
        Item::Union(item) => (Some(&item.ident), &item.attrs),
        Item::Macro(item) => (item.ident.as_ref(), &item.attrs),
        Item::Impl(item) => (None, &item.attrs),
        Item::Mod(item) => (None, &item.attrs),
        Item::Use(item) => (None, &item.attrs),
        _ => return (None, &[]),
    };
    (name.map(ToString::to_string), attributes)
}

/// Fills the scopes of a crate, starting at the current module.
struct Reader<'a> {
    modules: &'a Modules,
    scopes: &'a mut Scopes,
    module: String,
    /// Nesting depth of function bodies: items defined there have no path.
    depth: usize,
}

impl Reader<'_> {
    fn scope(&mut self) -> &mut Scope {
        self.scopes.get_mut(&self.module).expect("a module is entered before it is read")
    }

    /// Reads a module's items. `file` is the module in whose file they are.
    fn enter(&mut self, module: String, file: String, items: &[Item]) {
        self.scopes.entry(module.clone()).or_default().file = file;
        let (outer, depth) = (std::mem::replace(&mut self.module, module), std::mem::take(&mut self.depth));
        for item in items {
            self.visit_item(item);
        }
        (self.module, self.depth) = (outer, depth);
    }

    fn import(&mut self, tree: &UseTree, before: &[String], is_reexport: bool) {
        let with = |name: &dyn ToString| [before, &[name.to_string()]].concat();
        let (name, path) = match tree {
            UseTree::Path(path) => return self.import(&path.tree, &with(&path.ident), is_reexport),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.import(tree, before, is_reexport));
            }
            UseTree::Glob(_) => (None, before.to_vec()),
            UseTree::Name(name) if name.ident == "self" => (before.last().cloned(), before.to_vec()),
            UseTree::Name(name) => (Some(name.ident.to_string()), with(&name.ident)),
            UseTree::Rename(name) if name.ident == "self" => (Some(name.rename.to_string()), before.to_vec()),
            UseTree::Rename(name) => (Some(name.rename.to_string()), with(&name.ident)),
        };
        self.scope().imports.push(Import { name, path, is_reexport });
    }

    /// Collects the paths in a macro's arguments, which can be any tokens.
    fn tokens(&mut self, mut cursor: Cursor<'_>) {
        let (mut path, mut is_after_colons, mut is_after_dot) = (Segments::new(), false, false);
        while !cursor.eof() {
            if let Some((ident, rest)) = cursor.ident() {
                if !is_after_colons {
                    self.name(std::mem::take(&mut path));
                }
                // Not after `>::` or `.`: such a name is resolved by type.
                if !(path.is_empty() && (is_after_colons || is_after_dot)) {
                    path.push(ident.to_string());
                }
                (is_after_colons, is_after_dot, cursor) = (false, false, rest);
            } else if let Some((colon, rest)) = cursor.punct()
                && colon.as_char() == ':'
                && let Some((colon, rest)) = rest.punct()
                && colon.as_char() == ':'
            {
                (is_after_colons, is_after_dot, cursor) = (true, false, rest);
            } else {
                self.name(std::mem::take(&mut path));
                is_after_dot = cursor.punct().is_some_and(|(dot, _)| dot.as_char() == '.');
                is_after_colons = false;
                if let Some((inside, ..)) = cursor.any_group() {
                    self.tokens(inside);
                }
                let Some((_, rest)) = cursor.token_tree() else { break };
                cursor = rest;
            }
        }
        self.name(path);
    }

    fn name(&mut self, path: Segments) {
        if !path.is_empty() {
            self.scope().names.insert(path);
        }
    }
}

impl Visit<'_> for Reader<'_> {
    fn visit_item(&mut self, item: &Item) {
        let (name, attributes) = parts(item);
        if is_test(attributes) {
            return;
        }
        match item {
            Item::Mod(inner) => {
                let module = child(&self.module, &inner.ident.to_string());
                if let Some((_, items)) = &inner.content {
                    let file = self.scope().file.clone();
                    self.enter(module, file, items);
                } else if let Some(source) = self.modules.get(&module) {
                    let items = items(&module, source);
                    self.enter(module.clone(), module, &items);
                }
                return;
            }
            // A path that begins with `::` belongs to another crate.
            Item::Use(import) if import.leading_colon.is_none() => {
                self.import(&import.tree, &[], !matches!(import.vis, Visibility::Inherited));
            }
            _ => {}
        }
        if let Some(name) = name.filter(|_| self.depth == 0) {
            if attributes.iter().any(|attribute| attribute.path().is_ident("macro_export")) {
                let path = ["crate"].into_iter().chain(self.module.split("::")).chain([name.as_str()]);
                let path = path.filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
                let shown = Import { name: Some(name.clone()), path, is_reexport: true };
                self.scopes.entry(String::new()).or_default().imports.push(shown);
            }
            self.scope().defines.insert(name);
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &ImplItem) {
        let attributes = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => return,
        };
        if !is_test(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &TraitItem) {
        let attributes = match item {
            TraitItem::Const(item) => &item.attrs,
            TraitItem::Fn(item) => &item.attrs,
            TraitItem::Type(item) => &item.attrs,
            TraitItem::Macro(item) => &item.attrs,
            _ => return,
        };
        if !is_test(attributes) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &Field) {
        if !is_test(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_local(&mut self, local: &Local) {
        if !is_test(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_block(&mut self, block: &Block) {
        self.depth += 1;
        visit::visit_block(self, block);
        self.depth -= 1;
    }

    fn visit_path(&mut self, path: &syn::Path) {
        if path.leading_colon.is_none() {
            self.name(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &Macro) {
        self.visit_path(&call.path);
        self.tokens(TokenBuffer::new2(call.tokens.clone()).begin());
    }

    fn visit_meta_list(&mut self, list: &MetaList) {
        self.tokens(TokenBuffer::new2(list.tokens.clone()).begin());
    }
}

fn items(module: &str, source: &str) -> Vec<Item> {
    syn::parse_file(source).unwrap_or_else(|error| panic!("{module}: {error}")).items
}

/// Everything that `name` means in a module. `open` are the imports being followed.
fn find<'a>(scopes: &'a Scopes, module: &str, name: &str, open: &mut Vec<&'a Import>) -> BTreeSet<Target> {
    let Some(scope) = scopes.get(module) else { return BTreeSet::new() };
    let mut found = BTreeSet::new();
    if scopes.contains_key(&child(module, name)) {
        found.insert(Target::Module(child(module, name)));
    }
    if scope.defines.contains(name) {
        found.insert(Target::Item(module.to_owned(), name.to_owned()));
    }
    for is_glob in [false, true] {
        if is_glob && !found.is_empty() {
            break; // A named import shadows a glob.
        }
        for import in &scope.imports {
            let is_meant = import.name.as_deref().map_or(is_glob, |own| !is_glob && own == name);
            if !is_meant || open.iter().any(|open| std::ptr::eq(*open, import)) {
                continue;
            }
            open.push(import);
            for target in resolve(scopes, module, &import.path, open) {
                match target {
                    Target::Module(inner) if is_glob => found.extend(find(scopes, &inner, name, open)),
                    target if !is_glob => _ = found.insert(target),
                    _ => {}
                }
            }
            open.pop();
        }
    }
    found
}

/// Everything that a path resolves to in `module`.
fn resolve<'a>(scopes: &'a Scopes, module: &str, path: &[String], open: &mut Vec<&'a Import>) -> BTreeSet<Target> {
    let mut found = BTreeSet::from([Target::Module(module.to_owned())]);
    for (at, segment) in path.iter().enumerate() {
        if found.iter().any(|target| matches!(target, Target::Module(_))) {
            found.retain(|target| matches!(target, Target::Module(_))); // `serve::f` is not inside a function `serve`
        }
        let mut next = BTreeSet::new();
        for target in found {
            let Target::Module(inner) = target else {
                next.insert(target);
                continue;
            };
            match segment.as_str() {
                "crate" => _ = next.insert(Target::Module(String::new())),
                "super" => _ = next.insert(Target::Module(parent(&inner))),
                "self" => _ = next.insert(Target::Module(inner)),
                name => {
                    let named = find(scopes, &inner, name, open);
                    if !named.is_empty() {
                        next.extend(named);
                    } else if at == 0 {
                        next.insert(Target::OtherCrate);
                    } else {
                        next.insert(Target::Item(inner, name.to_owned())); // defined there by a macro
                    }
                }
            }
        }
        found = next;
    }
    found
}

/// The dependency graph of a crate's modules.
fn dependencies(modules: &Modules) -> Graph {
    let mut scopes = Scopes::new();
    let mut reader = Reader { modules, scopes: &mut scopes, module: String::new(), depth: 0 };
    reader.enter(String::new(), String::new(), &items("the root", &modules[""]));
    let mut graph = Graph::new();
    for (module, scope) in &scopes {
        let mut needed = Vec::new();
        for import in scope.imports.iter().filter(|import| !import.is_reexport) {
            let targets = resolve(&scopes, module, &import.path, &mut Vec::new());
            // Of a module only the requested items count. For a glob they are unknown, so all do.
            match targets.iter().find_map(|target| if let Target::Module(inner) = target { Some(inner) } else { None })
            {
                Some(inner) if import.name.is_none() && !scopes[inner].defines.is_empty() => {
                    needed.push(Target::Item(inner.clone(), "*".to_owned()));
                }
                Some(_) => {}
                None => needed.extend(targets),
            }
        }
        needed.extend(scope.names.iter().flat_map(|path| resolve(&scopes, module, path, &mut Vec::new())));
        let own = graph.entry(scope.file.clone()).or_default();
        for target in needed {
            if let Target::Item(definer, item) = target
                && scopes[&definer].file != scope.file
            {
                own.entry(scopes[&definer].file.clone()).or_default().insert(item);
            }
        }
    }
    graph
}

/// All modules that a module depends on, directly or indirectly.
fn reached<'a>(graph: &'a Graph, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        let needed = graph.get(module).into_iter().flatten().map(|(needed, _)| needed.as_str());
        open.extend(needed.filter(|needed| reached.insert(*needed)));
    }
    reached
}

/// Every maximal set of modules that all depend on each other.
fn cycles(graph: &Graph) -> Vec<Vec<&str>> {
    let reached: BTreeMap<_, _> = graph.keys().map(|module| (module.as_str(), reached(graph, module))).collect();
    let cycle_of = |module: &str| {
        let others = reached[module].iter().copied();
        others.filter(|other| reached[other].contains(module)).collect::<Vec<_>>()
    };
    let cycles: BTreeSet<_> = graph.keys().map(|module| cycle_of(module)).filter(|cycle| cycle.len() > 1).collect();
    cycles.into_iter().collect()
}

/// Describes each cycle of a crate: which module needs which items of which.
fn cycle_faults(directory: &str, graph: &Graph) -> Vec<String> {
    const TOLD: usize = 12;
    let shown = |module: &str| if module.is_empty() { "lib.rs".to_owned() } else { module.to_owned() };
    let told = cycles(graph).into_iter().map(|cycle| {
        let mut edges = Vec::new();
        for (module, needed) in graph.iter().filter(|(module, _)| cycle.contains(&module.as_str())) {
            for (other, items) in needed.iter().filter(|(other, _)| cycle.contains(&other.as_str())) {
                let items = items.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                edges.push(format!("\n    {} needs {items} of {}", shown(module), shown(other)));
            }
        }
        if edges.len() > TOLD {
            let more = edges.split_off(TOLD).len();
            edges.push(format!("\n    and {more} more"));
        }
        format!("{directory}: a cycle of {} modules:{}", cycle.len(), edges.concat())
    });
    told.collect()
}

/// Modules whose files are yet to be read: each with its two possible files, and the directory of its children.
type Unread = Vec<(String, [PathBuf; 2], PathBuf)>;

/// Adds the modules that `items` declare in separate files, except test modules.
fn add_declared(module: &str, below: &Path, items: &[Item], unread: &mut Unread) {
    for item in items {
        let Item::Mod(inner) = item else { continue };
        if is_test(&inner.attrs) {
            continue;
        }
        let name = inner.ident.to_string();
        // The exercises' `#[path = "../solutions"] mod solutions { .. }`.
        let path = inner.attrs.iter().find_map(|attribute| match &attribute.meta {
            Meta::NameValue(MetaNameValue { path, value: Expr::Lit(ExprLit { lit: Lit::Str(value), .. }), .. }) => {
                path.is_ident("path").then(|| value.value())
            }
            _ => None,
        });
        let (module, within) = (child(module, &name), below.join(path.as_ref().unwrap_or(&name)));
        match &inner.content {
            Some((_, items)) => add_declared(&module, &within, items, unread),
            None => unread.push((module, [below.join(format!("{name}.rs")), within.join("mod.rs")], within)),
        }
    }
}

/// The modules of the crate with this root file, without test modules.
fn modules_of(root_file: &Path) -> Modules {
    let mut modules = Modules::new();
    let src = root_file.parent().expect("a file has a directory").to_owned();
    let mut unread = vec![(String::new(), [root_file.to_owned(), root_file.to_owned()], src)];
    while let Some((module, [file, other], below)) = unread.pop() {
        let source = read(if file.exists() { &file } else { &other });
        add_declared(&module, &below, &items(&module, &source), &mut unread);
        modules.insert(module, source);
    }
    modules
}

#[test]
fn no_crate_has_an_import_cycle() {
    let workspace = read(&root().join("Cargo.toml"));
    let mut faults = Vec::new();
    for directory in members(&parse(&workspace)) {
        let root_file = root().join(&directory).join("src/lib.rs");
        if !root_file.exists() {
            continue;
        }
        let modules = modules_of(&root_file);
        let graph = dependencies(&modules);
        if directory == "chapter-04-advanced-features" {
            let edges: usize = graph.values().map(BTreeMap::len).sum();
            assert!(modules.len() >= 60 && edges >= 100, "{} modules, {edges} edges", modules.len());
        }
        faults.extend(cycle_faults(&directory, &graph));
    }
    assert_none(&faults);
}

/// The cycles of a crate with these modules.
fn cycles_in(modules: &[(&str, &str)]) -> Vec<Vec<String>> {
    let modules = modules.iter().map(|(module, source)| ((*module).to_owned(), (*source).to_owned())).collect();
    let owned = |cycle: Vec<&str>| cycle.into_iter().map(str::to_owned).collect();
    cycles(&dependencies(&modules)).into_iter().map(owned).collect()
}

#[test]
fn a_cycle_of_two_is_found_however_it_is_written() {
    let root = "mod a;\nmod b;\nuse b::g as shown;";
    for to_b in [
        "use crate::b::g;\npub fn f() { g() }",
        "use crate::{a as own, b::{self, g}};\npub fn f() { g() }",
        "use crate::{b::{g as other}};\npub fn f() { other() }",
        "use super::b::g;\npub fn f() { g() }",
        "use super::{b::{g}};\npub fn f() { g() }",
        "use crate::b::Shown as _;\npub fn f() {}",
        "use crate::b::*;\npub fn f() { g() }",
        "pub fn f() { crate::b::g() }",
        "pub fn f() { self::super::b::g() }",
        "use crate::b;\npub fn f() { b::g() }",
        "use crate::{b as other};\npub fn f() { other::g() }",
        "pub fn f() { use crate::b; b::g() }",
        "pub fn f() { use super::b::g; g() }",
        "use super::shown;\npub fn f() { shown() }",
        "pub fn f() { assert_eq!(x.y, [crate::b::g()]); }",
        "pub fn f() { println!(\"{}\", crate::b::g::<u8>(1)); }",
        "pub fn f() -> Option<crate::b::Shown> { None }",
        "#[arg(value_parser = crate::b::g)]\npub struct S;\npub fn f() {}",
        "mod inner { pub fn h() { super::super::b::g() } }\npub fn f() {}",
        "pub fn f() { inner::h() }\npub mod inner { use crate::b::g; pub fn h() { g() } }",
        "pub fn f() { crate::b::made_by_a_macro() }",
        "#[cfg(not(test))]\nuse crate::b::g;\npub fn f() {}",
        "#[cfg(any(test, unix))]\nuse crate::b::g;\npub fn f() {}",
    ] {
        let b = "use crate::a;\npub trait Shown {}\npub fn g() { a::f() }";
        assert_eq!(cycles_in(&[("", root), ("a", to_b), ("b", b)]), [["a", "b"]], "{to_b}");
        let b = b.replace("a::f()", "");
        assert_eq!(cycles_in(&[("", root), ("a", to_b), ("b", &b)]).len(), 0, "{to_b}");
    }
}

#[test]
fn a_cycle_is_found_over_a_third_module_a_reexport_and_a_parent() {
    let third = [
        ("", "mod a; mod b; mod c; mod d;"),
        ("a", "use crate::b::g; pub fn f() { g() }"),
        ("b", "use super::c; pub fn g() { c::h() }"),
        ("c", "pub fn h() { crate::a::f() }"),
        ("d", "use crate::a::f;"),
    ];
    assert_eq!(cycles_in(&third), [["a", "b", "c"]]);

    let reexport = [
        ("", "mod a; mod b; pub use b::{inner::deep as shown}; pub use b::*;"),
        ("a", "pub fn f() { crate::shown() }"),
        ("b", "mod inner; pub use self::inner::deep;"),
        ("b::inner", "use crate::a; pub fn deep() { a::f() }"),
    ];
    assert_eq!(cycles_in(&reexport), [["a", "b::inner"]]);
    let over_globs = reexport.map(|(module, source)| (module, source.replace("crate::shown", "crate::deep")));
    let over_globs = over_globs.each_ref().map(|(module, source)| (*module, source.as_str()));
    assert_eq!(cycles_in(&over_globs), [["a", "b::inner"]]);

    let parent = [
        ("", "pub mod a;"),
        ("a", "mod inner; pub use inner::g; pub struct Kind; pub fn f() { g() }"),
        ("a::inner", "use super::Kind; pub fn g() -> Kind { Kind }"),
    ];
    assert_eq!(cycles_in(&parent), [["a", "a::inner"]]);

    let macros = [
        ("", "mod a; mod b;"),
        ("a", "#[macro_export] macro_rules! made { () => { $crate::b::g() } }"),
        ("b", "pub fn g() { crate::made!() }"),
    ];
    assert_eq!(cycles_in(&macros), [["a", "b"]]);
}

#[test]
fn what_is_no_cycle_is_not_found() {
    for (why, modules) in [
        (
            "the parent only re-exports items of its child",
            [
                ("", "mod a; pub use a::f;"),
                ("a", "mod inner; mod other; pub use inner::f; pub(crate) use other::*;"),
                ("a::inner", "use super::g; pub fn f() { g() }"),
                ("a::other", "pub fn g() { crate::a::other::g() }"),
            ],
        ),
        (
            "the parent declares a child that uses it",
            [
                ("", "mod a; mod b;"),
                ("a", "mod inner; pub struct Kind;"),
                ("a::inner", "use super::{self as outer, Kind}; fn f() -> Kind { outer::Kind }"),
                ("b", "use std::a; use ::a::f; pub(in crate::a) fn f() { x.a::<u8>() }"),
            ],
        ),
        (
            "tests only, and comments",
            [
                ("", "mod a; mod b;"),
                ("a", "pub fn f() {} #[cfg(test)] mod tests; /* crate::b::g() */ // use crate::b::g;"),
                ("b", "use crate::a::f; pub fn g() { f() } /// [`crate::a`]\nfn h() {}"),
                ("a::tests", "use crate::b::g;"),
            ],
        ),
        (
            "test code of every kind",
            [
                ("", "mod a; mod b;"),
                ("a", "#[cfg(all(test, unix))] use crate::b; struct S { #[cfg(test)] g: crate::b::G }"),
                ("b", "pub fn g() { crate::a::f() } pub struct G;"),
                ("", "mod a; mod b; impl S { #[cfg(test)] fn f() { crate::b::g() } }"),
            ],
        ),
        (
            "a module and its re-exported function have the same name",
            [
                ("", "mod serve; mod b; pub use serve::serve;"),
                ("serve", "pub fn serve() { crate::b::g() } pub mod limit;"),
                ("serve::limit", "pub const LIMIT: u8 = 1;"),
                ("b", "use crate::serve; pub fn g() { serve::limit::LIMIT; }"),
            ],
        ),
    ] {
        assert_eq!(cycles_in(&modules), Vec::<Vec<String>>::new(), "{why}");
    }
}
