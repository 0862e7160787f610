//! Capabilities one by one: what a socket was asked for and does not have.

use std::fmt;

use crate::options::{Capabilities, DontFragment, Options};

/// One of [`Capabilities`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// [`Capabilities::batches`]
    Batches,
    /// [`Capabilities::destination`]
    Destination,
    /// [`Capabilities::timestamps`]
    Timestamps,
    /// [`Capabilities::hop_limits`]
    HopLimits,
    /// [`Capabilities::traffic_classes`]
    TrafficClasses,
    /// [`Capabilities::fragment_sizes`]
    FragmentSizes,
    /// [`Capabilities::transmit_traffic_class`]
    TransmitTrafficClass,
    /// [`Capabilities::dont_fragment`]
    DontFragment,
    /// [`Capabilities::coalesce`]
    Coalesce,
    /// [`Capabilities::segmentation`]
    Segmentation,
    /// [`Capabilities::kernel_drops`]
    KernelDrops,
    /// [`Capabilities::drops`]
    Drops,
    /// [`Capabilities::errors`]
    Errors,
    /// [`Capabilities::only_joined_groups`]
    OnlyJoinedGroups,
    /// [`Capabilities::receive_buffer`]
    ReceiveBuffer,
    /// [`Capabilities::send_timestamps`]
    SendTimestamps,
    /// [`Capabilities::true_length`]
    TrueLength,
}

impl Capability {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Batches,
        Self::Destination,
        Self::Timestamps,
        Self::HopLimits,
        Self::TrafficClasses,
        Self::FragmentSizes,
        Self::TransmitTrafficClass,
        Self::DontFragment,
        Self::Coalesce,
        Self::Segmentation,
        Self::KernelDrops,
        Self::Drops,
        Self::Errors,
        Self::OnlyJoinedGroups,
        Self::ReceiveBuffer,
        Self::SendTimestamps,
        Self::TrueLength,
    ];

    /// Its name among [`Capabilities`], such as `hop_limits`.
    #[must_use]
    pub fn key(self) -> &'static str {
        self.row()[0]
    }

    /// The calls or options of Linux that it comes by, such as `IP_RECVTTL`; in IPv6 some have other names.
    #[must_use]
    pub fn linux_name(self) -> &'static str {
        self.row()[2]
    }

    /// Its key, its words, and what it is called in Linux.
    fn row(self) -> [&'static str; 3] {
        match self {
            Self::Batches => ["batches", "many datagrams in one system call", "recvmmsg, sendmmsg"],
            Self::Destination => [
                "destination",
                "the destination and interface of each datagram, answers from the address asked",
                "IP_PKTINFO",
            ],
            Self::Timestamps => ["timestamps", "the kernel's time of each datagram", "SO_TIMESTAMPNS"],
            Self::HopLimits => ["hop_limits", "hop limits (TTL)", "IP_RECVTTL"],
            Self::TrafficClasses => ["traffic_classes", "traffic classes (DSCP)", "IP_RECVTOS"],
            Self::FragmentSizes => ["fragment_sizes", "in which fragments a datagram came", "IP_RECVFRAGSIZE"],
            Self::TransmitTrafficClass => ["transmit_traffic_class", "a traffic class for one datagram", "IP_TOS"],
            Self::DontFragment => ["dont_fragment", "datagrams that are never fragmented", "IP_MTU_DISCOVER"],
            Self::Coalesce => ["coalesce", "trains received (GRO)", "UDP_GRO"],
            Self::Segmentation => {
                ["segmentation", "trains sent (GSO): datagrams in a row to one peer, handed over as one", "UDP_SEGMENT"]
            }
            Self::KernelDrops => ["kernel_drops", "the number of datagrams that the kernel dropped", "SO_MEMINFO"],
            Self::Drops => ["drops", "how many datagrams were dropped before which", "SO_RXQ_OVFL"],
            Self::Errors => ["errors", "which datagram was refused, and by whom (ICMP)", "IP_RECVERR"],
            Self::OnlyJoinedGroups => {
                ["only_joined_groups", "keeping multicasts out that other programs joined", "IP_MULTICAST_ALL"]
            }
            Self::ReceiveBuffer => ["receive_buffer", "a receive buffer of a chosen size", "SO_RCVBUF"],
            Self::SendTimestamps => ["send_timestamps", "the time at which each datagram left", "SO_TIMESTAMPING"],
            Self::TrueLength => ["true_length", "the true length of a truncated datagram", "MSG_TRUNC"],
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row()[1])
    }
}

impl Capabilities {
    /// Whether this one is there.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        match capability {
            Capability::Batches => self.batches,
            Capability::Destination => self.destination,
            Capability::Timestamps => self.timestamps,
            Capability::HopLimits => self.hop_limits,
            Capability::TrafficClasses => self.traffic_classes,
            Capability::FragmentSizes => self.fragment_sizes,
            Capability::TransmitTrafficClass => self.transmit_traffic_class,
            Capability::DontFragment => self.dont_fragment,
            Capability::Coalesce => self.coalesce,
            Capability::Segmentation => self.segmentation,
            Capability::KernelDrops => self.kernel_drops,
            Capability::Drops => self.drops,
            Capability::Errors => self.errors,
            Capability::OnlyJoinedGroups => self.only_joined_groups,
            Capability::ReceiveBuffer => self.receive_buffer,
            Capability::SendTimestamps => self.send_timestamps,
            Capability::TrueLength => self.true_length,
        }
    }
}

impl Options {
    /// Whether a socket with these options is to have this capability, where the system has it.
    pub(crate) fn asks_for(&self, capability: Capability) -> bool {
        match capability {
            Capability::Batches
            | Capability::TransmitTrafficClass
            | Capability::KernelDrops
            | Capability::TrueLength => true,
            Capability::Segmentation => !self.singly,
            Capability::Destination => self.destination,
            Capability::Timestamps => self.timestamps,
            Capability::HopLimits => self.hop_limits,
            Capability::TrafficClasses => self.traffic_classes,
            Capability::FragmentSizes => self.fragment_sizes,
            Capability::DontFragment => self.dont_fragment != DontFragment::No,
            Capability::Coalesce => self.coalesce,
            Capability::Drops => self.drops,
            Capability::Errors => self.errors,
            Capability::OnlyJoinedGroups => self.only_joined_groups,
            Capability::ReceiveBuffer => self.receive_buffer.is_some(),
            Capability::SendTimestamps => self.send_timestamps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_of_capabilities_is_a_capability_of_its_name() {
        let fields = format!("{:?}", Capabilities::default());
        assert_eq!(fields.matches(": ").count(), Capability::ALL.len(), "{fields}");
        for capability in Capability::ALL {
            assert!(fields.contains(&format!(" {}: ", capability.key())), "{capability:?}");
        }
    }
}
