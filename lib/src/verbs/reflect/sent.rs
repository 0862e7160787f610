//! Which reply was sent where: for those that fail afterwards, and for the times at which they left.

use std::collections::VecDeque;

use super::sessions::Name;
use crate::socket_id::SocketId;

/// Replies that are remembered for each socket: more than are ever handed to the kernel at once.
const MOST: usize = 4096;

/// A reply that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentReply {
    pub(super) session: Name,
    pub(super) sequence: u32,
    /// Whether it is to a closing question, and so counts in no session.
    pub(super) is_closing: bool,
}

/// The last replies of each socket.
#[derive(Debug, Default)]
pub(super) struct SentReplies {
    /// By the index of the socket: the place of the first, and all from there on.
    sockets: Vec<(u64, VecDeque<SentReply>)>,
}

impl SentReplies {
    /// Takes note of the next reply that is sent through a socket.
    pub(super) fn push(&mut self, via: SocketId, reply: SentReply) {
        if self.sockets.len() <= via.index() {
            self.sockets.resize_with(via.index() + 1, Default::default);
        }
        let (first, replies) = &mut self.sockets[via.index()];
        if replies.len() == MOST {
            replies.pop_front();
            *first += 1;
        }
        replies.push_back(reply);
    }

    /// The reply before which so many were sent through the socket, as long as it is remembered.
    pub(super) fn get(&self, via: SocketId, place: u64) -> Option<SentReply> {
        let (first, replies) = self.sockets.get(via.index())?;
        replies.get(usize::try_from(place.checked_sub(*first)?).ok()?).copied()
    }
}
