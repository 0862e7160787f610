//! Where a capture comes from: files, which can be read again, or a pipe, which a thread reads.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use udpkit::verbs::Reading;

use super::kept::Kept;
use super::merged::Merged;
#[cfg(unix)]
use super::patient::patient;
use super::stoppable::Stoppable;
use crate::hint::Hint;
use udpkit_capture::{Captured, PacketCounts, ReadError, ReadOptions, Reader};
// Elsewhere an input that does not wait is an error, and is reported.
#[cfg(not(unix))]
use std::convert::identity as patient;

/// Datagrams of a stream that are read ahead; with the longest payloads, 32 MiB.
const READ_AHEAD: usize = 512;

/// Where a capture comes from.
#[derive(Debug)]
pub(super) enum Origin {
    /// Files, which can be read again and again.
    Files(Vec<File>),
    /// A pipe, which a thread reads: what the thread finds, until somebody takes it.
    Stream(Option<Receiver<Piece>>),
}

/// What the thread that reads a stream says: what came next, and what became of the packets up to there.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) next: Result<Option<Kept>, ReadError>,
    pub(super) counts: PacketCounts,
}

impl Origin {
    /// Opens files, or one pipe, or standard input for `-`, which are read in this way.
    pub(super) fn open(paths: &[PathBuf], options: ReadOptions) -> Result<Self> {
        let mut files = Vec::new();
        for path in paths {
            let (file, is_pipe) = match path.as_os_str() == "-" {
                true => (None, true),
                false => open_one(path)?,
            };
            match file {
                _ if is_pipe && paths.len() > 1 => {
                    return Err(Hint::on(
                        format!("{} is no file: several captures are read side by side", name(path)),
                        "name it alone, or write it to a file first",
                    ));
                }
                file if is_pipe => return Self::stream(file, options),
                file => files.extend(file),
            }
        }
        Ok(Self::Files(files))
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

    /// Begins to read from the beginning, until the run is to `stop`; a stream can be read once.
    pub(super) fn begin(&mut self, options: ReadOptions, stop: &Arc<AtomicBool>) -> Result<Supply, (usize, ReadError)> {
        match self {
            Self::Files(files) => supply(files, options, stop),
            Self::Stream(messages) => {
                let again = || (0, ReadError::Input(0, io::ErrorKind::NotSeekable.into()));
                let messages = messages.take().ok_or_else(again)?;
                Ok(Supply::Stream(messages, PacketCounts::default()))
            }
        }
    }
}

/// A capture's name in messages.
pub(super) fn name(file: &Path) -> String {
    match file.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => format!("'{}'", file.display()),
    }
}

/// Opens a file; says whether it is a pipe, or another thing that can be read once.
fn open_one(path: &Path) -> Result<(Option<File>, bool)> {
    let cannot = || format!("cannot read '{}'", path.display());
    let file = File::open(path).with_context(cannot)?;
    let metadata = file.metadata().with_context(cannot)?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory)).with_context(cannot);
    }
    Ok((Some(file), !metadata.is_file()))
}

/// Reads files from their beginnings, until the run is to `stop`: one as it is, several in the order of their times.
pub(super) fn supply(
    files: &[File],
    options: ReadOptions,
    stop: &Arc<AtomicBool>,
) -> Result<Supply, (usize, ReadError)> {
    let read = |(place, file)| rewound(file, options, stop).map_err(|error| (place, error));
    let mut readers = files.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(match readers.pop() {
        Some(one) if readers.is_empty() => Supply::File(Box::new(one)),
        last => Supply::Merged(Merged::new(readers.into_iter().chain(last).collect())),
    })
}

/// Reads a file from its beginning.
fn rewound(file: &File, options: ReadOptions, stop: &Arc<AtomicBool>) -> Result<Reader<Stoppable>, ReadError> {
    let again = file.try_clone().and_then(|mut file| file.rewind().map(|()| file));
    let file = again.map_err(|error| ReadError::Input(0, error))?;
    Reader::with(Stoppable::new(file, stop), options)
}

