//! Pages whose blocks of shell are run, and print what stands below them.

use std::path::PathBuf;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// A block of code in a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// `sh`, `python` or `text`.
    pub(crate) language: String,
    pub(crate) code: String,
    /// The file that the words before it say to save it as.
    pub(crate) file: Option<String>,
}

/// Where a page of docs is.
pub(crate) fn path(page: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page)
}

/// The text of a page of docs.
pub(crate) fn read(page: &str) -> String {
    std::fs::read_to_string(path(page)).expect("the page is there")
}

/// All blocks of a page.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let saved = Regex::new("`([a-z_]+\\.py)`:\n\n$").expect("it is one");
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some((words, block)) = rest.split_once("```") {
        let (language, block) = block.split_once('\n').expect("a block begins on a line of its own");
        let (code, after) = block.split_once("```\n").expect("a block ends");
        let file = saved.captures(words).map(|found| found[1].to_owned());
        blocks.push(Block { language: language.to_owned(), code: code.to_owned(), file });
        rest = after;
    }
    blocks
}

/// The blocks that are run, each with what it prints as the page says.
pub(crate) fn runs(blocks: &[Block]) -> Vec<(&str, &str)> {
    let next = |place: usize| blocks.get(place + 1).filter(|block| block.language == "text");
    let of_shell = blocks.iter().enumerate().filter(|(_, block)| block.language == "sh");
    of_shell.map(|(place, block)| (block.code.as_str(), next(place).map_or("", |text| text.code.as_str()))).collect()
}

/// The page with these outputs in the place of those that it has, but for the blocks whose output stays.
pub(crate) fn with_outputs(page: &str, outputs: &[String], stays: impl Fn(&str) -> bool) -> String {
    let mut outputs = outputs.iter();
    let mut output = None;
    let mut result = String::new();
    for (place, part) in page.split("```").enumerate() {
        if place > 0 {
            result.push_str("```");
        }
        match part.split_once('\n') {
            Some(("sh", code)) if place % 2 == 1 => {
                let printed = outputs.next().expect("each block was run");
                output = Some(printed).filter(|_| !stays(code));
            }
            Some(("text", _)) if place % 2 == 1 => {
                if let Some(output) = output {
                    result.push_str("text\n");
                    result.push_str(&shortened(output));
                    continue;
                }
            }
            _ => {}
        }
        result.push_str(part);
    }
    result
}

/// An output as a page shows it: times to the millisecond, and no bytes that a terminal would obey.
fn shortened(output: &str) -> String {
    let time = Regex::new(r"(\d\d:\d\d:\d\d\.\d{3})\d+").expect("it is one");
    time.replace_all(output, "$1").replace('\x1b', "␛")
}

/// What of a line is the same in every run. Where a block waits for time to pass, how much happens meanwhile is not.
pub(crate) fn stable(line: &str, timed: bool) -> String {
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
