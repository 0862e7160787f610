//! What every verb may have to say: where it listens, and what the library tells as it happens.

use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use serde::{Serialize, Serializer};
use udpkit::{Cause, Meta, Reason, SendFailure, Transmit, Unreachable};

use super::json;
use super::notice::{Notice, Tone};
use crate::hint;
use crate::words::endpoint::{self, Endpoint};

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

    fn words(&self) -> Vec<String> {
        let list: Vec<_> = self.addresses.iter().map(|address| Endpoint(*address).to_string()).collect();
        vec![format!("{} on {}", self.what, list.join(" and "))]
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
    pub(super) request: u64,
    #[serde(skip)]
    pub(super) telling: Telling,
}

impl Notice for Unanswered {
    fn kind(&self) -> Option<&'static str> {
        Some("unanswered")
    }

    fn words(&self) -> Vec<String> {
        self.telling.line(format!("no answer to #{}", self.request))
    }
}

/// Datagrams of one source were received and not used.
#[derive(Serialize)]
pub(super) struct Ignored {
    #[serde(flatten, serialize_with = "json::source")]
    source: Endpoint,
    #[serde(serialize_with = "reason_key")]
    reason: Reason,
    count: usize,
    #[serde(skip)]
    time: Option<SystemTime>,
}

impl Ignored {
    pub(super) fn new(meta: &Meta, reason: Reason, count: usize) -> Self {
        Self { source: Endpoint(meta.source), reason, count, time: meta.received }
    }
}

impl Notice for Ignored {
    fn kind(&self) -> Option<&'static str> {
        Some("ignored")
    }

    fn words(&self) -> Vec<String> {
        vec![format!("ignored {} from {}: {}", self.count, self.source, self.reason)]
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
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu_bytes: Option<u32>,
    cause: String,
    #[serde(skip)]
    telling: Telling,
    #[serde(skip)]
    hint: Option<String>,
}

impl Refused {
    /// With advice, if it is the only thing that there is to say.
    pub(super) fn new(unreachable: &Unreachable, telling: Telling, is_advised: bool) -> Self {
        let Unreachable { destination, reporter, cause, .. } = *unreachable;
        let (reason, mtu_bytes) = match cause {
            Cause::Port => ("port", None),
            Cause::Host => ("host", None),
            Cause::Network => ("network", None),
            Cause::Prohibited => ("prohibited", None),
            Cause::TooBig { mtu } => ("too_big", Some(mtu).filter(|mtu| *mtu > 0)),
            Cause::HopLimit => ("hop_limit", None),
            Cause::Other { .. } => ("other", None),
        };
        let hint = match mtu_bytes {
            Some(mtu) => Some(hint::of_mtu(destination.ip(), mtu)),
            None => (is_advised && cause == Cause::Port)
                .then(|| format!("nothing listens on UDP port {} there", destination.port())),
        };
        let destination = Endpoint(destination);
        Self { destination, reporter, reason, mtu_bytes, cause: cause.to_string(), telling, hint }
    }
}

impl Notice for Refused {
    fn kind(&self) -> Option<&'static str> {
        Some("unreachable")
    }

    fn words(&self) -> Vec<String> {
        let Self { destination, reporter, cause, .. } = self;
        let reporter = reporter.map(|ip| format!(" (says {ip})")).unwrap_or_default();
        self.telling.line(format!("cannot reach {destination}: {cause}{reporter}"))
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
    count: usize,
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu_bytes: Option<u32>,
    #[serde(skip)]
    hint: Option<String>,
}

impl NotSent {
    pub(super) fn new(failure: &SendFailure) -> Self {
        let Transmit { destination, interface, .. } = failure.transmit;
        let mtu_bytes = failure.is_too_long().then(|| udpkit::path_mtu(destination, interface)).flatten();
        let (error, hint) = match mtu_bytes {
            Some(mtu) => (Cause::TooBig { mtu }.to_string(), Some(hint::of_mtu(destination.ip(), mtu))),
            None => (udpkit::reason(&failure.error), hint::of_send_error(&failure.error)),
        };
        Self { destination: Endpoint(destination), count: failure.count, error, mtu_bytes, hint }
    }
}

impl Notice for NotSent {
    fn kind(&self) -> Option<&'static str> {
        Some("send_failed")
    }

    fn words(&self) -> Vec<String> {
        vec![format!("cannot send to {}: {}", self.destination, self.error)]
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
pub(super) struct Reopened {
    pub(super) address: Endpoint,
}

impl Notice for Reopened {
    fn kind(&self) -> Option<&'static str> {
        Some("reopened")
    }

    fn words(&self) -> Vec<String> {
        vec![format!("waiting for datagrams on {} again", self.address)]
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
