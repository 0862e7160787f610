//! Draws a picture: what is always in sight, and the two directions below or beside each other.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use udpkit::Report;
use udpkit::impairment::LostBy;
use udpkit::verbs::{Direction, DirectionFigures, RelayFigures};

use super::dial::DIALS;
use super::fates;
use super::picture::{Picture, Way};
use super::state::Over;
use crate::output::escape;
use crate::tui::drawing::{Styles, dropped, overlay, put, reasons, rows, short_bytes, wrap};
use crate::tui::numbers::{Unit, age, bars, short};
use crate::words::impairments::Name;
use crate::words::units::counted;

/// From this width on, the directions are beside each other.
const ROOM_FOR_BOTH: u16 = 140;
/// From this height on, they are below each other; in a lower window there is the chosen one, and a line of the other.
const ROOM_FOR_TWO: u16 = 18;
/// Lines of a screen from which on it has a title, and a line of keys at its foot.
const ROOM_FOR_TITLE: u16 = 5;
const ROOM_FOR_FOOT: u16 = 7;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, picture: &Picture<'_>, styles: &Styles) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    let totals = wrap(totals(picture.report), area.width);
    let title = u16::from(area.height >= ROOM_FOR_TITLE);
    let foot = u16::from(area.height >= ROOM_FOR_FOOT);
    // Of totals that would fill the screen, the end is cut: what is rarest.
    let lines = u16::try_from(totals.len()).unwrap_or(u16::MAX).min((area.height / 6).max(1)).min(area.height);
    let part = |y: u16, height: u16| Rect { y: area.y + y, height, ..area };
    let has_title = rows(part(0, title)).next();
    if let Some(line) = has_title {
        let end = put(buffer, line, 0, &format!("{}  ", age(picture.elapsed)), Style::new());
        put(buffer, line, end, picture.title, styles.faint);
    }
    for (line, (text, is_alarm)) in rows(part(title, lines)).zip(totals) {
        put(buffer, line, 0, &text, if is_alarm { styles.alarm } else { styles.strong });
    }
    let body = part(title + lines, area.height - (title + lines).min(area.height) - foot.min(area.height - lines));
    directions(buffer, body, picture, styles);
    if foot > 0 {
        keys(buffer, part(area.height - 1, 1), picture, styles);
    }
    match picture.state.over {
        Over::Nothing => {}
        Over::Help => over(buffer, area, HELP.map(str::to_owned).into(), styles),
        Over::Command => {
            let networks = picture.figures(Direction::Up).own_links.len();
            over(buffer, area, command(picture.command, networks, area.width), styles);
        }
    }
}

/// Lays lines over everything.
fn over(buffer: &mut Buffer, area: Rect, mut lines: Vec<String>, styles: &Styles) {
    lines.resize(lines.len().max(area.height.into()), String::new());
    overlay(buffer, area, &lines, styles);
}

fn directions(buffer: &mut Buffer, body: Rect, picture: &Picture<'_>, styles: &Styles) {
    if body.width >= ROOM_FOR_BOTH {
        let half = body.width / 2;
        let parts = [Rect { width: half - 1, ..body }, Rect { x: body.x + half, width: body.width - half, ..body }];
        for (&direction, part) in Direction::ALL.iter().zip(parts) {
            way(buffer, part, picture, direction, styles);
        }
    } else if body.height >= ROOM_FOR_TWO {
        let upper = body.height / 2;
        let lower = Rect { y: body.y + upper, height: body.height - upper, ..body };
        // A line of its own between them.
        way(buffer, Rect { height: upper - 1, ..body }, picture, Direction::Up, styles);
        way(buffer, lower, picture, Direction::Down, styles);
    } else {
        let other = u16::from(body.height > 1);
        let part = Rect { height: body.height - other, ..body };
        for &direction in Direction::ALL {
            if direction == picture.state.direction {
                way(buffer, part, picture, direction, styles);
            } else if let Some(line) = rows(Rect { y: body.bottom() - other, height: other, ..body }).next() {
                head(buffer, line, picture, direction, styles);
            }
        }
    }
}

