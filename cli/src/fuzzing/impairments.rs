//! Impairments as words, and scenarios of them: what is read can be, is written as it was, and what cannot be has its place.

use std::path::Path;

use udpkit::verbs::{RelayEngine, RelayOptions};

use super::rules::assert_is_inside;
use crate::verbs::relay::scenario::Source;
use crate::words::impairments::{Changes, Files, Words, command_line};

/// A folder that is not there: a scenario that names files has mistakes.
const NOWHERE: &str = "/nowhere/at/all";

/// Reads a line as `name=text` of an impairment, each line in turn.
pub fn impairments(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let no_files = Files::of(&[]);
    let read = |text: &str| {
        let pairs = text.lines().map(|line| line.split_once('=').unwrap_or((line, "")));
        Changes::read(pairs.map(|(name, text)| (name, Some(text))), &no_files)?.words()
    };
    let words = match read(text) {
        Ok(words) => words,
        Err(mistake) => return assert!(!mistake.message.is_empty()),
    };
    let written: String = words.iter().map(|(name, text)| format!("{}={text}\n", name.word())).collect();
    assert_eq!(read(&written).as_ref(), Ok(&words), "{written}");
    let options = words.options();
    assert_eq!(Words::of(&options), words);
    assert!(options.check().is_ok(), "{written}");
    let flags = command_line::flags(&words, &Words::default());
    assert!(flags.iter().filter(|flag| flag.starts_with("--up-")).count() >= words.iter().count(), "{flags:?}");
}

/// Reads a text as a scenario.
pub fn scenario(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    // A path that begins with a slash could be of any file, such as one that never ends; \u002f is one, too.
    let begins = |(place, _): (usize, &str)| !text[..place].ends_with(|before: char| before.is_ascii_hexdigit());
    if text.contains('\\') || text.match_indices('/').any(begins) {
        return;
    }
    match Source::default().parse(text, Path::new(NOWHERE)) {
        Ok(plan) => {
            let options = plan.apply(RelayOptions::new(([127, 0, 0, 1], 9).into()));
            assert!(RelayEngine::new(options).is_ok(), "{text}");
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            mistakes.iter().for_each(|mistake| assert_is_inside(text, &mistake.tell(text)));
        }
    }
}
