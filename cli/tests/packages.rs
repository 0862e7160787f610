//! What archives and packages consist of, as `.ci/release` lays it out, and what the workflows that make them use.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::netns::require;
use common::{Scratch, VERBS};

/// The files of an archive, or of a package of this kind.
struct Tree {
    scratch: Scratch,
    files: BTreeSet<String>,
}

impl Tree {
    /// Lays it out, where there is Python and a checkout.
    fn of(kind: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        if !require("python3") || !root.join(".git").exists() {
            return None;
        }
        let scratch = Scratch::new();
        let folder = scratch.path().join("tree");
        let binary = std::fs::canonicalize(env!("CARGO_BIN_EXE_udp")).expect("it was built");
        let mut command = Command::new("python3");
        command.arg(root.join(".ci/release")).args(["--tree", kind]).arg(&folder);
        let output = command.arg("x86_64-unknown-linux-musl").arg("--binary").arg(binary).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (mut files, mut folders) = (BTreeSet::new(), vec![folder.clone()]);
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).expect("it is a folder") {
                let path = entry.expect("it is read").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&folder).expect("it is below").to_str().expect("it is text");
                    files.insert(name.to_owned());
                }
            }
        }
        Some(Self { scratch, files })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join("tree").join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("it is text")
    }

    fn assert_has(&self, names: &[impl AsRef<str>]) {
        for name in names.iter().map(AsRef::as_ref) {
            assert!(self.files.contains(name), "{name} is not in {:?}", self.files);
        }
    }
}

/// The places that a page links to, but those in the net and on the page itself.
fn links(page: &str) -> Vec<&str> {
    let ends = page.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let places = ends.map(|(place, _)| place.split('#').next().expect("the first part"));
    places.filter(|place| !place.is_empty() && !place.contains("://") && !place.contains(' ')).collect()
}

/// The man pages in a folder: of the command, and of each verb.
fn pages(folder: &str, end: &str) -> Vec<String> {
    let verbs = VERBS.iter().map(|verb| format!("{folder}/udp-{verb}.1{end}"));
    verbs.chain([format!("{folder}/udp.1{end}")]).collect()
}

#[test]
fn an_archive_has_the_program_its_pages_and_completions_and_the_licences() {
    let Some(tree) = Tree::of("archive") else { return };
    tree.assert_has(&["udp", "README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "docs/rules.md"]);
    tree.assert_has(&["completions/udp.bash", "completions/_udp", "completions/udp.fish", "completions/_udp.ps1"]);
    tree.assert_has(&["systemd/udp-serve.socket", "systemd/udp-reflect.service"]);
    tree.assert_has(&pages("man", ""));
}

#[test]
fn packages_put_everything_in_its_place() {
    for (kind, zsh) in [("deb", "vendor-completions"), ("rpm", "site-functions")] {
        let Some(tree) = Tree::of(kind) else { return };
        tree.assert_has(&["usr/bin/udp", "usr/share/bash-completion/completions/udp"]);
        tree.assert_has(&[&format!("usr/share/zsh/{zsh}/_udp"), "usr/share/fish/vendor_completions.d/udp.fish"]);
        for unit in ["listen.service", "reflect.service", "relay.service", "serve.service", "serve.socket"] {
            tree.assert_has(&[&format!("usr/lib/systemd/system/udp-{unit}")]);
        }
        tree.assert_has(&pages("usr/share/man/man1", ".gz"));
        assert!(tree.files.iter().all(|name| name.starts_with("usr/")), "{:?}", tree.files);
        match kind {
            "deb" => assert!(tree.text("usr/share/doc/udpkit/copyright").contains("Apache License")),
            _ => tree.assert_has(&["APACHE", "MIT"].map(|name| format!("usr/share/licenses/udpkit/LICENSE-{name}"))),
        }
    }
}

#[test]
fn pages_link_only_to_what_comes_with_them() {
    for kind in ["archive", "deb", "rpm"] {
        let Some(tree) = Tree::of(kind) else { return };
        let mut followed = 0;
        for page in tree.files.iter().filter(|name| name.ends_with(".md")) {
            let text = tree.text(page);
            let here = tree.path(page);
            for link in links(&text) {
                assert!(here.parent().expect("its folder").join(link).exists(), "{page} links to {link}");
                followed += 1;
            }
        }
        assert!(followed > 20, "{followed}");
    }
}

#[test]
fn actions_are_pinned_by_the_hash_of_a_commit() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.github/workflows");
    let mut pinned = 0;
    for entry in std::fs::read_dir(folder).expect("it is a folder") {
        let path = entry.expect("it is read").path();
        let text = std::fs::read_to_string(&path).expect("it is text");
        assert!(text.contains("\npermissions: {}\n"), "{} has rights that no job asked for", path.display());
        for line in text.lines().filter(|line| line.contains("uses:")) {
            let (_, hash) = line.split_once('@').expect("a version");
            let (hash, version) = hash.split_once(" # v").unwrap_or_else(|| panic!("no version: {line}"));
            assert!(hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
            assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{line}");
            pinned += 1;
        }
    }
    assert!(pinned > 5, "{pinned}");
}
