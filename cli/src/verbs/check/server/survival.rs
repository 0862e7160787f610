//! What must not end it: long, empty and strange datagrams, many at once, peers that go away.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use udpkit::Transmit;

use super::boundaries::{lengths, long};
use super::subject::{Life, Subject};
use crate::verbs::check::bounds::{Cut, now};
use crate::verbs::check::point::{Judged, Verdict};
use crate::verbs::check::wire::Peer;

/// Datagrams of one peer at once.
const BURST: usize = 100;
/// How often a datagram is sent that a server must survive: one may be lost.
const TIMES: usize = 3;
/// Peers that go away, and how many requests each has made before.
const GONE: usize = 8;
const EACH: usize = 4;
/// How long the news that a peer is gone may take to the server and back.
const NEWS: Duration = Duration::from_millis(100);

/// Addresses of loopback: one that we have, and one where nobody is.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 78);
const NOBODY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

/// Bytes that are no text, or none that is meant to be shown.
const BINARY: &[&[u8]] =
    &[b"\xff\xfe\xfd", b"\xc3\x28", b"\xed\xa0\x80", b"\x80", b"\0", b"a\0b", b"\x1b[31m\x07", b"%s%n{0}{}\\\"'\r\n"];

/// Whether it survives long datagrams.
pub(super) fn large(subject: &mut Subject) -> Result<Judged, Cut> {
    let lengths = lengths(subject);
    let longest = lengths.last().copied().unwrap_or_default();
    subject.survives(&format!("datagrams of up to {longest} B"), Duration::ZERO, |subject| {
        let peer = subject.other_peer()?;
        for length in &lengths {
            let (_, request) = subject.fresh();
            subject.send(peer.as_deref(), &long(&request, *length))?;
            // One by one: several at once are another point.
            let until = now() + subject.patience();
            subject.listen_once(peer.as_deref(), until)?;
        }
        Ok(())
    })
}

/// Whether it survives many datagrams at once, and how many of them it answers.
pub(super) fn burst(subject: &mut Subject) -> Result<Judged, Cut> {
    let count = subject.at_once(BURST);
    let busy = subject.backlog(count);
    let mut answered = 0;
    let mut judged = subject.survives(&format!("{count} requests at once"), busy, |subject| {
        let peer = subject.other_peer()?;
        for _ in 0..count {
            let (_, request) = subject.fresh();
            subject.send(peer.as_deref(), &request)?;
        }
        let until = now() + busy;
        answered = 0;
        while answered < count && now() < until {
            answered += subject.listen_once(peer.as_deref(), until)?.len();
        }
        Ok(())
    })?;
    judged.seen += &format!("; it answered {answered} of them");
    Ok(judged)
}

/// Whether it survives that a peer is gone when its answer arrives.
pub(super) fn refusal(subject: &mut Subject) -> Result<Judged, Cut> {
    let busy = subject.backlog(GONE * EACH);
    subject.survives("answers that were refused, since the peer was gone", busy, |subject| {
        if subject.is_locked {
            return first_goes_away(subject);
        }
        for _ in 0..GONE {
            let peer = Peer::towards(subject.target)?;
            for _ in 0..EACH {
                let (_, request) = subject.fresh();
                subject.send(Some(&peer), &request)?;
            }
        }
        ask_in_the_name_of(NOBODY, 0, subject)?;
        subject.bench.pause(NEWS.max(subject.slowest))
    })
}

/// The first peer asks, goes away, and comes back to its port.
fn first_goes_away(subject: &mut Subject) -> Result<(), Cut> {
    let address = subject.first.address();
    for _ in 0..EACH {
        let (_, request) = subject.fresh();
        subject.send(None, &request)?;
    }
    // Another socket takes its place, so that its port is closed.
    subject.first = Peer::towards(subject.target)?;
    ask_in_the_name_of(Ipv4Addr::LOCALHOST, address.port(), subject)?;
    subject.bench.pause(NEWS.max(subject.slowest))?;
    subject.first = Peer::at(address)?;
    Ok(())
}

/// Asks in the name of an address of loopback where nobody has this port, or any if it is 0: the answer is refused for certain, however
/// fast it is. Elsewhere, and on a system that cannot do this, it is left to the peers that went away.
fn ask_in_the_name_of(nobody: Ipv4Addr, port: u16, subject: &mut Subject) -> Result<(), Cut> {
    let target = subject.target;
    if !target.ip().is_loopback() || !target.is_ipv4() {
        return Ok(());
    }
    let Ok(peer) = Peer::at(SocketAddr::new(ELSEWHERE.into(), port)) else { return Ok(()) };
    for _ in 0..EACH {
        let (_, request) = subject.fresh();
        match subject.transmit(Some(&peer), &Transmit::to(target).local(Some(nobody.into())), &request) {
            Err(Cut::System(_)) => return Ok(()),
            sent => sent?,
        }
    }
    subject.bench.pause(NEWS.max(subject.slowest))
}

/// Whether it survives bytes that are no text.
pub(super) fn binary(subject: &mut Subject) -> Result<Judged, Cut> {
    subject.survives("bytes that are no text", Duration::ZERO, |subject| {
        let peer = subject.other_peer()?;
        for payload in BINARY {
            subject.send(peer.as_deref(), payload)?;
        }
        Ok(())
    })
}

/// Whether it survives an empty datagram.
pub(super) fn empty(subject: &mut Subject) -> Result<Judged, Cut> {
    let judged = subject.survives("an empty datagram", Duration::ZERO, |subject| {
        let peer = subject.other_peer()?;
        for _ in 0..TIMES {
            subject.send(peer.as_deref(), b"")?;
        }
        Ok(())
    })?;
    subject.takes_empty = judged.verdict == Verdict::Passed;
    Ok(judged)
}

/// Whether it is there at the end.
pub(super) fn alive(subject: &mut Subject) -> Result<Judged, Cut> {
    Ok(match (subject.life(Duration::ZERO)?, &subject.ended) {
        (Life::Ended(how), _) => Judged::failed(format!("at the end, {how}")),
        (Life::Answers, None) => Judged::passed("it answered after all of this"),
        (Life::Answers, Some(how)) => Judged::not_seen(format!("it answered, but {how}")),
    })
}
