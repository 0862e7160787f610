//! Man pages from the definitions of the flags.
//!
//! By hand, since the crate clap_mangen (0.3.3) leaves out what options do that `-h` does not show, has no sections EXAMPLES and
//! EXIT STATUS, and writes a backslash in a way that roff does not know; `mandoc -Tlint` finds the rest.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use crate::args::page;

/// When the pages last changed in what they say.
const DATE: &str = "2026-11-27";
/// Bytes that a line of roff may have.
const WIDTH: usize = 79;

/// Every page, as the name of its file and its text. The command must have been built ([`Command::build`]).
pub(super) fn pages(command: &Command) -> Vec<(String, String)> {
    let mut commands = Vec::new();
    add_with_parts(command, "udp", &mut commands);
    let names: Vec<_> = commands.iter().map(|(name, _)| name.as_str()).collect();
    let page = |(name, command): &(String, &Command)| {
        let mut page = Roff::new(name, &about(command), command);
        page.parts(name, command);
        page.options(command);
        let others: Vec<_> = names.iter().copied().filter(|other| other != name).collect();
        page.rest(name, &others);
        (format!("{name}.1"), page.0)
    };
    commands.iter().map(page).collect()
}

/// Adds a command under the name of its page, and after it the commands that are parts of it.
fn add_with_parts<'a>(command: &'a Command, name: &str, commands: &mut Vec<(String, &'a Command)>) {
    commands.push((name.to_owned(), command));
    for part in parts(command) {
        add_with_parts(part, &name_of_part(name, part), commands);
    }
}

/// The commands that are parts of one: verbs, and what some of them are about.
fn parts(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|part| !part.is_hide_set())
}

fn name_of_part(name: &str, part: &Command) -> String {
    format!("{name}-{}", part.get_name())
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default().trim_end_matches('.').to_owned()
}

/// A page as far as it is written: lines of roff.
struct Roff(String);

impl Roff {
    /// Title, name, synopsis and description.
    fn new(name: &str, about: &str, command: &Command) -> Self {
        let mut page = Self(String::new());
        let title = escape(&name.to_uppercase());
        page.line(&format!(".TH {title} 1 {DATE} \"udp {}\"", env!("CARGO_PKG_VERSION")));
        page.line(".nh");
        page.section("NAME");
        page.text(&format!("{} \\- {}", escape(name), escape(about)));
        page.section("SYNOPSIS");
        page.text(&synopsis(command));
        page.section("DESCRIPTION");
        // Its first paragraph is what stands after the name, where there is another.
        let text = long(command.get_long_about(), command.get_about());
        page.paragraphs(text.split_once("\n\n").map_or(text.as_str(), |(_, more)| more), ".PP");
        page
    }

    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.line(&format!(".SH {title}"));
    }

    /// Roff text, on lines that are short enough.
    fn text(&mut self, roff: &str) {
        let mut line = String::new();
        for word in roff.split_ascii_whitespace() {
            if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
                self.line(&line);
                line.clear();
            }
            match line.is_empty() {
                // These would begin a request.
                true if word.starts_with('.') => line.push_str("\\&"),
                true => {}
                false => line.push(' '),
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            self.line(&line);
        }
    }

    /// Text as people write it, with a request before each paragraph but the first.
    fn paragraphs(&mut self, text: &str, request: &str) {
        for (number, paragraph) in text.split("\n\n").filter(|text| !text.trim().is_empty()).enumerate() {
            if number > 0 {
                self.line(request);
            }
            self.text(&escape(paragraph));
        }
    }

    /// The commands that are parts of this one, if any.
    fn parts(&mut self, name: &str, command: &Command) {
        if command.has_subcommands() {
            self.section("COMMANDS");
        }
        for part in parts(command) {
            self.line(".TP");
            self.reference(&name_of_part(name, part), "");
            self.text(&escape(&about(part)));
        }
    }

    /// Arguments, then options under their headings.
    fn options(&mut self, command: &Command) {
        self.section("OPTIONS");
        let (arguments, mut options): (Vec<_>, Vec<_>) =
            command.get_arguments().filter(|arg| !arg.is_hide_set()).partition(|arg| arg.is_positional());
        options.sort_by_key(|option| option.get_display_order());
        for argument in arguments {
            self.option(argument);
        }
        let mut headings = vec![None];
        for option in &options {
            if !headings.contains(&option.get_help_heading()) {
                headings.push(option.get_help_heading());
            }
        }
        for heading in headings {
            if let Some(heading) = heading {
                self.line(&format!(".SS {heading}"));
            }
            for option in options.iter().filter(|option| option.get_help_heading() == heading) {
                self.option(option);
            }
        }
    }

    fn option(&mut self, arg: &Arg) {
        self.line(".TP");
        self.line(&flag(arg, ", ", " "));
        self.paragraphs(&long(arg.get_long_help(), arg.get_help()), ".IP");
        let values = arg.get_possible_values();
        if !arg.is_hide_possible_values_set() && takes_value(arg) && !values.is_empty() {
            let value = |value: &clap::builder::PossibleValue| match value.get_help() {
                Some(help) => format!("{} ({})", bold(value.get_name()), escape(&help.to_string())),
                None => bold(value.get_name()),
            };
            self.line(".IP");
            self.text(&format!("Values: {}", values.iter().map(value).collect::<Vec<_>>().join(", ")));
        }
        if !arg.is_hide_default_value_set() && takes_value(arg) && !arg.get_default_values().is_empty() {
            let defaults = arg.get_default_values().iter().map(|value| value.to_string_lossy());
            self.line(".IP");
            self.text(&escape(&format!("[default: {}]", defaults.collect::<Vec<_>>().join(","))));
        }
    }

    /// Exit statuses, examples, and the other pages.
    fn rest(&mut self, name: &str, others: &[&str]) {
        let page = page(name.trim_start_matches("udp-"));
        self.section("EXIT STATUS");
        for (status, meaning) in page.statuses {
            self.line(".TP");
            self.line(&bold(&status.to_string()));
            self.text(&escape(meaning));
        }
        self.section("EXAMPLES");
        for (number, (example, explanation)) in page.examples.iter().enumerate() {
            if number > 0 {
                self.line(".PP");
            }
            self.text(&bold(example));
            if !explanation.is_empty() {
                self.line(".RS 4");
                self.text(&escape(explanation));
                self.line(".RE");
            }
        }
        self.section("SEE ALSO");
        for (number, other) in others.iter().enumerate() {
            self.reference(other, if number + 1 < others.len() { "," } else { "" });
        }
    }

    fn reference(&mut self, page: &str, after: &str) {
        self.line(&format!(".BR {} (1){after}", escape(page)));
    }
}

