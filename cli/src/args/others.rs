//! The flags of the verbs that send and receive nothing, and their help.

use std::path::PathBuf;

use clap::Args as ArgGroup;

use super::help::{self, Example};

/// The examples of `udp interfaces`.
pub(super) const INTERFACES: &[Example] = &[("udp interfaces", ""), ("udp interfaces --json", "")];

/// The examples of `udp completions`.
pub(super) const COMPLETIONS: &[Example] = &[
    ("udp completions bash > ~/.local/share/bash-completion/completions/udp", ""),
    ("udp completions zsh > \"${fpath[1]}/_udp\"", ""),
    ("udp completions fish > ~/.config/fish/completions/udp.fish", ""),
];

/// The examples of `udp man`.
pub(super) const MAN: &[Example] = &[("udp man ~/.local/share/man/man1", "")];

/// Show interfaces, addresses and broadcast addresses
#[derive(Debug, ArgGroup)]
#[command(after_help = help::long(INTERFACES))]
pub(crate) struct InterfacesArgs {
    /// As JSON Lines: an object for each interface
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print the completions of a shell
#[derive(Debug, ArgGroup)]
#[command(after_help = help::long(COMPLETIONS))]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// Write the man pages into a directory
#[derive(Debug, ArgGroup)]
#[command(after_help = help::long(MAN))]
pub(crate) struct ManArgs {
    /// The directory; it must exist
    pub(crate) directory: PathBuf,
}
