//! The pages of the lesson: their blocks are run in a throw-away network, and print what stands below them.
//!
//! `SNAPSHOTS=overwrite cargo test -p udpkit-cli --test lesson_pages` writes what they print today into both pages.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::LazyLock;

use common::netns::{Lan, require};
use common::pages::{Block, blocks, path, read, runs, with_outputs};
use common::{Place, Scratch};
use regex::{Captures, Regex};

/// The pages: the same blocks under other words.
const PAGES: [&str; 2] = ["lesson.md", "pelajaran.md"];
/// How much is sent in the block about speed, whose figures are those of a release build, and how much here.
const MANY: (&str, &str) = ("1000000", "100000");
/// What ends the output of a block.
const MARK: &str = "--- end of a block";

/// Runs all blocks in one shell, as somebody would paste them; returns what each prints.
fn run(blocks: &[Block]) -> Option<Vec<String>> {
    // As `unshare -rn` makes it: no interface but loopback, which is down.
    let lan = Lan::new("ip link set lo down")?;
    let scratch = Scratch::new();
    for block in blocks.iter().filter(|block| block.language == "python") {
        scratch.file(block.file.as_ref().expect("the page says where to save it"), &block.code);
    }
    let programs = PathBuf::from(env!("CARGO_BIN_EXE_udp"));
    let programs = programs.parent().expect("it is in a directory").display();
    let directory = scratch.path().display();
    let mut script = format!("exec 2>&1; cd '{directory}'; PATH='{programs}':$PATH\n");
    for (code, _) in runs(blocks) {
        let code = code.replace(MANY.0, MANY.1);
        script.push_str(&format!("{code}wait\necho '{MARK}'\n"));
    }
    let script = scratch.file("page.sh", script);
    // Whatever hangs does not do so for ever.
    let mut command = Place::Bridge(&lan).command("timeout");
    // Python's lines come whole.
    command.env_remove("PYTHONUNBUFFERED");
    let output = command.args(["300", "bash", &script]).stdin(Stdio::null()).output().expect("bash can be run");
    let said = String::from_utf8(output.stdout).expect("what the blocks print is text");
    // The addresses that IPv6 gives itself are ready a while after the interfaces.
    let said = said.replace("interfaces changed\n", "");
    let mut said: Vec<_> = said.split(&format!("{MARK}\n")).map(str::to_owned).collect();
    let rest = said.pop();
    assert!(output.status.success() && rest.as_deref() == Some(""), "{:?} {rest:?} {said:#?}", output.status);
    Some(said)
}

/// What of a line is the same in every run. Where a block waits for time to pass, how much happens meanwhile is not.
fn stable(line: &str, timed: bool) -> String {
    static VARYING: LazyLock<Regex> = LazyLock::new(|| {
        let alternatives = [
            r"(?<kept>\d+\.\d+\.\d+\.\d+(?::1000\d\b)?|\[::\]:10000|status \d+|#\d+|UTF-8|0x\w+|rmem_max)",
            r"(?<time>\d\d:\d\d:\d\d\.\d+)",
            r"(?<duration>\d+(?:\.\d+)? (?:ns|us|µs|ms|s)\b)",
            r"(?<spread>\d+\.\d+(?:/\d+\.\d+)+)",
            r"(?<port>:\d{5}\b|', \d{4,5}\))",
            r"(?<segments>\d+ TCP segments)",
            r"(?<late>\d+ more than)",
            r"(?<many>\b\d{4,}\b)",
            r"(?<number>\d+(?:\.\d+)?)",
        ];
        Regex::new(&alternatives.join("|")).expect("it is one")
    });
    let line = line.replace('\x1b', "␛");
    let replaced = VARYING.replace_all(line.trim_end(), |found: &Captures<'_>| {
        let names = VARYING.capture_names().flatten();
        let name = names.into_iter().find(|name| found.name(name).is_some()).expect("each alternative has a name");
        let whole = &found[0];
        match name {
            "kept" if !(timed && whole.starts_with('#')) => whole.to_owned(),
            "number" if !timed => whole.to_owned(),
            // How many is more than can be said.
            "many" => "<number>".to_owned(),
            name => format!("<{name}>"),
        }
    });
    replaced.into_owned()
}

/// The lines of a block's output, in which programs that run at once have no order.
fn lines(code: &str, text: &str) -> BTreeSet<String> {
    let fast = code.contains(MANY.0);
    let timed = fast || code.contains("sleep 0.5") || code.contains("sleep 1.5");
    // A build for tests, or a busy machine, does not keep up.
    let is_drop = |line: &&str| line.contains("dropped by the kernel: ") || line.starts_with("hint: ");
    text.lines().filter(|line| !(fast && is_drop(line))).map(|line| stable(line, timed)).collect()
}

#[test]
fn both_pages_have_the_same_blocks() {
    let [english, indonesian] = PAGES.map(|page| blocks(&read(page)));
    assert!(english.len() > 30, "{}", english.len());
    for (one, other) in english.iter().zip(&indonesian) {
        assert_eq!(one, other);
    }
    assert_eq!(english.len(), indonesian.len());
}

#[test]
fn each_block_prints_what_stands_below_it() {
    if !["python3", "bash", "ss", "tc", "unshare"].into_iter().all(require) {
        return;
    }
    let page = read(PAGES[0]);
    let blocks = blocks(&page);
    let Some(outputs) = run(&blocks) else { return };
    if std::env::var("SNAPSHOTS").as_deref() == Ok("overwrite") {
        for page in PAGES {
            let text = with_outputs(&read(page), &outputs, |code| code.contains(MANY.0));
            std::fs::write(path(page), text).expect("the page can be written");
        }
        return;
    }
    for ((code, text), output) in runs(&blocks).into_iter().zip(&outputs) {
        let (expected, printed) = (lines(code, text), lines(code, output));
        assert_eq!(printed, expected, "this block:\n{code}\nprinted:\n{output}\nand not:\n{text}");
        // Of this one, the order is what is to be seen.
        if code.contains("two_ways.py") {
            assert_eq!(output, text);
        }
    }
}
