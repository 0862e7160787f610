//! What the flags about printing mean together.

use std::io::{self, IsTerminal};

use anyhow::{Result, bail};

use crate::args::{CommonArgs, PrintArgs};
use crate::hint::Hint;
use crate::output::{Columns, Printing, Times};
use crate::words::format::{Field, Format};

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

impl PrintArgs {
    /// How datagrams are printed in a format; an error for flags that it has no use for.
    pub(crate) fn printing(&self, format: Format) -> Result<Printing> {
        let times = self.times();
        if let Some((flag, _)) = times {
            self.check_times(flag, format)?;
        }
        if format == Format::Raw && !self.fields.is_empty() {
            bail!("--fields chooses from what lines and objects have; raw output is the payloads alone");
        }
        if format != Format::Raw && self.delimiter.is_some() {
            return Err(Hint::on("--delimiter parts raw payloads; lines end by themselves", "add --raw"));
        }
        for (place, field) in self.fields.iter().enumerate() {
            if self.fields[..place].contains(field) {
                bail!("--fields names '{}' twice", name(*field));
            }
        }
        Ok(Printing {
            columns: if self.fields.is_empty() { Columns::default() } else { Columns::chosen(&self.fields) },
            times: times.map_or(Times::Local, |(_, times)| times),
            delimiter: self.delimiter.clone().map(|delimiter| delimiter.0).unwrap_or_default(),
        })
    }

    /// The flag that says how times are told, and what it says.
    fn times(&self) -> Option<(&'static str, Times)> {
        let flags = [
            (self.utc, "--utc", Times::Utc),
            (self.relative, "--relative", Times::Relative),
            (self.delta, "--delta", Times::Delta),
        ];
        flags.into_iter().find_map(|(set, flag, times)| set.then_some((flag, times)))
    }

    fn check_times(&self, flag: &str, format: Format) -> Result<()> {
        match format {
            Format::Json => bail!("{flag} is for lines; JSON has times in UTC (RFC 3339), always"),
            Format::Raw => bail!("{flag} is for lines; raw output is the payloads alone"),
            Format::Text | Format::Hex if !self.fields.is_empty() && !self.fields.contains(&Field::Time) => {
                Err(Hint::on(format!("{flag} says how times are told, and --fields leaves them out"), "add time"))
            }
            Format::Text | Format::Hex => Ok(()),
        }
    }
}

fn name(field: Field) -> String {
    use clap::ValueEnum;
    field.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
