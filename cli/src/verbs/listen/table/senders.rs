//! Who sent what: a table of bounded size that counts every datagram, and keeps what may be drawn of a few.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use udpkit::{Count, Datagram, Delivery, InterfaceIndex};

use crate::tui::history::History;
use crate::words::address::on_interface;

/// Senders with a row of their own. With their index and their samples they take 40 MB at most.
pub(crate) const MAX_SENDERS: usize = 65_536;
/// A sender silent for this long gives its row up where the table is full.
pub(crate) const SILENT: Duration = Duration::from_secs(10);
/// Rows looked at, one after another, for a sender that would give its own up.
const LOOKED_AT: usize = 4;
/// Bytes kept of the last payload of each sender.
pub(crate) const EXCERPT_LEN: usize = 64;
/// Datagrams kept of a sender that has samples.
pub(crate) const SAMPLES: usize = 16;
/// Bytes kept of each of these.
pub(crate) const SAMPLE_LEN: usize = 2048;
/// Senders that have samples from their first datagram on; others have them while they are followed. 8 MiB at most.
const SAMPLED: usize = 256;

/// What was received, by sender.
///
/// The first [`MAX_SENDERS`] have rows. A further one takes the row of a sender that has been silent for [`SILENT`], if one is
/// found, whose counts go to the others; else it is counted among the others itself. So every datagram is in exactly one
/// row, or among the others. The hash is keyed: strangers cannot choose sources that collide.
#[derive(Debug)]
pub(crate) struct Senders {
    index: HashMap<SocketAddr, usize>,
    rows: Vec<Row>,
    limit: usize,
    epoch: Instant,
    counted: Count,
    history: History,
    others: Others,
    /// The row of the last datagram: the next one often is of the same sender.
    latest: usize,
    /// The row of the sender that is looked at, which keeps it.
    followed: Option<usize>,
    /// Where the search for a silent sender goes on.
    hand: usize,
}

/// Datagrams of senders that have no row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Others {
    pub(crate) count: Count,
    /// Rows that were given up.
    pub(crate) given_up: u64,
}

/// What a sender sent.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) source: SocketAddr,
    pub(crate) count: Count,
    pub(crate) truncated: u64,
    pub(crate) first: Instant,
    pub(crate) last: Instant,
    pub(crate) longest_gap: Duration,
    pub(crate) history: History,
    pub(crate) arrival: Arrival,
    excerpt: Excerpt,
    samples: Option<VecDeque<Sample>>,
}

/// What is known of one datagram besides its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    pub(crate) wire_len: usize,
    pub(crate) destination: Option<SocketAddr>,
    pub(crate) delivery: Delivery,
    pub(crate) interface: Option<InterfaceIndex>,
    pub(crate) hop_limit: Option<u8>,
}

/// The first bytes of a payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excerpt {
    len: u8,
    bytes: [u8; EXCERPT_LEN],
}

/// A datagram, and as much of its payload as is kept.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) arrival: Arrival,
    pub(crate) payload: Vec<u8>,
}

/// What a row shows in a table.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) source: SocketAddr,
    pub(crate) count: Count,
    pub(crate) truncated: u64,
    pub(crate) since_first: Duration,
    pub(crate) since_last: Duration,
    pub(crate) longest_gap: Duration,
    /// Datagrams and bytes in a second.
    pub(crate) rate: (f64, f64),
    /// Datagrams in each of the last seconds, the oldest first.
    pub(crate) series: Vec<u32>,
    pub(crate) arrival: Arrival,
    pub(crate) excerpt: Excerpt,
}

/// What senders can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Source,
    Datagrams,
    Rate,
    Bytes,
    SinceLast,
    LongestGap,
}

/// What a sender is sorted by: smaller stands first. Then what it is sorted by among equals, and its row.
pub(crate) type Place = (u128, u64, usize);

impl Senders {
    /// An empty table, from now on.
    pub(crate) fn new(epoch: Instant) -> Self {
        Self::with_limit(epoch, MAX_SENDERS)
    }

    fn with_limit(epoch: Instant, limit: usize) -> Self {
        Self {
            index: HashMap::new(),
            rows: Vec::new(),
            limit,
            epoch,
            counted: Count::default(),
            history: History::default(),
            others: Others::default(),
            latest: 0,
            followed: None,
            hand: 0,
        }
    }

