//! What the argument parser says of a mistake, with the user's text in it made safe to print.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::error::ErrorKind;

use super::aside::Aside;
use super::escape;
use super::standard::Standard;
use crate::words::excerpt::{LONGEST_ERROR, shortened};

/// Characters of an argument from which on its middle is left out.
const LONGEST_ARGUMENT: usize = 200;

/// What the parsers of numbers say, and what it means.
const OF_NUMBERS: &[(&str, &str)] = &[
    ("invalid digit found in string", "not a whole number"),
    ("cannot parse integer from empty string", "not a whole number"),
    ("number too large to fit in target type", "too large"),
    ("number would be zero for non-zero type", "write 1 or more"),
];
/// The exit status where a help cannot be printed.
const FAILED: i32 = 2;

/// Prints what the parser has to say, and returns the exit status: of a mistake, or of a help that was asked for.
///
/// The parser repeats arguments as they were given, control characters included, however long they are.
pub(crate) fn mistake(error: &clap::Error, arguments: impl IntoIterator<Item = OsString>) -> i32 {
    // There is nothing of the user's in a help.
    if !error.use_stderr() {
        return match help(error) {
            Err(failure) if failure.kind() != io::ErrorKind::BrokenPipe => {
                super::error(&anyhow::Error::new(failure).context("cannot write to standard output"));
                FAILED
            }
            _ => error.exit_code(),
        };
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Where it cannot be printed, nothing can be.
        let _ = error.print();
    } else {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let mut aside = Aside::new(Standard::error());
        safe(&plain(error.render().to_string()), &arguments).lines().for_each(|line| aside.line("", line));
    }
    error.exit_code()
}

/// Prints a help that was asked for, or the short version.
fn help(error: &clap::Error) -> io::Result<()> {
    if udpkit::standard_output_was_closed() {
        // A write says so; the standard library's does not.
        return Standard::output().write_all(b"\n");
    }
    error.print().and_then(|()| io::stdout().flush())
}

/// The words of a mistake with those of programmers replaced: a number that is none, or not in its range.
fn plain(words: String) -> String {
    let words = OF_NUMBERS.iter().fold(words, |words, (theirs, ours)| words.replace(theirs, ours));
    let Some((before, range)) = words.split_once(" is not in ") else { return words };
    match range.split_once("..=") {
        Some((first, last)) if first.parse::<i64>().is_ok() => format!("{before} is not from {first} to {last}"),
        _ => words,
    }
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
    use clap::Parser;

    use super::*;

    #[test]
    fn what_is_said_of_numbers_is_plain() {
        let error = |arguments: &[&str]| match crate::args::Args::try_parse_from(arguments) {
            Err(error) => plain(error.to_string()),
            Ok(_) => panic!("{arguments:?} should be refused"),
        };
        for (arguments, expected) in [
            (&["udp", "listen", "-c", "x"][..], "'--count <N>': not a whole number\n"),
            (&["udp", "listen", "-c", "99999999999999999999"], "'--count <N>': too large\n"),
            (&["udp", "listen", "--write", "f", "--rotate", "1s", "--keep", "0"], "'--keep <N>': write 1 or more\n"),
            (&["udp", "send", "h", "--ttl", "256"], "'--ttl <N>': 256 is not from 1 to 255\n"),
            (&["udp", "serve", "--threads", "0"], "'--threads <N>': 0 is not from 1 to 1024\n"),
        ] {
            assert!(error(arguments).contains(expected), "{}", error(arguments));
        }
    }

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
