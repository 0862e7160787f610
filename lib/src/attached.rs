//! The interfaces that this host has, and news of their changes: asked of the system.

use crate::datagram::InterfaceIndex;
use crate::error::{Error, Result};
use crate::interface::{Changes, Interfaces};
use crate::sys::interfaces as system;

impl Interfaces {
    /// The interfaces of this host as they are now.
    ///
    /// # Errors
    ///
    /// The system's; none is expected.
    pub fn list() -> Result<Self> {
        let list = system::list().map_err(|cause| Error::new("list interfaces", "", cause))?;
        Ok(list.into_iter().collect())
    }
}

/// The name that the interface of this number has now; `None` if there is none, or the name is no text.
#[must_use]
pub fn interface_name(index: InterfaceIndex) -> Option<String> {
    system::name(index)
}

/// Notices when interfaces or addresses come, go or change. Linux only; elsewhere nothing is ever noticed.
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
        let inner = system::Watch::new().map_err(|cause| Error::new("watch interfaces", "", cause))?;
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
