//! The datagrams of a capture that are to be sent again, one after another, and what becomes of all others.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use udpkit::verbs::ReplayDatagram;

use crate::capture::{Account, Captured, ReadError, Reader};
use crate::output::{LeftOut, Row, Tally};

#[cfg(unix)]
use super::patient::patient;
use super::rehearsal::Rehearsal;
// Elsewhere an input that does not wait is an error, and is told.
#[cfg(not(unix))]
use std::convert::identity as patient;

/// Datagrams of a stream that are read before they are wanted; with the longest payloads, 32 MiB.
const READ_AHEAD: usize = 512;

/// How long a stream is waited for until the wish to stop is looked at.
const PATIENCE: Duration = Duration::from_millis(50);

/// Which datagrams of a capture are sent.
#[derive(Debug)]
pub(crate) struct Selection {
    /// Only those to one of these ports, where there are any.
    pub(crate) ports: Vec<u16>,
    /// The longest payload, in bytes.
    pub(crate) limit: usize,
    /// Whether they keep their port.
    pub(crate) keeps_ports: bool,
}

impl Selection {
    /// Why a datagram is not sent, if it is not.
    pub(crate) fn leaves_out(&self, datagram: &Captured<'_>) -> Option<LeftOut> {
        let port = datagram.destination.port();
        match () {
            () if !self.ports.is_empty() && !self.ports.contains(&port) => Some(LeftOut::OtherPort),
            () if self.keeps_ports && port == 0 => Some(LeftOut::PortZero),
            () if datagram.payload.len() > self.limit => Some(LeftOut::TooLong),
            () => None,
        }
    }
}

/// Where a capture comes from.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A file, which can be read again and again.
    File(File),
    /// A pipe, which a thread reads: what the thread finds, until somebody takes it.
    Stream(Option<Receiver<Message>>),
}

/// What the thread that reads a stream says: what came next, and the account up to there.
#[derive(Debug)]
pub(crate) struct Message {
    next: Result<Option<Kept>, ReadError>,
    account: Account,
}

/// A datagram that outlives its place in the file.
#[derive(Debug)]
struct Kept {
    packet: u64,
    time: Option<Duration>,
    source: SocketAddr,
    destination: SocketAddr,
    payload: Vec<u8>,
}

impl Origin {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        if path.as_os_str() == "-" {
            return Self::stream(None);
        }
        let cannot = || format!("cannot read '{}'", path.display());
        let file = File::open(path).with_context(cannot)?;
        match file.metadata().with_context(cannot)? {
            metadata if metadata.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)).with_context(cannot),
            metadata if metadata.is_file() => Ok(Self::File(file)),
            _ => Self::stream(Some(file)),
        }
    }

    /// Has a thread read a pipe, or standard input: nothing else must wait for whoever writes to it.
    fn stream(pipe: Option<File>) -> Result<Self> {
        let (sender, messages) = sync_channel(READ_AHEAD);
        let read = move || match pipe {
            Some(pipe) => read_stream(patient(pipe), &sender),
            None => read_stream(patient(io::stdin().lock()), &sender),
        };
        std::thread::Builder::new().spawn(read).context("cannot start a thread for the capture")?;
        Ok(Self::Stream(Some(messages)))
    }

    /// Begins to read from the beginning; of a stream there is one reading.
    fn begin(&mut self) -> Result<Feed, ReadError> {
        match self {
            Self::File(file) => Ok(Feed::File(Box::new(rewound(file)?))),
            Self::Stream(messages) => {
                let messages = messages.take().ok_or_else(|| ReadError::Input(0, io::ErrorKind::NotSeekable.into()))?;
                Ok(Feed::Stream(messages, Account::default()))
            }
        }
    }
}

/// Reads a file from its beginning.
pub(crate) fn rewound(file: &File) -> Result<Reader<File>, ReadError> {
    let again = file.try_clone().and_then(|mut file| file.rewind().map(|()| file));
    Reader::new(again.map_err(|error| ReadError::Input(0, error))?)
}

