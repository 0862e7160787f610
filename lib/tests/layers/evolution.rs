//! What keeps the public interface free to grow: types that may have more, setters for all of them, results that are not dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use proc_macro2::TokenTree;
use syn::{Attribute, Expr, Fields, FnArg, ImplItem, Item, Lit, Meta, Pat, ReturnType, Signature, Type, Visibility};

use super::imports::is_test;
use super::{sources, workspace};

/// Says, in a type's documentation, why it can never have more, or why a program must know all of it.
const EXHAUSTIVE: &str = "Exhaustive: ";
/// Says, in a trait's documentation, that it is not sealed.
const OPEN: &str = "Programs implement it";
/// Functions that are called for what they do, too.
const CALLED_FOR_EFFECT: [&str; 4] = ["Link::push", "Sources::via", "Mock::expect", "Expectation::times"];

/// What a program begins with: each has an example.
const MAIN: [&str; 39] = [
    // Mechanism.
    "Socket",
    "Options",
    "ReceiveBatch",
    "SendBatch",
    "Datagram",
    "Train",
    "Meta",
    "Transmit",
    "Unreachable",
    "Interface",
    "Interfaces",
    "InterfaceWatch",
    "Memberships",
    "Network",
    // Work.
    "drive",
    "Engine",
    "Event",
    "Outbox",
    "Sink",
    "Serve",
    "Send",
    "SendToMany",
    "Listen",
    "Broadcast",
    "Replay",
    "Server",
    "Answer",
    "Template",
    "Rule",
    "Rules",
    "Conduct",
    "RateLimiter",
    "Requests",
    "Quantiles",
    // Captures.
    "Reader",
    "ReadOptions",
    "Writer",
    "CaptureFiles",
    "Drops",
];

/// What is public in some files.
#[derive(Default)]
struct Public {
    /// What a later version could not change without breaking programs, and nothing says why.
    rigid: Vec<String>,
    /// The public fields of each type.
    fields: BTreeMap<String, BTreeSet<String>>,
    /// The methods of each type that take it and give it back, and the arguments of its `new`.
    settable: BTreeMap<String, BTreeSet<String>>,
    /// Types that programs make: those that have a `new`.
    made: BTreeSet<String>,
    /// What has an example in its documentation.
    shown: BTreeSet<String>,
    /// Functions whose result may be dropped unnoticed.
    droppable: Vec<String>,
}

