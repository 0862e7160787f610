//! Multicast memberships, kept up while interfaces come and go.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;

use crate::datagram::InterfaceIndex;
use crate::error::{Attempt, Error, ErrorKind, Object, Result};
use crate::interface::{Changes, Interface, Interfaces, MIN_MTU_V6};
use crate::setters::setters;
use crate::socket::Socket;
use crate::socket_id::SocketId;

/// A group that a socket wants to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// The socket.
    pub via: SocketId,
    /// The group's address.
    pub address: IpAddr,
    /// The only source wanted; all where there is none.
    pub source: Option<IpAddr>,
    /// The only interface to join it on, where its address names one (`[ff02::1%eth0]`). One that is removed and created again
    /// has another number, and is known by its name.
    pub interface: Option<InterfaceIndex>,
}

setters! { Group {
    via: SocketId,
    address: IpAddr,
    into source: Option<IpAddr>,
    into interface: Option<InterfaceIndex>,
}}

impl Group {
    /// This group, from every source, on every interface that is asked for.
    #[must_use]
    pub fn new(via: SocketId, address: IpAddr) -> Self {
        Self { via, address, source: None, interface: None }
    }
}

/// Groups, and the interfaces on which they were joined.
///
/// ```no_run
/// use udpkit::{Group, Interfaces, Memberships, Options, Socket, SocketId};
///
/// # fn main() -> udpkit::Result<()> {
/// let sockets = [Socket::bind(([0, 0, 0, 0], 5353).into(), &Options::default().reuse_address(true))?];
/// let mdns = Group::new(SocketId::first(0), [224, 0, 0, 251].into());
/// // On every interface; `Drive::memberships` joins, and joins again on interfaces that come.
/// let mut memberships = Memberships::new(vec![mdns], Vec::new());
/// for refused in memberships.update(&sockets, &Interfaces::list()?)? {
///     eprintln!("{refused}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Memberships {
    groups: Vec<Group>,
    /// Interfaces to join on; every one that can where there are none.
    names: Vec<String>,
    /// For each group whose address names an interface, the name of that one.
    scopes: Vec<Option<String>>,
    joined: HashSet<(usize, InterfaceIndex)>,
    /// Groups that were joined on an interface of the system's choice.
    chosen: HashSet<usize>,
    /// What was refused at the last try: reported once, not at each change of any interface.
    refused: HashSet<(Object, ErrorKind)>,
}

/// The sockets that are open, by their ids.
type Open<'a> = dyn Fn(SocketId) -> Option<&'a Socket> + 'a;

/// What could not be joined.
#[derive(Default)]
struct Refusals {
    /// By these a group is heard nowhere, or not where it was asked for.
    grave: Vec<Error>,
    /// It is heard on other interfaces.
    minor: Vec<Error>,
}

impl Memberships {
    /// Groups to be joined on the interfaces of these names, or on every one that is up and can multicast. Where the system does
    /// not list its interfaces, a group that names none is joined on the one that the system chooses, by its routes.
    #[must_use]
    pub fn new(groups: Vec<Group>, names: Vec<String>) -> Self {
        let scopes = vec![None; groups.len()];
        Self { groups, names, scopes, ..Self::default() }
    }

    /// Joins what is not joined yet, on the interfaces that there are now; returns what was refused on single ones.
    ///
    /// # Errors
    ///
    /// A group is joined nowhere, or an interface that was named refuses it. The other groups are joined nevertheless.
    pub fn update(&mut self, sockets: &[Socket], interfaces: &Interfaces) -> Result<Vec<Error>> {
        let open = |via: SocketId| sockets.get(via.index());
        let Refusals { grave, minor } = self.join(&open, interfaces, &Changes::default());
        grave.into_iter().next().map_or(Ok(minor), Err)
    }

    /// Joins what is not joined yet, or not any more; returns what is refused and was not before. Groups of sockets that are
    /// closed wait.
    pub(crate) fn keep_up(&mut self, sockets: &Open<'_>, interfaces: &Interfaces, changes: &Changes) -> Vec<Error> {
        let Refusals { grave, minor } = self.join(sockets, interfaces, changes);
        let mut refused: Vec<_> = grave.into_iter().chain(minor).collect();
        let what = |error: &Error| (error.object().clone(), error.kind());
        let before = std::mem::replace(&mut self.refused, refused.iter().map(what).collect());
        refused.retain(|error| !before.contains(&what(error)));
        refused
    }

