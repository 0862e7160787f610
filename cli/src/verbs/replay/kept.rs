//! What is kept of a datagram of a capture: all of it, or what a line shows.

use std::net::SocketAddr;
use std::time::Duration;

use udpkit_capture::Captured;

/// A datagram that outlives its place in the file.
#[derive(Debug)]
pub(super) struct Kept {
    /// The capture that it is in.
    pub(super) file: usize,
    pub(super) packet: u64,
    pub(super) time: Option<Duration>,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) payload: Vec<u8>,
    pub(super) packets: u64,
    pub(super) is_oversized: bool,
}

impl Kept {
    pub(super) fn new(datagram: &Captured<'_>, file: usize) -> Self {
        let Captured { packet, time, source, destination, payload, packets, is_oversized, .. } = *datagram;
        Self { file, packet, time, source, destination, payload: payload.to_vec(), packets, is_oversized }
    }

    pub(super) fn captured(&self) -> Captured<'_> {
        let Self { packet, time, source, destination, ref payload, packets, is_oversized, .. } = *self;
        let captured = Captured::new(source, destination, payload).packet(packet).time(time);
        captured.packets(packets).is_oversized(is_oversized)
    }
}

/// A datagram of a capture, for a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CaptureEntry {
    /// The capture that it is in.
    pub(super) file: usize,
    pub(super) packet: u64,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) length: usize,
}

impl CaptureEntry {
    pub(super) fn new(datagram: &Captured<'_>, file: usize) -> Self {
        let Captured { packet, source, destination, payload, .. } = *datagram;
        Self { file, packet, source, destination, length: payload.len() }
    }
}
