//! The columns of a datagram's line: which there are, in which order, and how each is written.

use std::io::{self, Write};
use std::ops::Range;

use udpkit::Datagram;

use super::escape;
use super::palette::Palette;
use super::wording::{Shown, delivery_name};
use crate::words::format::Field;

/// Which columns lines have, and in which order.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    list: Vec<Field>,
    has_payload: bool,
    /// Whether they were asked for one by one: then each is there, and `-` where nothing is known.
    chosen: bool,
}

impl Default for Columns {
    fn default() -> Self {
        use Field::{Delivery, Destination, Interface, Length, Source, Time};
        let list = vec![Time, Source, Destination, Delivery, Interface, Length];
        Self { list, has_payload: true, chosen: false }
    }
}

impl Columns {
    /// These, in their order; the payload, whose end nothing marks but that of the line, comes last.
    pub(crate) fn chosen(fields: &[Field]) -> Self {
        let is_payload = |field: &Field| *field == Field::Payload;
        Self {
            list: fields.iter().copied().filter(|field| !is_payload(field)).collect(),
            has_payload: fields.iter().any(is_payload),
            chosen: true,
        }
    }

    pub(super) fn have_payload(&self) -> bool {
        self.has_payload
    }

    /// Whether an object that has everything, unless it was chosen otherwise, has one of these.
    pub(super) fn tell(&self, fields: &[Field]) -> bool {
        !self.chosen
            || fields.iter().any(|field| self.list.contains(field) || *field == Field::Payload && self.has_payload)
    }

    /// Writes all of them but the payload: `time  source -> destination  delivery@interface  length`, if none is chosen.
    /// Returns where the time stands.
    pub(super) fn write(
        &self,
        line: &mut Vec<u8>,
        shown: &Shown<'_>,
        palette: &Palette,
    ) -> io::Result<Option<Range<usize>>> {
        let mut before = None;
        let mut time = None;
        for field in self.list.iter().copied().filter(|field| self.chosen || is_known(*field, shown)) {
            line.extend_from_slice(match (before, field) {
                (None, _) => b"",
                (Some(Field::Source), Field::Destination) => b" -> ",
                (Some(Field::Delivery), Field::Interface) => b"@",
                _ => b"  ",
            });
            column(line, field, shown, palette)?;
            if let (Field::Time, Some(words)) = (field, shown.time) {
                let end = line.len() - palette.faint.off().len();
                time = Some(end - words.len()..end);
            }
            before = Some(field);
        }
        Ok(time)
    }
}

fn is_known(field: Field, shown: &Shown<'_>) -> bool {
    let meta = shown.datagram.meta;
    match field {
        Field::Time => shown.time.is_some(),
        Field::Destination => shown.destination.is_some(),
        Field::Delivery => delivery_name(meta.delivery).is_some(),
        Field::Interface => shown.interface.is_some(),
        Field::Ttl => meta.hop_limit.is_some(),
        Field::Tos | Field::Dscp => meta.traffic_class.is_some(),
        Field::Source | Field::Length | Field::Payload => true,
    }
}

fn column(out: &mut impl Write, field: Field, shown: &Shown<'_>, palette: &Palette) -> io::Result<()> {
    if !is_known(field, shown) {
        return out.write_all(b"-");
    }
    let meta = shown.datagram.meta;
    let traffic_class = meta.traffic_class.unwrap_or(0);
    match field {
        Field::Time => palette.faint.write(out, shown.time.unwrap_or("-")),
        Field::Source => palette.address.write(out, shown.source),
        Field::Destination => out.write_all(shown.destination.unwrap_or("-").as_bytes()),
        Field::Delivery => palette.delivery(meta.delivery).write(out, delivery_name(meta.delivery).unwrap_or("-")),
        Field::Interface => escape::write_words(out, shown.interface.unwrap_or("-")),
        Field::Ttl => numbered(out, b"ttl ", meta.hop_limit.unwrap_or(0)),
        Field::Tos => numbered(out, b"tos ", traffic_class),
        Field::Dscp => numbered(out, b"dscp ", traffic_class >> 2),
        Field::Length => length(out, &shown.datagram),
        Field::Payload => Ok(()),
    }
}

fn numbered(out: &mut impl Write, name: &[u8], number: u8) -> io::Result<()> {
    out.write_all(name)?;
    out.write_all(itoa::Buffer::new().format(number).as_bytes())
}

/// The length, and how much of a cut one there is.
pub(super) fn length(out: &mut impl Write, datagram: &Datagram<'_>) -> io::Result<()> {
    let mut digits = itoa::Buffer::new();
    out.write_all(digits.format(datagram.wire_len).as_bytes())?;
    out.write_all(b" B")?;
    if datagram.is_truncated() {
        out.write_all(b" (first ")?;
        out.write_all(digits.format(datagram.payload.len()).as_bytes())?;
        out.write_all(b")")?;
    }
    Ok(())
}
