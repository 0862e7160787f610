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
        ask_for_nobody(subject)?;
        subject.bench.pause(NEWS.max(subject.slowest))
    })
}

/// The first peer asks, goes away, and comes back to its port.
fn first_goes_away(subject: &mut Subject) -> Result<(), Cut> {
    for _ in 0..EACH {
        let (_, request) = subject.fresh();
        subject.send(None, &request)?;
    }
    let address = subject.first.address();
    // Another socket takes its place, so that its port is closed.
    subject.first = Peer::towards(subject.target)?;
    subject.bench.pause(NEWS.max(subject.slowest))?;
    subject.first = Peer::at(address)?;
    Ok(())
}

/// Asks in the name of another address of this host, where nobody has that port: the answer is refused for certain.
fn ask_for_nobody(subject: &mut Subject) -> Result<(), Cut> {
    let target = subject.target;
    if !target.ip().is_loopback() || !target.is_ipv4() {
        return Ok(());
    }
    let mut here = target;
    here.set_port(0);
    let peer = Peer::at(here)?;
    let nobody = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 77).into(), 0).ip();
    for _ in 0..EACH {
        let (_, request) = subject.fresh();
        let sent = subject.transmit(Some(&peer), &Transmit::to(target).local(nobody), &request);
        match sent {
            // A system that cannot do this leaves it to the peers that went away.
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
    Ok(match subject.life(Duration::ZERO)? {
        Life::Answers => Judged::passed("it answered after all of this"),
        Life::Ended(how) => Judged::failed(format!("at the end, {how}")),
    })
}
