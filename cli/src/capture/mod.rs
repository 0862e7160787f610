//! Capture files: pcapng written, pcap and pcapng read.

mod blocks;
mod decode;
#[cfg(test)]
mod oracle;
mod packet;
mod pcap;
mod pcapng;
mod read;
mod reassembly;
mod records;
mod rotate;
mod source;
mod write;

pub(crate) use decode::Unusable;
pub(crate) use read::{Account, Captured, Reader};
pub(crate) use records::ReadError;
pub(crate) use rotate::{CaptureFiles, Limit, Rotation, is_standard_output};
