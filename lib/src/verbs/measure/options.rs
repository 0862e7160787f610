//! What `measure` is asked for.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::requests::Pace;
use super::load_options::LoadOptions;
use crate::datagram::{Transmit, max_payload};
use crate::error::{Attempt, Error, Result};
use crate::options::Options;
use crate::setters::setters;
use crate::stamp::{AUTHENTICATED_LEN, BASE_LEN, Key, TimestampFormat};

/// Octets before the value of an extension.
pub(super) const HEADER: usize = 4;
/// What the counters take.
pub(super) const COUNTERS_LEN: usize = HEADER + 72;
/// What they take more where they have the load.
pub(super) const LOAD_LEN: usize = 8;
/// What the class of service takes.
pub(super) const CLASS_LEN: usize = HEADER + 4;
/// What the digest of the extensions takes.
pub(super) const DIGEST_LEN: usize = HEADER + 16;

/// What [`Measure`](super::Measure) is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MeasureOptions {
    /// The reflector.
    pub target: SocketAddr,
    /// The addresses of the sockets that it is driven with: a flow each, with a session of its own at the reflector. With a
    /// [load](field@Self::load), one more, the last, is that of the load.
    pub own: Vec<SocketAddr>,
    /// How fast probes follow one another, all flows together; the rate is [`MOST_RATE`](Self::MOST_RATE) at most.
    pub pace: Pace,
    /// Whether the time between probes is random, exponentially distributed around what the pace says (RFC 3432 has the alternative; RFC
    /// 2330 section 11.1.1 this).
    pub poisson: bool,
    /// Probes that are sent at once, one right after another; one at least.
    pub burst: u32,
    /// Bytes of payload of the probes, in turn; where there are none, as few as hold everything that can be measured
    /// ([`full_size`](Self::full_size)). Those that are shorter than a probe can be are as short as it can be.
    pub sizes: Vec<usize>,
    /// Probes to send; `None`: as many as the time allows.
    pub count: Option<u64>,
    /// How long to send; `None`: until `count` is reached, or the program ends it ([`MeasureInput::Finish`](super::MeasureInput)).
    pub duration: Option<Duration>,
    /// How long a reply may take: a probe without one by then is lost (RFC 7680 section 2.4, the threshold). More than zero.
    pub wait: Duration,
    /// The session's identifier (RFC 8972 section 3); 0: none.
    pub ssid: u16,
    /// With which probes are authenticated, and replies checked.
    pub key: Option<Key>,
    /// In which format our times are sent.
    pub format: TimestampFormat,
    /// By how much our clock may be off UTC, as probes say it; `None`: unknown.
    pub clock_error: Option<Duration>,
    /// Traffic class of probes, DSCP and ECN; the reflector is asked to answer with this DSCP.
    pub traffic_class: u8,
    /// Time to live or hop limit of probes. 255 by default, so that the reflector knows how many hops there are.
    pub hop_limit: u8,
    /// How long before a probe is due to watch the clock instead of sleeping. With a tenth of a millisecond it leaves
    /// within a microsecond of its time, which costs up to a whole processor; without, some 50 microseconds late.
    pub busy_wait: Duration,
    /// Whether round trips are measured from the time at which the kernel handed a probe to its device. It costs some 2 µs of
    /// processor time a probe. Linux only.
    pub send_timestamps: bool,
    /// Whether to report what became of each probe ([`Event::Probe`](crate::Event::Probe)).
    pub report_probes: bool,
    /// What the random times are made of.
    pub seed: u64,
    /// A load beside the probes of the second half. Its socket is the last of `own`.
    pub load: Option<LoadOptions>,
}

setters! { MeasureOptions {
    target: SocketAddr,
    into own: Vec<SocketAddr>,
    pace: Pace,
    poisson: bool,
    burst: u32,
    into sizes: Vec<usize>,
    into count: Option<u64>,
    into duration: Option<Duration>,
    wait: Duration,
    ssid: u16,
    into key: Option<Key>,
    format: TimestampFormat,
    into clock_error: Option<Duration>,
    traffic_class: u8,
    hop_limit: u8,
    busy_wait: Duration,
    send_timestamps: bool,
    report_probes: bool,
    seed: u64,
    into load: Option<LoadOptions>,
}}

impl MeasureOptions {
    /// Flows at most.
    pub const MOST_FLOWS: usize = 1024;
    /// Probes a second at most.
    pub const MOST_RATE: u64 = 10_000_000;
    /// Probes that can wait for a reply at a time: what is sent within the wait must be fewer.
    pub const MOST_WAITING: u64 = 1 << 22;

