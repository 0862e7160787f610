//! Whom a verb answers that answers strangers.

use udpkit::{Conduct, REPLY_HOP_LIMIT, RateLimit};

use crate::args::GuardArgs;
use crate::words::numbers::NumberOrOff;

/// The guards as asked for; `ttl` is the hop limit that replies are to have.
pub(crate) fn conduct(args: &GuardArgs, ttl: Option<u8>) -> Conduct {
    Conduct::default()
        .refuse_responder_ports(!args.answer_any_port)
        .break_loops(!args.no_loop_guard)
        .rate_limit(match args.rate_limit {
            None => RateLimit::Default,
            Some(NumberOrOff::Number(rate)) => RateLimit::PerSecond(rate),
            Some(NumberOrOff::Off) => RateLimit::Off,
        })
        .hop_limit(ttl.unwrap_or(REPLY_HOP_LIMIT).min(REPLY_HOP_LIMIT))
}
