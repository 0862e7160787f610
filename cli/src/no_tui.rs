//! In the place of screens where the feature `tui` is left out: no flag asks for one.

use anyhow::{Result, bail};

/// A screen, of which there is none.
pub(crate) enum Tui {}

impl Tui {
    /// There is none to give back.
    pub(crate) fn finish(self) -> Result<Vec<String>> {
        match self {}
    }
}

/// Where troubles are told while there is a screen.
pub(crate) enum Troubles {}

impl Troubles {
    /// There is no screen.
    pub(crate) fn tell(&self, _words: String) {
        match *self {}
    }
}

/// An error: whoever asks for a screen asks for what is left out.
pub(crate) fn check_terminal(otherwise: &str) -> Result<()> {
    bail!("--tui is left out of this program; {otherwise}")
}

/// There is no screen to give back.
#[cfg(unix)]
pub(crate) fn restore_at_once() {}
