//! Captures of UDP datagrams with all that is known of each: what a [`Socket`](udpkit::Socket) received goes into a file
//! that Wireshark and tcpdump read, and what such programs captured comes out as datagrams.
//!
//! - [`Writer`] writes pcapng into any [`Write`](std::io::Write); [`CaptureFiles`] into a file, or into a row of files of a
//!   size or a duration, of which the newest are kept. The kernel's times, the interface, how a datagram was addressed, how
//!   many were dropped before it: all that the socket told stands in the capture.
//! - [`Reader`] reads pcap and pcapng from any [`Read`](std::io::Read), whichever program wrote them; what is no datagram is
//!   counted by its reason ([`PacketCounts`]). Any bytes are read to an end, in bounded memory.
//!
//! # From a socket into a capture, and back
//!
//! ```
//! use udpkit::{Options, ReceiveBatch, Socket, Wait};
//! use udpkit_capture::{Drops, Reader, WriteOptions, Writer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The capture has what the socket was asked for; systems other than Linux report less of it.
//! let options = Options::default().destination(true).timestamps(true).drops(true);
//! let socket = Socket::bind("127.0.0.1:0".parse()?, &options)?;
//! let port = socket.local_address().port();
//! socket.send_to(b"Halo Dunia!", socket.local_address())?;
//!
//! let mut writer = Writer::new(Vec::new(), WriteOptions::default());
//! let (mut batch, mut drops) = (ReceiveBatch::default(), Drops::default());
//! socket.receive(&mut batch, Wait::Forever)?;
//! for train in batch.trains() {
//!     writer.train(train, port, drops.before(train.meta()))?;
//! }
//! writer.finish(1, socket.kernel_drops().unwrap_or(0))?;
//! let capture = writer.into_inner();
//!
//! let mut reader = Reader::new(&capture[..])?;
//! while let Some(datagram) = reader.next()? {
//!     assert_eq!(datagram.payload, b"Halo Dunia!");
//!     assert_eq!((datagram.source.port(), datagram.destination.port()), (port, port));
//! }
//! assert_eq!(reader.counts().datagrams, 1);
//! # Ok(())
//! # }
//! ```
//!
//! The examples `capture_socket` and `read_capture` do the same with files.

mod blocks;
mod counts;
mod decode;
mod disk;
mod drops;
mod error;
mod field;
mod frame;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod input;
mod link;
mod network;
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
mod row;
mod source;
#[cfg(feature = "compression")]
mod unpack;
mod wireless;
#[cfg(test)]
mod wrappings;
mod write;

pub use counts::{PacketCounts, Unusable};
pub use drops::Drops;
pub use error::ReadError;
pub use read::{Captured, ReadOptions, Reader};
pub use rotate::{CaptureFiles, Limit, Rotation};
pub use write::{WriteOptions, Writer};
