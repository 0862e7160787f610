//! What `udp replay` says: its sources, its progress, what it would send, and what became of the capture.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use udpkit::verbs::ReplayFigures;
use udpkit::{Count, Report};

use super::kept::CaptureEntry;
use super::tally::{Omission, Tally};
use crate::output::json::{self, nanoseconds};
use crate::output::summary::{Lateness, Rates, Summary, counts, dropped, ignored};
use crate::output::{Notice, Remark, Tone};
use crate::words::endpoint::Endpoint;
use crate::words::units::{self, counted};
use udpkit_capture::{PacketCounts, Unusable};

/// The socket by which a source sends; people see only those whose port is not that of the capture.
#[derive(Serialize)]
pub(super) struct SourceSocket {
    #[serde(flatten, serialize_with = "json::source")]
    source: Endpoint,
    #[serde(flatten, serialize_with = "json::local")]
    local: Endpoint,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl SourceSocket {
    pub(super) fn new(source: SocketAddr, local: SocketAddr, error: Option<&udpkit::Error>) -> Self {
        let (source, local) = (Endpoint(source), Endpoint(local));
        Self { source, local, error: error.map(|error| udpkit::reason(error.cause())) }
    }
}

impl Notice for SourceSocket {
    fn kind(&self) -> Option<&'static str> {
        Some("sender")
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn words(&self) -> Vec<String> {
        let (source, local) = (self.source, self.local.0.port());
        let line = |reason| format!("{source} sends from port {local}, not {}: {reason}", source.0.port());
        self.error.iter().map(line).collect()
    }
}

/// A datagram would be sent so long after the first.
#[derive(Serialize)]
pub(super) struct Planned {
    at_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    packet: u64,
    #[serde(flatten, serialize_with = "json::source")]
    source: Endpoint,
    #[serde(flatten, serialize_with = "json::captured_destination")]
    captured_destination: Endpoint,
    #[serde(flatten, serialize_with = "json::destination")]
    destination: Endpoint,
    length: usize,
    #[serde(skip)]
    at: Duration,
}

impl Planned {
    pub(super) fn new(entry: &CaptureEntry, file: Option<&String>, at: Duration, destination: SocketAddr) -> Self {
        let CaptureEntry { packet, length, .. } = *entry;
        let [source, captured_destination, destination] = [entry.source, entry.destination, destination].map(Endpoint);
        Self {
            at_ns: nanoseconds(at),
            file: file.cloned(),
            packet,
            source,
            captured_destination,
            destination,
            length,
            at,
        }
    }
}

impl Notice for Planned {
    fn kind(&self) -> Option<&'static str> {
        Some("planned")
    }

    fn words(&self) -> Vec<String> {
        let Self { packet, source, captured_destination: captured, destination, length, at, .. } = self;
        let (seconds, nanoseconds) = (at.as_secs(), at.subsec_nanos());
        let file = of_file(self.file.as_ref());
        vec![format!(
            "+{seconds}.{nanoseconds:09}  #{packet}{file}  {source} -> {captured}  to {destination}  {length} B"
        )]
    }

    fn tone(&self) -> Tone {
        Tone::Data
    }
}

/// The capture that a packet is in, where there are several.
fn of_file(file: Option<&String>) -> String {
    file.map(|file| format!(" of {file}")).unwrap_or_default()
}

/// A datagram cannot be sent.
#[derive(Serialize)]
pub(super) struct Unsendable {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    packet: u64,
    #[serde(flatten, serialize_with = "json::source")]
    source: Endpoint,
    #[serde(flatten, serialize_with = "json::captured_destination")]
    captured_destination: Endpoint,
    length: usize,
    reason: &'static str,
    #[serde(skip)]
    why: Omission,
}

impl Unsendable {
    pub(super) fn new(entry: &CaptureEntry, file: Option<&String>, why: Omission) -> Self {
        let CaptureEntry { packet, length, .. } = *entry;
        let [source, captured_destination] = [entry.source, entry.destination].map(Endpoint);
        Self { file: file.cloned(), packet, source, captured_destination, length, reason: why.key(), why }
    }
}

impl Notice for Unsendable {
    fn kind(&self) -> Option<&'static str> {
        Some("unsendable")
    }

    fn words(&self) -> Vec<String> {
        let Self { packet, source, captured_destination, length, why, .. } = self;
        let file = of_file(self.file.as_ref());
        vec![format!("not sent  #{packet}{file}  {source} -> {captured_destination}  {length} B  {}", why.words())]
    }

    fn tone(&self) -> Tone {
        Tone::Data
    }
}

/// What a replay came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replayed<'a> {
    pub(super) report: &'a Report<ReplayFigures>,
    pub(super) tally: &'a Tally,
    /// What was only listed, if nothing was sent.
    pub(super) planned: Option<Count>,
    /// Whether one socket was asked for.
    pub(super) one_socket: bool,
    /// How long it waited after the last was sent.
    pub(super) waited: Duration,
    pub(super) receive_buffer: usize,
}