/// Reads a stream to its end, or until the run is over.
fn read_stream(input: impl Read, options: ReadOptions, sender: &SyncSender<Piece>) {
    let mut reader = match Reader::with(input, options) {
        Ok(reader) => reader,
        Err(error) => {
            // Where nobody receives it any more, the run is over.
            let _ = sender.send(Piece { next: Err(error), counts: PacketCounts::default() });
            return;
        }
    };
    loop {
        let next = reader.next().map(|next| next.map(|datagram| Kept::new(&datagram, 0)));
        let is_last = !matches!(next, Ok(Some(_)));
        let message = Piece { next, counts: reader.counts() };
        if sender.send(message).is_err() || is_last {
            return;
        }
    }
}

/// Where the datagrams of a reading come from.
pub(super) enum Supply {
    File(Box<Reader<Stoppable>>),
    Merged(Merged),
    Stream(Receiver<Piece>, PacketCounts),
}

impl Supply {
    /// Hands the next datagram, and the number of its capture, to a function; a stream's is waited for so long.
    pub(super) fn next<T>(
        &mut self,
        patience: Duration,
        take: impl FnOnce(&Captured<'_>, usize) -> T,
    ) -> Result<Reading<T>, ReadError> {
        match self {
            Self::File(reader) => Ok(reader.next()?.map(|datagram| take(&datagram, 0)).into()),
            Self::Merged(merged) => Ok(merged.next()?.map(|kept| take(&kept.captured(), kept.file)).into()),
            Self::Stream(messages, counts) => match messages.recv_timeout(patience) {
                Ok(message) => {
                    *counts = message.counts;
                    Ok(message.next?.map(|kept| take(&kept.captured(), 0)).into())
                }
                Err(RecvTimeoutError::Timeout) => Ok(Reading::NotYet),
                // The end is a message, too.
                Err(RecvTimeoutError::Disconnected) => {
                    Err(ReadError::Input(0, io::Error::other("the thread that reads it has failed")))
                }
            },
        }
    }

    /// The capture that an error was of.
    pub(super) fn culprit(&self) -> usize {
        match self {
            Self::Merged(merged) => merged.culprit().unwrap_or(0),
            Self::File(_) | Self::Stream(..) => 0,
        }
    }

    pub(super) fn counts(&self) -> PacketCounts {
        match self {
            Self::File(reader) => reader.counts(),
            Self::Merged(merged) => merged.counts(),
            Self::Stream(_, counts) => counts.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn a_file_without_a_datagram_is_not_read_on_once_the_run_shall_end() {
        const PACKETS: usize = 10_000;
        let header: [u32; 6] = [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 1 << 18, 1];
        let packet: Vec<u32> = [0, 0, 1000, 1000].into_iter().chain([0; 250]).collect();
        let bytes = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
        let path = std::env::temp_dir().join(format!("udp-replay-{}.pcap", std::process::id()));
        let mut file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write_all(&[bytes(&header), bytes(&packet).repeat(PACKETS)].concat()).unwrap();

        let read = |files: &[File], is_stopped: bool| {
            let stop = Arc::default();
            let mut supply = supply(files, ReadOptions::default(), &stop).unwrap();
            stop.store(is_stopped, Ordering::Release);
            let next = supply.next(Duration::ZERO, |_, _| ());
            assert!(matches!(next, Ok(Reading::End)) || is_stopped, "{next:?}");
            usize::try_from(supply.counts().packets).unwrap()
        };
        let another = file.try_clone().unwrap();
        assert_eq!(read(std::slice::from_ref(&file), false), PACKETS);
        assert!(read(std::slice::from_ref(&file), true) < PACKETS / 2);
        assert!(read(&[file, another], true) < PACKETS / 2);
    }
}