    /// Counts a datagram that arrived at this time, at a socket of this port.
    pub(crate) fn take(&mut self, datagram: &Datagram<'_>, port: u16, at: Instant) {
        let second = self.second(at);
        self.counted.add(1, datagram.wire_len);
        self.history.add(second, 1, datagram.wire_len as u64);
        let Some(row) = self.row_for(datagram.meta.source, at) else {
            self.others.count.add(1, datagram.wire_len);
            return;
        };
        let meta = datagram.meta;
        let arrival = Arrival {
            at,
            wire_len: datagram.wire_len,
            destination: meta.destination.map(|ip| on_interface(SocketAddr::new(ip, port), meta.interface)),
            delivery: meta.delivery,
            interface: meta.interface,
            hop_limit: meta.hop_limit,
        };
        self.rows[row].take(datagram, arrival, second);
        self.latest = row;
    }

    /// The row of a sender, if it has or gets one.
    fn row_for(&mut self, source: SocketAddr, at: Instant) -> Option<usize> {
        if self.rows.get(self.latest).is_some_and(|row| row.source == source) {
            return Some(self.latest);
        }
        if let Some(row) = self.index.get(&source) {
            return Some(*row);
        }
        let row = if self.rows.len() < self.limit { self.rows.len() } else { self.free_row(at)? };
        let is_sampled = row < SAMPLED || self.rows.get(row).is_some_and(|row| row.samples.is_some());
        let new = Row::new(source, at, is_sampled);
        match self.rows.get_mut(row) {
            Some(old) => *old = new,
            None => self.rows.push(new),
        }
        self.index.insert(source, row);
        Some(row)
    }

    /// Takes the row of a sender that has long been silent, if one is found near the last that was.
    fn free_row(&mut self, at: Instant) -> Option<usize> {
        for _ in 0..LOOKED_AT.min(self.rows.len()) {
            self.hand = (self.hand + 1) % self.rows.len();
            let old = &self.rows[self.hand];
            if at.saturating_duration_since(old.last) >= SILENT && self.followed != Some(self.hand) {
                self.others.count.datagrams += old.count.datagrams;
                self.others.count.bytes += old.count.bytes;
                self.others.given_up += 1;
                self.index.remove(&old.source);
                return Some(self.hand);
            }
        }
        None
    }

    /// Keeps samples of this sender, and of no other that does not have them anyway.
    pub(crate) fn follow(&mut self, source: Option<SocketAddr>) {
        let row = source.and_then(|source| self.row_of(source));
        if let Some(before) = self.followed.filter(|before| Some(*before) != row && *before >= SAMPLED) {
            self.rows[before].samples = None;
        }
        if let Some(row) = row {
            self.rows[row].samples.get_or_insert_default();
        }
        self.followed = row;
    }

    /// All that was counted.
    pub(crate) fn counted(&self) -> Count {
        self.counted
    }

    /// Datagrams and bytes of all senders in a second.
    pub(crate) fn rate(&self, now: Instant) -> (f64, f64) {
        self.history.rate(now.saturating_duration_since(self.epoch))
    }

    /// Datagrams of senders that have no row.
    pub(crate) fn others(&self) -> Others {
        self.others
    }

    /// Rows there are, and their numbers: those below this.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row that a sender has, if it has one.
    pub(crate) fn row_of(&self, source: SocketAddr) -> Option<usize> {
        self.index.get(&source).copied()
    }

    /// What a row shows now.
    pub(crate) fn line(&self, row: usize, now: Instant) -> Option<Line> {
        let row = self.rows.get(row)?;
        let elapsed = now.saturating_duration_since(self.epoch);
        Some(Line {
            source: row.source,
            count: row.count,
            truncated: row.truncated,
            since_first: now.saturating_duration_since(row.first),
            since_last: now.saturating_duration_since(row.last),
            longest_gap: row.longest_gap,
            rate: row.history.rate(elapsed),
            series: row.history.series(elapsed),
            arrival: row.arrival,
            excerpt: row.excerpt,
        })
    }

    /// The last datagrams of a row, the last one first.
    pub(crate) fn samples(&self, row: usize) -> Vec<Sample> {
        let Some(row) = self.rows.get(row) else { return Vec::new() };
        match &row.samples {
            Some(samples) if !samples.is_empty() => samples.iter().rev().cloned().collect(),
            _ => vec![Sample { arrival: row.arrival, payload: row.excerpt.bytes().to_vec() }],
        }
    }

