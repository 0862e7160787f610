//! `udp check server`: peers that ask, one by one and all at once, and what a server makes of it.

mod addresses;
mod answers;
mod boundaries;
mod conduct;
mod output;
mod peers;
mod request;
mod subject;
mod survival;

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Result;
use udpkit::Interfaces;

use super::bench::Bench;
use super::bounds::{Cut, check_address};
use super::point::{Judged, Point};
use super::points::server as points;
use super::wire::Peer;
use crate::args::CheckServerArgs;
use crate::runtime::exit::Exit;
use crate::words::address::{DEFAULT_PORT, Families};
use answers::Learned;
use request::Request;
use subject::{Manner, Subject};

/// The role, as JSON has it.
const ROLE: &str = "server";

/// How a point is judged.
type Judge = fn(&mut Subject, &Learned) -> Result<Judged, Cut>;

/// What follows the first answer, in this order: what may end the server comes last.
const JUDGES: &[(&Point, Judge)] = &[
    (&points::AGAIN, answers::again),
    (&points::EVERY_PEER, |subject, _| peers::every_peer(subject)),
    (&points::OWN_ANSWER, peers::own_answer),
    (&points::OWN_PORT, addresses::own_port),
    (&points::OWN_ADDRESS, |subject, _| addresses::own_address(subject)),
    (&points::FAMILIES, |subject, _| addresses::families(subject)),
    (&points::APART, |subject, _| boundaries::apart(subject)),
    (&points::WHOLE, |subject, _| boundaries::whole(subject)),
    (&points::LOOP, |subject, _| conduct::no_loop(subject)),
    (&points::BURST, |subject, _| survival::burst(subject)),
    (&points::LARGE, |subject, _| survival::large(subject)),
    (&points::REFUSAL, |subject, _| survival::refusal(subject)),
    (&points::BINARY, |subject, _| survival::binary(subject)),
    (&points::EMPTY, |subject, _| survival::empty(subject)),
    (&points::AMPLIFICATION, |subject, _| conduct::no_amplification(subject)),
    (&points::ESCAPES, |subject, _| output::escapes(subject)),
    (&points::ALIVE, |subject, _| survival::alive(subject)),
];

/// Checks a server.
pub(crate) fn check(args: &CheckServerArgs) -> Result<Exit> {
    let mut subject = subject(args)?;
    subject.bench.begin();
    let (judged, mut learned) = answers::learn(&mut subject)?;
    if subject.bench.wants(&points::ANSWERS) {
        subject.bench.judge(&points::ANSWERS, judged);
    }
    for (number, (point, judge)) in JUDGES.iter().enumerate() {
        subject.bench.begin();
        if number == 1 && subject.gone.is_none() {
            let _ = learned.linger(&mut subject);
        }
        // What later points build on is found out in any case.
        if number > LEARNING && !subject.bench.wants(point) {
            continue;
        }
        let judged = match &subject.gone {
            Some(why) => Ok(Judged::not_seen(why.clone())),
            None => judge(&mut subject, &learned),
        };
        if subject.bench.wants(point) {
            subject.bench.judge(point, judged);
        }
    }
    subject.bench.finish()
}

/// The last of the points on which others build.
const LEARNING: usize = 1;

/// The server, of which nothing is known yet.
fn subject(args: &CheckServerArgs) -> Result<Subject> {
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
    let all: Vec<_> = std::iter::once(&points::ANSWERS).chain(JUDGES.iter().map(|(point, _)| *point)).collect();
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
        listens_everywhere: false,
        takes_empty: false,
        strays: None,
        kept: VecDeque::new(),
        gone: None,
    })
}
