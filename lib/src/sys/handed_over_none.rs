//! In the place of descriptors that a service manager handed over, where there is no such manager.

use std::io;
use std::os::windows::io::{AsSocket, BorrowedSocket, OwnedSocket};

/// There is none.
#[derive(Debug)]
pub(crate) enum HandedOver {}

impl AsSocket for HandedOver {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        match *self {}
    }
}

impl From<HandedOver> for OwnedSocket {
    fn from(descriptor: HandedOver) -> Self {
        match descriptor {}
    }
}

/// None.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(crate) fn take() -> io::Result<Vec<HandedOver>> {
    Ok(Vec::new())
}
