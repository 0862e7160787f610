//! Standard output and standard error, as they are written to: a closed one is an error, and one that takes nothing any more keeps
//! no run from ending.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How long a reader may take nothing once the run is to end.
const PATIENCE: Duration = Duration::from_millis(700);
/// How long we wait before we look again whether the run is to end.
const SLICE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// What is written at once where the system would wait for room for all of it: as much as a pipe has room for when it has any
/// (`pipe(7)`).
const ROOM: usize = 4096;

/// When the run was asked to end.
static STOPPED: OnceLock<Instant> = OnceLock::new();

/// From now on nobody is waited for who takes nothing.
#[expect(clippy::disallowed_methods, reason = "patience is a matter of time")]
pub(crate) fn end_waiting() {
    STOPPED.get_or_init(Instant::now);
}

/// Standard output or standard error.
#[derive(Debug)]
pub(crate) struct Standard {
    kind: Kind,
    /// Whether its reader has no more time than the end of the run leaves: what is lost there are words.
    is_aside: bool,
    /// Whether it was waited for in vain: it is not waited for again.
    given_up: bool,
}

#[derive(Debug)]
enum Kind {
    Closed,
    /// A file, which takes what it is given, or says why not.
    Prompt(File),
    /// A pipe or a terminal, opened again so that it says when it has no room.
    Saying(File),
    /// One that could not be opened again: it waits for room.
    Waiting(File),
}

impl Standard {
    /// Standard output.
    pub(crate) fn output() -> Self {
        match udpkit::standard_output_was_closed() {
            true => Self { kind: Kind::Closed, is_aside: false, given_up: false },
            false => Self::new(io::stdout().as_fd(), "/proc/self/fd/1", false),
        }
    }

    /// Standard error.
    pub(super) fn error() -> Self {
        Self::new(io::stderr().as_fd(), "/proc/self/fd/2", true)
    }

    fn new(descriptor: BorrowedFd<'_>, path: &str, is_aside: bool) -> Self {
        let kind = descriptor.try_clone_to_owned().map(File::from).map_or(Kind::Closed, |file| Kind::new(file, path));
        Self { kind, is_aside, given_up: false }
    }

    /// The same once more, if it may have to be waited for.
    pub(super) fn again(&self) -> Option<Self> {
        let kind = match &self.kind {
            Kind::Closed | Kind::Prompt(_) => return None,
            Kind::Saying(file) => Kind::Saying(file.try_clone().ok()?),
            Kind::Waiting(file) => Kind::Waiting(file.try_clone().ok()?),
        };
        Some(Self { kind, is_aside: self.is_aside, given_up: self.given_up })
    }

    fn may_be_waited_for(&self) -> bool {
        matches!(self.kind, Kind::Saying(_) | Kind::Waiting(_))
    }

    /// Whether both go to the same pipe, terminal or file.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let place = |standard: &Self| match &standard.kind {
            Kind::Closed => None,
            Kind::Prompt(file) | Kind::Saying(file) | Kind::Waiting(file) => {
                file.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
            }
        };
        place(self).is_some_and(|here| place(other) == Some(here))
    }

    /// Writes what there is room for; `WouldBlock` if there is none.
    pub(super) fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Closed => Err(Errno::BADF.into()),
            Kind::Prompt(file) | Kind::Saying(file) => file.write(bytes),
            Kind::Waiting(file) => match poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&Timespec::default()))? {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                _ => file.write(&bytes[..bytes.len().min(ROOM)]),
            },
        }
    }

    /// Waits until there is room, as long as the run goes on and for a while after that.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        let (Kind::Saying(file) | Kind::Waiting(file)) = &self.kind else { return Ok(()) };
        self.given_up = self.given_up || !has_room_in_time(file, self.is_aside)?;
        if self.given_up { Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads it")) } else { Ok(()) }
    }
}

impl Kind {
    fn new(file: File, path: &str) -> Self {
        let Ok(kind) = file.metadata().map(|metadata| metadata.file_type()) else { return Self::Closed };
        if !(kind.is_fifo() || kind.is_socket() || io::IsTerminal::is_terminal(&file)) {
            return Self::Prompt(file);
        }
        // The flag belongs to what was opened, which others may have, too: only what we open ourselves may have it.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        let again = OpenOptions::new().write(true).custom_flags(flags.bits().cast_signed()).open(path);
        match again {
            Ok(again) if cfg!(target_os = "linux") && !kind.is_socket() => Self::Saying(again),
            _ => Self::Waiting(file),
        }
    }
}

impl Write for Standard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.write_now(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.may_be_waited_for() => self.wait()?,
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits for room; false if none came in time. That begins with the end of the run, and again with each wait, or not.
#[expect(clippy::disallowed_methods, reason = "patience is a matter of time")]
fn has_room_in_time(file: &File, is_once: bool) -> io::Result<bool> {
    let begun = Instant::now();
    loop {
        match poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&SLICE)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        let since = |stopped: Instant| if is_once { stopped } else { begun.max(stopped) };
        let waited = STOPPED.get().map_or(Duration::ZERO, |stopped| since(*stopped).elapsed());
        if waited >= PATIENCE {
            return Ok(false);
        }
    }
}
