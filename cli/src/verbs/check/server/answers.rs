//! Whether it answers at all, and again; and how, which all other points build on.

use std::time::Duration;

use anyhow::{Result, bail};
use udpkit::Cause;

use super::request::Label;
use super::subject::{Heard, Life, Manner, Subject};
use crate::verbs::check::bounds::{Cut, now};
use crate::verbs::check::point::Judged;
use crate::verbs::check::program::Program;
use crate::verbs::check::wire::Came;
use crate::words::endpoint::Endpoint;
use crate::words::units;

/// Requests before a server is said not to answer.
const TRIES: usize = 6;
/// Refusals of these that end the check: nobody is there.
const REFUSALS: u32 = 3;
/// Requests of the same peer after the first one that was answered.
const AGAIN: usize = 7;
/// Of these, so many answers show how slow it is.
const ENOUGH: usize = 3;
/// How long to wait after a refusal.
const PAUSE: Duration = Duration::from_millis(200);
/// A command has this long to answer for the first time.
const START: Duration = Duration::from_secs(20);
/// How long copies of an answer and further ones are waited for.
const LINGER: Duration = Duration::from_millis(100);
/// Bytes of a label from which on two do not come to be equal by chance.
const CERTAIN: usize = 2;

/// What the first peer learned: requests with their labels, and what was answered.
#[derive(Debug, Default)]
pub(super) struct Learned {
    asked: Vec<(Label, Vec<u8>)>,
    answers: Vec<Came>,
    /// How many requests before the first that was answered were not.
    unanswered: usize,
    /// How many requests there were after the first that was answered, and how many of them were, too.
    further: usize,
    again: usize,
}

/// Whether the first peer is answered, and how it is answered from then on.
///
/// # Errors
///
/// Nobody listens there, or the command has ended.
pub(super) fn learn(subject: &mut Subject) -> Result<(Result<Judged, Cut>, Learned)> {
    let mut learned = Learned::default();
    let judged = match first_answer(subject, &mut learned) {
        Ok(First::Answered(after)) => more_answers(subject, &mut learned).map(|()| {
            subject.manner = manner(&learned);
            let target = Endpoint(subject.target);
            Judged::passed(format!("{target} answered after {}", units::human(after)))
        }),
        Ok(First::Silent(words)) => {
            subject.gone = Some("it answers no request".to_owned());
            Ok(Judged::failed(words))
        }
        Ok(First::Nobody(cause)) => bail!("cannot check {}: {cause}", Endpoint(subject.target)),
        Ok(First::Ended(fate)) => {
            bail!("cannot check the command: {fate} (it must answer, and stay in the foreground)")
        }
        Err(cut) => Err(cut),
    };
    Ok((judged, learned))
}

/// What became of the first requests.
enum First {
    Answered(Duration),
    /// No answer, in words.
    Silent(String),
    /// All were refused.
    Nobody(Cause),
    /// The command did.
    Ended(String),
}

fn first_answer(subject: &mut Subject, learned: &mut Learned) -> Result<First, Cut> {
    subject.start()?;
    let begun = now();
    let limit = if subject.program.is_some() { START } else { Duration::ZERO };
    let (mut refusals, mut unanswered) = (0, 0);
    let mut waited_from = None;
    loop {
        if let Some(fate) = subject.program.as_mut().and_then(Program::fate) {
            return Ok(First::Ended(fate));
        }
        let sent = now();
        let heard = ask(subject, learned)?;
        let elapsed = now().saturating_duration_since(begun);
        if let Some(after) = heard.after {
            // It may be the answer to an earlier request.
            let earlier = waited_from.map_or(Duration::ZERO, |from| sent.saturating_duration_since(from));
            subject.slowest = after + earlier;
            learned.unanswered = unanswered;
            return Ok(First::Answered(after + earlier));
        }
        match heard.refused {
            Some(cause) => {
                refusals += 1;
                if refusals >= REFUSALS && elapsed >= limit {
                    return Ok(First::Nobody(cause));
                }
                subject.bench.pause(PAUSE)?;
            }
            None => {
                waited_from.get_or_insert(sent);
                unanswered += 1;
                if unanswered >= TRIES && elapsed >= limit {
                    let elapsed = units::human(elapsed);
                    return Ok(First::Silent(format!("{unanswered} requests in {elapsed}, and no answer")));
                }
            }
        }
    }
}

