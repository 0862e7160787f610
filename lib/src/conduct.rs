//! Whom a responder answers: the guards against reflection, loops and floods, on by default (`docs/security.md`).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use crate::datagram::{Delivery, Meta, Transmit, header_len, max_payload};
use crate::event::Reason;
use crate::interface::Interfaces;
use crate::options::Options;
use crate::rate_limit::RateLimiter;
use crate::setters::setters;

/// Which guards are on.
///
/// ```
/// use udpkit::{Conduct, RateLimit};
///
/// let conduct = Conduct::default().rate_limit(RateLimit::PerSecond(50)).max_amplification(None);
/// // The guards need to know where a datagram went and how far it came.
/// assert!(conduct.socket_options().destination && conduct.socket_options().hop_limits);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conduct {
    /// Refuse the source ports of well-known responders, which may answer the answer (CVE-2024-2169).
    pub refuse_responder_ports: bool,
    /// Break loops: refuse our own reply as a request, and answer with a hop limit below the request's.
    pub break_loops: bool,
    /// The most bytes out for a byte in, headers counted; `None` is no limit. RFC 9000 section 8.1 has 3.
    pub max_amplification: Option<u32>,
    /// Answers per second to one source network (/24, /56).
    pub rate_limit: RateLimit,
    /// The sockets' hop limit ([`Options::hop_limit`](crate::Options)), which the guard against loops counts down from.
    pub hop_limit: u8,
}

setters! { Conduct {
    refuse_responder_ports: bool,
    break_loops: bool,
    into max_amplification: Option<u32>,
    rate_limit: RateLimit,
    hop_limit: u8,
}}

/// The limit on answers per second to one source network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RateLimit {
    /// [`RateLimit::DEFAULT_PER_SECOND`], loopback exempt.
    Default,
    /// This many, loopback included.
    PerSecond(u32),
    /// No limit.
    Off,
}

impl RateLimit {
    /// Answers per second and network where nothing else is asked for.
    pub const DEFAULT_PER_SECOND: u32 = 1000;
}

impl Default for Conduct {
    fn default() -> Self {
        Self {
            refuse_responder_ports: true,
            break_loops: true,
            max_amplification: Some(3),
            rate_limit: RateLimit::Default,
            hop_limit: REPLY_HOP_LIMIT,
        }
    }
}

impl Conduct {
    /// No guard that can be switched off is on: for tests, and for networks of which every host is known.
    #[must_use]
    pub fn off() -> Self {
        Self {
            refuse_responder_ports: false,
            break_loops: false,
            max_amplification: None,
            rate_limit: RateLimit::Off,
            ..Self::default()
        }
    }

    /// What the sockets of a responder must be asked for, so that these guards can work and replies leave from the address
    /// that was asked.
    #[must_use]
    pub fn socket_options(&self) -> Options {
        Options {
            destination: true,
            errors: true,
            coalesce: true,
            hop_limits: self.break_loops,
            hop_limit: self.break_loops.then_some(self.hop_limit),
            ..Options::default()
        }
    }
}

/// The hop limit that responders' sockets are given: one below the usual 64, so that the answers to fresh requests of
/// neighbours need none of their own.
pub const REPLY_HOP_LIMIT: u8 = 63;

/// Decides on each request whether it is answered.
#[derive(Debug)]
pub(crate) struct Guard {
    conduct: Conduct,
    /// The same for all workers of a server.
    limiter: Option<Arc<RateLimiter>>,
    /// Our sockets: a source that is one of them is ourselves.
    own: Vec<SocketAddr>,
    interfaces: Interfaces,
    /// The broadcast addresses of the attached networks, in order: looked at for every datagram.
    broadcasts: Vec<IpAddr>,
}

impl Guard {
    pub(crate) fn new(conduct: Conduct, own: &[SocketAddr]) -> Self {
        let limiter = match conduct.rate_limit {
            RateLimit::Default => Some(RateLimiter::new(RateLimit::DEFAULT_PER_SECOND)),
            RateLimit::PerSecond(rate) => Some(RateLimiter::new(rate)),
            RateLimit::Off => None,
        };
        let limiter = limiter.map(Arc::new);
        Self { conduct, limiter, own: own.to_vec(), interfaces: Interfaces::default(), broadcasts: Vec::new() }
    }