/// Reads a stream to its end, or until nobody wants more.
fn read_stream(input: impl Read, sender: &SyncSender<Message>) {
    let mut reader = match Reader::new(input) {
        Ok(reader) => reader,
        Err(error) => {
            // Where nobody hears it any more, the run is over.
            let _ = sender.send(Message { next: Err(error), account: Account::default() });
            return;
        }
    };
    loop {
        let next = reader.next().map(|next| next.map(|datagram| Kept::new(&datagram)));
        let is_last = !matches!(next, Ok(Some(_)));
        let message = Message { next, account: reader.account() };
        if sender.send(message).is_err() || is_last {
            return;
        }
    }
}

impl Kept {
    fn new(datagram: &Captured<'_>) -> Self {
        let Captured { packet, time, source, destination, payload, .. } = *datagram;
        Self { packet, time, source, destination, payload: payload.to_vec() }
    }

    fn captured(&self) -> Captured<'_> {
        let Self { packet, time, source, destination, ref payload } = *self;
        Captured { packet, time, source, destination, hop_limit: 0, traffic_class: 0, payload }
    }
}

/// A datagram of a capture: to be sent, or why not.
type Step = Result<Kept, (Row, LeftOut)>;

/// What a reading finds next.
enum Found<T> {
    One(T),
    /// A stream has nothing at this moment.
    NothingYet,
    End,
}

impl<T> From<Option<T>> for Found<T> {
    fn from(next: Option<T>) -> Self {
        next.map_or(Self::End, Self::One)
    }
}

/// Where the datagrams of a reading come from.
enum Feed {
    File(Box<Reader<File>>),
    Stream(Receiver<Message>, Account),
}

impl Feed {
    /// Hands the next datagram to a function; a stream's is waited for so long.
    fn next<T>(&mut self, patience: Duration, take: impl FnOnce(&Captured<'_>) -> T) -> Result<Found<T>, ReadError> {
        match self {
            Self::File(reader) => Ok(reader.next()?.map(|datagram| take(&datagram)).into()),
            Self::Stream(messages, account) => match messages.recv_timeout(patience) {
                Ok(message) => {
                    *account = message.account;
                    Ok(message.next?.map(|kept| take(&kept.captured())).into())
                }
                Err(RecvTimeoutError::Timeout) => Ok(Found::NothingYet),
                // The end is a message, too.
                Err(RecvTimeoutError::Disconnected) => {
                    Err(ReadError::Input(0, io::Error::other("the thread that reads it has failed")))
                }
            },
        }
    }

    fn account(&self) -> Account {
        match self {
            Self::File(reader) => reader.account(),
            Self::Stream(_, account) => account.clone(),
        }
    }
}

/// What all readings of a capture have in common.
pub(crate) struct Context {
    /// The capture, as it stands in an error.
    pub(crate) name: String,
    pub(crate) selection: Selection,
    /// Whether the run shall end.
    pub(crate) stop: Arc<AtomicBool>,
    /// What became of the packets in readings that are over.
    pub(crate) tally: RefCell<Tally>,
    /// Where each datagram is shown before it is sent, if it is shown.
    pub(crate) rehearsal: Option<RefCell<Rehearsal>>,
}

impl Context {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Why the capture cannot be read, as the library tells errors.
    pub(crate) fn error(&self, error: ReadError) -> udpkit::Error {
        let cause = match error {
            // That kind is for what is to be asked again.
            ReadError::Input(0, cause) if cause.kind() != io::ErrorKind::WouldBlock => cause,
            error => io::Error::other(error.to_string()),
        };
        udpkit::Error::new("read", &self.name, cause)
    }

    /// What the library asks again after.
    fn nothing_yet(&self) -> udpkit::Error {
        udpkit::Error::new("read", &self.name, io::ErrorKind::WouldBlock.into())
    }
}

/// A reading of a capture: gives the datagrams that are to be sent.
pub(crate) struct Reading {
    feed: Feed,
    context: Rc<Context>,
    /// The last time that the file told.
    last: Duration,
}

impl Reading {
    pub(crate) fn begin(origin: &mut Origin, context: &Rc<Context>) -> udpkit::Result<Self> {
        let feed = origin.begin().map_err(|error| context.error(error))?;
        context.tally.borrow_mut().readings += 1;
        Ok(Self { feed, context: Rc::clone(context), last: Duration::ZERO })
    }

