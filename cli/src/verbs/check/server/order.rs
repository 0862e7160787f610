//! The points of a server in the order in which they are judged, and what judges each.

use anyhow::Result;

use super::answers::Learned;
use super::subject::Subject;
use super::{addresses, answers, boundaries, conduct, output, peers, survival};
use crate::verbs::check::bounds::Cut;
use crate::verbs::check::point::{Judged, Point};
use crate::verbs::check::points::server as points;

/// How a point is judged.
pub(super) type Judge = fn(&mut Subject, &Learned) -> Result<Judged, Cut>;

/// Points that should not end any server: whether it is there is looked at after each.
pub(super) const GENTLE: &[(&Point, Judge)] = &[
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
pub(super) const ROUGH: &[(&Point, Judge)] = &[
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
pub(super) const LEARNING: [&str; 2] = [points::AGAIN.name, points::EVERY_PEER.name];
