//! The relay on its screen: what keys ask it for, and what it reports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use udpkit::impairment::ImpairmentOptions;
use udpkit::verbs::{Direction, LinkChange, RelayFigures, RelayInput};
use udpkit::{Remote, Report};

use super::super::command;
use super::super::target::Current;
use super::dial::{Turn, turned};
use super::feed::{Board, Feed, MOST_FATES};
use super::picture::{Picture, Way};
use super::state::{Act, State};
use super::view;
use crate::tui::drawing::Styles;
use crate::tui::{Flow, Live, Troubles, now};
use crate::words::endpoint::Endpoint;
use crate::words::impairments::{Name, Words};

/// How long the screen waits for a report; then it shows the last one.
const REPORT_PATIENCE: Duration = Duration::from_millis(50);
/// How long the relay has to say that a link does what a key asked for; then what it says counts.
const KEY_PATIENCE: Duration = Duration::from_secs(1);

/// What the screen needs when it is opened.
pub(super) struct Facts {
    /// Where peers send to.
    pub(super) listen: String,
    pub(super) target: Current,
    /// The command line of this run, word by word.
    pub(super) command: Vec<String>,
    pub(super) seed: u64,
    /// What is done at the start to what goes up, and to what goes down.
    pub(super) options: [ImpairmentOptions; 2],
}

/// All that is needed to keep the screen up to date.
pub(super) struct LiveRelay {
    remote: Remote<RelayInput, RelayFigures>,
    board: Arc<Mutex<Board>>,
    troubles: Troubles,
    facts: Facts,
    styles: Styles,
    state: State,
    since: Instant,
    report: Report<RelayFigures>,
    /// How much had happened when it was last looked at.
    happened: u64,
    ways: [Way; 2],
    /// What keys asked for, until the relay says that it is so.
    asked: [Option<(ImpairmentOptions, Instant)>; 2],
    /// What a key could not do; until the next one.
    note: Option<String>,
    trouble: Option<String>,
    title: String,
    command: String,
    elapsed: Duration,
}

impl LiveRelay {
    pub(super) fn new(remote: Remote<RelayInput, RelayFigures>, feed: &Feed, facts: Facts, styles: Styles) -> Self {
        let way = |options| Way { words: Words::of(options), ..Way::default() };
        let ways = [way(&facts.options[0]), way(&facts.options[1])];
        Self {
            remote,
            board: feed.board(),
            troubles: feed.troubles(),
            facts,
            styles,
            ways,
            state: State::default(),
            since: now(),
            report: Report::default(),
            happened: 0,
            asked: [None, None],
            note: None,
            trouble: None,
            title: String::new(),
            command: String::new(),
            elapsed: Duration::ZERO,
        }
    }

    /// What the links do now, by keys or by anything else. What a key asked for counts until the relay has heard it.
    fn hear_links(&mut self) -> bool {
        let mut is_news = false;
        for &direction in Direction::ALL {
            let place = direction as usize;
            let link = self.board.lock().link(direction).cloned();
            let link = link.unwrap_or_else(|| self.facts.options[place].clone());
            if self.asked[place].as_ref().is_some_and(|(wanted, until)| link != *wanted && now() < *until) {
                continue;
            }
            self.asked[place] = None;
            let words = Words::of(&link);
            is_news |= words != self.ways[place].words;
            self.ways[place].words = words;
        }
        is_news
    }

    fn turn(&mut self, name: Name, turn: Turn) {
        let direction = self.state.direction;
        let way = &mut self.ways[direction as usize];
        match turned(&way.words, name, turn) {
            Ok(words) if words == way.words => {}
            Ok(words) => {
                let options = words.options();
                way.words = words;
                self.asked[direction as usize] = Some((options.clone(), now() + KEY_PATIENCE));
                self.steer(RelayInput::Impair(Box::new(LinkChange::new(direction, options))));
            }
            Err(why) => self.note = Some(why),
        }
    }

    fn steer(&self, input: RelayInput) {
        // One that has ended ends the screen, too.
        let _ = self.remote.input(input);
    }
}

impl Live for LiveRelay {
    fn hear(&mut self) -> bool {
        let happened = self.board.lock().happened();
        let mut is_news = happened != std::mem::replace(&mut self.happened, happened);
        if let Some(report) = self.remote.report(REPORT_PATIENCE) {
            let second = now().saturating_duration_since(self.since).as_secs();
            for &direction in Direction::ALL {
                let (before, now) = (self.report.own.of(direction), report.own.of(direction));
                self.ways[direction as usize].count(before, now, second);
            }
            is_news |= report.own != self.report.own || report.ignored != self.report.ignored;
            self.report = report;
        }
        let trouble = self.troubles.last();
        is_news |= trouble != self.trouble;
        self.trouble = trouble;
        self.hear_links() | is_news
    }

    fn ages(&self) -> bool {
        true
    }

    fn key(&mut self, key: KeyEvent, _area: Rect) -> Flow {
        self.note = None;
        let direction = self.state.direction;
        let is_paused = self.report.own.of(direction).is_paused;
        match self.state.key(key) {
            Act::Flow(flow) => return flow,
            Act::Turn(name, turn) => self.turn(name, turn),
            Act::Pause if is_paused => self.steer(RelayInput::Resume(direction)),
            Act::Pause => self.steer(RelayInput::Pause(direction)),
            Act::Step if is_paused => self.steer(RelayInput::Step(direction)),
            Act::Step => {
                self.note = Some(format!("{direction} is not paused, so there is nothing to step: p pauses it"))
            }
            Act::Reset => self.steer(RelayInput::Reset),
        }
        Flow::Continue
    }

    fn prepare(&mut self, area: Rect) {
        // No list is longer than the screen is high.
        let most = usize::from(area.height).min(MOST_FATES);
        let board = self.board.lock();
        for &direction in Direction::ALL {
            self.ways[direction as usize].fates = board.last(direction, most);
        }
        drop(board);
        let Facts { listen, target, seed, .. } = &self.facts;
        self.title = format!("udp relay on {listen} to {}, seed {seed}", Endpoint(target.get()));
        let [up, down] = &self.ways;
        self.command = command::line(&self.facts.command, &up.words, &down.words, self.facts.seed);
        self.elapsed = now().saturating_duration_since(self.since);
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let picture = Picture {
            title: &self.title,
            state: &self.state,
            report: &self.report,
            ways: &self.ways,
            elapsed: self.elapsed,
            trouble: self.trouble.as_deref(),
            note: self.note.as_deref(),
            command: &self.command,
        };
        view::draw(frame, &picture, &self.styles);
    }
}