/// A direction: what comes and leaves, what is done to it, what became of it, the last fates.
fn way(buffer: &mut Buffer, part: Rect, picture: &Picture<'_>, direction: Direction, styles: &Styles) {
    let mut free = rows(part);
    if let Some(line) = free.next() {
        head(buffer, line, picture, direction, styles);
    }
    let (figures, way) = (picture.figures(direction), picture.way(direction));
    let dial = Some(picture.state.dial()).filter(|_| picture.state.direction == direction);
    let lines = impairments(way, dial, styles);
    flow(buffer, &mut free, lines);
    for (text, is_alarm) in wrap(counts(figures), part.width.saturating_sub(INDENT)) {
        let Some(line) = free.next() else { return };
        put(buffer, line, INDENT.into(), &text, if is_alarm { styles.alarm } else { Style::new() });
    }
    if let Some(line) = free.next() {
        put(buffer, line, INDENT.into(), &delays(figures), Style::new());
    }
    fates::draw(buffer, free, &way.fates, styles);
}

/// Columns that are free before what is said of a direction.
const INDENT: u16 = 2;

fn head(buffer: &mut Buffer, line: Rect, picture: &Picture<'_>, direction: Direction, styles: &Styles) {
    let (figures, way) = (picture.figures(direction), picture.way(direction));
    let is_chosen = direction == picture.state.direction;
    let name = match direction {
        Direction::Up => "up  ",
        Direction::Down => "down",
    };
    let end = put(buffer, line, 0, if is_chosen { "▶ " } else { "  " }, styles.strong);
    let end = put(buffer, line, end, name, if is_chosen { styles.chosen } else { styles.strong });
    let end = put(buffer, line, end, if figures.is_paused { "  paused" } else { "" }, styles.alarm);
    let [received, forwarded] = [&way.received, &way.forwarded].map(|history| {
        let (datagrams, bytes) = history.rate(picture.elapsed);
        format!("{}/s {}B/s", short(datagrams), short(bytes))
    });
    let end = put(buffer, line, end, &format!("  in {received:<16} out {forwarded:<16}"), Style::new());
    put(buffer, line, end, &format!(" {}", bars(&way.received.series(picture.elapsed))), styles.address);
}

/// What is done to a direction: of the chosen one, all that keys turn.
fn impairments(way: &Way, dial: Option<Name>, styles: &Styles) -> Vec<(String, Style)> {
    let shown = |name: Name, value: &str| match name {
        Name::AllowReorder => name.word().to_owned(),
        _ => escape::words(&format!("{} {value}", name.word())),
    };
    let turned = DIALS.into_iter().filter(|_| dial.is_some()).map(|name| {
        let value = way.words.get(name);
        let style = match (Some(name) == dial, &value) {
            (true, _) => styles.chosen,
            (false, Some(_)) => styles.strong,
            (false, None) => styles.faint,
        };
        (shown(name, value.as_deref().unwrap_or("-")), style)
    });
    let others = way.words.iter().filter(|(name, _)| dial.is_none() || !DIALS.contains(name));
    let mut all: Vec<_> = turned.chain(others.map(|(name, value)| (shown(name, &value), styles.strong))).collect();
    if all.is_empty() {
        all.push(("no impairments".to_owned(), styles.faint));
    }
    all
}

/// Puts pieces on lines, as many on each as fit.
fn flow(buffer: &mut Buffer, free: &mut impl Iterator<Item = Rect>, pieces: Vec<(String, Style)>) {
    let Some(mut line) = free.next() else { return };
    let (start, mut column) = (usize::from(INDENT), usize::from(INDENT));
    for (text, style) in pieces {
        if column > start && column + text.chars().count() > usize::from(line.width) {
            let Some(next) = free.next() else { return };
            (line, column) = (next, start);
        }
        column = put(buffer, line, column, &text, style) + 2;
    }
}

