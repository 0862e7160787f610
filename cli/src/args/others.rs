//! The flags of the verbs that send and receive nothing, and their help.

use std::path::PathBuf;

use clap::{Args as ArgGroup, ValueHint};

use super::help::{self, DONE_OR_FAILED, Example};

/// The examples of `udp interfaces`.
pub(super) const INTERFACES: &[Example] = &[("udp interfaces", ""), ("udp interfaces --json", "")];

/// The examples of `udp completions`.
pub(super) const COMPLETIONS: &[Example] = &[
    ("udp completions bash ~/.local/share/bash-completion/completions/udp", ""),
    ("udp completions zsh ~/.zfunc/_udp", "with 'fpath+=~/.zfunc' before compinit"),
    ("udp completions fish ~/.config/fish/completions/udp.fish", ""),
    ("source <(udp completions bash)", "in a running shell"),
];

/// The examples of `udp man`.
pub(super) const MAN: &[Example] = &[("udp man ~/.local/share/man/man1", "'man udp-serve' shows one")];

/// Show interfaces, addresses and broadcast addresses
#[derive(Debug, ArgGroup)]
#[command(after_help = help::short(INTERFACES), after_long_help = help::long(INTERFACES, DONE_OR_FAILED))]
pub(crate) struct InterfacesArgs {
    /// Print JSON Lines, one object per interface
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print the completions for a shell, or write them to a file
///
/// At each completion the shell asks 'udp' what may come next, so interfaces are completed as they are at that moment.
#[derive(Debug, ArgGroup)]
#[command(after_help = help::short(COMPLETIONS), after_long_help = help::long(COMPLETIONS, DONE_OR_FAILED))]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
    /// Write to this file, creating its directory if needed [default: standard output]
    pub(crate) file: Option<PathBuf>,
}

/// Write the man pages into a directory
#[derive(Debug, ArgGroup)]
#[command(after_help = help::short(MAN), after_long_help = help::long(MAN, DONE_OR_FAILED))]
pub(crate) struct ManArgs {
    /// The directory, created if needed
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
}
