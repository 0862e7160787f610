//! Capture files: pcapng written, pcap and pcapng read.

mod blocks;
#[cfg(test)]
mod oracle;
mod packet;
mod write;

pub(crate) use write::{Output, Writer};
