//! The verdict on each point of a sender, all from one run.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use udpkit::Interfaces;

use super::heard::Heard;
use crate::args::CheckSenderArgs;
use crate::verbs::check::evidence::payload_points;
use crate::verbs::check::expected::quoted;
use crate::verbs::check::marks::shows;
use crate::verbs::check::networks::Network;
use crate::verbs::check::point::{Judged, Point};
use crate::verbs::check::wire::Came;
use crate::words::units::{counted, human};

/// Copies that come closer to each other than this are no repetition.
const APART: Duration = Duration::from_millis(200);
/// Datagrams to one network within [`SECOND`] that are a flood.
const FLOOD: usize = 100;
const SECOND: Duration = Duration::from_secs(1);

/// What a sender did, and where it was to be heard.
pub(super) struct Judge<'a> {
    pub(super) args: &'a CheckSenderArgs,
    pub(super) heard: Heard,
    /// Networks on which our own broadcasts come back.
    pub(super) networks: Vec<Network>,
    pub(super) interfaces: Interfaces,
}

impl Judge<'_> {
    pub(super) fn point(&self, point: &Point) -> Judged {
        let heard = &self.heard.datagrams;
        if point.name == "sends" {
            return match heard.first() {
                Some(came) => Judged::passed(format!("{} came from {}", quoted(&came.payload), came.source)),
                None if self.args.judge.command.is_empty() => Judged::not_seen("nothing came"),
                None => Judged::failed(format!("nothing came: {}", self.heard.fate())),
            };
        }
        if heard.is_empty() {
            return Judged::not_seen("it sent nothing to this port");
        }
        if point.name == "broadcast" {
            return self.broadcast();
        }
        if let Some(judged) = payload_points(point, self.args.expect.as_deref(), &self.message()) {
            return judged;
        }
        if point.name == "answers" {
            return self.answers();
        }
        if self.broadcasts().next().is_none() {
            return Judged::not_seen("it sent no broadcast");
        }
        match point.name {
            "networks" => self.reaches(),
            "destination" => self.destination(),
            "source" => self.source(),
            "once" => self.once(),
            _ => self.rate(),
        }
    }

    /// The network on which a datagram came as a broadcast.
    fn network(&self, came: &Came) -> Option<&Network> {
        let IpAddr::V4(to) = came.destination? else { return None };
        let is_of = |network: &&Network| match to {
            Ipv4Addr::BROADCAST => came.interface == Some(network.index),
            to => to == network.broadcast,
        };
        self.networks.iter().find(is_of)
    }

    fn broadcasts(&self) -> impl Iterator<Item = (&Came, &Network)> {
        self.heard.datagrams.iter().filter_map(|came| Some((came, self.network(came)?)))
    }

    fn reached(&self) -> Vec<&Network> {
        self.networks.iter().filter(|network| self.broadcasts().any(|(_, other)| other == *network)).collect()
    }

    /// The payloads to one network, or all of them where there is no broadcast.
    fn message(&self) -> Vec<Vec<u8>> {
        let first = self.broadcasts().next().map(|(_, network)| network);
        let of_one: Vec<_> = self
            .broadcasts()
            .filter(|(_, network)| Some(*network) == first)
            .map(|(came, _)| came.payload.clone())
            .collect();
        if of_one.is_empty() { self.heard.datagrams.iter().map(|came| came.payload.clone()).collect() } else { of_one }
    }

    fn broadcast(&self) -> Judged {
        if self.networks.is_empty() {
            return Judged::not_seen("this host has no network on which its broadcasts come back to it");
        }
        if let Some((came, network)) = self.broadcasts().next() {
            let to = came.destination.map(|to| to.to_string()).unwrap_or_default();
            return Judged::passed(format!("a broadcast to {to} came on {}", network.interface));
        }
        let destinations: Vec<_> = self.heard.datagrams.iter().filter_map(|came| came.destination).collect();
        match destinations.first() {
            Some(to) if to.is_multicast() => Judged::not_seen(format!("it sent to the multicast group {to}")),
            Some(to) if self.interfaces.is_ours(*to) => {
                Judged::failed(format!("it sent to {to}, one address of this host"))
            }
            Some(to) => {
                Judged::not_seen(format!("it sent to {to}, which is on none of the networks that are looked at"))
            }
            None => Judged::not_seen("this system does not tell where a datagram was sent to"),
        }
    }

    fn reaches(&self) -> Judged {
        if self.networks.len() < 2 {
            return Judged::not_seen("this host is on fewer than two networks on which its broadcasts come back to it");
        }
        let reached = self.reached();
        let list = |networks: &[&Network]| networks.iter().map(|it| it.words()).collect::<Vec<_>>().join(", ");
        let missed: Vec<_> = self.networks.iter().filter(|network| !reached.contains(network)).collect();
        if missed.is_empty() {
            return Judged::passed(format!("it reached {}", list(&reached)));
        }
        if self.heard.dropped > 0 {
            return Judged::not_seen(format!("the system dropped {} of them", self.heard.dropped));
        }
        Judged::failed(format!("it reached {}, and not {}", list(&reached), list(&missed)))
    }

    fn destination(&self) -> Judged {
        let is_limited = |came: &Came| came.destination == Some(Ipv4Addr::BROADCAST.into());
        match self.broadcasts().find(|(came, _)| !is_limited(came)) {
            Some((_, network)) => {
                Judged::passed(format!("it sent to {}, for which no route is needed", network.broadcast))
            }
            None if self.networks.len() < 2 => {
                Judged::not_seen("it sent to 255.255.255.255, and this host is on one network alone")
            }
            None if self.reached().len() == self.networks.len() => {
                Judged::passed("it sent to 255.255.255.255 on each network")
            }
            None if self.heard.dropped > 0 => Judged::not_seen("the system dropped some of them"),
            None => Judged::failed("it sent to 255.255.255.255 alone, which left by one interface"),
        }
    }

    fn source(&self) -> Judged {
        let is_on = |came: &Came, network: &Network| {
            let interface = self.interfaces.numbered(network.index);
            interface.is_some_and(|it| it.addresses.iter().any(|address| address.ip == came.source.ip()))
        };
        match self.broadcasts().find(|(came, network)| !is_on(came, network)) {
            Some((came, network)) => Judged::failed(format!("on {} it sent as {}", network.words(), came.source.ip())),
            None => Judged::passed("it sent with its own address on each"),
        }
    }

    fn once(&self) -> Judged {
        for network in &self.networks {
            let here: Vec<_> = self.broadcasts().filter(|(_, other)| *other == network).map(|(came, _)| came).collect();
            for (position, came) in here.iter().enumerate() {
                let is_copy = |other: &&&Came| {
                    other.payload == came.payload && other.at.saturating_duration_since(came.at) < APART
                };
                let copies = here[position + 1..].iter().filter(is_copy).count();
                if copies > 0 {
                    return Judged::failed(format!(
                        "{} came {} times on {} within {}",
                        quoted(&came.payload),
                        copies + 1,
                        network.words(),
                        human(APART)
                    ));
                }
            }
        }
        Judged::passed("each came once")
    }

    fn rate(&self) -> Judged {
        for network in &self.networks {
            let here: Vec<_> =
                self.broadcasts().filter(|(_, other)| *other == network).map(|(came, _)| came.at).collect();
            let is_flood = |times: &[std::time::Instant]| times[FLOOD - 1].saturating_duration_since(times[0]) < SECOND;
            if here.windows(FLOOD).any(is_flood) {
                return Judged::failed(format!(
                    "{} came on {} within a second",
                    counted(FLOOD as u64, "datagram"),
                    network.words()
                ));
            }
        }
        Judged::passed(format!("{} came in all", counted(self.heard.datagrams.len() as u64, "datagram")))
    }

    fn answers(&self) -> Judged {
        let Heard { mark, printed, .. } = &self.heard;
        match () {
            () if shows(printed, mark, format!("answer {mark}").as_bytes()) => Judged::passed("it printed an answer"),
            () if self.heard.is_connected => Judged::failed(
                "the system refused an answer to its port, although its socket was there: it is connected",
            ),
            () => Judged::not_seen("answers reached its socket, and it printed none of them"),
        }
    }
}
