//! Captures of senders with segmentation offload: where the network card was to cut what a program sent, several datagrams
//! are in them as one, longer than any link takes.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use udpkit_capture::Captured;

/// Flows that are looked at; datagrams of others are only counted.
const MAX_FLOWS: usize = 256;
/// Lengths that are kept of a flow; others are not looked at.
const MAX_LENGTHS: usize = 16;
/// The longest packet that most links carry, in bytes.
const LINK: usize = 1500;
/// Datagrams that Linux cuts one into, at most (UDP_MAX_SEGMENTS, as it was up to Linux 6.8).
const FULL: usize = 64;
/// The same since then.
const MOST: usize = 128;

/// How long the datagrams of a capture are, to find out what the card was to cut.
#[derive(Clone, Debug, Default)]
pub(super) struct Offload {
    /// Datagrams longer than most links carry.
    pub(super) oversized: u64,
    /// At most [`MAX_FLOWS`].
    flows: HashMap<[SocketAddr; 2], Flow>,
}

/// How long the datagrams from one address to another are.
#[derive(Clone, Debug, Default)]
struct Flow {
    oversized: Lengths,
    others: Lengths,
}

/// How many there are of each length; at most [`MAX_LENGTHS`].
#[derive(Clone, Debug, Default)]
struct Lengths(BTreeMap<usize, u64>);

impl Lengths {
    fn add(&mut self, length: usize) {
        if self.0.len() < MAX_LENGTHS || self.0.contains_key(&length) {
            *self.0.entry(length).or_default() += 1;
        }
    }

    fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The length that most have; of several, the longest.
    fn commonest(&self) -> Option<usize> {
        self.0.iter().max_by_key(|(_, count)| **count).map(|(length, _)| *length)
    }
}

impl Offload {
    /// Takes a datagram that is to be sent.
    pub(super) fn add(&mut self, datagram: &Captured<'_>) {
        self.oversized += u64::from(datagram.is_oversized);
        let ends = [datagram.source, datagram.destination];
        if self.flows.len() == MAX_FLOWS && !self.flows.contains_key(&ends) {
            return;
        }
        let flow = self.flows.entry(ends).or_default();
        let lengths = if datagram.is_oversized { &mut flow.oversized } else { &mut flow.others };
        lengths.add(datagram.payload.len());
    }

    /// How long the datagrams were that the card was to cut, if the capture lets it be guessed: from the flow with the most
    /// of them.
    pub(super) fn guess(&self) -> Option<usize> {
        let most = |(_, flow): &(&[SocketAddr; 2], &Flow)| (flow.oversized.count(), flow.oversized.commonest());
        let (ends, flow) = self.flows.iter().max_by_key(most)?;
        let [commonest, longest] = [flow.oversized.commonest()?, *flow.oversized.0.last_key_value()?.0];
        let limit = LINK - udpkit::header_len(ends[0].ip());
        let divisor = flow.oversized.0.keys().fold(0, |divisor, length| greatest_divisor(divisor, *length));
        let fits = |length: &usize| (1..=limit).contains(length) && longest.div_ceil(*length) <= MOST;
        // What else the flow has; as many as the system cuts; what divides all, where that says something.
        let others = flow.others.commonest().filter(|length| *length > 0 && commonest.is_multiple_of(*length));
        let full = Some(longest / FULL).filter(|length| *length > 0 && divisor.is_multiple_of(*length));
        let full = full.filter(|_| longest.is_multiple_of(FULL));
        let shared = Some(divisor).filter(|_| flow.oversized.0.len() > 1);
        [others, full, shared].into_iter().flatten().find(fits)
    }

    /// What to do about it, as advice.
    pub(super) fn hint(&self) -> Option<String> {
        match self.guess() {
            _ if self.oversized == 0 => None,
            Some(length) => Some(format!("--segment {length} cuts them back (a guess, from how long they are)")),
            None => Some("--segment N cuts them back into datagrams of N bytes".to_owned()),
        }
    }
}

fn greatest_divisor(one: usize, other: usize) -> usize {
    if other == 0 { one } else { greatest_divisor(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is guessed of a flow with these lengths, some of them longer than a link carries.
    fn guess(source: &str, lengths: &[(usize, u64)]) -> Option<usize> {
        let (source, bytes) = (source.parse().unwrap(), vec![0; 65_535]);
        let mut offload = Offload::default();
        for (length, count) in lengths {
            let datagram = Captured::new(source, source, &bytes[..*length]).is_oversized(length + 28 > LINK);
            (0..*count).for_each(|_| offload.add(&datagram));
        }
        offload.guess()
    }

    #[test]
    fn a_length_is_guessed_from_the_flow_or_from_what_the_system_cuts() {
        let v4 = |lengths: &[(usize, u64)]| guess("192.0.2.1:4000", lengths);
        // One full frame; full ones, and the rest; less than full ones, which share a length.
        assert_eq!(v4(&[(19_200, 1)]), Some(300));
        assert_eq!(v4(&[(19_200, 46), (16_800, 1)]), Some(300));
        assert_eq!(v4(&[(12_000, 9), (3600, 2)]), Some(1200));
        // What else is in the flow says more than that.
        assert_eq!(v4(&[(19_200, 9), (600, 3), (100, 2)]), Some(600));
        assert_eq!(v4(&[(19_200, 9), (700, 3)]), Some(300));
        assert_eq!(v4(&[(12_000, 9), (1200, 1)]), Some(1200));
        // Nothing says how long they were.
        assert_eq!(v4(&[(12_000, 9)]), None);
        assert_eq!(v4(&[(10_007, 3), (9001, 3)]), None);
        assert_eq!(v4(&[(1200, 9)]), None);
        assert_eq!(guess("[::1]:4000", &[(23 * 1452, 2), (2 * 1452, 1), (1452, 1)]), Some(1452));
        assert_eq!(v4(&[]), None);
    }

    #[test]
    fn any_number_of_flows_and_lengths_takes_bounded_memory() {
        let (mut offload, bytes) = (Offload::default(), vec![0; 65_535]);
        for port in 1..2000 {
            for length in [0, 1, 2000, 3000].map(|length| length + usize::from(port)) {
                let (source, destination) = (([10, 0, 0, 1], port % 400).into(), ([10, 0, 0, 2], 9).into());
                offload.add(&Captured::new(source, destination, &bytes[..length]).is_oversized(length > 1999));
            }
        }
        assert!(offload.oversized >= 3998 && offload.flows.len() == MAX_FLOWS);
        let longest = |flow: &Flow| flow.oversized.0.len().max(flow.others.0.len());
        assert!(offload.flows.values().all(|flow| longest(flow) <= MAX_LENGTHS));
    }
}
