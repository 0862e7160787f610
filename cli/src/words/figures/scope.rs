//! Whose figure it is, and which number of a distribution.

/// Whose figure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Of the round trip, or of the run as a whole.
    Whole,
    /// Of the way to the reflector.
    Forward,
    /// Of the way back.
    Reverse,
}

impl Scope {
    pub(super) const ALL: [Self; 3] = [Self::Whole, Self::Forward, Self::Reverse];

    /// What its names begin with.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Forward => "forward.",
            Self::Reverse => "reverse.",
        }
    }

    /// The scope that a name begins with, and the rest of the name.
    pub(super) fn split(name: &str) -> (Self, &str) {
        let directions = [Self::Forward, Self::Reverse].into_iter();
        let mut found = directions.filter_map(|scope| Some((scope, name.strip_prefix(scope.prefix())?)));
        found.next().unwrap_or((Self::Whole, name))
    }
}

/// One number of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Statistic {
    Min,
    Mean,
    P50,
    P90,
    P99,
    P999,
    Max,
}

impl Statistic {
    /// All of them; those that summaries have.
    pub(crate) const ALL: [Self; 7] = [Self::Min, Self::Mean, Self::P50, Self::P90, Self::P99, Self::P999, Self::Max];

    /// How it is written, in names and in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Mean => "mean",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p999",
            Self::Max => "max",
        }
    }

    pub(super) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|statistic| statistic.word() == word)
    }
}
