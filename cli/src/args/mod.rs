//! The command line: every flag and its help, nothing else.
#![allow(rustdoc::broken_intra_doc_links, reason = "brackets in help texts are no links")]

mod replay;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ArgGroup, Parser, Subcommand, ValueEnum};

use crate::capture::Limit;
use crate::payload;
use crate::words::address::{Address, DEFAULT_PORT};
use crate::words::units;
pub(crate) use replay::ReplayArgs;

/// UDP done right: answer, send, listen, broadcast, replay.
#[derive(Debug, Parser)]
#[command(name = "udp", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "\
Examples:
  udp serve                          answer every datagram on port 10000 with 'Get off my lawn!'
  udp send 127.0.0.1 'Hello World'   send a datagram, print who answers and how fast
  udp listen                         print every datagram that arrives on port 10000
  udp broadcast 'Halo Dunia!'        send to every host on every attached network

Exit status: 0 done; 1 done, and the answer is no (no reply); 2 could not do it; 130 interrupted.")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Serve(ServeArgs),
    Send(SendArgs),
    Listen(ListenArgs),
    Broadcast(BroadcastArgs),
    Replay(Box<ReplayArgs>),
    Interfaces(InterfacesArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Answer every datagram that arrives
///
/// Every peer is answered from the address that it asked, without a process or connection of its own. A datagram that
/// could only do harm is not answered: forged sources, well-known responders (loops), replies much larger than requests,
/// floods. The summary at the end accounts for every datagram received.
///
/// TEXT of a reply may hold {source} {payload} {payload_hex} {length} {count} {time} {interface}, and parts of the payload
/// such as {payload[0..2]}; {{ is a plain brace. docs/rules.md has more, and the format of rules.
#[derive(Debug, ArgGroup)]
#[command(mut_arg("ttl", |ttl| ttl.help("Time to live (hop limit) of replies; at most 63 unless --no-loop-guard")))]
#[command(mut_arg("verbose", |verbose| verbose.help("Say more: each datagram answered or ignored, 1,000 a second at most")))]
#[command(after_help = "\
Examples:
  udp serve                         on port 10000, to everybody: Get off my lawn!
  udp serve 127.0.0.1:9000 --echo   on this host only, send back what came
  udp serve :9000 --reply pong -v   show every datagram that is answered
  udp serve --reply '{count}: hello {source}'
                                    a reply with what is known of the datagram
  udp serve --rules house.toml      a reply for each kind of datagram; SIGHUP reads the file again
  udp serve --exec 'tr a-z A-Z'     what a command makes of the payload on its standard input
  udp serve --metrics 127.0.0.1:9100
                                    metrics for Prometheus at http://127.0.0.1:9100/metrics
  udp serve --sink --json           answer nothing, count; the summary as JSON")]
pub(crate) struct ServeArgs {
    /// Where to listen: HOST, HOST:PORT, :PORT, PORT, [V6]:PORT or a multicast group [default: every address, port 10000]
    #[arg(value_name = "ADDRESS")]
    pub(crate) addresses: Vec<Address>,
    /// The reply to every datagram
    #[arg(long, value_name = "TEXT", default_value = "Get off my lawn!", value_parser = template, group = "answer")]
    pub(crate) reply: udpkit::Template,
    /// Reply with what was received
    #[arg(long, group = "answer")]
    pub(crate) echo: bool,
    /// Reply nothing, count
    #[arg(long, group = "answer")]
    pub(crate) sink: bool,
    /// Reply as the rules in this file say (docs/rules.md)
    #[arg(long, value_name = "FILE", group = "answer")]
    pub(crate) rules: Option<PathBuf>,
    #[cfg(unix)]
    #[command(flatten)]
    pub(crate) exec: ExecArgs,
    /// Workers, each with a thread and a socket [default: the cores there are; 1 with --count]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Serve metrics for Prometheus over HTTP at this address; without a host, on loopback
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<Address>,
    /// Tell the state as often as this, 10ms or more; 0: never [default: 1s on a terminal, else never]
    #[arg(long, value_name = "DURATION", value_parser = status_interval)]
    pub(crate) status: Option<Duration>,
    #[command(flatten)]
    pub(crate) conduct: ConductArgs,
    #[command(flatten)]
    pub(crate) sending: SendingArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// How commands make replies.
#[cfg(unix)]
#[derive(Debug, ArgGroup)]
pub(crate) struct ExecArgs {
    /// Reply with what this command prints, run by sh with the payload on standard input and UDP_* variables
    #[arg(long, value_name = "COMMAND", group = "answer", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) exec: Option<String>,
    /// Commands at once; eight times as many datagrams may wait for each worker
    #[arg(long, value_name = "N", default_value = "8", requires = "exec", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) exec_at_once: u16,
    /// How long a command may take; then it is killed, and there is no reply
    #[arg(long, value_name = "DURATION", default_value = "5s", requires = "exec", value_parser = units::duration)]
    pub(crate) exec_limit: Duration,
}

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Conduct")]
pub(crate) struct ConductArgs {
    /// Withhold replies of more than N bytes for a byte received, headers included: N or 'off'
    #[arg(long, value_name = "N", default_value = "3", value_parser = number_or_off)]
    pub(crate) max_amplification: NumberOrOff,
    /// Replies per second to one network (/24, /56): N or 'off' [default: 1000, loopback exempt]
    #[arg(long, value_name = "N", value_parser = number_or_off)]
    pub(crate) rate_limit: Option<NumberOrOff>,
    /// Reply to source ports of well-known responders too (DNS, NTP, mDNS, ...)
    #[arg(long)]
    pub(crate) answer_any_port: bool,
    /// Do not look for loops: reply with the full hop limit, and to datagrams equal to the reply
    #[arg(long)]
    pub(crate) no_loop_guard: bool,
}

/// Send datagrams, print who answers and how fast
///
/// Waits for a reply, and tells "nobody listens there" (an ICMP message, status 2) from silence (status 1). Without a
/// PAYLOAD, each line of standard input is a datagram: on a terminal, a conversation.
#[derive(Debug, ArgGroup)]
#[command(after_help = "\
Examples:
  udp send 127.0.0.1 'Hello World'          ask port 10000, print the answer
  udp send host:53 --hex '12 34 01 00 00 01 00 00 00 00 00 00 00 00 02 00 01'
                                            send bytes: a question to a name server
  udp send host:9000 ping --repeat 5        one a second, and a summary
  udp send host:9000 --file cmds --lines    a datagram for each line
  udp send 255.255.255.255:9 -i eth0 hi     a broadcast; every answer within --wait is shown
  udp send host:69 --any-source --hex '00 01 61 00 6f 63 74 65 74 00'
                                            TFTP answers from another port
  udp send host:9000 --raw hello > reply    the reply's bytes, exactly")]
pub(crate) struct SendArgs {
    /// Where to: HOST, HOST:PORT, [V6]:PORT or [V6%INTERFACE]:PORT
    pub(crate) address: Address,
    /// How long to wait for answers to each datagram; 0: not at all
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = units::duration)]
    pub(crate) wait: Duration,
    /// Answers to wait for; 0: all that come until the wait ends [default: 1; 0 for broadcast and multicast]
    #[arg(long, value_name = "N")]
    pub(crate) replies: Option<u64>,
    /// Send again when nothing came, up to N times, waiting twice as long each time
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) retries: u32,
    /// Accept answers from any address and port
    #[arg(long)]
    pub(crate) any_source: bool,
    #[command(flatten)]
    pub(crate) payload: PayloadArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) sending: SendingArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Print every datagram that arrives, and what the kernel knows of it
