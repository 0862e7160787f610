//! From flags to sockets and engine options: every rule that concerns more than one flag.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, bail};
use udpkit::verbs::{BroadcastTarget, Limits, Pace, Requests};
use udpkit::{
    Answer, Conduct, Group, Interface, InterfaceAddress, InterfaceIndex, Interfaces, Options, REPLY_HOP_LIMIT,
    RateLimit, Socket, Transmit,
};

use crate::args::{BroadcastArgs, CommonArgs, ConductArgs, PaceArgs, SendArgs, SendingArgs, ServeArgs};
use crate::hint::{self, Hint, interface_names};
use crate::runtime::payload::Payloads;
use crate::verbs::serve::rules;
use crate::words::address::{Address, Families, check_port, needs_scope};
use crate::words::format::Format;
use crate::words::numbers::NumberOrOff;
use crate::words::units::Rate;

/// What sockets ask the system for; most systems permit less without being told to.
const RECEIVE_BUFFER: usize = 4 << 20;
/// How long a send waits while the socket or the device can take no more.
const SEND_WAIT: Duration = Duration::from_secs(1);
/// The same for replies: a slow link must not keep the other peers waiting, and a reply that finds no room is counted.
const REPLY_WAIT: Duration = Duration::from_millis(5);
/// Datagrams that may wait for each command that may run.
#[cfg(unix)]
const QUEUED_FOR_A_COMMAND: usize = 8;
/// Time between datagrams where they are repeated and nothing else is said.
const REPEAT_INTERVAL: Duration = Duration::from_secs(1);

impl CommonArgs {
    /// The format, whichever flag chose it.
    pub(crate) fn format(&self) -> Format {
        match () {
            () if self.json => Format::Json,
            () if self.raw => Format::Raw,
            () if self.hex_dump => Format::Hex,
            () => self.format,
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits { count: self.count, duration: self.duration }
    }

    pub(crate) fn families(&self) -> Families {
        Families { only_v4: self.ipv4, only_v6: self.ipv6 }
    }

    /// Options of every socket.
    pub(crate) fn socket_options(&self) -> Options {
        let receive_buffer = Some(self.recv_buffer.unwrap_or(RECEIVE_BUFFER));
        Options { receive_buffer, destination: true, ..Options::default() }
    }

    /// The interfaces that were named; an unknown one is an error.
    pub(crate) fn named<'a>(&self, interfaces: &'a Interfaces) -> Result<Vec<&'a Interface>> {
        let find = |name: &String| {
            interfaces
                .named(name)
                .ok_or_else(|| Hint::on(format!("no interface '{name}'"), interface_names(interfaces)))
        };
        self.interfaces.iter().map(find).collect()
    }

    /// The one interface that was named, if any.
    pub(crate) fn one_interface(&self, interfaces: &Interfaces) -> Result<Option<InterfaceIndex>> {
        match self.named(interfaces)?.as_slice() {
            [] => Ok(None),
            [one] => Ok(one.index),
            _ => Err(Hint::on(
                "a datagram leaves by one interface: name one with -i",
                "`udp broadcast` sends by several",
            )),
        }
    }
}

impl SendingArgs {
    /// Options of a socket that sends: these, and what all sockets have.
    pub(crate) fn socket_options(&self, common: &CommonArgs) -> Options {
        Options {
            hop_limit: self.ttl,
            traffic_class: self.dscp.map(|dscp| dscp << 2),
            send_wait: SEND_WAIT,
            ..common.socket_options()
        }
    }
}

/// Sockets that wait for datagrams.
pub(crate) struct Listening {
    pub(crate) sockets: Vec<Socket>,
    /// Multicast groups to join.
    pub(crate) groups: Vec<Group>,
    /// For each socket, the only destination wanted, where it hears others.
    pub(crate) destinations: Vec<Option<IpAddr>>,
}

