//! The flags that several verbs have, and their help.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, Args as ArgGroup};
use clap_complete::ArgValueCandidates;
use udpkit::Template;
use udpkit::verbs::Limits;

use super::completion;
use crate::words::address::{Address, DEFAULT_PORT, Families, port};
use crate::words::format::{Color, Delimiter, Field, Format, delimiter};
use crate::words::numbers::dscp;
use crate::words::units;

/// What is printed of each datagram.
#[derive(Debug, Default, ArgGroup)]
#[command(next_help_heading = "Printing")]
pub(crate) struct PrintArgs {
    /// Print only these fields, in this order [default: time,source,destination,delivery,interface,length,payload]
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',')]
    pub(crate) fields: Vec<Field>,
    /// Print times in UTC, with the date (RFC 3339) [default: local time of day]
    #[arg(long, group = "times")]
    pub(crate) utc: bool,
    /// Print times as seconds since the first datagram printed
    #[arg(long, group = "times")]
    pub(crate) relative: bool,
    /// Print times as seconds since the previous datagram printed
    #[arg(long, group = "times")]
    pub(crate) delta: bool,
    /// With --raw, write this after each payload; understands \n \r \t \0 \\ \xNN and \u{N}
    #[arg(long, value_name = "TEXT", value_parser = delimiter, allow_hyphen_values = true)]
    pub(crate) delimiter: Option<Delimiter>,
}

/// What to send.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Payload")]
pub(crate) struct PayloadArgs {
    /// Text, sent as it is [default: standard input]
    ///
    /// Without PAYLOAD, all of standard input is one datagram; on a terminal, each line is one. '-' is standard input.
    #[arg(help_heading = clap::builder::Resettable::Reset, group = "words", conflicts_with_all = ["hex", "file", "empty"])]
    pub(crate) payload: Option<String>,
    /// Text to send, even if it looks like a port, an address, an option or '-'
    #[arg(long, value_name = "TEXT", group = "words", allow_hyphen_values = true,
        conflicts_with_all = ["hex", "file", "empty", "lines", "nul"])]
    pub(crate) text: Option<String>,
    /// Send these bytes, such as '01 0a ff'
    #[arg(long, value_name = "BYTES", conflicts_with_all = ["escapes", "lines", "nul", "file", "empty"])]
    pub(crate) hex: Option<String>,
    /// Understand \n \r \t \0 \\ \xNN and \u{N} in PAYLOAD, the way payloads are printed
    #[arg(long, requires = "words", conflicts_with_all = ["lines", "nul"])]
    pub(crate) escapes: bool,
    /// Send the contents of a file; '-' is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "empty")]
    pub(crate) file: Option<PathBuf>,
    /// Send each line of the input as a datagram
    ///
    /// The input is standard input or --file. Line ends are not sent.
    #[arg(long, conflicts_with = "nul")]
    pub(crate) lines: bool,
    /// Send each part of the input that ends in a NUL byte as a datagram
    ///
    /// The input is standard input or --file. The NUL bytes are not sent.
    #[arg(long)]
    pub(crate) nul: bool,
    /// Send an empty datagram
    #[arg(long, conflicts_with_all = ["lines", "nul", "escapes"])]
    pub(crate) empty: bool,
    /// Text with placeholders: {count} is the number of the request, {time} the time it is sent (UTC)
    ///
    /// {count} starts at 1; {{ is a literal brace. There are no other placeholders.
    #[arg(long, value_name = "TEXT", value_parser = template,
        conflicts_with_all = ["words", "hex", "file", "empty", "lines", "nul"])]
    pub(crate) template: Option<Template>,
    /// Make every payload this long: cut longer ones, pad shorter ones with zero bytes
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(crate) size: Option<usize>,
}

fn template(text: &str) -> Result<Template, String> {
    Template::request(text).map_err(|error| error.to_string())
}

/// How often to send, and from where.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Pace")]
pub(crate) struct PaceArgs {
    /// Send all payloads N times; 0: forever [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "count")]
    pub(crate) repeat: Option<u64>,
    /// Stop after N answers
    #[arg(long, value_name = "N")]
    pub(crate) until_replies: Option<u64>,
    /// Time between one datagram and the next
    ///
    /// [default: 1s with -c, --repeat or --for, else none]
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) every: Option<Duration>,
    /// Datagrams or bits per second: 1000/s, 5Mbit/s
    ///
    /// Bits are those of the payload.
    #[arg(long, value_name = "RATE", value_parser = units::rate, conflicts_with = "every")]
    pub(crate) rate: Option<units::Rate>,
    /// Send from this address or port, which may be shared with other programs
    #[arg(long, value_name = "ADDRESS", help_heading = "Sending")]
    pub(crate) local: Option<Address>,
    /// Do not fragment: a datagram larger than the path's MTU is an error that names the MTU
    #[arg(long, help_heading = "Sending")]
    pub(crate) df: bool,
}

