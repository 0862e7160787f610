//! The datagrams of a capture that are to be sent again, one after another, and what becomes of all others.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use udpkit::verbs::{Reading, Recording, ReplayDatagram, Sources};
use udpkit::{Attempt, InterfaceIndex, Object};

use super::kept::{CaptureEntry, Kept};
use super::origin::{Origin, Supply};
use super::rehearsal::Rehearsal;
use super::tally::{Omission, Tally};
use crate::words::address::needs_scope;
use crate::words::address::on_interface;
use udpkit_capture::{Captured, ReadError, ReadOptions};

/// How long a stream is waited for before what was read is listed, and before the next look whether to stop.
const PATIENCE: Duration = Duration::from_millis(10);

/// Which datagrams of a capture are sent.
#[derive(Debug)]
pub(super) struct Selection {
    /// Only those to one of these ports, where there are any.
    pub(super) ports: Vec<u16>,
    /// The length that longer payloads are cut into, if they are.
    pub(super) segment: Option<usize>,
    /// The address to which all are sent; none where each goes where it went.
    pub(super) target: Option<IpAddr>,
    /// Whether they keep their port.
    pub(super) keeps_ports: bool,
    /// Where they keep their source: those that have a socket.
    pub(super) sources: Option<RefCell<Sources>>,
    /// Families that are sent: of IPv4, of IPv6.
    pub(super) families: [bool; 2],
    /// The interface by which they leave, where one was chosen.
    pub(super) interface: Option<InterfaceIndex>,
}

impl Selection {
    /// Why a datagram is not sent, if it is not.
    pub(super) fn leaves_out(&self, datagram: &Captured<'_>) -> Option<Omission> {
        let port = datagram.destination.port();
        let target = self.target.unwrap_or_else(|| datagram.destination.ip());
        let recorded = [(target, self.target.is_none()), (datagram.source.ip(), self.sources.is_some())];
        let needs_interface = recorded.into_iter().any(|(ip, is_kept)| is_kept && needs_scope(ip));
        match () {
            () if !self.ports.is_empty() && !self.ports.contains(&port) => Some(Omission::OtherPort),
            () if self.keeps_ports && port == 0 => Some(Omission::PortZero),
            () if !self.families[usize::from(target.is_ipv6())] => Some(Omission::OtherFamily),
            () if self.target.is_none() && target.is_unspecified() => Some(Omission::NoDestination),
            () if needs_interface && self.interface.is_none() => Some(Omission::NoInterface),
            () if self.piece(datagram) > udpkit::max_payload(target) => Some(Omission::TooLong),
            () => self.lacks_source(datagram.source, target),
        }
    }

    /// The length of its pieces, or its own where it is not cut. What came in fragments was one datagram.
    fn piece(&self, datagram: &Captured<'_>) -> usize {
        let length = datagram.payload.len();
        self.segment.filter(|segment| datagram.packets == 1 && *segment < length).unwrap_or(length)
    }

    /// The lengths of the pieces that it is sent in, one unless it is cut.
    pub(super) fn lengths(&self, datagram: &Captured<'_>) -> impl Iterator<Item = usize> + use<> {
        let (length, piece) = (datagram.payload.len(), self.piece(datagram).max(1));
        (0..length.max(1)).step_by(piece).map(move |start| (length - start).min(piece))
    }

    /// Why a datagram to this address cannot be sent from where it came from, if it is to be and cannot.
    fn lacks_source(&self, source: SocketAddr, target: IpAddr) -> Option<Omission> {
        let (ip, sources) = (source.ip(), self.sources.as_ref()?);
        let is_nobody = ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
        match () {
            () if ip.is_ipv6() != target.is_ipv6() => Some(Omission::OtherFamily),
            () if is_nobody || source.port() == 0 => Some(Omission::NoSource),
            () if !sources.borrow().has_room(source) => Some(Omission::NoSocket),
            () => {
                sources.borrow_mut().via(source);
                None
            }
        }
    }
}

