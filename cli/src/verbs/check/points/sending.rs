//! The points of whoever sends: what a client and a broadcast sender have in common.

use super::BOUNDARIES;
use crate::verbs::check::point::{Point, Section};

/// Explained in this section of the lesson.
pub(super) const fn payload(lesson: &'static Section) -> Point {
    Point {
        name: "payload",
        title: "sends the bytes that were to be sent",
        why: "The other side acts on bytes. One that is missing, changed or added makes another request of it.",
        change: "Print what you send before you send it, as bytes. Where the program got it right and the check did not: --expect \
             TEXT is what is to come.",
        lesson,
    }
}

/// Explained in this section of the lesson.
pub(super) const fn encoding(lesson: &'static Section) -> Point {
    Point {
        name: "encoding",
        title: "sends text as UTF-8",
        why: "The other side must know the encoding. UTF-8 is what everybody expects; UTF-16 has a NUL byte beside each letter of \
          English.",
        change: "Encode as UTF-8, without a byte order mark: text.encode() in Python, getBytes(UTF_8) in Java.",
        lesson,
    }
}

pub(crate) static WHOLE: Point = Point {
    name: "whole",
    title: "sends them in one datagram",
    why: "A datagram is a message: the other side answers each piece as a request of its own, in any order, and may lose one \
          of them.",
    change: "Give the whole payload to one sending call. What reads its input in pieces must put them together first.",
    lesson: &BOUNDARIES,
};

pub(crate) static TERMINATOR: Point = Point {
    name: "terminator",
    title: "adds nothing at the end",
    why: "UDP keeps the boundaries, so nothing has to mark the end. A newline or a NUL byte is part of the payload, and \
          'Hello' with it is not 'Hello'.",
    change: "Send the text alone: printf instead of echo, no println, and the length of the string without its NUL byte.",
    lesson: &BOUNDARIES,
};
