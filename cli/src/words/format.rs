//! How datagrams are to be printed: formats, fields, colour.

use clap::ValueEnum;

use super::bytes::unescape;

/// How datagrams are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One line for each datagram
    Text,
    /// Offset, bytes, ASCII
    Hex,
    /// JSON Lines (docs/json.md)
    Json,
    /// The payload's bytes and nothing else
    Raw,
}

/// A part of what is known of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Field {
    /// When the kernel received it
    Time,
    /// Address and port of the sender
    Source,
    /// Address in the header, and our port
    Destination,
    /// Unicast, broadcast or multicast
    Delivery,
    /// The interface it arrived on
    Interface,
    /// Time to live or hop limit on arrival
    #[value(alias = "hop_limit")]
    Ttl,
    /// Type of service or traffic class: DSCP and ECN
    #[value(alias = "traffic_class")]
    Tos,
    /// The upper six bits of tos
    Dscp,
    /// Length of the payload in bytes
    Length,
    /// The payload; always the last
    Payload,
}

/// When colour is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

/// Bytes that part payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delimiter(pub(crate) Vec<u8>);

/// Reads a delimiter with escapes.
pub(crate) fn delimiter(text: &str) -> Result<Delimiter, String> {
    unescape(text).map(Delimiter)
}
