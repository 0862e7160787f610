//! From the flags of `udp check server` to a server of which nothing is known yet.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Result;
use udpkit::Interfaces;

use super::order::{GENTLE, ROUGH};
use super::request::Request;
use super::subject::{Manner, Subject};
use crate::args::CheckServerArgs;
use crate::verbs::check::bench::Bench;
use crate::verbs::check::bounds::check_address;
use crate::verbs::check::points::server as points;
use crate::verbs::check::wire::Peer;
use crate::words::address::{DEFAULT_PORT, Families};

/// The role, as JSON has it.
const ROLE: &str = "server";

/// The server, of which nothing is known yet.
pub(super) fn subject(args: &CheckServerArgs) -> Result<Subject> {
    let interfaces = Interfaces::list().unwrap_or_default();
    let resolve = |address: &crate::words::address::Address| {
        let found = address.destinations(DEFAULT_PORT, Families::default(), &interfaces)?;
        found.iter().try_for_each(|target| check_address(*target, args.judge.i_may, &interfaces))?;
        anyhow::Ok(found)
    };
    let mut targets = resolve(&args.address)?;
    let target = targets.remove(0);
    let mut also = targets;
    for address in &args.also {
        also.extend(resolve(address)?.into_iter().map(|mut also| {
            also.set_port(address.port.unwrap_or_else(|| target.port()));
            also
        }));
    }
    let request = Request::new(args.request.as_deref(), args.request_hex.as_deref())?;
    let first = Peer::towards(target).map_err(|cut| anyhow::anyhow!(cut.words()))?;
    let all: Vec<_> =
        std::iter::once(&points::ANSWERS).chain(GENTLE.iter().chain(ROUGH).map(|(point, _)| *point)).collect();
    Ok(Subject {
        bench: Bench::new(ROLE, &all, &args.judge)?,
        target,
        also,
        interfaces,
        request,
        wait: args.judge.wait,
        command: args.judge.command.clone(),
        program: None,
        output: args.output.clone(),
        first,
        manner: Manner::Fixed,
        slowest: Duration::ZERO,
        share: 1.0,
        is_locked: false,
        listens_everywhere: None,
        takes_empty: false,
        strays: None,
        kept: VecDeque::new(),
        ended: None,
        gone: None,
    })
}
