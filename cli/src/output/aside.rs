//! What is said to people beside the data, on standard error: lines, and a status that the next line replaces.

use std::io::{self, IsTerminal, Write};

use super::escape;
use super::standard::Standard;
use crate::hint;
use crate::words::endpoint;
use crate::words::excerpt::{LONGEST_ERROR, shortened};

/// Goes back to the start of the line and clears it (ECMA-48: CR, EL).
const CLEAR_LINE: &str = "\r\x1b[2K";
/// Columns of a terminal that does not say how many it has.
const DEFAULT_WIDTH: u16 = 80;
/// What a line about something that went wrong begins with.
pub(super) const COMPLAINT: &str = "udp: ";
/// Characters of advice from which on its middle is left out: it may list all that there is to choose from.
const LONGEST_HINT: usize = 4000;
/// What a line of advice begins with.
pub(super) const HINT: &str = "hint: ";

/// Says things to people. Nothing can be said where standard error is closed, and that is no error.
#[derive(Debug)]
pub(super) struct Aside<N> {
    pub(super) out: N,
    /// Whether the last line on the terminal is the status.
    status_shown: bool,
    /// Lines for which there was no room.
    unread: u64,
}

impl<N: Write> Aside<N> {
    pub(super) fn new(out: N) -> Self {
        Self { out, status_shown: false, unread: 0 }
    }

    /// Writes a line. Whatever names stand in it, of interfaces, programs or hosts, it stays one line, and cannot steer a
    /// terminal.
    pub(super) fn line(&mut self, start: &str, words: &str) {
        self.timed_line("", start, words);
    }

    /// Writes a line that begins with a time.
    pub(super) fn timed_line(&mut self, time: &str, start: &str, words: &str) {
        self.clear_status();
        let words = match start {
            COMPLAINT => shortened(words, LONGEST_ERROR),
            HINT => shortened(words, LONGEST_HINT),
            _ => words.into(),
        };
        self.write(&format!("{time}{start}{}\n", escape::words(&words)));
    }

    /// Writes a line at once, so that no other program's line stands in it.
    fn write(&mut self, line: &str) {
        let written = self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush());
        if written.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.unread += 1;
        }
    }

    /// How many lines found no room since the last call.
    pub(super) fn take_unread(&mut self) -> u64 {
        std::mem::take(&mut self.unread)
    }

    /// Writes a line, which may begin with a time, and which the next one replaces, if it goes to a terminal.
    pub(super) fn status(&mut self, time: &str, line: &str) {
        if !io::stderr().is_terminal() {
            return self.timed_line(time, "", line);
        }
        let width = terminal_size::terminal_size_of(io::stderr()).map_or(DEFAULT_WIDTH, |(width, _)| width.0);
        // A line that the terminal broke could not be replaced.
        let line: String =
            time.chars().chain(escape::words(line).chars()).take(usize::from(width).saturating_sub(1)).collect();
        self.write(&format!("{CLEAR_LINE}{line}"));
        self.status_shown = true;
    }

    /// Takes the status off the terminal, so that something else can stand there.
    pub(super) fn clear_status(&mut self) {
        if std::mem::take(&mut self.status_shown) {
            self.write(CLEAR_LINE);
        }
    }
}

/// The words of an error and its causes.
pub(crate) fn words_of(error: &anyhow::Error) -> String {
    let reason = |cause: &(dyn std::error::Error + 'static)| match (cause.downcast_ref(), cause.downcast_ref()) {
        (Some(system), _) => udpkit::reason(system),
        (None, Some(ours)) => endpoint::of_attempt(ours),
        (None, None) => cause.to_string(),
    };
    let reasons: Vec<_> = error.chain().map(reason).collect();
    reasons.join(": ")
}

/// Tells an error, and what to do about it, where there is no printer.
pub(crate) fn error(error: &anyhow::Error) {
    let mut aside = Aside::new(Standard::error());
    aside.line(COMPLAINT, &words_of(error));
    if let Some(hint) = hint::hint(error) {
        aside.line(HINT, &hint);
    }
}
