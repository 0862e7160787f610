//! The page of `--control`: its HTML, style and modules, which are in the program and served as one document.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::IntoResponse;

const INDEX: &str = include_str!("index.html");
const STYLE: &str = include_str!("style.css");

/// The modules, each after those that it imports from.
const MODULES: [&str; 11] = [
    include_str!("words.js"),
    include_str!("api.js"),
    include_str!("shapes.js"),
    include_str!("clock.js"),
    include_str!("datagrams.js"),
    include_str!("charts.js"),
    include_str!("impairments.js"),
    include_str!("controls.js"),
    include_str!("lanes.js"),
    include_str!("table.js"),
    include_str!("main.js"),
];

/// What in [`INDEX`] is replaced by the style and the modules. With them, the folder works in a browser as it is.
const STYLE_LINK: &str = r#"<link rel="stylesheet" href="style.css">"#;
const MODULE_LINK: &str = r#"<script type="module" src="main.js"></script>"#;

/// Answers with the page. It needs no token: whatever it shows, it has to ask for.
///
/// The page may load nothing and connect to nothing but this server, no other page may frame it, and what it was not served
/// with does not run in it.
pub(crate) async fn page() -> impl IntoResponse {
    static PAGE: LazyLock<(String, String)> = LazyLock::new(|| {
        // The hasher's keys are random.
        let nonce = format!("{:016x}", RandomState::new().hash_one(INDEX));
        (document(&nonce), policy(&nonce))
    });
    let (document, policy) = &*PAGE;
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, policy.as_str()),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, document.as_str())
}

fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

/// The page in one piece.
fn document(nonce: &str) -> String {
    let style = format!("<style nonce=\"{nonce}\">\n{STYLE}</style>");
    let script = format!("<script type=\"module\" nonce=\"{nonce}\">\n{}</script>", joined());
    INDEX.replace(STYLE_LINK, &style).replace(MODULE_LINK, &script)
}

/// The modules as one: in it they know each other without imports.
fn joined() -> String {
    let lines = MODULES.iter().flat_map(|module| module.lines()).filter(|line| !line.starts_with("import "));
    lines.flat_map(|line| [line.strip_prefix("export ").unwrap_or(line), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use regex::Regex;

    use super::*;
    use crate::words::impairments::{Changes, Files};

    /// What a line at the outermost level declares.
    fn declared(line: &str) -> Option<&str> {
        let line = line.strip_prefix("async ").unwrap_or(line);
        let (kind, rest) = line.split_once(' ')?;
        let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        ["function", "const", "let", "class"].contains(&kind).then_some(name)
    }

    #[test]
    fn the_document_has_the_style_and_each_module_once() {
        let document = document("7");
        assert!(!document.contains("style.css") && !document.contains("main.js"), "nothing is left to load");
        assert_eq!(document.matches(STYLE).count(), 1);
        let joined = joined();
        assert!(document.contains(&joined));
        assert!(!joined.lines().any(|line| line.starts_with("import") || line.starts_with("export")));
        assert!(!joined.contains("</script") && !STYLE.contains("</style"));
        assert_eq!(document.matches("nonce=\"7\"").count(), 2);
    }

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/verbs/relay/page");
        let files = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let modules = files.filter(|file| Path::new(file).extension().is_some_and(|extension| extension == "js"));
        assert_eq!(modules.count(), MODULES.len());
    }

    #[test]
    fn modules_import_only_from_those_before_them_and_no_two_declare_the_same_name() {
        let mut names = BTreeSet::new();
        for module in MODULES {
            for import in module.lines().filter(|line| line.starts_with("import ")) {
                let (imported, from) = import.split_once(" from ").expect("an import in one line");
                assert!(from.starts_with("\"./") && from.ends_with(".js\";"), "{import}");
                for name in imported.trim_matches(|c: char| !c.is_alphanumeric()).replace("import {", "").split(',') {
                    assert!(names.contains(name.trim_matches(['{', '}', ' '])), "{import}");
                }
            }
            for line in module.lines().map(|line| line.strip_prefix("export ").unwrap_or(line)) {
                if let Some(name) = declared(line) {
                    assert!(names.insert(name), "'{name}' twice");
                }
            }
        }
    }

    #[test]
    fn each_text_is_there_in_both_languages_and_each_that_is_asked_for_is_there() {
        let [words, ..] = MODULES;
        let pair = Regex::new(r#"(?m)^  "?([\w-]+)"?: \["(?:[^"\\]|\\.)+",\s+"(?:[^"\\]|\\.)+"\],$"#).unwrap();
        let keys: BTreeSet<_> = pair.captures_iter(words).map(|found| found.get(1).unwrap().as_str()).collect();
        let entry = Regex::new(r#"(?m)^  "?[\w-]+"?: \["#).unwrap();
        assert!(keys.len() > 100 && keys.len() == entry.find_iter(words).count(), "{}", keys.len());
        let asked = Regex::new(r#"(?:say\(|data-t(?:-\w+)?=)"([\w-]+)""#).unwrap();
        for file in MODULES.iter().chain([&INDEX]) {
            for found in asked.captures_iter(file) {
                assert!(keys.contains(&found[1]), "{}", &found[1]);
            }
        }
    }

    #[test]
    fn the_relay_takes_each_example() {
        let field = Regex::new(r#"word: "([\w-]+)".*examples: (\[.*?\])"#).unwrap();
        let module = include_str!("impairments.js");
        let mut count = 0;
        for found in field.captures_iter(module) {
            for example in serde_json::from_str::<Vec<String>>(&found[2]).unwrap() {
                let read = Changes::read([(&found[1], Some(example.as_str()))], &Files::of(&[]));
                assert!(read.is_ok(), "{read:?}");
                count += 1;
            }
        }
        assert!(count > 40, "{count}");
    }

    #[test]
    fn nothing_that_is_shown_becomes_markup_or_code() {
        let joined = joined();
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "srcdoc"] {
            assert!(!joined.contains(way), "{way}");
        }
        assert!(!joined.contains("://") && !STYLE.contains("url(") && !INDEX.contains("://"), "an address elsewhere");
    }

    #[test]
    fn the_policy_is_one_header() {
        let policy = policy("7");
        assert!(!policy.contains("unsafe") && !policy.contains("  ") && policy.is_ascii(), "{policy}");
    }
}
