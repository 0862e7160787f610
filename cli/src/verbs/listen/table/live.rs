//! The table of senders on its screen: what keys and time make of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};
use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use udpkit::InterfaceIndex;

use super::feed::Table;
use super::picture::{Body, Named, Picture, Totals};
use super::senders::{Line, Others, Place, Row};
use super::state::{Mode, State};
use super::view;
use crate::output::escape;
use crate::tui::drawing::Styles;
use crate::tui::{Flow, Live, Troubles, now};
use crate::words::endpoint::{self, Endpoint};

/// Rows that are looked at before the thread that receives may have its turn.
const CHUNK: usize = 1024;
/// Rows that are copied before it may: they may have samples.
const COPIED: usize = 64;

/// All that is needed to keep the screen up to date.
pub(super) struct LiveTable<L> {
    table: Arc<Mutex<Table>>,
    title: String,
    styles: Styles,
    /// Asks for the totals; `None` if there is none just now.
    ask: L,
    troubles: Troubles,
    state: State,
    totals: Totals,
    /// Datagrams that were counted when it was last asked.
    counted: u64,
    frozen: Option<Box<Frozen>>,
    ready: Ready,
}

/// What is shown while it is paused: all as it was then.
struct Frozen {
    table: Mutex<Table>,
    at: Instant,
    trouble: Option<String>,
}

/// What is drawn next.
struct Ready {
    rate: (f64, f64),
    senders: usize,
    others: Others,
    trouble: Option<String>,
    body: Body,
}

impl<L: FnMut() -> Option<Totals>> LiveTable<L> {
    /// A screen of this table. `ask` gives the totals as they are now, if it can.
    pub(super) fn new(table: Arc<Mutex<Table>>, title: String, styles: Styles, troubles: Troubles, ask: L) -> Self {
        let body = Body::Table { lines: Vec::new(), matching: 0 };
        let ready = Ready { rate: (0.0, 0.0), senders: 0, others: Others::default(), trouble: None, body };
        let (state, totals) = (State::default(), Totals::default());
        Self { table, title, styles, ask, troubles, state, totals, counted: 0, frozen: None, ready }
    }

    /// Asks for the totals; true if they changed.
    fn ask(&mut self) -> bool {
        match (self.ask)() {
            Some(totals) if totals != self.totals => {
                self.totals = totals;
                true
            }
            _ => false,
        }
    }

    /// Copies all that there is, and lets the other thread have its turns meanwhile.
    fn freeze(&self) -> Box<Frozen> {
        let mut table = self.table.lock();
        let mut copy = Table { senders: table.senders.begin_copy(), names: table.names.clone() };
        let count = table.senders.len();
        for start in (0..count).step_by(COPIED) {
            table.senders.copy(start..(start + COPIED).min(count), &mut copy.senders);
            MutexGuard::bump(&mut table);
        }
        Box::new(Frozen { table: Mutex::new(copy), at: now(), trouble: self.troubles.last() })
    }

    fn room(&self, area: Rect) -> usize {
        let others = self.table.lock().senders.others().count.datagrams > 0;
        view::room(area, &self.totals, &self.state, others)
    }
}

impl<L: FnMut() -> Option<Totals>> Live for LiveTable<L> {
    fn hear(&mut self) -> bool {
        if self.state.paused {
            return false;
        }
        let counted = self.table.lock().senders.counted().datagrams;
        let has_grown = counted != std::mem::replace(&mut self.counted, counted);
        self.ask() || has_grown
    }

    fn ages(&self) -> bool {
        self.counted > 0 && !self.state.paused
    }

    fn key(&mut self, key: KeyEvent, area: Rect) -> Flow {
        let was_paused = self.state.paused;
        let page = self.room(area);
        if self.state.must_settle(key) {
            let (table, moment) = shown(&self.frozen, &self.table);
            list(table, &mut self.state, page, moment);
        }
        let flow = self.state.key(key, page);
        if self.state.paused != was_paused {
            self.frozen = self.state.paused.then(|| self.freeze());
        }
        flow
    }

