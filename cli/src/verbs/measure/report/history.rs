//! What became of probes over time, in bounded memory however long the run is: bins that double their width when they are too many.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;
use udpkit::event::{ProbeFate, Probed};

use super::series::Series;

/// Bins at most; each takes up to 1 KiB.
pub(super) const MOST_BINS: usize = 1024;
/// The width of the first bins.
const FINEST: Duration = Duration::from_millis(1);
/// Answers of a flow, at most, of which it is remembered when they came: one that is overtaken by more is not marked.
const MOST_REMEMBERED: usize = 1024;

/// A kind of time that is kept of each probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rtt,
    Response,
    Residence,
    /// One-way delay by the clocks of both ends.
    Forward,
    Reverse,
    Lateness,
}

impl Kind {
    const COUNT: usize = 6;
}

/// The probes that were due within some time.
#[derive(Clone, Debug, Default)]
pub(super) struct Bin {
    pub(super) answered: u64,
    pub(super) lost: u64,
    /// Probes that could not be sent.
    pub(super) failed: u64,
    /// Probes whose answer came after that to one sent later.
    pub(super) reordered: u64,
    series: [Series; Kind::COUNT],
}

impl Bin {
    /// Times of one kind.
    pub(super) fn of(&self, kind: Kind) -> &Series {
        &self.series[kind as usize]
    }

    /// Whether any probe was due.
    pub(super) fn is_empty(&self) -> bool {
        self.answered + self.lost + self.failed == 0
    }

    fn merge(&mut self, other: Self, random: &mut Rng) {
        self.answered += other.answered;
        self.lost += other.lost;
        self.failed += other.failed;
        self.reordered += other.reordered;
        self.series.iter_mut().zip(other.series).for_each(|(ours, theirs)| ours.merge(theirs, random));
    }
}

/// When an answer came, and when its probe was due.
#[derive(Clone, Copy, Debug)]
struct Came {
    at: Duration,
    due: Duration,
}

/// What became of probes over time.
#[derive(Debug)]
pub(crate) struct History {
    width: Duration,
    bins: Vec<Bin>,
    /// Of each flow the answers that nothing sent later has overtaken, in the order in which they came and were sent.
    flows: Vec<VecDeque<Came>>,
    random: Rng,
}

impl History {
    /// Nothing happened yet. The seed is that of the samples from which medians are taken.
    pub(crate) fn new(seed: u64) -> Self {
        Self { width: FINEST, bins: Vec::new(), flows: Vec::new(), random: Rng::with_seed(seed) }
    }

    /// How long each bin is; the first one begins with the run.
    pub(super) fn width(&self) -> Duration {
        self.width
    }

    pub(super) fn bins(&self) -> &[Bin] {
        &self.bins
    }

    /// Takes what became of a probe.
    pub(crate) fn add(&mut self, probe: &Probed) {
        let place = self.make_room(probe.due);
        let Self { bins, random, .. } = self;
        let bin = &mut bins[place];
        let mut keep = |bin: &mut Bin, kind, time| bin.series[kind as usize].add(time, random);
        match probe.fate {
            ProbeFate::Lost => bin.lost += 1,
            ProbeFate::Answered { rtt, response, residence, delays, .. } => {
                bin.answered += 1;
                keep(bin, Kind::Response, nanoseconds(response));
                let times = [(Kind::Rtt, rtt), (Kind::Residence, residence)];
                times.into_iter().for_each(|(kind, time)| {
                    time.into_iter().for_each(|time| keep(bin, kind, nanoseconds(time)));
                });
                if let Some([forward, reverse]) = delays {
                    keep(bin, Kind::Forward, forward.0);
                    keep(bin, Kind::Reverse, reverse.0);
                }
            }
            _ => {
                bin.failed += 1;
                return;
            }
        }
        keep(bin, Kind::Lateness, nanoseconds(probe.sent.saturating_sub(probe.due)));
        if let ProbeFate::Answered { response, .. } = probe.fate {
            self.mark_overtaken(probe.flow, Came { at: probe.due + response, due: probe.due });
        }
    }

