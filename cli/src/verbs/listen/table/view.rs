//! Draws a picture: the table, what is always in sight around it, and the help.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use udpkit::Delivery;

use super::details;
use super::picture::{Body, Named, Picture, Totals, delivery};
use super::senders::{Column, Line, MAX_SENDERS};
use super::state::{Mode, State};
use crate::output::escape;
use crate::tui::drawing::{Styles, dropped, overlay, put, reasons, rows, safe, short_bytes, wrap};
use crate::tui::history::SERIES;
use crate::tui::numbers::{Unit, bars, count, short};
use crate::words::endpoint::Endpoint;

/// Where the parts of the screen are; those for which there is no room are empty.
struct Areas {
    title: Rect,
    totals: Rect,
    body: Rect,
    foot: Rect,
}

/// Lines of a screen from which on it has a title, and a line of keys at its foot.
const ROOM_FOR_TITLE: u16 = 5;
const ROOM_FOR_FOOT: u16 = 7;

impl Areas {
    /// The totals are always in sight; what they leave is shared.
    fn new(area: Rect, totals: &Totals, state: &State) -> Self {
        let part = |y: u16, height: u16| Rect { y, height, ..area };
        let wanted = u16::try_from(totals_lines(totals, area.width).len()).unwrap_or(u16::MAX);
        // Of a totals that would fill the screen, the end is cut: what is rarest.
        let totals = wanted.min((area.height / 2).max(1)).min(area.height);
        let title = u16::from(area.height >= ROOM_FOR_TITLE);
        let typing = state.mode == Mode::Filter && area.height >= 2;
        let foot = u16::from(typing || area.height >= ROOM_FOR_FOOT);
        let body = area.height.saturating_sub(title + totals + foot);
        let top = area.y;
        Self {
            title: part(top, title),
            totals: part(top + title, totals),
            body: part(top + title + totals, body),
            foot: part((top + title + totals + body).min(area.bottom()), foot.min(area.height.saturating_sub(totals))),
        }
    }
}

/// How many senders the table has room for.
pub(super) fn room(area: Rect, totals: &Totals, state: &State, others: bool) -> usize {
    usize::from(Areas::new(area, totals, state).body.height).saturating_sub(1 + usize::from(others))
}

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, picture: &Picture<'_>, styles: &Styles) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    let parts = Areas::new(area, picture.totals, picture.state);
    title(buffer, parts.title, picture, styles);
    for (line, (text, is_alarm)) in rows(parts.totals).zip(totals_lines(picture.totals, area.width)) {
        put(buffer, line, 0, &text, if is_alarm { styles.alarm } else { styles.strong });
    }
    match picture.body {
        Body::Table { lines, matching: _ } => table(buffer, parts.body, picture, lines, styles),
        Body::Details { line, source, samples } => {
            details::draw(buffer, parts.body, picture.state, (*source, line.as_deref()), samples, styles);
        }
    }
    foot(buffer, parts.foot, picture, styles);
    if picture.state.help {
        overlay(buffer, area, &HELP, styles);
    }
}

fn title(buffer: &mut Buffer, line: Rect, picture: &Picture<'_>, styles: &Styles) {
    let paused = if picture.state.paused { "paused  " } else { "" };
    let end = put(buffer, line, 0, paused, styles.alarm);
    let (datagrams, bytes) = picture.rate;
    let plural = if picture.senders == 1 { "" } else { "s" };
    let rate = format!("{}/s {}B/s  {} sender{plural}  ", short(datagrams), short(bytes), picture.senders);
    let end = put(buffer, line, end, &rate, Style::new());
    put(buffer, line, end, picture.title, styles.faint);
}

