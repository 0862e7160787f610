//! Captures of UDP datagrams: pcapng written, pcap and pcapng read.

mod blocks;
mod decode;
mod drops;
mod error;
mod frame;
#[cfg(test)]
mod oracle;
mod order;
mod pcap;
mod pcapng;
mod read;
mod reassembly;
mod record;
mod records;
mod rotate;
mod source;
mod write;

pub use decode::Unusable;
pub use drops::Drops;
pub use error::ReadError;
pub use read::{Captured, PacketCounts, Reader};
pub use rotate::{CaptureFiles, Limit, Rotation};
pub use write::{WriteOptions, Writer};