    fn prepare(&mut self, area: Rect) {
        let room = self.room(area);
        // What is followed is followed among what comes, paused or not.
        let followed = if let Mode::Details(source) = self.state.mode { Some(source) } else { None };
        self.table.lock().senders.follow(followed);
        let (table, moment) = shown(&self.frozen, &self.table);
        let body = match self.state.mode {
            Mode::Details(source) => details(&table.lock(), source, moment),
            Mode::Table | Mode::Filter => list(table, &mut self.state, room, moment),
        };
        let table = table.lock();
        let (rate, senders, others) = (table.senders.rate(moment), table.senders.len(), table.senders.others());
        drop(table);
        let trouble = self.frozen.as_ref().map_or_else(|| self.troubles.last(), |frozen| frozen.trouble.clone());
        self.ready = Ready { rate, senders, others, trouble, body };
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let Ready { rate, senders, others, trouble, body } = &self.ready;
        let picture = Picture {
            title: &self.title,
            state: &self.state,
            totals: &self.totals,
            rate: *rate,
            senders: *senders,
            others: *others,
            trouble: trouble.as_deref(),
            body,
        };
        view::draw(frame, &picture, &self.styles);
    }
}

/// What is to be shown, and the time that it is to be shown of.
fn shown<'a>(frozen: &'a Option<Box<Frozen>>, table: &'a Mutex<Table>) -> (&'a Mutex<Table>, Instant) {
    match frozen {
        Some(frozen) => (&frozen.table, frozen.at),
        None => (table, now()),
    }
}

/// The senders in sight, in their order; the choice is fitted to it.
fn list(table: &Mutex<Table>, state: &mut State, room: usize, moment: Instant) -> Body {
    let places = order(table, state, moment);
    let table = table.lock();
    let pinned = state.pinned().and_then(|source| table.senders.row_of(source));
    let found = pinned.and_then(|row| places.iter().position(|place| place.2 == row));
    let chosen = state.settle(places.len(), found, room);
    let line = |place: &Place| Some(named(&table, table.senders.line(place.2, moment)?));
    state.chosen = places.get(chosen).and_then(line).map(|line| line.it.source);
    let lines = places.iter().skip(state.top).take(room).filter_map(line).collect();
    Body::Table { lines, matching: places.len() }
}

/// All rows that the filter lets through, in order.
fn order(table: &Mutex<Table>, state: &State, moment: Instant) -> Vec<Place> {
    let mut places = Vec::new();
    let mut table = table.lock();
    let mut filter = Filter::new(&state.filter, table.names.clone());
    let mut start = 0;
    while start < table.senders.len() {
        table.senders.places(start..start + CHUNK, state.column, moment, |row| filter.admits(row), &mut places);
        start += CHUNK;
        MutexGuard::bump(&mut table);
    }
    drop(table);
    places.sort_unstable();
    if state.reversed {
        places.reverse();
    }
    places
}

fn details(table: &Table, source: std::net::SocketAddr, moment: Instant) -> Body {
    let row = table.senders.row_of(source);
    let line = row.and_then(|row| Some(Box::new(named(table, table.senders.line(row, moment)?))));
    let samples = row.map(|row| table.senders.samples(row)).unwrap_or_default();
    let samples = samples
        .into_iter()
        .map(|sample| Named { interface: name(table, sample.arrival.interface), it: sample })
        .collect();
    Body::Details { line, source, samples }
}

fn named(table: &Table, line: Line) -> Named<Line> {
    Named { interface: name(table, line.arrival.interface), it: line }
}

fn name(table: &Table, index: Option<InterfaceIndex>) -> Option<String> {
    index.and_then(|index| table.names.get(&index).cloned())
}

/// Lets senders through whose address, or last payload as it is shown, holds some text, in capitals or not.
struct Filter {
    wanted: String,
    names: BTreeMap<InterfaceIndex, String>,
    source: String,
    text: Vec<u8>,
}

impl Filter {
    fn new(text: &str, names: BTreeMap<InterfaceIndex, String>) -> Self {
        Self { wanted: text.to_lowercase(), names, source: String::new(), text: Vec::new() }
    }

    fn admits(&mut self, row: &Row) -> bool {
        if self.wanted.is_empty() {
            return true;
        }
        self.source.clear();
        let interface = Endpoint(row.source).interface().and_then(|index| self.names.get(&index));
        // Writing into memory does not fail.
        let _ = endpoint::write(&mut self.source, row.source, interface.map(String::as_str));
        if self.source.to_lowercase().contains(&self.wanted) {
            return true;
        }
        self.text.clear();
        let _ = escape::write(&mut self.text, row.excerpt());
        String::from_utf8_lossy(&self.text).to_lowercase().contains(&self.wanted)
    }
}