/// What became of all datagrams, in as many lines as it takes; whether each tells of a loss.
fn totals_lines(totals: &Totals, width: u16) -> Vec<(String, bool)> {
    let received = totals.received;
    let mut parts = vec![
        (format!("received {} ({})", received.datagrams, short_bytes(received.bytes)), false),
        (format!("listed {}", totals.listed), false),
    ];
    if let Some(written) = totals.written {
        parts.push((format!("written {written}"), false));
    }
    parts.push((format!("ignored {}", totals.ignored.total()), false));
    parts.push((format!("truncated {}", totals.truncated), totals.truncated > 0));
    parts.push(dropped(totals.dropped, totals.dropped_at_least));
    parts.extend(reasons(&totals.ignored));
    wrap(parts, width)
}

/// A field of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Source,
    Datagrams,
    Rate,
    Series,
    Bytes,
    SinceLast,
    LongestGap,
    Delivery,
    Payload,
}

impl Cell {
    /// All in the order of their places, with what they are worth: those of lower numbers are shown first.
    const ALL: [(Self, u8); 9] = [
        (Self::Source, 0),
        (Self::Datagrams, 1),
        (Self::Rate, 2),
        (Self::Series, 5),
        (Self::Bytes, 6),
        (Self::SinceLast, 4),
        (Self::LongestGap, 7),
        (Self::Delivery, 8),
        (Self::Payload, 3),
    ];

    /// The least width; that of the source is given, and the payload has what is left.
    fn width(self, source: usize) -> usize {
        match self {
            Self::Source => source,
            Self::Datagrams => 10,
            Self::Rate | Self::Bytes | Self::LongestGap => 7,
            Self::SinceLast => 6,
            Self::Series => SERIES,
            Self::Delivery => 14,
            Self::Payload => 12,
        }
    }

    fn head(self) -> (&'static str, Option<Column>) {
        match self {
            Self::Source => ("source", Some(Column::Source)),
            Self::Datagrams => ("datagrams", Some(Column::Datagrams)),
            Self::Rate => ("rate", Some(Column::Rate)),
            Self::Series => ("last 15 s", None),
            Self::Bytes => ("bytes", Some(Column::Bytes)),
            Self::SinceLast => ("ago", Some(Column::SinceLast)),
            Self::LongestGap => ("gap", Some(Column::LongestGap)),
            Self::Delivery => ("delivery", None),
            Self::Payload => ("last payload", None),
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Datagrams | Self::Rate | Self::Bytes | Self::SinceLast | Self::LongestGap)
    }

    /// Those that a line of this width has room for, and their widths.
    fn fit(width: usize, source: usize) -> Vec<(Self, usize)> {
        let mut by_worth = Self::ALL;
        by_worth.sort_by_key(|(_, worth)| *worth);
        let mut used = 0;
        let mut last = 0;
        for (field, worth) in by_worth {
            let needed = field.width(source) + usize::from(used > 0);
            if used + needed > width && worth > 0 {
                break;
            }
            used += needed;
            last = worth;
        }
        let left = width.saturating_sub(used);
        let shown = Self::ALL.into_iter().filter(|(_, worth)| *worth <= last);
        let wide = |field: Self| field.width(source) + if field == Self::Payload { left } else { 0 };
        shown.map(|(field, _)| (field, wide(field))).collect()
    }
}

/// The units of the columns that tell times.
#[derive(Clone, Copy)]
struct Units {
    ages: Unit,
    gaps: Unit,
}

impl Units {
    fn of(lines: &[Named<Line>]) -> Self {
        let oldest = lines.iter().map(|line| line.it.since_last).max();
        let longest = lines.iter().filter_map(|line| line.it.gap()).max();
        Self { ages: Unit::of_ages(oldest.unwrap_or_default()), gaps: Unit::of(longest.unwrap_or_default()) }
    }
}

/// Letters of the longest IPv4 address with its port, and of the longest IPv6 address.
const SOURCE_V4: usize = 21;
const SOURCE_V6: usize = 47;