/// How datagrams are sent.
#[derive(Clone, Debug, ArgGroup)]
#[command(next_help_heading = "Sending")]
pub(crate) struct SendingArgs {
    /// Time to live (hop limit) of the datagrams sent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) ttl: Option<u8>,
    /// DSCP of the datagrams sent: 0 to 63, or a name such as EF, CS1, AF41
    #[arg(long, value_name = "N", value_parser = dscp)]
    pub(crate) dscp: Option<u8>,
}

/// What all verbs have in common.
#[derive(Clone, Debug, ArgGroup)]
#[command(next_help_heading = "Common options")]
pub(crate) struct CommonArgs {
    /// Port for addresses without one [default: 10000]
    #[arg(short, long, value_name = "PORT", value_parser = port)]
    pub(crate) port: Option<u16>,
    /// Use only this interface (repeatable)
    #[arg(short, long = "interface", value_name = "NAME", add = ArgValueCandidates::new(completion::interfaces))]
    pub(crate) interfaces: Vec<String>,
    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub(crate) ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long)]
    pub(crate) ipv6: bool,
    /// How to print datagrams
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Print JSON Lines; short for --format json
    #[arg(long, conflicts_with_all = ["raw", "hex_dump", "format"])]
    pub(crate) json: bool,
    /// Print only payloads; short for --format raw
    #[arg(long, conflicts_with_all = ["hex_dump", "format"])]
    pub(crate) raw: bool,
    /// Print hex dumps; short for --format hex
    #[arg(long, conflicts_with = "format")]
    pub(crate) hex_dump: bool,
    /// Allow --raw on a terminal
    #[arg(long)]
    pub(crate) force: bool,
    /// Send N datagrams [default: each payload once]
    #[arg(short, long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Stop sending after this time, then wait for the last answers
    #[arg(long = "for", value_name = "DURATION", value_parser = units::duration)]
    pub(crate) duration: Option<Duration>,
    /// Size of the receive buffer, as far as the system permits [default: 4MiB]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(crate) recv_buffer: Option<usize>,
    /// Begin lines with the time of day: answers, refusals, drops, states
    #[arg(long)]
    pub(crate) time: bool,
    /// Print more: each datagram sent, answered or ignored
    #[arg(short, long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Print only errors: no summary, no notices
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

impl CommonArgs {
    /// The format, whichever flag chose it.
    pub(crate) fn format(&self) -> Format {
        match () {
            () if self.json => Format::Json,
            () if self.raw => Format::Raw,
            () if self.hex_dump => Format::Hex,
            () => self.format,
        }
    }

    /// The port of addresses that name none.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(DEFAULT_PORT)
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits::default().count(self.count).duration(self.duration)
    }

    pub(crate) fn families(&self) -> Families {
        Families { only_v4: self.ipv4, only_v6: self.ipv6 }
    }
}

/// To be given to [`clap::Command::mut_args`] by a verb that prints no payloads: the flags that are for payloads are none of its help. Who
/// gives them all the same is told so by [`check_lines`](crate::runtime::printing::check_lines).
pub(super) fn without_payloads(arg: Arg) -> Arg {
    match arg.get_id().as_str() {
        "raw" | "hex_dump" | "force" => arg.hide(true),
        "format" => {
            let of_name = |name: String| if name == "json" { Format::Json } else { Format::Text };
            arg.value_parser(PossibleValuesParser::new(["text", "json"]).map(of_name)).help("How to print what happens")
        }
        _ => arg,
    }
}

/// Parses how often a state is printed; `0` is never.
pub(super) fn status_interval(text: &str) -> Result<Duration, String> {
    match units::duration(text)? {
        interval if interval.is_zero() || interval >= Duration::from_millis(10) => Ok(interval),
        _ => Err(format!("'{text}' is too often; write 10ms or more, or 0 for never")),
    }
}

/// The longest time to watch the clock: nothing else, such as a signal, is heard of meanwhile.
const MAX_BUSY_WAIT: Duration = Duration::from_millis(10);

pub(crate) fn busy_wait(text: &str) -> Result<Duration, String> {
    match units::duration(text)? {
        time if time <= MAX_BUSY_WAIT => Ok(time),
        _ => Err(format!("'{text}' is too long to watch the clock without hearing of anything else; 10ms at most")),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_BUSY_WAIT, busy_wait};

    #[test]
    fn a_busy_wait_has_a_limit_that_its_error_names() {
        assert_eq!(busy_wait("10ms"), Ok(MAX_BUSY_WAIT));
        for wrong in ["10001us", "1s", "10years"] {
            assert!(busy_wait(wrong).is_err_and(|error| error.contains("10ms at most")), "{wrong}");
        }
        assert!(busy_wait("soon").is_err_and(|error| error.contains("not a duration")));
    }
}
