//! Puts datagrams together again that were sent in fragments (RFC 791 section 3.2, RFC 8200 section 4.5).

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::network::{Fragment, Packet};

/// Datagrams that can be unfinished at a time; the oldest makes room for another.
const MAX_DATAGRAMS: usize = 1024;
/// Memory that unfinished datagrams can have, together, in bytes.
pub(crate) const MAX_BYTES: usize = 16 << 20;
/// Time of the capture after which the rest of an IPv4 datagram does not come any more (as Linux has it).
const PATIENCE_IPV4: Duration = Duration::from_secs(30);
/// The same of an IPv6 datagram (RFC 8200 section 4.5).
const PATIENCE_IPV6: Duration = Duration::from_secs(60);

/// What all fragments of a datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Identity {
    /// Interface of the capture.
    interface: u32,
    network: u64,
    source: IpAddr,
    destination: IpAddr,
    identification: u32,
    /// In IPv4 alone (RFC 791 section 3.2): in IPv6 that of the first part counts.
    protocol: Option<u8>,
}

/// A datagram of which not all is there.
#[derive(Debug)]
struct Unfinished {
    /// When its first fragment came; younger ones of the same key are other datagrams.
    begun: u64,
    time: Option<Duration>,
    /// Fragments, as packets.
    packets: u64,
    bytes: Vec<u8>,
    /// Which bytes are there, in order, without overlaps.
    parts: Vec<(usize, usize)>,
    /// How many bytes that is.
    there: usize,
    /// Where it ends, once the last fragment is there.
    end: Option<usize>,
    /// From the first part: protocol, hop limit, traffic class.
    head: Option<(u8, u8, u8)>,
    /// Parts overlapped: nothing becomes of it, and of those that still come.
    spoilt: bool,
}

/// A datagram that is complete.
#[derive(Debug)]
pub(crate) struct Whole {
    /// What its first part begins with: UDP, or an IPv6 extension header.
    pub(crate) protocol: u8,
    /// Hop limit of its first part.
    pub(crate) hop_limit: u8,
    /// Traffic class of its first part.
    pub(crate) traffic_class: u8,
    /// Fragments that it came in.
    pub(crate) packets: u64,
}

/// Fragments that wait for the others; at most [`MAX_DATAGRAMS`] and [`MAX_BYTES`].
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    unfinished: HashMap<Identity, Unfinished>,
    /// In order of their beginning; of those that ended since, too, but never more than twice as many.
    order: VecDeque<(Identity, u64)>,
    begun: u64,
    held: usize,
    /// The body of the datagram that was completed last.
    body: Vec<u8>,
    /// Fragments that did not make a datagram, those that still wait among them.
    missing: u64,
    /// Those of datagrams with overlapping parts, of which none is missing.
    overlapping: u64,
}

impl Packet {
    /// Makes the packet of the last fragment that of the whole: what differs by part is that of the first.
    pub(crate) fn become_whole(&mut self, whole: &Whole) {
        let Whole { protocol, hop_limit, traffic_class, .. } = *whole;
        (self.protocol, self.hop_limit, self.traffic_class) = (protocol, hop_limit, traffic_class);
    }
}

impl Identity {
    fn new(interface: u32, packet: &Packet, fragment: Fragment) -> Self {
        let Packet { network, source, destination, protocol, .. } = *packet;
        let protocol = Some(protocol).filter(|_| source.is_ipv4());
        Self { interface, network, source, destination, identification: fragment.identification, protocol }
    }

    /// How long the rest is waited for.
    fn patience(&self) -> Duration {
        if self.source.is_ipv4() { PATIENCE_IPV4 } else { PATIENCE_IPV6 }
    }
}

