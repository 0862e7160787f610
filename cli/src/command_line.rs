//! Reads the command line; where it is not understood, what to type instead: by the table of other tools' words, or by the spelling.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory, Parser};

use crate::args::{Args, habits};
use crate::hint::Hint;
use crate::words::address::{Address, Host};
use crate::words::spelling::{nearest, quoted};

/// Why a command line is not run.
#[derive(Debug)]
pub(crate) enum NotRun {
    /// Help or the version was asked for, or the parser says what is wrong.
    Parser(clap::Error),
    /// There is a hint.
    Hinted(anyhow::Error),
}

/// Reads a command line; the first argument is the name of the command.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Args, NotRun> {
    let arguments = help_as_option(arguments.into_iter().collect());
    Args::try_parse_from(&arguments).map_err(|error| {
        let typed: Vec<_> = arguments.iter().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
        match explain(&error, &typed) {
            Some(hinted) => NotRun::Hinted(hinted),
            None => NotRun::Parser(error),
        }
    })
}

/// `udp help VERB` is `udp VERB --help`.
fn help_as_option(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_some_and(|verb| verb == "help") {
        arguments.remove(1);
        arguments.truncate(2);
        arguments.retain(|verb| verb != "help");
        arguments.push("--help".into());
    }
    arguments
}

/// The error with its hint, if the table or the spelling has one.
fn explain(error: &clap::Error, typed: &[String]) -> Option<anyhow::Error> {
    let command = Args::command();
    let (name, verb) = verb_of(&command, typed);
    let line = Line { verb, name, typed };
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => line.asks_by_mistake(),
        ErrorKind::UnknownArgument => match context(ContextKind::InvalidArg)? {
            option if option.starts_with('-') => Some(line.unknown_option(option)),
            extra => Some(line.one_too_many(extra)),
        },
        ErrorKind::InvalidUtf8 if line.sends_text() => {
            let hint = "--hex '01 0a ff' sends any bytes, and so does standard input";
            Some(Hint::on("an argument is not valid UTF-8", hint))
        }
        ErrorKind::InvalidSubcommand => Some(line.unknown_verb(context(ContextKind::InvalidSubcommand)?)),
        _ => None,
    }
}

/// The verb of a command line, or the part of one, such as `check server`, and its name; the command itself where there is none.
fn verb_of<'a>(command: &'a Command, typed: &[String]) -> (String, &'a Command) {
    let (mut name, mut verb) = (String::new(), command);
    for word in typed {
        if let Some(part) = verb.find_subcommand(word) {
            name = [name.as_str(), part.get_name()].join(" ").trim_start().to_owned();
            verb = part;
        }
    }
    (if name.is_empty() { command.get_name().to_owned() } else { name }, verb)
}

/// A command line that was not understood.
struct Line<'a> {
    /// The verb; the command itself where there is none.
    verb: &'a Command,
    name: String,
    typed: &'a [String],
}

