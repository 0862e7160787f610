//! The flags of the verbs that send and receive nothing, and their help.

use std::path::PathBuf;

use clap::Args as ArgGroup;

/// Show interfaces, addresses and broadcast addresses
#[derive(Debug, ArgGroup)]
#[command(after_help = "\
Examples:
  udp interfaces
  udp interfaces --json")]
pub(crate) struct InterfacesArgs {
    /// As JSON Lines: an object for each interface
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print the completions of a shell
#[derive(Debug, ArgGroup)]
#[command(after_help = "\
Examples:
  udp completions bash > ~/.local/share/bash-completion/completions/udp
  udp completions zsh > \"${fpath[1]}/_udp\"
  udp completions fish > ~/.config/fish/completions/udp.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// Write the man pages into a directory
#[derive(Debug, ArgGroup)]
#[command(after_help = "\
Examples:
  udp man ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The directory; it must exist
    pub(crate) directory: PathBuf,
}
