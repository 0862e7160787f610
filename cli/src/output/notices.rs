//! What every verb may have to say: where it listens, and what the library tells as it happens.

use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use serde::{Serialize, Serializer};
use udpkit::event::{self, Refusal};
use udpkit::{Cause, ErrorKind, Meta, Reason, SendFailure, SignedNanoseconds, Transmit, Unreachable};

use super::json;
use super::notice::{Notice, Tone};
use crate::hint;
use crate::words::endpoint::{self, Endpoint};
use crate::words::units;

/// Where datagrams are waited for.
#[derive(Serialize)]
pub(crate) struct ListeningOn<'a> {
    #[serde(serialize_with = "endpoints")]
    pub(crate) addresses: &'a [SocketAddr],
    /// What is done there.
    #[serde(skip)]
    pub(crate) what: &'static str,
}

impl Notice for ListeningOn<'_> {
    fn kind(&self) -> Option<&'static str> {
        Some("listening")
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn words(&self) -> Vec<String> {
        vec![format!("{} on {}", self.what, endpoint::list(self.addresses))]
    }
}

/// Where metrics are served.
#[derive(Serialize)]
pub(crate) struct MetricsServed<'a> {
    #[serde(serialize_with = "endpoints")]
    pub(crate) addresses: &'a [SocketAddr],
}

impl Notice for MetricsServed<'_> {
    fn kind(&self) -> Option<&'static str> {
        Some("metrics")
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn words(&self) -> Vec<String> {
        self.addresses.iter().map(|address| format!("metrics at http://{}/metrics", Endpoint(*address))).collect()
    }
}

/// Addresses in JSON.
pub(crate) fn endpoints<S: Serializer>(addresses: &[SocketAddr], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(addresses.iter().map(|address| Endpoint(*address)))
}

/// How much was not shown one by one, since there was more than anybody reads.
#[derive(Serialize)]
pub(crate) struct NotShown {
    pub(crate) count: u64,
    /// What there was more of.
    #[serde(skip)]
    pub(crate) what: &'static str,
}

impl Notice for NotShown {
    fn kind(&self) -> Option<&'static str> {
        Some("not_shown")
    }

    fn words(&self) -> Vec<String> {
        vec![format!("{} more {}, not shown one by one", self.count, self.what)]
    }
}

/// How many lines were left out since their reader did not read.
#[derive(Serialize)]
pub(super) struct Unread {
    pub(super) count: u64,
}

impl Notice for Unread {
    fn kind(&self) -> Option<&'static str> {
        Some("not_shown")
    }

    fn words(&self) -> Vec<String> {
        vec![format!("{} not shown: the reader stalled", units::counted(self.count, "line"))]
    }

    fn tone(&self) -> Tone {
        Tone::Complaint
    }
}

/// Where a notice stands among those of its kind, of which only so many are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    Earlier,
    Last,
    /// It is only counted.
    TooLate,
}

impl Telling {
    /// The words of a line that may be the last of its kind.
    fn line(self, words: String) -> Vec<String> {
        match self {
            Self::Earlier => vec![words],
            Self::Last => vec![words + "; more of these are only counted"],
            Self::TooLate => Vec::new(),
        }
    }
}

/// From when to when something happened that is printed once for all the times.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Span {
    pub(super) first_time: String,
    pub(super) last_time: String,
}

impl Span {
    /// `99 more from 12:00:00.0 to 12:00:59.0`
    fn words(&self, count: u64) -> String {
        let Self { first_time, last_time } = self;
        match first_time == last_time {
            true => format!("{count} more at {first_time}"),
            false => format!("{count} more from {first_time} to {last_time}"),
        }
    }
}

/// A datagram was sent.
#[derive(Serialize)]
pub(super) struct Sent<'a> {
    #[serde(flatten, serialize_with = "json::destination")]
    destination: Endpoint,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<&'a str>,
    request: u64,
    retry: u32,
    length: usize,
}

impl<'a> Sent<'a> {
    pub(super) fn new(transmit: &Transmit, interface: Option<&'a str>, len: usize, request: u64, retry: u32) -> Self {
        Self { destination: Endpoint(transmit.destination), interface, request, retry, length: len }
    }
}

impl Notice for Sent<'_> {
    fn kind(&self) -> Option<&'static str> {
        Some("sent")
    }

    fn words(&self) -> Vec<String> {
        let Self { destination, interface, request, retry, length } = *self;
        let by = interface.map(|name| format!(" by {name}")).unwrap_or_default();
        let again = if retry > 0 { format!(" (retry {retry})") } else { String::new() };
        vec![format!("sent #{request} to {destination}{by}: {length} B{again}")]
    }
}

