//! x
mod batch;
mod error;
mod interface;
mod socket;
mod sys;

pub use batch::{
    Datagram, Delivery, InterfaceIndex, MAX_PAYLOAD_V4, MAX_PAYLOAD_V6, Meta, ReceiveBatch, SendBatch, SendFailure,
    Train, Transmit, header_len, max_payload,
};
pub use error::{Error, Result, reason};
pub use interface::{Interface, InterfaceAddress, InterfaceWatch, Interfaces, subnet_broadcast};
pub use socket::{Capabilities, Cause, Options, Socket, Unreachable, Wait, any_address, path_mtu};
