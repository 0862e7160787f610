//! What `udp listen` says besides the datagrams and its account.

use serde::Serialize;
use udpkit::{Capability, Reason, Socket};

use super::buffer::room;
use crate::args::{CommonArgs, ListenArgs};
use crate::output::{Notice, Remark};
use crate::runtime::missing::{self, Consequence, is_missing};
use crate::runtime::sockets::{Listening, buffer_of};
use crate::words::format::Format;

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
pub(super) fn receive_buffer(sockets: &[Socket], common: &CommonArgs) -> Option<Remark> {
    let bytes = buffer_of(sockets);
    if bytes == 0 || is_missing(sockets, Capability::ReceiveBuffer) {
        return None;
    }
    if common.recv_buffer.is_some_and(|asked| bytes < asked) {
        let words = "more needs root, or a larger sysctl net.core.rmem_max";
        return Some(Remark::note(format!("receive buffer: {bytes} B; {words}")));
    }
    let words = || format!("receive buffer: {bytes} B, room for some {} short datagrams", room(bytes, 0));
    common.verbose.then(|| Remark::note(words()))
}

/// What is different for a listener where something is missing.
pub(super) fn consequences(args: &ListenArgs, listening: &Listening) -> Vec<Consequence> {
    let mut all = missing::of_flags(&args.common);
    let hears_others = listening.destinations.iter().any(Option::is_some);
    all.push((
        Capability::Destination,
        match hears_others {
            true => "they are not shown, and what is sent to other addresses at a group's port is heard, too",
            false => "they are not shown",
        },
    ));
    let shows_time = args.common.time || args.common.format() == Format::Json;
    all.push((
        Capability::Timestamps,
        if shows_time { "times are those of printing" } else { "no times are shown; --time shows those of printing" },
    ));
    all.push((Capability::KernelDrops, "drops are not counted"));
    all.push((Capability::OnlyJoinedGroups, "those are heard, too"));
    if args.common.recv_buffer.is_none() {
        all.push((Capability::ReceiveBuffer, "a short burst may be dropped"));
    }
    if args.coalesce {
        all.push((Capability::Coalesce, "--coalesce does nothing"));
    }
    // Otherwise nothing shows them.
    if args.common.format() == Format::Json || args.capture.write.is_some() || !args.print.fields.is_empty() {
        let fields = [Capability::HopLimits, Capability::TrafficClasses, Capability::Drops];
        all.extend(fields.map(|field| (field, "they are not shown")));
    }
    all
}