/// A request got no answer.
#[derive(Serialize)]
pub(super) struct Unanswered {
    #[serde(flatten, serialize_with = "json::destination")]
    destination: Endpoint,
    /// Whether words name the destination.
    #[serde(skip)]
    is_named: bool,
    /// The request, where it is certain.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<u64>,
    /// Otherwise the first and the last of those of which one has no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<[u64; 2]>,
    #[serde(skip)]
    telling: Telling,
}

impl Unanswered {
    pub(super) fn new(unanswered: event::Unanswered, telling: Telling, is_named: bool) -> Self {
        let event::Unanswered { destination, first, last, .. } = unanswered;
        let is_certain = first == last;
        Self {
            destination: Endpoint(destination),
            is_named,
            request: Some(first).filter(|_| is_certain),
            requests: Some([first, last]).filter(|_| !is_certain),
            telling,
        }
    }
}

impl Notice for Unanswered {
    fn kind(&self) -> Option<&'static str> {
        Some(if self.requests.is_some() { "possibly_unanswered" } else { "unanswered" })
    }

    fn words(&self) -> Vec<String> {
        let from = if self.is_named { format!(" from {}", self.destination) } else { String::new() };
        self.telling.line(match (self.request, self.requests) {
            (None, Some([first, last])) => format!("no answer{from}, it seems, to one of #{first} to #{last}"),
            (request, _) => format!("no answer{from} to #{}", request.unwrap_or_default()),
        })
    }
}

/// Datagrams of one source were received and not used.
#[derive(Serialize)]
pub(super) struct Ignored {
    #[serde(flatten, serialize_with = "json::source")]
    source: Endpoint,
    #[serde(serialize_with = "reason_key")]
    reason: Reason,
    count: u64,
    #[serde(flatten)]
    span: Option<Span>,
    #[serde(skip)]
    time: Option<SystemTime>,
}

impl Ignored {
    pub(super) fn new(meta: &Meta, reason: Reason, count: usize) -> Self {
        Self { source: Endpoint(meta.source), reason, count: count as u64, span: None, time: meta.received }
    }

    /// So many more of a source's network.
    pub(super) fn again(source: SocketAddr, reason: Reason, count: u64, span: Span) -> Self {
        Self { source: Endpoint(source), reason, count, span: Some(span), time: None }
    }
}

impl Notice for Ignored {
    fn kind(&self) -> Option<&'static str> {
        Some("ignored")
    }

    fn words(&self) -> Vec<String> {
        let Self { source, reason, count, .. } = self;
        vec![match &self.span {
            None => format!("ignored {count} from {source}: {reason}"),
            Some(span) => format!("ignored from the network of {source}: {reason}: {}", span.words(*count)),
        }]
    }

    fn time(&self) -> Option<SystemTime> {
        self.time
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn reason_key<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.key())
}

/// A datagram of ours was refused.
#[derive(Serialize)]
pub(super) struct Refused {
    #[serde(flatten, serialize_with = "json::destination")]
    destination: Endpoint,
    reporter: Option<IpAddr>,
    /// The request that was refused, where that is certain.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<u64>,
    /// Whether the same refusal came before.
    #[serde(skip_serializing_if = "json::is_false")]
    copy: bool,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu_bytes: Option<u32>,
    cause: String,
    count: u64,
    #[serde(flatten)]
    span: Option<Span>,
    #[serde(skip)]
    hint: Option<String>,
}

impl Refused {
    /// With advice, if it is the only thing that there is to say.
    pub(super) fn new(refusal: Refusal<'_>, is_advised: bool) -> Self {
        let Refusal { request, copy, .. } = refusal;
        let Unreachable { destination, reporter, cause, .. } = *refusal.unreachable;
        let mtu_bytes = match cause {
            Cause::TooBig { mtu } if mtu > 0 => Some(mtu),
            _ => None,
        };
        let hint = match mtu_bytes {
            Some(mtu) => Some(hint::of_mtu(destination.ip(), mtu)),
            // A router or firewall that says it for the host knows less.
            None => (is_advised && cause == Cause::Port && reporter.is_none_or(|ip| ip == destination.ip()))
                .then(|| format!("nothing listens on UDP port {} there", destination.port())),
        };
        let destination = Endpoint(destination);
        let (reason, cause) = (cause.key(), cause.to_string());
        Self { destination, reporter, request, copy, reason, mtu_bytes, cause, count: 1, span: None, hint }
    }

    /// So many more.
    pub(super) fn again(unreachable: &Unreachable, count: u64, span: Span) -> Self {
        Self { count, span: Some(span), ..Self::new(Refusal::new(unreachable, None, false), false) }
    }
}