impl Reassembly {
    /// Adds a fragment, which came in so many packets of the capture: one, unless a tunnel's packet came in fragments itself.
    /// Returns the datagram, if it was the last that was missing.
    pub(crate) fn add(
        &mut self,
        (interface, packets): (u32, u64),
        time: Option<Duration>,
        packet: &Packet,
        fragment: Fragment,
        part: &[u8],
    ) -> Option<Whole> {
        let key = Identity::new(interface, packet, fragment);
        if self.unfinished.get(&key).is_some_and(|old| old.is_over(time, key.patience())) {
            self.forget(&key);
        }
        if !self.unfinished.contains_key(&key) {
            self.begin(key, time);
        }
        let unfinished = self.unfinished.get_mut(&key)?;
        let (memory, was_spoilt) = (unfinished.memory(), unfinished.spoilt);
        unfinished.packets += packets;
        unfinished.add(packet, fragment, part);
        self.held = self.held - memory + unfinished.memory();
        self.missing += packets;
        if unfinished.spoilt {
            let spoilt = if was_spoilt { packets } else { unfinished.packets };
            self.missing -= spoilt;
            self.overlapping += spoilt;
        }
        let whole = unfinished.whole();
        if let Some(whole) = &whole
            && let Some(done) = self.unfinished.remove(&key)
        {
            self.held -= done.memory();
            self.missing -= whole.packets;
            self.body = done.bytes;
        }
        while self.held > MAX_BYTES {
            self.forget_oldest();
        }
        whole
    }

    /// The body of the datagram that was completed last.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Hands over the body of the datagram that was completed last.
    pub(crate) fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }

    /// Fragments of datagrams that were never completed, those still unfinished among them.
    pub(crate) fn missing(&self) -> u64 {
        self.missing
    }

    /// Fragments of datagrams with overlapping parts.
    pub(crate) fn overlapping(&self) -> u64 {
        self.overlapping
    }

    /// Bytes of memory that fragments have now, counted anew.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn held(&self) -> usize {
        let held = self.unfinished.values().map(Unfinished::memory).sum();
        assert_eq!(self.held, held, "the account is wrong");
        assert!(self.unfinished.len() <= MAX_DATAGRAMS && self.order.len() <= 2 * MAX_DATAGRAMS);
        held
    }

    fn begin(&mut self, key: Identity, time: Option<Duration>) {
        if self.unfinished.len() >= MAX_DATAGRAMS {
            self.forget_oldest();
        }
        if self.order.len() >= 2 * MAX_DATAGRAMS {
            self.order.retain(|(key, begun)| self.unfinished.get(key).is_some_and(|it| it.begun == *begun));
        }
        self.begun += 1;
        let begun = self.begun;
        self.order.push_back((key, begun));
        let unfinished = Unfinished {
            begun,
            time,
            packets: 0,
            bytes: Vec::new(),
            parts: Vec::new(),
            there: 0,
            end: None,
            head: None,
            spoilt: false,
        };
        self.unfinished.insert(key, unfinished);
    }

    fn forget_oldest(&mut self) {
        while let Some((key, begun)) = self.order.pop_front() {
            if self.unfinished.get(&key).is_some_and(|it| it.begun == begun) {
                return self.forget(&key);
            }
        }
    }

    fn forget(&mut self, key: &Identity) {
        let Some(unfinished) = self.unfinished.remove(key) else { return };
        self.held -= unfinished.memory();
    }
}

impl Unfinished {
    /// Bytes of memory besides its own.
    fn memory(&self) -> usize {
        self.bytes.capacity() + self.parts.capacity() * size_of::<(usize, usize)>()
    }

    /// Whether a fragment of this time belongs to another datagram with the same identification.
    fn is_over(&self, time: Option<Duration>, patience: Duration) -> bool {
        let (Some(first), Some(now)) = (self.time, time) else { return false };
        now.abs_diff(first) > patience
    }

    fn add(&mut self, packet: &Packet, fragment: Fragment, part: &[u8]) {
        if self.spoilt {
            return;
        }
        let (start, end) = (fragment.offset, fragment.offset + part.len());
        let place = self.parts.partition_point(|&(_, part_end)| part_end <= start);
        let overlaps = self.parts.get(place).is_some_and(|&(part_start, _)| part_start < end);
        let same_end = fragment.more != (self.end == Some(end));
        if overlaps && same_end && self.parts[place] == (start, end) && self.bytes[start..end] == *part {
            // The same once more (RFC 8200 section 4.5): a capture of several interfaces has it often.
            return;
        }
        let wrong_end = self.end.is_some_and(|known| end > known);
        let behind_end = !fragment.more && self.parts.last().is_some_and(|&(_, last)| last > end);
        if overlaps || wrong_end || behind_end {
            self.spoilt = true;
            self.bytes = Vec::new();
            self.parts = Vec::new();
            return;
        }
        self.parts.insert(place, (start, end));
        self.there += part.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[start..end].copy_from_slice(part);
        if !fragment.more {
            self.end = Some(end);
        }
        if start == 0 {
            self.head = Some((packet.protocol, packet.hop_limit, packet.traffic_class));
        }
    }

