//! What options are checked by, and what refuses them.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::error::{Attempt, Error, Object, Result};

/// The longest time that can be set.
pub(super) const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A time of so many nanoseconds; those that no `Duration` holds are not reached with what [`time`] lets pass.
pub(super) fn nanoseconds(nanoseconds: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let seconds = u64::try_from(nanoseconds / SECOND).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(nanoseconds % SECOND).expect("it is below a thousand million"))
}

pub(super) fn probability(name: &str, value: f64) -> Result<()> {
    ensure((0.0..=1.0).contains(&value), name, value, "a probability is from 0 to 1")
}

pub(super) fn time(name: &str, value: Duration) -> Result<()> {
    ensure(value <= LONGEST, name, format!("{value:?}"), "a year is the longest")
}

/// An error that says what was set to what, and why it cannot be.
pub(super) fn ensure(holds: bool, name: &str, value: impl fmt::Display, why: impl Into<String>) -> Result<()> {
    if holds {
        return Ok(());
    }
    let cause = io::Error::new(io::ErrorKind::InvalidInput, why.into());
    Err(Error::new(Attempt::Other("set"), Object::Other(format!("{name} to {value}")), cause))
}
