//! Prints the public interface of a crate, an item a line, from what rustdoc wrote as JSON: `api FILE.json`.

use std::path::PathBuf;
use std::process::ExitCode;

use public_api::Builder;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("api: needs the file that rustdoc wrote");
        return ExitCode::from(2);
    };
    match Builder::from_rustdoc_json(path).omit_blanket_impls(true).build() {
        Ok(api) => {
            lines(api.items().map(ToString::to_string)).for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!(
                "api: {error}\nhint: bench/api/Cargo.toml must name the version of public-api that reads what this rustc writes"
            );
            ExitCode::from(2)
        }
    }
}

/// What of the items is shown: of a trait that is implemented no functions, since the trait has them, and no trait that
/// comes and goes with others.
fn lines(items: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    let mut is_of_trait = false;
    items.map(|item| shortened(&item)).filter(move |item| {
        if item.starts_with("impl") {
            is_of_trait = item.contains(" for ");
            return !AUTO.iter().any(|name| item.contains(&format!("{name} for ")));
        }
        is_of_trait &= is_method(item) || item.starts_with("pub type");
        !is_of_trait || item.starts_with("pub type")
    })
}

/// Whether an item is a function of a type, whose name begins with a capital.
fn is_method(item: &str) -> bool {
    let path = item.split(['(', '<']).next().unwrap_or(item);
    item.contains("fn ") && path.rsplit(' ').next().is_some_and(|path| path.contains(char::is_uppercase))
}

/// Traits that say nothing of their own here.
const AUTO: [&str; 5] = ["Freeze", "Unpin", "RefUnwindSafe", "UnwindSafe", "StructuralPartialEq"];

/// An item without the modules of the standard library: `core::option::Option` is `Option`.
fn shortened(item: &str) -> String {
    let mut short = String::new();
    let mut rest = item;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let (path, after) = rest.split_at(end);
        let is_standard = ["core::", "alloc::", "std::"].iter().any(|root| path.starts_with(root));
        short.push_str(if is_standard { path.rsplit("::").next().unwrap_or(path) } else { path });
        let other = after.find(|c: char| c.is_alphanumeric() || c == '_' || c == ':').unwrap_or(after.len());
        short.push_str(&after[..other]);
        rest = &after[other..];
    }
    short
}
