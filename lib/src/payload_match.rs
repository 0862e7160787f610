//! A test on payloads.

use std::sync::Arc;

/// A test on payloads; those that test with it share it.
pub type PayloadMatch = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;
