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
use super::point::{Judged, Point, Verdict};
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

/// Points that should not end any server: whether it is there is looked at after each.
const GENTLE: &[(&Point, Judge)] = &[
    (&points::AGAIN, answers::again),
    (&points::EVERY_PEER, |subject, _| peers::every_peer(subject)),
    (&points::OWN_ANSWER, peers::own_answer),
    (&points::OWN_PORT, |subject, learned| Ok(addresses::own_port(subject, learned))),
    (&points::OWN_ADDRESS, |subject, _| addresses::own_address(subject)),
    (&points::FAMILIES, |subject, _| addresses::families(subject)),
    (&points::APART, |subject, _| boundaries::apart(subject)),
    (&points::WHOLE, |subject, _| boundaries::whole(subject)),
    (&points::LOOP, |subject, _| conduct::no_loop(subject)),
];

/// Points that look themselves, since they may end it, and what comes after those.
const ROUGH: &[(&Point, Judge)] = &[
    (&points::BURST, |subject, _| survival::burst(subject)),
    (&points::LARGE, |subject, _| survival::large(subject)),
    (&points::REFUSAL, |subject, _| survival::refusal(subject)),
    (&points::BINARY, |subject, _| survival::binary(subject)),
    (&points::EMPTY, |subject, _| survival::empty(subject)),
    (&points::AMPLIFICATION, |subject, _| conduct::no_amplification(subject)),
    (&points::ESCAPES, |subject, _| output::escapes(subject)),
    (&points::ALIVE, |subject, _| survival::alive(subject)),
];

/// Others build on what these find out, so they are judged in any case.
const LEARNING: [&str; 2] = [points::AGAIN.name, points::EVERY_PEER.name];

/// Checks a server.
pub(crate) fn check(args: &CheckServerArgs) -> Result<Exit> {
    let mut subject = subject(args)?;
    subject.bench.begin();
    let (judged, mut learned) = answers::learn(&mut subject)?;
    if subject.bench.wants(&points::ANSWERS) {
        subject.bench.judge(&points::ANSWERS, judged);
    }
    let steps = GENTLE.iter().map(|step| (step, true)).chain(ROUGH.iter().map(|step| (step, false)));
    for ((point, judge), is_gentle) in steps {
        let is_wanted = subject.bench.wants(point);
        if !is_wanted && !LEARNING.contains(&point.name) {
            continue;
        }
        subject.bench.begin();
        let judged = judge_point(&mut subject, &mut learned, point, *judge, is_gentle);
        if is_wanted {
            subject.bench.judge(point, judged);
        }
    }
    subject.bench.finish()
}

/// Judges a point; once more if the server has ended meanwhile, and should not have.
fn judge_point(
    subject: &mut Subject,
    learned: &mut Learned,
    point: &Point,
    judge: Judge,
    is_gentle: bool,
) -> Result<Judged, Cut> {
    if point.name == points::EVERY_PEER.name && subject.gone.is_none() {
        learned.linger(subject)?;
    }
    for _ in 0..2 {
        if subject.gone.is_some() {
            break;
        }
        let judged = judge(subject, learned)?;
        if !is_gentle || judged.verdict == Verdict::Failed || subject.is_well_after(point.name)? {
            return Ok(judged);
        }
    }
    let why = subject.gone.as_ref().or(subject.ended.as_ref());
    Ok(Judged::not_seen(why.cloned().unwrap_or_default()))
}

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