/// What all readings of a capture have in common.
pub(super) struct Context {
    /// The captures, as errors name them.
    pub(super) names: Vec<String>,
    /// How it is read.
    pub(super) reading: ReadOptions,
    pub(super) selection: Selection,
    /// Whether the run is to end.
    pub(super) stop: Arc<AtomicBool>,
    /// What became of the packets: of readings that are over, and of datagrams that were taken.
    pub(super) tally: RefCell<Tally>,
    /// Where each datagram is shown before it is sent, if it is shown.
    pub(super) rehearsal: Option<RefCell<Rehearsal>>,
}

impl Context {
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The captures, in a few words.
    pub(super) fn name(&self) -> String {
        match self.names.as_slice() {
            [one] => one.clone(),
            [first, others @ ..] => format!("{first} and {} more", others.len()),
            [] => String::new(),
        }
    }

    /// Why a capture cannot be read, as an error of the library.
    pub(super) fn error(&self, (file, error): (usize, ReadError)) -> udpkit::Error {
        let cause = match error {
            ReadError::Input(0, cause) => cause,
            ReadError::Input(offset, cause) => {
                io::Error::new(cause.kind(), format!("{} (after byte {offset})", udpkit::reason(&cause)))
            }
            error => io::Error::from(error),
        };
        udpkit::Error::new(Attempt::Read, Object::Other(self.names[file].clone()), cause)
    }

    /// How long a stream is waited for: only where nothing is sent does nothing else wait.
    fn patience(&self) -> Duration {
        if self.rehearsal.is_some() { PATIENCE } else { Duration::ZERO }
    }
}

/// A datagram of a capture: to be sent, or why not.
type Step = Result<Kept, (CaptureEntry, Omission)>;

/// One reading of a capture, from its beginning to its end: gives the datagrams that are to be sent.
pub(super) struct Pass {
    supply: Supply,
    context: Rc<Context>,
    /// What is left of a datagram that is cut.
    pieces: VecDeque<Kept>,
}

impl Pass {
    pub(super) fn begin(origin: &mut Origin, context: &Rc<Context>) -> udpkit::Result<Self> {
        let supply = origin.begin(context.reading, &context.stop).map_err(|error| context.error(error))?;
        context.tally.borrow_mut().readings += 1;
        Ok(Self { supply, context: Rc::clone(context), pieces: VecDeque::new() })
    }

    /// The next datagram of the capture, or why it is not sent.
    fn step(&mut self) -> Result<Reading<Step>, ReadError> {
        let Context { selection, tally, .. } = &*self.context;
        // What is in a file was found before.
        let is_new = matches!(self.supply, Supply::Stream(..));
        self.supply.next(self.context.patience(), |datagram, file| match selection.leaves_out(datagram) {
            Some(why) => Err((CaptureEntry::new(datagram, file), why)),
            None => {
                if is_new {
                    tally.borrow_mut().offload.add(datagram);
                }
                Ok(Kept::new(datagram, file))
            }
        })
    }

    /// Cuts a datagram that is to be sent, where it is to be cut; returns the first piece.
    fn cut(&mut self, kept: Kept) -> Kept {
        let lengths: Vec<_> = self.context.selection.lengths(&kept.captured()).collect();
        if lengths.len() < 2 {
            return kept;
        }
        self.context.tally.borrow_mut().cut(lengths.len());
        let mut rest = &kept.payload[..];
        for length in lengths {
            let (piece, behind) = rest.split_at(length);
            self.pieces.push_back(Kept { payload: piece.to_vec(), ..kept });
            rest = behind;
        }
        self.pieces.pop_front().unwrap_or(kept)
    }

    /// Numbers a datagram that is to be sent.
    fn select(&mut self, kept: Kept) -> ReplayDatagram {
        let number = self.context.tally.borrow_mut().select(kept.time.is_some());
        if let Some(rehearsal) = &self.context.rehearsal {
            rehearsal.borrow_mut().is_read(number, CaptureEntry::new(&kept.captured(), kept.file));
        }
        let Kept { time, source, destination, payload, .. } = kept;
        let destination = on_interface(destination, self.context.selection.interface);
        ReplayDatagram::new(source, destination, payload).number(number).at(time)
    }

