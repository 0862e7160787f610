//! The flags of `udp relay` and their help.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ArgGroup;
use clap::builder::ArgPredicate;

use super::common::{CommonArgs, SendingArgs, busy_wait, status_interval, without_payloads};
#[cfg(feature = "http")]
use super::control::ControlArgs;
use super::habits;
use super::help::{self, Example, Status};
use super::impairments::{HEADING as IMPAIRMENTS, ImpairmentArgs};
use crate::words::address::Address;
use crate::words::impairments::presets::Preset;
use crate::words::range::AddressRange;
use crate::words::units;

/// Headings in the help.
const FORWARDING: &str = "Forwarding";
const TRUTH: &str = "What happened";

/// Where nothing is relayed: no address that is used.
const UNUSED: &str = "127.0.0.1:9";

/// What the help shows first, and all that `-h` shows.
pub(super) const MOST_USED: &[&str] =
    &["impair-loss", "impair-delay", "impair-jitter", "impair-rate", "like", "scenario", "seed", "verbose"];

/// The examples of the help; `-h` shows the first three.
pub(super) const EXAMPLES: &[Example] = &[
    ("udp relay :10000 host:9000 --loss 5%", "lose one of twenty, in each direction"),
    ("udp relay :10000 host:9000 --delay 40ms", "40 ms longer, each way"),
    ("udp relay :10000 host:9000 --up-loss 5%", "only on the way to the host"),
    ("udp relay :10000 :9000 --delay 40ms --jitter 10ms --seed 7", "the same delays each time"),
    ("udp relay :10000 host:9000 --loss burst:5%,4", "lose as much, but in bursts of 4"),
    ("udp relay :10000 host:9000 --rate 1Mbit/s --queue 64KiB", "a narrow link"),
    ("udp relay :10000 host:9000 --reorder 2%,3 --duplicate 1%", "in any order, and some twice"),
    ("udp relay :10000 host:9000 --blackout every:30s,for:2s", "no network for 2 s, again and again"),
    ("udp relay :10000 host:9000 --drop 3 --match '^SET '", "lose the third datagram that begins with 'SET '"),
    ("udp relay :10000 host:9000 --like lte", "a mobile network, as it was measured"),
    ("udp relay :10000 host:9000 --scenario evening.toml", "what changes when; SIGHUP reads the file again"),
    ("udp relay :10000 host:9000 --loss 5% --truth fates.jsonl", "write down what becomes of each datagram"),
    ("udp relay --explain fates.jsonl 17", "and why the 17th of each direction was lost, late or copied"),
    #[cfg(feature = "tui")]
    ("udp relay :10000 host:9000 --tui", "see each fate, and turn loss and delay with keys"),
    ("udp relay :10000 host:9000", "only forward"),
    #[cfg(feature = "http")]
    ("udp relay :10000 host:9000 --control :8080", "watch and change it at http://127.0.0.1:8080/"),
    #[cfg(feature = "http")]
    ("curl -X PATCH http://127.0.0.1:8080/api/impairments/up -d '{\"loss\": \"5%\"}'", "the same from a program"),
];

/// What the exit statuses mean.
pub(super) const EXIT_STATUS: &[Status] = &[
    (0, "Ended by a signal, by --count or by --for"),
    (1, "With --count: nothing was relayed before --for ended"),
    (2, "Could not do it: wrong usage, an address in use, a file not read"),
    (130, "With --count: interrupted before anything was relayed"),
];

/// Forward datagrams, and make the network as bad as you ask
///
/// Peers send to LISTEN. Each peer's datagrams go to TARGET from a socket of their own, and what TARGET sends back there goes
/// to that peer, from the address that the peer sent to.
///
/// On the way up (to TARGET) and down (to the peers), a datagram can be lost, delayed, duplicated, corrupted or overtaken.
/// Chance comes from the seed, which the summary names: with the same seed, the nth datagram of a direction has the same
/// fate again.
#[derive(Debug, ArgGroup)]
#[command(mut_arg("ttl", |ttl| ttl.help("Highest time to live (hop limit) of the datagrams sent")
    .long_help("Highest time to live (hop limit) of the datagrams sent\n\n\
        Each leaves with one hop less than it came with, so that a loop of relays ends; to a group or a network, 4 at most \
        unless this says another number.")))]
