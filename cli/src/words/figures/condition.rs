//! Conditions on figures, such as `loss>1%`: what `--fail-if` takes.

use std::fmt;
use std::str::FromStr;

use super::figure::Figure;
use super::quantity::{Quantity, Unit};

/// What is known of a figure: that it is not below `low` and not above `high`. Infinite: a percentile among lost ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Known {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Known {
    /// A number that is known.
    pub(crate) fn exact(value: f64) -> Self {
        Self { low: value, high: value }
    }

    /// It as people read it.
    pub(crate) fn show(self, unit: Unit) -> String {
        match self.low.total_cmp(&self.high).is_eq() {
            true => unit.show(self.low),
            false if self.high.is_infinite() => format!("at least {}", unit.show(self.low)),
            false => format!("between {} and {}", unit.show(self.low), unit.show(self.high)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// A condition on a figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) figure: Figure,
    comparison: Comparison,
    /// In the unit of the figure.
    value: f64,
    /// The condition as it was written, without spaces.
    text: String,
}

/// What became of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It holds, whichever value of those that are possible is the true one.
    Holds,
    /// It does not hold, whichever is the true one.
    Fails,
    /// It depends on the true one, or nothing is known of the figure.
    Unknown,
}

/// How much two numbers that were computed from the same ones may differ.
const ROUNDING: f64 = 1e-12;

impl Condition {
    /// What becomes of it, given what is known of its figure.
    pub(crate) fn judge(&self, known: Option<Known>) -> Outcome {
        let Some(known) = known else { return Outcome::Unknown };
        match (self.holds(known.low), self.holds(known.high)) {
            (true, true) => Outcome::Holds,
            (false, false) => Outcome::Fails,
            _ => Outcome::Unknown,
        }
    }

    fn holds(&self, value: f64) -> bool {
        let is_same = (value - self.value).abs() <= self.value.abs() * ROUNDING;
        match self.comparison {
            Comparison::Above => value > self.value && !is_same,
            Comparison::AtLeast => value > self.value || is_same,
            Comparison::Below => value < self.value && !is_same,
            Comparison::AtMost => value < self.value || is_same,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
        let wrong =
            || format!("'{text}' is not a condition; write a figure, one of > >= < <=, and a value, such as loss>1%");
        let at = text.find(['>', '<', '=', '!']).ok_or_else(wrong)?;
        let (name, rest) = text.split_at(at);
        let comparisons = [
            (">=", Comparison::AtLeast),
            ("<=", Comparison::AtMost),
            (">", Comparison::Above),
            ("<", Comparison::Below),
        ];
        let found = comparisons.into_iter().find_map(|(sign, comparison)| Some((rest.strip_prefix(sign)?, comparison)));
        let (value, comparison) = found.ok_or_else(wrong)?;
        if value.is_empty() || name.is_empty() {
            return Err(wrong());
        }
        let figure: Figure = name.parse()?;
        let unit = figure.quantity.unit();
        let value = unit.parse(value).map_err(|why| format!("{name}: {why}{}", figure.other_unit(value)))?;
        Ok(Self { figure, comparison, value, text })
    }
}

impl Figure {
    /// What to write instead where a count was compared with a percentage, or the other way round.
    fn other_unit(self, value: &str) -> String {
        use Quantity::{Duplicates, Duplication, Loss, Lost, Reordered, Reordering};
        let is_share = value.ends_with('%');
        let other = match (self.quantity, is_share) {
            (Lost, true) => Loss,
            (Loss, false) => Lost,
            (Duplicates, true) => Duplication,
            (Duplication, false) => Duplicates,
            (Reordered, true) => Reordering,
            (Reordering, false) => Reordered,
            _ => return String::new(),
        };
        let of = if is_share { "the percentage" } else { "the count" };
        format!("; {of} is {}", Self { quantity: other, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(text: &str) -> Condition {
        text.parse().unwrap()
    }

    #[test]
    fn a_condition_is_a_figure_a_comparison_and_a_value() {
        for (text, figure) in [
            ("loss>1%", "loss"),
            (" forward.loss >= 0.5% ", "forward.loss"),
            ("rtt.p99>50ms", "rtt.p99"),
            ("lost>=1", "lost"),
            ("forward.mos<3.6", "forward.mos"),
            ("reverse.delay.min<-1ms", "reverse.delay.min"),
            ("clock.drift>100ppm", "clock.drift"),
            ("sent<=10", "sent"),
        ] {
            assert_eq!(condition(text).figure.to_string(), figure, "{text}");
            assert_eq!(condition(text).to_string(), text.replace(' ', ""));
        }
    }

    #[test]
    fn a_condition_that_is_none_says_what_to_write() {
        for (text, expected) in [
            ("", "'' is not a condition; write a figure, one of > >= < <=, and a value, such as loss>1%"),
            ("loss", "'loss' is not a condition"),
            ("loss>", "'loss>' is not a condition"),
            (">1%", "'>1%' is not a condition"),
            ("loss=1%", "'loss=1%' is not a condition"),
            ("loss!=1%", "'loss!=1%' is not a condition"),
            ("loss=>1%", "'loss=>1%' is not a condition"),
            ("los>1", "there is no figure 'los'; did you mean lost?"),
            ("loss>1", "loss: '1' is not a percentage; write one from 0% to 100%, such as 0.5%; the count is lost"),
            ("loss>>1%", "loss: '>1%' is not a percentage"),
            (
                "forward.reordered>1%",
                "forward.reordered: '1%' is not a count; write a whole number, such as 5; the percentage is \
                 forward.reordering",
            ),
            ("rtt.p99>50", "rtt.p99: '50' has no unit, as in 50s; write one as"),
            ("rtt>50ms", "rtt is many numbers"),
        ] {
            let error = text.parse::<Condition>().unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_number_that_is_known_settles_a_condition() {
        use Outcome::{Fails, Holds};
        for (text, value, expected) in [
            ("loss>1%", 0.02, Holds),
            ("loss>1%", 0.01, Fails),
            ("loss>=1%", 0.01, Holds),
            ("loss<1%", 0.01, Fails),
            ("loss<=1%", 0.01, Holds),
            // 0.1 % of 3,000 is 3, and both are computed with rounding.
            ("loss>0.1%", 3.0 / 3000.0, Fails),
            ("loss>=0.3%", 9.0 / 3000.0, Holds),
            ("lost>0", 0.0, Fails),
            ("lost>0", 1.0, Holds),
            ("rtt.p99>50ms", f64::INFINITY, Holds),
            ("rtt.p99<50ms", f64::INFINITY, Fails),
        ] {
            assert_eq!(condition(text).judge(Some(Known::exact(value))), expected, "{text} with {value}");
        }
    }

    #[test]
    fn an_interval_settles_a_condition_only_if_all_of_it_is_on_one_side() {
        use Outcome::{Fails, Holds, Unknown};
        for (text, low, high, expected) in [
            ("lost>5", 6.0, 9.0, Holds),
            ("lost>5", 5.0, 9.0, Unknown),
            ("lost>5", 0.0, 5.0, Fails),
            ("lost>=5", 5.0, 9.0, Holds),
            ("lost<5", 0.0, 4.0, Holds),
            ("lost<5", 4.0, 5.0, Unknown),
            ("lost<=5", 6.0, 7.0, Fails),
        ] {
            assert_eq!(condition(text).judge(Some(Known { low, high })), expected, "{text} in {low} to {high}");
        }
        assert_eq!(condition("lost>5").judge(None), Unknown);
    }

    #[test]
    fn what_is_known_is_shown_with_its_unit() {
        assert_eq!(Known::exact(0.05).show(Unit::Share), "5%");
        assert_eq!(Known { low: 1e6, high: f64::INFINITY }.show(Unit::Time), "at least 1.00 ms");
        assert_eq!(Known { low: 2.0, high: 5.0 }.show(Unit::Count), "between 2 and 5");
    }
}
