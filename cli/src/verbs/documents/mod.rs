//! `udp completions` and `udp man`: what is made from the definitions of the flags.

mod man;
mod scripts;

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::args::{Args, CompletionsArgs, ManArgs};
use crate::output::Standard;
use crate::runtime::exit::Exit;

/// Prints the completions of a shell, or writes them to a file.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit> {
    let script = scripts::of(args.shell)?;
    match &args.file {
        Some(path) => write(path, &script)?,
        None => match Standard::output().write_all(&script) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            result => result.context("cannot write to standard output")?,
        },
    }
    Ok(Exit::Done)
}

/// Writes the man pages into a directory.
pub(crate) fn man(args: &ManArgs) -> Result<Exit> {
    let mut command = Args::command();
    command.build();
    for (name, page) in man::pages(&command) {
        write(&args.directory.join(name), page.as_bytes())?;
    }
    Ok(Exit::Done)
}

/// Writes a file, and makes its directory where there is none.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, bytes)).with_context(|| format!("cannot write '{}'", path.display()))
}
