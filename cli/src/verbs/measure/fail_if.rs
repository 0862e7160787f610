//! `--fail-if`: conditions on figures, what became of them, and the exit status that they set.

use serde::Serialize;
use serde_json::{Value, json};

use super::readings::Readings;
use crate::output::{Notice, Tone};
use crate::words::figures::{Condition, Known, Outcome};

/// What became of each condition, in their order.
pub(super) fn judge(conditions: &[Condition], readings: &Readings) -> Vec<Judged> {
    conditions.iter().map(|condition| Judged::new(condition, readings.known(condition.figure))).collect()
}

/// Whether one of them holds.
pub(super) fn has_failed(judged: &[Judged]) -> bool {
    judged.iter().any(|judged| judged.outcome == Outcome::Holds)
}

/// What became of a condition.
#[derive(Debug, Serialize)]
pub(super) struct Judged {
    condition: String,
    figure: String,
    /// A number, `[low, high]`, or null where nothing is known or it is infinite. In the unit of the figure: nanoseconds, a part of 1.
    value: Value,
    /// Null: it depends on which value of the interval is the true one, or nothing is known.
    holds: Option<bool>,
    #[serde(skip)]
    outcome: Outcome,
    #[serde(skip)]
    shown: String,
}

impl Judged {
    fn new(condition: &Condition, known: Option<Known>) -> Self {
        let outcome = condition.judge(known);
        let value = match known {
            None => Value::Null,
            Some(Known { low, high }) if low.total_cmp(&high).is_eq() => json!(low),
            Some(Known { low, high }) => json!([low, high]),
        };
        let unit = condition.figure.quantity.unit();
        let shown = known.map_or_else(|| "not known".to_owned(), |known| known.show(unit));
        let holds = match outcome {
            Outcome::Holds => Some(true),
            Outcome::Fails => Some(false),
            Outcome::Unknown => None,
        };
        Self { condition: condition.to_string(), figure: condition.figure.to_string(), value, holds, outcome, shown }
    }
}

impl Notice for Judged {
    fn kind(&self) -> Option<&'static str> {
        Some("condition")
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn tone(&self) -> Tone {
        match self.outcome {
            Outcome::Holds => Tone::Complaint,
            Outcome::Fails | Outcome::Unknown => Tone::Note,
        }
    }

    fn words(&self) -> Vec<String> {
        let Self { condition, figure, shown, .. } = self;
        vec![match self.outcome {
            Outcome::Holds => format!("failed: {condition}: {figure} is {shown}"),
            Outcome::Fails => format!("passed: {condition}: {figure} is {shown}"),
            Outcome::Unknown => format!("?: {condition} cannot be judged: {figure} is {shown}"),
        }]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::verbs::measure::readings::tests::exact;

    fn judged(summary: Value, conditions: &[&str]) -> Vec<Judged> {
        let conditions: Vec<_> = conditions.iter().map(|text| text.parse().unwrap()).collect();
        judge(&conditions, &Readings::new(summary))
    }

    #[test]
    fn a_condition_that_holds_is_a_failure_with_its_figure() {
        let judged = judged(exact(), &["loss>5%", "rtt.p99>50ms", "forward.loss<1%"]);
        let words: Vec<_> = judged.iter().flat_map(Notice::words).collect();
        assert_eq!(
            words,
            [
                "failed: loss>5%: loss is 10%",
                "passed: rtt.p99>50ms: rtt.p99 is 5.00 ms",
                "passed: forward.loss<1%: forward.loss is 5%"
            ]
        );
        assert!(has_failed(&judged) && !has_failed(&judged[1..]) && !has_failed(&[]));
        assert_eq!([judged[0].tone(), judged[1].tone()], [Tone::Complaint, Tone::Note]);
    }

    #[test]
    fn a_condition_that_an_interval_does_not_settle_is_no_failure() {
        let summary = json!({"sent": 100, "round_trip": {"lost": 9, "answered": 91}, "forward": {"lost": [2, 9]}});
        let judged = judged(summary, &["forward.lost>5", "forward.lost>1", "residence.p50>1s"]);
        let words: Vec<_> = judged.iter().flat_map(Notice::words).collect();
        assert_eq!(
            words,
            [
                "?: forward.lost>5 cannot be judged: forward.lost is between 2 and 9",
                "failed: forward.lost>1: forward.lost is between 2 and 9",
                "?: residence.p50>1s cannot be judged: residence.p50 is not known"
            ]
        );
        assert!(!has_failed(&judged[..1]) && has_failed(&judged[..2]) && !has_failed(&judged[2..]));
    }

    #[test]
    fn its_object_has_the_value_and_whether_it_holds() {
        let silent = json!({"sent": 10, "round_trip": {"lost": 10, "answered": 0}, "forward": {"lost": [0, 10]}});
        let judged = judged(silent, &["loss>1%", "forward.lost>5", "rtt.p99>1s", "residence.max>1s"]);
        let objects: Vec<_> = judged.iter().map(|judged| serde_json::to_value(judged).unwrap()).collect();
        assert_eq!(
            objects,
            [
                json!({"condition": "loss>1%", "figure": "loss", "value": 1.0, "holds": true}),
                json!({"condition": "forward.lost>5", "figure": "forward.lost", "value": [0.0, 10.0], "holds": null}),
                json!({"condition": "rtt.p99>1s", "figure": "rtt.p99", "value": null, "holds": true}),
                json!({"condition": "residence.max>1s", "figure": "residence.max", "value": null, "holds": null}),
            ]
        );
    }
}
