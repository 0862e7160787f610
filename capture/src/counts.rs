//! What becomes of the packets of a capture.

/// How many packets of a capture became datagrams, and what the others were: each stands in exactly one count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketCounts {
    /// Packets in the capture.
    pub packets: u64,
    /// Datagrams that were read.
    pub datagrams: u64,
    /// Fragments of them, beyond one for each datagram.
    pub joined: u64,
    /// Datagrams, of those that were read, that are VXLAN with a frame in it;
    /// [`ReadOptions::decapsulate`](crate::ReadOptions::decapsulate) reads that instead.
    pub vxlan: u64,
    /// Packets that were dropped when the capture was made, as it tells itself: none of them is among the others.
    pub dropped: u64,
    /// Packets that were unusable, by reason, in the order of the reasons.
    pub(crate) unusable: [u64; Unusable::ALL.len()],
}

impl PacketCounts {
    /// How many packets were unusable for this reason.
    #[must_use]
    pub fn unusable(&self, why: Unusable) -> u64 {
        self.unusable[why as usize]
    }

    /// Adds what became of the packets of another reading.
    pub fn merge(&mut self, other: &Self) {
        self.packets += other.packets;
        self.datagrams += other.datagrams;
        self.joined += other.joined;
        self.vxlan += other.vxlan;
        self.dropped = self.dropped.saturating_add(other.dropped);
        for (ours, theirs) in self.unusable.iter_mut().zip(other.unusable) {
            *ours += theirs;
        }
    }

    /// Packets that [`ReadOptions::decapsulate`](crate::ReadOptions::decapsulate) would have looked into.
    #[must_use]
    pub fn tunnels(&self) -> u64 {
        let inside = [Unusable::InsideGre, Unusable::InsideIpip, Unusable::Inside6in4];
        self.vxlan + inside.into_iter().map(|why| self.unusable(why)).sum::<u64>()
    }

    /// Whether every packet stands in exactly one count; a defect here if not.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.packets == self.datagrams + self.joined + self.unusable.iter().sum::<u64>()
    }
}

/// Why a captured packet gives no datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unusable {
    /// The packet is of a kind of network that we do not know.
    UnknownLink,
    /// The packet is neither IPv4 nor IPv6.
    NotIp,
    /// The packet is encrypted where it would be IP: by Wi-Fi, or by MACsec.
    Encrypted,
    /// The frame is a piece of a Wi-Fi frame, or has several packets in it.
    Aggregated,
    /// The packet is a segment of TCP.
    Tcp,
    /// The packet is neither UDP nor TCP.
    NotUdp,
    /// The packet is a tunnel of GRE; [`ReadOptions::decapsulate`](crate::ReadOptions::decapsulate) reads what is in it.
    InsideGre,
    /// The packet has IPv4 in it; [`ReadOptions::decapsulate`](crate::ReadOptions::decapsulate) reads that.
    InsideIpip,
    /// The packet has IPv6 in it; [`ReadOptions::decapsulate`](crate::ReadOptions::decapsulate) reads that.
    Inside6in4,
    /// Headers contradict themselves, or end too soon.
    BadHeader,
    /// The capture has only the beginning of the packet (its snap length).
    CutShort,
    /// The packet is longer than any can be.
    TooLong,
    /// The packet is a part of a datagram of which other parts are missing.
    MissingFragments,
    /// The packet overlaps another part of its datagram, or is of a datagram with such parts, which must not be put
    /// together (RFC 5722).
    OverlappingFragments,
}

impl Unusable {
    /// Every reason, in the order in which they are shown.
    pub const ALL: &[Self] = &[
        Self::UnknownLink,
        Self::NotIp,
        Self::Encrypted,
        Self::Aggregated,
        Self::Tcp,
        Self::NotUdp,
        Self::InsideGre,
        Self::InsideIpip,
        Self::Inside6in4,
        Self::BadHeader,
        Self::CutShort,
        Self::TooLong,
        Self::MissingFragments,
        Self::OverlappingFragments,
    ];

    /// The reason as a key of JSON and the like: `cut_short`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::UnknownLink => "unknown_link",
            Self::NotIp => "not_ip",
            Self::Encrypted => "encrypted",
            Self::Aggregated => "aggregated",
            Self::Tcp => "tcp",
            Self::NotUdp => "not_udp",
            Self::InsideGre => "inside_gre",
            Self::InsideIpip => "inside_ipip",
            Self::Inside6in4 => "inside_6in4",
            Self::BadHeader => "bad_header",
            Self::CutShort => "cut_short",
            Self::TooLong => "too_long",
            Self::MissingFragments => "missing_fragments",
            Self::OverlappingFragments => "overlapping_fragments",
        }
    }

    /// What such packets are, for people: `3 cut short by the capture`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::UnknownLink => "of an unknown link type",
            Self::NotIp => "not IP",
            Self::Encrypted => "encrypted (Wi-Fi or MACsec)",
            Self::Aggregated => "pieces or bundles of Wi-Fi frames",
            Self::Tcp => "TCP",
            Self::NotUdp => "neither UDP nor TCP",
            Self::InsideGre => "inside GRE",
            Self::InsideIpip => "IPv4 inside IP (IPIP)",
            Self::Inside6in4 => "IPv6 inside IP (6in4)",
            Self::BadHeader => "with bad headers",
            Self::CutShort => "cut short by the capture",
            Self::TooLong => "too long",
            Self::MissingFragments => "fragments without the others",
            Self::OverlappingFragments => "fragments that overlap",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_key_and_words_of_its_own() {
        let mut seen = Vec::new();
        for why in Unusable::ALL {
            assert!(
                why.key().len() > 2
                    && why.key().bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
            );
            assert!(why.words().len() > 2 && !seen.contains(&why.words()) && !seen.contains(&why.key()), "{why:?}");
            seen.extend([why.key(), why.words()]);
        }
    }

    #[test]
    fn counts_of_two_readings_are_added_and_stay_balanced() {
        let of = |unit: u64| PacketCounts {
            packets: 107 * unit,
            datagrams: unit,
            joined: unit,
            dropped: u64::MAX / 5 * unit,
            vxlan: 7 * unit,
            unusable: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14].map(|count| count * unit),
        };
        let mut counts = of(1);
        counts.merge(&of(2));
        assert_eq!(counts, of(3));
        assert!(counts.is_balanced());
        for (&why, count) in Unusable::ALL.iter().zip((3..).step_by(3)) {
            assert_eq!(counts.unusable(why), count, "{why:?}");
        }
        counts.packets += 1;
        assert!(!counts.is_balanced());
        counts.merge(&of(3));
        assert_eq!(counts.dropped, u64::MAX, "what cannot be counted any more is not wrapped");
    }
}