    /// The guard of a further worker: its answers count against the same limit.
    pub(crate) fn sharing(&self) -> Self {
        let Self { conduct, limiter, own, interfaces, broadcasts } = self;
        Self {
            conduct: *conduct,
            limiter: limiter.clone(),
            own: own.clone(),
            interfaces: interfaces.clone(),
            broadcasts: broadcasts.clone(),
        }
    }

    pub(crate) fn set_interfaces(&mut self, interfaces: &Interfaces) {
        self.interfaces = interfaces.clone();
        self.broadcasts = interfaces.broadcasts().map(IpAddr::V4).collect();
        self.broadcasts.sort_unstable();
    }

    /// Whether a request is answered, and with which hop limit; `None` is the socket's. `fixed` is the reply, where it is the
    /// same for every request.
    pub(crate) fn request(&self, meta: &Meta, payload: &[u8], fixed: Option<&[u8]>) -> Result<Option<u8>, Reason> {
        self.source(meta)?;
        if let Some(reply) = fixed {
            self.own_reply(payload, reply)?;
        }
        self.hop_limit(meta)
    }

    /// How to answer: as [`Meta::reply`] says. A multicast is answered by the interface that it came in on where its source
    /// is on that network, since the same network may be on another interface as well; one from further away goes where
    /// routes lead, which may be elsewhere.
    pub(crate) fn reply(&self, meta: &Meta) -> Transmit {
        let reply = meta.reply();
        let source = meta.source.ip();
        match meta.delivery {
            // What is sent by this host is answered within it, whichever of its addresses it came from.
            Delivery::Broadcast if self.interfaces.is_ours(source) => {
                Transmit { local: meta.local, interface: None, ..reply }
            }
            Delivery::Multicast if reply.interface.is_none() && !self.interfaces.is_ours(source) => {
                let came_in_on = meta.interface.filter(|index| {
                    self.interfaces.numbered(*index).is_some_and(|interface| interface.is_attached_to(source))
                });
                match came_in_on {
                    Some(index) => Transmit { local: None, interface: Some(index), ..reply },
                    None => reply,
                }
            }
            _ => reply,
        }
    }

    /// How many of `wanted` replies of this length may go out now, each for a request of that one; an error where none may.
    pub(crate) fn replies(
        &self,
        now: Instant,
        source: IpAddr,
        request_len: usize,
        reply_len: usize,
        wanted: usize,
    ) -> Result<usize, Reason> {
        self.size(source, request_len, reply_len)?;
        self.rate(now, source, wanted)
    }

    /// Whether a reply of this length may go out at all.
    pub(crate) fn size(&self, source: IpAddr, request_len: usize, reply_len: usize) -> Result<(), Reason> {
        if reply_len > max_payload(source) {
            return Err(Reason::ReplyTooLong);
        }
        self.amplification(source, request_len, reply_len)
    }

    /// Whether requests from this source are answered at all, whatever they hold.
    pub(crate) fn source(&self, meta: &Meta) -> Result<(), Reason> {
        let (ip, port) = (meta.source.ip(), meta.source.port());
        if port == 0 {
            return Err(Reason::SourcePortZero);
        }
        let limited = ip == Ipv4Addr::BROADCAST;
        if ip.is_unspecified() || ip.is_multicast() || limited || self.broadcasts.binary_search(&ip).is_ok() {
            return Err(Reason::SourceAddress);
        }
        let ourselves = |own: &SocketAddr| match own.ip() {
            any if any.is_unspecified() => meta.local == Some(ip) || self.interfaces.is_ours(ip),
            one => one == ip,
        };
        if self.own.iter().any(|own| own.port() == port && ourselves(own)) {
            return Err(Reason::OwnSocket);
        }
        if self.conduct.refuse_responder_ports && is_responder_port(port) {
            return Err(Reason::ResponderPort);
        }
        Ok(())
    }

