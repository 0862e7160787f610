//! The invariants of ARCHITECTURE.md that the compiler does not check: who may name whom, and how long a file may be.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod evolution;
mod imports;

use std::fs;
use std::path::{Path, PathBuf};

use imports::Imports;

/// Lines that a file may have without its tests.
const LONGEST_FILE: usize = 600;
/// Lines that fit on a screen: those of a verb's `mod.rs`, and of the dispatch.
const SCREEN: usize = 80;

/// The crates of the workspace, by their root files.
const CRATES: [&str; 3] = ["lib/src/lib.rs", "capture/src/lib.rs", "cli/src/main.rs"];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn lib() -> PathBuf {
    workspace().join("lib/src")
}

fn cli() -> PathBuf {
    workspace().join("cli/src")
}

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

/// A file up to its tests.
fn without_tests(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let is_tests = |line: &&str| line.starts_with("mod tests");
    let end = lines.iter().position(is_tests).unwrap_or(lines.len());
    lines[..end].concat()
}

/// The code of a file without its comments and without its tests.
fn code(path: &Path) -> String {
    without_tests(path).lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn assert_names_none(path: &Path, words: &[&str]) {
    let code = code(path);
    for word in words {
        assert!(!code.contains(word), "{} names {word}", path.display());
    }
}

#[test]
fn imports_are_found() {
    let imports = |root: &str| Imports::read(&workspace().join(root)).files;
    let (lib, cli) = (imports(CRATES[0]), imports(CRATES[2]));
    // By an import, by a path, through a name that is handed on, through a module that is.
    for (files, file, other) in [
        (&lib, "verbs/serve.rs", "conduct.rs"),
        (&lib, "error.rs", "sys/number.rs"),
        (&cli, "run.rs", "verbs/serve/mod.rs"),
        (&cli, "verbs/listen/mod.rs", "output/printer.rs"),
        (&cli, "verbs/serve/watch.rs", "verbs/serve/rules.rs"),
    ] {
        assert!(files[Path::new(file)].contains(Path::new(other)), "{file}: {:?}", files[Path::new(file)]);
    }
    // A file that is no module of its crate would never be looked at: only those of tests, and what stands for a feature.
    for (root, files) in CRATES.iter().zip([&lib, &imports(CRATES[1]), &cli]) {
        let folder = workspace().join(root).parent().unwrap().to_owned();
        for path in sources(&folder) {
            let path = path.strip_prefix(&folder).unwrap();
            let is_left_out = path.starts_with("fuzzing") || UNREAD.iter().any(|name| path == Path::new(name));
            assert_ne!(files.contains_key(path), is_left_out, "{}", path.display());
        }
    }
}

/// Files of tests alone, and of the command without a feature.
const UNREAD: [&str; 14] = [
    "verbs/relay/control/tests/clients.rs",
    "oracle.rs",
    "wrappings.rs",
    "http/client.rs",
    "no_tui.rs",
    "output/samples.rs",
    "runtime/formats.rs",
    "stamp/tests.rs",
    "tui/testing.rs",
    "verbs/relay/control/tests.rs",
    "verbs/listen/no_table.rs",
    "verbs/relay/no_http.rs",
    "verbs/relay/no_table.rs",
    "words/impairments/tests.rs",
];

#[test]
fn no_files_import_each_other_in_a_circle() {
    for root in CRATES {
        let imports = Imports::read(&workspace().join(root));
        let circles = imports.circles();
        assert!(circles.is_empty(), "{root}: {circles:#?}");
    }
}

#[test]
fn what_stands_below_the_verbs_names_none_and_no_verb_names_another() {
    let imports = Imports::read(&cli().join("main.rs"));
    let verb = |path: &Path| {
        let name = path.strip_prefix("verbs").ok()?.components().next()?;
        Some(Path::new(name.as_os_str()).with_extension("")).filter(|name| name.as_os_str() != "mod")
    };
    for (file, imported) in &imports.files {
        let is_above = ["main.rs", "run.rs", "verbs/mod.rs"].iter().any(|name| file == Path::new(name));
        for other in imported.iter().filter(|_| !is_above) {
            if let Some(named) = verb(other) {
                assert_eq!(verb(file), Some(named), "{} names {}", file.display(), other.display());
            }
        }
    }
}

#[test]
fn layers_of_the_command_import_downwards() {
    // Each may import those before it.
    let layers = ["hint.rs", "words", "args", "output", "http", "tui", "runtime", "verbs"];
    let imports = Imports::read(&cli().join("main.rs"));
    let layer = |path: &Path| layers.iter().position(|layer| path.starts_with(layer));
    for (file, imported) in &imports.files {
        for other in imported {
            if let (Some(from), Some(to)) = (layer(file), layer(other)) {
                assert!(to <= from, "{} names {}", file.display(), other.display());
            }
        }
    }
}

#[test]
fn only_sys_names_the_c_library_or_contains_unsafe_code() {
    let examples = sources(&workspace().join("lib/examples"));
    for path in sources(&lib()).iter().chain(&examples).filter(|path| !path.starts_with(lib().join("sys"))) {
        assert_names_none(path, &["libc::", "unsafe {", "unsafe fn", "unsafe impl", "windows_sys"]);
    }
}

#[test]
fn engines_know_neither_sockets_nor_clocks() {
    let imports = Imports::read(&lib().join("lib.rs"));
    let pure = [
        "verbs/",
        "engine.rs",
        "event/",
        "report.rs",
        "stats.rs",
        "conduct.rs",
        "rate_limit.rs",
        "answer.rs",
        "rules.rs",
        "template.rs",
        "impairment/",
        "path/",
    ];
    let is_pure = |file: &Path| pure.iter().any(|name| file.starts_with(name));
    let impure =
        ["sys", "clock.rs", "alarm.rs", "socket.rs", "batch.rs", "attached.rs", "control.rs", "drive.rs", "server.rs"];
    for file in imports.files.keys().filter(|file| is_pure(file)) {
        // The numbers of errors are constants.
        for reached in imports.reached_from(file).into_iter().filter(|reached| !reached.ends_with("number.rs")) {
            assert!(
                !impure.iter().any(|name| reached.starts_with(name)),
                "{} needs {}",
                file.display(),
                reached.display()
            );
        }
        assert_names_none(&lib().join(file), &["Instant::now", "SystemTime::now", "thread::"]);
    }
}

#[test]
fn printers_see_events_and_reports_and_never_sockets() {
    for path in sources(&cli().join("output")) {
        assert_names_none(&path, &["udpkit::Socket;", " Socket,", "Socket::", "&Socket", "drive("]);
    }
}

#[test]
fn files_stay_small() {
    for root in CRATES {
        for path in sources(workspace().join(root).parent().unwrap()) {
            let lines = without_tests(&path).lines().count();
            assert!(lines <= LONGEST_FILE, "{} has {lines} lines without its tests: split it", path.display());
        }
    }
}

#[test]
fn a_verb_begins_with_a_screen() {
    let verbs = sources(&cli().join("verbs"));
    let begins = verbs.iter().filter(|path| path.ends_with("mod.rs"));
    for path in begins.chain([&cli().join("run.rs"), &cli().join("main.rs")]) {
        let lines = without_tests(path).lines().count();
        assert!(lines <= SCREEN, "{} has {lines} lines: more than a screen", path.display());
    }
}
