//! Multicast memberships, kept up while interfaces come and go.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::datagram::InterfaceIndex;
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
    /// The only interface to join it on, where its address names one (`[ff02::1%eth0]`).
    pub interface: Option<InterfaceIndex>,
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

    /// Joins what is not joined yet, on the interfaces that there are now; returns what was refused on single ones.
    ///
    /// # Errors
    ///
    /// A group is joined nowhere, or an interface that was named refuses it.
    pub fn update(&mut self, sockets: &[Socket], interfaces: &Interfaces) -> Result<Vec<Error>> {
        // The kernel ends a membership with the interface; one that comes back has another number.
        self.joined.retain(|(_, index)| interfaces.numbered(*index).is_some());
        let mut refusals = Vec::new();
        for (place, group) in self.groups.iter().enumerate() {
            for interface in interfaces {
                if !self.wants(interface, group) {
                    continue;
                }
                let Some(index) = interface.index.filter(|index| !self.joined.contains(&(place, *index))) else {
                    continue;
                };
                match sockets[group.via].join(group.address, interface, group.source) {
                    Ok(()) => drop(self.joined.insert((place, index))),
                    Err(error) if self.is_named(interface, group) => return Err(error),
                    Err(error) => refusals.push(error),
                }
            }
            if !self.joined.iter().any(|(joined, _)| *joined == place) {
                return Err(refusals.pop().unwrap_or_else(|| nowhere(group.address)));
            }
        }
        Ok(refusals)
    }

    /// Takes the news that a socket was closed, and with it its memberships ended.
    pub(crate) fn forget(&mut self, via: usize) {
        let groups = &self.groups;
        self.joined.retain(|(place, _)| groups[*place].via != via);
    }

    /// The first socket that has a group.
    pub(crate) fn first_via(&self) -> Option<usize> {
        self.groups.iter().map(|group| group.via).min()
    }

    /// Whether there is anything to keep up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    fn wants(&self, interface: &Interface, group: &Group) -> bool {
        if group.interface.is_some() || !self.names.is_empty() {
            return self.is_named(interface, group);
        }
        let family = interface.addresses.iter().any(|address| address.ip.is_ipv4() == group.address.is_ipv4());
        interface.up && (interface.multicast || interface.loopback) && family
    }

    /// Whether this very interface was asked for: by the scope of the group, or by name.
    fn is_named(&self, interface: &Interface, group: &Group) -> bool {
        match group.interface {
            Some(index) => interface.index == Some(index),
            None => self.names.contains(&interface.name),
        }
    }
}

fn nowhere(group: IpAddr) -> Error {
    let cause = std::io::Error::new(std::io::ErrorKind::NotFound, "no interface that is up can multicast");
    Error::new("join", group, cause)
}
