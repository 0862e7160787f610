//! Descriptors that a service manager handed over at the start (`sd_listen_fds(3)`).

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first of them: those before are the standard streams.
const FIRST: RawFd = 3;
/// The most that are taken; systemd hands over no more than a process may have open.
const MOST: RawFd = 4096;

/// Whether they were taken: each has one owner.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A descriptor that was handed over, and has no owner yet.
#[derive(Debug)]
pub(crate) struct HandedOver(RawFd);

impl AsFd for HandedOver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: it was open when it was taken, and nobody else closes it.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

impl From<HandedOver> for OwnedFd {
    fn from(descriptor: HandedOver) -> Self {
        // SAFETY: it was open when it was taken; it is handed out once, so this is its owner.
        unsafe { Self::from_raw_fd(descriptor.0) }
    }
}

/// The descriptors that were handed over to this process and not taken yet. Programs that it starts do not get them.
pub(crate) fn take() -> io::Result<Vec<HandedOver>> {
    let variable = |name: &str| std::env::var_os(name);
    let count = count(variable("LISTEN_FDS").as_deref(), variable("LISTEN_PID").as_deref(), std::process::id())?;
    if count == 0 || TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    (FIRST..FIRST + count).map(keep).collect()
}

/// A descriptor, if it is open, which this program keeps to itself.
fn keep(descriptor: RawFd) -> io::Result<HandedOver> {
    // SAFETY: sets a flag of a descriptor; it fails where there is none.
    match unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) } {
        -1 => Err(io::Error::other(format!("descriptor {descriptor}: {}", io::Error::last_os_error()))),
        _ => Ok(HandedOver(descriptor)),
    }
}

/// How many there are for this process, by the variables `LISTEN_FDS` and `LISTEN_PID`.
fn count(descriptors: Option<&OsStr>, process: Option<&OsStr>, ours: u32) -> io::Result<RawFd> {
    let (Some(descriptors), Some(process)) = (descriptors, process) else { return Ok(0) };
    // Those of another process, whose variables this one inherited, are not here.
    if process.to_str() != Some(ours.to_string().as_str()) {
        return Ok(0);
    }
    let count = descriptors.to_str().and_then(|text| text.parse().ok()).filter(|count| (0..=MOST).contains(count));
    count.ok_or_else(|| {
        let words = format!("LISTEN_FDS is no number from 0 to {MOST}: {descriptors:?}");
        io::Error::new(io::ErrorKind::InvalidInput, words)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_descriptors_for_this_process_are_counted() {
        let of = |descriptors: &'static str, process: &'static str| {
            count(Some(OsStr::new(descriptors)), Some(OsStr::new(process)), 17).map_err(|error| error.kind())
        };
        assert_eq!([of("2", "17"), of("0", "17"), of("4096", "17")], [Ok(2), Ok(0), Ok(4096)]);
        assert_eq!([of("2", "18"), of("2", ""), of("2", "17 "), of("nonsense", "18")], [Ok(0); 4]);
        for nonsense in ["", "-1", "4097", "99999999999999999999", "two"] {
            assert_eq!(of(nonsense, "17"), Err(io::ErrorKind::InvalidInput), "{nonsense}");
        }
        assert_eq!(count(None, Some(OsStr::new("17")), 17).ok(), Some(0));
        assert_eq!(count(Some(OsStr::new("2")), None, 17).ok(), Some(0));
    }
}
