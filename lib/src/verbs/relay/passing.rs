//! What becomes of each datagram: it passes at once, is held, or is lost; and it leaves.

use std::net::SocketAddr;
use std::time::Instant;

use super::RelayEngine;
use super::links::{Held, Passage};
use super::proxy::put_header;
use crate::datagram::{Datagram, Train, Transmit};
use crate::direction::Direction;
use crate::engine::Outbox;
use crate::event::{Decided, Departed, Event, Leaving, Reason};
use crate::impairment::{Arrival, Departure, Fate, Left};
use crate::socket_id::SocketId;

/// What the link decided of a datagram that leaves.
#[derive(Clone, Copy)]
pub(super) struct Verdict {
    number: u64,
    is_copy: bool,
    departure: Departure,
    /// When it was to leave in the end.
    at: Instant,
}

impl Verdict {
    fn of(left: &Left<Held>) -> Self {
        Self { number: left.number, is_copy: left.is_copy, departure: left.departure, at: left.at }
    }
}

impl RelayEngine {
    /// Takes datagrams of one source: ignores them, or relays them.
    pub(super) fn take(&mut self, now: Instant, via: SocketId, train: Train<'_>, out: &mut impl Outbox) {
        if self.ending.over {
            return self.ignore(train.meta(), Reason::AfterEnd, train.count(), out);
        }
        // The clock may call later for it than this came.
        if self.has_due_step(now) {
            self.take_steps(now, out);
        }
        let (direction, admitted) = if self.is_listening(via) {
            (Direction::Up, self.admit_up(now, via, train.meta(), out))
        } else {
            (Direction::Down, self.admit_down(now, via, train.meta()))
        };
        match admitted {
            Ok((upstream, transmit)) => self.relay(now, direction, upstream, transmit, train, out),
            Err(reason) => self.ignore(train.meta(), reason, train.count(), out),
        }
    }

    fn relay(
        &mut self,
        now: Instant,
        direction: Direction,
        upstream: SocketId,
        transmit: Transmit,
        train: Train<'_>,
        out: &mut impl Outbox,
    ) {
        let Some(peer) = self.peers.get(upstream) else {
            return self.ignore(train.meta(), Reason::SocketClosed, train.count(), out);
        };
        let via = if direction == Direction::Up { upstream } else { peer.via };
        let passage = Passage {
            direction,
            place: peer.link,
            upstream,
            peer: peer.reply.destination,
            via,
            transmit,
            entered: now,
        };
        let count = train.count();
        let own = &mut self.report.own;
        own.of_mut(direction).received.add(count, train.wire_len());
        let relayed = own.up.received.datagrams + own.down.received.datagrams;
        self.ending.count(self.relayed_before + relayed);
        let tells = self.options.report_fates;
        let link = self.links(now).pair_mut(passage.place).link_mut(direction);
        if link.is_clear() && !tells {
            link.pass(count);
            return self.forward(&passage, train.payload(), train.segment_len(), out);
        }
        train.datagrams().for_each(|datagram| self.cross(&passage, datagram, out));
    }

    /// Decides on a datagram, and lets it leave if it leaves at once.
    fn cross(&mut self, passage: &Passage, datagram: Datagram<'_>, out: &mut impl Outbox) {
        let (payload, now) = (datagram.payload, passage.entered);
        let class = datagram.meta.traffic_class.unwrap_or(0);
        // Impairments are for peers, on the way to them too.
        let arrival = Arrival::new(payload).source(passage.peer.ip()).traffic_class(class);
        let link = self.links(now).pair_mut(passage.place).link_mut(passage.direction);
        let held = || Held { passage: *passage, payload: payload.into() };
        let (fates, passes) = link.push_or_pass(now, arrival, held);
        if self.options.report_fates
            && let Some(links) = &self.links
        {
            let pair = links.pair(passage.place);
            let impairment = pair.link(passage.direction).impairment();
            let decided = Decided::new(passage.direction, passage.peer, payload, now, fates, impairment);
            out.emit(Event::Fate(Decided { network: pair.network, ..decided }));
        }
        if passes && let Fate::Leaves(departure) = fates.original {
            let verdict = Verdict { number: fates.number, is_copy: false, departure, at: departure.at };
            self.leave(passage, payload, verdict, out);
        }
    }