/// What became of the datagrams of a direction; whether each tells of something that went wrong at the relay.
fn counts(figures: &DirectionFigures) -> Vec<(String, bool)> {
    let links = &figures.links;
    let causes: Vec<_> = LostBy::ALL.iter().filter(|by| figures.lost(**by) > 0).collect();
    let causes: Vec<_> = causes.into_iter().map(|by| format!("{} {}", by.key(), figures.lost(*by))).collect();
    let lost = links.lost_in_all();
    let lost = if causes.is_empty() { format!("lost {lost}") } else { format!("lost {lost}: {}", causes.join(", ")) };
    let mut parts = vec![
        (format!("received {}", figures.received.datagrams), false),
        (format!("forwarded {}", figures.forwarded.datagrams), false),
        (format!("under way {}", links.under_way), false),
        (lost, false),
    ];
    let rare = [
        ("duplicated", links.duplicated, false),
        ("corrupted", links.corrupted, false),
        ("overtaken", links.overtaken, false),
        ("marked", links.marked, false),
        ("not impaired", links.exempt, false),
        ("injected", figures.injected, false),
        ("forgotten", figures.forgotten, false),
        ("unfinished", figures.unfinished, false),
        ("refused", figures.refused, true),
        ("could not be sent", figures.send_failed, true),
    ];
    let rare = rare.into_iter().filter(|(_, count, _)| *count > 0);
    parts.extend(rare.map(|(name, count, is_alarm)| (format!("{name} {count}"), is_alarm)));
    if !figures.own_links.is_empty() {
        parts.push((format!("networks with links of their own {}", figures.own_links.len()), false));
    }
    parts
}

fn delays(figures: &DirectionFigures) -> String {
    let (decided, achieved) = (&figures.decided_delay, &figures.achieved_delay);
    if achieved.count() == 0 {
        return "delay p50, p99: none yet".to_owned();
    }
    let unit = Unit::of(achieved.at(0.99).max(decided.at(0.99)));
    let tell = |part: f64| (unit.tell(decided.at(part)), unit.tell(achieved.at(part)));
    let ((decided, achieved), (decided_99, achieved_99)) = (tell(0.5), tell(0.99));
    format!("delay p50, p99: decided {decided}, {decided_99}  achieved {achieved}, {achieved_99}")
}

/// What is known of peers, and what was not relayed.
fn totals(report: &Report<RelayFigures>) -> Vec<(String, bool)> {
    let own = &report.own;
    let mut parts = vec![
        (format!("peers {} now", own.peers_now), false),
        (format!("{} ever", own.peers_ever), false),
        (format!("{} evicted", own.peers_evicted), false),
    ];
    for (name, count) in [("expired", own.peers_expired), ("lost", own.peers_lost)] {
        if count > 0 {
            parts.push((format!("{count} {name}"), false));
        }
    }
    if own.copied.datagrams + own.copy_failed > 0 {
        parts.push((format!("copied {} ({})", own.copied.datagrams, short_bytes(own.copied.bytes)), false));
    }
    for (name, count) in [("copies refused", own.copy_refused), ("copies not sent", own.copy_failed)] {
        if count > 0 {
            parts.push((format!("{name} {count}"), true));
        }
    }
    parts.push(dropped(report.kernel_drops, report.kernel_drops_at_least));
    if report.ignored.total() == 0 {
        parts.push(("ignored 0".to_owned(), false));
    }
    parts.extend(reasons(&report.ignored));
    parts
}

fn keys(buffer: &mut Buffer, line: Rect, picture: &Picture<'_>, styles: &Styles) {
    let mut end = 0;
    for said in [picture.note, picture.trouble].into_iter().flatten().take(1) {
        end = put(buffer, line, end, &format!("{}  ", escape::words(said)), styles.alarm);
    }
    const KEYS: &str = "q quit  ? help  Tab up/down  ←→ ↑↓ change  p pause  s step  r reset  c command";
    put(buffer, line, end, KEYS, styles.faint);
}

