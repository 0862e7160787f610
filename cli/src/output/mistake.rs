//! What the argument parser says of a mistake, with the user's text in it made safe to print.

use std::ffi::OsString;

use clap::error::ErrorKind;

use super::aside::Aside;
use super::escape;
use super::standard::Standard;
use crate::words::excerpt::{LONGEST_ERROR, shortened};

/// Characters of an argument from which on its middle is left out.
const LONGEST_ARGUMENT: usize = 200;

/// Prints what the parser has to say, and returns the exit status: of a mistake, or of a help that was asked for.
///
/// The parser repeats arguments as they were given, control characters included, however long they are.
pub(crate) fn mistake(error: &clap::Error, arguments: impl IntoIterator<Item = OsString>) -> i32 {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // There is nothing of the user's in a help. Where it cannot be printed, nothing can be.
        let _ = error.print();
    } else {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let mut aside = Aside::new(Standard::error());
        safe(&error.render().to_string(), &arguments).lines().for_each(|line| aside.line("", line));
    }
    error.exit_code()
}

/// The words of a mistake: arguments in them are escaped and bounded, and so is each line.
fn safe(words: &str, arguments: &[OsString]) -> String {
    let arguments = arguments.iter().map(|argument| argument.to_string_lossy());
    // The parser knows a value by itself: `--option=VALUE`, `-oVALUE`.
    let mut quoted: Vec<String> = arguments
        .flat_map(|argument| {
            let value = argument.split_once('=').map(|(_, value)| value.to_owned());
            let attached = argument.get(2..).map(str::to_owned);
            [Some(argument.into_owned()), value, attached]
        })
        .flatten()
        .filter(|text| shown(text, LONGEST_ARGUMENT) != *text)
        .collect();
    // What is part of another goes after it.
    quoted.sort_unstable_by_key(|text| std::cmp::Reverse(text.len()));
    let words = quoted
        .iter()
        .fold(words.to_owned(), |words, text| words.replace(text.as_str(), &shown(text, LONGEST_ARGUMENT)));
    words.lines().map(|line| format!("{}\n", shown(line, LONGEST_ERROR))).collect()
}

fn shown(text: &str, longest: usize) -> String {
    escape::words(&shortened(text, longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_parser_repeats_is_escaped_and_bounded() {
        let told = |argument: &str| safe(&format!("error: wrong '{argument}'\n\nUsage: udp\n"), &[argument.into()]);
        assert_eq!(told("--plain é"), "error: wrong '--plain é'\n\nUsage: udp\n");
        assert_eq!(told("a\x1b[31m\u{202e}\nb"), "error: wrong 'a\\x1b[31m\\u{202e}\\nb'\n\nUsage: udp\n");
        let long = told(&"x".repeat(800_000));
        assert!(long.len() < 2000 && long.starts_with("error: wrong 'xxx") && long.contains("Usage"), "{long}");
        // A value, as the parser repeats it without its option; and a part of it, as a parser of ours does.
        for argument in ["--count=\n\x1b]0;", "-c\n\x1b]0;"] {
            let words = safe("error: invalid value '\n\x1b]0;': '\x1b]0;'", &[argument.into()]);
            assert_eq!(words, "error: invalid value '\\n\\x1b]0;': '\\x1b]0;'\n");
        }
    }
}
