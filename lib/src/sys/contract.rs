//! What a backend is handed: memory to receive into, and datagrams to send.

use crate::datagram::{Entry, Message, SendFailure};

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

/// What a backend sends.
pub(crate) struct Outgoing<'a> {
    /// The payloads of all entries.
    pub(crate) bytes: &'a mut [u8],
    pub(crate) entries: &'a [Entry],
    /// Where the backend records what could not be sent.
    pub(crate) failures: &'a mut Vec<SendFailure>,
}
