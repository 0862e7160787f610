//! x
mod batch;
mod conduct;
mod control;
mod drive;
mod engine;
mod error;
mod event;
mod interface;
mod membership;
mod rate_limit;
mod socket;
mod stats;
mod sys;
pub mod verbs;

pub use batch::{
    Datagram, Delivery, InterfaceIndex, MAX_PAYLOAD_V4, MAX_PAYLOAD_V6, Meta, ReceiveBatch, SendBatch, SendFailure,
    Train, Transmit, header_len, max_payload,
};
pub use conduct::{Conduct, REPLY_HOP_LIMIT, RateLimit, is_responder_port};
pub use control::{Control, Remote, control};
pub use drive::{Drive, End, Sink, drive};
pub use engine::{Engine, Input, Next, Outbox};
pub use error::{Error, Result, reason};
pub use event::{Count, Event, Ignored, Reason, Report};
pub use interface::{Interface, InterfaceAddress, InterfaceWatch, Interfaces, subnet_broadcast};
pub use membership::{Group, Memberships};
pub use rate_limit::RateLimiter;
pub use socket::{Capabilities, Cause, Options, Socket, Unreachable, Wait, any_address, path_mtu};
pub use stats::Spread;
