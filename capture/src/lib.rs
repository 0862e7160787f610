//! Captures of UDP datagrams: pcapng written, pcap and pcapng read.

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

pub use decode::Unusable;
pub use read::{Account, Captured, Reader};
pub use records::ReadError;
pub use rotate::{CaptureFiles, IntoTerminal, Limit, Rotation, is_standard_output};
