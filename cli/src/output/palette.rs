//! The colours of a line's parts.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use udpkit::Delivery;

/// The styles of a line's parts; all plain where there is no colour.
#[derive(Clone, Debug, Default)]
pub(crate) struct Palette {
    pub(super) faint: Paint,
    pub(super) address: Paint,
    plain: Paint,
    broadcast: Paint,
    multicast: Paint,
}

impl Palette {
    pub(crate) fn new(color: bool) -> Self {
        if !color {
            return Self::default();
        }
        Self {
            faint: Paint::new(Style::new().dimmed()),
            address: Paint::new(AnsiColor::Cyan.on_default()),
            plain: Paint::default(),
            broadcast: Paint::new(AnsiColor::Yellow.on_default()),
            multicast: Paint::new(AnsiColor::Magenta.on_default()),
        }
    }

    pub(super) fn delivery(&self, delivery: Delivery) -> &Paint {
        match delivery {
            Delivery::Broadcast => &self.broadcast,
            Delivery::Multicast => &self.multicast,
            Delivery::Unicast | Delivery::Unknown => &self.plain,
        }
    }
}

/// A style, as the bytes that begin and end it.
#[derive(Clone, Debug, Default)]
pub(super) struct Paint {
    on: String,
    off: String,
}

impl Paint {
    fn new(style: Style) -> Self {
        Self { on: style.render().to_string(), off: style.render_reset().to_string() }
    }

    pub(super) fn off(&self) -> &str {
        &self.off
    }

    pub(super) fn write(&self, out: &mut impl Write, words: &str) -> io::Result<()> {
        out.write_all(self.on.as_bytes())?;
        out.write_all(words.as_bytes())?;
        out.write_all(self.off.as_bytes())
    }
}
