//! From the flags of `udp serve` to its sockets, its engine and what watches it.

use std::time::Duration;

use anyhow::{Result, bail};
use udpkit::verbs::ServeOptions;
use udpkit::{Answer, Capability, Conduct, Options, Rule, Rules};

use super::rules;
use crate::args::{ConductArgs, ServeArgs};
#[cfg(not(unix))]
use crate::hint::Hint;
use crate::output::Settings;
use crate::runtime::missing::is_missing;
use crate::runtime::sockets::{self, Listening};
use crate::runtime::{guards, printing};
use crate::words::numbers::NumberOrOff;

/// How long a reply waits while the socket or the device can take no more: a slow link must not keep the other peers
/// waiting, and a reply that finds no room is counted.
const REPLY_WAIT: Duration = Duration::from_millis(5);
/// Sockets of all workers together, unless it is said how many workers there shall be: most systems permit a program 1,024
/// files.
const MOST_SOCKETS: usize = 512;
/// Datagrams that may wait for each command that may run.
#[cfg(unix)]
const QUEUED_FOR_A_COMMAND: usize = 8;

/// An error for a reply that no datagram can carry.
fn check_reply(args: &ServeArgs) -> Result<()> {
    let (family, limit) = match args.common.ipv6 {
        true => ("IPv6", udpkit::MAX_PAYLOAD_V6),
        false => ("IPv4", udpkit::MAX_PAYLOAD_V4),
    };
    match args.reply.as_fixed().map_or(0, <[u8]>::len) {
        len if len > limit => {
            bail!("the reply has {len} bytes; a UDP datagram over {family} carries at most {limit}")
        }
        _ => Ok(()),
    }
}

/// What is answered; an error for a reply that no datagram can carry.
pub(super) fn answer(args: &ServeArgs) -> Result<Answer> {
    check_reply(args)?;
    #[cfg(not(unix))]
    if args.exec.exec.is_some() {
        return Err(Hint::on(
            "--exec does not work here: a command that takes too long can only be ended with all that it started on Unix",
            "--rules FILE replies by what is in a payload, and --reply has placeholders",
        ));
    }
    #[cfg(unix)]
    if args.exec.exec.is_some() {
        return Ok(Answer::ask(QUEUED_FOR_A_COMMAND * usize::from(args.exec.exec_at_once)));
    }
    Ok(match &args.rules {
        Some(file) => rules::read(file)?.into(),
        None if args.sink => Answer::Sink,
        None if args.delay.is_some() || args.drop.is_some() => one_rule(args).into(),
        None if args.echo => Answer::Echo,
        None => args.reply.clone().into(),
    })
}

/// The rule for every datagram that the flags stand for.
fn one_rule(args: &ServeArgs) -> Rules {
    let mut rule = if args.echo { Rule::any().echo() } else { Rule::any().reply(args.reply.clone()) };
    if let Some(delay) = &args.delay {
        rule = rule.delay(delay.clone());
    }
    if let Some(chance) = args.drop {
        rule = rule.loses(chance);
    }
    Rules::from_iter([rule])
}

/// The options of its sockets.
pub(super) fn socket_options(args: &ServeArgs, answer: &Answer) -> Options {
    let conduct = conduct(&args.conduct, args.sending.ttl);
    let guarded = conduct.socket_options();
    let sending = sockets::sending_options(&args.sending, &args.common);
    let hop_limit = guarded.hop_limit.or(args.sending.ttl);
    guarded
        .hop_limit(hop_limit)
        .send_wait(REPLY_WAIT)
        // Trains cost a reply's price each, not a datagram's; with -v each is received by itself.
        .coalesce(!args.common.verbose)
        .timestamps(args.common.verbose || args.metrics.is_some() || answer.tells_time())
        .traffic_class(sending.traffic_class)
        .receive_buffer(sending.receive_buffer)
}

/// What the printer must know: strangers decide how much there is to print.
pub(super) fn settings(args: &ServeArgs, ports: Vec<u16>) -> Settings {
    Settings { bounded: true, ..printing::settings(&args.common, ports) }
}

/// What the engines of all workers are asked for.
pub(super) fn engine(args: &ServeArgs, answer: Answer, listening: &Listening) -> ServeOptions {
    ServeOptions::new(answer, listening.addresses())
        .conduct(conduct(&args.conduct, args.sending.ttl))
        .interfaces(args.common.interfaces.clone())
        .destinations(listening.destinations.clone())
        .limits(args.common.limits())
        .verbose(args.common.verbose)
        .times_answers(args.metrics.is_some())
}

/// How many workers there shall be for these sockets, of each of which every worker has one.
pub(super) fn workers(args: &ServeArgs, listening: &Listening) -> usize {
    // Each of several would reply to every broadcast.
    if is_missing(&listening.sockets, Capability::Destination) {
        return 1;
    }
    match (args.threads, args.common.count) {
        (Some(threads), _) => threads.into(),
        (None, Some(_)) => 1,
        // Sockets share a port only with those of the same user, and most often the service manager is another.
        (None, None) if listening.is_handed_over => 1,
        // Only Linux shares a port between sockets as it is needed here.
        (None, None) if !cfg!(target_os = "linux") => 1,
        (None, None) => {
            let cores = std::thread::available_parallelism().map_or(1, Into::into);
            cores.min(MOST_SOCKETS / listening.sockets.len().max(1)).max(1)
        }
    }
}

/// Whom the server answers.
fn conduct(args: &ConductArgs, ttl: Option<u8>) -> Conduct {
    guards::conduct(&args.guards, ttl).max_amplification(match args.max_amplification {
        NumberOrOff::Number(most) => Some(most),
        NumberOrOff::Off => None,
    })
}