    fn leave_out(&self, entry: &CaptureEntry, why: Omission) {
        self.context.tally.borrow_mut().leave_out(why);
        if let Some(rehearsal) = &self.context.rehearsal {
            rehearsal.borrow_mut().is_left_out(entry, why);
        }
    }
}

impl Recording for Pass {
    fn read(&mut self) -> udpkit::Result<Reading<ReplayDatagram>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Ok(Reading::Ready(self.select(piece)));
        }
        // There may be much between two that are sent.
        while !self.context.is_stopped() {
            let step = match self.step() {
                // A file ends where it was stopped.
                Err(_) if self.context.is_stopped() => break,
                step => step.map_err(|error| self.context.error((self.supply.culprit(), error)))?,
            };
            match step {
                Reading::Ready(Ok(kept)) => {
                    let first = self.cut(kept);
                    return Ok(Reading::Ready(self.select(first)));
                }
                Reading::Ready(Err((entry, why))) => self.leave_out(&entry, why),
                Reading::NotYet => return Ok(Reading::NotYet),
                Reading::End => break,
            }
        }
        Ok(Reading::End)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut tally = self.context.tally.borrow_mut();
        tally.counts.merge(&self.supply.counts());
        tally.give_up(self.pieces.len());
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::SocketAddr;
    use std::sync::mpsc::sync_channel;

    use super::super::origin::Piece;
    use super::*;
    use udpkit_capture::PacketCounts;

    /// What a stream gives before its thread says anything, and how it ends if this is all that the thread says.
    fn read(messages: impl IntoIterator<Item = Result<Option<Kept>, ReadError>>) -> (Reading<()>, Result<(), String>) {
        let (sender, receiver) = sync_channel(8);
        let context = Rc::new(Context {
            names: vec!["it".to_owned()],
            reading: ReadOptions::default(),
            selection: Selection {
                ports: Vec::new(),
                segment: None,
                target: Some([127, 0, 0, 1].into()),
                keeps_ports: false,
                sources: None,
                families: [true; 2],
                interface: None,
            },
            stop: Arc::default(),
            tally: RefCell::default(),
            rehearsal: None,
        });
        let mut pass = Pass::begin(&mut Origin::Stream(Some(receiver)), &context).unwrap();
        let before = match pass.read().unwrap() {
            Reading::Ready(_) => Reading::Ready(()),
            Reading::NotYet => Reading::NotYet,
            Reading::End => Reading::End,
        };
        for next in messages {
            sender.send(Piece { next, counts: PacketCounts::default() }).unwrap();
        }
        drop(sender);
        loop {
            match pass.read() {
                Ok(Reading::Ready(_)) => {}
                Ok(Reading::NotYet) => panic!("it has ended"),
                Ok(Reading::End) => return (before, Ok(())),
                Err(error) => return (before, Err(format!("{error:#}"))),
            }
        }
    }

    #[test]
    fn only_a_stream_that_has_nothing_yet_is_asked_again_and_only_its_end_is_an_end() {
        let address = SocketAddr::from(([192, 0, 2, 1], 9));
        let kept = || Kept::new(&Captured::new(address, address, b""), 0);
        assert_eq!(read([Ok(Some(kept())), Ok(None)]), (Reading::NotYet, Ok(())));
        let failed = "cannot read it: the thread that reads it has failed".to_owned();
        assert_eq!(read([Ok(Some(kept()))]), (Reading::NotYet, Err(failed)));
        // Whatever the system says of it: an error is an error.
        for bytes in [0, 70] {
            let (before, end) = read([Err(ReadError::Input(bytes, ErrorKind::WouldBlock.into()))]);
            assert!(before == Reading::NotYet && end.is_err(), "{end:?}");
        }
    }

    #[test]
    fn datagrams_are_numbered_over_all_readings() {
        let mut tally = Tally::default();
        assert_eq!([tally.select(true), tally.select(false), tally.select(true)], [1, 2, 3]);
        assert_eq!(tally.without_time, 1);
    }
}