    /// Adds those of these rows that are wanted to what is to be sorted.
    pub(crate) fn places(
        &self,
        rows: Range<usize>,
        column: Column,
        now: Instant,
        mut wanted: impl FnMut(&Row) -> bool,
        places: &mut Vec<Place>,
    ) {
        let end = rows.end.min(self.rows.len());
        for number in rows.start.min(end)..end {
            let row = &self.rows[number];
            if wanted(row) {
                let (key, tie) = self.key(row, column, now);
                places.push((key, tie, number));
            }
        }
    }

    /// What a row is sorted by: the busiest, the latest and the longest first.
    fn key(&self, row: &Row, column: Column, now: Instant) -> (u128, u64) {
        let downward = |value: u128| (u128::MAX - value, 0);
        match column {
            Column::Source => {
                let family_and_port = u64::from(row.source.is_ipv6()) << 32 | u64::from(row.source.port());
                match row.source.ip() {
                    IpAddr::V4(ip) => (ip.to_bits().into(), family_and_port),
                    IpAddr::V6(ip) => (ip.to_bits(), family_and_port),
                }
            }
            Column::Datagrams => downward(row.count.datagrams.into()),
            Column::Bytes => downward(row.count.bytes.into()),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count with three digits more"
            )]
            Column::Rate => downward((row.history.rate(now.saturating_duration_since(self.epoch)).0 * 1e3) as u128),
            Column::SinceLast => (now.saturating_duration_since(row.last).as_nanos(), 0),
            Column::LongestGap => downward(row.longest_gap.as_nanos()),
        }
    }

    /// A table without rows that counts as this one does; [`copy`](Self::copy) completes it.
    pub(crate) fn begin_copy(&self) -> Self {
        let index = HashMap::with_hasher(self.index.hasher().clone());
        let rows = Vec::with_capacity(self.rows.len());
        Self { index, rows, history: self.history.clone(), followed: None, ..*self }
    }

    /// Copies rows to a table that holds all those before them.
    pub(crate) fn copy(&self, rows: Range<usize>, copy: &mut Self) {
        let end = rows.end.min(self.rows.len());
        for (number, row) in self.rows[rows.start.min(end)..end].iter().enumerate() {
            copy.index.insert(row.source, rows.start + number);
            copy.rows.push(row.clone());
        }
    }

    /// The number of the second in which this time is.
    fn second(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.epoch).as_secs()
    }
}

impl Row {
    fn new(source: SocketAddr, at: Instant, is_sampled: bool) -> Self {
        let arrival = Arrival {
            at,
            wire_len: 0,
            destination: None,
            delivery: Delivery::Unknown,
            interface: None,
            hop_limit: None,
        };
        Self {
            source,
            count: Count::default(),
            truncated: 0,
            first: at,
            last: at,
            longest_gap: Duration::ZERO,
            history: History::default(),
            arrival,
            excerpt: Excerpt { len: 0, bytes: [0; EXCERPT_LEN] },
            samples: is_sampled.then(VecDeque::new),
        }
    }

    fn take(&mut self, datagram: &Datagram<'_>, arrival: Arrival, second: u64) {
        self.count.add(1, datagram.wire_len);
        self.truncated += u64::from(datagram.is_truncated());
        self.longest_gap = self.longest_gap.max(arrival.at.saturating_duration_since(self.last));
        self.last = self.last.max(arrival.at);
        self.history.add(second, 1, datagram.wire_len as u64);
        self.arrival = arrival;
        self.excerpt.set(datagram.payload);
        let Some(samples) = &mut self.samples else { return };
        // The memory of the oldest serves for the newest.
        let oldest = if samples.len() < SAMPLES { None } else { samples.pop_front() };
        let mut payload = oldest.map_or_else(Vec::new, |sample| sample.payload);
        payload.clear();
        payload.extend_from_slice(&datagram.payload[..datagram.payload.len().min(SAMPLE_LEN)]);
        samples.push_back(Sample { arrival, payload });
    }

    /// The first bytes of the last payload.
    pub(crate) fn excerpt(&self) -> &[u8] {
        self.excerpt.bytes()
    }
}

impl Line {
    /// The longest time between two of its datagrams, if there were two.
    pub(super) fn gap(&self) -> Option<Duration> {
        (self.count.datagrams > 1).then_some(self.longest_gap)
    }
}

