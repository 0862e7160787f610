//! What the relay's thread tells the screen: the last fates of each direction, and what its links do.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use udpkit::event::{Decided, Departed, Leaving};
use udpkit::impairment::{Departure, Fate, ImpairmentOptions, LostBy};
use udpkit::verbs::Direction;
use udpkit::{Event, Network};

use crate::tui::Troubles;

/// Datagrams and copies of a direction whose fates are kept: more than a screen has room for.
pub(super) const MOST_FATES: usize = 128;

/// What both threads know. It is locked to count or to copy, and never while something is drawn.
#[derive(Debug, Default)]
pub(super) struct Board {
    fates: [VecDeque<Recent>; 2],
    /// What the link of all peers does in each direction, where that changed since the start.
    links: [Option<ImpairmentOptions>; 2],
    /// Fates that were decided or fulfilled.
    happened: u64,
}

/// A datagram, or its copy, and what is known of its fate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recent {
    /// The network whose own link it takes.
    network: Option<Network>,
    /// Which datagram of its link it is, from 1.
    pub(super) number: u64,
    pub(super) is_copy: bool,
    pub(super) peer: SocketAddr,
    pub(super) payload_len: usize,
    entered: Instant,
    pub(super) fate: Known,
}

/// What is known of a fate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Known {
    Lost(LostBy),
    /// It is to leave; the delay is what was decided.
    UnderWay(Departure, Duration),
    /// It left: the delay as decided, and as achieved.
    Left(Departure, Leaving, Duration, Duration),
}

/// The end of the relay's thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed {
    board: Arc<Mutex<Board>>,
    troubles: Troubles,
}

impl Feed {
    /// Takes what happens; waits for nothing but a copy of what is kept.
    pub(crate) fn event(&self, event: &Event<'_>) {
        match event {
            Event::Fate(decided) => self.board.lock().decide(decided),
            Event::Left(departed) => self.board.lock().depart(departed),
            Event::Impaired(impaired) => {
                let mut board = self.board.lock();
                if impaired.is_reset {
                    // Numbers begin again.
                    board.fates.iter_mut().for_each(VecDeque::clear);
                }
                if impaired.network.is_none() {
                    board.links[impaired.direction as usize] = impaired.options.cloned();
                }
            }
            event => self.troubles.hear(event),
        }
    }

    pub(super) fn board(&self) -> Arc<Mutex<Board>> {
        Arc::clone(&self.board)
    }

    /// What goes wrong.
    pub(super) fn troubles(&self) -> Troubles {
        self.troubles.clone()
    }
}

impl Board {
    fn decide(&mut self, decided: &Decided<'_>) {
        let Decided { direction, network, peer, payload, entered, fates, .. } = *decided;
        self.happened += 1;
        for (is_copy, fate) in [(false, Some(fates.original)), (true, fates.copy)] {
            let fate = match fate {
                Some(Fate::Lost(by)) => Known::Lost(by),
                Some(Fate::Leaves(departure)) => {
                    // Of one that is overtaken it is decided how late it leaves at the latest.
                    let at = departure.overtaken.map_or(departure.at, |overtaken| overtaken.at_latest);
                    Known::UnderWay(departure, at.saturating_duration_since(entered))
                }
                None => continue,
            };
            let recent = &mut self.fates[direction as usize];
            if recent.len() >= MOST_FATES {
                recent.pop_front();
            }
            let (number, payload_len) = (fates.number, payload.len());
            recent.push_back(Recent { network, number, is_copy, peer, payload_len, entered, fate });
        }
    }

    fn depart(&mut self, departed: &Departed<'_>) {
        let &Departed { direction, network, number, is_copy, entered, departure, decided, left, leaving, .. } =
            departed;
        self.happened += 1;
        let recent = &mut self.fates[direction as usize];
        // Most that leave late came before all that are kept.
        if recent.front().is_none_or(|oldest| oldest.entered > entered) {
            return;
        }
        let is_it = |it: &&mut Recent| (it.number, it.is_copy, it.network) == (number, is_copy, network);
        if let Some(it) = recent.iter_mut().rev().find(is_it) {
            let since = |moment: Instant| moment.saturating_duration_since(entered);
            it.fate = Known::Left(departure, leaving, since(decided), since(left));
        }
    }

