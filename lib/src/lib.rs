//! UDP done right: sockets that tell everything the kernel knows of each datagram, and engines to build on them.
//!
//! Two halves, of which the first can be used alone:
//!
//! - **Mechanism.** A [`Socket`] receives into a [`ReceiveBatch`] and sends a [`SendBatch`], many datagrams to a system
//!   call. Each [`Datagram`] comes with its [`Meta`]: source, destination, the address to answer from, interface, kernel
//!   time, true length. [`Interfaces`] lists interfaces with the broadcast addresses that the kernel really uses.
//! - **Work.** An [`Engine`] is a verb as a pure state machine, handed time and bytes: [`verbs::Serve`],
//!   [`verbs::Send`], [`verbs::Listen`], [`verbs::Broadcast`], [`verbs::Replay`], [`verbs::Reflect`]. [`drive()`] runs one on sockets until it
//!   has finished, and returns a [`Report`] in which every datagram stands exactly once.
//!
//! The library prints nothing, and a socket has no option set that was not asked for.
//!
//! Options and metadata have public fields to read and to assign, and a setter for each, named as the field, to make them
//! with: `Options::default().destination(true).receive_buffer(1 << 20)`. So a later version can have more of them.
//!
//! # A server
//!
//! Answers every peer from the address that was asked; an empty datagram is a question like any other. Its own reply is none:
//! two such servers would answer each other for ever. [`Serve`](verbs::Serve) has all the guards that a server needs.
//!
//! ```
//! use udpkit::{Options, ReceiveBatch, SendBatch, SendFailure, Socket, Wait};
//!
//! const REPLY: &[u8] = b"Get off my lawn!";
//!
//! # fn main() -> udpkit::Result<()> {
//! let server = Socket::bind("127.0.0.1:0".parse().unwrap(), &Options::default().destination(true))?;
//! # let client = Socket::bind("127.0.0.1:0".parse().unwrap(), &Options::default())?;
//! # client.send_to(b"Hello World", server.local_address())?;
//! let (mut requests, mut replies) = (ReceiveBatch::default(), SendBatch::default());
//! let report = |failure: &SendFailure| eprintln!("{failure}");
//! # let mut rounds = 0..1;
//! # while rounds.next().is_some() {
//! // loop {
//! server.receive(&mut requests, Wait::Forever)?;
//! for request in requests.datagrams().filter(|request| request.payload != REPLY) {
//!     // A batch that is full is sent on the way.
//!     server.queue(&mut replies, &request.meta.reply(), REPLY).iter().for_each(report);
//! }
//! server.send(&mut replies).iter().for_each(report);
//! // }
//! # }
//! # client.receive(&mut requests, Wait::Forever)?;
//! # assert_eq!(requests.datagrams().next().unwrap().payload, REPLY);
//! # Ok(())
//! # }
//! ```
//!
//! # Who is out there?
//!
//! A broadcast leaves by one interface; to reach every network, send one from each address.
//!
//! ```no_run
//! use udpkit::{Interfaces, Options, Socket};
//!
//! # fn main() -> udpkit::Result<()> {
//! for interface in &Interfaces::list()? {
//!     for address in &interface.addresses {
//!         let Some(broadcast) = address.broadcast else { continue };
//!         let socket = Socket::bind((address.ip, 0).into(), &Options::default().broadcast(true))?;
//!         socket.send_to(b"Halo Dunia!", (broadcast, 10000).into())?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # A verb inside a program
//!
//! The engine of `udp serve`, with all its guards, until something tells it to stop.
//!
//! ```
//! use std::ops::ControlFlow;
//! use udpkit::verbs::{Serve, ServeOptions};
//! use udpkit::{Answer, Conduct, Drive, End, Event, Remote, Socket, drive};
//!
//! # fn main() -> udpkit::Result<()> {
//! let sockets = [Socket::bind("127.0.0.1:0".parse().unwrap(), &Conduct::default().socket_options())?];
//! let mut engine = Serve::new(ServeOptions::new(Answer::Echo, vec![sockets[0].local_address()]));
//! let (remote, control) = Remote::pair()?;
//! # remote.stop();
//! // In another thread: remote.stop();
//! let mut log = |event: Event<'_>| { let _ = event; ControlFlow::Continue(()) };
//! let (report, end) = drive(sockets, &mut engine, Drive::new(control), &mut log)?;
//! assert_eq!(end, End::Stopped);
//! assert!(report.is_balanced());
//! # Ok(())
//! # }
//! ```
//!
//! [`Server`] does the same in a thread of its own, or several.
//!
//! # In a test
//!
//! [`Server::mock`] is a fake of whatever your program talks to: it answers as it is told to expect, and fails the test where
//! something else comes, or not as often. Its replies may be late or lost ([`Rule`]).
//!
//! # In a runtime, from a service manager
//!
//! There is no async runtime in the library. A `Socket` is `AsFd` and `AsRawFd` (on Windows `AsSocket` and `AsRawSocket`), and
//! [`Socket::try_receive`] and [`Socket::try_send`] never wait: that is what async-io's `Async` and tokio's `AsyncFd` need. With the
//! feature `tokio`, on Unix, `AsyncSocket` is a socket whose calls are awaited. In each, a datagram that was refused wakes who waits
//! for one. On Linux an [`InterfaceWatch`] can be waited for, too.
//!
//! [`Socket::adopt`] takes over a socket that is bound already, of the standard library or of socket2;
//! [`Socket::inherited`] takes those that a service manager opened for this process.
//!
//! # A bad network
//!
//! [`impairment`] decides what a bad network does to each datagram, and knows neither sockets nor clocks. The feature `sim` adds
//! `udpkit::sim`: engines, this crate's and your own, on a virtual network in virtual time.
//!
//! # Measuring a path
//!
//! [`stamp`] has the packets of STAMP (RFC 8762, RFC 8972), of senders and of reflectors, and knows neither sockets nor clocks.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `tokio`: `AsyncSocket`, on Unix.
//! - `sim`: the virtual network, `udpkit::sim`.
//!
//! # Systems
//!
//! Linux is the primary platform. Elsewhere the same API works with one datagram to a call; macOS, FreeBSD and Windows tell its
//! destination and interface, so that answers leave from the address that was asked. [`Socket::capabilities`] says what a socket
//! really has, and [`Options::portable`] shows on Linux what a program would get elsewhere.

