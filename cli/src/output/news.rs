//! What is worth a line: each thing once, then how often it happened again, and no more lines a second than a person can use.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use udpkit::event::{Refusal, SendFailed};
use udpkit::{Cause, Event, Reason, Unreachable, source_network};

use super::notices::NotSent;

/// Different things that are printed; what is beyond is counted in the summary alone.
pub(super) const MAX_TOLD: usize = 256;
/// What happens to us no faster than this has a line each time: at one a second, each is a row.
const APART: Duration = Duration::from_millis(500);
/// How long after its line what happens again is reported, if it still does; each time twice as long, up to the last.
const FIRST_INTERVAL: Duration = Duration::from_secs(60);
const LAST_INTERVAL: Duration = Duration::from_secs(3600);
/// Lines about single datagrams that a responder writes in a second, however many it gets.
const MAX_A_SECOND: u32 = 1000;

/// Which refusals of what we sent are news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Refusals {
    /// None: they are of replies, which anybody can make us send.
    #[default]
    Counted,
    /// All: each is the answer to what was asked.
    Reported,
}

/// What repeats, and is printed once and then counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// Of a source's network.
    Ignored(Reason, IpAddr),
    /// By the system's number of the error, and the destination's network.
    SendFailed(i32, IpAddr),
    Unreachable(Cause, SocketAddr),
}

/// Something that happens again and again.
#[derive(Clone, Debug)]
pub(crate) enum Repeating {
    /// Datagrams of a source's network were not used; and the first source.
    Ignored { source: SocketAddr, reason: Reason },
    /// Nothing could be sent to a destination's network; the first destination, and the system's error and its number.
    SendFailed { destination: SocketAddr, number: i32, error: String },
    /// Datagrams of ours were refused.
    Unreachable(Unreachable),
}

/// How often something happened after it was printed, and from when to when.
#[derive(Clone, Debug)]
pub(crate) struct Repeated {
    pub(super) what: Repeating,
    pub(super) count: u64,
    pub(super) first: SystemTime,
    pub(super) last: SystemTime,
}

/// What is known of something that was printed.
#[derive(Debug)]
struct Entry {
    what: Repeating,
    /// How often it happened since it was printed, and when.
    held: Option<Held>,
    /// When it happened last, printed or not.
    seen: Instant,
    /// When what is held is to be printed, if it happens again then; and how long that is after the time before.
    due: Instant,
    interval: Duration,
    /// Whether it is to be printed now.
    is_due: bool,
}

/// Now, by the clock that measures and by the one that tells the time.
#[derive(Clone, Copy, Debug)]
struct Moment {
    now: Instant,
    time: SystemTime,
}

impl Moment {
    #[expect(clippy::disallowed_methods, reason = "what comes fast is counted, which is a matter of time")]
    fn now() -> Self {
        Self { now: Instant::now(), time: SystemTime::now() }
    }
}

/// What happened and was not printed.
#[derive(Clone, Copy, Debug)]
struct Held {
    count: u64,
    first: SystemTime,
    last: SystemTime,
}

/// Decides which events are news. A flood of events must not be answered with a flood of lines: what happened before is
/// counted, and printed with the times of the first and the last.
#[derive(Debug)]
pub(crate) struct News {
    /// Whether every event is news.
    verbose: bool,
    refusals: Refusals,
    /// What was printed; no more than [`MAX_TOLD`].
    entries: HashMap<Key, Entry>,
    /// Whether something that is held is to be printed now.
    has_due: bool,
}

impl News {
    /// Decides for a run that reports everything, or what is news.
    pub(crate) fn new(verbose: bool, refusals: Refusals) -> Self {
        Self { verbose, refusals, entries: HashMap::new(), has_due: false }
    }