fn table(buffer: &mut Buffer, part: Rect, picture: &Picture<'_>, lines: &[Named<Line>], styles: &Styles) {
    let width = usize::from(part.width);
    let longest = lines.iter().map(|line| Endpoint(line.it.source).to_string().len()).max().unwrap_or(0);
    let source = longest.clamp(SOURCE_V4, SOURCE_V6.min((width / 2).max(SOURCE_V4)));
    let fields = Cell::fit(width, source);
    let others = picture.others.count;
    let has_others = others.datagrams > 0;
    let mut free = rows(part);
    if let Some(line) = free.next() {
        header(buffer, line, &fields, picture.state, styles);
    }
    let room = usize::from(part.height).saturating_sub(1 + usize::from(has_others));
    let units = Units::of(lines);
    for (place, (line, named)) in free.by_ref().take(room).zip(lines).enumerate() {
        let is_chosen = picture.state.top + place == picture.state.place;
        row(buffer, line, &fields, named, units, is_chosen, styles);
    }
    if lines.is_empty() && room > 0 {
        let words = if picture.senders == 0 { "nothing was received yet" } else { "no sender matches the filter" };
        put(buffer, Rect { y: part.y + 1, height: 1, ..part }, 0, words, styles.faint);
    }
    if has_others && part.height > 1 {
        let line = Rect { y: part.bottom() - 1, height: 1, ..part };
        let texts = |field: Cell, width: usize| match field {
            Cell::Source => "others".to_owned(),
            Cell::Payload => format!("past {MAX_SENDERS} senders"),
            Cell::Datagrams => count(others.datagrams, width),
            Cell::Bytes => short_bytes(others.bytes),
            _ => String::new(),
        };
        fill(buffer, line, &fields, texts, |_| styles.strong);
    }
}

fn header(buffer: &mut Buffer, line: Rect, fields: &[(Cell, usize)], state: &State, styles: &Styles) {
    let mark = |field: Cell| match field.head() {
        (name, Some(column)) if column == state.column => format!("{name}{}", arrow(state)),
        (name, _) => name.to_owned(),
    };
    fill(buffer, line, fields, |field, _| mark(field), |_| styles.strong);
}

/// Whether the order rises or falls.
fn arrow(state: &State) -> &'static str {
    // Sources begin with the smallest, times with the latest, all else with what is most.
    let rises = matches!(state.column, Column::Source | Column::SinceLast);
    if rises == state.reversed { "▼" } else { "▲" }
}

fn row(
    buffer: &mut Buffer,
    place: Rect,
    fields: &[(Cell, usize)],
    named: &Named<Line>,
    units: Units,
    is_chosen: bool,
    styles: &Styles,
) {
    let line = &named.it;
    let text = |field: Cell, width: usize| match field {
        Cell::Source => Endpoint(line.source).to_string(),
        Cell::Datagrams => count(line.count.datagrams, width),
        Cell::Rate => format!("{}/s", short(line.rate.0)),
        Cell::Series => bars(&line.series),
        Cell::Bytes => short_bytes(line.count.bytes),
        Cell::SinceLast => units.ages.tell(line.since_last),
        Cell::LongestGap => line.gap().map_or_else(|| "-".to_owned(), |gap| units.gaps.tell(gap)),
        Cell::Delivery => delivery(line.arrival.delivery, named.interface.as_deref()),
        Cell::Payload => safe(line.excerpt.bytes()),
    };
    let style = |field: Cell| match (field, line.arrival.delivery) {
        (Cell::Source, _) => styles.address,
        (Cell::Delivery, Delivery::Broadcast) => styles.broadcast,
        (Cell::Delivery, Delivery::Multicast) => styles.multicast,
        _ => Style::new(),
    };
    if is_chosen {
        buffer.set_style(place, styles.chosen);
    }
    fill(buffer, place, fields, text, style);
}