    /// Ten seconds of a hundred probes a second, of which each may take a second.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            own: Vec::new(),
            pace: Pace::Rate(100.0),
            poisson: false,
            burst: 1,
            sizes: Vec::new(),
            count: None,
            duration: Some(Duration::from_secs(10)),
            wait: Duration::from_secs(1),
            ssid: 0,
            key: None,
            format: TimestampFormat::Ntp,
            clock_error: None,
            traffic_class: 0,
            hop_limit: 255,
            busy_wait: Duration::ZERO,
            send_timestamps: false,
            report_probes: false,
            seed: 1,
            load: None,
        }
    }

    /// What its sockets must be asked for.
    #[must_use]
    pub fn socket_options(&self) -> Options {
        Options {
            destination: true,
            timestamps: true,
            hop_limits: true,
            traffic_classes: true,
            errors: true,
            send_timestamps: self.send_timestamps,
            // A train would leave as one, and have one time.
            singly: true,
            ..Options::default()
        }
    }

    /// Bytes of payload of the shortest probe there is.
    #[must_use]
    pub fn smallest_size(&self) -> usize {
        if self.key.is_some() { AUTHENTICATED_LEN } else { BASE_LEN }
    }

    /// Bytes of payload of the shortest probe that asks for all that a reflector can tell.
    #[must_use]
    pub fn full_size(&self) -> usize {
        let digest = if self.key.is_some() { DIGEST_LEN } else { 0 };
        self.smallest_size() + CLASS_LEN + COUNTERS_LEN + digest
    }

    /// Whether a probe of so many bytes has room to ask for the counters.
    pub(super) fn has_counters(&self, size: usize) -> bool {
        self.has_room(size, COUNTERS_LEN)
    }

    /// Whether a probe of so many bytes has room to ask with which DSCP and ECN it arrived. The counters go first.
    #[must_use]
    pub fn has_class_of_service(&self, size: usize) -> bool {
        let counters = if self.has_counters(size) { COUNTERS_LEN } else { 0 };
        self.has_room(size, counters + CLASS_LEN)
    }

    /// Whether extensions of so many octets fit. Padding takes the octets of a header, or there is none.
    fn has_room(&self, size: usize, extensions: usize) -> bool {
        let digest = if self.key.is_some() { DIGEST_LEN } else { 0 };
        let left = size.checked_sub(self.smallest_size() + extensions + digest);
        left.is_some_and(|left| left == 0 || left >= HEADER)
    }

    /// The sizes of probes as they are sent, in turn: bytes of payload, at least one size.
    #[must_use]
    pub fn sizes_sent(&self) -> Vec<usize> {
        let most = max_payload(self.target.ip());
        let sizes = self.sizes.iter().map(|size| (*size).clamp(self.smallest_size(), most)).collect::<Vec<_>>();
        if sizes.is_empty() { vec![self.full_size()] } else { sizes }
    }

    /// Probes that can wait for a reply at a time, about.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was checked")]
    pub(super) fn most_waiting(&self) -> u64 {
        (self.rate() * self.wait.as_secs_f64()).ceil() as u64 + u64::from(self.burst)
    }

    /// How long after the start the load begins: after half of the time that its probes take; `None` without a load, or where nothing
    /// says when the measurement ends.
    #[must_use]
    pub fn load_from(&self) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 probes")]
        let by_count = self.count.and_then(|count| Duration::try_from_secs_f64(count as f64 / self.rate()).ok());
        let length = match (by_count, self.duration) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.load.and(length).map(|length| length / 2)
    }

    /// How many flows of probes there are: sockets, without that of the load.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.own.len().saturating_sub(usize::from(self.load.is_some()))
    }

    /// What is wrong with the load that is asked for.
    pub(super) fn wrong_load(&self) -> Option<&'static str> {
        let load = self.load?;
        let rate = load.rate();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let most = Self::MOST_RATE as f64;
        match () {
            () if !(rate > 0.0 && rate <= most) => Some("a load is sent at up to 10,000,000 datagrams a second"),
            () if load.size < self.full_size() => Some("datagrams of a load are at least as long as a full probe"),
            () if load.size > max_payload(self.target.ip()) => Some("datagrams of a load are longer than any payload"),
            () if self.load_from().is_none() => Some("a load needs a measurement that ends by itself"),
            () => None,
        }
    }

    pub(super) fn transmit(&self) -> Transmit {
        Transmit::to(self.target).hop_limit(self.hop_limit).traffic_class(self.traffic_class)
    }

    /// Whether it can be done at all.
    ///
    /// # Errors
    ///
    /// No flow, or too many; a pace of nothing, or of more than can be; no wait, or one in which more probes are sent than can wait; a
    /// load of nothing, of more than can be, or without an end.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: &str| {
            Err(Error::new(Attempt::Other("measure"), self.target, std::io::Error::other(what.to_owned())))
        };
        if self.flows() == 0 || self.flows() > Self::MOST_FLOWS {
            return wrong("there are 1 to 1,024 flows");
        }
        let rate = self.rate();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let (most_rate, most_waiting) = (Self::MOST_RATE as f64, Self::MOST_WAITING as f64);
        if !(rate > 0.0 && rate <= most_rate) || self.burst == 0 {
            return wrong("probes are sent at up to 10,000,000 a second");
        }
        if self.wait.is_zero() || rate * self.wait.as_secs_f64() > most_waiting {
            return wrong("at most 4,194,304 probes can wait for their replies at a time");
        }
        self.wrong_load().map_or(Ok(()), wrong)
    }

    /// Probes a second; infinite or no number where the pace makes no sense.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "sizes are below 2^16")]
    pub fn rate(&self) -> f64 {
        match self.pace {
            Pace::Interval(interval) => f64::from(self.burst) / interval.as_secs_f64(),
            Pace::Rate(rate) => rate,
            Pace::Bitrate(bitrate) => {
                let sizes = self.sizes_sent();
                bitrate / 8.0 / (sizes.iter().sum::<usize>() as f64 / sizes.len() as f64)
            }
        }
    }
}
