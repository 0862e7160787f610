//! The chapters of the lesson: their blocks are run in a throw-away network, and print what stands below them. Those of both
//! languages have the same structure.
//!
//! `SNAPSHOTS=overwrite cargo test -p udpkit-cli --test lesson_pages` writes what they print today into both languages.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::LazyLock;

use common::netns::{Lan, require};
use common::pages::{Block, blocks, path, read, runs, stable, with_outputs};
use common::{Place, Scratch};
use regex::Regex;

/// English and Indonesian: where the chapters are, with the same blocks under other words.
const COURSES: [&str; 2] = ["course", "kursus"];
/// The chapters whose blocks are run, in the order in which somebody would paste them into one shell.
const CHAPTERS: [&str; 6] = ["network.md", "server.md", "client.md", "receiver.md", "sender.md", "udp.md"];
/// How much is sent in the block about speed, whose figures are those of a release build, and how much here.
const MANY: (&str, &str) = ("1000000", "100000");
/// What ends the output of a block.
const MARK: &str = "--- end of a block";

/// The chapters of a course, one after the other.
fn chapters(course: &str) -> Vec<(String, String)> {
    let chapter = |name| {
        let page = format!("{course}/{name}");
        let text = read(&page);
        (page, text)
    };
    CHAPTERS.into_iter().map(chapter).collect()
}

/// The blocks of all chapters of a course.
fn course_blocks(course: &str) -> Vec<Block> {
    chapters(course).iter().flat_map(|(_, text)| blocks(text)).collect()
}

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

/// The lines of a block's output, in which programs that run at once have no order.
fn lines(code: &str, text: &str) -> BTreeSet<String> {
    let fast = code.contains(MANY.0);
    let timed = fast || code.contains("sleep 0.5") || code.contains("sleep 1.5");
    // A build for tests, or a busy machine, does not keep up.
    let is_drop = |line: &&str| line.contains("dropped by the kernel: ") || line.starts_with("hint: ");
    text.lines().filter(|line| !(fast && is_drop(line))).map(|line| stable(line, timed)).collect()
}

#[test]
fn both_languages_have_the_same_blocks() {
    let [english, indonesian] = COURSES.map(course_blocks);
    assert!(english.len() > 30, "{}", english.len());
    for (one, other) in english.iter().zip(&indonesian) {
        assert_eq!(one, other);
    }
    assert_eq!(english.len(), indonesian.len());
}

/// What both languages have in common: levels of headings, anchors, pictures, tables, lists, blocks and slides' statements.
fn structure(page: &str) -> Vec<String> {
    static ANCHOR: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"<a id="([^"]+)"></a>"#).expect("it is one"));
    static PICTURE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"!\[[^\]]+\]\(([^)]+?)(?:\.id)?\.(svg|png)\)").expect("it is one"));
    let mut parts = Vec::new();
    let mut in_block = false;
    for line in page.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
            parts.push(line.to_owned());
            continue;
        }
        if in_block {
            continue;
        }
        let heading = line.bytes().take_while(|byte| *byte == b'#').count();
        if heading > 0 {
            parts.push(format!("heading {heading}"));
        }
        parts.extend(ANCHOR.captures_iter(line).map(|found| format!("anchor {}", &found[1])));
        parts.extend(PICTURE.captures_iter(line).map(|found| format!("picture {}.{}", &found[1], &found[2])));
        for start in ["> **", "| ", "- "] {
            parts.extend(line.starts_with(start).then(|| format!("{start}...")));
        }
    }
    parts
}

#[test]
fn both_languages_have_the_same_structure() {
    let pages = |course: &str| {
        let folder = std::fs::read_dir(path(course)).expect("the course is there");
        folder.map(|entry| entry.expect("it can be read").file_name()).collect::<BTreeSet<_>>()
    };
    let [english, indonesian] = COURSES.map(pages);
    assert_eq!(english, indonesian);
    assert!(english.len() >= CHAPTERS.len(), "{english:?}");
    let mut pairs = vec![["lesson.md".to_owned(), "pelajaran.md".to_owned()]];
    for name in &english {
        let name = name.to_str().expect("names are text");
        pairs.push(COURSES.map(|course| format!("{course}/{name}")));
    }
    for pair in pairs {
        let [english, indonesian] = [0, 1].map(|which| structure(&read(&pair[which])));
        assert!(english.len() > 2, "{pair:?}: {english:?}");
        assert_eq!(english, indonesian, "{pair:?}");
    }
}

#[test]
fn each_block_prints_what_stands_below_it() {
    if !["python3", "bash", "ss", "tc", "unshare"].into_iter().all(require) {
        return;
    }
    let all = course_blocks(COURSES[0]);
    let Some(outputs) = run(&all) else { return };
    if std::env::var("SNAPSHOTS").as_deref() == Ok("overwrite") {
        for course in COURSES {
            let mut outputs = outputs.as_slice();
            for (page, text) in chapters(course) {
                let (these, others) = outputs.split_at(runs(&blocks(&text)).len());
                let text = with_outputs(&text, these, |code| code.contains(MANY.0));
                std::fs::write(path(&page), text).expect("the page can be written");
                outputs = others;
            }
        }
        return;
    }
    for ((code, text), output) in runs(&all).into_iter().zip(&outputs) {
        let (expected, printed) = (lines(code, text), lines(code, output));
        assert_eq!(printed, expected, "this block:\n{code}\nprinted:\n{output}\nand not:\n{text}");
        // Of this one, the order is what is to be seen.
        if code.contains("two_ways.py") {
            assert_eq!(output, text);
        }
    }
}
