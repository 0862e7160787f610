//! Whether others may have a socket's address as well: on Windows they may take it, unless it is claimed (`SO_EXCLUSIVEADDRUSE`).

use std::io;

use socket2::Socket;
use windows_sys::Win32::Networking::WinSock::{SO_EXCLUSIVEADDRUSE, SOL_SOCKET};

use super::socket_option::set;
use crate::options::Options;

/// Lets others share the address, if that was asked for; else keeps everybody out, whatever they ask for.
pub(crate) fn configure(socket: &Socket, options: &Options) -> io::Result<()> {
    if options.reuse_address {
        return socket.set_reuse_address(true);
    }
    // A socket that was bound elsewhere has its address as it has it.
    let _ = set(socket, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, &1);
    Ok(())
}

/// Whether an address that may not be bound to is one that somebody keeps to himself: Windows has no other reason.
pub(crate) fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}
