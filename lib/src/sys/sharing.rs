//! Whether others may have a socket's address as well (`socket(7)`, `setsockopt(2)`).

use std::io;

use socket2::Socket;

use crate::options::Options;

/// Lets others share the address, if that was asked for.
pub(crate) fn configure(socket: &Socket, options: &Options) -> io::Result<()> {
    if options.reuse_address {
        socket.set_reuse_address(true)?;
    }
    // Elsewhere than on Linux, SO_REUSEADDR shares the address of a group alone, and splits nothing: each gets all that goes to many.
    let shares_by_port = options.reuse_address && !cfg!(target_os = "linux");
    if options.reuse_port || shares_by_port {
        socket.set_reuse_port(true)?;
    }
    Ok(())
}

/// Whether an address that may not be bound to is one that somebody keeps to himself: a port below 1024 is another matter.
pub(crate) fn is_taken(_error: &io::Error) -> bool {
    false
}