/// What a replay has in JSON besides the counters that all verbs have.
#[derive(Serialize)]
pub(super) struct ReplayedObject {
    lateness: Option<Lateness>,
    gaps_shortened: u64,
    times_decreasing: u64,
    clock_steps_back: u64,
    clocks: u64,
    sources_shared: u64,
    capture: CaptureObject,
}

impl Replayed<'_> {
    /// The summary: what was sent, and what became of the capture.
    pub(super) fn summary(&self) -> Summary<ReplayedObject> {
        Summary::new(self.report, self.object(), self.lines())
    }

    /// Datagrams that were tried to be sent, or would have been.
    fn tried(&self) -> u64 {
        let sent = self.planned.unwrap_or(self.report.sent);
        sent.datagrams + self.report.send_failed
    }

    fn lines(&self) -> Vec<String> {
        let Self { report, planned, .. } = *self;
        let mut lines = match planned {
            Some(planned) => {
                vec![format!("{} would be sent ({} B)", counted(planned.datagrams, "datagram"), planned.bytes)]
            }
            None => sent(report, self.waited),
        };
        lines.extend(self.schedule());
        lines.extend(self.capture());
        lines.extend(ignored(report));
        lines.extend(dropped(report, self.receive_buffer));
        lines
    }

    /// What is peculiar about the times.
    fn schedule(&self) -> impl Iterator<Item = String> + use<> {
        let ReplayFigures { gaps_shortened, times_decreasing, sources_shared, clock_steps_back, clocks, .. } =
            self.report.own;
        let shared = if self.one_socket { 0 } else { sources_shared };
        let peculiar = [
            (gaps_shortened, "pauses made shorter (--max-gap)"),
            (times_decreasing, "recorded before the one that they follow: sent with it"),
            (self.tally.without_time, "without a time in the capture: sent with the one that they follow"),
            (shared, "sent by the socket of another source: there are more sources than sockets"),
        ];
        let clocks = match clock_steps_back {
            0 => None,
            steps => Some(format!("  the clock went back {}: {}", units::times(steps), which_clocks(clocks))),
        };
        let peculiar = peculiar.into_iter().filter(|(count, _)| *count > 0);
        clocks.into_iter().chain(peculiar.map(|(count, words)| format!("  {count} {words}")))
    }

    /// What became of what is in the capture.
    fn capture(&self) -> Vec<String> {
        let Tally { readings, counts: found, .. } = self.tally;
        let PacketCounts { packets, datagrams, joined, vxlan, dropped, .. } = found;
        let times = if *readings > 1 { format!(" in {readings} readings") } else { String::new() };
        let joined = match joined {
            0 => String::new(),
            joined => format!(" (put together from {joined} more fragments)"),
        };
        let (packets, datagrams) = (counted(*packets, "packet"), counted(*datagrams, "datagram"));
        let mut lines = vec![format!("capture: {packets}{times}, {datagrams}{joined}")];
        lines.extend(self.tally.unused().map(|(count, _, words)| format!("  {count} not sent: {words}")));
        if let unsent @ 1.. = self.tally.unsent(self.tried()) {
            lines.push(format!("  {unsent} not sent: the run ended first"));
        }
        if *vxlan > 0 {
            lines.push(format!("  {vxlan} of them VXLAN, with a frame in each"));
        }
        lines.extend(self.oversized());
        if *dropped > 0 {
            lines.push(format!("  {dropped} missing: dropped when the capture was made"));
        }
        let offload = self.tally.offload.hint().filter(|_| self.tally.segmented == 0);
        lines.extend(self.tally.hint().into_iter().chain(offload).map(|hint| format!("hint: {hint}")));
        lines
    }

    /// What was longer than links carry, and what was cut.
    fn oversized(&self) -> Option<String> {
        let Tally { offload, segmented, segments_added, .. } = self.tally;
        match (offload.oversized, segmented) {
            (_, 1..) => Some(format!("  {segmented} of them cut into {} (--segment)", segmented + segments_added)),
            (0, 0) => None,
            (oversized, 0) => Some(format!(
                "  {oversized} of them longer than most links carry: several in one, as they were before the sender's network card \
                 cut them (segmentation offload), or jumbo frames"
            )),
        }
    }

    fn object(&self) -> ReplayedObject {
        let own = &self.report.own;
        ReplayedObject {
            lateness: Lateness::of(&own.lateness),
            gaps_shortened: own.gaps_shortened,
            times_decreasing: own.times_decreasing,
            clock_steps_back: own.clock_steps_back,
            clocks: own.clocks,
            sources_shared: own.sources_shared,
            capture: self.capture_object(),
        }
    }

    fn capture_object(&self) -> CaptureObject {
        let Tally { readings, counts: found, without_time, left_out, .. } = self.tally;
        let unusable = Unusable::ALL.iter().map(|why| (why.key(), found.unusable(*why)));
        let left_out = Omission::ALL.iter().map(|why| (why.key(), left_out[*why as usize]));
        CaptureObject {
            readings: *readings,
            packets: found.packets,
            fragments_joined: found.joined,
            unusable: unusable.filter(|(_, count)| *count > 0).collect(),
            datagrams: found.datagrams,
            left_out: left_out.filter(|(_, count)| *count > 0).collect(),
            unsent: self.tally.unsent(self.tried()),
            planned: self.planned.map_or(0, |planned| planned.datagrams),
            without_time: *without_time,
            vxlan: found.vxlan,
            oversized: self.tally.offload.oversized,
            segment_guess: self.tally.offload.guess(),
            segments_added: self.tally.segments_added,
            dropped: found.dropped,
        }
    }
}

