//! A packet of a capture file, whichever format the file has.

use std::ops::Range;
use std::time::Duration;

use udpkit::Delivery;

use super::link::Link;

/// A captured packet: what the file says of it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Since 1970; `None` where the file does not tell (simple packet blocks).
    pub(crate) time: Option<Duration>,
    /// Its interface's number in the file.
    pub(crate) interface: u32,
    /// How its frame begins.
    pub(crate) link: Link,
    /// Its length before the capture cut it, in bytes.
    pub(crate) wire_len: usize,
    /// Packets that were dropped before it, as the file tells.
    pub(crate) dropped_before: u64,
    /// How it was addressed, as the file tells.
    pub(crate) delivery: Delivery,
    /// Where its bytes stand.
    pub(crate) extent: Extent,
}

/// Where the bytes of a packet stand.
#[derive(Clone, Debug)]
pub(crate) enum Extent {
    /// Within the last bytes that were passed, which are as many as the second number says.
    Passed(Range<usize>, usize),
    /// Nowhere: they are more than any packet has.
    TooLong,
}