    /// Whether an event is to be printed now; if it happened before, it is counted instead.
    pub(crate) fn passes(&mut self, event: &Event<'_>) -> bool {
        if self.verbose {
            return true;
        }
        let Some(key) = Key::of(event) else { return true };
        let is_news = match key {
            Key::Ignored(reason, _) => is_surprising(reason),
            Key::SendFailed(..) => true,
            Key::Unreachable(..) => self.refusals == Refusals::Reported,
        };
        is_news && self.take(key, event, Moment::now())
    }

    fn take(&mut self, key: Key, event: &Event<'_>, Moment { now, time }: Moment) -> bool {
        let Some(entry) = self.entries.get_mut(&key) else {
            let what = Repeating::of(event).filter(|_| self.entries.len() < MAX_TOLD);
            let is_new = what.is_some();
            self.entries.extend(what.map(|what| (key, Entry::new(what, now))));
            return is_new;
        };
        let since = now.saturating_duration_since(std::mem::replace(&mut entry.seen, now));
        // What strangers do may not write a line each time, however slowly they do it.
        if self.refusals == Refusals::Reported && since >= APART {
            self.has_due |= entry.is_now_due(true);
            return true;
        }
        entry.hold(Held { count: count(event), first: time, last: time });
        let is_late = now >= entry.due;
        self.has_due |= entry.is_now_due(is_late);
        false
    }

    /// Takes over what another counted, who had printed it before by the same printer.
    pub(super) fn absorb(&mut self, repeated: Repeated) {
        let Repeated { what, count, first, last } = repeated;
        let Moment { now, .. } = Moment::now();
        let key = what.key();
        if self.entries.len() >= MAX_TOLD && !self.entries.contains_key(&key) {
            return;
        }
        let entry = self.entries.entry(key).or_insert_with(|| Entry::new(what, now));
        entry.hold(Held { count, first, last });
        let is_late = now >= entry.due;
        self.has_due |= entry.is_now_due(is_late);
    }

    /// Takes what was counted and is to be printed now.
    pub(crate) fn take_due(&mut self) -> Vec<Repeated> {
        if !std::mem::take(&mut self.has_due) {
            return Vec::new();
        }
        let release = |entry: &mut Entry| if std::mem::take(&mut entry.is_due) { entry.release() } else { None };
        self.entries.values_mut().filter_map(release).collect()
    }

    /// Takes all that was counted, in the order in which it happened first.
    pub(crate) fn take_all(&mut self) -> Vec<Repeated> {
        let mut all: Vec<_> = self.entries.values_mut().filter_map(Entry::release).collect();
        all.sort_by_key(|repeated| repeated.first);
        all
    }
}

impl Key {
    /// Of an event that may repeat.
    fn of(event: &Event<'_>) -> Option<Self> {
        match event {
            Event::Ignored(ignored) => Some(Self::Ignored(ignored.reason, source_network(ignored.meta.source.ip()))),
            Event::SendFailed(SendFailed { failure, .. }) => {
                Some(Self::SendFailed(number(&failure.error), source_network(failure.transmit.destination.ip())))
            }
            Event::Unreachable(Refusal { unreachable, .. }) => {
                Some(Self::Unreachable(unreachable.cause, unreachable.destination))
            }
            _ => None,
        }
    }
}

impl Repeating {
    fn of(event: &Event<'_>) -> Option<Self> {
        match event {
            Event::Ignored(ignored) => Some(Self::Ignored { source: ignored.meta.source, reason: ignored.reason }),
            Event::SendFailed(SendFailed { failure, .. }) => Some(Self::SendFailed {
                destination: failure.transmit.destination,
                number: number(&failure.error),
                error: NotSent::new(failure).error(),
            }),
            Event::Unreachable(Refusal { unreachable, .. }) => Some(Self::Unreachable((*unreachable).clone())),
            _ => None,
        }
    }

    fn key(&self) -> Key {
        match self {
            Self::Ignored { source, reason } => Key::Ignored(*reason, source_network(source.ip())),
            Self::SendFailed { destination, number, .. } => Key::SendFailed(*number, source_network(destination.ip())),
            Self::Unreachable(unreachable) => Key::Unreachable(unreachable.cause, unreachable.destination),
        }
    }
}