///
/// Shares its port with other receivers that allow it: each gets every broadcast and multicast. A multicast ADDRESS is
/// joined on every interface that can, or on those named with -i.
#[derive(Debug, ArgGroup)]
#[command(after_help = "\
Examples:
  udp listen                               everything to port 10000
  udp listen :9000 --hex-dump              another port, as hex
  udp listen 239.1.2.3:5000 -i eth0        a multicast group on one interface
  udp listen [ff02::fb]:5353               an IPv6 group on every interface
  udp listen --from 10.1.0.0/16 --json     one network's datagrams, as JSON Lines
  udp listen --fields source,payload       who sent what, and nothing else
  udp listen --delta                       how long after the one before each came
  udp listen 9000 --tui                    who sends how much, live
  udp listen --count 1 --raw > payload     the bytes of the next datagram
  udp listen --raw --delimiter '\\n' > log  each payload's bytes on a line
  udp listen --write hour.pcapng --rotate 1h --keep 24
                                           the last day, as captures of an hour each")]
pub(crate) struct ListenArgs {
    /// Where: HOST, HOST:PORT, :PORT, PORT, [V6]:PORT or a multicast group [default: every address, port 10000]
    #[arg(value_name = "ADDRESS")]
    pub(crate) addresses: Vec<Address>,
    /// Only datagrams from this network, such as 10.1.0.0/16 (repeatable)
    #[arg(long, value_name = "NETWORK")]
    pub(crate) from: Vec<udpkit::verbs::Network>,
    /// Only datagrams whose payload matches this regular expression (on bytes)
    #[arg(long = "match", value_name = "REGEX", value_parser = regex)]
    pub(crate) matching: Option<regex::bytes::Regex>,
    /// Join multicast groups for this source only (source-specific multicast)
    #[arg(long, value_name = "ADDR")]
    pub(crate) source: Option<std::net::IpAddr>,
    /// Show a live table of senders instead, with the last payloads of each; ? there shows its keys
    #[arg(long, conflicts_with_all = ["format", "json", "raw", "hex_dump", "quiet", "verbose", "print",
        "fields", "utc", "relative", "delta", "delimiter"])]
    pub(crate) tui: bool,
    /// Receive what one sender sends in a row as one, where the system can: faster, but drops are then told as "at least",
    /// and times are those of the row
    #[arg(long)]
    pub(crate) coalesce: bool,
    /// Memory for datagrams that wait to be printed or written [default: 64MiB, or 512MiB with --coalesce]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(crate) queue: Option<usize>,
    #[command(flatten)]
    pub(crate) capture: CaptureArgs,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Where datagrams are written to.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Capture file")]
