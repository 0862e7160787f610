//! The boundaries of datagrams: whether long ones stay whole, and several at once apart.

use udpkit::{header_len, max_payload};

use super::subject::{Manner, Subject};
use crate::verbs::check::bounds::{Cut, now};
use crate::verbs::check::point::Judged;
use crate::verbs::check::wire::{Came, Peer};

/// The longest IP datagram that Ethernet carries in one piece.
const ETHERNET: usize = 1_500;
/// Lengths between that and the longest.
const LENGTHS: [usize; 2] = [9_000, 20_000];
/// How often a length is tried before it is said to be cut.
const TIMES: usize = 2;
/// How often it is tried as long as nothing comes back.
const TRIES: usize = 3;
/// Datagrams that are sent at once by one peer, and how often: what joins datagrams does so by chance.
const TOGETHER: usize = 16;
const ROUNDS: usize = 10;

/// Lengths of payload that a datagram to this server may have, short ones first.
pub(super) fn lengths(subject: &Subject) -> Vec<usize> {
    let ip = subject.target.ip();
    let mut lengths = vec![ETHERNET - header_len(ip)];
    lengths.extend(LENGTHS);
    lengths.push(max_payload(ip));
    lengths
}

/// A request that was made this long, by bytes that say where they stand: what is cut or joined shows.
pub(super) fn long(request: &[u8], length: usize) -> Vec<u8> {
    let mut payload = request.to_vec();
    let mut number = 0_u32;
    while payload.len() < length {
        payload.extend(format!("{number:07} ").bytes());
        number += 1;
    }
    payload.truncate(length);
    payload
}

/// What came back for a long datagram.
enum Echo {
    Whole,
    /// This much of it.
    Cut(usize),
    /// All of it, in so many datagrams.
    Pieces(usize),
    Nothing,
    /// Something else.
    Other,
}

/// Whether long datagrams come back whole, where answers repeat requests.
pub(super) fn whole(subject: &mut Subject) -> Result<Judged, Cut> {
    if subject.manner != Manner::Repeats {
        return Ok(Judged::not_seen(
            "its answers do not repeat what it receives, so they do not show whether it got all of it",
        ));
    }
    let (mut whole, mut silent) = (None, None);
    for length in lengths(subject) {
        let mut bad = Vec::new();
        for _ in 0..TRIES {
            match echo(subject, length)? {
                Echo::Whole => {
                    whole = Some(length);
                    bad.clear();
                    break;
                }
                Echo::Cut(left) => bad.push(format!("of {length} B, {left} B came back")),
                Echo::Pieces(count) => bad.push(format!("{length} B came back in {count} datagrams")),
                Echo::Nothing | Echo::Other => {}
            }
            if bad.len() == TIMES {
                return Ok(Judged::failed(format!("{}; {TIMES} times", bad.swap_remove(0))));
            }
        }
        if whole != Some(length) {
            silent.get_or_insert(length);
        }
    }
    Ok(match (whole, silent) {
        (Some(longest), None) => Judged::passed(format!("up to {longest} B")),
        (Some(longest), Some(length)) => {
            Judged::passed(format!("up to {longest} B; nothing came back of {length} B, which may be lost"))
        }
        (None, _) => Judged::not_seen("nothing came back of long datagrams, which may be lost"),
    })
}

/// Sends a long datagram, and looks at what comes back.
fn echo(subject: &mut Subject, length: usize) -> Result<Echo, Cut> {
    let peer = subject.other_peer()?;
    let (_, request) = subject.fresh();
    let payload = long(&request, length);
    let mut answers = answers_to(subject, peer.as_deref(), &payload)?;
    let all: Vec<u8> = answers.iter().flat_map(|answer| answer.payload.clone()).collect();
    let has_all = |answer: &Came| answer.payload.windows(payload.len()).any(|part| part == payload);
    Ok(match answers.len() {
        0 => Echo::Nothing,
        _ if answers.iter().any(has_all) => Echo::Whole,
        1 => {
            let answer = answers.swap_remove(0).payload;
            // An answer that begins as the request does, and ends before it.
            let common = answer.iter().zip(&payload).take_while(|(left, right)| left == right).count();
            if common >= request.len() && common == answer.len() { Echo::Cut(common) } else { Echo::Other }
        }
        count if all == payload => Echo::Pieces(count),
        _ => Echo::Other,
    })
}

/// What a peer, or the first one, is answered, and what comes within a short time after the first answer.
fn answers_to(subject: &mut Subject, peer: Option<&Peer>, payload: &[u8]) -> Result<Vec<Came>, Cut> {
    let (target, patience) = (subject.target, subject.patience());
    let heard = match peer {
        Some(peer) => subject.ask(peer, target, payload, patience)?,
        None => subject.ask_as_first(payload, patience)?,
    };
    let mut answers = heard.answers;
    if !answers.is_empty() && answers.iter().all(|answer| answer.payload.len() < payload.len()) {
        let until = now() + patience;
        answers.extend(subject.listen(peer, until)?);
    }
    Ok(answers)
}

/// Whether datagrams that come at once are answered one by one.
pub(super) fn apart(subject: &mut Subject) -> Result<Judged, Cut> {
    let together = subject.at_once(TOGETHER).max(2);
    let (mut merged, mut complete, mut answered) = (Vec::new(), 0, 0);
    for _ in 0..ROUNDS {
        let peer = subject.other_peer()?;
        let requests: Vec<_> = (0..together).map(|_| subject.fresh()).collect();
        let labels: Vec<_> = requests.iter().map(|(label, _)| label.clone()).collect();
        for (_, request) in &requests {
            subject.send(peer.as_deref(), request)?;
        }
        let until = now() + subject.backlog(together);
        let mut answers = Vec::new();
        while answers.len() < together && now() < until {
            answers.extend(subject.listen_once(peer.as_deref(), until)?);
        }
        answered += answers.len();
        complete += usize::from(answers.len() >= together);
        let joined = answers.iter().map(|answer| subject.labels_in(&answer.payload, &labels).len()).max().unwrap_or(0);
        if joined > 1 {
            merged.push(joined);
        }
    }
    let sent = together * ROUNDS;
    Ok(match (merged.as_slice(), complete) {
        ([joined, ..], _) => Judged::failed(format!(
            "{together} datagrams were sent at once, and one answer repeated {joined} of them; {} times of {ROUNDS}",
            merged.len()
        )),
        ([], 1..) => {
            Judged::passed(format!("{answered} answers to {sent} datagrams, of which {together} came at once"))
        }
        _ => Judged::not_seen(format!(
            "{answered} answers to {sent} datagrams: some were lost, or it answers some alone"
        )),
    })
}
