//! Words of other tools: those that mean the same are taken, of the others the hint is found.

mod table;

use clap::Arg;

use table::{Habit, Meaning};

/// To be given to [`clap::Command::mut_args`]: the options of a verb take the other names that the table has for them.
pub(super) fn options_of(verb: &'static str) -> impl FnMut(Arg) -> Arg {
    move |arg| {
        let id = arg.get_id().clone();
        let names = table::OPTIONS.iter().filter(|habit| habit.is_of(verb) && habit.is(id.as_str()));
        names.flat_map(Habit::words).fold(arg, |arg, name| match name.strip_prefix("--") {
            Some(long) => arg.alias(long),
            None => arg.short_aliases(name.chars().skip(1)),
        })
    }
}

/// The other names of a verb.
pub(super) fn names_of(verb: &str) -> Vec<&'static str> {
    table::VERBS.iter().filter(|habit| habit.is(verb)).flat_map(Habit::words).collect()
}

/// What to type instead of an option that a verb does not have; `udp` stands for what comes before a verb.
pub(crate) fn hint_for_option(verb: &str, option: &str) -> Option<&'static str> {
    let mut habits = table::OPTIONS.iter().filter(|habit| habit.is_of(verb));
    habits.find(|habit| habit.words().any(|word| word == option))?.hint()
}

/// What to type instead of a verb that there is not.
pub(crate) fn hint_for_verb(word: &str) -> Option<&'static str> {
    table::VERBS.iter().find(|habit| habit.words().any(|name| name == word))?.hint()
}

impl Habit {
    fn words(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.words.split(' ')
    }

    fn is_of(&self, verb: &str) -> bool {
        self.verbs.split(' ').any(|name| name == verb || name == "*")
    }

    fn is(&self, meant: &str) -> bool {
        matches!(self.meaning, Meaning::Is(id) if id == meant)
    }

    fn hint(&self) -> Option<&'static str> {
        match self.meaning {
            Meaning::Hint(hint) => Some(hint),
            Meaning::Is(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use clap::{Command, CommandFactory};

    use super::*;
    use crate::args::Args;

    /// The words of a text that are options, such as `--wait` or `-c`.
    fn options_in(text: &str) -> impl Iterator<Item = &str> {
        let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'));
        words.filter(|word| word.starts_with('-') && word.len() > 1)
    }

    /// What tells an option from another tool's: it is named in brackets, as in `(nc -w)`.
    fn without_asides(text: &str) -> String {
        let (mut kept, mut depth) = (String::new(), 0);
        for letter in text.chars() {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ if depth == 0 => kept.push(letter),
                _ => {}
            }
        }
        kept.replace("as nc -l does", "")
    }

    fn has(command: &Command, option: &str) -> bool {
        command.get_arguments().any(|arg| match option.strip_prefix("--") {
            Some(long) => arg.get_long() == Some(long) || arg.get_all_aliases().unwrap_or_default().contains(&long),
            None => {
                let short = option.chars().nth(1);
                let aliases = arg.get_all_short_aliases().unwrap_or_default();
                arg.get_short() == short || short.is_some_and(|short| aliases.contains(&short))
            }
        })
    }

    /// The verbs that a row is about, as commands.
    fn commands(habit: &Habit) -> Vec<Command> {
        let mut command = Args::command();
        command.build();
        let mut all: Vec<_> = command.get_subcommands().filter(|verb| habit.is_of(verb.get_name())).cloned().collect();
        if habit.is_of("udp") {
            all.push(command);
        }
        all
    }

    #[test]
    fn every_hint_names_options_that_there_are() {
        let command = Args::command();
        for habit in table::OPTIONS.iter().chain(table::VERBS) {
            let Some(hint) = habit.hint() else { continue };
            let hint = without_asides(hint);
            // Of the verbs that the hint names, else of those that the row is about.
            let named: Vec<_> = command
                .get_subcommands()
                .filter(|verb| hint.contains(&format!("udp {}", verb.get_name())))
                .cloned()
                .collect();
            let verbs = if named.is_empty() { commands(habit) } else { [named, commands(habit)].concat() };
            for option in options_in(&hint).filter(|option| *option != "--version") {
                assert!(verbs.iter().any(|verb| has(verb, option)), "{option} in '{hint}'");
            }
        }
    }

    #[test]
    fn a_word_with_a_hint_is_no_option_or_verb_that_there_is() {
        for habit in table::OPTIONS.iter().filter(|habit| habit.verbs != "*" && habit.hint().is_some()) {
            for verb in commands(habit) {
                for word in habit.words() {
                    assert!(!has(&verb, word), "{} has {word}", verb.get_name());
                }
            }
        }
        let command = Args::command();
        for word in table::VERBS.iter().filter(|habit| habit.hint().is_some()).flat_map(Habit::words) {
            assert!(command.find_subcommand(word).is_none(), "{word}");
        }
    }

    #[test]
    fn no_word_stands_in_two_rows_of_a_verb() {
        for verb in ["udp", "serve", "send", "listen", "broadcast", "reflect", "relay", "replay"] {
            let rows = table::OPTIONS.iter().filter(|habit| habit.is_of(verb) && habit.verbs != "*");
            let mut seen = HashSet::new();
            for word in rows.flat_map(Habit::words) {
                assert!(seen.insert(word), "{word} of {verb}");
            }
        }
    }

    #[test]
    fn every_other_name_is_taken_for_what_it_means() {
        for habit in table::OPTIONS {
            let Meaning::Is(id) = habit.meaning else { continue };
            for verb in commands(habit) {
                assert!(verb.get_arguments().any(|arg| arg.get_id() == id), "{} has no {id}", verb.get_name());
                for word in habit.words() {
                    assert!(has(&verb, word), "{word} of {}", verb.get_name());
                }
            }
        }
    }
}