impl Entry {
    /// Of something that is printed now.
    fn new(what: Repeating, now: Instant) -> Self {
        Self { what, held: None, seen: now, due: now + FIRST_INTERVAL, interval: FIRST_INTERVAL, is_due: false }
    }

    fn hold(&mut self, more: Held) {
        let Held { count, first, last } = self.held.unwrap_or(Held { count: 0, ..more });
        self.held = Some(Held { count: count + more.count, first: first.min(more.first), last: last.max(more.last) });
    }

    /// Makes it due, if it is and something is held; returns whether it is.
    fn is_now_due(&mut self, is_due: bool) -> bool {
        self.is_due |= is_due && self.held.is_some();
        self.is_due
    }

    /// Takes what is held, and waits longer from now on.
    fn release(&mut self) -> Option<Repeated> {
        let Held { count, first, last } = self.held.take()?;
        self.interval = (self.interval * 2).min(LAST_INTERVAL);
        self.due = self.seen + self.interval;
        Some(Repeated { what: self.what.clone(), count, first, last })
    }
}

/// The system's number of an error.
fn number(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}

/// How many datagrams an event is about.
fn count(event: &Event<'_>) -> u64 {
    match event {
        Event::Ignored(ignored) => ignored.count as u64,
        Event::SendFailed(failed) => failed.failure.count as u64,
        _ => 1,
    }
}

/// Whether datagrams that are ignored for this reason are news at all: not where that is what was asked for.
fn is_surprising(reason: Reason) -> bool {
    let asked_for = matches!(reason, Reason::NoMatch | Reason::OtherSource | Reason::OtherInterface)
        || matches!(reason, Reason::NoRule | Reason::RuleSilent | Reason::RuleLoss | Reason::NoReply);
    let usual = matches!(reason, Reason::AfterEnd | Reason::Unfinished | Reason::OwnCopy | Reason::Duplicate);
    // Reported by the code that failed to make it.
    let told = matches!(reason, Reason::ReplyError | Reason::ReplyLate);
    !asked_for && !usual && !told
}

/// Lets [`MAX_A_SECOND`] lines pass in each second, and counts the others.
#[derive(Debug, Default)]
pub(super) struct Bound {
    second: Option<Instant>,
    passed: u32,
    held: u64,
}

impl Bound {
    /// Whether a line may be written now.
    #[expect(clippy::disallowed_methods, reason = "lines a second are counted by the clock")]
    pub(super) fn passes(&mut self) -> bool {
        let now = Instant::now();
        if self.second.is_none_or(|second| now.duration_since(second) >= Duration::from_secs(1)) {
            self.second = Some(now);
            self.passed = 0;
        }
        if self.passed >= MAX_A_SECOND {
            self.held += 1;
            return false;
        }
        self.passed += 1;
        true
    }

    /// Counts lines that are held back, too.
    pub(super) fn hold(&mut self, lines: u64) {
        self.held += lines;
    }