    /// Whether a payload is our own fixed reply come back as a request.
    fn own_reply(&self, payload: &[u8], reply: &[u8]) -> Result<(), Reason> {
        if self.conduct.break_loops && payload == reply { Err(Reason::OwnReply) } else { Ok(()) }
    }

    /// The hop limit to answer with; `None` is the socket's, [`Conduct::hop_limit`].
    ///
    /// It is below the request's, so that what two responders send to and fro dies out as what routers forward does,
    /// whatever it holds and whatever ports it uses. An ordinary client starts at 64 or more, and is answered from up to
    /// 31 hops away.
    pub(crate) fn hop_limit(&self, meta: &Meta) -> Result<Option<u8>, Reason> {
        // A broadcast or multicast starts with few hops by design, and no answer is ever one, so it cannot be a loop.
        let repeatable = !matches!(meta.delivery, Delivery::Broadcast | Delivery::Multicast);
        match meta.hop_limit {
            Some(hops) if self.conduct.break_loops && repeatable => match hops {
                0 | 1 => Err(Reason::HopsSpent),
                hops if hops > self.conduct.hop_limit => Ok(None),
                hops => Ok(Some(hops - 1)),
            },
            _ => Ok(None),
        }
    }

    /// Whether an answer of this length may go out for a request of that one.
    fn amplification(&self, source: IpAddr, request_len: usize, reply_len: usize) -> Result<(), Reason> {
        let headers = header_len(source);
        match self.conduct.max_amplification {
            Some(most) if headers + reply_len > (headers + request_len).saturating_mul(most as usize) => {
                Err(Reason::Amplification)
            }
            _ => Ok(()),
        }
    }

    /// How many of `wanted` replies to this source may go out now; an error where none may.
    pub(crate) fn rate(&self, now: Instant, source: IpAddr, wanted: usize) -> Result<usize, Reason> {
        let allowed = match &self.limiter {
            None => wanted,
            Some(_) if self.conduct.rate_limit == RateLimit::Default && source.is_loopback() => wanted,
            Some(limiter) => limiter.allow(now, source, wanted),
        };
        if allowed == 0 { Err(Reason::RateLimit) } else { Ok(allowed) }
    }
}

/// Whether a source port is that of a well-known service which answers what it does not understand.
///
/// All below 1024, and those of known reflectors above. Ports from 32,768 on are not among them, though some services
/// use them: there ordinary clients of Linux get theirs.
#[must_use]
pub fn is_responder_port(port: u16) -> bool {
    port < 1024 || RESPONDER_PORTS.binary_search(&port).is_ok()
}

