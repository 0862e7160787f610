//! From where it answers: the port, the address, and both families.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use std::rc::Rc;

use udpkit::Cause;

use super::answers::Learned;
use super::subject::Subject;
use crate::verbs::check::bounds::Cut;
use crate::verbs::check::point::Judged;
use crate::verbs::check::wire::Peer;
use crate::words::endpoint::{self, Endpoint};

/// How often an address must say the same.
const TRIES: usize = 3;
/// How often it is asked for that.
const MOST: usize = 9;

/// Whether answers come from the port that was asked.
pub(super) fn own_port(subject: &Subject, learned: &Learned) -> Judged {
    let port = subject.target.port();
    let others: Vec<_> = learned.answers().iter().filter(|came| came.source.port() != port).collect();
    match others.as_slice() {
        [] => Judged::passed(format!("{} answers, all from port {port}", learned.answers().len())),
        [_] => Judged::not_seen("a single answer came from another port"),
        [first, ..] => Judged::failed(format!(
            "port {port} was asked, and {} answers came from elsewhere, such as {}",
            others.len(),
            Endpoint(first.source)
        )),
    }
}

/// What came of asking an address.
enum Asked {
    /// It answered, from itself.
    Itself,
    /// It answered from this one, each time.
    Other(IpAddr),
    /// Nobody listens on the port there.
    Refused,
    /// None of these.
    Unknown,
}

/// Whether answers come from the address that was asked.
pub(super) fn own_address(subject: &mut Subject) -> Result<Judged, Cut> {
    if subject.is_locked {
        return Ok(Judged::not_seen("the server answers its first peer alone, whatever address that had asked"));
    }
    let others = others_of_family(subject);
    if others.is_empty() {
        return Ok(Judged::not_seen("no other address of its host is known; --also ADDRESS names one"));
    }
    let (mut right, mut refused) = (Vec::new(), Vec::new());
    for other in others {
        match ask(subject, other)? {
            Asked::Itself => right.push(other),
            Asked::Other(source) => {
                subject.listens_everywhere = Some(true);
                return Ok(Judged::failed(format!(
                    "{} was asked, and the answer came from {source}; {TRIES} times of {TRIES}",
                    Endpoint(other)
                )));
            }
            Asked::Refused => refused.push(other),
            Asked::Unknown => {}
        }
    }
    subject.listens_everywhere = Some(!right.is_empty());
    match (right.as_slice(), refused.as_slice()) {
        ([], []) => Ok(Judged::not_seen("no other address of its host answered")),
        ([], refused) => Ok(Judged::passed(format!(
            "it listens at one address, and answers from there; {} refused",
            endpoint::list(refused)
        ))),
        (right, _) => Ok(Judged::passed(format!("so did {}", endpoint::list(right)))),
    }
}

/// Asks an address from one that is not its own, so that the system would choose another source for the answer.
fn ask(subject: &mut Subject, to: SocketAddr) -> Result<Asked, Cut> {
    let (mut itself, mut elsewhere, mut refused) = (0, Vec::new(), 0);
    // As often as it takes: some may be lost.
    for _ in 0..MOST {
        if [itself, elsewhere.len(), refused].contains(&TRIES) {
            break;
        }
        let peer = peer_beside(subject, to)?;
        let (_, request) = subject.fresh();
        let patience = subject.patience();
        let heard = match subject.ask(&peer, to, &request, patience) {
            Err(Cut::System(_)) => return Ok(Asked::Unknown),
            heard => heard?,
        };
        match heard.answers.first() {
            Some(came) if came.source.ip() == to.ip() => itself += 1,
            Some(came) => elsewhere.push(came.source.ip()),
            None => refused += usize::from(heard.refused == Some(Cause::Port)),
        }
    }
    Ok(match (itself, elsewhere.as_slice(), refused) {
        (0, [other, ..], _) if elsewhere.len() == TRIES => Asked::Other(*other),
        (1.., [], _) => Asked::Itself,
        (0, [], TRIES) => Asked::Refused,
        _ => Asked::Unknown,
    })
}