/// Writes the fields of a line, numbers to the right of their places; what is too long ends in an ellipsis.
fn fill(
    buffer: &mut Buffer,
    line: Rect,
    fields: &[(Cell, usize)],
    text: impl Fn(Cell, usize) -> String,
    style: impl Fn(Cell) -> Style,
) {
    let mut column = 0;
    for &(field, width) in fields {
        let end = (column + width).min(usize::from(line.width));
        let place = Rect { width: u16::try_from(end).unwrap_or(line.width).min(line.width), ..line };
        let text = text(field, width);
        let indent = if field.is_number() { width.saturating_sub(text.chars().count()) } else { 0 };
        put(buffer, place, column + indent, &text, style(field));
        if end > column && ratatui::text::Span::raw(text.as_str()).width() > width {
            put(buffer, place, end - 1, "…", style(field));
        }
        column += width + 1;
    }
}

fn foot(buffer: &mut Buffer, line: Rect, picture: &Picture<'_>, styles: &Styles) {
    let state = picture.state;
    if state.mode == Mode::Filter {
        let end = put(buffer, line, 0, "/", styles.strong);
        let end = put(buffer, line, end, &escape::words(&state.filter), styles.strong);
        put(buffer, line, end, " ", styles.chosen);
        return;
    }
    let mut end = 0;
    if let Some(trouble) = picture.trouble {
        end = put(buffer, line, end, &format!("{}  ", escape::words(trouble)), styles.alarm);
    }
    if let (Body::Table { matching, .. }, false) = (picture.body, state.filter.is_empty()) {
        let filter = format!("{matching} of {} match '{}'  ", picture.senders, escape::words(&state.filter));
        end = put(buffer, line, end, &filter, styles.strong);
    }
    let keys = match state.mode {
        Mode::Table | Mode::Filter => {
            let field = Cell::ALL.iter().find(|(field, _)| field.head().1 == Some(state.column));
            let column = field.map_or("", |(field, _)| field.head().0);
            let order = format!("{column}{}", arrow(state));
            format!("q quit  ? help  s sort: {order}  r reverse  Enter details  / filter  p pause")
        }
        Mode::Details(_) => "q quit  ? help  Esc back  ↑↓ datagram  PgUp PgDn scroll  p pause".to_owned(),
    };
    put(buffer, line, end, &keys, styles.faint);
}