    /// How much happened so far.
    pub(super) fn happened(&self) -> u64 {
        self.happened
    }

    /// The last fates of a direction, the newest first; so many at most.
    pub(super) fn last(&self, direction: Direction, most: usize) -> Vec<Recent> {
        self.fates[direction as usize].iter().rev().take(most).copied().collect()
    }

    /// What the link of all peers does in a direction, if that changed since the start.
    pub(super) fn link(&self, direction: Direction) -> Option<&ImpairmentOptions> {
        self.links[direction as usize].as_ref()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use udpkit::impairment::Impairment;

    use super::*;
    use crate::output::samples::each_event;
    use crate::tui::now;

    /// Puts datagrams of these peers through an impairment, a millisecond apart; those that leave leave when they were to.
    pub(crate) fn cross(
        board: &mut Board,
        direction: Direction,
        options: ImpairmentOptions,
        datagrams: &[(&str, &[u8])],
        start: Instant,
    ) {
        let mut impairment = Impairment::new(options, 7, start).unwrap();
        for (number, (peer, payload)) in datagrams.iter().enumerate() {
            let now = start + Duration::from_millis(number as u64);
            let fates = impairment.datagram(now, *payload);
            let peer = peer.parse().unwrap();
            board.decide(&Decided::new(direction, peer, payload, now, fates, &impairment));
            for (is_copy, fate) in [(false, Some(fates.original)), (true, fates.copy)] {
                let Some(departure) = fate.and_then(Fate::departure) else { continue };
                // The last one is still under way.
                if number + 1 < datagrams.len() {
                    let left = departure.at + Duration::from_micros(60);
                    let number = fates.number;
                    let departed = Departed::new(direction, peer, payload, number, now, departure, &impairment);
                    board.depart(&departed.is_copy(is_copy).left(left));
                }
            }
        }
    }

    #[test]
    fn floods_are_kept_in_little_memory_and_the_last_ones_are_known() {
        let mut board = Board::default();
        let datagrams = vec![("192.0.2.7:4000", b"x".as_slice()); 10 * MOST_FATES];
        let options = ImpairmentOptions::default().duplicate(1.0).delay(Duration::from_millis(1));
        cross(&mut board, Direction::Up, options, &datagrams, now());
        let last = board.last(Direction::Up, usize::MAX);
        assert_eq!((last.len(), last[0].number, last[0].is_copy), (MOST_FATES, 10 * MOST_FATES as u64, true));
        assert!(matches!(last[1].fate, Known::UnderWay(..)) && matches!(last[2].fate, Known::Left(..)));
        assert_eq!(board.last(Direction::Down, 10), []);
        let Known::Left(_, Leaving::Forwarded, decided, achieved) = last[2].fate else { panic!("{:?}", last[2]) };
        assert_eq!((decided.as_micros(), achieved.as_micros()), (1000, 1060));
    }

    #[test]
    fn every_event_is_on_the_screen_or_in_the_report_that_is() {
        each_event(|event| {
            let feed = Feed::default();
            feed.event(&event);
            let board = feed.board.lock();
            let is_changed = board.links.iter().any(Option::is_some);
            let shown = (board.happened, is_changed, feed.troubles.last().is_some());
            let expected = match event.name() {
                "fate" | "left" => (1, false, false),
                "impaired" => (0, true, false),
                "trouble" | "reopened" | "clock_stepped" => (0, false, true),
                "received" | "ignored" | "dropped" | "interfaces" | "peer" | "unreachable" | "send_failed" => {
                    (0, false, false)
                }
                // A relay never says these.
                "answered" | "question" | "sent" | "reply" | "unanswered" | "probe" => (0, false, false),
                name => panic!("where does the screen show {name}?"),
            };
            assert_eq!(shown, expected, "{}", event.name());
        });
    }
}
