//! Which datagrams the impairments are for, by what is in them.

use std::fmt;
use std::sync::Arc;

use crate::payload_match::PayloadMatch;

/// A test on payloads, and what it is called.
///
/// Two with the same name are equal; of those without, a test is equal to itself.
///
/// ```
/// use udpkit::impairment::{ImpairmentOptions, Matching};
///
/// let handshakes = Matching::new(|payload| payload.first() == Some(&22)).named("handshakes");
/// let options = ImpairmentOptions::default().loss(0.5).matching(handshakes);
/// # let _ = options;
/// ```
#[derive(Clone)]
pub struct Matching {
    test: PayloadMatch,
    name: Option<Arc<str>>,
}

impl Matching {
    /// The payloads for which this holds.
    #[must_use]
    pub fn new(test: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self { test: Arc::new(test), name: None }
    }

    /// Notes what it is called, by which it is known again: a regular expression, say.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether this payload is one of them.
    #[must_use]
    pub fn matches(&self, payload: &[u8]) -> bool {
        (self.test)(payload)
    }
}

impl From<PayloadMatch> for Matching {
    fn from(test: PayloadMatch) -> Self {
        Self { test, name: None }
    }
}

impl PartialEq for Matching {
    fn eq(&self, other: &Self) -> bool {
        match (&self.name, &other.name) {
            (None, None) => Arc::ptr_eq(&self.test, &other.test),
            (name, others) => name == others,
        }
    }
}

impl fmt::Debug for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Matching").field(&self.name).finish()
    }
}
