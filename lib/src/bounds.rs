//! A count that is known exactly, or to lie between two.

use std::fmt;
use std::ops::Add;

/// A count that is known exactly, or to lie between two, both included.
///
/// ```
/// use udpkit::Bounds;
///
/// let lost = Bounds::new(2, 5) + Bounds::exact(1);
/// assert_eq!((lost.to_string(), lost.contains(3), lost.is_exact()), ("3 to 6".to_string(), true, false));
/// ```
/// Exhaustive: it is of these two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// It is not less.
    pub low: u64,
    /// It is not more; never below `low`. The largest number where nothing is known of that.
    pub high: u64,
}

impl Bounds {
    /// A count that is known.
    #[must_use]
    pub fn exact(count: u64) -> Self {
        Self { low: count, high: count }
    }

    /// One of these and those between them; `low` alone where `high` is below it.
    #[must_use]
    pub fn new(low: u64, high: u64) -> Self {
        Self { low, high: high.max(low) }
    }

    /// A count of which is known only that it is not less.
    #[must_use]
    pub fn at_least(count: u64) -> Self {
        Self { low: count, high: u64::MAX }
    }

    /// Whether it is known that it is not more than something.
    #[must_use]
    pub fn is_bounded(self) -> bool {
        self.high < u64::MAX
    }

    /// Whether it is known.
    #[must_use]
    pub fn is_exact(self) -> bool {
        self.low == self.high
    }

    /// Whether it may be this one.
    #[must_use]
    pub fn contains(self, count: u64) -> bool {
        (self.low..=self.high).contains(&count)
    }
}

impl Add for Bounds {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { low: self.low.saturating_add(other.low), high: self.high.saturating_add(other.high) }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { low, .. } if self.is_exact() => write!(f, "{low}"),
            Self { low, high } if self.is_bounded() => write!(f, "{low} to {high}"),
            Self { low, .. } => write!(f, "at least {low}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_between_its_bounds() {
        let between = Bounds::new(3, 5);
        assert!([3, 4, 5].into_iter().all(|count| between.contains(count)));
        assert!(!between.contains(2) && !between.contains(6) && !between.is_exact());
        assert_eq!(Bounds::new(3, 2), Bounds::exact(3));
        assert_eq!((Bounds::exact(7).to_string(), between.to_string()), ("7".to_string(), "3 to 5".to_string()));
        assert_eq!(between + Bounds::exact(1), Bounds::new(4, 6));
        let open = Bounds::at_least(3) + Bounds::exact(4);
        assert_eq!(
            (open.to_string(), open.is_bounded(), between.is_bounded()),
            ("at least 7".to_string(), false, true)
        );
    }
}
