//! What strangers can make of it: endless loops, and a lever against others.

use std::time::Duration;

use udpkit::{Transmit, header_len};

use super::subject::Subject;
use crate::verbs::check::bounds::{Cut, now};
use crate::verbs::check::point::Judged;
use crate::verbs::check::wire::{Came, Peer};

/// How often its own answer is sent back before that is an endless loop, if it can be as often in the time that there is.
const TURNS: usize = 140;
/// The fewest turns that are one, of a slow server.
const FEWEST: usize = 12;
/// The time that there is.
const LONGEST: Duration = Duration::from_secs(8);
/// How often a datagram is sent of which all answers are counted.
const TIMES: usize = 3;
/// The hop limit that systems begin with.
const HOPS: u8 = 64;
/// How many times as much as it gets a server may send to an address that is not proved (RFC 9000 section 8.1).
const MOST: usize = 3;

/// Whether it goes on for ever with a peer that sends back its own answers, as another server of its kind would if a forged datagram
/// set them on each other.
pub(super) fn no_loop(subject: &mut Subject) -> Result<Judged, Cut> {
    let peer = subject.other_peer()?;
    let (_, request) = subject.fresh();
    let until = now() + LONGEST.max(subject.slowest * u32::try_from(FEWEST).unwrap_or(u32::MAX) * 2);
    let (mut payload, mut hops) = (request, HOPS);
    let mut turns = 0;
    while turns < TURNS && (now() < until || turns < FEWEST) {
        let Some(came) = turn(subject, peer.as_deref(), &payload, hops)? else {
            return Ok(match turns {
                0 => Judged::not_seen("its first answer was lost"),
                _ => Judged::passed(format!("it answered its own answer {} times, and then no more", turns - 1)),
            });
        };
        turns += 1;
        // A server that answers with fewer hops than the request had left would do so on the other side, too.
        match came.hop_limit {
            Some(left) if left < hops => match left.checked_sub(1) {
                Some(next @ 1..) => hops = next,
                _ => return Ok(Judged::passed("its answers have fewer hops than what they answer, so a loop ends")),
            },
            Some(left) => hops = left,
            None => {}
        }
        payload = came.payload;
    }
    Ok(Judged::failed(format!("it answered its own answer {} times, one after the other", turns - 1)))
}

/// Sends something with a hop limit, more than once where nothing comes; the answer.
fn turn(subject: &mut Subject, peer: Option<&Peer>, payload: &[u8], hops: u8) -> Result<Option<Came>, Cut> {
    for _ in 0..subject.tries() {
        let transmit = Transmit::to(subject.target).hop_limit(hops);
        subject.transmit(peer, &transmit, payload)?;
        let until = now() + subject.patience();
        while now() < until {
            if let Some(came) = subject.listen_once(peer, until)?.pop() {
                return Ok(Some(came));
            }
        }
    }
    Ok(None)
}

/// What was answered to what.
#[derive(Clone, Copy, Debug)]
struct Ratio {
    asked: usize,
    answered: usize,
}

impl Ratio {
    fn is_more_than(self, other: Self) -> bool {
        self.answered * other.asked > other.answered * self.asked
    }
}

/// Whether it sends no more than three times what it gets, headers included.
pub(super) fn no_amplification(subject: &mut Subject) -> Result<Judged, Cut> {
    let header = header_len(subject.target.ip());
    let mut worst: Option<Ratio> = None;
    let (_, request) = subject.fresh();
    // What is known to end it, or may, is left out.
    let tried: &[&[u8]] = if subject.takes_empty { &[&request, b"?", b""] } else { &[&request] };
    for payload in tried {
        let (mut least, mut seen) = (None::<Ratio>, 0);
        for _ in 0..TIMES {
            let answers = all_answers(subject, payload)?;
            let answered = answers.iter().map(|answer| answer.payload.len() + header).sum();
            let ratio = Ratio { asked: payload.len() + header, answered };
            if answered > 0 {
                seen += 1;
                // The least of several, so that a late answer to an earlier one does not count.
                least = Some(least.filter(|least| ratio.is_more_than(*least)).unwrap_or(ratio));
            }
        }
        if let Some(ratio) = least.filter(|_| seen >= 2)
            && worst.is_none_or(|worst| ratio.is_more_than(worst))
        {
            worst = Some(ratio);
        }
    }
    let Some(Ratio { asked, answered }) = worst else {
        return Ok(Judged::not_seen("none of the datagrams that were tried was answered twice"));
    };
    let words = format!("it sent {answered} B for {asked} B with their headers, {}", times(asked, answered));
    Ok(if answered > asked * MOST { Judged::failed(words) } else { Judged::passed(words) })
}

fn times(asked: usize, answered: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let ratio = answered as f64 / asked.max(1) as f64;
    format!("{ratio:.1} times as much")
}

/// All that comes for a datagram within the patience, of a peer that asks nothing else.
fn all_answers(subject: &mut Subject, payload: &[u8]) -> Result<Vec<Came>, Cut> {
    let peer = subject.other_peer()?;
    subject.send(peer.as_deref(), payload)?;
    let until = now() + subject.patience();
    let mut answers = Vec::new();
    let mut quiet = until;
    while now() < quiet {
        let came = subject.listen_once(peer.as_deref(), quiet)?;
        if !came.is_empty() {
            // What belongs to it follows soon.
            quiet = until.min(now() + Duration::from_millis(50).max(subject.slowest));
        }
        answers.extend(came);
    }
    Ok(answers)
}