impl Public {
    /// What is public in both libraries.
    fn read() -> &'static Self {
        static READ: LazyLock<Public> = LazyLock::new(Public::of_both);
        &READ
    }

    fn of_both() -> Self {
        let mut public = Self::default();
        for crate_folder in ["lib/src", "capture/src"] {
            let folder = workspace().join(crate_folder);
            let is_ours = |path: &PathBuf| !path.starts_with(folder.join("fuzzing"));
            for path in sources(&folder).iter().filter(|path| is_ours(path)) {
                public.items(&syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap().items);
            }
        }
        public
    }

    fn of(code: &str) -> Self {
        let mut public = Self::default();
        public.items(&syn::parse_file(code).unwrap().items);
        public
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            self.note_example(item);
            match item {
                Item::Struct(item) if is_public(&item.vis) => {
                    let fields: BTreeSet<_> = public_fields(&item.fields);
                    if !fields.is_empty() {
                        self.note_type(&item.ident.to_string(), &item.attrs);
                    }
                    // A program can write out one that has no more.
                    if !says(&item.attrs, EXHAUSTIVE) {
                        self.fields.insert(item.ident.to_string(), fields);
                    }
                }
                Item::Enum(item) if is_public(&item.vis) => {
                    self.note_type(&item.ident.to_string(), &item.attrs);
                    for variant in item.variants.iter().filter(|variant| matches!(variant.fields, Fields::Named(_))) {
                        self.note_type(&format!("{}::{}", item.ident, variant.ident), &variant.attrs);
                    }
                }
                Item::Trait(item) if is_public(&item.vis) && !says(&item.attrs, OPEN) => {
                    self.rigid.push(item.ident.to_string());
                }
                Item::Fn(item) if is_public(&item.vis) && !is_test(&item.attrs) => {
                    self.note_result(&item.sig.ident.to_string(), &item.attrs, &item.sig);
                }
                Item::Impl(item) if item.trait_.is_none() && !is_test(&item.attrs) => {
                    let owner = name(&item.self_ty);
                    for item in &item.items {
                        match item {
                            ImplItem::Fn(item) if is_public(&item.vis) => {
                                self.note_result(&format!("{owner}::{}", item.sig.ident), &item.attrs, &item.sig);
                                self.note_settable(&owner, &item.sig);
                            }
                            // Its length is a part of its type: a slice can grow.
                            ImplItem::Const(item) if is_public(&item.vis) && matches!(item.ty, Type::Array(_)) => {
                                self.rigid.push(format!("{owner}::{}", item.ident));
                            }
                            _ => {}
                        }
                    }
                }
                Item::Macro(item) if item.mac.path.is_ident("setters") => self.setters(item.mac.tokens.clone()),
                Item::Mod(item) if !is_test(&item.attrs) => {
                    self.items(item.content.as_ref().map(|(_, items)| items.as_slice()).unwrap_or_default());
                }
                _ => {}
            }
        }
    }

    fn note_example(&mut self, item: &Item) {
        let (name, attributes) = match item {
            Item::Struct(item) => (&item.ident, &item.attrs),
            Item::Enum(item) => (&item.ident, &item.attrs),
            Item::Trait(item) => (&item.ident, &item.attrs),
            Item::Fn(item) => (&item.sig.ident, &item.attrs),
            _ => return,
        };
        if says(attributes, "```") {
            self.shown.insert(name.to_string());
        }
    }

    fn note_type(&mut self, name: &str, attributes: &[Attribute]) {
        if !has(attributes, "non_exhaustive") && !says(attributes, EXHAUSTIVE) {
            self.rigid.push(name.to_owned());
        }
    }

    fn note_result(&mut self, name: &str, attributes: &[Attribute], signature: &Signature) {
        let is_marked = match &signature.output {
            ReturnType::Default => true,
            // These are marked themselves.
            ReturnType::Type(_, kind) => {
                matches!(**kind, Type::ImplTrait(_)) || ["Result", "Iter"].contains(&self::name(kind).as_str())
            }
        };
        if !is_marked && !has(attributes, "must_use") && !CALLED_FOR_EFFECT.contains(&name) {
            self.droppable.push(name.to_owned());
        }
    }

    fn note_settable(&mut self, owner: &str, signature: &Signature) {
        let list = self.settable.entry(owner.to_owned()).or_default();
        if signature.ident == "new" {
            self.made.insert(owner.to_owned());
            list.extend(signature.inputs.iter().filter_map(argument));
        }
        let takes_itself = matches!(signature.inputs.first(), Some(FnArg::Receiver(it)) if it.reference.is_none());
        let gives_itself = matches!(&signature.output, ReturnType::Type(_, kind) if name(kind) == "Self");
        if takes_itself && gives_itself {
            list.insert(signature.ident.to_string());
        }
    }

    /// Reads `Options { broadcast: bool, into hop_limit: Option<u8>, }`.
    fn setters(&mut self, tokens: proc_macro2::TokenStream) {
        let mut owner = None;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if owner.is_none() => owner = Some(ident.to_string()),
                TokenTree::Group(group) => {
                    let list = self.settable.entry(owner.clone().unwrap()).or_default();
                    let tokens: Vec<_> = group.stream().into_iter().collect();
                    for pair in tokens.windows(3) {
                        let [before, TokenTree::Ident(field), TokenTree::Punct(colon)] = pair else { continue };
                        let is_path = matches!(before, TokenTree::Punct(punct) if punct.as_char() == ':');
                        if colon.as_char() == ':' && !is_path {
                            list.insert(field.to_string());
                        }
                    }
                    if let Some(TokenTree::Ident(field)) = tokens.first() {
                        list.insert(field.to_string());
                    }
                }
                _ => {}
            }
        }
    }

    /// The public fields that can be set neither by `new` nor by a setter, of options and of types that programs make.
    fn without_setter(&self) -> Vec<String> {
        let none = BTreeSet::new();
        let mut without = Vec::new();
        for (owner, fields) in &self.fields {
            if self.made.contains(owner) || owner.ends_with("Options") {
                let settable = self.settable.get(owner).unwrap_or(&none);
                without.extend(fields.difference(settable).map(|field| format!("{owner}::{field}")));
            }
        }
        without
    }
}

