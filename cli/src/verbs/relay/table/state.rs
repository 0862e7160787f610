//! What the person at the keyboard chose: a state that keys change, without a terminal, and what a key asks the relay for.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use udpkit::verbs::Direction;

use super::dial::{DIALS, Turn};
use crate::tui::Flow;
use crate::words::impairments::Name;

/// What is shown besides what is always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Nothing,
    /// The keys.
    Help,
    /// The command line that does the same.
    Command,
}

/// What is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) direction: Direction,
    /// The place of the chosen one of the [`DIALS`].
    pub(super) dial: usize,
    pub(super) over: Over,
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Nothing that the relay does.
    Flow(Flow),
    Turn(Name, Turn),
    /// Pause the direction, or end its pause.
    Pause,
    /// Let the next datagram of the direction leave, and pause it before if it was not.
    Step,
    Reset,
}

impl Default for State {
    fn default() -> Self {
        Self { direction: Direction::Up, dial: 0, over: Over::Nothing }
    }
}

impl State {
    /// The impairment that is chosen.
    pub(super) fn dial(&self) -> Name {
        DIALS[self.dial]
    }

    /// What a key asks for.
    pub(super) fn key(&mut self, key: KeyEvent) -> Act {
        if let Some(flow) = Flow::of(key) {
            return Act::Flow(flow);
        }
        if self.over != Over::Nothing {
            self.over = Over::Nothing;
            return Act::Flow(if key.code == KeyCode::Char('q') { Flow::Quit } else { Flow::Continue });
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return Act::Flow(Flow::Continue);
        }
        match key.code {
            KeyCode::Char('q') => return Act::Flow(Flow::Quit),
            KeyCode::Char('?') | KeyCode::F(1) => self.over = Over::Help,
            KeyCode::Char('c') => self.over = Over::Command,
            KeyCode::Tab | KeyCode::BackTab => {
                self.direction = match self.direction {
                    Direction::Up => Direction::Down,
                    Direction::Down => Direction::Up,
                }
            }
            KeyCode::Left | KeyCode::Char('h') => self.dial = (self.dial + DIALS.len() - 1) % DIALS.len(),
            KeyCode::Right | KeyCode::Char('l') => self.dial = (self.dial + 1) % DIALS.len(),
            KeyCode::Up | KeyCode::Char('k' | '+' | '=') => return Act::Turn(self.dial(), Turn::More),
            KeyCode::Down | KeyCode::Char('j' | '-') => return Act::Turn(self.dial(), Turn::Less),
            KeyCode::Char('0') | KeyCode::Backspace | KeyCode::Delete => return Act::Turn(self.dial(), Turn::Off),
            KeyCode::Char('p' | ' ') => return Act::Pause,
            KeyCode::Char('s') => return Act::Step,
            KeyCode::Char('r') => return Act::Reset,
            _ => {}
        }
        Act::Flow(Flow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::KeyEventKind;

    use super::*;

    fn press(state: &mut State, code: KeyCode) -> Act {
        state.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn keys_choose_a_direction_and_an_impairment_and_turn_it() {
        let mut state = State::default();
        assert_eq!(press(&mut state, KeyCode::Up), Act::Turn(Name::Loss, Turn::More));
        press(&mut state, KeyCode::Right);
        assert_eq!(press(&mut state, KeyCode::Char('-')), Act::Turn(Name::Delay, Turn::Less));
        press(&mut state, KeyCode::Tab);
        assert_eq!(state.direction, Direction::Down);
        press(&mut state, KeyCode::Left);
        press(&mut state, KeyCode::Left);
        assert_eq!(press(&mut state, KeyCode::Char('0')), Act::Turn(Name::Rate, Turn::Off));
        press(&mut state, KeyCode::BackTab);
        assert_eq!(state.direction, Direction::Up);
        assert_eq!(press(&mut state, KeyCode::Char('p')), Act::Pause);
        assert_eq!(press(&mut state, KeyCode::Char('s')), Act::Step);
        assert_eq!(press(&mut state, KeyCode::Char('r')), Act::Reset);
    }

    #[test]
    fn q_and_control_c_end_it_wherever_one_is_and_other_keys_close_what_is_over_it() {
        for over in [Over::Nothing, Over::Help, Over::Command] {
            let state = State { over, ..State::default() };
            let control = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
            assert_eq!(state.clone().key(control('c')), Act::Flow(Flow::Quit));
            assert_eq!(state.clone().key(control('z')), Act::Flow(Flow::Suspend));
            assert_eq!(press(&mut state.clone(), KeyCode::Char('q')), Act::Flow(Flow::Quit));
            let mut closed = state.clone();
            let act = press(&mut closed, KeyCode::Char('r'));
            assert_eq!((act == Act::Reset, closed.over), (over == Over::Nothing, Over::Nothing));
            assert_eq!(state.clone().key(control('r')), Act::Flow(Flow::Continue));
            let mut released = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
            released.kind = KeyEventKind::Release;
            assert_eq!(state.clone().key(released), Act::Flow(Flow::Continue));
        }
    }
}
