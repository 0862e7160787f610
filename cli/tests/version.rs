//! What `udp --version` says, and where the build script finds the commit.
#![cfg(target_os = "linux")]

mod common;

#[allow(dead_code, reason = "its main is the build script's")]
#[path = "../build.rs"]
mod build;

use std::path::Path;

use build::Checkout;
use common::{Place, Process, Scratch};
use udpkit::Capability;

#[test]
fn the_short_version_is_a_line() {
    let outcome = Place::Here.run(&["-V"]);
    outcome.assert_status(0);
    assert_eq!(outcome.text(), format!("udp {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_long_version_says_what_it_was_built_for_and_what_this_system_offers() {
    let outcome = Place::Here.run(&["--version"]);
    outcome.assert_status(0);
    let lines = outcome.lines();
    let features = match (cfg!(feature = "http"), cfg!(feature = "tui"), cfg!(feature = "compression")) {
        (true, true, true) => "compression, http, tui",
        (false, false, false) => "none",
        _ => return,
    };
    assert_eq!(lines[0], format!("udp {}", env!("CARGO_PKG_VERSION")));
    // Tests are no release build.
    assert!(lines[1].starts_with("target: ") && lines[1].ends_with("-linux-gnu"), "{lines:?}");
    assert_eq!(lines[2], format!("features: {features}"));
    assert!(lines[3].starts_with("this system: IPv"), "{lines:?}");
    let offered: Vec<_> = lines[4..].iter().map(|line| line.split_at(7)).collect();
    assert_eq!(offered.len(), 10, "{lines:?}");
    // Every Linux has these.
    for what in
        ["many datagrams in one system call", "hop limits (TTL)", "which datagram was refused, and by whom (ICMP)"]
    {
        assert!(offered.contains(&("  yes  ", what)), "{what}: {lines:?}");
    }
}

#[test]
fn a_verb_has_no_version_of_its_own() {
    Place::Here.run(&["serve", "--version"]).assert_status(2);
}

fn git(folder: &Path, script: &str) {
    let mut command = Place::Here.command("sh");
    command.args(["-ec", script]).current_dir(folder);
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "nobody").env(format!("GIT_{who}_EMAIL"), "nobody@localhost");
    }
    Process::start(command).finish().assert_status(0);
}

#[test]
fn the_commit_is_that_of_the_checkout_and_of_no_other_around_it() {
    if !common::netns::require("git") {
        return;
    }
    let scratch = Scratch::new();
    assert!(Checkout::of(scratch.path()).is_none(), "there is none yet");
    git(scratch.path(), "git init -q; mkdir inside; git commit -q --allow-empty -m one; git rev-parse HEAD > first");
    let first = std::fs::read_to_string(scratch.path().join("first")).expect("it was written");
    let checkout = Checkout::of(scratch.path()).expect("there is one");
    assert_eq!(checkout.commit, first[..12]);
    assert!(checkout.changes.iter().any(|path| path.ends_with("logs/HEAD")), "{:?}", checkout.changes);
    assert!(checkout.changes.iter().all(|path| Path::new(path).exists()), "{:?}", checkout.changes);
    assert!(Checkout::of(&scratch.path().join("inside")).is_none(), "the checkout is another's");

    // Another work tree, whose .git is a file; references in one file.
    git(
        scratch.path(),
        "git pack-refs --all; git worktree add -q --detach tree; cd tree; git commit -q --allow-empty -m two",
    );
    let tree = Checkout::of(&scratch.path().join("tree")).expect("there is one");
    assert_ne!(tree.commit, checkout.commit);
    assert!(tree.changes.iter().all(|path| Path::new(path).exists()), "{:?}", tree.changes);
    assert_eq!(Checkout::of(scratch.path()).expect("it is still there").commit, first[..12]);
}

#[test]
fn the_command_runs_over_the_back_end_of_other_systems_where_the_environment_says_so() {
    let mut command = Place::Here.udp_command(&["--version"]);
    command.env("UDP_BACKEND", "portable");
    let portable = Process::start(command).finish().text();
    for (capability, is_there) in [
        (Capability::Destination, true),
        (Capability::TrafficClasses, true),
        (Capability::HopLimits, false),
        (Capability::Batches, false),
        (Capability::KernelDrops, false),
        (Capability::Errors, false),
    ] {
        let word = if is_there { "yes" } else { "no " };
        assert!(portable.contains(&format!("  {word}  {capability}\n")), "{portable}");
    }
}
