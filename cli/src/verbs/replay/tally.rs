//! What became of everything in a capture, over all readings of it.

use super::offload::Offload;
use crate::words::units::counted;
use udpkit_capture::{PacketCounts, Unusable};

/// Why a datagram of a capture is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Omission {
    /// It went to a port that was not asked for.
    OtherPort,
    /// It went to port 0, where nothing can be sent.
    PortZero,
    /// Its destination or source is of a family that cannot be sent: this system or the command line leaves it out.
    OtherFamily,
    /// It went to no address at all.
    NoDestination,
    /// It went to a link-local address, and no interface was chosen.
    NoInterface,
    /// Nothing can be sent from the address that it came from.
    NoSource,
    /// There are more sources than sockets.
    NoSocket,
    /// Its payload is longer than the family of the destination carries.
    TooLong,
}

impl Omission {
    pub(super) const ALL: [Self; 8] = [
        Self::OtherPort,
        Self::PortZero,
        Self::OtherFamily,
        Self::NoDestination,
        Self::NoInterface,
        Self::NoSource,
        Self::NoSocket,
        Self::TooLong,
    ];

    /// Its key in JSON.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::OtherPort => "other_port",
            Self::PortZero => "port_zero",
            Self::OtherFamily => "other_family",
            Self::NoDestination => "no_destination",
            Self::NoInterface => "no_interface",
            Self::NoSource => "no_source",
            Self::NoSocket => "no_socket",
            Self::TooLong => "too_long",
        }
    }

    /// Its words in the summary.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::OtherPort => "to other ports (--filter-port)",
            Self::PortZero => "to port 0, where nothing can be sent",
            Self::OtherFamily => "of an address family that is not sent",
            Self::NoDestination => "to no address",
            Self::NoInterface => "between link-local addresses: say on which interface with -i",
            Self::NoSource => "from an address or port that nothing can be sent from",
            Self::NoSocket => "from more sources than there are sockets",
            Self::TooLong => "longer than a datagram to that address can be",
        }
    }
}

/// What became of everything in a capture, over all readings of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// How often it was read, or begun to be.
    pub(super) readings: u64,
    pub(super) counts: PacketCounts,
    /// Datagrams for which the file has no time.
    pub(super) without_time: u64,
    pub(super) left_out: [u64; Omission::ALL.len()],
    /// What is longer than links carry.
    pub(super) offload: Offload,
    /// Datagrams that were cut.
    pub(super) segmented: u64,
    /// Pieces of them, beyond one for each.
    pub(super) segments_added: u64,
    /// Datagrams that were read to be sent.
    selected: u64,
}

impl Tally {
    pub(super) fn leave_out(&mut self, why: Omission) {
        self.left_out[why as usize] += 1;
    }

    /// Takes a datagram that is to be sent; returns its number, from 1, over all readings.
    pub(super) fn select(&mut self, has_time: bool) -> u64 {
        self.without_time += u64::from(!has_time);
        self.selected += 1;
        self.selected
    }

    /// Takes a datagram that is cut into so many.
    pub(super) fn cut(&mut self, pieces: usize) {
        self.segmented += 1;
        self.segments_added += pieces as u64 - 1;
    }

    /// Takes pieces that are not sent, since it ended.
    pub(super) fn give_up(&mut self, pieces: usize) {
        self.selected += pieces as u64;
    }

    /// Datagrams that were read to be sent and were not, since it ended, if so many were tried.
    pub(super) fn unsent(&self, tried: u64) -> u64 {
        self.selected.saturating_sub(tried)
    }

    /// Packets and datagrams that are not sent, by reason.
    pub(super) fn unused(&self) -> impl Iterator<Item = (u64, &'static str, &'static str)> {
        let unusable = Unusable::ALL.iter().map(|why| (self.counts.unusable(*why), why.key(), why.words()));
        let left_out = Omission::ALL.iter().map(|why| (self.left_out[*why as usize], why.key(), why.words()));
        unusable.chain(left_out).filter(|(count, ..)| *count > 0)
    }

    /// What to do where some of it is in tunnels.
    pub(super) fn hint(&self) -> Option<String> {
        (self.counts.tunnels() > 0).then(|| "--decapsulate sends what is inside tunnels".to_owned())
    }

    /// All of it in a line: `12 packets, of which 10 TCP, 2 not IP`.
    pub(super) fn words(&self) -> String {
        let packets = self.counts.packets;
        let reasons: Vec<_> = self.unused().map(|(count, _, words)| format!("{count} {words}")).collect();
        match reasons.is_empty() {
            true => counted(packets, "packet"),
            false => format!("{}: {}", counted(packets, "packet"), reasons.join(", ")),
        }
    }
}