    /// The next datagram of the capture, or why it is not sent.
    fn step(&mut self) -> Result<Found<Step>, ReadError> {
        let selection = &self.context.selection;
        // Only where nothing is sent does nothing wait.
        let patience = if self.context.rehearsal.is_some() { PATIENCE } else { Duration::ZERO };
        self.feed.next(patience, |datagram| match selection.leaves_out(datagram) {
            Some(why) => Err((Row::new(datagram), why)),
            None => Ok(Kept::new(datagram)),
        })
    }

    fn selected(&mut self, kept: Kept) -> ReplayDatagram {
        if let Some(rehearsal) = &self.context.rehearsal {
            rehearsal.borrow_mut().is_read(Row::new(&kept.captured()));
        }
        let Kept { time, source, destination, payload, .. } = kept;
        self.context.tally.borrow_mut().without_time += u64::from(time.is_none());
        self.last = time.unwrap_or(self.last);
        ReplayDatagram { at: self.last, source, destination, payload }
    }

    fn left_out(&self, row: &Row, why: LeftOut) {
        self.context.tally.borrow_mut().leave_out(why);
        if let Some(rehearsal) = &self.context.rehearsal {
            rehearsal.borrow_mut().is_left_out(row, why);
        }
    }
}

impl Iterator for Reading {
    type Item = udpkit::Result<ReplayDatagram>;

    fn next(&mut self) -> Option<Self::Item> {
        // Much may stand between two that are sent.
        while !self.context.is_stopped() {
            match self.step() {
                Ok(Found::One(Ok(kept))) => return Some(Ok(self.selected(kept))),
                Ok(Found::One(Err((row, why)))) => self.left_out(&row, why),
                // Where nothing is sent, it was waited for.
                Ok(Found::NothingYet) if self.context.rehearsal.is_some() => {}
                Ok(Found::NothingYet) => return Some(Err(self.context.nothing_yet())),
                Ok(Found::End) => break,
                Err(error) => return Some(Err(self.context.error(error))),
            }
        }
        None
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.context.tally.borrow_mut().account.merge(&self.feed.account());
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    /// What a stream gives of which this is all that its thread says; and how many times there is nothing yet.
    fn read(messages: impl IntoIterator<Item = Result<Option<Kept>, ReadError>>) -> (Vec<ErrorKind>, Vec<String>) {
        let (sender, receiver) = sync_channel(READ_AHEAD);
        let context = Rc::new(Context {
            name: "it".to_owned(),
            selection: Selection { ports: Vec::new(), limit: usize::MAX, keeps_ports: false },
            stop: Arc::default(),
            tally: RefCell::default(),
            rehearsal: None,
        });
        let mut reading = Reading::begin(&mut Origin::Stream(Some(receiver)), &context).unwrap();
        let before = reading.next().map(|next| next.unwrap_err().cause().kind());
        for next in messages {
            sender.send(Message { next, account: Account::default() }).unwrap();
        }
        drop(sender);
        let failure = reading.find_map(Result::err);
        assert!(failure.as_ref().is_none_or(|error| error.cause().kind() != ErrorKind::WouldBlock), "{failure:?}");
        let told: Vec<_> = failure.iter().map(ToString::to_string).collect();
        (before.into_iter().collect(), told)
    }

    #[test]
    fn only_a_stream_that_has_nothing_yet_is_asked_again_and_only_its_end_is_an_end() {
        let nothing_yet = vec![ErrorKind::WouldBlock];
        let address = SocketAddr::from(([192, 0, 2, 1], 9));
        let kept = || Kept { packet: 1, time: None, source: address, destination: address, payload: Vec::new() };
        assert_eq!(read([Ok(Some(kept())), Ok(None)]), (nothing_yet.clone(), vec![]));
        let failed = "cannot read it: the thread that reads it has failed".to_owned();
        assert_eq!(read([Ok(Some(kept()))]), (nothing_yet.clone(), vec![failed]));
        for bytes in [0, 70] {
            let (before, told) = read([Err(ReadError::Input(bytes, ErrorKind::WouldBlock.into()))]);
            assert_eq!((before, told.len()), (nothing_yet.clone(), 1), "{told:?}");
        }
    }
}
