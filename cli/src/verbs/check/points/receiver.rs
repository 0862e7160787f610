//! The points of a broadcast receiver.

use super::{CONNECTION, CUT, NOT_TEXT, RECEIVER, RELIABILITY};
use crate::verbs::check::point::Point;

pub(crate) static PRINTS: Point = Point {
    name: "prints",
    title: "prints a datagram",
    why: "It is what the user waits for.",
    change: "Bind to the port, receive in a loop, and print each payload with a newline, so that it does not stay in a \
             buffer.",
    lesson: &RECEIVER,
};

pub(crate) static BROADCAST: Point = Point {
    name: "broadcast",
    title: "prints a broadcast",
    why: "It is what the receiver is for. A socket bound to one address of the host hears none of them.",
    change: "Bind to no address: ('', port) in Python, 0.0.0.0 elsewhere.",
    lesson: &RECEIVER,
};

pub(crate) static NETWORKS: Point = Point {
    name: "networks",
    title: "prints the broadcasts of every network",
    why: "A host with a cable and a wireless network is on two. A socket bound to the address of one does not hear the other. \
          A host with a cable and a wireless network is on two. A socket bound to the address of one does not hear the other.",
    change: "Bind to no address: ('', port) in Python, 0.0.0.0 elsewhere.",
    lesson: &RECEIVER,
};

pub(crate) static LIMITED: Point = Point {
    name: "limited",
    title: "prints a broadcast to 255.255.255.255",
    why: "Many senders use it, since it needs no knowledge of the network. A socket bound to the network's broadcast address \
          does not hear it.",
    change: "Bind to no address: ('', port) in Python, 0.0.0.0 elsewhere.",
    lesson: &RECEIVER,
};

pub(crate) static SENDER: Point = Point {
    name: "sender",
    title: "shows who sent it",
    why: "A datagram comes from anybody. Without its source nobody can be answered, found or told from others.",
    change: "Print the source that the receiving call returns: data, sender = s.recvfrom(65536).",
    lesson: &RECEIVER,
};

pub(crate) static SENDERS: Point = Point {
    name: "senders",
    title: "tells several senders apart",
    why: "A socket that was connected to its first sender hears nobody else, and says nothing about that.",
    change: "Never connect() a socket that receives from several. Take the source of each datagram from the call that \
             received it.",
    lesson: &CONNECTION,
};

pub(crate) static BOUNDARIES: Point = Point {
    name: "boundaries",
    title: "shows where a datagram ends",
    why: "Two datagrams that are printed as one text cannot be told from one datagram.",
    change: "Print each on a line of its own.",
    lesson: &super::BOUNDARIES,
};

pub(crate) static EMPTY: Point = Point {
    name: "empty",
    title: "survives an empty datagram",
    why: "A datagram without a payload is a datagram, and no end of anything. Anybody can send one.",
    change: "Treat a length of 0 like any other: no 'end of file', and no index into the payload before its length was looked \
             at.",
    lesson: &super::EMPTY,
};

pub(crate) static TEXT: Point = Point {
    name: "text",
    title: "survives bytes that are no text",
    why: "A payload is bytes. One that is no UTF-8 ends a program that decodes it without a thought.",
    change: "decode(errors='backslashreplace') in Python, from_utf8_lossy in Rust; or print the bytes in hexadecimal.",
    lesson: &NOT_TEXT,
};

pub(crate) static ESCAPES: Point = Point {
    name: "escapes",
    title: "lets no escape sequence through",
    why: "What reaches a terminal unescaped steers it: it changes the title, moves the cursor, colours, hides text, and makes \
          some terminals type.",
    change: "Print only what is printable, and the rest escaped: repr() in Python, escape_debug() in Rust.",
    lesson: &super::ESCAPES,
};

pub(crate) static LARGE: Point = Point {
    name: "large",
    title: "takes a datagram of 65,507 bytes whole",
    why: "That is what a datagram over IPv4 can carry. What does not fit in the buffer is cut off, and nothing says so.",
    change: "Receive into 65,536 bytes: recvfrom(65536).",
    lesson: &CUT,
};

pub(crate) static BURST: Point = Point {
    name: "burst",
    title: "goes on after a burst",
    why: "Datagrams come as fast as anybody sends. What does not fit in the receive buffer is lost; the receiver must go on.",
    change: "Receive in a loop that does little else, and give slow work to another thread.",
    lesson: &RELIABILITY,
};

pub(crate) static SHARES: Point = Point {
    name: "shares",
    title: "shares its port",
    why: "A second receiver on the host is told that the address is in use, although each could hear every broadcast.",
    change: "Set SO_REUSEADDR before bind().",
    lesson: &RECEIVER,
};

pub(crate) static IPV6: Point = Point {
    name: "ipv6",
    title: "works over IPv6",
    why: "Many hosts have an IPv6 address alone, or first.",
    change: "Open a socket of each family, or one of IPv6 that takes IPv4, too (IPV6_V6ONLY off).",
    lesson: &RECEIVER,
};

/// In the order in which they are judged.
pub(crate) static ALL: &[&Point] = &[
    &PRINTS,
    &BROADCAST,
    &NETWORKS,
    &LIMITED,
    &SENDER,
    &SENDERS,
    &BOUNDARIES,
    &EMPTY,
    &TEXT,
    &ESCAPES,
    &LARGE,
    &BURST,
    &SHARES,
    &IPV6,
];
