//! The points of a broadcast sender.

pub(crate) use super::sending::{TERMINATOR, WHOLE};
use super::{SENDER, sending};
use crate::verbs::check::point::Point;

pub(crate) static SENDS: Point = Point {
    name: "sends",
    title: "sends a datagram to the port",
    why: "Nobody hears what was sent elsewhere.",
    change: "Send to the port on which the receivers listen: 10000, or --port.",
    lesson: &SENDER,
};

pub(crate) static BROADCAST: Point = Point {
    name: "broadcast",
    title: "sends it as a broadcast",
    why: "A datagram to one host reaches that host alone.",
    change: "Set SO_BROADCAST, and send to the broadcast address of the network.",
    lesson: &SENDER,
};

pub(crate) static NETWORKS: Point = Point {
    name: "networks",
    title: "reaches every attached network",
    why: "A host with a cable and a wireless network is on two. A broadcast leaves by one interface only, and nothing says \
          so.",
    change: "Take the interfaces of the host (getifaddrs), and send one datagram to the broadcast address of each.",
    lesson: &super::NETWORKS,
};

pub(crate) static DESTINATION: Point = Point {
    name: "destination",
    title: "needs no default route",
    why: "255.255.255.255 leaves by the interface of the default route alone, and nowhere where there is none.",
    change: "Send to the broadcast address of each network, such as 10.0.1.255; or bind a socket to our address on each, and \
             send to 255.255.255.255 by it.",
    lesson: &super::NETWORKS,
};

pub(crate) static SOURCE: Point = Point {
    name: "source",
    title: "sends with its address on that network",
    why: "Hosts on the network may not be able to answer an address of another one.",
    change: "Bind a socket to our address on each network, and send by that; or leave the choice to the kernel.",
    lesson: &SENDER,
};

pub(crate) static PAYLOAD: Point = sending::payload(&SENDER);

pub(crate) static ENCODING: Point = sending::encoding(&SENDER);

pub(crate) static ONCE: Point = Point {
    name: "once",
    title: "sends it once to each network",
    why: "A receiver that gets a datagram twice acts twice.",
    change: "Send one datagram to each network: not to 255.255.255.255 and to the broadcast address, and not once for each of \
             our addresses.",
    lesson: &SENDER,
};

pub(crate) static RATE: Point = Point {
    name: "rate",
    title: "floods no network",
    why: "Every host on the network has to look at every broadcast.",
    change: "Send once, or at an interval of a second or more.",
    lesson: &SENDER,
};

pub(crate) static ANSWERS: Point = Point {
    name: "answers",
    title: "takes the answers",
    why: "Who asks the whole network wants to know who is there. A socket that was connected to the broadcast address hears \
          no answer, since answers come from other addresses.",
    change: "Never connect() a socket that broadcasts: sendto() and recvfrom().",
    lesson: &super::ANSWERS,
};

/// In the order in which they are judged.
pub(crate) static ALL: &[&Point] = &[
    &SENDS,
    &BROADCAST,
    &NETWORKS,
    &DESTINATION,
    &SOURCE,
    &PAYLOAD,
    &WHOLE,
    &TERMINATOR,
    &ENCODING,
    &ONCE,
    &RATE,
    &ANSWERS,
];