impl Line<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    /// Whether the verb sends a text that is an argument.
    fn sends_text(&self) -> bool {
        matches!(self.name(), "send" | "broadcast")
    }

    /// An error where the `h` or `V` that asks for help or the version is a letter of a longer word, such as `-hello`.
    fn asks_by_mistake(&self) -> Option<anyhow::Error> {
        let words = || self.typed.iter().take_while(|word| *word != "--");
        if words().any(|word| matches!(word.as_str(), "-h" | "--help" | "-help" | "-V" | "--version")) {
            return None;
        }
        let word = words().find(|word| is_cluster(word) && word.contains(['h', 'V']))?;
        let is_all_flags = word.chars().skip(1).all(|letter| letter == 'h' || self.takes_no_value(letter));
        (!is_all_flags).then(|| self.no_option(word, &self.as_text(word)))
    }

    fn unknown_option(&self, option: &str) -> anyhow::Error {
        if let Some(error) = self.before_verb(option).or_else(|| self.negative(option)) {
            return error;
        }
        if option.starts_with("--") {
            let hint = self.of_table(option).map(str::to_owned).or_else(|| self.misspelled(option));
            return self.no_option(option, &hint.unwrap_or_else(|| self.as_text(option)));
        }
        // The whole word that the letter stands in.
        let letter = option.trim_start_matches('-');
        let word = self.typed.iter().find(|word| is_cluster(word) && word.contains(letter));
        let word = word.map_or(option, String::as_str);
        self.no_option(word, &self.of_cluster(word).unwrap_or_else(|| self.as_text(word)))
    }

    /// An error for an option of a verb that stands before it.
    fn before_verb(&self, option: &str) -> Option<anyhow::Error> {
        let command = Args::command();
        let verb = self.typed.iter().position(|word| command.find_subcommand(word).is_some())?;
        let place = self.typed.iter().position(|word| word.starts_with(option))?;
        (place < verb && has(self.verb, option)).then(|| {
            let hint = format!("udp {} {option} ...", self.name());
            Hint::on(format!("'{option}' is an option of {}, and stands before it", self.name()), hint)
        })
    }

    /// An error for a number below zero where the value of an option stands.
    fn negative(&self, option: &str) -> Option<anyhow::Error> {
        let is_number = |word: &str| word.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        let place = self.typed.iter().position(|word| word.starts_with(option) && is_number(word))?;
        let (word, before) = (&self.typed[place], self.typed[..place].last()?);
        self.takes_value(before).then(|| anyhow::anyhow!("{before} cannot be negative: '{word}'"))
    }

    /// The hint for a word of short options.
    fn of_cluster(&self, word: &str) -> Option<String> {
        if word.chars().count() > 2 && self.has_long(word.trim_start_matches('-')) {
            return Some(format!("long options have two hyphens: -{word}"));
        }
        // What a digit begins is the value of the letter before it, as in `-w5`.
        let letters = word.chars().skip(1).take_while(|letter| !letter.is_ascii_digit());
        let mut hints: Vec<&str> = Vec::new();
        for letter in letters {
            match self.of_table(&format!("-{letter}")) {
                Some(hint) if !hints.contains(&hint) => hints.push(hint),
                Some(_) => {}
                None if self.takes_no_value(letter) => {}
                None => return None,
            }
        }
        (!hints.is_empty()).then(|| hints.join("; "))
    }

    fn of_table(&self, option: &str) -> Option<&'static str> {
        habits::hint_for_option(self.name(), option)
    }

    /// The option that was misspelled.
    fn misspelled(&self, option: &str) -> Option<String> {
        let longs = self.verb.get_arguments().filter_map(Arg::get_long);
        Some(format!("did you mean --{}?", nearest(option.trim_start_matches('-'), longs)?))
    }

    /// How to send a word that is no option, or where all options are listed.
    fn as_text(&self, word: &str) -> String {
        let list = match self.name() {
            "udp" => "`udp --help` lists the verbs".to_owned(),
            verb => format!("`udp {verb} --help` lists the options"),
        };
        if self.sends_text() { format!("to send it as text: --text={}; {list}", quoted(word)) } else { list }
    }

    fn no_option(&self, option: &str, hint: &str) -> anyhow::Error {
        let message = match self.name() {
            "udp" => format!("there is no option '{option}'"),
            verb => format!("{verb} has no option '{option}'"),
        };
        Hint::on(message, hint)
    }

    fn has_long(&self, name: &str) -> bool {
        self.verb.get_arguments().any(|arg| arg.get_long() == Some(name))
    }

    /// Whether a letter is an option that takes no value.
    fn takes_no_value(&self, letter: char) -> bool {
        let mut options = self.verb.get_arguments();
        options.any(|arg| arg.get_short() == Some(letter) && !arg.get_action().takes_values())
    }

    /// Whether a word is an option whose value is the next word.
    fn takes_value(&self, word: &str) -> bool {
        self.verb.get_arguments().any(|arg| {
            let is_long = word.strip_prefix("--").is_some_and(|long| arg.get_long() == Some(long));
            let is_short =
                arg.get_short().is_some_and(|short| word.strip_prefix('-') == Some(short.to_string().as_str()));
            (is_long || is_short) && arg.get_action().takes_values()
        })
    }

    /// An argument after the last one that the verb takes.
    fn one_too_many(&self, extra: &str) -> anyhow::Error {
        let place = self.typed.iter().rposition(|word| word == extra).unwrap_or(0);
        let before = |steps: usize| place.checked_sub(steps).map(|place| self.typed[place].as_str());
        let (last, first) = (before(1).unwrap_or_default(), before(2).unwrap_or_default());
        let hint = match self.name() {
            "send" if is_port(last) && has_no_port(first) => {
                format!("udp send {} {}", with_port(first, last), quoted(extra))
            }
            "broadcast" if is_port(last) => format!("udp broadcast -p {last} {}", quoted(extra)),
            "broadcast" if is_address(last) => format!("udp broadcast --to {last} {}", quoted(extra)),
            "send" | "broadcast" => {
                format!("a text with spaces is one argument: {}", quoted(&format!("{last} {extra}")))
            }
            verb => format!("`udp {verb} --help` says what it takes"),
        };
        Hint::on(format!("'{extra}' is one argument too many"), hint)
    }

    fn unknown_verb(&self, word: &str) -> anyhow::Error {
        let place = self.typed.iter().position(|typed| typed == word).unwrap_or(0);
        let next = self.typed.get(place + 1).map(String::as_str).unwrap_or_default();
        let names =
            |command: &Command| command.get_subcommands().map(|it| it.get_name().to_owned()).collect::<Vec<_>>();
        let (roles, all) = (names(self.verb), names(&Args::command()));
        // What stands before a verb is no part of it.
        let is_role = self.verb.has_subcommands() && self.typed.first().is_some_and(|first| *first != word);
        let verbs: Vec<_> = if is_role { &roles } else { &all }.iter().map(String::as_str).collect();
        if is_role && self.name() != "udp" {
            let hint = match nearest(&word.to_ascii_lowercase(), verbs.iter().copied()) {
                Some(part) => format!("did you mean {part}?"),
                None => format!("the roles are {}", verbs.join(", ")),
            };
            return Hint::on(format!("{} has no role '{word}'", self.name()), hint);
        }
        let hint = match habits::hint_for_verb(word) {
            Some(hint) => hint.to_owned(),
            None if is_port(word) => format!("udp listen {word}"),
            None if is_port(next) && has_no_port(word) => format!("udp send {} TEXT", with_port(word, next)),
            None if is_address(word) => format!("udp send {word} TEXT"),
            None => match nearest(&word.to_ascii_lowercase(), verbs.iter().copied()) {
                Some(verb) => format!("did you mean {verb}?"),
                None => format!("the verbs are {}", verbs.join(", ")),
            },
        };
        Hint::on(format!("there is no verb '{word}'"), hint)
    }
}

/// Whether a verb has an option of this name.
fn has(verb: &Command, option: &str) -> bool {
    verb.get_arguments().any(|arg| match option.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => arg.get_short().is_some_and(|short| option.chars().nth(1) == Some(short)),
    })
}

/// Whether a word is read as short options in one.
fn is_cluster(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-') && !word.starts_with("--")
}

fn is_port(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit()) && word.parse::<u16>().is_ok()
}

/// Whether a word is an IP address, or a port with or without a host.
fn is_address(word: &str) -> bool {
    match word.parse() {
        Ok(Address { host: Some(Host::Name(_)), port }) => port.is_some(),
        Ok(_) => true,
        Err(_) => false,
    }
}

fn has_no_port(word: &str) -> bool {
    !word.starts_with('-') && word.parse::<Address>().is_ok_and(|address| address.port.is_none())
}

fn with_port(host: &str, port: &str) -> String {
    host.parse::<Address>().map_or_else(|_| host.to_owned(), |address| address.with_port(port))
}