    fn whole(&self) -> Option<Whole> {
        let (protocol, hop_limit, traffic_class) = self.head?;
        let end = self.end?;
        (self.there == end && !self.spoilt).then_some(Whole {
            protocol,
            hop_limit,
            traffic_class,
            packets: self.packets,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    fn packet(source: u8, hop_limit: u8) -> Packet {
        Packet {
            source: IpAddr::from([10, 0, 0, source]),
            destination: IpAddr::from([10, 0, 0, 200]),
            hop_limit,
            traffic_class: 0,
            network: 0,
            protocol: 17,
            len: 0,
            body: 0..0,
            fragment: None,
        }
    }

    /// A part of datagram 7: its bytes are their own places in the datagram.
    fn part(reassembly: &mut Reassembly, start: usize, len: usize, more: bool) -> Option<Whole> {
        let fragment = Fragment { identification: 7, offset: start, more };
        let hop_limit = if start == 0 { 64 } else { 1 };
        reassembly.add((0, 1), None, &packet(1, hop_limit), fragment, &bytes(start..start + len))
    }

    fn bytes(places: Range<usize>) -> Vec<u8> {
        places.map(|place| u8::try_from(place % 251).unwrap()).collect()
    }

    #[test]
    fn parts_in_any_order_make_the_datagram() {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut reassembly = Reassembly::default();
            let parts = [(0, 16, true), (16, 8, true), (24, 5, false)];
            for (count, (start, len, more)) in (1..).zip(order.map(|place| parts[place])) {
                let whole = part(&mut reassembly, start, len, more);
                assert_eq!(whole.is_some(), count == 3);
                if let Some(whole) = whole {
                    assert_eq!((whole.protocol, whole.hop_limit, whole.packets), (17, 64, 3));
                }
            }
            assert_eq!(reassembly.body(), bytes(0..29));
            assert_eq!((reassembly.missing(), reassembly.overlapping(), reassembly.held), (0, 0, 0));
        }
    }

    #[test]
    fn the_same_part_twice_is_no_harm() {
        let mut reassembly = Reassembly::default();
        assert!(part(&mut reassembly, 0, 16, true).is_none());
        assert!(part(&mut reassembly, 0, 16, true).is_none());
        assert_eq!(part(&mut reassembly, 16, 1, false).map(|whole| whole.packets), Some(3));
        assert_eq!(reassembly.body(), bytes(0..17));
    }

    #[test]
    fn parts_that_overlap_spoil_all_of_the_datagram() {
        for (start, len, more) in [(8, 16, true), (0, 8, true), (0, 24, true), (8, 1, false), (0, 16, false)] {
            let mut reassembly = Reassembly::default();
            part(&mut reassembly, 0, 16, true);
            part(&mut reassembly, start, len, more);
            assert!(part(&mut reassembly, 16, 8, false).is_none(), "{start} {len}");
            assert_eq!((reassembly.missing(), reassembly.overlapping()), (0, 3), "{start} {len}");
            assert_eq!(reassembly.held, 0);
        }
    }

    #[test]
    fn other_bytes_in_the_same_place_spoil_it_too() {
        let mut reassembly = Reassembly::default();
        part(&mut reassembly, 0, 16, true);
        let fragment = Fragment { identification: 7, offset: 0, more: true };
        reassembly.add((0, 1), None, &packet(1, 64), fragment, &[0xff; 16]);
        assert!(part(&mut reassembly, 16, 8, false).is_none());
        assert_eq!(reassembly.overlapping(), 3);
    }

    #[test]
    fn ends_that_contradict_each_other_spoil_it() {
        let contradictions = [
            ((8, 8, false), (16, 8, true)),
            ((8, 8, false), (24, 8, false)),
            ((8, 8, false), (0, 8, false)),
            ((16, 8, true), (0, 8, false)),
        ];
        for (first, second) in contradictions {
            let mut reassembly = Reassembly::default();
            for (start, len, more) in [first, second] {
                part(&mut reassembly, start, len, more);
            }
            assert_eq!(reassembly.overlapping(), 2, "{first:?} {second:?}");
        }
    }

    #[test]
    fn datagrams_of_others_are_apart() {
        let mut reassembly = Reassembly::default();
        part(&mut reassembly, 0, 8, true);
        let rest = Fragment { identification: 7, offset: 8, more: false };
        assert!(reassembly.add((0, 1), None, &packet(2, 1), rest, b"b").is_none());
        assert!(reassembly.add((1, 1), None, &packet(1, 1), rest, b"c").is_none());
        assert!(reassembly.add((0, 1), None, &Packet { network: 5, ..packet(1, 1) }, rest, b"d").is_none());
        assert!(reassembly.add((0, 1), None, &packet(1, 1), Fragment { identification: 8, ..rest }, b"e").is_none());
        assert!(reassembly.add((0, 1), None, &packet(1, 1), rest, b"f").is_some());
        assert_eq!((reassembly.body()[8], reassembly.missing()), (b'f', 4));
    }

    #[test]
    fn a_part_is_waited_for_half_a_minute_in_ipv4_and_a_minute_in_ipv6() {
        let v4 = packet(1, 64);
        let v6 = Packet { source: [0xfd; 16].into(), destination: [0xfe; 16].into(), ..packet(1, 64) };
        for (packet, patience) in [(v4, 30), (v6, 60)] {
            for now in [100 - patience - 1, 100 - patience, 100 + patience, 100 + patience + 1] {
                let mut reassembly = Reassembly::default();
                let fragment = |offset, more| Fragment { identification: 7, offset, more };
                let at = |seconds| Some(Duration::from_secs(seconds));
                reassembly.add((0, 1), at(100), &packet, fragment(0, true), &[0; 8]);
                let second = reassembly.add((0, 1), at(now), &packet, fragment(8, false), &[1; 8]);
                if now.abs_diff(100) <= patience {
                    assert!(second.is_some(), "{now}");
                    continue;
                }
                assert!(second.is_none(), "{now}: it is of another datagram");
                assert!(reassembly.add((0, 1), at(now), &packet, fragment(0, true), &[2; 8]).is_some());
                assert_eq!((reassembly.body(), reassembly.missing()), (&[[2; 8], [1; 8]].concat()[..], 1));
            }
        }
    }

    #[test]
    fn fragments_of_another_protocol_are_of_another_packet_in_ipv4_alone() {
        let fragment = |offset, more| Fragment { identification: 7, offset, more };
        let v6 = Packet { source: [0xfd; 16].into(), destination: [0xfe; 16].into(), ..packet(1, 64) };
        for (udp, joined) in [(packet(1, 64), false), (v6, true)] {
            let mut reassembly = Reassembly::default();
            let gre = Packet { protocol: 47, ..udp.clone() };
            assert!(reassembly.add((0, 1), None, &udp, fragment(0, true), &[0; 8]).is_none());
            let whole = reassembly.add((0, 1), None, &gre, fragment(8, false), &[1; 8]);
            assert_eq!(whole.map(|whole| whole.protocol), joined.then_some(17));
        }
    }

    #[test]
    fn a_fragment_that_came_in_several_packets_counts_as_so_many() {
        let mut reassembly = Reassembly::default();
        let fragment = |offset, more| Fragment { identification: 7, offset, more };
        reassembly.add((0, 3), None, &packet(1, 64), fragment(0, true), &[0; 8]);
        assert_eq!(reassembly.missing(), 3);
        reassembly.add((0, 2), None, &packet(1, 64), fragment(0, true), &[1; 8]);
        reassembly.add((0, 4), None, &packet(1, 64), fragment(8, true), &[1; 8]);
        assert_eq!((reassembly.missing(), reassembly.overlapping()), (0, 9));
        let other = Packet { source: [10, 0, 0, 9].into(), ..packet(1, 64) };
        reassembly.add((0, 3), None, &other, fragment(0, true), &[0; 8]);
        let whole = reassembly.add((0, 2), None, &other, fragment(8, false), &[0; 8]);
        assert_eq!((whole.map(|whole| whole.packets), reassembly.missing()), (Some(5), 0));
    }

    #[test]
    fn what_is_never_finished_costs_bounded_memory() {
        let mut reassembly = Reassembly::default();
        let mut number = 0;
        for (offset, len) in [(0, 8), (65_520, 8), (0, 60_000)] {
            for _ in 0..1500 {
                number += 1;
                let fragment = Fragment { identification: number, offset, more: true };
                assert!(reassembly.add((0, 1), None, &packet(1, 64), fragment, &vec![0; len]).is_none());
                assert!(reassembly.held <= MAX_BYTES);
                assert!(reassembly.unfinished.len() <= MAX_DATAGRAMS && reassembly.order.len() <= 2 * MAX_DATAGRAMS);
            }
        }
        let held: usize = reassembly.unfinished.values().map(Unfinished::memory).sum();
        assert_eq!((reassembly.held, reassembly.missing()), (held, u64::from(number)));
    }

    #[test]
    fn the_oldest_makes_room_whatever_was_finished_since() {
        let mut reassembly = Reassembly::default();
        let mut add = |number: usize, offset, more| {
            let fragment = Fragment { identification: u32::try_from(number).unwrap(), offset, more };
            reassembly.add((0, 1), None, &packet(1, 64), fragment, &[0; 8]).is_some()
        };
        let [oldest, again] = [1, 2];
        add(again, 0, true);
        add(oldest, 0, true);
        assert!(add(again, 8, false), "it is finished, and begins anew as the youngest");
        add(again, 0, true);
        for number in 0..2 * MAX_DATAGRAMS {
            add(10_000 + number, 0, true);
            assert!(add(10_000 + number, 8, false));
        }
        for number in 2..MAX_DATAGRAMS {
            add(20_000 + number, 0, true);
        }
        add(30_000, 0, true);
        assert!(add(again, 8, false) && !add(oldest, 8, false));
        assert_eq!((reassembly.unfinished.len(), reassembly.missing()), (MAX_DATAGRAMS, MAX_DATAGRAMS as u64 + 1));
    }

    #[test]
    fn every_fragment_is_counted_once_at_every_moment() {
        let mut reassembly = Reassembly::default();
        let (mut state, mut joined, mut given_up) = (1_u64, 0, [0; 2]);
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for count in 1..=6_000 {
            let (place, identification) = (random(3), u32::try_from(random(2000)).unwrap());
            // Some overlap, some end too soon, some come long after the others.
            let len = if random(3) == 0 { 16 } else { 8 };
            let fragment = Fragment { identification, offset: usize::try_from(place).unwrap() * 8, more: place < 2 };
            let time = Some(Duration::from_secs(random(40)));
            let whole = reassembly.add((0, 1), time, &packet(1, 64), fragment, &[0; 16][..len]);
            joined += whole.map_or(0, |whole| whole.packets);
            let counts = [reassembly.missing(), reassembly.overlapping()];
            assert_eq!(counts[0] + counts[1] + joined, count);
            for (spoilt, count) in [false, true].into_iter().zip(counts) {
                let waiting = reassembly.unfinished.values().filter(|it| it.spoilt == spoilt).map(|it| it.packets);
                let gone = count - waiting.sum::<u64>();
                assert!(gone >= given_up[usize::from(spoilt)], "what was given up stays so");
                given_up[usize::from(spoilt)] = gone;
            }
        }
        assert!(joined > 200 && given_up.iter().all(|&count| count > 200), "{joined} {given_up:?}");
    }

    #[test]
    fn many_small_parts_count_by_what_they_cost() {
        let mut reassembly = Reassembly::default();
        for place in (0..8000).rev().step_by(2) {
            part(&mut reassembly, place * 8, 8, true);
        }
        assert!(reassembly.held >= 8000 * 8 + 4000 * 16);
    }

    #[test]
    fn finished_datagrams_leave_nothing_behind() {
        let mut reassembly = Reassembly::default();
        for number in 0..10_000 {
            let fragment = |offset, more| Fragment { identification: number, offset, more };
            assert!(reassembly.add((0, 1), None, &packet(1, 64), fragment(0, true), &[0; 8]).is_none());
            assert!(reassembly.add((0, 1), None, &packet(1, 64), fragment(8, false), &[0; 8]).is_some());
        }
        assert!(
            reassembly.unfinished.is_empty() && reassembly.held == 0 && reassembly.order.len() <= 2 * MAX_DATAGRAMS
        );
    }
}
