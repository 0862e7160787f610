//! Who imports whom in a crate: read from its files, so that layers and circles can be computed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, Meta, Token, UseTree};

/// The path of a module from the root of its crate.
type Module = Vec<String>;

/// The files of a crate that are not tests, and which of them imports which.
pub(crate) struct Imports {
    /// Each file and its imports, by their paths from the crate's `src`.
    pub(crate) files: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

impl Imports {
    /// Reads a crate from its root file.
    pub(crate) fn read(root: &Path) -> Self {
        let root = root.canonicalize().unwrap();
        let folder = root.parent().unwrap();
        let mut reading = Reading::default();
        reading.read(Vec::new(), &root, folder);
        let mut files: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let relative = |path: &Path| path.strip_prefix(folder).unwrap().to_owned();
        for (module, source) in &reading.modules {
            let imports = files.entry(relative(&source.path)).or_default();
            for path in &source.paths {
                let found = reading.resolve(module, path, 0);
                imports
                    .extend(found.iter().map(|found| relative(found)).filter(|found| *found != relative(&source.path)));
            }
        }
        Self { files }
    }

    /// The files that import each other in a loop, a group each.
    pub(crate) fn circles(&self) -> Vec<BTreeSet<&Path>> {
        let reach: BTreeMap<&Path, BTreeSet<&Path>> =
            self.files.keys().map(|file| (file.as_path(), self.reached_from(file))).collect();
        let mut circles: Vec<BTreeSet<&Path>> = Vec::new();
        for (file, reached) in &reach {
            let circle: BTreeSet<_> = reached.iter().copied().filter(|other| reach[other].contains(file)).collect();
            if !circle.is_empty() && !circles.contains(&circle) {
                circles.push(circle);
            }
        }
        circles
    }

    /// The files that one imports, and those that they import, and so on.
    pub(crate) fn reached_from(&self, file: &Path) -> BTreeSet<&Path> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&Path> = self.files[file].iter().map(PathBuf::as_path).collect();
        while let Some(file) = next.pop() {
            if reached.insert(file) {
                next.extend(self.files[file].iter().map(PathBuf::as_path));
            }
        }
        reached
    }
}

/// A file, as the module that it is.
struct Source {
    path: PathBuf,
    /// The paths that stand in it, aside from its tests.
    paths: BTreeSet<Vec<String>>,
    /// What it imports or hands on, by the name that it has here.
    names: BTreeMap<String, Vec<String>>,
    /// Modules of which it imports everything.
    globs: Vec<Vec<String>>,
}

#[derive(Default)]
struct Reading {
    modules: BTreeMap<Module, Source>,
}

impl Reading {
    /// Reads a module, whose children stand in a folder.
    fn read(&mut self, mut module: Module, path: &Path, folder: &Path) {
        if self.modules.contains_key(&module)
            && let Some(name) = module.last_mut()
        {
            // The same module for another system.
            name.push('#');
        }
        let file = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
        let mut finder = Finder::default();
        finder.visit_file(&file);
        let Finder { paths, names, globs, children } = finder;
        self.modules.insert(module.clone(), Source { path: path.to_owned(), paths, names, globs });
        for (name, place) in children {
            let child =
                place.map(|place| path.parent().unwrap().join(place).canonicalize().unwrap()).unwrap_or_else(|| {
                    let file = folder.join(format!("{name}.rs"));
                    if file.exists() { file } else { folder.join(&name).join("mod.rs") }
                });
            let below = folder.join(&name);
            self.read([module.as_slice(), &[name]].concat(), &child, &below);
        }
    }