/// The name of an argument.
fn argument(argument: &FnArg) -> Option<String> {
    match argument {
        FnArg::Typed(argument) => match &*argument.pat {
            Pat::Ident(pattern) => Some(pattern.ident.to_string()),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The public fields; a field without a name by its place.
fn public_fields(fields: &Fields) -> BTreeSet<String> {
    let is_public = |(_, field): &(usize, &syn::Field)| is_public(&field.vis);
    let name = |(place, field): (usize, &syn::Field)| {
        field.ident.as_ref().map_or_else(|| place.to_string(), ToString::to_string)
    };
    fields.iter().enumerate().filter(is_public).map(name).collect()
}

/// The last name of a type's path.
fn name(kind: &Type) -> String {
    match kind {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default(),
        _ => String::new(),
    }
}

fn has(attributes: &[Attribute], name: &str) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident(name))
}

/// Whether the documentation has these words.
fn says(attributes: &[Attribute], words: &str) -> bool {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    attributes.iter().filter_map(line).any(|line| line.contains(words))
}

#[test]
fn a_public_type_can_have_more_or_says_why_not() {
    let rigid = &Public::read().rigid;
    assert!(
        rigid.is_empty(),
        "{rigid:#?}: mark them #[non_exhaustive], or let their documentation say why not, after '{EXHAUSTIVE}' \
         (a trait: '{OPEN}')"
    );
}

#[test]
fn what_a_program_makes_has_a_setter_for_each_public_field() {
    let without = Public::read().without_setter();
    assert!(without.is_empty(), "{without:#?}: add them to `setters!`");
}

#[test]
fn a_result_that_is_dropped_is_noticed() {
    let droppable = &Public::read().droppable;
    assert!(droppable.is_empty(), "{droppable:#?}: mark them #[must_use], with what is lost");
}

#[test]
fn what_a_program_begins_with_has_an_example() {
    let shown = &Public::read().shown;
    let without: Vec<_> = MAIN.iter().filter(|name| !shown.contains(**name)).collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn what_keeps_an_interface_from_growing_is_found() {
    let public = Public::of(
        r#"
        pub struct Rigid { pub field: u8, hidden: u8 }
        #[non_exhaustive] pub struct Free { pub one: u8, pub other: u8, pub third: a::b }
        setters! { Free { one: u8, into third: a::b, } }
        #[non_exhaustive] pub struct Made { pub given: u8, pub forgotten: u8 }
        #[non_exhaustive] pub struct Reported { pub field: u8 }
        /// Exhaustive: another of that name, which a program writes out.
        pub struct Made { pub whole: u8 }
        pub struct Sealed { hidden: u8 }
        /// Exhaustive: there are no others.
        /// ```
        /// ```
        pub enum Known { One, Other { field: u8 } }
        pub enum Unknown { One }
        pub trait Closed {}
        /// Programs implement it.
        pub trait Open {}
        impl Free { #[must_use] pub fn new() -> Self {} }
        impl Made { #[must_use] pub fn new(given: u8) -> Self {} }
        impl Sealed {
            pub const ALL: [u8; 2] = [1, 2];
            pub const GROWING: &'static [u8] = &[1, 2];
            const OWN: [u8; 2] = [1, 2];
            pub fn chain(self) -> Self { self }
            pub fn count(&self) -> usize { 0 }
            #[must_use] pub fn marked(&self) -> usize { 0 }
            pub fn result(&self) -> crate::Result<usize> { Ok(0) }
            fn own(&self) -> usize { 0 }
        }
        "#,
    );
    assert_eq!(public.rigid, ["Rigid", "Known::Other", "Unknown", "Closed", "Sealed::ALL"]);
    assert_eq!(public.without_setter(), ["Free::other", "Made::forgotten"]);
    assert_eq!(public.shown, ["Known".to_owned()].into());
    assert_eq!(public.droppable, ["Sealed::chain", "Sealed::count"]);
}