    /// How many lines were held back since the last call.
    pub(super) fn take_held(&mut self) -> u64 {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use udpkit::Meta;
    use udpkit::event::IgnoredDatagrams;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What is printed of a refusal after each of these times, in milliseconds: 1 for a line of its own, more for what was
    /// counted. Then, what is left for the end.
    fn refusals(refusals: Refusals, milliseconds: &[u64]) -> (Vec<Vec<u64>>, Vec<u64>) {
        let unreachable = Unreachable::new("192.0.2.1:9".parse().unwrap(), None, Cause::Port);
        let event = Event::Unreachable(Refusal::new(&unreachable, None, false));
        printed(&mut News::new(false, refusals), &event, milliseconds)
    }

    fn printed(news: &mut News, event: &Event<'_>, milliseconds: &[u64]) -> (Vec<Vec<u64>>, Vec<u64>) {
        let begun = Moment { time: SystemTime::UNIX_EPOCH, ..Moment::now() };
        let key = Key::of(event).unwrap();
        let counts = |repeated: Vec<Repeated>| repeated.into_iter().map(|it| it.count).collect::<Vec<_>>();
        let printed = milliseconds.iter().map(|after| {
            let after = Duration::from_millis(*after);
            let passes = news.take(key, event, Moment { now: begun.now + after, time: begun.time + after });
            let mut lines = counts(news.take_due());
            lines.extend(passes.then_some(1));
            lines
        });
        (printed.collect(), counts(news.take_all()))
    }

    #[test]
    fn what_comes_at_one_a_second_has_a_line_each_time() {
        let (lines, rest) = refusals(Refusals::Reported, &[0, 1000, 2000, 2950, 4000]);
        assert_eq!((lines, rest), (vec![vec![1]; 5], vec![]));
    }

    #[test]
    fn what_comes_faster_has_one_line_and_then_a_count_before_the_next_and_at_the_end() {
        let mut times: Vec<_> = (0..100).map(|number| number * 10).collect();
        // Later, one more, and again a burst.
        times.extend([5000, 5010, 5020]);
        let (lines, rest) = refusals(Refusals::Reported, &times);
        let mut expected = vec![vec![]; 103];
        (expected[0], expected[100]) = (vec![1], vec![99, 1]);
        assert_eq!((lines, rest), (expected, vec![2]));
    }

    #[test]
    fn what_does_not_end_is_reported_less_and_less_often() {
        // Three hours, ten a second.
        let times: Vec<_> = (0..108_000).map(|number| number * 100).collect();
        let (lines, rest) = refusals(Refusals::Reported, &times);
        let reported: Vec<_> = lines.iter().enumerate().filter(|(_, line)| !line.is_empty()).collect();
        let minutes: Vec<_> = reported.iter().map(|(number, _)| number / 600).collect();
        assert_eq!(minutes, [0, 1, 3, 7, 15, 31, 63, 123]);
        assert_eq!(lines.iter().flatten().chain(&rest).sum::<u64>(), 108_000);
    }

    #[test]
    fn what_strangers_do_has_one_line_however_slowly_they_do_it() {
        let meta = Meta::new("192.0.2.1:53".parse().unwrap());
        let event = Event::Ignored(IgnoredDatagrams::new(&meta, Reason::ResponderPort, 2));
        let (lines, rest) = printed(&mut News::new(false, Refusals::Counted), &event, &[0, 1000, 2000]);
        assert_eq!((lines, rest), (vec![vec![1], vec![], vec![]], vec![4]));
    }

    #[test]
    fn the_first_and_the_last_time_are_those_of_what_was_counted_wherever_it_was() {
        let unreachable = Unreachable::new("192.0.2.1:9".parse().unwrap(), None, Cause::Port);
        let mut news = News::new(false, Refusals::Reported);
        let at = |second: u32| SystemTime::UNIX_EPOCH + SECOND * second;
        for (count, first, last) in [(2, 5, 6), (3, 4, 5), (4, 6, 9)] {
            let what = Repeating::Unreachable(unreachable.clone());
            news.absorb(Repeated { what, count, first: at(first), last: at(last) });
        }
        let all = news.take_all();
        let spans: Vec<_> = all.iter().map(|it| (it.count, it.first, it.last)).collect();
        assert_eq!(spans, [(9, at(4), at(9))]);
        assert!(news.take_all().is_empty());
    }

    #[test]
    fn strangers_fill_no_memory() {
        let mut news = News::new(false, Refusals::Counted);
        let mut lines = 0;
        for network in 0..10_000_u32 {
            let meta = Meta::new(SocketAddr::new(std::net::Ipv4Addr::from_bits(network << 8 | 1).into(), 53));
            let event = Event::Ignored(IgnoredDatagrams::new(&meta, Reason::ResponderPort, 1));
            lines += usize::from(news.passes(&event));
        }
        assert_eq!((lines, news.entries.len()), (MAX_TOLD, MAX_TOLD));
    }
}
