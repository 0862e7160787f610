//! What a verb says while it runs: one [`Event`] at a time, each with its details.
//!
//! Every variant of [`Event`] carries a struct of this module, which can gain fields. A program reads the fields that it
//! needs, and makes such a struct with its `new`: in an [`Engine`](crate::Engine) of its own, or in a test of its sink.
//!
//! ```
//! use udpkit::event::{Event, Received};
//!
//! fn datagrams(event: &Event<'_>) -> usize {
//!     match event {
//!         Event::Received(Received { train, .. }) => train.count(),
//!         _ => 0,
//!     }
//! }
//! ```

mod details;
mod measured;
mod reason;
mod relayed;
mod reply_to;

pub use details::{
    Answered, ClockStepped, Dropped, IgnoredDatagrams, InterfacesChanged, Question, Received, Refusal, Reopened, Reply,
    SendFailed, Sent, Trouble, Unanswered,
};
pub use measured::{ProbeFate, Probed};
pub use reason::Reason;
pub use relayed::{Decided, Departed, Impaired, Leaving, PeerChange, PeerChanged};
pub use reply_to::{OneOf, ReplyTo, Request};

/// Something that happened, reported at once; what it borrows is gone afterwards.
///
/// ```
/// use std::ops::ControlFlow;
/// use udpkit::event::Event;
///
/// // What `drive` is given: says what came, and ends the run at the first refusal.
/// let sink = |event: Event<'_>| match event {
///     Event::Reply(reply) => {
///         println!("{}: {} B", reply.datagram.meta.source, reply.datagram.payload.len());
///         ControlFlow::Continue(())
///     }
///     Event::Unreachable(_) => ControlFlow::Break(()),
///     _ => ControlFlow::Continue(()),
/// };
/// # let _ = sink;
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Datagrams of one source arrived that were listened for; most often one.
    Received(Received<'a>),
    /// A datagram was answered. Only where the engine was asked to report it.
    Answered(Answered<'a>),
    /// A datagram is to be answered by the program around the engine, with [`ServeInput::Reply`](crate::verbs::ServeInput::Reply).
    Question(Question<'a>),
    /// A datagram was sent. Only where the engine was asked to report it.
    Sent(Sent<'a>),
    /// An answer to something that we sent.
    Reply(Reply<'a>),
    /// A request got no answer in its time, nor did its retries.
    Unanswered(Unanswered),
    /// Datagrams of one source were received and not used.
    Ignored(IgnoredDatagrams<'a>),
    /// A datagram of ours was refused.
    Unreachable(Refusal<'a>),
    /// Something could not be sent.
    SendFailed(SendFailed<'a>),
    /// The kernel dropped datagrams at our socket.
    Dropped(Dropped),
    /// Interfaces or addresses of this host changed.
    Interfaces(InterfacesChanged<'a>),
    /// A socket that had broken was opened again.
    Reopened(Reopened),
    /// The system's clock was set, as was noticed when datagrams were received: those before it and those after it have times that
    /// cannot be compared. Those that were waiting meanwhile have the time at which they were received.
    ClockStepped(ClockStepped),
    /// A datagram came to a relay, and it was decided what becomes of it. Only where the relay was asked to report fates.
    Fate(Decided<'a>),
    /// A datagram left a relay's link. Only where the relay was asked to report fates.
    Left(Departed<'a>),
    /// A peer of a relay came or went.
    Peer(PeerChanged),
    /// A link of a relay does something else from now on.
    Impaired(Impaired<'a>),
    /// It is known what became of a probe. Only where the engine was asked to report it.
    Probe(Probed),
    /// Something went wrong that does not end the run.
    Trouble(Trouble<'a>),
}

/// Gives each event its name, and lists all names: a variant without one does not compile.
macro_rules! names {
    ($($variant:ident => $name:literal,)*) => {
        impl Event<'_> {
            /// The names of all events. Outside of this crate a `match` on an event cannot be exhaustive; a program that
            /// must treat each can hold itself against these in a test.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The name of the event, in snake case.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }
        }
    };
}

names! {
    Received => "received",
    Answered => "answered",
    Question => "question",
    Sent => "sent",
    Reply => "reply",
    Unanswered => "unanswered",
    Ignored => "ignored",
    Unreachable => "unreachable",
    SendFailed => "send_failed",
    Dropped => "dropped",
    Interfaces => "interfaces",
    Reopened => "reopened",
    ClockStepped => "clock_stepped",
    Fate => "fate",
    Left => "left",
    Peer => "peer",
    Impaired => "impaired",
    Probe => "probe",
    Trouble => "trouble",
}
