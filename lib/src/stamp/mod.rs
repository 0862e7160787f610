//! STAMP, the Simple Two-way Active Measurement Protocol (RFC 8762, RFC 8972), as bytes: requests, replies, extensions.
//!
//! Nothing here reads a clock or has a socket. A sender writes a [`Request`] and reads a [`Reply`]; a reflector reads a [`Request`]
//! and [answers](answer()) it. Peers that speak TWAMP-Light (RFC 5357, appendix I) are understood. Any octets can be read: what they are not
//! is an error, and what is malformed in extensions is marked, as the RFC says.

mod answer;
mod bytes;
mod counters;
mod key;
mod packet;
mod pieces;
#[cfg(test)]
mod tests;
mod timestamp;
mod tlvs;
mod values;

pub use answer::{Facts, Previous, answer};
pub use counters::{Counters, Purpose};
pub use key::Key;
pub use packet::{
    AUTHENTICATED_LEN, BASE_LEN, Reply, Request, TWAMP_LIGHT_REPLY_LEN, TWAMP_LIGHT_REQUEST_LEN, WrongPacket,
};
pub use timestamp::{ErrorEstimate, Timestamp, TimestampFormat};
pub use tlvs::{
    ACCESS_REPORT, CLASS_OF_SERVICE, COUNTERS, DIRECT_MEASUREMENT, EXTRA_PADDING, FOLLOW_UP_TELEMETRY, HMAC, LOCATION,
    TIMESTAMP_INFORMATION, Tlv, TlvFlags, TlvWriter, Tlvs,
};
pub use values::{
    ClassOfService, ClockSource, DirectMeasurement, FollowUp, Location, TimestampInformation, TimestampMethod,
};
