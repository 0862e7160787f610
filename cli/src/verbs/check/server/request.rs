//! The request that the server answers, with a label that is different each time.

use std::cell::Cell;

use anyhow::{Result, bail};

use crate::words::bytes;

/// The request where none is given: that of the lesson's client, with a label.
const DEFAULT: &str = "Hello World {label}";
/// Where the label stands in a text.
const SLOT: &str = "{label}";
/// Bytes of a label in a text.
const LABEL: usize = 8;
/// What a byte of a label is in hex.
const ANY: &str = "??";

/// From one label of bytes to the next: odd, so that all come before one comes again; and so that each differs in most bits.
const STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

/// A request with room for a label.
#[derive(Debug)]
pub(super) struct Request {
    bytes: Vec<u8>,
    /// Places of the label's bytes.
    slots: Vec<usize>,
    is_text: bool,
    /// The next label of bytes, as a number.
    next: Cell<u64>,
}

/// What makes a request different from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label(Vec<u8>);

impl Request {
    pub(super) fn new(text: Option<&str>, hex: Option<&str>) -> Result<Self> {
        match hex {
            Some(hex) => Self::of_hex(hex),
            None => Ok(Self::of_text(text.unwrap_or(DEFAULT))),
        }
    }

    fn of_text(text: &str) -> Self {
        let (mut bytes, mut slots) = (Vec::new(), Vec::new());
        for (number, part) in text.split(SLOT).enumerate() {
            // The label is the same wherever it stands: it is written in its first place alone.
            if number == 1 {
                slots.extend(bytes.len()..bytes.len() + LABEL);
                bytes.extend([b'0'; LABEL]);
            } else if number > 1 {
                bytes.extend(SLOT.as_bytes());
            }
            bytes.extend(part.as_bytes());
        }
        Self { bytes, slots, is_text: true, next: Cell::default() }
    }

    fn of_hex(text: &str) -> Result<Self> {
        let (mut all, mut slots) = (Vec::new(), Vec::new());
        for (number, part) in text.split(ANY).enumerate() {
            if number > 0 {
                slots.push(all.len());
                all.push(0);
            }
            match bytes::hex(part) {
                Ok(more) => all.extend(more),
                Err(error) => bail!("--request-hex: {error}"),
            }
        }
        Ok(Self { bytes: all, slots, is_text: false, next: Cell::new(fastrand::u64(..)) })
    }

    /// A new label. A few bytes drawn at random would soon be the same twice; these are when all others were used.
    pub(super) fn label(&self) -> Label {
        if self.is_text {
            return Label(self.slots.iter().map(|_| fastrand::alphanumeric() as u8).collect());
        }
        let number = self.next.get();
        self.next.set(number.wrapping_add(STRIDE));
        Label(number.to_le_bytes().into_iter().cycle().take(self.slots.len()).collect())
    }

    /// The request with this label.
    pub(super) fn with(&self, label: &Label) -> Vec<u8> {
        let mut request = self.bytes.clone();
        for (slot, byte) in self.slots.iter().zip(&label.0) {
            request[*slot] = *byte;
        }
        request
    }
}

impl Label {
    /// Where it stands in an answer, as a whole.
    pub(super) fn place_in(&self, answer: &[u8]) -> Option<usize> {
        let Self(label) = self;
        answer.windows(label.len().max(1)).position(|part| part == label)
    }

    /// Whether an answer has it at this place.
    pub(super) fn is_at(&self, place: usize, answer: &[u8]) -> bool {
        answer.get(place..).is_some_and(|rest| rest.starts_with(&self.0))
    }

    /// Bytes in which it differs from others.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_different_each_time_in_its_label_alone() {
        for (text, hex, expected) in [
            (None, None, b"Hello World ........".as_slice()),
            (Some("GET {label}!"), None, b"GET ........!"),
            (Some("{label} {label}"), None, b"........ {label}"),
            (Some("plain"), None, b"plain"),
            (None, Some("?? ?? 61 62 ??"), b"..ab."),
            (None, Some("6162"), b"ab"),
        ] {
            let request = Request::new(text, hex).unwrap();
            let [first, second] = [(); 2].map(|()| request.label());
            for label in [&first, &second] {
                let bytes = request.with(label);
                assert_eq!(bytes.len(), expected.len());
                let pairs = bytes.iter().zip(expected).enumerate();
                let differs = pairs.filter(|(_, (byte, expected))| byte != expected).map(|(place, _)| place);
                assert!(differs.clone().all(|place| request.slots.contains(&place)), "{bytes:?}");
                let whole = text != Some("plain") && hex != Some("?? ?? 61 62 ??") && label.len() > 0;
                assert!(!whole || label.place_in(&bytes) == Some(request.slots[0]));
            }
        }
        assert!(Request::new(None, Some("6")).is_err());
    }

    #[test]
    fn no_label_of_two_bytes_comes_again_before_all_others_did() {
        let request = Request::new(None, Some("?? ?? 00")).unwrap();
        let labels: std::collections::HashSet<_> = (0..1 << 16).map(|_| request.label().0).collect();
        assert_eq!(labels.len(), 1 << 16);
    }
}
