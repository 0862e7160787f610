//! What is sent how often: payloads and the flags about pace, as the engines of senders want them.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};
use udpkit::Moment;
use udpkit::verbs::{Pace, Requests};

use super::payload::Payloads;
use crate::args::{CommonArgs, PaceArgs};
use crate::words::units::Rate;

/// Time between datagrams where they are repeated and nothing else is said.
const REPEAT_INTERVAL: Duration = Duration::from_secs(1);

/// How fast requests follow one another; `None`: as fast as they come.
pub(crate) fn pace(args: &PaceArgs, common: &CommonArgs) -> Option<Pace> {
    let repeats = args.repeat.or(common.count).is_some_and(|times| times != 1) || common.duration.is_some();
    let asked = args.every.map(Pace::Interval).or_else(|| args.rate.map(Rate::pace));
    asked.or_else(|| repeats.then_some(Pace::Interval(REPEAT_INTERVAL)))
}

/// The payloads as often as asked: without end for `--repeat 0`, and where `--count` or `--for` ends them.
pub(crate) fn requests(args: &PaceArgs, payloads: &Payloads, common: &CommonArgs) -> Result<Requests> {
    if common.count == Some(0) {
        bail!("--count 0 sends nothing; --repeat 0 sends without end, --wait 0 waits for no answer");
    }
    let repeat = rounds(args, common);
    match payloads {
        Payloads::Input(parts) if args.repeat.is_some() && !parts.source.is_repeatable() => {
            bail!(
                "--repeat cannot read {} twice: it needs PAYLOAD, --text, --template, --hex, --empty or a regular file",
                parts.source
            )
        }
        Payloads::Input(_) => Ok(Requests::Stream),
        Payloads::List(list) => Ok(Requests::all(list.clone()).repeat(repeat)),
        Payloads::Template(template) => Ok(Requests::template(template.clone(), clock()).repeat(repeat)),
    }
}

/// How often all payloads are sent; `None`: without end.
pub(crate) fn rounds(args: &PaceArgs, common: &CommonArgs) -> Option<u64> {
    match args.repeat {
        Some(0) => None,
        None if common.count.is_some() || common.duration.is_some() => None,
        None => Some(1),
        times => times,
    }
}

/// A moment, and the time of day then.
#[expect(clippy::disallowed_methods, reason = "templates have the time of day, and engines read no clock")]
fn clock() -> Moment {
    // In this order, so that no datagram tells a time that has not come yet.
    let time = SystemTime::now();
    Moment::new(Instant::now(), time)
}