const HELP: [&str; 18] = [
    "q, Ctrl-C          quit, with the summary",
    "Ctrl-Z             stop, until the shell's fg",
    "↑ ↓  k j           choose a sender, or a datagram",
    "PgUp PgDn          a page up, down",
    "Home End  g G      the first, the last",
    "Enter              details: last 16 datagrams, as hex",
    "Esc                back; in the table: no filter",
    "/                  filter by address or last payload",
    "s                  sort by the next column",
    "r                  reverse the order",
    "p, space           pause; counting goes on",
    "",
    "rate       datagrams in the last second",
    "last 15 s  each second beside the sender's busiest",
    "ago, gap   since the last one; the longest time",
    "           between two",
    "others     datagrams that found no row;",
    "           silent senders lose theirs",
];

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use udpkit::{Count, Datagram, Meta, Reason};

    use super::super::senders::{Others, Senders};
    use super::*;
    use crate::tui::now;
    use crate::tui::testing::{self, assert_screen};

    /// Four senders after four and a half seconds, the first of them hostile.
    fn senders(epoch: Instant) -> Senders {
        let mut senders = Senders::new(epoch);
        let mut take = |source: &str, payload: &[u8], wire_len: usize, delivery: Delivery, milliseconds: u64| {
            let mut meta = Meta::new(source.parse().unwrap());
            (meta.delivery, meta.interface, meta.hop_limit) = (delivery, 2.try_into().ok(), Some(64));
            meta.destination = Some([192, 0, 2, 1].into());
            let datagram = Datagram::new(payload, &meta).wire_len(wire_len);
            senders.take(&datagram, 10_000, epoch + Duration::from_millis(milliseconds));
        };
        let hostile = b"\x1b]0;title\x07\x1b[2J\r\nsecond line \xff\xe2\x80\xae \xe4\xbd\xa0\xe5\xa5\xbd";
        take("192.0.2.66:53", hostile, hostile.len(), Delivery::Unicast, 100);
        for number in 0..40 {
            let payload = format!("temperature {number}");
            take("192.0.2.7:40000", payload.as_bytes(), payload.len(), Delivery::Broadcast, number * 100);
        }
        take("[2001:db8::1234:5678:9abc]:65535", &[0; 3000], 3000, Delivery::Multicast, 4400);
        take("192.0.2.9:9", b"", 0, Delivery::Unknown, 4500);
        senders
    }

    fn totals() -> Totals {
        let mut totals = Totals {
            received: Count { datagrams: 61, bytes: 4567 },
            listed: 43,
            written: None,
            dropped: Some(0),
            ..Totals::default()
        };
        totals.ignored.add(Reason::NoMatch, 15);
        totals.ignored.add(Reason::OtherSource, 3);
        totals
    }

    /// What there is to see, with all senders or those that the state is about.
    fn body(senders: &Senders, state: &State, room: usize, moment: Instant) -> Body {
        let name = Some("eth0\x1b[1m".to_owned());
        let interface = |index: Option<udpkit::InterfaceIndex>| index.and_then(|_| name.clone());
        let named = |line: Line| Named { interface: interface(line.arrival.interface), it: line };
        if let Mode::Details(source) = state.mode {
            let row = senders.row_of(source);
            let line = row.and_then(|row| senders.line(row, moment)).map(|line| Box::new(named(line)));
            let samples = row.map(|row| senders.samples(row)).unwrap_or_default();
            let samples =
                samples.into_iter().map(|it| Named { interface: interface(it.arrival.interface), it }).collect();
            return Body::Details { line, source, samples };
        }
        let mut places = Vec::new();
        let wanted = |row: &super::super::senders::Row| row.source.to_string().contains(&state.filter);
        senders.places(0..senders.len(), state.column, moment, wanted, &mut places);
        places.sort_unstable();
        if state.reversed {
            places.reverse();
        }
        let lines = places.iter().skip(state.top).take(room).filter_map(|place| senders.line(place.2, moment));
        Body::Table { matching: places.len(), lines: lines.map(named).collect() }
    }

    /// The screen of this size, as text.
    fn screen(
        size: (u16, u16),
        senders: &Senders,
        others: u64,
        totals: &Totals,
        state: &State,
        moment: Instant,
    ) -> String {
        let area = Rect::new(0, 0, size.0, size.1);
        let picture = Picture {
            title: "udp listen on 0.0.0.0:10000 and [::]:10000",
            state,
            totals,
            rate: senders.rate(moment),
            senders: senders.len(),
            others: Others { count: Count { datagrams: others, bytes: others * 100 }, given_up: 0 },
            trouble: None,
            body: &body(senders, state, room(area, totals, state, others > 0), moment),
        };
        testing::screen(size, |frame| draw(frame, &picture, &Styles::new(true)))
    }

    #[test]
    fn screens_are_what_they_were() {
        let epoch = now();
        let (some, nobody) = (senders(epoch), Senders::new(epoch));
        let moment = epoch + Duration::from_millis(4500);
        let see = |name: &str, size, senders: &Senders, others, totals: &Totals, state: &State| {
            assert_screen(name, &screen(size, senders, others, totals, state, moment));
        };
        let table = State::default();
        see("empty", (100, 8), &nobody, 0, &Totals { dropped: None, ..Totals::default() }, &table);
        see("few", (120, 12), &some, 0, &totals(), &table);
        see("standard", (80, 12), &some, 0, &totals(), &State { place: 1, ..table.clone() });
        see("narrow", (40, 12), &some, 0, &totals(), &table);
        see("tiny", (20, 3), &some, 0, &totals(), &table);
        see("others", (100, 8), &some, 123_456, &totals(), &State { paused: true, top: 1, ..table.clone() });
        let losses =
            Totals { dropped: Some(1234), dropped_at_least: true, truncated: 2, written: Some(43), ..totals() };
        see("losses", (100, 10), &some, 0, &losses, &State { column: Column::Source, reversed: true, ..table.clone() });
        let filter = State { filter: "192.0.2.6".to_owned(), ..table.clone() };
        see("filter", (100, 10), &some, 0, &totals(), &filter);
        see("filter-typed", (100, 10), &some, 0, &totals(), &State { mode: Mode::Filter, ..filter.clone() });
        let none = State { filter: "\u{202e}nobody".to_owned(), ..table.clone() };
        see("filter-none", (100, 10), &some, 0, &totals(), &none);
        let details = |source: &str| State { mode: Mode::Details(source.parse().unwrap()), ..table.clone() };
        see("details", (100, 24), &some, 0, &totals(), &State { sample: 2, ..details("192.0.2.7:40000") });
        see("details-hostile", (100, 16), &some, 0, &totals(), &details("192.0.2.66:53"));
        let scrolled = State { scroll: 3, ..details("[2001:db8::1234:5678:9abc]:65535") };
        see("details-narrow", (40, 24), &some, 0, &totals(), &scrolled);
        see("details-gone", (100, 10), &some, 0, &totals(), &details("192.0.2.1:1"));
        see("help", (80, 20), &some, 0, &totals(), &State { help: true, ..table.clone() });
    }

    #[test]
    fn many_senders_fill_the_screen_and_the_chosen_one_is_in_sight() {
        let epoch = now();
        let mut many = Senders::new(epoch);
        for number in 0..300_u16 {
            let meta = Meta::new(SocketAddr::from(([10, 0, 0, 1], 1000 + number)));
            for _ in 0..=number {
                many.take(&Datagram::new(b"x", &meta), 9, epoch);
            }
        }
        let mut state = State { place: 150, ..State::default() };
        let area = Rect::new(0, 0, 60, 12);
        state.settle(300, None, room(area, &totals(), &state, false));
        assert_screen("many", &screen((60, 12), &many, 0, &totals(), &state, epoch));
    }

    #[test]
    fn the_ledger_is_in_sight_in_every_window() {
        let epoch = now();
        let (some, moment) = (senders(epoch), epoch + Duration::from_secs(5));
        for height in 1..30 {
            for width in 20..130 {
                let seen = screen((width, height), &some, 0, &totals(), &State::default(), moment);
                assert!(seen.contains("received 61 (4.57kB)"), "{width}x{height}:\n{seen}");
            }
        }
    }

    #[test]
    fn without_colour_nothing_is_coloured() {
        for (color, expected) in [(false, false), (true, true)] {
            let styles = Styles::new(color);
            let styles = [styles.address, styles.alarm, styles.broadcast, styles.multicast, styles.chosen];
            assert_eq!(styles.iter().any(|style| style.fg.is_some() || style.bg.is_some()), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]
        #[test]
        fn no_window_is_too_small_and_nothing_steers_the_terminal(
            width in 0u16..140,
            height in 0u16..40,
            mode in 0..4,
            help in any::<bool>(),
            others in prop_oneof![Just(0), any::<u32>()],
            (top, place, sample, scroll) in any::<(u8, u8, usize, usize)>(),
            filter in ".*",
        ) {
            let epoch = now();
            let mode = match mode {
                0 => Mode::Table,
                1 => Mode::Filter,
                2 => Mode::Details("192.0.2.66:53".parse().unwrap()),
                _ => Mode::Details("[2001:db8::1234:5678:9abc]:65535".parse().unwrap()),
            };
            let (top, place, sample) = (top.into(), place.into(), sample % 20);
            let state = State { mode, help, filter, top, place, sample, scroll, paused: help, ..State::default() };
            let moment = epoch + Duration::from_secs(5);
            let seen = screen((width, height), &senders(epoch), others.into(), &totals(), &state, moment);
            let steers = |letter: char| letter.is_control() && letter != '\n';
            prop_assert!(!seen.contains(steers) && !seen.contains('\u{202e}'), "{}", seen);
        }
    }
}
