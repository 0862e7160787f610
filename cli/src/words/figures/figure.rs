//! One figure by its name.

use std::fmt;
use std::str::FromStr;

use super::quantity::Quantity;
use super::scope::{Scope, Statistic};
use crate::words::spelling::nearest;

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
