//! The sockets of a run: those that it began with, those that its engine opens and closes, and those that are lost and opened again.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::clock::now;
use crate::error::{Attempt, Error, Object, Result};
use crate::options::Options;
use crate::socket::Socket;
use crate::socket_id::SocketId;
use crate::sys::waiting::{Poller, Ready};

/// The first and the longest wait before a socket that was lost is opened again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

/// All sockets of a run, each known by its [`SocketId`].
pub(crate) struct Sockets {
    slots: Vec<Slot>,
    /// What the free slots' next sockets are called.
    free: Vec<SocketId>,
    /// Those that the engine closed, and that are not emptied yet.
    closing: Vec<SocketId>,
    /// Those that are to be opened again.
    lost: Vec<SocketId>,
    /// Those that received something since the kernel was asked for their drops.
    heard: Vec<SocketId>,
    /// Of sockets that are gone.
    gone: Drops,
    pub(super) poller: Poller,
}

/// What the kernel dropped at some sockets.
#[derive(Clone, Copy, Debug)]
struct Drops {
    /// `None` where one of them could not tell.
    count: Option<u64>,
    /// Whether one of them received trains, so that one that was dropped may have been counted as one datagram.
    coalesced: bool,
}

impl Drops {
    const NONE: Self = Self { count: Some(0), coalesced: false };

    fn of(socket: &Socket) -> Self {
        let count = socket.kernel_drops();
        Self { count, coalesced: count > Some(0) && socket.capabilities().coalesce }
    }

    fn and(self, other: Self) -> Self {
        let count = self.count.zip(other.count).map(|(one, other)| one + other);
        Self { count, coalesced: self.coalesced || other.coalesced }
    }
}

/// A place for a socket.
struct Slot {
    /// The socket that has it.
    id: SocketId,
    state: State,
    /// Datagrams that were put into batches for it, ever.
    put: u64,
    /// What had been handed to the socket, and put into batches for it, when it came: where its send times count from.
    began: (u64, u64),
    /// Its place among the batches, while something waits to be sent.
    batch: Option<usize>,
    /// What the kernel dropped, as far as it was reported.
    drops: u64,
    is_heard: bool,
    /// When it was lost, or could not be opened again, and how long is waited then.
    broken: Option<(Instant, Duration)>,
}

enum State {
    Open(Socket),
    /// Closed by the engine, to be emptied.
    Closing(Socket),
    /// Of no use any more.
    Lost(Box<Lost>),
    Free,
}

/// What to open in the place of a socket.
struct Lost {
    local: SocketAddr,
    options: Options,
    /// Whether it was reported that it cannot be opened.
    is_reported: bool,
}

/// The wait after one that did not help, or did not for long.
fn next_pause(broken: Option<(Instant, Duration)>, moment: Instant) -> Duration {
    match broken {
        Some((when, pause)) if moment.saturating_duration_since(when) < 2 * PAUSES.1 => (pause * 2).min(PAUSES.1),
        _ => PAUSES.0,
    }
}

impl Sockets {
    /// The sockets that a run begins with.
    ///
    /// # Errors
    ///
    /// The system has no descriptor or memory left for waiting.
    pub(crate) fn new(sockets: Vec<Socket>) -> Result<Self> {
        let poller = Poller::new().map_err(|cause| Error::new(Attempt::Wait, Object::None, cause))?;
        let (free, closing, lost, heard) = Default::default();
        let mut all = Self { slots: Vec::new(), free, closing, lost, heard, gone: Drops::NONE, poller };
        sockets.into_iter().try_for_each(|socket| all.add(socket).map(drop))?;
        Ok(all)
    }

    /// Takes a socket, from which datagrams are received from now on.
    pub(super) fn add(&mut self, socket: Socket) -> Result<SocketId> {
        let id = self.free.last().copied().unwrap_or_else(|| SocketId::first(self.slots.len()));
        self.watch(id, &socket)?;
        let began = (socket.handed_over(), 0);
        let slot = Slot {
            id,
            state: State::Open(socket),
            put: 0,
            began,
            batch: None,
            drops: 0,
            is_heard: false,
            broken: None,
        };
        match self.free.pop() {
            Some(_) => self.slots[id.index()] = slot,
            None => self.slots.push(slot),
        }
        Ok(id)
    }

    fn watch(&mut self, id: SocketId, socket: &Socket) -> Result<()> {
        let watched = self.poller.add(borrow(socket), id.token());
        watched.map_err(|cause| Error::new(Attempt::Receive, socket.local_address(), cause))
    }

    /// A socket that is open.
    pub(super) fn get(&self, id: SocketId) -> Option<&Socket> {
        match self.slots.get(id.index()) {
            Some(Slot { id: has, state: State::Open(socket), .. }) if *has == id => Some(socket),
            _ => None,
        }
    }

    fn slot(&mut self, id: SocketId) -> Option<&mut Slot> {
        self.slots.get_mut(id.index()).filter(|slot| slot.id == id && !matches!(slot.state, State::Free))
    }