    /// Marks the probes that this answer has overtaken, which were sent before its own.
    fn mark_overtaken(&mut self, flow: usize, came: Came) {
        if self.flows.len() <= flow {
            self.flows.resize_with(flow + 1, VecDeque::new);
        }
        while let Some(before) = self.flows[flow].back().copied().filter(|before| before.at > came.at) {
            self.flows[flow].pop_back();
            let place = self.place(before.due);
            self.bins[place].reordered += 1;
        }
        let remembered = &mut self.flows[flow];
        remembered.push_back(came);
        if remembered.len() > MOST_REMEMBERED {
            remembered.pop_front();
        }
    }

    /// The bin of a time for which there is room.
    fn place(&self, due: Duration) -> usize {
        usize::try_from(due.as_nanos() / self.width.as_nanos()).unwrap_or(usize::MAX)
    }

    /// The bin of a time, which there is from then on.
    fn make_room(&mut self, due: Duration) -> usize {
        while self.place(due) >= MOST_BINS {
            self.halve();
        }
        let place = self.place(due);
        if self.bins.len() <= place {
            self.bins.resize_with(place + 1, Bin::default);
        }
        place
    }

    /// Makes one bin of each two.
    fn halve(&mut self) {
        self.width = self.width.saturating_mul(2);
        let mut bins = std::mem::take(&mut self.bins).into_iter();
        while let Some(mut bin) = bins.next() {
            bins.next().into_iter().for_each(|other| bin.merge(other, &mut self.random));
            self.bins.push(bin);
        }
    }
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn lost(due: Duration) -> Probed {
        Probed::new(0, 0, due, due, ProbeFate::Lost)
    }

    fn total(history: &History, of: fn(&Bin) -> u64) -> u64 {
        history.bins().iter().map(of).sum()
    }

    #[test]
    fn bins_double_their_width_when_they_are_too_many_and_lose_nothing() {
        let mut history = History::new(7);
        for due in (0..5000).map(|due| due * MS) {
            history.add(&lost(due));
        }
        assert_eq!(history.width(), 8 * MS);
        assert_eq!(history.bins().len(), 625);
        assert!(history.bins().iter().all(|bin| bin.lost == 8 && bin.of(Kind::Lateness).range() == Some([0, 0])));
        let days = Duration::from_secs(86_400 * 365);
        history.add(&lost(days));
        assert!(history.bins().len() <= MOST_BINS, "{}", history.bins().len());
        assert_eq!(total(&history, |bin| bin.lost), 5001);
        history.add(&lost(Duration::MAX));
        assert!(history.bins().len() <= MOST_BINS && total(&history, |bin| bin.lost) == 5002);
    }

    #[test]
    fn an_answer_marks_those_that_it_overtook_and_only_of_its_flow() {
        let mut history = History::new(7);
        history.add(&lost(9 * MS));
        // Sent 0 to 4; they came in the order 0, 3, 1, 4, 2; one of another flow came before all.
        for (due, at) in [(0, 10), (1, 30), (2, 50), (3, 20), (4, 40)] {
            history.mark_overtaken(0, Came { at: at * MS, due: due * MS });
        }
        history.mark_overtaken(1, Came { at: MS, due: 5 * MS });
        let reordered: Vec<_> = history.bins().iter().map(|bin| bin.reordered).collect();
        assert_eq!(reordered, [0, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
        for due in 0..2 * u32::try_from(MOST_REMEMBERED).unwrap() {
            history.mark_overtaken(0, Came { at: (1000 + due) * MS, due: MS });
        }
        assert_eq!(history.flows[0].len(), MOST_REMEMBERED);
    }

    #[test]
    fn what_could_not_be_sent_is_neither_lost_nor_late() {
        let mut history = History::new(7);
        history.add(&Probed::new(0, 0, MS, 3 * MS, ProbeFate::Failed));
        let bin = &history.bins()[1];
        assert_eq!((bin.failed, bin.lost, bin.of(Kind::Lateness).range()), (1, 0, None));
        assert!(history.bins()[0].is_empty() && !bin.is_empty());
    }
}
