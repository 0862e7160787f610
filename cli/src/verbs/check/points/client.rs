//! The points of a client.

pub(crate) use super::sending::{TERMINATOR, WHOLE};
use super::{CLIENT, CUT, NOT_TEXT, REFUSAL, STRANGERS, sending};
use crate::verbs::check::point::Point;

pub(crate) static SENDS: Point = Point {
    name: "sends",
    title: "sends a datagram",
    why: "Nothing is answered that was not asked.",
    change: "Send to the host and the port that were given. If the program must be told them in another way: {host} and \
             {port} in the command stand for them.",
    lesson: &CLIENT,
};

pub(crate) static PAYLOAD: Point = sending::payload(&CLIENT);

pub(crate) static ENCODING: Point = sending::encoding(&CLIENT);

pub(crate) static PRINTS: Point = Point {
    name: "prints",
    title: "prints the answer",
    why: "It is what the user waits for.",
    change: "Print the payload that the receiving call returned, and a newline, so that it does not stay in a buffer.",
    lesson: &CLIENT,
};

pub(crate) static STRANGER: Point = Point {
    name: "stranger",
    title: "believes no other port",
    why: "Anybody can send to the port of a client. Who guesses it puts words into the server's mouth.",
    change: "Compare the source of each datagram, address and port, with the address that was asked, and go on waiting if it \
             is another; or connect() the socket, and the kernel does it.",
    lesson: &STRANGERS,
};

pub(crate) static OTHER_HOST: Point = Point {
    name: "other-host",
    title: "believes no other host",
    why: "Anybody can send to the port of a client. Who guesses it puts words into the server's mouth.",
    change: "Compare the source of each datagram, address and port, with the address that was asked, and go on waiting if it \
             is another; or connect() the socket, and the kernel does it.",
    lesson: &STRANGERS,
};

pub(crate) static SILENCE: Point = Point {
    name: "silence",
    title: "does not wait for ever",
    why: "A datagram that is lost is never answered, and nothing reports that. Without a limit the client hangs.",
    change: "Set a limit before receiving: settimeout() in Python, SO_RCVTIMEO or poll() elsewhere. When it is over, ask \
             again or say that nobody answered.",
    lesson: &super::SILENCE,
};

pub(crate) static RETRIES: Point = Point {
    name: "retries",
    title: "asks again, or says that no answer came",
    why: "One lost datagram in a hundred is normal. Who asks once and ends without a word leaves the user to guess.",
    change: "Send the request again after the first wait, with a longer wait each time; and end with a message and a status \
             other than 0.",
    lesson: &super::SILENCE,
};

pub(crate) static REFUSED: Point = Point {
    name: "refused",
    title: "hears that nobody listens",
    why: "The host answers a datagram to a closed port at once (ICMP port unreachable). Who does not hear it waits in vain, \
          and tells the user nothing.",
    change: "connect() the socket: the next call then fails with 'connection refused'. Catch that, say so, and end with a \
             status other than 0.",
    lesson: &REFUSAL,
};

pub(crate) static EMPTY: Point = Point {
    name: "empty",
    title: "survives an empty answer",
    why: "A datagram without a payload is a datagram, and no end of anything. Whoever knows the port can send one.",
    change: "Treat a length of 0 like any other: no index into the payload before its length was looked at, and no 'end of \
             file'.",
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
    title: "takes an answer of 65,507 bytes whole",
    why: "That is what a datagram over IPv4 can carry. What does not fit in the buffer is cut off, and nothing says so.",
    change: "Receive into 65,536 bytes: recvfrom(65536).",
    lesson: &CUT,
};

pub(crate) static IPV6: Point = Point {
    name: "ipv6",
    title: "works over IPv6",
    why: "Many hosts have an IPv6 address alone, or first.",
    change: "Ask getaddrinfo() for the addresses of the host, and make the socket of the family of each.",
    lesson: &CLIENT,
};

/// In the order in which they are judged.
pub(crate) static ALL: &[&Point] = &[
    &SENDS,
    &PAYLOAD,
    &WHOLE,
    &TERMINATOR,
    &ENCODING,
    &PRINTS,
    &STRANGER,
    &OTHER_HOST,
    &SILENCE,
    &RETRIES,
    &REFUSED,
    &EMPTY,
    &TEXT,
    &ESCAPES,
    &LARGE,
    &IPV6,
];