    /// Those that are open.
    pub(super) fn open(&self) -> impl Iterator<Item = (SocketId, &Socket)> {
        self.slots.iter().filter_map(|slot| match &slot.state {
            State::Open(socket) => Some((slot.id, socket)),
            State::Closing(_) | State::Lost(_) | State::Free => None,
        })
    }

    /// The batch of a socket that is open, if something waits in it.
    pub(super) fn batch(&self, id: SocketId) -> Option<usize> {
        self.slots.get(id.index()).filter(|slot| slot.id == id)?.batch
    }

    /// Gives a socket a batch; returns how many datagrams were put into batches for it before.
    pub(super) fn give(&mut self, id: SocketId, batch: usize) -> u64 {
        let slot = &mut self.slots[id.index()];
        slot.batch = Some(batch);
        slot.put
    }

    /// Takes the batch of a socket, into which so many datagrams were put, those of all batches before it included.
    pub(super) fn take_batch(&mut self, id: SocketId, put: u64) {
        if let Some(slot) = self.slot(id) {
            (slot.batch, slot.put) = (None, put);
        }
    }

    /// Counts datagrams as put into a batch that are not; returns how many were put in before.
    pub(super) fn pass_over(&mut self, id: SocketId, count: usize) -> u64 {
        let Some(slot) = self.slot(id) else { return 0 };
        let place = slot.put;
        slot.put += count as u64;
        place
    }

    /// The place in this run of what has this place at the socket; `None` if it was sent before the run.
    pub(super) fn place(&self, id: SocketId, at_socket: u64) -> Option<u64> {
        let (handed, put) = self.slots.get(id.index())?.began;
        Some(at_socket.checked_sub(handed)? + put)
    }

    /// Remembers that a socket received something, so that something may have been dropped.
    pub(super) fn hear(&mut self, id: SocketId) {
        let slot = &mut self.slots[id.index()];
        if !std::mem::replace(&mut slot.is_heard, true) {
            self.heard.push(id);
        }
    }

    /// Closes a socket: one that is open is emptied later, one that is lost is given up.
    pub(super) fn close(&mut self, id: SocketId) {
        self.forget(id);
        let Some(slot) = self.slot(id) else { return };
        match std::mem::replace(&mut slot.state, State::Free) {
            State::Open(socket) => {
                slot.state = State::Closing(socket);
                self.closing.push(id);
            }
            other => slot.state = other,
        }
    }

    /// Whether there are sockets that the engine closed, and that are not emptied yet.
    pub(super) fn has_closing(&self) -> bool {
        !self.closing.is_empty()
    }

    /// A socket that the engine closed, to be emptied, and what of its drops was reported; its place is free from now on.
    pub(super) fn take_closing(&mut self) -> Option<(Socket, u64)> {
        let id = self.closing.pop()?;
        let slot = &mut self.slots[id.index()];
        let State::Closing(socket) = std::mem::replace(&mut slot.state, State::Free) else { return None };
        let reported = slot.drops;
        self.poller.remove(borrow(&socket));
        self.vacate(id);
        Some((socket, reported))
    }

    fn vacate(&mut self, id: SocketId) {
        let next = id.successor();
        let slot = &mut self.slots[id.index()];
        (slot.id, slot.state) = (next, State::Free);
        self.free.push(next);
    }

    /// Keeps in mind what the kernel dropped at a socket that is about to be gone; returns what of it was not reported.
    pub(super) fn keep_drops(&mut self, socket: &Socket, reported: u64) -> u64 {
        let drops = Drops::of(socket);
        self.gone = self.gone.and(drops);
        drops.count.unwrap_or(0).saturating_sub(reported)
    }

    /// Takes a socket that is of no use any more out of the run; returns what of its drops was not reported.
    pub(super) fn lose(&mut self, id: SocketId) -> Option<u64> {
        self.get(id)?;
        let slot = &mut self.slots[id.index()];
        let reported = std::mem::take(&mut slot.drops);
        let State::Open(socket) = std::mem::replace(&mut slot.state, State::Free) else { return None };
        let (local, options) = (socket.local_address(), socket.options().clone());
        slot.state = State::Lost(Box::new(Lost { local, options, is_reported: false }));
        self.poller.remove(borrow(&socket));
        Some(self.keep_drops(&socket, reported))
    }

    /// Gives up a socket that was lost.
    pub(super) fn forget(&mut self, id: SocketId) {
        if self.slot(id).is_some_and(|slot| matches!(slot.state, State::Lost(_))) {
            self.lost.retain(|lost| *lost != id);
            self.vacate(id);
        }
    }

    /// Lets a socket that was lost be opened again.
    pub(super) fn reopen(&mut self, id: SocketId, moment: Instant) {
        if let Some(slot) = self.slot(id).filter(|slot| matches!(slot.state, State::Lost(_))) {
            slot.broken = Some((moment, next_pause(slot.broken, moment)));
            self.lost.push(id);
        }
    }

