//! The invariants of ARCHITECTURE.md that the compiler does not check: who may name what.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The code of a file without its comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().split("#[cfg(test)]\n#[expect").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn lib() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn only_sys_names_the_c_library_or_contains_unsafe_code() {
    for path in sources(&lib()).iter().filter(|path| !path.starts_with(lib().join("sys"))) {
        let code = code(path);
        for word in ["libc::", "unsafe {", "unsafe fn", "unsafe impl", "windows_sys"] {
            assert!(!code.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn engines_know_neither_sockets_nor_clocks() {
    let mut pure: Vec<_> = sources(&lib().join("verbs"));
    pure.extend(["engine.rs", "event.rs", "stats.rs", "conduct.rs", "rate_limit.rs"].map(|name| lib().join(name)));
    for path in pure {
        let code = code(&path);
        for word in ["Instant::now", "SystemTime::now", "crate::sys", "crate::drive", "thread::"] {
            assert!(!code.contains(word), "{} names {word}", path.display());
        }
        let mut words = code.split(|letter: char| !letter.is_alphanumeric());
        assert!(!words.any(|word| word == "Socket"), "{} names Socket", path.display());
    }
}

#[test]
fn printers_see_events_and_reports_and_never_sockets() {
    let output = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/src/output");
    for path in sources(&output) {
        let code = code(&path);
        for word in ["udpkit::Socket", "Socket::", "drive("] {
            assert!(!code.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn files_stay_small() {
    let others = ["../capture/src", "../cli/src"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    for path in sources(&lib()).into_iter().chain(others.iter().flat_map(|folder| sources(folder))) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.split("#[cfg(test)]").next().unwrap().lines().count();
        assert!(lines <= 600, "{} has {lines} lines without its tests: split it", path.display());
    }
}
