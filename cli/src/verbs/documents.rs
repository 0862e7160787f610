//! `udp completions` and `udp man`: what is made from the definitions of the flags.

use std::io;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::args::{Args, CompletionsArgs, ManArgs};
use crate::runtime::exit::Exit;

/// Prints the completions of a shell.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "udp", &mut script);
    match io::Write::write_all(&mut io::stdout().lock(), &script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(Exit::Done),
    }
}

/// Writes the man pages into a directory.
pub(crate) fn man(args: &ManArgs) -> Result<Exit> {
    clap_mangen::generate_to(Args::command(), &args.directory)
        .with_context(|| format!("cannot write man pages to '{}'", args.directory.display()))?;
    Ok(Exit::Done)
}
