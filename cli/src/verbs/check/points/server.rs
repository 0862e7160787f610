//! The points of a server.

use super::{BOUNDARIES, CONNECTION, CUT_REQUESTS, NOT_TEXT, PEERS, REFUSED, RELIABILITY, SERVER, SOURCE_ADDRESS};
use crate::verbs::check::point::Point;

pub(crate) static ANSWERS: Point = Point {
    name: "answers",
    title: "answers a request",
    why: "A server that does not answer looks like a lost datagram: its clients wait, and ask again in vain.",
    change: "Bind the socket to the port, receive in a loop, and send the answer to the source that the receiving call returned. If it \
             answers only requests of a protocol, give one to the check: --request TEXT or --request-hex BYTES.",
    lesson: &SERVER,
};

pub(crate) static AGAIN: Point = Point {
    name: "again",
    title: "goes on after its first answer",
    why: "A server has no connection that ends with an answer: the next datagram is the next request.",
    change: "Receive and answer in a loop without an end; do not close the socket, and do not leave the program, after an answer.",
    lesson: &CONNECTION,
};

pub(crate) static EVERY_PEER: Point = Point {
    name: "every-peer",
    title: "answers every peer",
    why: "A socket that is connected to the first peer, or a program that waits for the first peer's next datagram, is deaf to all \
          others. One peer that sends once and goes away then blocks the server.",
    change: "Do not connect() the server's socket. Take whatever datagram comes next, and send the answer to its own source.",
    lesson: &PEERS,
};

pub(crate) static OWN_ANSWER: Point = Point {
    name: "own-answer",
    title: "answers each peer with its own data",
    why: "Where a socket is connected to a peer after others have sent, their datagrams wait in it, too, and are answered to the \
          wrong peer. So a peer sees what another one sent.",
    change: "Answer all peers by the one socket that received: the source of a datagram and its payload come from the same call. Do not \
             hand a listening socket to a process for each peer.",
    lesson: &PEERS,
};

pub(crate) static OWN_PORT: Point = Point {
    name: "own-port",
    title: "answers from the port that was asked",
    why: "Connected clients, address translation and firewalls drop an answer from a port that was not asked.",
    change: "Send the answer by the socket that received the request, not by a new one.",
    lesson: &SOURCE_ADDRESS,
};

pub(crate) static OWN_ADDRESS: Point = Point {
    name: "own-address",
    title: "answers from the address that was asked",
    why: "On a host with several addresses the system chooses the source of an answer, unless it is told. Connected clients, address \
          translation and firewalls drop an answer from an address that was not asked.",
    change: "Ask for the destination of each datagram (IP_PKTINFO, IPV6_RECVPKTINFO), and send the answer with that as its source; or \
             bind a socket to each address.",
    lesson: &SOURCE_ADDRESS,
};

pub(crate) static FAMILIES: Point = Point {
    name: "families",
    title: "answers by IPv4 and by IPv6",
    why: "A name has addresses of both families, and clients try IPv6 first.",
    change: "Open a socket for each family, AF_INET and AF_INET6 (with IPV6_V6ONLY), and receive from both; or one of AF_INET6 without \
             IPV6_V6ONLY, for both.",
    lesson: &SOURCE_ADDRESS,
};

pub(crate) static APART: Point = Point {
    name: "apart",
    title: "keeps datagrams apart that come at once",
    why: "A datagram is a unit: what one call sends, one call receives. A program that reads a stream of bytes joins datagrams.",
    change: "Read one datagram with each receiving call, and do not put a pipe or a stream between the socket and what answers.",
    lesson: &BOUNDARIES,
};

pub(crate) static WHOLE: Point = Point {
    name: "whole",
    title: "keeps long datagrams whole",
    why: "A receiving call cuts a datagram that is longer than its buffer, without an error: the rest is gone.",
    change: "Give the receiving call a buffer of 65,535 bytes, or look whether a datagram was cut (MSG_TRUNC) and report it.",
    lesson: &CUT_REQUESTS,
};

pub(crate) static LOOP: Point = Point {
    name: "loop",
    title: "lets a loop with itself end",
    why: "The source of a datagram can be forged. One that names another server as its source sets both to answer each other, for ever \
          (CVE-2024-2169).",
    change: "Do not answer what equals your own answer, or answer with fewer hops (IP_TTL) than the request had left, or answer a \
             request of a form that answers do not have. A rate limit makes a loop slow, not short.",
    lesson: &super::LOOP,
};

pub(crate) static AMPLIFICATION: Point = Point {
    name: "amplification",
    title: "sends at most three times what it gets",
    why: "The source of a datagram can be forged, so whoever sends a little to a server can send much to somebody else. RFC 9000 allows \
          three times as much.",
    change: "Withhold, or shorten, an answer that is over three times as long as its request, headers included; or ask for padding in \
             requests.",
    lesson: &super::AMPLIFICATION,
};

pub(crate) static BURST: Point = Point {
    name: "burst",
    title: "survives many requests at once",
    why: "Requests come when they come. Those that do not fit in the receive buffer are lost, which is no failure; a program that ends \
          or hangs is one.",
    change: "Answer in the loop that receives, without a process, thread or connection for each datagram; ask for a larger receive \
             buffer (SO_RCVBUF).",
    lesson: &RELIABILITY,
};

pub(crate) static LARGE: Point = Point {
    name: "large",
    title: "survives long datagrams",
    why: "Anybody can send 65,507 bytes. On Windows a buffer that is too small is an error (WSAEMSGSIZE), and an answer can be too \
          long to be sent (EMSGSIZE).",
    change: "Give the receiving call a buffer of 65,535 bytes, and go on after an error of a single datagram.",
    lesson: &CUT_REQUESTS,
};

pub(crate) static REFUSAL: Point = Point {
    name: "refusal",
    title: "survives a peer that is gone when the answer comes",
    why: "The peer's host refuses the answer by ICMP. A connected socket, and any on Windows, reports that as an error of the next call: \
          ECONNREFUSED, WSAECONNRESET.",
    change: "Go on after ECONNREFUSED and WSAECONNRESET, which are about an earlier answer; on Windows set SIO_UDP_CONNRESET to false. Do \
             not connect() the server's socket.",
    lesson: &REFUSED,
};

pub(crate) static BINARY: Point = Point {
    name: "binary",
    title: "survives bytes that are no text",
    why: "Anybody can send any bytes. A program that decodes them as UTF-8 ends with an error at the first that are none.",
    change: "Keep payloads as bytes; where text is needed, decode with errors replaced: data.decode(errors='replace').",
    lesson: &NOT_TEXT,
};

pub(crate) static EMPTY: Point = Point {
    name: "empty",
    title: "survives an empty datagram",
    why: "A datagram without a payload is a datagram, and no end of anything. A program that reads sockets as it reads files takes a \
          length of 0 for the end.",
    change: "Do not end the loop where a receiving call returns 0 bytes; look at its error alone.",
    lesson: &super::EMPTY,
};

pub(crate) static ESCAPES: Point = Point {
    name: "escapes",
    title: "prints nothing that steers a terminal",
    why: "Bytes that a stranger sends can, if they are printed as they are, change the title, the colours, the clipboard, or what seems \
          to have been typed.",
    change: "Replace control characters, C1 and direction overrides before printing: repr(data) in Python.",
    lesson: &super::ESCAPES,
};

pub(crate) static ALIVE: Point = Point {
    name: "alive",
    title: "is still there at the end",
    why: "A server runs for as long as its host does, whatever is sent to it.",
    change: "Look at what it said last, and at the log of the points before this one.",
    lesson: &SERVER,
};