// docs.rs says of each item which feature it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(test, fuzzing))]
extern crate self as udpkit;

mod alarm;
mod answer;
mod arrivals;
#[cfg(all(unix, feature = "tokio"))]
mod async_socket;
mod attached;
mod batch;
mod bounds;
mod capability;
mod clock;
mod conduct;
mod control;
mod datagram;
mod descriptor;
mod direction;
mod drive;
mod engine;
mod error;
mod error_queue;
pub mod event;
mod feedback;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod gathering;
pub mod impairment;
mod interface;
mod membership;
mod mock;
mod moment;
mod network;
mod options;
pub mod path;
mod payload_match;
mod rate_limit;
mod relay;
mod report;
mod rules;
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "Linux alone has send times"))]
mod send_times;
mod server;
mod setters;
#[cfg(feature = "sim")]
pub mod sim;
mod sink;
mod socket;
mod socket_id;
pub mod stamp;
mod stats;
mod sys;
mod template;
mod unreachable;
pub mod verbs;

/// The READMEs, whose programs are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[doc = include_str!("../README.md")]
struct Readme;

/// The page of the site about this library, likewise.
#[cfg(doctest)]
#[doc = include_str!("../../docs/library.md")]
struct LibraryPage;

pub use answer::{Answer, ReplyMaker};
pub use arrivals::{Arrival, Arrivals};
#[cfg(all(unix, feature = "tokio"))]
pub use async_socket::AsyncSocket;
pub use attached::{InterfaceWatch, interface_name};
pub use batch::{ReceiveBatch, SendBatch};
pub use bounds::Bounds;
pub use capability::Capability;
pub use conduct::{Conduct, REPLY_HOP_LIMIT, RateLimit, is_responder_port};
pub use control::{Control, Remote};
pub use datagram::{
    Datagram, Delivery, InterfaceIndex, MAX_PAYLOAD_V4, MAX_PAYLOAD_V6, Meta, SendFailure, Train, Transmit, header_len,
    max_payload,
};
pub use drive::{Drive, End, drive};
pub use engine::{Closed, Engine, Next, Outbox};
pub use error::{Attempt, Error, ErrorKind, Object, Result, reason};
pub use event::{Event, Reason, ReplyTo};
pub use feedback::{Feedback, SendTime};
pub use interface::{Interface, InterfaceAddress, Interfaces, subnet_broadcast};
pub use membership::{Group, Memberships};
pub use mock::{Expectation, Mock, ReceivedDatagram, Times, Unmet};
pub use moment::Moment;
pub use network::Network;
pub use options::{Capabilities, DontFragment, Options};
pub use payload_match::PayloadMatch;
pub use rate_limit::{RateLimiter, source_network};
pub use relay::{Relay, RelayOutcome, TruthRecord};
pub use report::{Count, Figures, Ignored, Report};
pub use rules::{Rule, Rules};
pub use server::Server;
pub use sink::Sink;
pub use socket::{Socket, Wait, any_address, path_mtu};
pub use socket_id::SocketId;
pub use stats::{Peers, Quantiles, SignedNanoseconds, SignedQuantiles, Spread};
pub use sys::standard_output::standard_output_was_closed;
pub use template::{Template, TemplateError};
pub use unreachable::{Cause, Unreachable};