/// One more request of the first peer.
fn ask(subject: &mut Subject, learned: &mut Learned) -> Result<Heard, Cut> {
    let (label, request) = subject.fresh();
    let wait = subject.wait.max(subject.slowest * 2);
    let heard = subject.ask_as_first(&request, wait)?;
    learned.asked.push((label, request));
    learned.answers.extend(heard.answers.iter().cloned());
    Ok(heard)
}

/// Asks on, to learn how it answers.
fn more_answers(subject: &mut Subject, learned: &mut Learned) -> Result<(), Cut> {
    let further = subject.at_once(AGAIN);
    let mut slowest = Duration::ZERO;
    for _ in 0..further {
        let heard = ask(subject, learned)?;
        learned.further += 1;
        if let Some(after) = heard.after {
            learned.again += 1;
            slowest = slowest.max(after);
        } else if heard.refused.is_some() {
            break;
        }
    }
    // The first may have been measured from a request that was lost.
    subject.slowest = if learned.again >= ENOUGH { slowest } else { slowest.max(subject.slowest) };
    #[expect(clippy::cast_precision_loss, reason = "a few requests")]
    let share = (learned.again + 1) as f64 / (learned.unanswered + 1 + learned.further) as f64;
    subject.share = share;
    Ok(())
}

/// How its answers show which request they are to.
fn manner(learned: &Learned) -> Manner {
    let Learned { asked, answers, .. } = learned;
    let repeats = |answer: &Came| {
        asked.iter().any(|(_, request)| {
            request.len() >= CERTAIN && answer.payload.windows(request.len()).any(|part| part == request)
        })
    };
    if answers.iter().all(repeats) {
        return Manner::Repeats;
    }
    let place = |answer: &Came| asked.iter().find_map(|(label, _)| label.place_in(&answer.payload));
    let labels_are_certain = asked.iter().all(|(label, _)| label.len() >= CERTAIN);
    match answers.first().and_then(place).filter(|_| labels_are_certain) {
        Some(first)
            if answers.iter().all(|answer| asked.iter().any(|(label, _)| label.is_at(first, &answer.payload))) =>
        {
            Manner::Labelled(first)
        }
        _ => Manner::Fixed,
    }
}

/// Whether it goes on after its first answer.
pub(super) fn again(subject: &mut Subject, learned: &Learned) -> Result<Judged, Cut> {
    let asked = learned.further;
    if learned.again > 0 {
        return Ok(Judged::passed(format!(
            "{} of {asked} further requests of the same peer were answered",
            learned.again
        )));
    }
    let Life::Ended(how) = subject.life(Duration::ZERO)? else {
        return Ok(Judged::not_seen(format!(
            "none of {asked} further requests was answered in time, but a later one was"
        )));
    };
    if !subject.revive()? {
        subject.gone = Some("the server ended after its first answer; -- COMMAND starts it again".to_owned());
        return Ok(Judged::failed(format!("after its first answer, {how} (seen once: it did not come back)")));
    }
    // Coming back, it has answered once.
    match subject.life(Duration::ZERO)? {
        Life::Answers => {
            Ok(Judged::not_seen(format!("after its first answer, {how}; but not when it was tried again")))
        }
        Life::Ended(_) => {
            subject.gone = Some("the server ends after its first answer".to_owned());
            Ok(Judged::failed(format!("after its first answer, {how}; twice of two times")))
        }
    }
}

impl Learned {
    /// The answers that came.
    pub(super) fn answers(&self) -> &[Came] {
        &self.answers
    }

    /// How many answers a request has, in the mean; at least one.
    pub(super) fn each(&self) -> usize {
        let answered = self.again + 1;
        self.answers.len().div_ceil(answered).max(1)
    }

    /// Takes further answers to the same requests.
    pub(super) fn linger(&mut self, subject: &mut Subject) -> Result<(), Cut> {
        let until = now() + LINGER.max(subject.slowest);
        while now() < until {
            let arrivals = subject.first.receive(&mut subject.bench, until)?;
            self.answers.extend(super::subject::datagrams(arrivals));
        }
        Ok(())
    }
}