#[command(mut_arg("dscp", |dscp| dscp.help("DSCP of the datagrams sent: 0 to 63, or a name such as EF [default: as they came]")))]
#[command(mut_arg("duration", |duration| duration.help("Stop after this time")))]
#[command(mut_arg("count", |count| count.help("Stop after N datagrams, both directions together")))]
#[command(mut_arg("port", |port| port.help("Port for LISTEN or TARGET without one [default: 10000]")))]
#[command(mut_arg("verbose", |verbose| verbose.help("Print peers that come and go, datagrams ignored")))]
#[command(override_usage = "udp relay [OPTIONS] <LISTEN> <TARGET>\n       udp relay --explain <FILE> <NUMBER>")]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES, EXIT_STATUS))]
#[command(mut_args(help::most_used(MOST_USED)))]
#[command(mut_args(without_payloads))]
#[command(mut_args(habits::options_of("relay")))]
pub(crate) struct RelayArgs {
    /// Where peers send to: HOST:PORT, :PORT, PORT
    ///
    /// Besides these, HOST or [V6]:PORT; or a multicast group to join.
    #[arg(value_name = "LISTEN", value_parser = one_address, required = false, required_unless_present = "explain", default_value_if("explain", ArgPredicate::IsPresent, UNUSED))]
    pub(crate) listen: AddressRange,
    /// Where that goes: HOST:PORT; :PORT of this host
    ///
    /// Besides these, HOST or [V6]:PORT.
    #[arg(
        value_name = "TARGET",
        required = false,
        required_unless_present = "explain",
        default_value_if("explain", ArgPredicate::IsPresent, UNUSED)
    )]
    pub(crate) target: Address,
    #[command(flatten)]
    pub(crate) impairments: ImpairmentArgs,
    /// Make the same random choices again [default: others]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Like a network of a known kind: dsl, lte, 3g ...
    ///
    /// There are dsl, lte, lte-bad, 3g, satellite and wifi-bad. The options that this stands for are printed, with the source of their figures; others win
    /// over them, and none takes one away: --like lte --rate none.
    #[arg(long, value_name = "PRESET", value_parser = Preset::named, help_heading = IMPAIRMENTS)]
    pub(crate) like: Option<&'static Preset>,
    /// Change impairments over time, or for some peers
    ///
    /// A TOML file (docs/relay.md); SIGHUP reads it again and restarts its time. Flags win over what it says of the start.
    #[arg(long, value_name = "FILE", help_heading = IMPAIRMENTS)]
    pub(crate) scenario: Option<PathBuf>,
    /// Write what becomes of each datagram to this file, in JSON Lines; - is standard output
    ///
    /// An existing file is overwritten.
    #[arg(long, value_name = "FILE", help_heading = TRUTH)]
    pub(crate) truth: Option<PathBuf>,
    /// Explain what became of datagram NUMBER in both directions, from a file of --truth; relays nothing
    #[arg(long, value_names = ["FILE", "NUMBER"], num_args = 2, conflicts_with_all = ["listen", "target", "truth"], help_heading = TRUTH)]
    pub(crate) explain: Vec<OsString>,
    /// Print the status at this interval, 10ms or more; 0: never [default: 1s on a terminal, else never]
    #[arg(long, value_name = "DURATION", value_parser = status_interval)]
    pub(crate) status: Option<Duration>,
    /// Show both directions on a live screen, on which keys change the impairments
    ///
    /// It shows rates, counts, delays and the last fates of each direction; press ? for its keys.
    #[cfg_attr(feature = "tui", arg(long, conflicts_with_all = ["format", "json", "raw", "hex_dump", "quiet", "verbose", "status"]))]
    #[cfg_attr(not(feature = "tui"), arg(skip))]
    pub(crate) tui: bool,
    /// Peers at a time; for one more, the peer that was idle longest is forgotten
    ///
    /// Each takes a socket, and so a file descriptor.
    #[arg(long, value_name = "N", default_value = "1024", value_parser = clap::value_parser!(u32).range(1..=60_000), help_heading = FORWARDING)]
    pub(crate) max_peers: u32,
    /// Forget a peer when nothing was relayed for it for this long
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = units::duration, help_heading = FORWARDING)]
    pub(crate) idle: Duration,
    /// Look TARGET up again at this interval, where it is a name; 0: never
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = units::duration, help_heading = FORWARDING)]
    pub(crate) lookup_interval: Duration,
    /// Begin each datagram to TARGET with a header that names the peer (PROXY protocol, version 2)
    #[arg(long, help_heading = FORWARDING)]
    pub(crate) proxy_protocol: bool,
    /// Also send what peers send to this address, and ignore what it answers (repeatable)
    #[arg(long, value_name = "ADDRESS", help_heading = FORWARDING)]
    pub(crate) copy_to: Vec<Address>,
    /// How long before each datagram to watch the clock instead of sleeping
    ///
    /// 10ms at most. Longer is more exact, and takes more processor time.
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = busy_wait, help_heading = FORWARDING)]
    pub(crate) busy_wait: Duration,
    #[cfg(feature = "http")]
    #[command(flatten)]
    pub(crate) control: ControlArgs,
    #[command(flatten)]
    pub(crate) sending: SendingArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// An address with one port.
fn one_address(text: &str) -> Result<AddressRange, String> {
    text.parse::<Address>()?;
    text.parse()
}
