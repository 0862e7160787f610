//! What a backend is handed: memory to receive into, and datagrams to send.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::atomic::{AtomicBool, AtomicUsize};

use crate::datagram::{Entry, Message, SendFailure};
use crate::options::Capabilities;
use crate::send_times::SendTimes;

/// The most runs of datagrams that one system call sends.
pub(crate) const SEND_SLOTS: usize = 64;

/// Where a backend puts what it receives: message by message, each payload in the slot of its place.
pub(crate) struct Slots<'a> {
    /// The slots, one after another.
    pub(crate) payloads: &'a mut [u8],
    /// Bytes of a slot.
    pub(crate) slot_len: usize,
    /// Empty at first.
    pub(crate) messages: &'a mut Vec<Message>,
}

/// What a receive call gave besides the payload.
pub(crate) struct Came {
    /// Bytes of payload in the slot.
    pub(crate) len: usize,
    /// Whether there were more than the slot took.
    pub(crate) is_truncated: bool,
    /// Who sent it.
    pub(crate) source: Option<SocketAddr>,
    /// Bytes of control messages.
    pub(crate) control: usize,
}

/// What a backend sends.
pub(crate) struct Outgoing<'a> {
    /// The payloads of all entries.
    pub(crate) bytes: &'a mut [u8],
    /// What is sent; what is left where the buffer was full and nothing may wait.
    pub(crate) entries: &'a mut Vec<Entry>,
    /// Where the backend records what could not be sent.
    pub(crate) failures: &'a mut Vec<SendFailure>,
    /// Whether the socket is one of both families, which knows IPv4 addresses as IPv4-mapped ones.
    pub(crate) dual_stack: bool,
    /// The address that the socket is bound to; the unspecified one if it is bound to none.
    pub(crate) bound: IpAddr,
    /// The traffic class that the socket gives to what it sends.
    pub(crate) traffic_class: u8,
    /// Where send times are asked for.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "Linux alone has send times"))]
    pub(crate) times: Option<Places<'a>>,
}

/// From a batch's entries to what a socket knows of its datagrams.
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "Linux alone has send times"))]
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    pub(crate) times: &'a SendTimes,
    /// What is added to an entry's place, modulo 2^64.
    pub(crate) shift: u64,
}

/// The address as a socket knows it.
pub(crate) fn address_at(dual_stack: bool, address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if dual_stack => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into(),
        address => address,
    }
}

/// What a socket's system turned out to refuse: lowered at a refusal, never raised.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Datagrams longer than this are not sent as trains; zero where trains are impossible.
    pub(crate) train: AtomicUsize,
    /// Whether many messages go in one system call.
    pub(crate) batches: AtomicBool,
}

impl Limits {
    /// None but those that are known when the socket is opened.
    pub(crate) fn new(capabilities: &Capabilities) -> Self {
        let train = if capabilities.segmentation { usize::MAX } else { 0 };
        Self { train: AtomicUsize::new(train), batches: AtomicBool::new(capabilities.batches) }
    }
}