/// How a command is called, with each of its options and their values.
fn synopsis(command: &Command) -> String {
    let (arguments, mut options): (Vec<_>, Vec<_>) =
        command.get_arguments().filter(|arg| !arg.is_hide_set()).partition(|arg| arg.is_positional());
    options.sort_by_key(|option| option.get_display_order());
    let mut synopsis = bold(command.get_bin_name().unwrap_or("udp"));
    for arg in options.into_iter().chain(arguments) {
        let (open, close) = if arg.is_required_set() { ("", "") } else { ("[", "]") };
        let more = if is_repeatable(arg) { "\\&..." } else { "" };
        // An option stays on the line of its value.
        let _ = write!(synopsis, " {open}{}{close}{more}", flag(arg, "|", "\\~"));
    }
    if command.has_subcommands() {
        synopsis.push_str(" \\fICOMMAND\\fR ...");
    }
    synopsis
}

/// An option with its value, or an argument, as it is written.
fn flag(arg: &Arg, between: &str, before_value: &str) -> String {
    let short = arg.get_short().map(|short| bold(&format!("-{short}")));
    let long = arg.get_long().map(|long| bold(&format!("--{long}")));
    let mut flag = short.into_iter().chain(long).collect::<Vec<_>>().join(between);
    if takes_value(arg) {
        let name = arg.get_value_names().and_then(|names| names.first()).map(|name| name.as_str());
        let name = name.unwrap_or_else(|| arg.get_id().as_str());
        let separator = if flag.is_empty() { "" } else { before_value };
        let _ = write!(flag, "{separator}\\fI{}\\fR", escape(name));
    }
    flag
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

fn is_repeatable(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

fn long(long: Option<&clap::builder::StyledStr>, short: Option<&clap::builder::StyledStr>) -> String {
    long.or(short).map(ToString::to_string).unwrap_or_default()
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escape(text))
}

/// Text as roff: its own signs, and those that it would make typographic of what must be pasted.
fn escape(text: &str) -> String {
    let mut roff = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => roff.push_str("\\e"),
            '-' => roff.push_str("\\-"),
            '\'' => roff.push_str("\\(aq"),
            '`' => roff.push_str("\\(ga"),
            '^' => roff.push_str("\\(ha"),
            '~' => roff.push_str("\\(ti"),
            plain if plain.is_ascii() => roff.push(plain),
            // Its number, since roff reads no UTF-8.
            other => {
                let _ = write!(roff, "\\[u{:04X}]", u32::from(other));
            }
        }
    }
    roff
}