impl Listening {
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(Socket::local_address).collect()
    }

    /// Puts sockets with groups behind the others: they are one worker's alone.
    fn groups_last(&mut self) {
        let has_group = |place: usize| self.groups.iter().any(|group| group.via == place);
        let mut order: Vec<_> = (0..self.sockets.len()).collect();
        order.sort_by_key(|place| has_group(*place));
        let mut sockets: Vec<_> = self.sockets.drain(..).map(Some).collect();
        self.sockets = order.iter().filter_map(|place| sockets[*place].take()).collect();
        self.destinations = order.iter().map(|place| self.destinations[*place]).collect();
        for group in &mut self.groups {
            group.via = order.iter().position(|place| *place == group.via).unwrap_or(group.via);
        }
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.addresses().iter().map(SocketAddr::port).collect()
    }
}

/// Opens a socket for each address; without any, one for each family.
pub(crate) fn listening(
    addresses: &[Address],
    common: &CommonArgs,
    options: &Options,
    source: Option<IpAddr>,
    interfaces: &Interfaces,
) -> Result<Listening> {
    common.named(interfaces)?;
    let mut listening = Listening { sockets: Vec::new(), groups: Vec::new(), destinations: Vec::new() };
    let everywhere = [Address { host: None, port: None }];
    // An address that is given twice, or has two names, is one place.
    let (mut everywhere_at, mut at) = (HashSet::new(), HashSet::new());
    for address in if addresses.is_empty() { &everywhere } else { addresses } {
        let port = address.port.unwrap_or(common.port);
        match &address.host {
            None if !everywhere_at.insert(port) => {}
            None => both_families(port, common, options, &mut listening)?,
            Some(host) => {
                for address in host.resolve(port, common.families(), interfaces)? {
                    if at.insert(address) {
                        one_address(address, options, source, &mut listening)?;
                    }
                }
            }
        }
    }
    if source.is_some() && listening.groups.is_empty() {
        bail!("--source chooses the source of a multicast group: listen to one, as in 232.1.2.3:5000");
    }
    listening.groups_last();
    Ok(listening)
}

