//! Where a capture comes from: a file, which can be read again, or a pipe, which a thread reads.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use udpkit::verbs::Reading;

#[cfg(unix)]
use super::patient::patient;
use udpkit_capture::{Captured, PacketCounts, ReadError, ReadOptions, Reader};
// Elsewhere an input that does not wait is an error, and is told.
#[cfg(not(unix))]
use std::convert::identity as patient;

/// Datagrams of a stream that are read before they are wanted; with the longest payloads, 32 MiB.
const READ_AHEAD: usize = 512;

/// Where a capture comes from.
#[derive(Debug)]
pub(super) enum Origin {
    /// A file, which can be read again and again.
    File(File),
    /// A pipe, which a thread reads: what the thread finds, until somebody takes it.
    Stream(Option<Receiver<Piece>>),
}

/// What the thread that reads a stream says: what came next, and what became of the packets up to there.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) next: Result<Option<Kept>, ReadError>,
    pub(super) counts: PacketCounts,
}

/// A datagram that outlives its place in the file.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) packet: u64,
    pub(super) time: Option<Duration>,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) payload: Vec<u8>,
    pub(super) packets: u64,
    pub(super) is_oversized: bool,
}

impl Origin {
    /// Opens a file, or standard input for `-`, which is read in this way.
    pub(super) fn open(path: &Path, options: ReadOptions) -> Result<Self> {
        if path.as_os_str() == "-" {
            return Self::stream(None, options);
        }
        let cannot = || format!("cannot read '{}'", path.display());
        let file = File::open(path).with_context(cannot)?;
        match file.metadata().with_context(cannot)? {
            metadata if metadata.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)).with_context(cannot),
            metadata if metadata.is_file() => Ok(Self::File(file)),
            _ => Self::stream(Some(file), options),
        }
    }

    /// Has a thread read a pipe, or standard input: nothing else must wait for the program that writes to it.
    fn stream(pipe: Option<File>, options: ReadOptions) -> Result<Self> {
        let (sender, messages) = sync_channel(READ_AHEAD);
        let read = move || match pipe {
            Some(pipe) => read_stream(patient(pipe), options, &sender),
            None => read_stream(patient(io::stdin().lock()), options, &sender),
        };
        std::thread::Builder::new().spawn(read).context("cannot start a thread for the capture")?;
        Ok(Self::Stream(Some(messages)))
    }

    /// Begins to read from the beginning; of a stream there is one reading.
    pub(super) fn begin(&mut self, options: ReadOptions) -> Result<Supply, ReadError> {
        match self {
            Self::File(file) => Ok(Supply::File(Box::new(rewound(file, options)?))),
            Self::Stream(messages) => {
                let messages = messages.take().ok_or_else(|| ReadError::Input(0, io::ErrorKind::NotSeekable.into()))?;
                Ok(Supply::Stream(messages, PacketCounts::default()))
            }
        }
    }
}

/// Reads a file from its beginning.
pub(super) fn rewound(file: &File, options: ReadOptions) -> Result<Reader<File>, ReadError> {
    let again = file.try_clone().and_then(|mut file| file.rewind().map(|()| file));
    Reader::with(again.map_err(|error| ReadError::Input(0, error))?, options)
}

/// Reads a stream to its end, or until nobody wants more.
fn read_stream(input: impl Read, options: ReadOptions, sender: &SyncSender<Piece>) {
    let mut reader = match Reader::with(input, options) {
        Ok(reader) => reader,
        Err(error) => {
            // Where nobody hears it any more, the run is over.
            let _ = sender.send(Piece { next: Err(error), counts: PacketCounts::default() });
            return;
        }
    };
    loop {
        let next = reader.next().map(|next| next.map(|datagram| Kept::new(&datagram)));
        let is_last = !matches!(next, Ok(Some(_)));
        let message = Piece { next, counts: reader.counts() };
        if sender.send(message).is_err() || is_last {
            return;
        }
    }
}

impl Kept {
    pub(super) fn new(datagram: &Captured<'_>) -> Self {
        let Captured { packet, time, source, destination, payload, packets, is_oversized, .. } = *datagram;
        Self { packet, time, source, destination, payload: payload.to_vec(), packets, is_oversized }
    }

    pub(super) fn captured(&self) -> Captured<'_> {
        let Self { packet, time, source, destination, ref payload, packets, is_oversized } = *self;
        let mut captured = Captured::new(source, destination, payload);
        (captured.packet, captured.time) = (packet, time);
        (captured.packets, captured.is_oversized) = (packets, is_oversized);
        captured
    }
}

/// A datagram of a capture, for a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CaptureEntry {
    pub(super) packet: u64,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) length: usize,
}

impl CaptureEntry {
    pub(super) fn new(datagram: &Captured<'_>) -> Self {
        let Captured { packet, source, destination, payload, .. } = *datagram;
        Self { packet, source, destination, length: payload.len() }
    }
}

/// Where the datagrams of a reading come from.
pub(super) enum Supply {
    File(Box<Reader<File>>),
    Stream(Receiver<Piece>, PacketCounts),
}

impl Supply {
    /// Hands the next datagram to a function; a stream's is waited for so long.
    pub(super) fn next<T>(
        &mut self,
        patience: Duration,
        take: impl FnOnce(&Captured<'_>) -> T,
    ) -> Result<Reading<T>, ReadError> {
        match self {
            Self::File(reader) => Ok(reader.next()?.map(|datagram| take(&datagram)).into()),
            Self::Stream(messages, counts) => match messages.recv_timeout(patience) {
                Ok(message) => {
                    *counts = message.counts;
                    Ok(message.next?.map(|kept| take(&kept.captured())).into())
                }
                Err(RecvTimeoutError::Timeout) => Ok(Reading::NotYet),
                // The end is a message, too.
                Err(RecvTimeoutError::Disconnected) => {
                    Err(ReadError::Input(0, io::Error::other("the thread that reads it has failed")))
                }
            },
        }
    }

    pub(super) fn counts(&self) -> PacketCounts {
        match self {
            Self::File(reader) => reader.counts(),
            Self::Stream(_, counts) => counts.clone(),
        }
    }
}
