//! What `reflect` is asked for, and what may be handed to it while it runs.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::common::Limits;
use crate::conduct::Conduct;
use crate::options::Options;
use crate::setters::setters;
use crate::stamp::{ErrorEstimate, Key, TimestampFormat};

/// How long a reply waits while the socket or the device can take no more.
const REPLY_WAIT: Duration = Duration::from_millis(5);

/// What `reflect` is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReflectOptions {
    /// The addresses of the sockets that it is driven with.
    pub own: Vec<SocketAddr>,
    /// Names of the interfaces whose requests are answered; all where there are none.
    pub interfaces: Vec<String>,
    /// For each socket, the only destination answered there, if it hears others too.
    pub destinations: Vec<Option<IpAddr>>,
    /// The guards that decide who gets a reply. A reply is never longer than its request, whatever they say, but for
    /// [`twamp_light`](Self::twamp_light).
    pub conduct: Conduct,
    /// Time to live or hop limit of replies; 255 by default (RFC 5357 section 4.2), so that a sender knows how many hops there are. A
    /// request that may be a reply itself is answered with [`Conduct::hop_limit`] at most, and fewer than it had left.
    pub hop_limit: u8,
    /// Where there is a key, only requests with a digest that verifies are answered.
    pub keys: ReflectKeys,
    /// Whether to answer requests of 14 to 43 bytes, as TWAMP Light's senders send them, with 44.
    pub twamp_light: bool,
    /// The most sessions at a time; for another, the one of which nothing came for the longest time is forgotten. 65,536 by default.
    pub most_sessions: usize,
    /// How long a session is remembered of which nothing comes; more than zero. 15 minutes by default (REFWAIT, RFC 5357, section 4.2).
    pub idle: Duration,
    /// The most replies per second, to all together; `None` is no limit.
    pub max_rate: Option<u32>,
    /// What replies say of this host's clock, and how times are written in them. Not synchronised, and in NTP's format, by default.
    pub clock_error: ErrorEstimate,
    /// Whether to ask the kernel when each reply left, for those who ask (Follow-Up Telemetry). A reply then costs about twice as much.
    pub send_times: bool,
    /// The number of replies or the time after which to end.
    pub limits: Limits,
    /// Whether to tell of each reply ([`Event::Answered`](crate::Event::Answered)).
    pub verbose: bool,
}

setters! { ReflectOptions {
    into own: Vec<SocketAddr>,
    into interfaces: Vec<String>,
    into destinations: Vec<Option<IpAddr>>,
    conduct: Conduct,
    hop_limit: u8,
    keys: ReflectKeys,
    twamp_light: bool,
    most_sessions: usize,
    idle: Duration,
    into max_rate: Option<u32>,
    clock_error: ErrorEstimate,
    send_times: bool,
    limits: Limits,
    verbose: bool,
}}

impl ReflectOptions {
    /// Answers everybody, with every guard on.
    #[must_use]
    pub fn new(own: Vec<SocketAddr>) -> Self {
        Self {
            own,
            interfaces: Vec::new(),
            destinations: Vec::new(),
            conduct: Conduct::default(),
            hop_limit: 255,
            keys: ReflectKeys::default(),
            twamp_light: false,
            most_sessions: 65_536,
            idle: Duration::from_secs(900),
            max_rate: None,
            clock_error: ErrorEstimate::unsynchronized(TimestampFormat::Ntp),
            send_times: false,
            limits: Limits::default(),
            verbose: false,
        }
    }

    /// What the sockets must be asked for: the guards need some of it, and figures are as true as the times are.
    #[must_use]
    pub fn socket_options(&self) -> Options {
        Options {
            timestamps: true,
            hop_limits: true,
            hop_limit: Some(self.hop_limit),
            traffic_classes: true,
            send_timestamps: self.send_times,
            // Each request has its own time of arrival, and each reply leaves by itself.
            coalesce: false,
            singly: true,
            send_wait: REPLY_WAIT,
            ..self.conduct.socket_options()
        }
    }
}

/// The keys of a reflector: one for all sessions, or one for each session identifier.
///
/// ```
/// use udpkit::stamp::Key;
/// use udpkit::verbs::ReflectKeys;
///
/// let keys = ReflectKeys::default().with(7, Key::new(b"known to the sender of session 7"));
/// assert!(keys.of(7).is_some() && keys.of(8).is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReflectKeys {
    any: Option<Key>,
    by_ssid: BTreeMap<u16, Key>,
}

impl ReflectKeys {
    /// With a key for all sessions whose identifier has none.
    #[must_use]
    pub fn with_any(self, key: Key) -> Self {
        Self { any: Some(key), ..self }
    }

    /// With a key for sessions of this identifier.
    #[must_use]
    pub fn with(mut self, ssid: u16, key: Key) -> Self {
        self.by_ssid.insert(ssid, key);
        self
    }

    /// The key of sessions with this identifier.
    #[must_use]
    pub fn of(&self, ssid: u16) -> Option<&Key> {
        self.by_ssid.get(&ssid).or(self.any.as_ref())
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_ssid.len() + usize::from(self.any.is_some())
    }

    /// Whether there is no key: everybody is answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a program may hand to [`Reflect`](super::Reflect) while it runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReflectInput {
    /// The keys from now on. Sessions go on; those whose key is another now are answered where their requests are made with that.
    Keys(ReflectKeys),
}
