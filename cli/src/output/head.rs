//! Heads: what is written of a datagram before its payload, kept for the next datagrams of the same peer.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::SystemTime;

use jiff::tz::TimeZone;
use udpkit::{Datagram, InterfaceIndex, Interfaces, Meta, SocketId};

use super::palette::Palette;
use super::role::Role;
use super::settings::Settings;
use super::wording::{Shown, Times, Wording};
use super::{json, text};
use crate::words::format::{Field, Format};

/// Heads that are kept: of so many peers whose datagrams come mixed.
const HEADS: usize = 256;

/// Writes heads, and keeps them.
#[derive(Debug)]
pub(super) struct Heads {
    wording: Wording,
    palette: Palette,
    /// By [`place`].
    heads: Vec<Head>,
}

/// A head. Datagrams of one peer differ in no more than the time, most often.
#[derive(Debug, Default)]
struct Head {
    line: Vec<u8>,
    /// Where the time stands.
    time: Option<Range<usize>>,
    /// What it is of; `None` where it must not be used again.
    of: Option<Key>,
}

/// What a head tells, but for the time.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    /// The socket's place.
    via: SocketId,
    meta: Meta,
    wire_len: usize,
    payload_len: usize,
}

impl Heads {
    pub(super) fn new(settings: &Settings, zone: TimeZone) -> Self {
        let times = if settings.format == Format::Json { Times::Utc } else { settings.printing.times };
        Self {
            wording: Wording::new(times, zone),
            palette: Palette::new(settings.color),
            heads: std::iter::repeat_with(Head::default).take(HEADS).collect(),
        }
    }

    pub(super) fn set_interfaces(&mut self, interfaces: &Interfaces) {
        self.wording.set_interfaces(interfaces);
        self.heads.iter_mut().for_each(|head| head.of = None);
    }

    /// The name of an interface.
    pub(super) fn interface(&self, index: InterfaceIndex) -> Option<&str> {
        self.wording.interface(index)
    }

    /// The next datagram with its words.
    pub(super) fn shown<'a>(&'a mut self, via: SocketId, datagram: Datagram<'a>, settings: &Settings) -> Shown<'a> {
        self.wording.set_time(time(&datagram, settings));
        self.wording.shown(datagram, settings.port(via))
    }

    /// The head of the next datagram.
    pub(super) fn line(
        &mut self,
        via: SocketId,
        datagram: Datagram<'_>,
        role: &Role<'_>,
        settings: &Settings,
    ) -> io::Result<&[u8]> {
        let Self { wording, palette, heads } = self;
        let columns = &settings.printing.columns;
        wording.set_time(time(&datagram, settings));
        let head = &mut heads[place(datagram.meta.source)];
        let key = Some(Key::new(via, &datagram)).filter(|_| matches!(role, Role::Received { dropped_before: 0 }));
        if key.is_some() && head.becomes(key.as_ref(), wording.time().filter(|_| columns.tell(&[Field::Time]))) {
            return Ok(&head.line);
        }
        head.of = key;
        head.line.clear();
        let shown = wording.shown(datagram, settings.port(via));
        head.time = match settings.format {
            Format::Json => {
                let dropped_before = if let Role::Received { dropped_before } = role { *dropped_before } else { 0 };
                json::write_start(&mut head.line, &shown, columns, dropped_before)?
            }
            Format::Text | Format::Hex | Format::Raw => text::line(&mut head.line, &shown, role, settings, palette)?,
        };
        Ok(&head.line)
    }
}

impl Head {
    /// Whether it is the head wanted, once the time is put into it.
    fn becomes(&mut self, wanted: Option<&Key>, time: Option<&str>) -> bool {
        if self.of.as_ref() != wanted {
            return false;
        }
        match (self.time.clone(), time) {
            (Some(place), Some(time)) if place.len() == time.len() => {
                self.line[place].copy_from_slice(time.as_bytes());
                true
            }
            (place, time) => place.is_none() && time.is_none(),
        }
    }
}

impl Key {
    fn new(via: SocketId, datagram: &Datagram<'_>) -> Self {
        let mut meta = *datagram.meta;
        (meta.received, meta.dropped_before) = (None, None);
        Self { via, meta, wire_len: datagram.wire_len, payload_len: datagram.payload.len() }
    }
}

/// When a datagram came: by the kernel's clock, or else, where there is to be a time, now.
fn time(datagram: &Datagram<'_>, settings: &Settings) -> Option<SystemTime> {
    let is_told = settings.timed || settings.format == Format::Json;
    datagram.meta.received.or_else(|| is_told.then(settings.now))
}

/// The place of a source's head. Whoever chooses sources so that they meet in one makes us write heads anew, no more.
fn place(source: SocketAddr) -> usize {
    let ip = match source.ip() {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => {
            let [.., a, b, c, d] = v6.segments();
            [a, b, c, d].into_iter().fold(0, |bits, part| bits << 16 | u64::from(part))
        }
    };
    let mixed = (ip ^ u64::from(source.port()) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::from(mixed.to_be_bytes()[0]) % HEADS
}
