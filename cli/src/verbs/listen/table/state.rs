//! What the person at the keyboard wants to see: a state that keys change, without a terminal.

use std::net::SocketAddr;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::senders::{Column, SAMPLES};
use crate::tui::Flow;

/// Letters of a filter; more are not taken.
const MAX_FILTER: usize = 200;

/// Keys that open the details of the chosen sender.
const OPENING: [KeyCode; 3] = [KeyCode::Enter, KeyCode::Right, KeyCode::Char('l')];

/// What is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) mode: Mode,
    pub(crate) column: Column,
    /// Whether the order of the column is turned round.
    pub(crate) reversed: bool,
    /// What sources or payloads must hold; all do where it is empty.
    pub(crate) filter: String,
    pub(crate) paused: bool,
    pub(crate) help: bool,
    /// The place of the chosen sender in the order, from 0.
    pub(crate) place: usize,
    /// The place that is shown first.
    pub(crate) top: usize,
    /// The chosen sender, if there is one.
    pub(crate) chosen: Option<SocketAddr>,
    /// Whether the chosen sender stays chosen when it changes places; else the place does.
    pub(super) pinned: bool,
    /// Whether a key moved the place, so that another sender is chosen.
    pub(super) moved: bool,
    /// The chosen one of the datagrams in the details, from 0, the newest.
    pub(crate) sample: usize,
    /// Rows of its hex that are scrolled past.
    pub(crate) scroll: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All senders.
    Table,
    /// All senders, while the filter is typed.
    Filter,
    /// One of them.
    Details(SocketAddr),
}

impl Default for State {
    fn default() -> Self {
        Self {
            mode: Mode::Table,
            column: Column::Datagrams,
            reversed: false,
            filter: String::new(),
            paused: false,
            help: false,
            place: 0,
            top: 0,
            chosen: None,
            pinned: false,
            moved: false,
            sample: 0,
            scroll: 0,
        }
    }
}

impl State {
    /// Does what a key asks for, where this many rows are shown.
    pub(crate) fn key(&mut self, key: KeyEvent, page: usize) -> Flow {
        if let Some(flow) = Flow::of(key) {
            return flow;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (key.code, self.mode) {
            _ if self.help => {
                self.help = false;
                return if key.code == KeyCode::Char('q') { Flow::Quit } else { Flow::Continue };
            }
            (_, Mode::Filter) => self.filter_key(key.code, control, page),
            (KeyCode::Char(_), _) if control => {}
            (KeyCode::Char('q'), _) => return Flow::Quit,
            (KeyCode::Char('p' | ' '), _) => self.paused = !self.paused,
            (KeyCode::Char('?') | KeyCode::F(1), _) => self.help = true,
            (code, Mode::Table) => self.table_key(code, page),
            (code, Mode::Details(_)) => self.details_key(code, page),
        }
        Flow::Continue
    }

    fn table_key(&mut self, code: KeyCode, page: usize) {
        match code {
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Esc => self.set_filter(String::new()),
            KeyCode::Char('s') => self.column = self.column.next(),
            KeyCode::Char('r') => self.reversed = !self.reversed,
            code if OPENING.contains(&code) => {
                if let Some(source) = self.chosen {
                    self.mode = Mode::Details(source);
                    (self.sample, self.scroll) = (0, 0);
                }
            }
            _ => self.move_key(code, page),
        }
    }

    fn move_key(&mut self, code: KeyCode, page: usize) {
        let place = match code {
            KeyCode::Up | KeyCode::Char('k') => self.place.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.place.saturating_add(1),
            KeyCode::PageUp => self.place.saturating_sub(page.max(1)),
            KeyCode::PageDown => self.place.saturating_add(page.max(1)),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => usize::MAX,
            _ => return,
        };
        (self.place, self.moved) = (place, true);
    }

    fn filter_key(&mut self, code: KeyCode, control: bool, page: usize) {
        match code {
            KeyCode::Enter => self.mode = Mode::Table,
            KeyCode::Esc => {
                self.mode = Mode::Table;
                self.set_filter(String::new());
            }
            KeyCode::Char('u') if control => self.set_filter(String::new()),
            KeyCode::Char(letter) if !control && !letter.is_control() && self.filter.chars().count() < MAX_FILTER => {
                let mut filter = std::mem::take(&mut self.filter);
                filter.push(letter);
                self.set_filter(filter);
            }
            KeyCode::Backspace => {
                let mut filter = std::mem::take(&mut self.filter);
                filter.pop();
                self.set_filter(filter);
            }
            KeyCode::Char(_) => {}
            _ => self.move_key(code, page),
        }
    }

    fn details_key(&mut self, code: KeyCode, page: usize) {
        match code {
            KeyCode::Esc | KeyCode::Enter | KeyCode::Left | KeyCode::Backspace | KeyCode::Char('h') => {
                self.mode = Mode::Table
            }
            KeyCode::Up | KeyCode::Char('k') => (self.sample, self.scroll) = (self.sample.saturating_sub(1), 0),
            KeyCode::Down | KeyCode::Char('j') => (self.sample, self.scroll) = ((self.sample + 1).min(SAMPLES - 1), 0),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(page.max(1)),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(page.max(1)),
            KeyCode::Home | KeyCode::Char('g') => self.scroll = 0,
            KeyCode::End | KeyCode::Char('G') => self.scroll = usize::MAX,
            _ => {}
        }
    }

    fn set_filter(&mut self, filter: String) {
        self.filter = filter;
        (self.place, self.pinned, self.moved) = (0, false, true);
    }

    /// Whether a key is about the chosen sender while that is not known, since a key before it moved the choice.
    pub(crate) fn must_settle(&self, key: KeyEvent) -> bool {
        self.moved && self.mode == Mode::Table && OPENING.contains(&key.code)
    }

    /// The sender that stays chosen wherever it stands in the order, if there is one.
    pub(crate) fn pinned(&self) -> Option<SocketAddr> {
        self.chosen.filter(|_| self.pinned && !self.moved)
    }

    /// Fits the choice to an order of so many senders, in which the pinned one was found at a place, if it was; so many rows
    /// are shown. Returns the place that is chosen now.
    pub(crate) fn settle(&mut self, count: usize, found: Option<usize>, height: usize) -> usize {
        if std::mem::take(&mut self.moved) {
            // At the top, whoever comes first is chosen.
            self.pinned = self.place > 0;
        }
        let height = height.max(1);
        self.place = found.unwrap_or(self.place).min(count.saturating_sub(1));
        self.top = self.top.clamp(self.place.saturating_sub(height - 1), self.place);
        self.top = self.top.min(count.saturating_sub(height));
        self.place
    }
}

impl Column {
    const ALL: [Self; 6] = [Self::Datagrams, Self::Rate, Self::Bytes, Self::SinceLast, Self::LongestGap, Self::Source];