/// A socket of each family at one port; IPv4 alone where the kernel has no IPv6.
fn both_families(port: u16, common: &CommonArgs, options: &Options, listening: &mut Listening) -> Result<()> {
    let mut port = port;
    if !common.ipv6 {
        let socket = Socket::bind((Ipv4Addr::UNSPECIFIED, port).into(), options)?;
        // Where any port will do, both families use the same.
        port = socket.local_address().port();
        listening.sockets.push(socket);
        listening.destinations.push(None);
    }
    if !common.ipv4 {
        match Socket::bind((Ipv6Addr::UNSPECIFIED, port).into(), options) {
            Ok(socket) => {
                listening.sockets.push(socket);
                listening.destinations.push(None);
            }
            Err(error) if !common.ipv6 && (error.is_unsupported_family() || error.is_not_ours()) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A socket at an address; a group is joined.
fn one_address(
    address: SocketAddr,
    options: &Options,
    source: Option<IpAddr>,
    listening: &mut Listening,
) -> Result<()> {
    let ip = address.ip();
    if !ip.is_multicast() {
        listening.sockets.push(Socket::bind(address, options)?);
        listening.destinations.push(None);
        return Ok(());
    }
    if source.is_some_and(|source| source.is_ipv4() != ip.is_ipv4()) {
        bail!("the source and the group {ip} are of different families");
    }
    // Bound to the group, the socket hears nothing else. A link-local group cannot be bound to on several interfaces,
    // and Windows binds to no group: there the engine chooses.
    let bound_to_group = cfg!(unix) && !needs_scope(ip);
    let bind = if bound_to_group { address } else { SocketAddr::new(udpkit::any_address(ip), address.port()) };
    let options = Options { only_joined_groups: true, ..options.clone() };
    let interface = match address {
        SocketAddr::V6(v6) => InterfaceIndex::new(v6.scope_id()),
        SocketAddr::V4(_) => None,
    };
    listening.groups.push(Group { via: listening.sockets.len(), address: ip, source, interface });
    listening.sockets.push(Socket::bind(bind, &options)?);
    listening.destinations.push((!bound_to_group).then_some(ip));
    Ok(())
}

impl ServeArgs {
    /// An error for a reply that no datagram can carry.
    pub(crate) fn check_reply(&self) -> Result<()> {
        let (family, limit) = match self.common.ipv6 {
            true => ("IPv6", udpkit::MAX_PAYLOAD_V6),
            false => ("IPv4", udpkit::MAX_PAYLOAD_V4),
        };
        match self.reply.as_fixed().map_or(0, <[u8]>::len) {
            len if len > limit => {
                bail!("the reply has {len} bytes; a UDP datagram over {family} carries at most {limit}")
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn answer(&self) -> Result<Answer> {
        #[cfg(unix)]
        if self.exec.exec.is_some() {
            return Ok(Answer::Ask { most: QUEUED_FOR_A_COMMAND * usize::from(self.exec.exec_at_once) });
        }
        Ok(match &self.rules {
            Some(file) => rules::read(file)?.into(),
            None if self.sink => Answer::Sink,
            None if self.echo => Answer::Echo,
            None => self.reply.clone().into(),
        })
    }

    pub(crate) fn socket_options(&self, answer: &Answer) -> Options {
        let conduct = self.conduct.conduct(self.sending.ttl);
        let guarded = conduct.socket_options();
        let sending = self.sending.socket_options(&self.common);
        Options {
            hop_limit: guarded.hop_limit.or(self.sending.ttl),
            send_wait: REPLY_WAIT,
            // Trains cost a reply's price each, not a datagram's; whoever wants to see each gets each.
            coalesce: !self.common.verbose,
            timestamps: self.common.verbose || answer.tells_time(),
            traffic_class: sending.traffic_class,
            receive_buffer: sending.receive_buffer,
            ..guarded
        }
    }

    /// How many workers there shall be.
    pub(crate) fn workers(&self) -> Result<usize> {
        match (self.threads, self.common.count) {
            (Some(threads), Some(_)) if threads > 1 => Err(Hint::on(
                "--count needs one thread: workers do not know of each other's datagrams",
                "leave out --threads",
            )),
            (Some(threads), _) => Ok(threads.into()),
            (None, Some(_)) => Ok(1),
            // Only Linux shares a port between sockets as it is needed here.
            (None, None) if !cfg!(target_os = "linux") => Ok(1),
            (None, None) => Ok(std::thread::available_parallelism().map_or(1, Into::into)),
        }
    }

    /// Where metrics are served.
    pub(crate) fn metrics_addresses(&self, interfaces: &Interfaces) -> Result<Vec<SocketAddr>> {
        let Some(address) = &self.metrics else { return Ok(Vec::new()) };
        let port = address.port.unwrap_or(self.common.port);
        match &address.host {
            Some(host) => host.resolve(port, self.common.families(), interfaces),
            // There is no password: who wants strangers to read says so.
            None if self.common.ipv6 => Ok(vec![(Ipv6Addr::LOCALHOST, port).into()]),
            None => Ok(vec![(Ipv4Addr::LOCALHOST, port).into()]),
        }
    }
}

impl ConductArgs {
    pub(crate) fn conduct(&self, ttl: Option<u8>) -> Conduct {
        Conduct {
            refuse_responder_ports: !self.answer_any_port,
            break_loops: !self.no_loop_guard,
            max_amplification: match self.max_amplification {
                NumberOrOff::Number(most) => Some(most),
                NumberOrOff::Off => None,
            },
            rate_limit: match self.rate_limit {
                None => RateLimit::Default,
                Some(NumberOrOff::Number(rate)) => RateLimit::PerSecond(rate),
                Some(NumberOrOff::Off) => RateLimit::Off,
            },
            hop_limit: ttl.unwrap_or(REPLY_HOP_LIMIT).min(REPLY_HOP_LIMIT),
        }
    }
}

impl PaceArgs {
    /// How fast requests follow one another; `None`: as fast as they come.
    pub(crate) fn pace(&self, common: &CommonArgs) -> Option<Pace> {
        let repeats = self.repeat.is_some_and(|times| times != 1) || common.duration.is_some();
        let asked = self.every.map(Pace::Interval).or_else(|| self.rate.map(Rate::pace));
        asked.or_else(|| repeats.then_some(Pace::Interval(REPEAT_INTERVAL)))
    }

    /// The payloads as often as asked: without end for `--repeat 0`, and for `--for` alone.
    pub(crate) fn requests(&self, payloads: &Payloads, common: &CommonArgs) -> Result<Requests> {
        if common.count == Some(0) {
            bail!("--count 0 would end before anything is sent; --wait 0 sends and waits for no answer");
        }
        match payloads {
            Payloads::Input(_) if self.repeat.is_some() => {
                bail!("--repeat needs a payload that is known beforehand: PAYLOAD, --hex, --file or --empty")
            }
            Payloads::Input(_) => Ok(Requests::Stream),
            Payloads::List(list) => {
                let repeat = match self.repeat {
                    Some(0) => None,
                    None if common.duration.is_some() => None,
                    None => Some(1),
                    times => times,
                };
                Ok(Requests::Fixed { payloads: list.clone(), repeat })
            }
        }
    }
}

/// Where `send` sends, and through which socket.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) transmit: Transmit,
    pub(crate) socket: Socket,
    /// Whether others than the destination answer.
    pub(crate) any_source: bool,
}

impl SendArgs {
    /// The addresses to try, in order; only a name has more than one.
    pub(crate) fn destinations(&self, interfaces: &Interfaces) -> Result<Vec<SocketAddr>> {
        check_port(self.address.port.unwrap_or(self.common.port))?;
        self.address.destinations(self.common.port, self.common.families(), interfaces)
    }

    pub(crate) fn sending(&self, destination: SocketAddr, interfaces: &Interfaces) -> Result<Sending> {
        let interface = self.common.one_interface(interfaces)?;
        let destination = scoped(destination, interface, interfaces)?;
        let (ip, broadcast) = (destination.ip(), interfaces.is_broadcast(destination.ip()));
        let shared = broadcast || ip.is_multicast();
        let options = Options {
            broadcast,
            errors: true,
            timestamps: true,
            reuse_address: self.pace.local.is_some(),
            ..self.sending.socket_options(&self.common)
        };
        let local = local_address(self.pace.local.as_ref(), udpkit::any_address(ip), interfaces)?;
        let socket = Socket::bind(local, &options).map_err(|error| match self.pace.local {
            Some(_) if error.is_in_use() => Hint::on(error.to_string(), hint::in_use(&error, "--local")),
            _ => error.into(),
        })?;
        let transmit = Transmit { interface: interface.or_else(|| scope(destination)), ..Transmit::to(destination) };
        Ok(Sending { transmit, socket, any_source: self.any_source || shared })
    }

    /// Answers that end the wait: one, or all that come where many may answer.
    pub(crate) fn replies_wanted(&self, sending: &Sending) -> u64 {
        let ip = sending.transmit.destination.ip();
        let shared = sending.any_source && !self.any_source || ip.is_multicast();
        self.replies.unwrap_or(if shared { 0 } else { 1 })
    }
}

/// The interface that an address names itself.
pub(crate) fn scope(address: SocketAddr) -> Option<InterfaceIndex> {
    match address {
        SocketAddr::V6(v6) => InterfaceIndex::new(v6.scope_id()),
        SocketAddr::V4(_) => None,
    }
}

/// An error where an address names one interface and -i another.
fn check_scope(address: SocketAddr, named: impl IntoIterator<Item = Option<InterfaceIndex>>) -> Result<()> {
    let scope = scope(address);
    if scope.is_some() && named.into_iter().any(|named| named != scope) {
        return Err(Hint::on(
            format!("cannot send to {}: the address names one interface, -i another", address.ip()),
            "name the interface once: in the address or with -i",
        ));
    }
    Ok(())
}

/// An address that needs one with the interface it counts on.
pub(crate) fn scoped(
    destination: SocketAddr,
    interface: Option<InterfaceIndex>,
    interfaces: &Interfaces,
) -> Result<SocketAddr> {
    check_scope(destination, interface.map(Some))?;
    let SocketAddr::V6(mut v6) = destination else { return Ok(destination) };
    let ip = *v6.ip();
    if needs_scope(ip.into()) && v6.scope_id() == 0 {
        let Some(index) = interface else {
            let kind = if ip.is_multicast() && ip.segments()[0] & 0xf == 1 { "interface-local" } else { "link-local" };
            return Err(Hint::on(
                format!("{ip} is {kind}: say on which interface, as in [{ip}%eth0]:{} or with -i", v6.port()),
                interface_names(interfaces),
            ));
        };
        v6.set_scope_id(index.get());
    }
    Ok(v6.into())
}

/// Whether this is the broadcast address of one address of an interface: also where the system does not list it, as on
/// loopback.
fn is_broadcast_of(interface: &Interface, address: &InterfaceAddress, ip: IpAddr) -> bool {
    let alone = Interface { addresses: vec![*address], ..interface.clone() };
    Interfaces::from_iter([alone]).is_broadcast(ip)
}

/// The address to send from: as asked, else any port of `any`.
pub(crate) fn local_address(asked: Option<&Address>, any: IpAddr, interfaces: &Interfaces) -> Result<SocketAddr> {
    let Some(asked) = asked else { return Ok(SocketAddr::new(any, 0)) };
    let port = asked.port.unwrap_or(0);
    let Some(host) = &asked.host else { return Ok(SocketAddr::new(any, port)) };
    let families = Families { only_v4: any.is_ipv4(), only_v6: any.is_ipv6() };
    let found = host.resolve(port, families, interfaces)?;
    Ok(found[0])
}

/// An interface by which a broadcast goes, before its socket is opened.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) from: SocketAddr,
    pub(crate) transmit: Transmit,
}

/// What a broadcast does with each interface.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    pub(crate) used: Vec<Plan>,
    /// Interfaces left out, and why.
    pub(crate) left_out: Vec<(String, String)>,
}

impl BroadcastArgs {
    /// Decides on each interface: which of its addresses sends where, or why none does.
    pub(crate) fn plan(&self, interfaces: &Interfaces) -> Result<Plans> {
        let to = self.to_address(interfaces)?;
        let named = self.common.named(interfaces)?;
        let mut named: Vec<_> = named.iter().map(|interface| interface.index).collect();
        if let Some(to) = to {
            check_scope(to, named.iter().copied())?;
            named.extend(scope(to).map(Some));
        }
        let mut plans = Plans::default();
        for interface in interfaces {
            let is_named = named.contains(&interface.index);
            if !named.is_empty() && !is_named {
                continue;
            }
            match self.plan_interface(interface, to, is_named) {
                Ok(used) => plans.used.extend(used),
                Err(reason) => plans.left_out.push((interface.name.clone(), reason)),
            }
        }
        Ok(plans)
    }

    fn to_address(&self, interfaces: &Interfaces) -> Result<Option<SocketAddr>> {
        let port = self.to.as_ref().and_then(|to| to.port).unwrap_or(self.common.port);
        check_port(port)?;
        let Some(to) = &self.to else { return Ok(None) };
        let Some(host) = &to.host else { bail!("--to needs an address, such as 239.255.255.250:1900") };
        let address = host.resolve(port, self.common.families(), interfaces)?[0];
        if !address.ip().is_multicast() && !interfaces.is_broadcast(address.ip()) {
            return Err(Hint::on(
                format!(
                    "{} is neither a multicast group nor the broadcast address of an attached network",
                    address.ip()
                ),
                "`udp interfaces` lists the broadcast addresses; `udp send` sends to one host",
            ));
        }
        Ok(Some(address))
    }

    /// The addresses of an interface that send, or why it is left out.
    fn plan_interface(&self, interface: &Interface, to: Option<SocketAddr>, named: bool) -> Result<Vec<Plan>, String> {
        let Some(index) = interface.index.filter(|_| interface.up) else { return Err("down".to_owned()) };
        if !interface.running {
            return Err("not connected".to_owned());
        }
        if interface.loopback && !named {
            return Err("loopback".to_owned());
        }
        if interface.point_to_point && !named {
            return Err("point-to-point (a tunnel); -i uses it".to_owned());
        }
        let multicast = self.common.ipv6 || to.is_some_and(|to| to.ip().is_multicast());
        if multicast && !interface.multicast && !interface.loopback {
            return Err("cannot multicast".to_owned());
        }
        let v6 = to.map_or(self.common.ipv6, |to| to.is_ipv6());
        let port = to.map_or(self.common.port, |to| to.port());
        if v6 {
            let own = interface.link_local().ok_or("no link-local IPv6 address")?;
            let group = match to {
                Some(SocketAddr::V6(to)) => *to.ip(),
                _ => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
            };
            let scoped = |ip, port| SocketAddr::from(std::net::SocketAddrV6::new(ip, port, 0, index.get()));
            return Ok(vec![self.plan_from(interface, scoped(own, 0), scoped(group, port))]);
        }
        let mut plans: Vec<Plan> = Vec::new();
        for address in &interface.addresses {
            let IpAddr::V4(own) = address.ip else { continue };
            let destination = match to.map(|to| to.ip()) {
                Some(IpAddr::V4(to)) if to.is_multicast() || to.is_broadcast() => to,
                Some(to) if !is_broadcast_of(interface, address, to) => continue,
                Some(IpAddr::V4(to)) => to,
                _ if self.limited => Ipv4Addr::BROADCAST,
                _ => match address.broadcast {
                    Some(broadcast) => broadcast,
                    None => continue,
                },
            };
            // A second address of the same network would only ask the same hosts again.
            if !plans.iter().any(|plan| plan.transmit.destination.ip() == destination) {
                plans.push(self.plan_from(interface, (own, 0).into(), (destination, port).into()));
            }
        }
        if plans.is_empty() {
            let has_v4 = interface.addresses.iter().any(|address| address.ip.is_ipv4());
            return Err(match (has_v4, to) {
                (false, _) => "no IPv4 address".to_owned(),
                (true, Some(to)) => format!("{} is not its broadcast address", to.ip()),
                (true, None) => "no broadcast address".to_owned(),
            });
        }
        Ok(plans)
    }

    fn plan_from(&self, interface: &Interface, from: SocketAddr, to: SocketAddr) -> Plan {
        let port = self.pace.local.as_ref().and_then(|local| local.port).unwrap_or(0);
        let mut from = from;
        from.set_port(port);
        let transmit = Transmit { interface: interface.index, ..Transmit::to(to) };
        Plan { name: interface.name.clone(), from, transmit }
    }

    /// Opens the sockets of a plan.
    pub(crate) fn sockets(&self, plans: &Plans) -> Result<(Vec<Socket>, Vec<BroadcastTarget>)> {
        if self.pace.local.as_ref().is_some_and(|local| local.host.is_some()) {
            bail!("--local takes a port alone here: each network is asked from our address in it");
        }
        let options = Options {
            broadcast: true,
            errors: true,
            timestamps: true,
            reuse_address: self.pace.local.is_some(),
            ..self.sending.socket_options(&self.common)
        };
        let mut sockets = Vec::new();
        let mut targets = Vec::new();
        for plan in &plans.used {
            let socket = Socket::bind(plan.from, &options)?;
            targets.push(BroadcastTarget { transmit: plan.transmit, own: socket.local_address() });
            sockets.push(socket);
        }
        Ok((sockets, targets))
    }
}
