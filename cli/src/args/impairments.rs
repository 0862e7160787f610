//! The flags of impairments: each for both directions at once (`--loss`), and for one (`--up-loss`, `--down-loss`).

use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::words::impairments::{Changes, Files, Name};

/// The heading of impairments in the help.
pub(super) const HEADING: &str = "Impairments";
/// That of those that are for one direction.
const ONE_DIRECTION: &str = "Impairments of one direction";

/// The impairments of a command line: those of both directions, and those of one, which win.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImpairmentArgs {
    pub(crate) both: Changes,
    pub(crate) up: Changes,
    pub(crate) down: Changes,
}

/// Which flags: the word before each name, as in `--up-loss`, and what it says in the help.
#[derive(Clone, Copy)]
struct Flags {
    prefix: &'static str,
    heading: &'static str,
    /// Before the name of the flag that it is as; empty for that itself.
    help: &'static str,
}

const BOTH: Flags = Flags { prefix: "", heading: HEADING, help: "" };
const UP: Flags = Flags { prefix: "up-", heading: ONE_DIRECTION, help: "Only from peers to TARGET: see" };
const DOWN: Flags = Flags { prefix: "down-", heading: ONE_DIRECTION, help: "Only from TARGET to peers: see" };

impl Flags {
    fn long(self, name: Name) -> String {
        format!("{}{}", self.prefix, name.word())
    }

    /// The id of a flag: with `impair-` before it, since other verbs have flags of the same names.
    fn id(self, name: Name) -> String {
        format!("impair-{}", self.long(name))
    }

    fn arg(self, name: Name) -> Arg {
        let arg = Arg::new(self.id(name)).long(self.long(name)).help_heading(self.heading);
        let arg = match self.help {
            "" => {
                let (line, more) = name.help();
                let arg = arg.help(line);
                match more {
                    Some(more) => arg.long_help(format!("{line}\n\n{more}")),
                    None => arg,
                }
            }
            help => arg.help(format!("{help} --{}", name.word())),
        };
        let read = move |text: &str| Changes::one(name, text, &Files::In(Path::new("")));
        match name {
            // A flag alone; `--up-allow-reorder=none` undoes what a preset or a file says.
            Name::AllowReorder => arg
                .action(ArgAction::Set)
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .hide_possible_values(true)
                .value_name("true|none")
                .value_parser(read),
            name => {
                arg.action(ArgAction::Set).value_name(name.placeholder()).allow_hyphen_values(true).value_parser(read)
            }
        }
    }

    fn changes(self, matches: &ArgMatches) -> Changes {
        let given = Name::ALL.into_iter().filter_map(|name| matches.get_one::<Changes>(&self.id(name)));
        given.fold(Changes::default(), Changes::and)
    }
}

impl Args for ImpairmentArgs {
    fn augment_args(command: Command) -> Command {
        let one_direction = Name::ALL.into_iter().flat_map(|name| [UP.arg(name), DOWN.arg(name)]);
        command.args(Name::ALL.map(|name| BOTH.arg(name))).args(one_direction)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ImpairmentArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { both: BOTH.changes(matches), up: UP.changes(matches), down: DOWN.changes(matches) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
