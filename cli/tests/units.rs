//! The units for systemd: they run command lines that there are, as nobody, with few rights.
#![cfg(target_os = "linux")]

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::netns::{require, skip};
use common::{Place, Scratch};

/// What `systemd-analyze security` may find open in a unit, of 10.
const MOST_EXPOSED: &str = "20";

/// The units with their texts.
fn units() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/systemd");
    let entries = std::fs::read_dir(folder).expect("it is a folder").map(|entry| entry.expect("it is read").path());
    let mut units: Vec<_> = entries.map(|path| (path.clone(), std::fs::read_to_string(path).expect("text"))).collect();
    units.sort();
    units
}

/// The command line of a service after `/usr/bin/udp`, with its own values of variables.
fn command_line(text: &str) -> Option<Vec<String>> {
    let variables = text.lines().filter_map(|line| line.strip_prefix("Environment="));
    // Between quotes, one that has spaces; else several.
    let assignments = variables.flat_map(|line| match line.strip_prefix('"') {
        Some(quoted) => vec![quoted.trim_end_matches('"')],
        None => line.split(' ').collect(),
    });
    let values: HashMap<_, _> = assignments.filter_map(|assignment| assignment.split_once('=')).collect();
    let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/udp "))?;
    let words = line.split(' ').flat_map(|word| match word.strip_prefix('$') {
        Some(name) => values[name].split_whitespace().map(str::to_owned).collect(),
        None => vec![word.to_owned()],
    });
    Some(words.collect())
}

/// The units in a scratch folder, with the program that was built in the place of an installed one.
fn installed(scratch: &Scratch) -> Vec<String> {
    let program = std::fs::canonicalize(env!("CARGO_BIN_EXE_udp")).expect("it was built");
    let program = program.to_str().expect("it is text");
    let name = |path: &Path| path.file_name().expect("a name").to_str().expect("it is text").to_owned();
    units().iter().map(|(path, text)| scratch.file(&name(path), text.replace("/usr/bin/udp", program))).collect()
}

/// What systemd-analyze says, where it runs.
fn analyze(arguments: &[&str], units: &[String]) -> Option<Output> {
    let output = Command::new("systemd-analyze").args(arguments).args(units).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("Failed to") && !said.contains("udp-") {
        skip(&format!("systemd-analyze does not run here: {said}"));
        return None;
    }
    Some(output)
}

#[test]
fn services_run_command_lines_that_there_are() {
    let mut services = 0;
    for (path, text) in units().iter().filter(|(path, _)| path.extension().is_some_and(|kind| kind == "service")) {
        let words = command_line(text).unwrap_or_else(|| panic!("{} runs no udp", path.display()));
        let words: Vec<_> = words.iter().map(String::as_str).chain(["--help"]).collect();
        Place::Here.run(&words).assert_status(0);
        services += 1;
    }
    assert_eq!(services, 4);
}

#[test]
fn the_units_are_ones_that_systemd_takes() {
    if !require("systemd-analyze") {
        return;
    }
    let scratch = Scratch::new();
    let Some(verified) = analyze(&["verify", "--man=no"], &installed(&scratch)) else { return };
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && !said.contains("udp-"), "{said}");
}

#[test]
fn services_have_few_rights() {
    if !require("systemd-analyze") {
        return;
    }
    let scratch = Scratch::new();
    let services: Vec<_> = installed(&scratch).into_iter().filter(|path| path.ends_with(".service")).collect();
    let threshold = format!("--threshold={MOST_EXPOSED}");
    for service in services {
        let Some(judged) = analyze(&["security", "--offline=true", "--no-pager", &threshold], &[service]) else {
            return;
        };
        assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
    }
}
