//! How frames begin, and what leads from there to the IP header: tags, labels, sessions.

use super::counts::Unusable;
use super::field::{Result, be16, chunk};
use super::frame::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use super::order::Order;
use super::wireless;

/// Tags of virtual networks: 802.1Q, 802.1ad, and two that were used before it.
const VLAN_TAGS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
/// Types of MPLS (RFC 5332): to one host, and to several.
const MPLS: [u16; 2] = [0x8847, 0x8848];
/// Type of a session of PPP over Ethernet (RFC 2516).
const PPPOE_SESSION: u16 = 0x8864;
/// Type of MACsec (802.1AE).
const MACSEC: u16 = 0x88e5;
/// Type of an Ethernet frame in a tunnel (RFC 1701).
const BRIDGED_ETHERNET: u16 = 0x6558;
/// Type of PPP in a tunnel (RFC 2637).
const TUNNELLED_PPP: u16 = 0x880b;
/// Numbers below this are lengths of 802.3 frames, no types.
const FIRST_TYPE: u16 = 0x0600;
/// What a Linux cooked capture has as the type where an 802.2 header follows.
const COOKED_LLC: u16 = 4;
/// Hardware type of Linux's loopback interfaces, in cooked captures.
const COOKED_LOOPBACK: u16 = 772;
/// Attribute of Netfilter's log: the packet.
const NFULA_PAYLOAD: u16 = 9;

/// How frames begin; numbers as in <https://www.tcpdump.org/linktypes.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Ethernet: number 1.
    Ethernet,
    /// The address family, 0 (NULL) and 108 (LOOP), of which the IP header tells as much.
    Loopback,
    /// Nothing before the IP header: 101 (RAW), 12 and 14 (as some systems write it), 228 (IPv4) and 229 (IPv6).
    Raw,
    /// Linux cooked capture, of any interface: 113.
    Cooked,
    /// Linux cooked capture, version 2: 276.
    Cooked2,
    /// PPP, with or without HDLC's address and control fields: 9 and 50; Cisco's HDLC may stand there instead.
    Ppp,
    /// The direction in a byte, then PPP: 204.
    DirectedPpp,
    /// A session of PPP over Ethernet without the Ethernet header: 51.
    Pppoe,
    /// Cisco's HDLC: 104.
    CiscoHdlc,
    /// Wi-Fi (802.11): 105.
    Wireless,
    /// Radiotap's header before Wi-Fi's: 127.
    Radiotap,
    /// What Netfilter logged: 239.
    Netfilter,
    /// Any other kind of network, whose frames nothing is known of.
    Unknown,
}

impl From<u32> for Link {
    fn from(number: u32) -> Self {
        match number {
            0 | 108 => Self::Loopback,
            1 => Self::Ethernet,
            9 | 50 => Self::Ppp,
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            51 => Self::Pppoe,
            104 => Self::CiscoHdlc,
            105 => Self::Wireless,
            113 => Self::Cooked,
            127 => Self::Radiotap,
            204 => Self::DirectedPpp,
            239 => Self::Netfilter,
            276 => Self::Cooked2,
            _ => Self::Unknown,
        }
    }
}

impl Link {
    /// Whether a frame is of an interface of which the usual limit of 1500 bytes is known: neither a loopback interface,
    /// which takes packets of any length, nor one of unknown kind.
    pub(crate) fn has_usual_limit(self, frame: &[u8]) -> bool {
        match self {
            // Linux's loopback interface has Ethernet frames, to and from nobody.
            Self::Ethernet => frame.get(..12).is_some_and(|addresses| addresses != [0; 12]),
            Self::Cooked => be16(frame, 2) != Ok(COOKED_LOOPBACK),
            Self::Cooked2 => be16(frame, 8) != Ok(COOKED_LOOPBACK),
            Self::Ppp | Self::DirectedPpp | Self::Pppoe | Self::CiscoHdlc | Self::Wireless | Self::Radiotap => true,
            Self::Loopback | Self::Raw | Self::Netfilter | Self::Unknown => false,
        }
    }
}

/// What stands at a place in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// A frame of this kind of network.
    Link(Link),
    /// What this type of Ethernet names.
    Type(u16),
    /// The same where a number that is too small for a type is a length, behind which an 802.2 header stands.
    TypeOrLength(u16),
    /// An 802.2 header.
    Llc,
    /// PPP, with address and control fields or without.
    Ppp,
    /// Labels of MPLS.
    Mpls,
    /// IPv4 or IPv6.
    Ip,
}