pub(crate) struct CaptureArgs {
    /// Write the datagrams to a capture file, which Wireshark and tcpdump read, instead of printing them; '-': standard
    /// output
    #[arg(long, value_name = "FILE.pcapng")]
    pub(crate) write: Option<PathBuf>,
    /// Print them all the same
    #[arg(long, requires = "write")]
    pub(crate) print: bool,
    /// Begin another file at this size or time: FILE-00001.pcapng, FILE-00002.pcapng, ...
    #[arg(long, value_name = "SIZE|DURATION", requires = "write", value_parser = units::limit)]
    pub(crate) rotate: Option<Limit>,
    /// Keep the newest N of these files
    #[arg(long, value_name = "N", requires = "rotate")]
    pub(crate) keep: Option<NonZeroUsize>,
}

/// Send to every host on every attached network, collect the answers
///
/// Sends out of each interface that is up and can broadcast, from that interface's address; no route is needed. Says
/// which interfaces were used and which were left out. Then shows a row for each host that answers.
#[derive(Debug, ArgGroup)]
#[command(after_help = "\
Examples:
  udp broadcast 'Halo Dunia!'                 to port 10000 of every host
  udp broadcast -p 9999 'who?' --wait 3s      collect answers for 3 s
  udp broadcast -i eth0 --limited hi          to 255.255.255.255, out of eth0
  udp broadcast -6 hi                         to every IPv6 neighbour (ff02::1)
  udp broadcast --to 239.255.255.250:1900 --file msearch
                                              to a multicast group, out of every interface
  udp broadcast --dry-run hi                  show what would be sent where")]
pub(crate) struct BroadcastArgs {
    /// How long to collect answers; 0: not at all
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = units::duration)]
    pub(crate) wait: Duration,
    /// Send to 255.255.255.255 instead of each network's broadcast address
    #[arg(long, conflicts_with_all = ["ipv6", "to"])]
    pub(crate) limited: bool,
    /// Send to this broadcast address or multicast group instead
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Option<Address>,
    /// Show what would be sent where, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) payload: PayloadArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) sending: SendingArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

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

