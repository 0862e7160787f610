//! What `udp listen` says besides the datagrams and its account.

use serde::Serialize;
use udpkit::Reason;

use super::buffer::room;
use crate::args::CommonArgs;
use crate::output::{Notice, Remark};

/// Datagrams found no room in our queue.
#[derive(Serialize)]
pub(super) struct QueueFull {
    /// Since the last notice.
    pub(super) new: u64,
    pub(super) total: u64,
}

impl Notice for QueueFull {
    fn kind(&self) -> Option<&'static str> {
        Some("queue_full")
    }

    fn words(&self) -> Vec<String> {
        vec![format!("ignored {} ({} in all): {}", self.new, self.total, Reason::QueueFull)]
    }
}

/// How large the receive buffer is: always where it is less than was asked for, which can cost datagrams.
pub(super) fn receive_buffer(bytes: usize, common: &CommonArgs) -> Option<Remark> {
    if common.recv_buffer.is_some_and(|asked| bytes < asked) {
        let words = "more needs root, or a larger sysctl net.core.rmem_max";
        return Some(Remark::note(format!("receive buffer: {bytes} B; {words}")));
    }
    let words = || format!("receive buffer: {bytes} B, room for some {} short datagrams", room(bytes, 0));
    common.verbose.then(|| Remark::note(words()))
}