    /// Lets everything leave whose time has come.
    pub(super) fn let_leave(&mut self, now: Instant, out: &mut impl Outbox) {
        for place in 0..self.links.as_ref().map_or(0, |links| links.len()) {
            for &direction in Direction::ALL {
                while let Some(left) = self.links(now).pair_mut(place).link_mut(direction).pop(now) {
                    let passage = Passage { place, ..left.datagram.passage };
                    self.leave(&passage, &left.datagram.payload, Verdict::of(&left), out);
                }
            }
        }
    }

    /// Lets a datagram leave that a link has let go.
    fn leave(&mut self, passage: &Passage, payload: &[u8], verdict: Verdict, out: &mut impl Outbox) {
        let left = out.clock().monotonic;
        if self.peers.get(passage.upstream).is_none() {
            self.report.own.of_mut(passage.direction).forgotten += 1;
            return self.tell_departure(passage, payload, verdict, left, (Leaving::Forgotten, None), out);
        }
        // Each socket sends what waits at it together; among sockets, the order is that in which datagrams leave.
        if let Some(before) = self.left_by.replace(passage.via)
            && before != passage.via
        {
            out.settle(before);
        }
        let mut changed = std::mem::take(&mut self.scratch);
        let payload = match verdict.departure.flipped_bit {
            None => payload,
            Some(_) => {
                changed.clear();
                changed.extend_from_slice(payload);
                verdict.departure.corrupt(&mut changed);
                &changed
            }
        };
        let class = passage.transmit.traffic_class.map(|class| verdict.departure.mark(class));
        let mut transmit = passage.transmit.traffic_class(class);
        if passage.direction == Direction::Up {
            // It may be somewhere else by now; what it answers from its old address would be ignored.
            transmit.destination = self.options.target;
        }
        let marked = Passage { transmit, ..*passage };
        let sent = (passage.via, self.sent_through.get(passage.via.index()).copied().unwrap_or(0));
        self.forward(&marked, payload, payload.len(), out);
        let figures = self.report.own.of_mut(passage.direction);
        figures.decided_delay.add(verdict.at.saturating_duration_since(passage.entered));
        figures.achieved_delay.add(left.saturating_duration_since(passage.entered));
        figures.lateness.add(left.saturating_duration_since(verdict.at));
        self.tell_departure(passage, payload, verdict, left, (Leaving::Forwarded, Some(sent)), out);
        self.scratch = changed;
    }

    fn tell_departure(
        &self,
        passage: &Passage,
        payload: &[u8],
        verdict: Verdict,
        left: Instant,
        (leaving, sent): (Leaving, Option<(SocketId, u64)>),
        out: &mut impl Outbox,
    ) {
        let Some(links) = self.links.as_ref().filter(|_| self.options.report_fates) else { return };
        let pair = links.pair(passage.place);
        let Passage { direction, peer, entered, .. } = *passage;
        let Verdict { number, is_copy, departure, at } = verdict;
        let impairment = pair.link(direction).impairment();
        let departed = Departed::new(direction, peer, payload, number, entered, departure, impairment);
        let departed = Departed { network: pair.network, is_copy, decided: at, left, leaving, sent, ..departed };
        out.emit(Event::Left(departed));
    }

    /// Sends datagrams of `segment` bytes each on, and copies of them where some are wanted.
    pub(super) fn forward(&mut self, passage: &Passage, payload: &[u8], segment: usize, out: &mut impl Outbox) {
        let count = payload.len().div_ceil(segment.max(1)).max(1);
        if passage.direction == Direction::Up && self.options.proxy_protocol {
            return self.forward_with_header(passage, payload, segment, out);
        }
        self.send(passage, payload, segment, count, out);
    }