/// A peer at the target's own address, where that is one of this host: of its own choice, the system would send from the address that
/// is asked, and so get the right answer by luck.
fn peer_beside(subject: &mut Subject, to: SocketAddr) -> Result<Rc<Peer>, Cut> {
    let target = subject.target;
    let is_ours = target.ip().is_loopback()
        || subject.interfaces.iter().any(|one| one.addresses.iter().any(|own| own.ip == target.ip()));
    let mut local = target;
    local.set_port(0);
    let peer = match is_ours && to.is_ipv4() == target.is_ipv4() {
        true => Peer::at(local)?,
        false => Peer::towards(to)?,
    };
    Ok(subject.keep(peer))
}

/// Other addresses of the server's host, of the family of the target.
fn others_of_family(subject: &Subject) -> Vec<SocketAddr> {
    let target = subject.target;
    let given = subject.also.iter().copied().filter(|also| also.is_ipv4() == target.is_ipv4());
    let mut others: Vec<_> = given.collect();
    if target.ip().is_loopback() && target.is_ipv4() {
        let beside = [2, 3].map(|last| SocketAddr::new(Ipv4Addr::new(127, 0, 0, last).into(), target.port()));
        others.extend(beside.into_iter().filter(|beside| *beside != target));
    }
    others.extend(siblings(subject).filter(|sibling| sibling.is_ipv4() == target.is_ipv4()));
    others.dedup();
    others
}

/// The other addresses of the target's interface, where that is one of this host.
fn siblings(subject: &Subject) -> impl Iterator<Item = SocketAddr> {
    let target = subject.target;
    let has = |ip: IpAddr| move |one: &&udpkit::Interface| one.addresses.iter().any(|own| own.ip == ip);
    let interface = subject.interfaces.iter().find(has(target.ip())).filter(|one| !one.loopback);
    let addresses = interface.map(|one| one.addresses.as_slice()).unwrap_or_default();
    let usable = |ip: IpAddr| ip != target.ip() && !crate::words::address::needs_scope(ip);
    let found = addresses.iter().filter(|own| !own.tentative).map(|own| own.ip).filter(|ip| usable(*ip));
    found.map(|ip| SocketAddr::new(ip, target.port())).collect::<Vec<_>>().into_iter()
}

/// Whether it can be reached by both families.
pub(super) fn families(subject: &mut Subject) -> Result<Judged, Cut> {
    if subject.is_locked {
        return Ok(Judged::not_seen("the server answers its first peer alone"));
    }
    if subject.listens_everywhere.is_none() {
        own_address(subject)?;
    }
    let target = subject.target;
    let mut others: Vec<_> = subject.also.iter().copied().filter(|also| also.is_ipv4() != target.is_ipv4()).collect();
    let are_named = !others.is_empty();
    if target.ip().is_loopback() {
        let other = if target.is_ipv4() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        others.push(SocketAddr::new(other, target.port()));
    }
    others.extend(siblings(subject).filter(|sibling| sibling.is_ipv4() != target.is_ipv4()));
    let [here, there] = if target.is_ipv4() { ["IPv4", "IPv6"] } else { ["IPv6", "IPv4"] };
    let mut refused = Vec::new();
    for other in others {
        match ask(subject, other) {
            Ok(Asked::Itself | Asked::Other(_)) => {
                return Ok(Judged::passed(format!("{} answered, too", Endpoint(other))));
            }
            Ok(Asked::Refused) => refused.push(other),
            Ok(Asked::Unknown) | Err(Cut::System(_)) => {}
            Err(cut) => return Err(cut),
        }
    }
    match refused.as_slice() {
        [] => Ok(Judged::not_seen(format!(
            "no {there} address of its host is known that could be asked; --also ADDRESS names one"
        ))),
        // One address alone was meant: that it is of one family says nothing.
        refused if subject.listens_everywhere != Some(true) && !are_named => Ok(Judged::not_seen(format!(
            "it listens at one address alone, as it seems; {} refused",
            endpoint::list(refused)
        ))),
        refused => Ok(Judged::failed(format!(
            "it answers by {here} at every address, and by {there} not at all: {} refused, {TRIES} times of {TRIES}",
            endpoint::list(refused)
        ))),
    }
}