/// What is printed of each datagram.
#[derive(Debug, Default, ArgGroup)]
#[command(next_help_heading = "Printing")]
pub(crate) struct PrintArgs {
    /// Print only these, in this order [default: time,source,destination,delivery,interface,length,payload]
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',')]
    pub(crate) fields: Vec<Field>,
    /// Times in UTC, with the date (RFC 3339) [default: the time of day here]
    #[arg(long, group = "times")]
    pub(crate) utc: bool,
    /// Times in seconds since the first datagram printed
    #[arg(long, group = "times")]
    pub(crate) relative: bool,
    /// Times in seconds since the datagram printed before
    #[arg(long, group = "times")]
    pub(crate) delta: bool,
    /// Write this after each payload with --raw; reads \n \r \t \0 \\ and \xNN
    #[arg(long, value_name = "TEXT", value_parser = delimiter, allow_hyphen_values = true)]
    pub(crate) delimiter: Option<Delimiter>,
}

/// Bytes that part payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delimiter(pub(crate) Vec<u8>);

/// What to send.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Payload")]
pub(crate) struct PayloadArgs {
    /// Text, taken literally; '-': all of standard input as one datagram [default: each line of standard input]
    #[arg(help_heading = clap::builder::Resettable::Reset, conflicts_with_all = ["hex", "file", "empty"])]
    pub(crate) payload: Option<String>,
    /// Bytes in hex, such as '01 0a ff'
    #[arg(long, value_name = "BYTES", conflicts_with_all = ["escapes", "lines", "nul", "file", "empty"])]
    pub(crate) hex: Option<String>,
    /// Read \n \r \t \0 \\ and \xNN in PAYLOAD
    #[arg(long, requires = "payload", conflicts_with_all = ["lines", "nul"])]
    pub(crate) escapes: bool,
    /// The bytes of a file
    #[arg(long, value_name = "FILE", conflicts_with = "empty")]
    pub(crate) file: Option<PathBuf>,
    /// A datagram for each line of the file or of standard input, without its line end
    #[arg(long, conflicts_with = "nul")]
    pub(crate) lines: bool,
    /// A datagram for each part that ends in a NUL byte, without it
    #[arg(long)]
    pub(crate) nul: bool,
    /// An empty datagram
    #[arg(long, conflicts_with_all = ["lines", "nul", "escapes"])]
    pub(crate) empty: bool,
}

/// How often to send, and from where.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Pace")]
pub(crate) struct PaceArgs {
    /// Send everything N times; 0: without end [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) repeat: Option<u64>,
    /// Time from one datagram to the next [default: 1s with --repeat or --for]
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) every: Option<Duration>,
    /// Datagrams or payload bits per second, such as 1000/s or 5Mbit/s
    #[arg(long, value_name = "RATE", value_parser = units::rate, conflicts_with = "every")]
    pub(crate) rate: Option<units::Rate>,
    /// Send from this address or port; it may be shared
    #[arg(long, value_name = "ADDRESS", help_heading = "Sending")]
    pub(crate) local: Option<Address>,
}

/// How datagrams are sent.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Sending")]
pub(crate) struct SendingArgs {
    /// Time to live (hop limit) of what is sent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) ttl: Option<u8>,
    /// DSCP of what is sent: 0 to 63, or a name such as EF, CS1, AF41
    #[arg(long, value_name = "N", value_parser = dscp)]
    pub(crate) dscp: Option<u8>,
}