    fn join(&mut self, sockets: &Open<'_>, interfaces: &Interfaces, changes: &Changes) -> Refusals {
        self.follow_scopes(interfaces);
        self.leave_ended(sockets, interfaces, changes);
        let mut refusals = Refusals::default();
        for place in 0..self.groups.len() {
            let Some(socket) = sockets(self.groups[place].via) else { continue };
            if interfaces.is_empty() {
                refusals.grave.extend(self.join_unlisted(place, socket).err());
            } else {
                self.join_listed(place, socket, interfaces, &mut refusals);
            }
        }
        refusals
    }

    /// Joins a group on every interface that it is wanted on.
    fn join_listed(&mut self, place: usize, socket: &Socket, interfaces: &Interfaces, refusals: &mut Refusals) {
        let group = &self.groups[place];
        let (mut named, mut others) = (Vec::new(), Vec::new());
        for interface in interfaces.iter().filter(|interface| wants(&self.names, interface, group)) {
            let Some(index) = interface.index.filter(|index| !self.joined.contains(&(place, *index))) else {
                continue;
            };
            let refused = if is_named(&self.names, interface, group) { &mut named } else { &mut others };
            match join(socket, group, interface) {
                Ok(()) => drop(self.joined.insert((place, index))),
                Err(error) if matches!(error.kind(), ErrorKind::OutOfRoom | ErrorKind::OutOfMemory) => {
                    // Each that follows would be refused like this one: reported as one.
                    refused.push(out_of_room(group, self.joined_by(place), error));
                    break;
                }
                Err(error) => refused.push(error),
            }
        }
        if self.joined_by(place) == 0 && named.is_empty() {
            named.push(others.pop().unwrap_or_else(|| self.nowhere(place, interfaces)));
        }
        refusals.grave.extend(named);
        refusals.minor.extend(others);
    }

    /// Joins a group where interfaces cannot be listed: on the one that it names by number, or one of the system's choice.
    fn join_unlisted(&mut self, place: usize, socket: &Socket) -> Result<()> {
        if self.chosen.contains(&place) || self.joined_by(place) > 0 {
            return Ok(());
        }
        let group = &self.groups[place];
        if group.interface.is_none() && !self.names.is_empty() {
            // Says why they cannot be listed.
            Interfaces::list()?;
        }
        socket.join(group.address, &Interface::unlisted(group.interface), group.source)?;
        match group.interface {
            Some(index) => drop(self.joined.insert((place, index))),
            None => drop(self.chosen.insert(place)),
        }
        Ok(())
    }

    /// On how many interfaces a group is joined.
    fn joined_by(&self, place: usize) -> usize {
        self.joined.iter().filter(|(joined, _)| *joined == place).count()
    }

    /// The error of a group that no interface was there for.
    fn nowhere(&self, place: usize, interfaces: &Interfaces) -> Error {
        let group = self.groups[place].address;
        let missing = match (self.groups[place].interface, &self.scopes[place]) {
            (Some(index), None) => Some(index.to_string()),
            (Some(_), scope) => scope.clone(),
            (None, _) => self.names.iter().find(|name| interfaces.named(name).is_none()).cloned(),
        };
        let reason = match missing {
            Some(_) => "no such interface",
            None => "no interface that is up can multicast",
        };
        let object = Object::group(group, None, missing.as_deref());
        let cause = io::Error::new(io::ErrorKind::NotFound, reason);
        Error::new(Attempt::Join, object, cause).with_kind(ErrorKind::NoSuchInterface)
    }

    /// Finds the interfaces that groups name by number again, where they were removed and created: by the name that each had
    /// at first, as those of `names`.
    fn follow_scopes(&mut self, interfaces: &Interfaces) {
        for (group, scope) in self.groups.iter_mut().zip(&mut self.scopes) {
            let Some(index) = group.interface else { continue };
            match scope {
                Some(name) => group.interface = interfaces.named(name).and_then(|named| named.index).or(Some(index)),
                None => *scope = interfaces.numbered(index).map(|interface| interface.name.clone()),
            }
        }
    }

