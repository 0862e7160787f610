//! What the flags about printing mean together.

use std::io::{self, IsTerminal};

use anyhow::{Result, bail};

use crate::args::{CommonArgs, PrintArgs};
use crate::hint::Hint;
use crate::output::{Columns, Printing, Settings, Times};
use crate::words::format::{Color, Field, Format};

/// An error where raw bytes would go to a terminal.
pub(crate) fn check_format(common: &CommonArgs) -> Result<()> {
    if common.format() == Format::Raw && io::stdout().is_terminal() && !common.force {
        return Err(Hint::on(
            "raw bytes from the network could take over the terminal",
            "send them to a file or a pipe, or insist with --force",
        ));
    }
    Ok(())
}

/// An error for flags that are about payloads, where none are printed.
pub(crate) fn check_lines(common: &CommonArgs) -> Result<()> {
    let flags = [(common.raw, "--raw"), (common.hex_dump, "--hex-dump"), (common.force, "--force")];
    match flags.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, flag)) => Err(Hint::on(
            format!("{flag} is about payloads, and none are printed here"),
            "text is printed unless --json is given",
        )),
        None => Ok(()),
    }
}

/// What the common flags say of printing, for sockets of these ports.
pub(crate) fn settings(common: &CommonArgs, ports: Vec<u16>) -> Settings {
    let terminal = io::stdout().is_terminal();
    let color = match common.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    Settings {
        quiet: common.quiet,
        verbose: common.verbose,
        timed: common.time,
        color,
        at_once: terminal,
        ports,
        ..Settings::plain(common.format())
    }
}

/// How datagrams are printed in a format; an error for flags that it has no use for.
pub(crate) fn printing(args: &PrintArgs, format: Format) -> Result<Printing> {
    let chosen = times(args);
    if let Some((flag, _)) = chosen {
        check_times(args, flag, format)?;
    }
    if format == Format::Raw && !args.fields.is_empty() {
        bail!("--fields chooses from what lines and objects have; raw output is the payloads alone");
    }
    if format != Format::Raw && args.delimiter.is_some() {
        return Err(Hint::on("--delimiter parts raw payloads; lines end by themselves", "add --raw"));
    }
    for (place, field) in args.fields.iter().enumerate() {
        if args.fields[..place].contains(field) {
            bail!("--fields names '{}' twice", name(*field));
        }
    }
    Ok(Printing {
        columns: if args.fields.is_empty() { Columns::default() } else { Columns::chosen(&args.fields) },
        times: chosen.map_or(Times::Local, |(_, times)| times),
        delimiter: args.delimiter.clone().map(|delimiter| delimiter.0).unwrap_or_default(),
    })
}

/// The flag that says how times are told, and what it says.
fn times(args: &PrintArgs) -> Option<(&'static str, Times)> {
    let flags = [
        (args.utc, "--utc", Times::Utc),
        (args.relative, "--relative", Times::Relative),
        (args.delta, "--delta", Times::Delta),
    ];
    flags.into_iter().find_map(|(set, flag, times)| set.then_some((flag, times)))
}

fn check_times(args: &PrintArgs, flag: &str, format: Format) -> Result<()> {
    match format {
        Format::Json => bail!("{flag} is for lines; JSON has times in UTC (RFC 3339), always"),
        Format::Raw => bail!("{flag} is for lines; raw output is the payloads alone"),
        Format::Text | Format::Hex if !args.fields.is_empty() && !args.fields.contains(&Field::Time) => {
            Err(Hint::on(format!("{flag} says how times are told, and --fields leaves them out"), "add time"))
        }
        Format::Text | Format::Hex => Ok(()),
    }
}

fn name(field: Field) -> String {
    use clap::ValueEnum;
    field.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
#[path = "formats.rs"]
mod tests;