impl Notice for Refused {
    fn kind(&self) -> Option<&'static str> {
        Some("unreachable")
    }

    fn words(&self) -> Vec<String> {
        let Self { destination, reporter, cause, .. } = self;
        let reporter = reporter.map(|ip| format!(" (says {ip})")).unwrap_or_default();
        let again = self.span.as_ref().map(|span| format!(": {}", span.words(self.count))).unwrap_or_default();
        vec![format!("cannot reach {destination}: {cause}{reporter}{again}")]
    }

    fn tone(&self) -> Tone {
        Tone::Complaint
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// Something could not be sent.
#[derive(Serialize)]
pub(super) struct NotSent {
    #[serde(flatten, serialize_with = "json::destination")]
    destination: Endpoint,
    count: u64,
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu_bytes: Option<u32>,
    #[serde(flatten)]
    span: Option<Span>,
    #[serde(skip)]
    hint: Option<String>,
}

impl NotSent {
    pub(super) fn new(failure: &SendFailure) -> Self {
        let Transmit { destination, interface, .. } = failure.transmit;
        let mtu_bytes =
            (failure.kind() == ErrorKind::TooLong).then(|| udpkit::path_mtu(destination, interface)).flatten();
        let (error, hint) = match mtu_bytes {
            Some(mtu) => (Cause::TooBig { mtu }.to_string(), Some(hint::of_mtu(destination.ip(), mtu))),
            None => (udpkit::reason(&failure.error), hint::of_send_error(failure.kind(), &failure.error)),
        };
        Self { destination: Endpoint(destination), count: failure.count as u64, error, mtu_bytes, span: None, hint }
    }

    /// Why, in words.
    pub(super) fn error(self) -> String {
        self.error
    }

    /// So many more to a destination's network.
    pub(super) fn again(destination: SocketAddr, error: String, count: u64, span: Span) -> Self {
        Self { destination: Endpoint(destination), count, error, mtu_bytes: None, span: Some(span), hint: None }
    }
}

impl Notice for NotSent {
    fn kind(&self) -> Option<&'static str> {
        Some("send_failed")
    }

    fn words(&self) -> Vec<String> {
        let Self { destination, error, .. } = self;
        vec![match &self.span {
            None => format!("cannot send to {destination}: {error}"),
            Some(span) => format!("cannot send to the network of {destination}: {error}: {}", span.words(self.count)),
        }]
    }

    fn tone(&self) -> Tone {
        Tone::Complaint
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// The kernel dropped datagrams at our sockets.
#[derive(Serialize)]
pub(super) struct Dropped {
    pub(super) new: u64,
    pub(super) total: u64,
}

impl Notice for Dropped {
    fn kind(&self) -> Option<&'static str> {
        Some("dropped")
    }

    fn words(&self) -> Vec<String> {
        let Self { new, total } = self;
        vec![format!("dropped by the kernel: {new} ({total} in all): the receive buffer is full")]
    }
}

/// A socket that had broken was opened again.
#[derive(Serialize)]
pub(crate) struct Reopened {
    pub(crate) address: Endpoint,
}

impl Notice for Reopened {
    fn kind(&self) -> Option<&'static str> {
        Some("reopened")
    }

    fn words(&self) -> Vec<String> {
        vec![format!("waiting for datagrams on {} again", self.address)]
    }
}

/// The system's clock was set.
#[derive(Serialize)]
pub(crate) struct ClockStepped {
    by_ns: i64,
}

impl ClockStepped {
    pub(crate) fn new(by: SignedNanoseconds) -> Self {
        Self { by_ns: by.0 }
    }
}

impl Notice for ClockStepped {
    fn kind(&self) -> Option<&'static str> {
        Some("clock_stepped")
    }

    fn words(&self) -> Vec<String> {
        let direction = if self.by_ns < 0 { "back" } else { "forward" };
        let size = units::human(SignedNanoseconds(self.by_ns).size());
        vec![format!("the system's clock was set {direction} by {size}: times before and after that do not compare")]
    }
}

/// Something went wrong that does not end the run.
#[derive(Serialize)]
pub(super) struct Trouble {
    error: String,
    #[serde(skip)]
    hint: Option<String>,
}

impl Trouble {
    pub(super) fn new(error: &udpkit::Error) -> Self {
        Self { error: endpoint::of_error(error), hint: hint::of_system_error(error) }
    }
}

impl Notice for Trouble {
    fn kind(&self) -> Option<&'static str> {
        Some("trouble")
    }

    fn words(&self) -> Vec<String> {
        vec![self.error.clone()]
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}
