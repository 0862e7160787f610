//! What a datagram is to the verb that prints it.

use udpkit::ReplyTo;

/// What a datagram is to the verb that prints it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role<'a> {
    /// It was listened for, and came after the kernel had dropped this many at the same socket.
    Received { dropped_before: u32 },
    /// It was a question, and had this reply.
    Answered { reply: &'a [u8] },
    /// It was an answer to something that we sent.
    Reply { to: ReplyTo },
}
