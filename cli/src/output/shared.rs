//! A printer that several threads print with.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use udpkit::Interfaces;

use super::printer::StdPrinter;
use super::settings::Settings;

/// A printer that several threads print with.
#[derive(Clone)]
pub(crate) struct SharedPrinter(Arc<Mutex<StdPrinter>>);

impl SharedPrinter {
    /// A printer to standard output and standard error that waits for neither ([`StdPrinter::std_queued`]).
    pub(crate) fn queued(settings: Settings, interfaces: &Interfaces) -> Result<Self> {
        let printer = StdPrinter::std_queued(settings).context("cannot start a thread that writes")?;
        Ok(Self::new(printer, interfaces))
    }

    /// Shares a printer, which knows these interfaces by name.
    pub(crate) fn new(mut printer: StdPrinter, interfaces: &Interfaces) -> Self {
        printer.set_interfaces(interfaces);
        Self(Arc::new(Mutex::new(printer)))
    }

    /// The printer, once no other thread prints.
    pub(crate) fn lock(&self) -> MutexGuard<'_, StdPrinter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