    fn next(self) -> Self {
        let place = Self::ALL.iter().position(|column| *column == self).unwrap_or(0);
        Self::ALL[(place + 1) % Self::ALL.len()]
    }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::KeyEventKind;

    use super::*;

    fn press(state: &mut State, code: KeyCode) -> Flow {
        state.key(KeyEvent::new(code, KeyModifiers::NONE), 10)
    }

    fn write(state: &mut State, text: &str) {
        for letter in text.chars() {
            assert_eq!(press(state, KeyCode::Char(letter)), Flow::Continue);
        }
    }

    fn source(number: usize) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], u16::try_from(number).unwrap()))
    }

    /// Fits the state to an order of senders, as the screen does.
    fn settle(state: &mut State, order: &[usize], height: usize) {
        let found = state.pinned().and_then(|pinned| order.iter().position(|number| source(*number) == pinned));
        let place = state.settle(order.len(), found, height);
        state.chosen = order.get(place).copied().map(source);
    }

    #[test]
    fn q_and_control_c_end_it_and_control_z_stops_it_wherever_one_is() {
        for mode in [Mode::Table, Mode::Filter, Mode::Details(source(1))] {
            for help in [false, true] {
                let mut state = State { mode, help, ..State::default() };
                let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
                assert_eq!(state.key(control_c, 1), Flow::Quit, "{mode:?}");
                let control_z = KeyEvent::new(KeyCode::Char('z'), KeyModifiers::CONTROL);
                assert_eq!(state.key(control_z, 1), Flow::Suspend, "{mode:?}");
                let typing = mode == Mode::Filter && !help;
                assert_eq!(press(&mut state, KeyCode::Char('q')) == Flow::Continue, typing, "{mode:?} {help}");
            }
        }
    }

    #[test]
    fn a_key_that_is_let_go_does_nothing() {
        let mut state = State::default();
        let mut key = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        key.kind = KeyEventKind::Release;
        assert_eq!(state.key(key, 1), Flow::Continue);
        assert_eq!(state, State::default());
    }

    #[test]
    fn the_filter_is_what_is_typed() {
        let mut state = State::default();
        write(&mut state, "/qps?");
        assert_eq!((state.filter.as_str(), state.mode), ("qps?", Mode::Filter));
        press(&mut state, KeyCode::Backspace);
        state.key(KeyEvent::new(KeyCode::Char('x'), KeyModifiers::CONTROL), 1);
        press(&mut state, KeyCode::Char('\u{9b}'));
        assert_eq!(state.filter, "qps");
        press(&mut state, KeyCode::Enter);
        assert_eq!((state.filter.as_str(), state.mode), ("qps", Mode::Table));
        write(&mut state, "/x");
        state.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL), 1);
        assert_eq!((state.filter.as_str(), state.mode), ("", Mode::Filter));
        write(&mut state, "y");
        press(&mut state, KeyCode::Esc);
        assert_eq!((state.filter.as_str(), state.mode), ("", Mode::Table));
        write(&mut state, &format!("/{}", "é".repeat(2 * MAX_FILTER)));
        assert_eq!(state.filter.chars().count(), MAX_FILTER);
        press(&mut state, KeyCode::Enter);
        press(&mut state, KeyCode::Esc);
        assert_eq!(state.filter, "");
    }

    #[test]
    fn the_choice_moves_with_keys_and_stays_in_sight() {
        let mut state = State::default();
        let order: Vec<_> = (0..30).collect();
        settle(&mut state, &order, 10);
        let steps = [
            (KeyCode::Down, 1, 0),
            (KeyCode::PageDown, 11, 2),
            (KeyCode::End, 29, 20),
            (KeyCode::Down, 29, 20),
            (KeyCode::Up, 28, 20),
            (KeyCode::PageUp, 18, 18),
            (KeyCode::Home, 0, 0),
            (KeyCode::Up, 0, 0),
            (KeyCode::Char('j'), 1, 0),
            (KeyCode::Char('k'), 0, 0),
            (KeyCode::Char('G'), 29, 20),
            (KeyCode::Char('g'), 0, 0),
        ];
        for (code, place, top) in steps {
            press(&mut state, code);
            settle(&mut state, &order, 10);
            assert_eq!((state.place, state.top, state.chosen), (place, top, Some(source(place))), "{code:?}");
        }
        press(&mut state, KeyCode::End);
        settle(&mut state, &order, 0);
        assert_eq!((state.place, state.top), (29, 29), "without any room");
        settle(&mut state, &[], 10);
        assert_eq!((state.place, state.top, state.chosen), (0, 0, None));
    }

    #[test]
    fn a_chosen_sender_stays_chosen_and_the_top_stays_the_top() {
        let mut state = State::default();
        settle(&mut state, &[1, 2, 3], 10);
        settle(&mut state, &[2, 1, 3], 10);
        assert_eq!((state.place, state.chosen), (0, Some(source(2))), "whoever is first");
        press(&mut state, KeyCode::Down);
        settle(&mut state, &[2, 1, 3], 10);
        settle(&mut state, &[1, 3, 2], 10);
        assert_eq!((state.place, state.chosen), (0, Some(source(1))), "the one that was chosen");
        settle(&mut state, &[3, 2], 10);
        assert_eq!((state.place, state.chosen), (0, Some(source(3))), "it is gone");
    }

    #[test]
    fn details_are_of_the_sender_that_a_key_just_moved_to() {
        let mut state = State::default();
        let enter = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
        assert!(!state.must_settle(enter));
        press(&mut state, KeyCode::Enter);
        assert_eq!(state.mode, Mode::Table, "there is nobody");
        settle(&mut state, &[1, 2], 10);
        press(&mut state, KeyCode::Down);
        assert!(state.must_settle(enter) && !state.must_settle(KeyEvent::new(KeyCode::Down, KeyModifiers::NONE)));
        settle(&mut state, &[1, 2], 10);
        press(&mut state, KeyCode::Enter);
        assert_eq!(state.mode, Mode::Details(source(2)));
        for _ in 0..2 * SAMPLES {
            press(&mut state, KeyCode::Down);
        }
        assert_eq!(state.sample, SAMPLES - 1);
        press(&mut state, KeyCode::PageDown);
        press(&mut state, KeyCode::End);
        press(&mut state, KeyCode::PageDown);
        assert_eq!(state.scroll, usize::MAX);
        press(&mut state, KeyCode::Up);
        assert_eq!((state.sample, state.scroll), (SAMPLES - 2, 0));
        press(&mut state, KeyCode::Esc);
        assert_eq!(state.mode, Mode::Table);
    }

    #[test]
    fn pause_order_and_help_are_switches() {
        let mut state = State::default();
        write(&mut state, "pr");
        assert!(state.paused && state.reversed);
        write(&mut state, " r?");
        assert!(!state.paused && !state.reversed && state.help);
        write(&mut state, "p");
        assert!(!state.help && !state.paused, "a key only closes the help");
        let mut seen = Vec::new();
        for _ in 0..Column::ALL.len() {
            seen.push(state.column);
            write(&mut state, "s");
        }
        assert_eq!((state.column, seen.as_slice()), (Column::Datagrams, &Column::ALL[..]));
    }
}