/// The command line in lines that fit, as a shell reads them: they end where a word does.
fn command(command: &str, networks: usize, width: u16) -> Vec<String> {
    let most = usize::from(width).saturating_sub(2);
    let mut lines = vec!["What the links do now, as a command:".to_owned(), String::new()];
    if networks > 0 {
        lines[0] = format!(
            "The same as a command, without that of {} with links of their own:",
            counted(networks as u64, "network")
        );
    }
    let mut line = String::new();
    let mut is_quoted = false;
    let words = command.split(|letter| {
        is_quoted ^= letter == '\'';
        letter == ' ' && !is_quoted
    });
    for word in words {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > most {
            lines.push(format!("{line} \\"));
            line = " ".to_owned();
        }
        line.push_str(if line.is_empty() { "" } else { " " });
        line.push_str(word);
    }
    lines.push(line);
    lines.iter().map(|line| escape::words(line)).collect()
}

const HELP: [&str; 20] = [
    "q, Ctrl-C          quit, with the summary",
    "Ctrl-Z             stop, until the shell's fg",
    "Tab                the other direction",
    "← →  h l           choose an impairment",
    "↑ ↓  k j  + -      more of it, less of it",
    "0, Backspace       take it away",
    "p, space           pause the direction, or go on",
    "s                  paused: let one datagram leave",
    "r                  counters and draws begin again",
    "c                  the command that does the same",
    "",
    "→ left             forwarded",
    "✗ lost             and by what",
    "· under way        decided, and still to leave",
    "≠ corrupted        left with one bit inverted",
    "⇄ overtaken        left after later ones",
    "+ copy             left a second time",
    "- not sent         its peer was gone, or the end came",
    "decided, achieved  the delay as drawn, as it was",
    "under way          what waits in the queue or is late",
];

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use udpkit::impairment::Link;
    use udpkit::{Count, Reason};

    use super::super::feed::tests::cross;
    use super::super::feed::{Board, MOST_FATES};
    use super::super::state::State;
    use super::*;
    use crate::tui::now;
    use crate::tui::testing::{self, assert_screen};
    use crate::words::impairments::{Changes, Files, Words};

    fn words(pairs: &[(&str, &str)]) -> Words {
        let pairs = pairs.iter().map(|(name, text)| (*name, Some(*text)));
        Words::default().with(&Changes::read(pairs, &Files::In(Path::new(""))).unwrap()).unwrap()
    }

    fn count(datagrams: u64, bytes: u64) -> Count {
        Count { datagrams, bytes }
    }

    /// A direction in which a datagram comes each millisecond, from some peers.
    fn busy(board: &mut Board, direction: Direction, words: Words, start: Instant) -> (Way, DirectionFigures) {
        let peers = ["192.0.2.7:40000", "[2001:db8::1234:5678:9abc]:65535", "192.0.2.66:53"];
        let datagrams: Vec<_> = (0..60).map(|number| (peers[number % 3], b"\x1b[2J some payload".as_slice())).collect();
        cross(board, direction, words.options(), &datagrams, start);
        let mut link = Link::new(words.options(), 7, start).unwrap();
        for number in 0..300 {
            link.push(start + Duration::from_millis(number), 100, ());
        }
        let mut figures = DirectionFigures::default();
        figures.links = link.counts();
        figures.received = count(1_234_567, 39_506_144);
        figures.forwarded = count(1_172_839, 37_530_848);
        for milliseconds in 1..1000 {
            figures.decided_delay.add(Duration::from_millis(40) + Duration::from_micros(milliseconds * 10));
            figures.achieved_delay.add(Duration::from_millis(40) + Duration::from_micros(milliseconds * 10 + 61));
        }
        let mut way = Way { words, fates: board.last(direction, MOST_FATES), ..Way::default() };
        let mut before = DirectionFigures::default();
        for second in 0..30_u64 {
            let mut now = before.clone();
            now.received =
                count(before.received.datagrams + second % 7 * 100, before.received.bytes + second % 7 * 3200);
            now.forwarded =
                count(before.forwarded.datagrams + second % 7 * 95, before.forwarded.bytes + second % 7 * 3040);
            way.count(&before, &now, second);
            before = now;
        }
        (way, figures)
    }

    struct Shown {
        ways: [Way; 2],
        report: Report<RelayFigures>,
    }

    fn quiet() -> Shown {
        Shown { ways: [Way::default(), Way::default()], report: Report::default() }
    }

    fn relaying() -> Shown {
        let (mut board, start) = (Board::default(), now());
        let up = [
            ("loss", "burst:20%,3"),
            ("delay", "40ms"),
            ("duplicate", "20%"),
            ("corrupt", "20%"),
            ("reorder", "10%,3"),
            ("jitter", "5ms:normal"),
            ("mtu", "1280"),
        ];
        let (up, up_figures) = busy(&mut board, Direction::Up, words(&up), start);
        let (down, down_figures) =
            busy(&mut board, Direction::Down, words(&[("match", "\u{202e}x"), ("rate", "1Mbit/s")]), start);
        let mut report = Report::<RelayFigures>::default();
        report.ignored.add(Reason::NoMatch, 3);
        report.kernel_drops = Some(2);
        let own = &mut report.own;
        (own.up, own.down) = (up_figures, down_figures);
        own.down.is_paused = true;
        own.down.send_failed = 4;
        (own.peers_now, own.peers_ever, own.peers_evicted, own.peers_expired) = (1024, 60_000, 58_900, 76);
        Shown { ways: [up, down], report }
    }

    fn screen(size: (u16, u16), shown: &Shown, state: &State, note: Option<&str>) -> String {
        let picture = Picture {
            title: "udp relay on 0.0.0.0:10000 to 192.0.2.1:9000, seed 7",
            state,
            report: &shown.report,
            ways: &shown.ways,
            elapsed: Duration::from_millis(30_500),
            trouble: Some("cannot open a socket: too many \x1b[1mdescriptors"),
            note,
            command: "udp relay :10000 host:9000 --up-loss burst:20%,3 --up-match 'a b' --up-delay 40ms --up-duplicate 20% --seed 7",
        };
        testing::screen(size, |frame| draw(frame, &picture, &Styles::new(true)))
    }

    #[test]
    fn screens_are_what_they_were() {
        let (some, none) = (relaying(), quiet());
        let up = State::default();
        let down = State { direction: Direction::Down, ..up.clone() };
        assert_screen("relay-empty", &screen((80, 24), &none, &up, None));
        assert_screen("relay-standard", &screen((80, 24), &some, &up, None));
        assert_screen("relay-low", &screen((100, 14), &some, &down, None));
        assert_screen("relay-narrow", &screen((40, 12), &some, &up, Some("up is not paused")));
        assert_screen("relay-tiny", &screen((20, 3), &some, &up, None));
        assert_screen("relay-wide", &screen((170, 30), &some, &up, None));
        assert_screen("relay-help", &screen((80, 24), &some, &State { over: Over::Help, ..up.clone() }, None));
        assert_screen("relay-command", &screen((60, 12), &some, &State { over: Over::Command, ..up }, None));
    }

    #[test]
    fn a_command_that_fills_several_lines_is_one_for_a_shell() {
        let long = "udp relay :10000 host:9000 --match 'a b  c' --loss 5% --seed 7";
        for width in 0..80 {
            let lines = command(long, 0, width);
            assert_eq!(lines[2..].join("\n").replace(" \\\n  ", " "), long, "{width}");
        }
    }

    #[test]
    fn a_command_says_whose_links_it_leaves_out() {
        assert_eq!(
            command("udp", 2, 80)[0],
            "The same as a command, without that of 2 networks with links of their own:"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
        #[test]
        fn no_window_is_too_small_and_nothing_steers_the_terminal(
            width in 0_u16..260,
            height in 0_u16..90,
            is_down in any::<bool>(),
            over in 0_usize..4,
            note in prop::option::of(".*"),
        ) {
            let direction = if is_down { Direction::Down } else { Direction::Up };
            let over = [Over::Help, Over::Command].get(over).copied().unwrap_or(Over::Nothing);
            let state = State { direction, over, ..State::default() };
            let seen = screen((width, height), &relaying(), &state, note.as_deref());
            let steers = |letter: char| letter.is_control() && letter != '\n';
            prop_assert!(!seen.contains(steers) && !seen.contains('\u{202e}'), "{}", seen);
            if width >= 20 && height >= 1 && over == Over::Nothing {
                prop_assert!(seen.contains("peers 1024 now"), "{}", seen);
            }
        }
    }
}
