//! Descriptors: most systems permit a program 1,024 of them until it asks for more.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

/// Descriptors for all that is not reserved: standard streams, files, what waits and wakes.
const OTHERS: u64 = 128;
/// Descriptors that opening as many sockets as possible leaves for what a run needs besides.
const SPARE: usize = 32;

/// Those that were reserved so far.
static RESERVED: AtomicU64 = AtomicU64::new(0);

/// Makes sure that so many more descriptors can be had: raises our own limit (`ulimit -n`), as far as the system lets. False
/// if that is not far enough.
pub(crate) fn reserve(more: u64) -> bool {
    let reserved = RESERVED.fetch_add(more, Ordering::Relaxed).saturating_add(more);
    raise_limit(reserved.saturating_add(OTHERS))
}

/// The same for up to so many: how many there will be. Where the system lets us have fewer, it is what is left beside those that are
/// open, and a part for all that is not reserved.
pub(crate) fn reserve_up_to(most: u64) -> u64 {
    if reserve(most) { most } else { left().clamp(1, most) }
}

#[cfg(unix)]
fn left() -> u64 {
    use rustix::process::{Resource, getrlimit};
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let open = std::fs::read_dir("/dev/fd").map_or(OTHERS, |open| open.count() as u64);
    limit.saturating_sub(open + OTHERS.min(limit / 4))
}

#[cfg(not(unix))]
fn left() -> u64 {
    u64::MAX
}

#[cfg(unix)]
fn raise_limit(wanted: u64) -> bool {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return true;
    }
    let most = limit.maximum.map_or(wanted, |most| most.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit });
    raised.is_ok() && most == wanted
}

#[cfg(not(unix))]
fn raise_limit(_wanted: u64) -> bool {
    true
}

/// Descriptors that are held until this is dropped.
pub(crate) struct Held {
    _files: Vec<File>,
}

/// Holds some descriptors, so that they are left when sockets took all others.
pub(crate) fn hold() -> Held {
    Held { _files: (0..SPARE).map_while(|_| File::open("/dev/null").ok()).collect() }
}
