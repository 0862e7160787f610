//! Multicast memberships, kept up while interfaces come and go.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::batch::InterfaceIndex;
use crate::error::{Error, Result};
use crate::interface::{Interface, Interfaces};
use crate::socket::Socket;

/// A group that a socket wants to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Place of the socket.
    pub via: usize,
    /// The group's address.
    pub address: IpAddr,
    /// The only source wanted; all where there is none.
    pub source: Option<IpAddr>,
}

/// Groups, and the interfaces on which they were joined.
#[derive(Debug, Default)]
pub struct Memberships {
    groups: Vec<Group>,
    /// Interfaces to join on; every one that can where there are none.
    names: Vec<String>,
    joined: HashSet<(usize, InterfaceIndex)>,
}

impl Memberships {
    /// Groups to be joined on the interfaces of these names, or on every one that is up and can multicast.
    #[must_use]
    pub fn new(groups: Vec<Group>, names: Vec<String>) -> Self {
        Self { groups, names, joined: HashSet::new() }
    }

    /// Joins what is not joined yet, on the interfaces that there are now.
    ///
    /// # Errors
    ///
    /// The last refusal, if a group is joined nowhere.
    pub fn update(&mut self, sockets: &[Socket], interfaces: &Interfaces) -> Result<()> {
        // The kernel ends a membership with the interface; one that comes back has another number.
        self.joined.retain(|(_, index)| interfaces.numbered(*index).is_some());
        let mut outcome = Ok(());
        for (place, group) in self.groups.iter().enumerate() {
            let mut refusal = None;
            for interface in interfaces {
                if !self.wants(interface, group.address) {
                    continue;
                }
                let Some(index) = interface.index.filter(|index| !self.joined.contains(&(place, *index))) else {
                    continue;
                };
                match sockets[group.via].join(group.address, interface, group.source) {
                    Ok(()) => drop(self.joined.insert((place, index))),
                    Err(error) => refusal = Some(error),
                }
            }
            if !self.joined.iter().any(|(joined, _)| *joined == place) {
                outcome = Err(refusal.unwrap_or_else(|| nowhere(group.address)));
            }
        }
        outcome
    }

    /// Whether there is anything to keep up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    fn wants(&self, interface: &Interface, group: IpAddr) -> bool {
        if !self.names.is_empty() {
            return self.names.contains(&interface.name);
        }
        let family = interface.addresses.iter().any(|address| address.ip.is_ipv4() == group.is_ipv4());
        interface.up && (interface.multicast || interface.loopback) && family
    }
}

fn nowhere(group: IpAddr) -> Error {
    let cause = std::io::Error::new(std::io::ErrorKind::NotFound, "no interface that is up can multicast");
    Error::new("join", group, cause)
}