/// Ascending. From the amplification literature (US-CERT TA14-017A and what followed it).
const RESPONDER_PORTS: [u16; 37] = [
    1194, 1434, 1604, 1645, 1646, 1701, 1812, 1813, 1900, 2049, 2112, 2123, 3283, 3389, 3478, 3702, 4500, 5060, 5093,
    5349, 5351, 5353, 5683, 6454, 6881, 10001, 11111, 11211, 17185, 20800, 24601, 25826, 26000, 27015, 27960, 30718,
    32414,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responder_ports_are_in_order() {
        assert!(RESPONDER_PORTS.is_sorted());
        assert!(is_responder_port(53) && is_responder_port(5353) && is_responder_port(11211));
        assert!(!is_responder_port(10000) && !is_responder_port(47808) && !is_responder_port(40000));
    }

    #[test]
    fn ports_below_1024_are_responders() {
        assert!(is_responder_port(0) && is_responder_port(1023) && !is_responder_port(1024));
    }

    #[test]
    fn sockets_are_asked_for_what_the_guards_need() {
        let asked = |conduct: Conduct| {
            let Options { destination, errors, coalesce, hop_limits, hop_limit, .. } = conduct.socket_options();
            (destination, errors, coalesce, hop_limits, hop_limit)
        };
        assert_eq!(asked(Conduct::default()), (true, true, true, true, Some(REPLY_HOP_LIMIT)));
        assert_eq!(asked(Conduct { hop_limit: 9, ..Conduct::default() }), (true, true, true, true, Some(9)));
        let loops = Conduct { break_loops: false, ..Conduct::default() };
        assert_eq!(asked(loops), (true, true, true, false, None));
    }

    /// This host with one interface, `eth0`, that has these addresses and lengths of prefix.
    fn host(addresses: &[([u8; 4], u8)]) -> Interfaces {
        let address = |ip: [u8; 4], prefix_len| crate::InterfaceAddress {
            ip: ip.into(),
            prefix_len,
            broadcast: crate::subnet_broadcast(ip.into(), prefix_len),
            peer: None,
            tentative: false,
        };
        let interface = crate::Interface {
            name: "eth0".to_owned(),
            index: None,
            up: true,
            running: true,
            broadcast: true,
            loopback: false,
            point_to_point: false,
            multicast: true,
            mtu: None,
            hardware: None,
            addresses: addresses.iter().map(|(ip, prefix_len)| address(*ip, *prefix_len)).collect(),
        };
        Interfaces::from_iter([interface])
    }

    #[test]
    fn a_source_is_ourselves_where_it_is_an_address_of_our_socket_and_its_port() {
        let [ours, also_ours, theirs] = [[192, 0, 2, 1], [192, 0, 2, 2], [192, 0, 2, 3]].map(IpAddr::from);
        let cases = [
            // Bound to any address, our own are all those of this host, and the one that was asked.
            (Ipv4Addr::UNSPECIFIED.into(), ours, 40000, None, false),
            (Ipv4Addr::UNSPECIFIED.into(), also_ours, 40000, None, false),
            (Ipv4Addr::UNSPECIFIED.into(), theirs, 40000, Some(theirs), false),
            (Ipv4Addr::UNSPECIFIED.into(), theirs, 40000, Some(ours), true),
            (Ipv4Addr::UNSPECIFIED.into(), ours, 40001, Some(ours), true),
            // Bound to one, another of this host is that of another program.
            (ours, ours, 40000, Some(ours), false),
            (ours, also_ours, 40000, Some(also_ours), true),
            (ours, theirs, 40000, Some(ours), true),
        ];
        for (bound, source, port, local, answered) in cases {
            let mut guard = Guard::new(Conduct::default(), &[SocketAddr::new(bound, 40000)]);
            guard.set_interfaces(&host(&[([192, 0, 2, 1], 24), ([192, 0, 2, 2], 24)]));
            let meta = Meta { local, ..Meta::new(SocketAddr::new(source, port)) };
            let expected = if answered { Ok(()) } else { Err(Reason::OwnSocket) };
            assert_eq!(guard.source(&meta), expected, "{source}:{port} at {bound}, {local:?}");
        }
    }

    #[test]
    fn our_own_reply_is_no_request_unless_loops_may_be() {
        let guard = Guard::new(Conduct::default(), &[]);
        assert_eq!(guard.own_reply(b"Go away", b"Go away"), Err(Reason::OwnReply));
        assert_eq!(guard.own_reply(b"Go away!", b"Go away"), Ok(()));
        let loops = Guard::new(Conduct { break_loops: false, ..Conduct::default() }, &[]);
        assert_eq!(loops.own_reply(b"Go away", b"Go away"), Ok(()));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    fn loopback_has_no_limit_unless_one_is_asked_for() {
        let (now, network, wanted) = (Instant::now(), IpAddr::from([192, 0, 2, 1]), 5000);
        for (rate_limit, loopback, others) in [
            (RateLimit::Default, wanted, 1000),
            (RateLimit::PerSecond(10), 10, 10),
            (RateLimit::PerSecond(RateLimit::DEFAULT_PER_SECOND), 1000, 1000),
            (RateLimit::Off, wanted, wanted),
        ] {
            let guard = Guard::new(Conduct { rate_limit, ..Conduct::default() }, &[]);
            for (source, allowed) in [
                (Ipv4Addr::LOCALHOST.into(), loopback),
                (std::net::Ipv6Addr::LOCALHOST.into(), loopback),
                (network, others),
            ] {
                assert_eq!(guard.rate(now, source, wanted), Ok(allowed), "{rate_limit:?} {source}");
            }
        }
    }

    #[test]
    fn broadcast_addresses_of_attached_networks_are_no_sources() {
        let mut guard = Guard::new(Conduct::default(), &[]);
        guard.set_interfaces(&host(&[([192, 0, 2, 1], 24), ([10, 0, 0, 1], 8), ([198, 51, 100, 1], 25)]));
        let cases = [
            ([192, 0, 2, 255], false),
            ([10, 255, 255, 255], false),
            ([198, 51, 100, 127], false),
            ([255, 255, 255, 255], false),
            ([198, 51, 100, 255], true),
            ([192, 0, 2, 254], true),
        ];
        for (ip, answered) in cases {
            let meta = Meta::new(SocketAddr::from((ip, 40000)));
            assert_eq!(guard.source(&meta).is_ok(), answered, "{ip:?}");
        }
    }

    #[test]
    fn headers_count_in_amplification() {
        let guard = Guard::new(Conduct::default(), &[]);
        let source = IpAddr::from([192, 0, 2, 1]);
        // 28 bytes in allow 84 out, of which 28 are headers.
        assert_eq!(guard.amplification(source, 0, 56), Ok(()));
        assert_eq!(guard.amplification(source, 0, 57), Err(Reason::Amplification));
        let off = Guard::new(Conduct { max_amplification: None, ..Conduct::default() }, &[]);
        assert_eq!(off.amplification(source, 0, 65_507), Ok(()));
    }

    #[test]
    fn each_answer_has_fewer_hops_than_its_request() {
        let guard = Guard::new(Conduct::default(), &[]);
        let mut meta = Meta::new(SocketAddr::from(([192, 0, 2, 1], 40000)));
        for hops in 0..=255u8 {
            meta.hop_limit = Some(hops);
            match guard.hop_limit(&meta) {
                Ok(reply) => assert!(reply.unwrap_or(REPLY_HOP_LIMIT) < hops),
                Err(reason) => assert!(hops < 2 && reason == Reason::HopsSpent),
            }
        }
    }

    #[test]
    fn an_answer_has_a_hop_limit_of_its_own_only_where_that_of_the_socket_would_let_it_go_round() {
        let loops = Conduct { break_loops: false, ..Conduct::default() };
        let cases = [
            (Conduct::default(), Delivery::Unicast, Some(255), Ok(None)),
            (Conduct::default(), Delivery::Unicast, Some(64), Ok(None)),
            (Conduct::default(), Delivery::Unicast, Some(63), Ok(Some(62))),
            (Conduct::default(), Delivery::Unknown, Some(2), Ok(Some(1))),
            (Conduct::default(), Delivery::Unicast, Some(1), Err(Reason::HopsSpent)),
            (Conduct::default(), Delivery::Unicast, Some(0), Err(Reason::HopsSpent)),
            (Conduct::default(), Delivery::Unicast, None, Ok(None)),
            (Conduct { hop_limit: 9, ..Conduct::default() }, Delivery::Unicast, Some(10), Ok(None)),
            (Conduct { hop_limit: 9, ..Conduct::default() }, Delivery::Unicast, Some(9), Ok(Some(8))),
            // Few hops are usual there.
            (Conduct::default(), Delivery::Broadcast, Some(1), Ok(None)),
            (Conduct::default(), Delivery::Multicast, Some(1), Ok(None)),
            (loops, Delivery::Unicast, Some(1), Ok(None)),
            (loops, Delivery::Multicast, Some(63), Ok(None)),
        ];
        for (conduct, delivery, hop_limit, expected) in cases {
            let meta = Meta { delivery, hop_limit, ..Meta::new(SocketAddr::from(([192, 0, 2, 1], 40000))) };
            assert_eq!(Guard::new(conduct, &[]).hop_limit(&meta), expected, "{conduct:?} {delivery} {hop_limit:?}");
        }
    }
}