impl Excerpt {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    #[expect(clippy::cast_possible_truncation, reason = "at most EXCERPT_LEN")]
    fn set(&mut self, payload: &[u8]) {
        let len = payload.len().min(EXCERPT_LEN);
        self.bytes[..len].copy_from_slice(&payload[..len]);
        self.len = len as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use udpkit::Meta;

    fn epoch() -> Instant {
        crate::tui::now()
    }

    fn source(number: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], number))
    }

    fn take(senders: &mut Senders, source: SocketAddr, payload: &[u8], wire_len: usize, at: Instant) {
        let meta = Meta::new(source);
        senders.take(&Datagram::new(payload, &meta).wire_len(wire_len), 10_000, at);
    }

    /// All that rows and others hold together.
    fn sum(senders: &Senders) -> Count {
        let mut sum = senders.others().count;
        for row in &senders.rows {
            sum.datagrams += row.count.datagrams;
            sum.bytes += row.count.bytes;
        }
        sum
    }

    fn order(senders: &Senders, column: Column, now: Instant) -> Vec<u16> {
        let mut places = Vec::new();
        senders.places(0..usize::MAX, column, now, |_| true, &mut places);
        places.sort_unstable();
        places.iter().map(|place| senders.rows[place.2].source.port()).collect()
    }

    proptest! {
        #[test]
        fn every_datagram_is_in_one_row_or_among_the_others(
            steps in prop::collection::vec((0u16..40, 0usize..100, 0u64..4000, any::<bool>()), 0..400),
            limit in 1usize..20,
        ) {
            let epoch = epoch();
            let mut senders = Senders::with_limit(epoch, limit);
            let mut elapsed = Duration::ZERO;
            let (mut datagrams, mut bytes) = (0, 0);
            for (number, len, pause, follow) in steps {
                elapsed += Duration::from_millis(pause);
                take(&mut senders, source(number), &vec![7; len], len + 1, epoch + elapsed);
                (datagrams, bytes) = (datagrams + 1, bytes + len as u64 + 1);
                if follow {
                    senders.follow(Some(source(number)));
                }
                prop_assert_eq!(sum(&senders), Count { datagrams, bytes });
                prop_assert_eq!(senders.counted(), Count { datagrams, bytes });
                prop_assert!(senders.len() <= limit && senders.index.len() == senders.len());
                for (number, row) in senders.rows.iter().enumerate() {
                    prop_assert_eq!(senders.row_of(row.source), Some(number));
                }
            }
            let mut copy = senders.begin_copy();
            for start in (0..senders.len()).step_by(3) {
                senders.copy(start..start + 3, &mut copy);
            }
            prop_assert_eq!(sum(&copy), senders.counted());
            prop_assert_eq!(order(&copy, Column::Bytes, epoch), order(&senders, Column::Bytes, epoch));
        }
    }

    #[test]
    fn a_million_senders_cost_no_more_than_the_table() {
        let epoch = epoch();
        let mut senders = Senders::new(epoch);
        for number in 0..1_000_000_u32 {
            let source = SocketAddr::from((std::net::Ipv4Addr::from_bits(number), 9));
            take(&mut senders, source, &[0; 3000], 3000, epoch);
        }
        assert_eq!((senders.len(), senders.index.len()), (MAX_SENDERS, MAX_SENDERS));
        assert_eq!(senders.others().count.datagrams, 1_000_000 - MAX_SENDERS as u64);
        assert_eq!(sum(&senders), senders.counted());
        let samples = senders.rows.iter().filter_map(|row| row.samples.as_ref());
        let kept: usize = samples.flatten().map(|sample| sample.payload.capacity()).sum();
        let rows = senders.rows.capacity() * size_of::<Row>();
        let index = senders.index.capacity() * (size_of::<(SocketAddr, usize)>() + 1) * 8 / 7;
        assert!(kept <= SAMPLED * SAMPLES * SAMPLE_LEN);
        assert!(rows + index + SAMPLED * SAMPLES * (SAMPLE_LEN + size_of::<Sample>()) <= 40_000_000, "{rows} {index}");
    }

    #[test]
    fn a_silent_sender_gives_its_row_up_and_a_followed_one_does_not() {
        let epoch = epoch();
        let mut senders = Senders::with_limit(epoch, 2);
        take(&mut senders, source(1), b"a", 1, epoch);
        take(&mut senders, source(2), b"b", 1, epoch);
        senders.follow(Some(source(1)));
        let soon = epoch + SILENT - Duration::from_millis(1);
        take(&mut senders, source(3), b"c", 1, soon);
        assert_eq!(senders.row_of(source(3)), None, "nobody has been silent for long enough");
        assert_eq!(senders.others(), Others { count: Count { datagrams: 1, bytes: 1 }, given_up: 0 });
        take(&mut senders, source(3), b"c", 1, epoch + SILENT);
        assert!(senders.row_of(source(3)).is_some() && senders.row_of(source(2)).is_none());
        assert_eq!(senders.others(), Others { count: Count { datagrams: 2, bytes: 2 }, given_up: 1 });
        take(&mut senders, source(4), b"d", 1, epoch + 2 * SILENT - Duration::from_millis(1));
        assert!(senders.row_of(source(1)).is_some(), "it is looked at");
        assert_eq!(senders.counted().datagrams, 5);
    }

    #[test]
    fn a_row_knows_what_its_sender_did() {
        let epoch = epoch();
        let at = |milliseconds| epoch + Duration::from_millis(milliseconds);
        let mut senders = Senders::new(epoch);
        take(&mut senders, source(1), b"first", 5, at(100));
        take(&mut senders, source(1), &[b'x'; 100], 200, at(400));
        take(&mut senders, source(1), b"", 0, at(600));
        // The kernel's clock may be set back.
        take(&mut senders, source(1), b"late", 4, at(50));
        let line = senders.line(0, at(1600)).unwrap();
        assert_eq!((line.count, line.truncated), (Count { datagrams: 4, bytes: 209 }, 1));
        assert_eq!((line.longest_gap, line.since_last), (Duration::from_millis(300), Duration::from_secs(1)));
        assert_eq!((line.since_first, line.excerpt.bytes()), (Duration::from_millis(1500), &b"late"[..]));
        assert_eq!(line.series.last(), Some(&4));
        let samples = senders.samples(0);
        assert_eq!(samples.iter().map(|sample| sample.arrival.wire_len).collect::<Vec<_>>(), [4, 0, 200, 5]);
        assert_eq!(samples[2].payload, [b'x'; 100]);
    }

    #[test]
    fn the_last_sixteen_datagrams_are_kept_and_as_much_of_each_as_fits() {
        let epoch = epoch();
        let mut senders = Senders::new(epoch);
        for number in 0..20 {
            take(&mut senders, source(1), &vec![number; 2040 + usize::from(number)], 2040 + usize::from(number), epoch);
        }
        let samples = senders.samples(0);
        assert_eq!(samples.len(), SAMPLES);
        for (place, sample) in samples.iter().enumerate() {
            let len = 2040 + 19 - place;
            assert_eq!((sample.arrival.wire_len, sample.payload.len()), (len, len.min(SAMPLE_LEN)));
        }
    }

    #[test]
    fn a_sender_past_the_sampled_ones_has_samples_while_it_is_followed() {
        let epoch = epoch();
        let mut senders = Senders::new(epoch);
        let late = u16::try_from(SAMPLED).unwrap() + 1;
        for number in 0..=late {
            take(&mut senders, source(number), &[1; 100], 100, epoch);
        }
        let row = usize::from(late);
        assert_eq!(senders.samples(row)[0].payload, [1; EXCERPT_LEN], "what its row shows anyway");
        senders.follow(Some(source(late)));
        take(&mut senders, source(late), &[2; 100], 100, epoch);
        assert_eq!(senders.samples(row).len(), 1);
        assert_eq!(senders.samples(row)[0].payload, [2; 100]);
        senders.follow(None);
        assert!(senders.rows[row].samples.is_none() && senders.rows[0].samples.is_some());
        assert!(senders.samples(usize::MAX).is_empty());
    }

    #[test]
    fn senders_stand_in_the_order_of_each_column() {
        let epoch = epoch();
        let at = |milliseconds| epoch + Duration::from_millis(milliseconds);
        let mut senders = Senders::new(epoch);
        take(&mut senders, source(3), &[0; 900], 900, at(0));
        for number in 0..5 {
            take(&mut senders, source(1), &[0; 10], 10, at(number * 100));
        }
        take(&mut senders, source(2), &[0; 500], 500, at(3000));
        take(&mut senders, source(2), &[0; 500], 500, at(4200));
        let cases = [
            (Column::Source, [1, 2, 3]),
            (Column::Datagrams, [1, 2, 3]),
            (Column::Bytes, [2, 3, 1]),
            (Column::SinceLast, [2, 1, 3]),
            (Column::LongestGap, [2, 1, 3]),
            (Column::Rate, [2, 3, 1]),
        ];
        for (column, expected) in cases {
            assert_eq!(order(&senders, column, at(4500)), expected, "{column:?}");
        }
        let v6 = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 7));
        take(&mut senders, v6, b"", 0, at(4500));
        assert_eq!(order(&senders, Column::Source, at(4500)).len(), 4);
    }
}