    /// Leaves the groups that the kernel does not hear any more: it ends memberships with the interface, or with IPv6 on it,
    /// and does not tell the sockets. One that stays at a socket counts against the kernel's limit, and keeps a new one out
    /// where the interface has the same number as before.
    fn leave_ended(&mut self, sockets: &Open<'_>, interfaces: &Interfaces, changes: &Changes) {
        if interfaces.is_empty() {
            return;
        }
        let groups = &self.groups;
        self.joined.retain(|(place, index)| {
            let group = &groups[*place];
            let interface = interfaces.numbered(*index);
            // Where news was lost, any may have ended: to leave and join again takes microseconds.
            let ended = changes.has_gaps
                || interface.is_none()
                || changes.removed.contains(index)
                || group.address.is_ipv6()
                    && (changes.without_ipv6.contains(index) || !interface.is_some_and(Interface::takes_ipv6));
            if let Some(socket) = sockets(group.via).filter(|_| ended) {
                // What the kernel does not know any more is left as well.
                let _ = socket.leave_numbered(group.address, *index, None);
            }
            !ended
        });
    }

    /// Takes the news that a socket was closed, and with it its memberships ended.
    pub(crate) fn forget(&mut self, via: SocketId) {
        let groups = &self.groups;
        self.joined.retain(|(place, _)| groups[*place].via != via);
        self.chosen.retain(|place| groups[*place].via != via);
        self.refused.clear();
    }

    /// The first socket that has a group.
    pub(crate) fn first_via(&self) -> Option<SocketId> {
        self.groups.iter().map(|group| group.via).min()
    }

    /// Whether there is anything to keep up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

/// Whether a group is to be joined on this interface; on every one that can where none was named.
fn wants(names: &[String], interface: &Interface, group: &Group) -> bool {
    if group.interface.is_some() || !names.is_empty() {
        return is_named(names, interface, group);
    }
    let family = interface.addresses.iter().any(|address| address.ip.is_ipv4() == group.address.is_ipv4());
    interface.up && (interface.multicast || interface.loopback) && family
}

/// Whether this very interface was asked for: by the scope of the group, or by name.
fn is_named(names: &[String], interface: &Interface, group: &Group) -> bool {
    match group.interface {
        Some(index) => interface.index == Some(index),
        None => names.contains(&interface.name),
    }
}

fn join(socket: &Socket, group: &Group, interface: &Interface) -> Result<()> {
    if group.address.is_ipv6() && !interface.takes_ipv6() {
        let mtu = interface.mtu.unwrap_or_default();
        let cause = io::Error::other(format!("IPv6 needs an MTU of {MIN_MTU_V6} bytes, and this one has {mtu}"));
        return Err(Error::new(Attempt::Join, Object::group(group.address, None, Some(&interface.name)), cause));
    }
    match socket.join(group.address, interface, group.source) {
        // It is a member already, of an interface that had this number before, or by the system's choice.
        Err(error) if [ErrorKind::AddressInUse, ErrorKind::AddressNotAvailable].contains(&error.kind()) => {
            let index = interface.index.ok_or(error)?;
            let _ = socket.leave_numbered(group.address, index, None);
            socket.join(group.address, interface, group.source)
        }
        joined => joined,
    }
}

/// The error of a group that its socket, which is a member on so many interfaces, can join on no more of them.
fn out_of_room(group: &Group, joined: usize, error: Error) -> Error {
    if joined == 0 {
        return error;
    }
    let plural = if joined == 1 { "" } else { "s" };
    let object = Object::Other(format!("{} on more than {joined} interface{plural}", group.address));
    let cause = error.cause().raw_os_error().unwrap_or(crate::sys::number::NO_BUFFERS);
    Error::new(Attempt::Join, object, io::Error::from_raw_os_error(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_that_a_group_names_is_the_one_of_the_name_that_it_had_at_first() {
        let list = |name: &str, index| -> Interfaces {
            let mut interface = Interface::new(name);
            interface.index = InterfaceIndex::new(index);
            [interface].into_iter().collect()
        };
        let group = Group::new(SocketId::first(0), [224, 0, 0, 251].into()).interface(InterfaceIndex::new(5));
        let mut memberships = Memberships::new(vec![group], Vec::new());
        // Renamed, it is heard until it is removed; then the next of the name is.
        for (name, index, expected) in [("eth0", 5, 5), ("old", 5, 5), ("eth0", 9, 9), ("eth0", 12, 12)] {
            memberships.follow_scopes(&list(name, index));
            assert_eq!(memberships.groups[0].interface, InterfaceIndex::new(expected), "{name} {index}");
        }
    }
}