    /// The files in which the things stand that a path names, seen from a module.
    fn resolve(&self, from: &Module, path: &[String], depth: usize) -> Option<&Path> {
        // Names that are imported from one another would lead nowhere.
        if depth > 16 {
            return None;
        }
        let mut module = from.clone();
        let mut rest = path;
        let mut is_ours = false;
        while let [first, more @ ..] = rest {
            match first.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => _ = module.pop(),
                _ => break,
            }
            (rest, is_ours) = (more, true);
        }
        while let [first, more @ ..] = rest {
            let child = [module.as_slice(), std::slice::from_ref(first)].concat();
            if self.modules.contains_key(&child) {
                (module, rest, is_ours) = (child, more, true);
            } else if let Some(origin) = self.modules[&module].names.get(first) {
                return self.resolve(&module, &[origin.as_slice(), more].concat(), depth + 1);
            } else {
                let globs = self.modules[&module].globs.iter().filter(|glob| self.has(&module, glob, first));
                let mut found =
                    globs.filter_map(|glob| self.resolve(&module, &[glob.as_slice(), rest].concat(), depth + 1));
                return found.next_back().or_else(|| is_ours.then(|| self.modules[&module].path.as_path()));
            }
        }
        is_ours.then(|| self.modules[&module].path.as_path())
    }

    /// Whether a module that is imported with all that it has has a child, or hands on a thing, of this name.
    fn has(&self, from: &Module, glob: &[String], name: &String) -> bool {
        let mut module = from.clone();
        for part in glob {
            match part.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => _ = module.pop(),
                _ => module.push(part.clone()),
            }
        }
        let child = [module.as_slice(), std::slice::from_ref(name)].concat();
        let names = self.modules.get(&module).map(|source| &source.names);
        self.modules.contains_key(&child) || names.is_some_and(|names| names.contains_key(name))
    }
}

/// Finds what a file names: paths, imports, child modules that are files.
#[derive(Default)]
struct Finder {
    paths: BTreeSet<Vec<String>>,
    names: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// Child modules, and the file of those that name one.
    children: Vec<(String, Option<String>)>,
}

impl Finder {
    fn import(&mut self, tree: &UseTree, before: &[String]) {
        let with = |ident: &syn::Ident| [before, &[name_of(ident)]].concat();
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, before)),
            UseTree::Glob(_) => {
                self.globs.push(before.to_vec());
                self.paths.insert(before.to_vec());
            }
            UseTree::Name(name) => {
                let path = if name.ident == "self" { before.to_vec() } else { with(&name.ident) };
                let last = path.last().cloned().unwrap_or_default();
                self.names.insert(last, path.clone());
                self.paths.insert(path);
            }
            UseTree::Rename(rename) => {
                let path = if rename.ident == "self" { before.to_vec() } else { with(&rename.ident) };
                self.names.insert(rename.rename.to_string(), path.clone());
                self.paths.insert(path);
            }
        }
    }

    /// Paths in what a macro or an attribute is given, which is no code until it is called; in texts, too, as `serde` has them.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        path.clear();
                    }
                    path.push(name_of(ident));
                    colons = 0;
                    if path.len() > 1 {
                        self.paths.insert(path.clone());
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    let names: Vec<_> = text.trim_matches('"').split("::").map(str::to_owned).collect();
                    if names.len() > 1 {
                        self.paths.insert(names);
                    }
                    path.clear();
                }
                TokenTree::Punct(_) => path.clear(),
            }
        }
    }
}

/// A name as it is written where it is no keyword.
fn name_of(ident: &syn::Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

/// Whether an item is compiled for tests alone, those of a fuzzer among them.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<Meta>().is_ok_and(|condition| needs_test(&condition))
    })
}

fn needs_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test") || path.is_ident("fuzzing"),
        Meta::List(list) if list.path.is_ident("any") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|all| all.iter().all(needs_test)),
        Meta::List(_) | Meta::NameValue(_) => false,
    }
}

/// The attributes of an item that may be for tests alone.
fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        _ => &[],
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.content.is_none() {
            let place = item.attrs.iter().find_map(|attribute| match &attribute.meta {
                Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                    syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
                    _ => None,
                },
                _ => None,
            });
            self.children.push((name_of(&item.ident), place));
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.import(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let path_of = path.segments.iter().map(|segment| name_of(&segment.ident)).collect::<Vec<_>>();
        if path_of.len() > 1 {
            self.paths.insert(path_of);
        }
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }

    fn visit_macro(&mut self, invoked: &'ast Macro) {
        self.tokens(invoked.tokens.clone());
    }
}
