//! The figures of `udp measure` by their names: `loss`, `forward.delay.p99`; the same for conditions, comparisons and explanations.

mod condition;
mod quantity;
mod texts;
mod topic;

use std::fmt;
use std::str::FromStr;

use crate::words::spelling::nearest;

pub(crate) use condition::{Condition, Known, Outcome};
pub(crate) use quantity::{Quantity, Unit};
pub(crate) use topic::Topic;

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
    const ALL: [Self; 3] = [Self::Whole, Self::Forward, Self::Reverse];

    /// What its names begin with.
    fn prefix(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Forward => "forward.",
            Self::Reverse => "reverse.",
        }
    }

    /// The scope that a name begins with, and the rest of the name.
    fn split(name: &str) -> (Self, &str) {
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

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|statistic| statistic.word() == word)
    }
}

/// One figure of a measurement: a single number, or an interval that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Figure {
    pub(crate) scope: Scope,
    pub(crate) quantity: Quantity,
    /// Which number of a distribution; `None` for quantities that are one number.
    pub(crate) statistic: Option<Statistic>,
}

impl Figure {
    /// Every figure that there is.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let scoped = Quantity::ALL.into_iter().flat_map(|quantity| {
            let scopes = Scope::ALL.into_iter().filter(move |scope| quantity.has(*scope));
            scopes.map(move |scope| (scope, quantity))
        });
        scoped.flat_map(|(scope, quantity)| {
            let statistics: Vec<_> = match quantity.is_distribution() {
                true => Statistic::ALL.into_iter().map(Some).collect(),
                false => vec![None],
            };
            statistics.into_iter().map(move |statistic| Self { scope, quantity, statistic })
        })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.scope.prefix(), self.quantity.word())?;
        self.statistic.map_or(Ok(()), |statistic| write!(f, ".{}", statistic.word()))
    }
}

impl FromStr for Figure {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let (scope, rest) = Scope::split(name);
        let (quantity, statistic) = match (Quantity::of(rest), rest.rsplit_once('.')) {
            (Some(quantity), _) => (quantity, None),
            (None, Some((word, statistic))) => match (Quantity::of(word), Statistic::of(statistic)) {
                (Some(quantity), Some(statistic)) => (quantity, Some(statistic)),
                (Some(quantity), None) if quantity.is_distribution() => {
                    let words = Statistic::ALL.map(Statistic::word).join(", ");
                    return Err(format!("{word} has no '{statistic}'; it has {words}"));
                }
                _ => return Err(unknown(name)),
            },
            (None, None) => return Err(unknown(name)),
        };
        let word = quantity.word();
        if !quantity.has(scope) {
            return Err(match scope {
                Scope::Whole => format!("{word} is of one direction; write forward.{rest} or reverse.{rest}"),
                _ => format!("{word} is not of one direction; write {rest}"),
            });
        }
        match (quantity.is_distribution(), statistic) {
            (true, None) => {
                Err(format!("{name} is many numbers; write {name}.p50, {name}.p99 or {name}.max, for example"))
            }
            (false, Some(_)) => Err(format!("{word} is one number; write {}{word}", scope.prefix())),
            _ => Ok(Self { scope, quantity, statistic }),
        }
    }
}

/// The error for a name that no figure has.
fn unknown(name: &str) -> String {
    let names: Vec<_> = Figure::all().map(|figure| figure.to_string()).collect();
    match nearest(name, names.iter().map(String::as_str)) {
        Some(meant) => format!("there is no figure '{name}'; did you mean {meant}?"),
        None => format!("there is no figure '{name}'; there are {}", Quantity::ALL.map(Quantity::word).join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_read_as_it_is_written() {
        let all: Vec<_> = Figure::all().collect();
        assert!(all.len() > 50, "{}", all.len());
        for figure in all {
            assert_eq!(figure.to_string().parse(), Ok(figure));
        }
    }

    #[test]
    fn names_say_whose_figure_and_which_number() {
        let figure: Figure = "forward.delay.p99".parse().unwrap();
        assert_eq!(
            figure,
            Figure { scope: Scope::Forward, quantity: Quantity::Delay, statistic: Some(Statistic::P99) }
        );
        let figure: Figure = "clock.offset".parse().unwrap();
        assert_eq!(figure, Figure { scope: Scope::Whole, quantity: Quantity::ClockOffset, statistic: None });
    }

    #[test]
    fn a_name_that_no_figure_has_is_an_error_that_says_what_was_meant() {
        for (name, expected) in [
            ("los", "there is no figure 'los'; did you mean lost?"),
            ("forward.dely.p99", "there is no figure 'forward.dely.p99'; did you mean forward.delay.p99?"),
            ("rtt", "rtt is many numbers; write rtt.p50, rtt.p99 or rtt.max, for example"),
            ("rtt.median", "rtt has no 'median'; it has min, mean, p50, p90, p99, p999, max"),
            ("loss.p99", "loss is one number; write loss"),
            ("forward.loss.p99", "loss is one number; write forward.loss"),
            ("forward.rtt.p99", "rtt is not of one direction; write rtt.p99"),
            ("delay.p99", "delay is of one direction; write forward.delay.p99 or reverse.delay.p99"),
        ] {
            assert_eq!(name.parse::<Figure>().unwrap_err(), expected, "{name}");
        }
        for name in ["", ".", "forward.", "throughput", "forward.forward.loss", "rtt.p99.p99"] {
            let error = name.parse::<Figure>().unwrap_err();
            assert!(error.contains("; there are sent, answered, lost"), "{name}: {error}");
        }
    }
}
