//! `udp check server`: peers that ask, one by one and all at once, and what a server makes of it.

mod addresses;
mod answers;
mod begin;
mod boundaries;
mod conduct;
mod order;
mod output;
mod peers;
mod request;
mod subject;
mod survival;

use anyhow::Result;

use super::bounds::Cut;
use super::point::{Judged, Point, Verdict};
use super::points::server as points;
use crate::args::CheckServerArgs;
use crate::runtime::exit::Exit;
use answers::Learned;
use order::{GENTLE, Judge, LEARNING, ROUGH};
use subject::Subject;

/// Checks a server.
pub(crate) fn check(args: &CheckServerArgs) -> Result<Exit> {
    let mut subject = begin::subject(args)?;
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
