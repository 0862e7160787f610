//! Text: a line for each datagram.

use std::io::{self, Write};
use std::ops::Range;
use udpkit::ReplyTo;
use udpkit::event::{OneOf, Request};

use super::palette::Palette;
use super::role::Role;
use super::settings::Settings;
use super::summary::milliseconds;
use super::wording::Shown;
use super::{columns, escape};

/// A datagram's line, but for its payload; returns where the time stands that may be put in the place of another.
pub(super) fn line(
    line: &mut Vec<u8>,
    shown: &Shown<'_>,
    role: &Role<'_>,
    settings: &Settings,
    palette: &Palette,
) -> io::Result<Option<Range<usize>>> {
    let columns = &settings.printing.columns;
    match *role {
        Role::Received { dropped_before: 0 } => columns.write(line, shown, palette),
        Role::Received { dropped_before } => {
            columns.write(line, shown, palette)?;
            write!(line, " ({dropped_before} dropped before it)")?;
            Ok(None)
        }
        Role::Answered { reply } => {
            columns.write(line, shown, palette)?;
            write!(line, " (answered with {} B)", reply.len())?;
            Ok(None)
        }
        Role::Reply { to } => {
            let interface = shown.interface.filter(|_| settings.name_interfaces);
            let shown = Shown { interface, time: shown.time.filter(|_| settings.timed), ..*shown };
            answer(line, &shown, to, settings.numbered, palette)?;
            Ok(None)
        }
    }
}

/// `[time]  source  [interface]  [#request]  rtt  length`: who answered, and how fast; what is likely, but not certain, is marked.
fn answer(
    out: &mut impl Write,
    shown: &Shown<'_>,
    to: ReplyTo,
    is_numbered: bool,
    palette: &Palette,
) -> io::Result<()> {
    if let Some(time) = shown.time {
        palette.faint.write(out, time)?;
        out.write_all(b"  ")?;
    }
    palette.address.write(out, shown.source)?;
    out.write_all(b"  ")?;
    if let Some(interface) = shown.interface {
        escape::write_words(out, interface)?;
        out.write_all(b"  ")?;
    }
    match to {
        ReplyTo::Request(Request { number, .. }) if is_numbered => write!(out, "#{number}  ")?,
        ReplyTo::OneOf(OneOf { likely: Some((number, _)), .. }) if is_numbered => write!(out, "#{number}?  ")?,
        _ => {}
    }
    match to {
        ReplyTo::Request(Request { rtt: Some(rtt), .. }) => write!(out, "{:.3} ms  ", milliseconds(rtt))?,
        ReplyTo::OneOf(OneOf { likely: Some((_, rtt)), .. }) => write!(out, "~{:.3} ms  ", milliseconds(rtt))?,
        ReplyTo::OneOf(OneOf { first, last, .. }) => write!(out, "to one of #{first} to #{last}  ")?,
        ReplyTo::Copy => out.write_all(b"copy  ")?,
        ReplyTo::Late => out.write_all(b"late  ")?,
        // Neither matched nor timed.
        _ => out.write_all(b"- ms  ")?,
    }
    columns::length(out, &shown.datagram)
}