/// What all verbs have in common.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Common options")]
pub(crate) struct CommonArgs {
    /// The port of addresses that name none
    #[arg(short, long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
    pub(crate) port: u16,
    /// Only this interface (repeatable)
    #[arg(short, long = "interface", value_name = "NAME")]
    pub(crate) interfaces: Vec<String>,
    /// IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub(crate) ipv4: bool,
    /// IPv6 only
    #[arg(short = '6', long)]
    pub(crate) ipv6: bool,
    /// How to print datagrams
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// As JSON Lines: --format json
    #[arg(long, conflicts_with_all = ["raw", "hex_dump", "format"])]
    pub(crate) json: bool,
    /// The payload's bytes and nothing else: --format raw
    #[arg(long, conflicts_with_all = ["hex_dump", "format"])]
    pub(crate) raw: bool,
    /// As hex with offsets: --format hex
    #[arg(long, conflicts_with = "format")]
    pub(crate) hex_dump: bool,
    /// Print raw bytes even to a terminal
    #[arg(long)]
    pub(crate) force: bool,
    /// End after N datagrams (answered, printed)
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// End after this time; what is sent last is still waited for
    #[arg(long = "for", value_name = "DURATION", value_parser = units::duration)]
    pub(crate) duration: Option<Duration>,
    /// Receive buffer, as much of it as the system permits [default: 4MiB; listen: 16MiB, or
    /// 64MiB with --coalesce]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(crate) recv_buffer: Option<usize>,
    /// Say more: each datagram sent, answered or ignored
    #[arg(short, long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Say only errors: no summary, no notices
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

/// How datagrams are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One line for each datagram
    Text,
    /// Offset, bytes, ASCII
    Hex,
    /// JSON Lines (docs/json.md)
    Json,
    /// The payload's bytes and nothing else
    Raw,
}

/// A part of what is known of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Field {
    /// When the kernel received it
    Time,
    /// Address and port of the sender
    Source,
    /// Address in the header, and our port
    Destination,
    /// Unicast, broadcast or multicast
    Delivery,
    /// The interface it came in on
    Interface,
    /// Time to live or hop limit on arrival
    #[value(alias = "hop_limit")]
    Ttl,
    /// Type of service or traffic class: DSCP and ECN
    #[value(alias = "traffic_class")]
    Tos,
    /// The upper six bits of tos
    Dscp,
    /// Bytes of payload
    Length,
    /// The payload; always the last
    Payload,
}

/// When colour is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

/// A number, or no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberOrOff {
    Number(u32),
    Off,
}

fn number_or_off(text: &str) -> Result<NumberOrOff, String> {
    match text.parse() {
        _ if text == "off" => Ok(NumberOrOff::Off),
        Ok(number) if number > 0 => Ok(NumberOrOff::Number(number)),
        _ => Err(format!("'{text}' is neither a number from 1 on nor 'off'")),
    }
}

fn status_interval(text: &str) -> Result<Duration, String> {
    match units::duration(text)? {
        interval if interval.is_zero() || interval >= Duration::from_millis(10) => Ok(interval),
        _ => Err(format!("'{text}' is too often; write 10ms or more, or 0 for never")),
    }
}

fn delimiter(text: &str) -> Result<Delimiter, String> {
    payload::unescape(text).map(Delimiter)
}

fn template(text: &str) -> Result<udpkit::Template, String> {
    udpkit::Template::text(text).map_err(|error| error.to_string())
}

fn regex(text: &str) -> Result<regex::bytes::Regex, String> {
    payload::regex(text).map_err(|error| error.to_string())
}

/// The names of RFC 2474 (CS), RFC 2597 (AF), RFC 3246 (EF) and RFC 8622 (LE).
fn dscp(text: &str) -> Result<u8, String> {
    let name = text.to_ascii_uppercase();
    let digits = |prefix: &str| name.strip_prefix(prefix).map(str::as_bytes);
    let value = match (name.as_str(), digits("CS"), digits("AF")) {
        ("EF", ..) => Some(46),
        ("LE", ..) => Some(1),
        (_, Some([class @ b'0'..=b'7']), _) => Some((class - b'0') * 8),
        (_, _, Some([class @ b'1'..=b'4', drop @ b'1'..=b'3'])) => Some((class - b'0') * 8 + (drop - b'0') * 2),
        _ => text.parse().ok().filter(|value| *value < 64),
    };
    value.ok_or_else(|| format!("'{text}' is not a DSCP; write 0 to 63, EF, LE, CS0 to CS7 or AF11 to AF43"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn definitions_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn dscp_names() {
        let cases =
            [("EF", 46), ("ef", 46), ("CS0", 0), ("CS7", 56), ("AF41", 34), ("AF11", 10), ("le", 1), ("63", 63)];
        for (text, value) in cases {
            assert_eq!(dscp(text), Ok(value), "{text}");
        }
        for wrong in ["64", "AF44", "AF51", "CS8", "", "-1"] {
            assert!(dscp(wrong).is_err(), "{wrong}");
        }
    }
}
