//! Forbidding fragments where [`portable`](super::portable) cannot: every system has another option for it.

use std::io;

use socket2::Socket;

/// Whether fragments are forbidden now: never.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(super) fn set(_socket: &Socket, _v4: bool) -> io::Result<bool> {
    Ok(false)
}