    /// When a socket is to be opened again next.
    pub(super) fn due(&self) -> Option<Instant> {
        let due = |id: &SocketId| self.slots[id.index()].broken.map(|(when, pause)| when + pause);
        self.lost.iter().filter_map(due).min()
    }

    /// Opens a lost socket whose time has come: its address, or why it still cannot be opened, where that is worth a word.
    pub(super) fn open_again(&mut self, moment: Instant) -> Option<Result<SocketAddr>> {
        let is_due = |slot: &Slot| slot.broken.is_none_or(|(when, pause)| when + pause <= moment);
        loop {
            let place = self.lost.iter().position(|id| is_due(&self.slots[id.index()]))?;
            let id = self.lost[place];
            let State::Lost(lost) = &mut self.slots[id.index()].state else {
                self.lost.swap_remove(place);
                continue;
            };
            let local = lost.local;
            let opened = Socket::bind(local, &lost.options);
            let opened = opened.and_then(|socket| self.watch(id, &socket).map(|()| socket));
            let slot = &mut self.slots[id.index()];
            match opened {
                Ok(socket) => {
                    slot.began = (socket.handed_over(), slot.put);
                    (slot.state, slot.drops) = (State::Open(socket), 0);
                    self.lost.swap_remove(place);
                    return Some(Ok(local));
                }
                Err(error) => {
                    let pause = next_pause(slot.broken, moment);
                    // Later than the moment of this call, so that the next call does not find it due.
                    slot.broken = Some((now().max(moment), pause));
                    let State::Lost(lost) = &mut slot.state else { continue };
                    if pause == PAUSES.1 && !std::mem::replace(&mut lost.is_reported, true) {
                        return Some(Err(error));
                    }
                }
            }
        }
    }

    /// What the kernel dropped and was not reported yet: at sockets that received something, or, at the end, at any.
    pub(super) fn new_drops(&mut self, all: bool) -> u64 {
        let mut new = 0;
        for id in std::mem::take(&mut self.heard) {
            if let Some(slot) = self.slot(id) {
                slot.is_heard = false;
                new += slot.new_drops();
            }
        }
        if all {
            new += self.slots.iter_mut().map(Slot::new_drops).sum::<u64>();
        }
        new
    }

    /// What the kernel dropped, at all sockets that there were; `None` where it cannot tell. And whether that may be too few, since
    /// trains were counted as one.
    pub(crate) fn drops(&self) -> (Option<u64>, bool) {
        let sockets = self.slots.iter().filter_map(|slot| match &slot.state {
            State::Open(socket) | State::Closing(socket) => Some(socket),
            State::Lost(_) | State::Free => None,
        });
        let all = sockets.map(Drops::of).fold(self.gone, Drops::and);
        (all.count, all.count.is_some() && all.coalesced)
    }

    /// Waits until a socket can be read, or the time is over.
    pub(super) fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.poller.wait(timeout, ready)
    }
}

impl Slot {
    fn new_drops(&mut self) -> u64 {
        let State::Open(socket) = &self.state else { return 0 };
        let total = socket.kernel_drops().unwrap_or(0);
        total.saturating_sub(std::mem::replace(&mut self.drops, total))
    }
}

#[cfg(unix)]
fn borrow(socket: &Socket) -> std::os::fd::BorrowedFd<'_> {
    std::os::fd::AsFd::as_fd(socket)
}

#[cfg(windows)]
fn borrow(socket: &Socket) -> std::os::windows::io::BorrowedSocket<'_> {
    std::os::windows::io::AsSocket::as_socket(socket)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn bind(options: &Options) -> Socket {
        Socket::bind((Ipv4Addr::LOCALHOST, 0).into(), options).expect("there are free ports")
    }

    #[test]
    fn drops_are_known_and_the_same_while_a_socket_is_closed_and_after_it() {
        let overrun = bind(&Options::default().receive_buffer(4096).coalesce(true));
        if overrun.kernel_drops().is_none() {
            return;
        }
        while overrun.kernel_drops() == Some(0) {
            overrun.send_to(b"x", overrun.local_address()).expect("loopback takes it");
        }
        let (drops, first) = (overrun.kernel_drops(), SocketId::first(0));
        let mut sockets = Sockets::new(vec![overrun]).expect("there are descriptors");
        assert_eq!(sockets.drops(), (drops, true));
        sockets.close(first);
        assert_eq!(sockets.drops(), (drops, true));
        let (socket, reported) = sockets.take_closing().expect("it was closed");
        assert_eq!(Some(sockets.keep_drops(&socket, reported)), drops);
        assert_eq!(sockets.drops(), (drops, true));
    }

    #[test]
    fn drops_that_nobody_knows_of_are_not_taken_for_none_once_the_socket_is_gone() {
        let socket = bind(&Options::default().portable(true));
        let mut sockets = Sockets::new(vec![socket]).expect("there are descriptors");
        assert_eq!(sockets.drops(), (None, false));
        assert_eq!(sockets.lose(SocketId::first(0)), Some(0));
        assert_eq!(sockets.drops(), (None, false));
    }
}