/// A place in a frame.
#[derive(Clone, Copy, Debug)]
struct Place {
    layer: Layer,
    at: usize,
    /// The network's number, as far as it is known there.
    network: u64,
}

/// The network's number and where the IP header begins, in bytes that begin with this layer on this network.
pub(crate) fn ip(layer: Layer, network: u64, bytes: &[u8]) -> Result<(u64, usize)> {
    let mut place = Place { layer, at: 0, network };
    // Each turn passes bytes, or comes nearer to the header: no more turns than bytes.
    while place.layer != Layer::Ip {
        place = place.next(bytes)?;
    }
    Ok((place.network, place.at))
}

/// A network within a network, such as that of a tunnel: a number that hardly any other has.
pub(crate) fn within(network: u64, number: u64) -> u64 {
    (network ^ number).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

impl Place {
    /// What this leads to.
    fn next(self, frame: &[u8]) -> Result<Self> {
        let Self { layer, at, .. } = self;
        match layer {
            Layer::Link(link) => self.link(link, frame),
            Layer::TypeOrLength(length) if length < FIRST_TYPE => Ok(self.to(Layer::Llc, at)),
            Layer::Type(ethertype) | Layer::TypeOrLength(ethertype) => self.ethertype(ethertype, frame),
            Layer::Llc => self.llc(frame),
            Layer::Ppp => self.ppp(frame),
            Layer::Mpls => self.mpls(frame),
            Layer::Ip => Ok(self),
        }
    }

    fn to(self, layer: Layer, at: usize) -> Self {
        Self { layer, at, ..self }
    }

    fn link(self, link: Link, frame: &[u8]) -> Result<Self> {
        let at = self.at;
        match link {
            Link::Ethernet => Ok(self.to(Layer::TypeOrLength(be16(frame, at + 12)?), at + 14)),
            Link::Cooked => Ok(self.to(cooked(be16(frame, at + 14)?), at + 16)),
            // The protocol comes first; all else, the interface's number in it, fills 20 bytes.
            Link::Cooked2 => {
                let interface = u64::from(be16(frame, at + 4)?) << 16 | u64::from(be16(frame, at + 6)?);
                Ok(Self { layer: cooked(be16(frame, at)?), at: at + 20, network: interface << 32 })
            }
            Link::Loopback => be16(frame, at + 2).map(|_| self.to(Layer::Ip, at + 4)),
            Link::Raw => Ok(self.to(Layer::Ip, at)),
            Link::Ppp => match be16(frame, at)?.to_be_bytes() {
                // To one, and to all.
                [0x0f | 0x8f, _] => self.link(Link::CiscoHdlc, frame),
                _ => Ok(self.to(Layer::Ppp, at)),
            },
            Link::DirectedPpp => Ok(self.to(Layer::Ppp, at + 1)),
            Link::Pppoe => self.ethertype(PPPOE_SESSION, frame),
            Link::CiscoHdlc => Ok(self.to(Layer::Type(be16(frame, at + 2)?), at + 4)),
            Link::Wireless => wireless::data(frame, at, false).map(|at| self.to(Layer::Llc, at)),
            Link::Radiotap => {
                let (header, is_padded) = wireless::radiotap(frame, at)?;
                wireless::data(frame, header, is_padded).map(|at| self.to(Layer::Llc, at))
            }
            Link::Netfilter => netfilter(frame, at).map(|at| self.to(Layer::Ip, at)),
            Link::Unknown => Err(Unusable::UnknownLink),
        }
    }

    fn ethertype(self, ethertype: u16, frame: &[u8]) -> Result<Self> {
        let at = self.at;
        match ethertype {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => Ok(self.to(Layer::Ip, at)),
            tag if VLAN_TAGS.contains(&tag) => self.tagged(frame),
            mpls if MPLS.contains(&mpls) => Ok(self.to(Layer::Mpls, at)),
            PPPOE_SESSION => {
                let session = u64::from(be16(frame, at + 2)?);
                Ok(Self { layer: Layer::Ppp, at: at + 6, network: within(self.network, session) })
            }
            BRIDGED_ETHERNET => Ok(self.to(Layer::Link(Link::Ethernet), at)),
            TUNNELLED_PPP => Ok(self.to(Layer::Ppp, at)),
            MACSEC => self.macsec(frame),
            _ => Err(Unusable::NotIp),
        }
    }

    /// The tag of MACsec, which may sign a frame without encrypting it: a byte of flags, and by one of them who sent it.
    fn macsec(self, frame: &[u8]) -> Result<Self> {
        let flags = chunk::<1>(frame, self.at)?[0];
        if flags & 0x0c != 0 {
            return Err(Unusable::Encrypted);
        }
        let end = self.at + if flags & 0x20 == 0 { 6 } else { 14 };
        Ok(self.to(Layer::TypeOrLength(be16(frame, end)?), end + 2))
    }

    /// The tag of a virtual network; of two or more, the inner two count.
    fn tagged(self, frame: &[u8]) -> Result<Self> {
        let (tag, at) = (be16(frame, self.at)? & 0xfff, self.at + 4);
        let (interface, outer) = (self.network & 0xffff_ffff_0000_0000, self.network & 0xffff);
        let network = interface | outer << 16 | u64::from(tag);
        Ok(Self { layer: Layer::TypeOrLength(be16(frame, at - 2)?), at, network })
    }

    /// An 802.2 header: a protocol by its number, or by a type of Ethernet (SNAP).
    fn llc(self, frame: &[u8]) -> Result<Self> {
        let at = self.at;
        match chunk(frame, at)? {
            // The organisation that gave the number: none, or that of tunnels through such networks.
            [0xaa, 0xaa, 0x03] => match chunk(frame, at + 3)? {
                [0, 0, 0 | 0xf8] => Ok(self.to(Layer::Type(be16(frame, at + 6)?), at + 8)),
                _ => Err(Unusable::NotIp),
            },
            [0x06, 0x06, 0x03] => Ok(self.to(Layer::Ip, at + 3)),
            _ => Err(Unusable::NotIp),
        }
    }

    /// PPP (RFC 1661): a protocol of two bytes, or of one where it was compressed.
    fn ppp(self, frame: &[u8]) -> Result<Self> {
        let at = if be16(frame, self.at)? == 0xff03 { self.at + 2 } else { self.at };
        let first: &[u8; 1] = chunk(frame, at)?;
        let (protocol, at) = match first[0] {
            odd if odd & 1 == 1 => (u16::from(odd), at + 1),
            _ => (be16(frame, at)?, at + 2),
        };
        match protocol {
            0x0021 | 0x0057 => Ok(self.to(Layer::Ip, at)),
            0x0281 | 0x0283 => Ok(self.to(Layer::Mpls, at)),
            _ => Err(Unusable::NotIp),
        }
    }

    /// Labels, the last of which says that it is the last (RFC 3032); nothing says what follows.
    fn mpls(self, frame: &[u8]) -> Result<Self> {
        let entry = u32::from_be_bytes(*chunk(frame, self.at)?);
        let (label, is_last) = (u64::from(entry >> 12), entry & 0x100 != 0);
        let layer = if is_last { Layer::Ip } else { Layer::Mpls };
        Ok(Self { layer, at: self.at + 4, network: within(self.network, label) })
    }
}

/// What the type of a Linux cooked capture names.
fn cooked(protocol: u16) -> Layer {
    if protocol == COOKED_LLC { Layer::Llc } else { Layer::Type(protocol) }
}

/// Where the packet begins that Netfilter logged, among attributes of its length and type: numbers in the order of the
/// logging host, which the first length tells, since it is short.
fn netfilter(frame: &[u8], at: usize) -> Result<usize> {
    let mut at = at + 4;
    let first: &[u8; 2] = chunk(frame, at)?;
    let order = if u16::from_le_bytes(*first) <= u16::from_be_bytes(*first) { Order::Little } else { Order::Big };
    loop {
        let field = |place| order.u16(frame, place).ok_or(Unusable::BadHeader);
        let (len, kind) = (usize::from(field(at)?), field(at + 2)? & 0x7fff);
        match kind {
            _ if len < 4 => return Err(Unusable::BadHeader),
            NFULA_PAYLOAD => return Ok(at + 4),
            _ => at += len.next_multiple_of(4),
        }
    }
}
