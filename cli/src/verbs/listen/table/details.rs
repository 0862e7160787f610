//! Draws a sender's details: what is known of it, its last datagrams, and one of them as hex.

use std::net::SocketAddr;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::picture::{Named, delivery};
use super::senders::{Line, Sample};
use super::state::State;
use crate::output::hex;
use crate::tui::drawing::{Styles, put, rows, safe, wrap};
use crate::tui::numbers::{Unit, age, bars, short};
use crate::words::endpoint::Endpoint;
use crate::words::units;

/// Draws all of it; the sender's line is missing if it gave up its row.
pub(super) fn draw(
    buffer: &mut Buffer,
    part: Rect,
    state: &State,
    (source, line): (SocketAddr, Option<&Named<Line>>),
    samples: &[Named<Sample>],
    styles: &Styles,
) {
    let mut free = rows(part);
    if let Some(place) = free.next() {
        put(buffer, place, 0, &Endpoint(source).to_string(), styles.address.patch(styles.strong));
    }
    let facts = line.map_or_else(|| vec![("it was silent, and gave its row up".to_owned(), false)], facts);
    let facts = wrap(facts, part.width);
    let room = facts.len().min(usize::from(part.height / 3));
    for (place, (fact, _)) in free.by_ref().take(room).zip(facts) {
        put(buffer, place, 0, &fact, Style::new());
    }
    let free: Vec<_> = free.collect();
    let listed = samples.len().min((free.len() / 2).max(1)).min(free.len());
    let (list, rest) = free.split_at(listed);
    // The chosen one stays in sight.
    let chosen = state.sample.min(samples.len().saturating_sub(1));
    let first = (chosen + 1).saturating_sub(listed);
    let before = |sample: &Named<Sample>| samples[0].it.arrival.at.saturating_duration_since(sample.it.arrival.at);
    let unit = Unit::of(samples.iter().map(before).max().unwrap_or_default()).finely();
    for ((number, sample), &place) in samples.iter().enumerate().skip(first).zip(list) {
        let style = if number == chosen { styles.chosen } else { Style::new() };
        buffer.set_style(place, style);
        put(buffer, place, 0, &summary(sample, &since_newest(before(sample), unit), place.width), style);
    }
    if let Some(sample) = samples.get(chosen) {
        dump(buffer, rest.to_vec(), &sample.it, state.scroll, styles);
    }
}

/// What is known of a sender, in parts.
fn facts(named: &Named<Line>) -> Vec<(String, bool)> {
    let line = &named.it;
    let (datagrams, bytes) = line.rate;
    let plural = if line.count.datagrams == 1 { "" } else { "s" };
    let facts = [
        Some(format!("{} datagram{plural}  {} B", line.count.datagrams, line.count.bytes)),
        (line.truncated > 0).then(|| format!("{} truncated", line.truncated)),
        Some(format!("{}/s  {}B/s", short(datagrams), short(bytes))),
        Some(bars(&line.series)),
        Some(format!("last {} ago  longest gap {}", age(line.since_last), longest_gap(line))),
        Some(format!("first {} ago", age(line.since_first))),
        line.arrival.destination.map(|to| format!("to {to}")),
        Some(delivery(line.arrival.delivery, named.interface.as_deref())),
        line.arrival.hop_limit.map(|hops| format!("hop limit {hops}")),
    ];
    facts.into_iter().flatten().map(|fact| (fact, false)).collect()
}

fn longest_gap(line: &Line) -> String {
    line.gap().map_or_else(|| "-".to_owned(), units::human)
}

/// From this width on, the list of datagrams tells how each was delivered.
const ROOM_FOR_DELIVERY: u16 = 72;

/// When a datagram came, counted from the newest.
fn since_newest(before: Duration, unit: Unit) -> String {
    if before.is_zero() { unit.tell(before) } else { format!("-{}", unit.tell(before)) }
}

/// When a datagram came, its length, and its payload.
fn summary(sample: &Named<Sample>, when: &str, width: u16) -> String {
    let arrival = &sample.it.arrival;
    let place = if width < ROOM_FOR_DELIVERY {
        String::new()
    } else {
        format!("  {}", delivery(arrival.delivery, sample.interface.as_deref()))
    };
    format!("{when:>10} {:>5} B{place}  {}", arrival.wire_len, safe(&sample.it.payload))
}

/// Letters of a row of hex besides those of its bytes: offset, spaces, bars.
const AROUND: usize = 13;

/// The payload as hex, in rows of as many bytes as there is room for.
fn dump(buffer: &mut Buffer, mut places: Vec<Rect>, sample: &Sample, scroll: usize, styles: &Styles) {
    let Some(width) = places.first().map(|place| usize::from(place.width)) else { return };
    let kept = sample.payload.len();
    if kept < sample.arrival.wire_len
        && let Some(place) = places.pop()
    {
        put(buffer, place, 0, &format!("the first {kept} B of {}", sample.arrival.wire_len), styles.faint);
    }
    let per_row = [16, 8, 4].into_iter().find(|count| AROUND + count * 4 + count / 16 <= width).unwrap_or(2);
    let count = kept.div_ceil(per_row);
    let first = scroll.min(count.saturating_sub(places.len()));
    for ((number, bytes), place) in sample.payload.chunks(per_row).enumerate().skip(first).zip(places) {
        let mut row = Vec::new();
        // Writing into memory does not fail.
        let _ = hex::row(&mut row, number * per_row, bytes, per_row);
        put(buffer, place, 0, &String::from_utf8_lossy(&row), Style::new());
    }
}