    /// The same, with a header before each that says who sent it.
    fn forward_with_header(&mut self, passage: &Passage, payload: &[u8], segment: usize, out: &mut impl Outbox) {
        let asked = self.peers.get(passage.upstream).map_or(passage.peer, |peer| peer.asked);
        let mut whole = Vec::with_capacity(64 + segment);
        put_header(&mut whole, passage.peer, asked);
        let header = whole.len();
        let mut pieces = payload.chunks(segment.max(1));
        let mut piece = pieces.next().unwrap_or_default();
        loop {
            whole.truncate(header);
            whole.extend_from_slice(piece);
            self.send(passage, &whole, whole.len(), 1, out);
            let Some(next) = pieces.next() else { return };
            piece = next;
        }
    }

    fn send(&mut self, passage: &Passage, payload: &[u8], segment: usize, count: usize, out: &mut impl Outbox) {
        let send = |transmit: &Transmit, out: &mut _| put(out, passage.via, transmit, payload, segment, count);
        if self.options.report_fates {
            let each = 1 + if passage.direction == Direction::Up { self.options.copies_to.len() } else { 0 };
            self.count_sent(passage.via, count * each);
        }
        send(&passage.transmit, out);
        self.report.own.of_mut(passage.direction).forwarded.add(count, payload.len());
        self.report.sent.add(count, payload.len());
        if passage.direction == Direction::Up {
            for &(destination, is_to_many) in &self.copies_to {
                let transmit = Transmit { destination, ..passage.transmit };
                let hops = transmit.hop_limit.unwrap_or(u8::MAX).clamp(2, self.most_hops_to_many());
                send(&if is_to_many { transmit.hop_limit(hops) } else { transmit }, out);
                self.report.own.copied.add(count, payload.len());
                self.report.sent.add(count, payload.len());
            }
        }
    }

    /// Notes that so many datagrams are sent through a socket.
    fn count_sent(&mut self, via: SocketId, count: usize) {
        if self.sent_through.len() <= via.index() {
            self.sent_through.resize(via.index() + 1, 0);
        }
        self.sent_through[via.index()] += count as u64;
    }

    /// Gives up what is under way on the links of this place.
    pub(super) fn give_up(&mut self, place: usize, now: Instant, out: &mut impl Outbox) {
        for &direction in Direction::ALL {
            for left in self.links(now).pair_mut(place).link_mut(direction).take_under_way() {
                self.report.own.of_mut(direction).unfinished += 1;
                let passage = Passage { place, ..left.datagram.passage };
                let payload = &left.datagram.payload;
                self.tell_departure(&passage, payload, Verdict::of(&left), now, (Leaving::Unfinished, None), out);
            }
        }
    }

    /// Gives up what is under way anywhere.
    pub(super) fn give_up_all(&mut self, now: Instant, out: &mut impl Outbox) {
        for place in 0..self.links.as_ref().map_or(0, |links| links.len()) {
            self.give_up(place, now, out);
        }
    }

    /// Which way something went that was sent through this socket to this address; `None`: it was a copy.
    pub(super) fn direction_of(&self, via: SocketId, destination: SocketAddr) -> Option<Direction> {
        let is_copy = || self.options.copies_to.contains(&destination);
        match () {
            () if self.is_listening(via) => Some(Direction::Down),
            () if destination != self.options.target && is_copy() => None,
            () => Some(Direction::Up),
        }
    }
}

/// Sends datagrams of `segment` bytes each, so many of them.
fn put(out: &mut impl Outbox, via: SocketId, transmit: &Transmit, payload: &[u8], segment: usize, count: usize) {
    match count {
        1 => out.send(via, transmit, payload),
        _ => out.send_train(via, transmit, payload, segment),
    }
}
