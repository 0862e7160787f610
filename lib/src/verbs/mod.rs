//! The verbs: a file each, named as on the command line; all are pure state machines.

mod broadcast;
mod common;
mod later;
mod listen;
mod replay;
mod requests;
mod send;
mod serve;
mod timetable;

pub use broadcast::{Broadcast, BroadcastOptions, BroadcastTarget};
pub use common::Limits;
pub use listen::{Listen, ListenOptions};
pub use replay::{Reading, Recording, Replay, ReplayDatagram, ReplayOptions, Sources};
pub use requests::{Pace, Requests};
pub use send::{SendOptions, Sender};
pub use serve::{Serve, ServeOptions};
pub use timetable::ReplayPace;

pub use crate::network::Network;
pub use crate::rules::PayloadMatch;