/// What the schedule made of a clock that went back.
fn which_clocks(clocks: u64) -> String {
    match clocks {
        0 | 1 => "the schedule continues from there".to_owned(),
        clocks => format!("the capture has {clocks} clocks, or one that was reset; each continues where it left off"),
    }
}

/// The longest pause is long; it comes after so many datagrams.
pub(super) fn long_pause(pause: Duration, before: u64) -> Remark {
    let seconds = Duration::from_secs(pause.as_secs());
    let words = humantime::format_duration(seconds).to_string();
    let words: Vec<_> = words.split(' ').take(2).collect();
    Remark::note(format!(
        "the longest pause takes {}, after {}; --max-gap DURATION makes pauses shorter",
        words.join(" "),
        counted(before, "datagram")
    ))
}

/// What was sent, and how late.
fn sent(report: &Report<ReplayFigures>, waited: Duration) -> Vec<String> {
    let sent = report.sent;
    let parts = [
        (report.delivered, "answers"),
        (report.unreachable, "refused"),
        (report.send_failed, "not sent (the system did not take them)"),
    ];
    let elapsed = units::human(report.elapsed.saturating_sub(waited));
    let mut lines = vec![format!("{} sent ({} B){}, in {elapsed}", sent.datagrams, sent.bytes, counts(&parts))];
    lines.extend(late(&report.own));
    lines
}

/// How late datagrams were sent.
fn late(own: &ReplayFigures) -> Option<String> {
    let lateness = &own.lateness;
    let [median, most, largest] = [lateness.at(0.5), lateness.at(0.99), lateness.largest()].map(units::human);
    (lateness.count() > 0).then(|| format!("  late by {median} (p50), {most} (p99), {largest} (max)"))
}

/// What became of a capture.
#[derive(Serialize)]
struct CaptureObject {
    readings: u64,
    packets: u64,
    fragments_joined: u64,
    unusable: BTreeMap<&'static str, u64>,
    datagrams: u64,
    left_out: BTreeMap<&'static str, u64>,
    unsent: u64,
    planned: u64,
    without_time: u64,
    vxlan: u64,
    oversized: u64,
    segment_guess: Option<usize>,
    segments_added: u64,
    dropped: u64,
}

/// How much of a file was read before anything is sent.
pub(super) fn surveyed(name: &str, percent: u128) -> Remark {
    Remark::status(format!("reading {name}: {percent} %"))
}

/// How far a replay is; of how many datagrams in all, where that is known.
pub(super) fn progress(rates: Rates<'_, ReplayFigures>, total: Option<u64>) -> Remark {
    let report = rates.now;
    let tried = report.sent.datagrams + report.send_failed;
    let mut line = match total {
        Some(total @ 1..) => format!("{} {tried} of {total} sent", bar(tried, total)),
        _ => format!("{tried} sent"),
    };
    line += &format!(", {:.0}/s", rates.sent_per_second());
    if report.own.lateness.count() > 0 {
        let late = [0.5, 0.99].map(|part| units::human(report.own.lateness.at(part)));
        line += &format!(", late p50 {} p99 {}", late[0], late[1]);
    }
    let parts = [(report.send_failed, "not sent"), (report.unreachable, "refused"), (report.delivered, "answers")];
    Remark::status(line + &counts(&parts))
}

/// Places of the bar.
const BAR: usize = 20;

/// `[#####---------------]  25 %,`
fn bar(tried: u64, total: u64) -> String {
    // In 128 bits, since a count may be any number.
    let part = |whole| usize::try_from(u128::from(tried.min(total)) * whole / u128::from(total)).unwrap_or(0);
    let done = part(BAR as u128);
    let (bar, rest) = ("#".repeat(done), "-".repeat(BAR - done));
    format!("[{bar}{rest}] {:>3} %,", part(100))
}
