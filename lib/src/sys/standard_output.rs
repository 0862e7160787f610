//! Whether the program was started with its standard output closed: Rust opens `/dev/null` in its place before `main`, so what is
//! written there would be lost without an error.

use std::sync::atomic::{AtomicBool, Ordering};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Called by the loader before `main`, and so before Rust opens anything (`ld.so(8)`).
#[used]
// SAFETY: the section is a list of such functions; this one reads a flag of the system, and needs nothing that `main` prepares.
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: asks for the flags of a descriptor, which is closed where there are none.
    let is_closed = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } == -1;
    WAS_CLOSED.store(is_closed, Ordering::Relaxed);
}

/// Whether standard output was closed when the program started. What is written to it then is lost, and no error says so.
/// `false` on systems that do not tell: all but Linux.
#[must_use]
pub fn standard_output_was_closed() -> bool {
    WAS_CLOSED.load(Ordering::Relaxed)
}
