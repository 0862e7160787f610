//! The thread that owns the screen: takes keys, and draws what is known at most ten times a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};
use std::{io, iter};

use parking_lot::{Mutex, MutexGuard};
use ratatui::crossterm::event::{self, Event};
use ratatui::layout::Rect;
use udpkit::InterfaceIndex;

use super::drawing::Styles;
use super::feed::{Table, now};
use super::picture::{Body, Named, Picture, Totals};
use super::screen::Screen;
use super::senders::{Line, Place, Row};
use super::state::{Flow, Mode, State};
use super::view;
use crate::output::escape;
use crate::words::endpoint::{self, Endpoint};

/// The shortest time from one drawing to the next, unless a key comes.
const INTERVAL: Duration = Duration::from_millis(100);
/// Of the time, drawing takes at most one part in so many.
const SHARE: u32 = 10;
/// Without news, times and rates are drawn again this often.
const AGEING: Duration = Duration::from_secs(1);
/// Keys that wait to be taken; more wait in the terminal.
const QUEUE: usize = 64;
/// Rows that are looked at before the thread that receives may have its turn.
const CHUNK: usize = 1024;
/// Rows that are copied before it may: they may have samples.
const COPIED: usize = 64;

/// All that is needed to keep the screen up to date.
pub(super) struct Watch<L> {
    pub(super) table: Arc<Mutex<Table>>,
    pub(super) title: String,
    pub(super) styles: Styles,
    /// Asks for the totals; `None` if there is none just now.
    pub(super) ask: L,
    pub(super) over: Arc<AtomicBool>,
    pub(super) state: State,
    pub(super) totals: Totals,
    pub(super) frozen: Option<Box<Frozen>>,
}

/// What is shown while it is paused: all as it was then.
pub(super) struct Frozen {
    table: Mutex<Table>,
    at: Instant,
}

impl<L: FnMut() -> Option<Totals>> Watch<L> {
    /// Shows it until the person wants to quit, or it is over.
    pub(super) fn run(mut self, mut screen: Screen) -> io::Result<()> {
        match self.watch(&mut screen) {
            // The summary may find a reader all the same.
            Err(_) if screen.is_gone() => Ok(()),
            outcome => outcome,
        }
    }

    fn watch(&mut self, screen: &mut Screen) -> io::Result<()> {
        let keys = keys()?;
        let mut due = now();
        let mut drawn: Option<(u64, Instant)> = None;
        let mut keyed = true;
        while !self.over.load(Ordering::Acquire) && !screen.is_gone() {
            let moment = now();
            keyed |= screen.was_taken_back();
            if keyed || moment >= due {
                let counted = self.table.lock().senders.counted().datagrams;
                let is_news = self.hear();
                let has_aged = drawn.is_none_or(|(_, at)| moment.duration_since(at) >= AGEING) && counted > 0;
                let has_grown = drawn.is_none_or(|(before, _)| before != counted);
                if keyed || (is_news || has_aged || has_grown) && !self.state.paused {
                    self.show(screen)?;
                    drawn = Some((counted, moment));
                }
                keyed = false;
                due = now() + INTERVAL.max((now() - moment) * SHARE);
            }
            match keys.recv_timeout(due.saturating_duration_since(now()).min(INTERVAL)) {
                Ok(first) => {
                    keyed = true;
                    // There is one drawing for all that wait.
                    for event in iter::once(first).chain(keys.try_iter()) {
                        match self.take(&event?, screen) {
                            Flow::Continue => {}
                            Flow::Suspend => screen.suspend(),
                            Flow::Quit => return Ok(()),
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(())
    }

    /// Does what a key asks for; whatever else happened to the terminal is seen when it is drawn on.
    fn take(&mut self, event: &Event, screen: &Screen) -> Flow {
        let Event::Key(key) = event else { return Flow::Continue };
        let was_paused = self.state.paused;
        let page = self.room(screen.area());
        if self.state.must_settle(*key) {
            let (table, moment) = shown(&self.frozen, &self.table);
            list(table, &mut self.state, page, moment);
        }
        let flow = self.state.key(*key, page);
        if self.state.paused != was_paused {
            self.frozen = self.state.paused.then(|| self.freeze());
        }
        flow
    }

    /// Asks for the totals; true if it changed.
    fn hear(&mut self) -> bool {
        if self.state.paused {
            return false;
        }
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
        let mut copy = Table {
            senders: table.senders.begin_copy(),
            names: table.names.clone(),
            troubles: table.troubles.last().cloned().into_iter().collect(),
            more_troubles: 0,
        };
        let count = table.senders.len();
        for start in (0..count).step_by(COPIED) {
            table.senders.copy(start..(start + COPIED).min(count), &mut copy.senders);
            MutexGuard::bump(&mut table);
        }
        Box::new(Frozen { table: Mutex::new(copy), at: now() })
    }

    fn room(&self, area: Rect) -> usize {
        let others = self.table.lock().senders.others().count.datagrams > 0;
        view::room(area, &self.totals, &self.state, others)
    }

    fn show(&mut self, screen: &mut Screen) -> io::Result<()> {
        let area = screen.area();
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
        let trouble = table.troubles.last().cloned();
        drop(table);
        let picture = Picture {
            title: &self.title,
            state: &self.state,
            totals: &self.totals,
            rate,
            senders,
            others,
            trouble: trouble.as_deref(),
            body,
        };
        screen.draw(area, |frame| view::draw(frame, &picture, &self.styles))
    }
}

/// Keys as they come, read by a thread of its own: crossterm never returns from a terminal that was closed, so whoever must
/// be able to end cannot wait there.
fn keys() -> io::Result<Receiver<io::Result<Event>>> {
    let (sender, keys) = sync_channel(QUEUE);
    let read = move || {
        loop {
            let event = event::read();
            let failed = event.is_err();
            if sender.send(event).is_err() || failed {
                return;
            }
        }
    };
    std::thread::Builder::new().spawn(read)?;
    Ok(keys)
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
