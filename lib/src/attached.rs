//! The interfaces that this host has, and news of their changes: asked of the system.

use crate::datagram::InterfaceIndex;
use crate::error::{Attempt, Error, Object, Result};
use crate::interface::{Changes, Interfaces};
use crate::sys::interfaces as system;

impl Interfaces {
    /// The interfaces of this host as they are now.
    ///
    /// # Errors
    ///
    /// The system's; none is expected.
    pub fn list() -> Result<Self> {
        let list = system::list().map_err(|cause| Error::new(Attempt::ListInterfaces, Object::None, cause))?;
        Ok(list.into_iter().collect())
    }
}

/// The name that the interface of this number has now; `None` if there is none, or the name is no text.
#[must_use]
pub fn interface_name(index: InterfaceIndex) -> Option<String> {
    system::name(index)
}

/// Notices when interfaces or addresses come, go or change. Linux only; elsewhere nothing is ever noticed.
///
/// On Linux it is [`AsFd`](std::os::fd::AsFd): it can be read when something may have changed, until [`changed`](Self::changed)
/// is called. Where nothing is noticed it has no descriptor, and a program that waits for one does not compile.
///
/// ```
/// use udpkit::{InterfaceWatch, Interfaces};
///
/// # fn main() -> udpkit::Result<()> {
/// let watch = InterfaceWatch::new()?;
/// let mut interfaces = Interfaces::list()?;
/// // Now and then, or whenever it can be read:
/// if watch.changed() {
///     interfaces = Interfaces::list()?;
/// }
/// # let _ = interfaces;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct InterfaceWatch {
    pub(crate) inner: system::Watch,
}

impl InterfaceWatch {
    /// Begins to watch.
    ///
    /// # Errors
    ///
    /// The system's; none is expected.
    pub fn new() -> Result<Self> {
        let inner = system::Watch::new().map_err(|cause| Error::new(Attempt::WatchInterfaces, Object::None, cause))?;
        Ok(Self { inner })
    }

    /// Whether anything changed since the last call.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.changes().any
    }

    /// What changed since the last call.
    pub(crate) fn changes(&self) -> Changes {
        self.inner.changes()
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsFd for InterfaceWatch {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsRawFd for InterfaceWatch {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        std::os::fd::AsFd::as_fd(self).as_raw_fd()
    }
}
