//! `udp interfaces`: interfaces, addresses and broadcast addresses of this host.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use serde::Serialize;
use udpkit::{Interface, Interfaces};

use crate::args::InterfacesArgs;
use crate::output::json::is_false;
use crate::output::{Notice, Settings, StdPrinter, Tone};
use crate::runtime::exit::{Exit, finish};
use crate::words::format::Format;

/// Lists the interfaces.
pub(crate) fn interfaces(args: &InterfacesArgs) -> Result<Exit> {
    let format = if args.json { Format::Json } else { Format::Text };
    let mut printer = StdPrinter::std(Settings::plain(format));
    for interface in &Interfaces::list()? {
        printer.say(&Listed::new(interface));
    }
    printer.flush();
    finish(&printer, Exit::Done)
}

/// An interface with its addresses.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are the system's flags")]
struct Listed<'a> {
    name: &'a str,
    index: Option<u32>,
    up: bool,
    running: bool,
    broadcast: bool,
    multicast: bool,
    loopback: bool,
    point_to_point: bool,
    mtu_bytes: Option<u32>,
    addresses: Vec<ListedAddress>,
}

#[derive(Serialize)]
struct ListedAddress {
    address: IpAddr,
    prefix_length: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    broadcast: Option<Ipv4Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<IpAddr>,
    #[serde(skip_serializing_if = "is_false")]
    tentative: bool,
}

impl<'a> Listed<'a> {
    fn new(interface: &'a Interface) -> Self {
        let addresses = interface.addresses.iter().map(|address| ListedAddress {
            address: address.ip,
            prefix_length: address.prefix_len,
            broadcast: address.broadcast,
            peer: address.peer,
            tentative: address.tentative,
        });
        Self {
            name: &interface.name,
            index: interface.index.map(Into::into),
            up: interface.up,
            running: interface.running,
            broadcast: interface.broadcast,
            multicast: interface.multicast,
            loopback: interface.loopback,
            point_to_point: interface.point_to_point,
            mtu_bytes: interface.mtu,
            addresses: addresses.collect(),
        }
    }

    fn first_line(&self) -> String {
        let state = if self.up && self.running { "up" } else { "down" };
        let mut line = format!("{:<12} {state:<5}", self.name);
        if let Some(mtu) = self.mtu_bytes {
            line += &format!(" mtu {mtu}");
        }
        let flags = [
            (self.broadcast, " broadcast"),
            (self.multicast, " multicast"),
            (self.loopback, " loopback"),
            (self.point_to_point, " point-to-point"),
        ];
        line.extend(flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name));
        line
    }

    fn address_line(&self, address: &ListedAddress) -> String {
        let mut line = format!("    {}/{}", address.address, address.prefix_length);
        if let Some(peer) = address.peer {
            line += &format!(" peer {peer}");
        }
        match (address.broadcast, address.address) {
            (Some(broadcast), _) => line += &format!(" broadcast {broadcast}"),
            (None, IpAddr::V4(_)) if self.broadcast => line += " no broadcast address",
            (None, _) => {}
        }
        if address.tentative {
            line += " tentative";
        }
        line
    }
}

impl Notice for Listed<'_> {
    fn kind(&self) -> Option<&'static str> {
        Some("interface")
    }

    fn words(&self) -> Vec<String> {
        let addresses = self.addresses.iter().map(|address| self.address_line(address));
        std::iter::once(self.first_line()).chain(addresses).collect()
    }

    fn tone(&self) -> Tone {
        Tone::Data
    }
}
