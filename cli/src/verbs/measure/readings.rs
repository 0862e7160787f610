//! Figures out of a summary in JSON: that of this run, or of one that was kept.

use serde_json::Value;

use crate::words::figures::{Figure, Known, Quantity, Scope, Statistic};

/// A summary of `udp measure`, as its last line in JSON.
#[derive(Clone, Debug)]
pub(super) struct Readings(Value);

impl Readings {
    /// The figures of a summary.
    pub(super) fn new(summary: Value) -> Self {
        Self(summary)
    }

    /// What the summary says of a figure; `None` where it says nothing.
    pub(super) fn known(&self, figure: Figure) -> Option<Known> {
        let Figure { scope, quantity, statistic } = figure;
        match quantity {
            Quantity::Sent => self.number("/sent"),
            Quantity::Answered | Quantity::Late => self.number(&format!("/round_trip/{}", quantity.word())),
            Quantity::Lost | Quantity::Duplicates | Quantity::Reordered => self.count(scope, quantity.word()),
            Quantity::Loss => self.share(scope, "lost"),
            Quantity::Duplication => self.share(scope, "duplicates"),
            Quantity::Reordering => self.share(scope, "reordered"),
            Quantity::Mtu => match scope {
                Scope::Whole => self.interval("/mtu_bytes"),
                Scope::Forward | Scope::Reverse => self.interval(&format!("{}/mtu_bytes", place(scope))),
            },
            Quantity::Mos => self.number(&format!("{}/mos", place(scope))),
            Quantity::RFactor => self.number(&format!("{}/r_factor", place(scope))),
            Quantity::RtpJitter => self.number(&format!("{}/rtp_jitter_ns", place(scope))),
            Quantity::ClockOffset => self.number("/clock/offset_ns"),
            Quantity::ClockBound => self.number("/clock/bound_ns"),
            Quantity::ClockDrift => self.number("/clock/drift_ppm"),
            Quantity::Residence | Quantity::Lateness => {
                self.number(&format!("/{}/{}_ns", quantity.word(), statistic?.word()))
            }
            Quantity::Rtt | Quantity::Response => {
                let time = self.number(&format!("/round_trip/{}/{}_ns", quantity.word(), statistic?.word()));
                // Of probes of which none came back, each is infinitely late (RFC 2681 section 2.4).
                time.or_else(|| self.nothing_came_back().then(|| Known::exact(f64::INFINITY)))
            }
            Quantity::AddedDelay => self.added(scope, statistic?),
            Quantity::LoadedLoss => {
                let [lost, answered] = ["lost", "answered"].map(|key| self.number(&format!("/load/loaded/{key}")));
                let (lost, answered) = (lost?.low, answered?.low);
                (lost + answered > 0.0).then(|| Known::exact(lost / (lost + answered)))
            }
            Quantity::LoadArrived => {
                let (arrived, sent) = (self.number("/load/arrived")?.low, self.number("/load/sent")?.low);
                (sent > 0.0).then(|| Known::exact(arrived / sent))
            }
            Quantity::Delay | Quantity::Variation | Quantity::Ipdv => {
                self.number(&format!("{}/{}/{}_ns", place(scope), quantity.word(), statistic?.word()))
            }
        }
    }

    /// A number of the distribution beside a load, less the same before it; `None` where the two cannot be compared.
    fn added(&self, scope: Scope, statistic: Statistic) -> Option<Known> {
        let key = match scope {
            Scope::Whole => "rtt",
            Scope::Forward => "forward",
            Scope::Reverse => "reverse",
        };
        self.0.pointer(&format!("/load/added/{key}"))?.as_object()?;
        let [idle, loaded] =
            ["idle", "loaded"].map(|half| self.number(&format!("/load/{half}/{key}/{}_ns", statistic.word())));
        Some(Known::exact(loaded?.low - idle?.low))
    }

    /// The interval in which what a load added is, in 95 of 100 cases; without an end where too few probes say that.
    pub(super) fn added_range(&self, figure: Figure) -> Option<[Option<f64>; 2]> {
        let key = match figure.scope {
            Scope::Whole => "rtt",
            Scope::Forward => "forward",
            Scope::Reverse => "reverse",
        };
        let range = self.0.pointer(&format!("/load/added/{key}/{}_range_ns", figure.statistic?.word()))?;
        Some([range.get(0)?.as_f64(), range.get(1)?.as_f64()])
    }

    /// How many values a distribution has.
    pub(super) fn values(&self, figure: Figure) -> Option<f64> {
        let path = match figure.quantity {
            Quantity::Residence | Quantity::Lateness => format!("/{}/count", figure.quantity.word()),
            quantity if quantity.is_distribution() => format!("{}/{}/count", place(figure.scope), quantity.word()),
            _ => return None,
        };
        self.0.pointer(&path)?.as_f64()
    }

    /// How many things a percentage is a part of.
    pub(super) fn base(&self, figure: Figure) -> Option<Known> {
        match figure.quantity {
            Quantity::Loss => self.base_of(figure.scope, "lost"),
            Quantity::Duplication => self.base_of(figure.scope, "duplicates"),
            Quantity::Reordering => self.base_of(figure.scope, "reordered"),
            _ => None,
        }
    }

    /// How many losses say as much as one that is independent of others.
    pub(super) fn clumping(&self) -> Option<f64> {
        self.0.pointer("/round_trip/loss_runs/clumping")?.as_f64()
    }

    /// More of the values of a distribution than its statistics: parts, and the values that these do not exceed.
    pub(super) fn percentiles(&self, figure: Figure) -> Vec<(f64, f64)> {
        let path = format!("{}/{}/percentiles_ns", place(figure.scope), figure.quantity.word());
        let list = self.0.pointer(&path).and_then(Value::as_array);
        let numbers = list.into_iter().flatten().filter_map(Value::as_f64);
        (1..100).zip(numbers).map(|(percent, time)| (f64::from(percent) / 100.0, time)).collect()
    }

    /// How long the run took, in nanoseconds.
    pub(super) fn duration_ns(&self) -> Option<f64> {
        self.0.pointer("/elapsed_ns")?.as_f64()
    }

    /// A number at a place in the summary.
    fn number(&self, path: &str) -> Option<Known> {
        self.0.pointer(path)?.as_f64().map(Known::exact)
    }

    fn nothing_came_back(&self) -> bool {
        let is = |path: &str, test: fn(f64) -> bool| self.0.pointer(path).and_then(Value::as_f64).is_some_and(test);
        is("/sent", |sent| sent > 0.0) && is("/round_trip/answered", |answered| answered == 0.0)
    }

    /// A count that is a number, or an interval: `[low, high]`, without a high end where nobody knows one.
    fn count(&self, scope: Scope, key: &str) -> Option<Known> {
        self.interval(&format!("{}/{key}", place(scope)))
    }

    /// The same at a place in the summary.
    fn interval(&self, path: &str) -> Option<Known> {
        let value = self.0.pointer(path)?;
        match value.as_array().map(Vec::as_slice) {
            Some([low, Value::Null]) => Some(Known { low: low.as_f64()?, high: f64::INFINITY }),
            Some([low, high]) => Some(Known { low: low.as_f64()?, high: high.as_f64()? }),
            Some(_) => None,
            None => value.as_f64().map(Known::exact),
        }
    }

    /// A count in relation to what it is a part of.
    fn share(&self, scope: Scope, key: &str) -> Option<Known> {
        let (count, base) = (self.count(scope, key)?, self.base_of(scope, key)?);
        let share = match (scope, key) {
            // Whatever was lost was sent in addition to what arrived.
            (Scope::Reverse, "lost") => {
                let arrived = self.arrived(scope)?;
                let of =
                    |lost: f64, arrived: f64| if lost.is_infinite() { 1.0 } else { quotient(lost, arrived + lost) };
                Known { low: of(count.low, arrived.high), high: of(count.high, arrived.low) }
            }
            _ => Known { low: quotient(count.low, base.high), high: quotient(count.high, base.low) },
        };
        let most = if key == "lost" { 1.0 } else { f64::INFINITY };
        (base.high > 0.0).then(|| Known { low: share.low.min(most), high: share.high.min(most) })
    }

    /// How many there were that could be lost, doubled or overtaken.
    fn base_of(&self, scope: Scope, key: &str) -> Option<Known> {
        match (scope, key) {
            (Scope::Whole, "lost") => self.number("/sent"),
            (Scope::Whole, _) => self.number("/round_trip/answered"),
            (Scope::Forward, "lost") => self.count(scope, "sent").or_else(|| self.number("/sent")),
            (Scope::Reverse, "lost") => {
                let (arrived, lost) = (self.arrived(scope)?, self.count(scope, "lost")?);
                Some(Known { low: arrived.low + lost.low, high: arrived.high + lost.high })
            }
            (Scope::Forward | Scope::Reverse, _) => self.arrived(scope),
        }
    }

    /// How many different ones arrived in a direction.
    fn arrived(&self, scope: Scope) -> Option<Known> {
        let lost = self.count(scope, "lost")?;
        let sent = match scope {
            Scope::Reverse => self.count(scope, "sent"),
            Scope::Whole | Scope::Forward => self.count(scope, "sent").or_else(|| self.number("/sent")),
        };
        let is_exact = |known: Known| known.low.total_cmp(&known.high).is_eq();
        match sent {
            Some(sent) if is_exact(sent) && (is_exact(lost) || scope != Scope::Reverse) => {
                Some(Known { low: sent.low - lost.high, high: sent.high - lost.low })
            }
            // Of answers that are not numbered one by one: of each probe at least one, and at most all that came.
            _ => {
                let of = |key| self.number(&format!("/round_trip/{key}")).map_or(0.0, |known| known.high);
                let answered = self.number("/round_trip/answered")?.low;
                Some(Known { low: answered, high: answered + of("late") + of("duplicates") })
            }
        }
    }
}

/// A part of a whole; none of nothing is nothing.
fn quotient(count: f64, of: f64) -> f64 {
    if count == 0.0 { 0.0 } else { count / of }
}

/// Where the figures of a scope are.
fn place(scope: Scope) -> &'static str {
    match scope {
        Scope::Whole => "/round_trip",
        Scope::Forward => "/forward",
        Scope::Reverse => "/reverse",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// The summary of a run against our own reflector.
    pub(in crate::verbs::measure) fn exact() -> Value {
        json!({"v": 1, "type": "summary", "verb": "measure", "target": "192.0.2.1:862", "reflector": "counting",
            "sent": 1000, "wait_ns": 2_000_000_000_u64,
            "round_trip": {"lost": 100, "late": 2, "answered": 900, "duplicates": 9, "rtt": {"count": 900, "min_ns": 1_000_000,
                "p50_ns": 2_000_000, "p90_ns": 3_000_000, "p99_ns": 5_000_000, "p999_ns": 9_000_000, "max_ns": 9_500_000,
                "mean_ns": 2_100_000}},
            "forward": {"lost": 50, "duplicates": 19, "reordered": 38, "delay": {"count": 950, "min_ns": -500_000}},
            "reverse": {"lost": 50, "sent": 952, "duplicates": 9, "reordered": 0, "delay": null},
            "residence": {"count": 900, "p99_ns": 20_000}, "clock": {"offset_ns": -500, "drift_ppm": 1.5}, "load": {"bitrate": 2e7, "sent": 1000, "arrived": 500,
                "idle": {"answered": 100, "lost": 0, "rtt": {"p50_ns": 20_000_000, "max_ns": 30_000_000},
                    "forward": {"p50_ns": -9_000_000}, "reverse": {"p50_ns": 1}},
                "loaded": {"answered": 95, "lost": 5, "rtt": {"p50_ns": 100_000_000, "max_ns": 120_000_000},
                    "forward": {"p50_ns": 70_000_000}, "reverse": {"p50_ns": 2}},
                "added": {"rtt": {"p50_ns": 80_000_000, "p50_range_ns": [78_000_000, 81_000_000]},
                    "forward": {"p50_ns": 79_000_000, "p50_range_ns": [78_000_000, 80_000_000]}, "reverse": null}}})
    }

    /// The summary of a run against a reflector of which not everything is known.
    fn within() -> Value {
        json!({"sent": 1000, "round_trip": {"lost": 100, "late": 2, "answered": 900, "duplicates": 3},
            "forward": {"lost": [40, 60], "duplicates": [0, 10]}, "reverse": {"lost": [40, 60]}})
    }

    fn known(summary: Value, figure: &str) -> Option<(f64, f64)> {
        Readings::new(summary).known(figure.parse().unwrap()).map(|known| (known.low, known.high))
    }

    #[test]
    fn figures_are_where_the_summary_has_them() {
        for (figure, expected) in [
            ("sent", 1000.0),
            ("answered", 900.0),
            ("late", 2.0),
            ("lost", 100.0),
            ("loss", 0.1),
            ("forward.loss", 0.05),
            ("reverse.loss", 50.0 / 952.0),
            ("duplication", 0.01),
            ("forward.duplication", 0.02),
            ("forward.reordering", 0.04),
            ("reverse.reordering", 0.0),
            ("rtt.p99", 5e6),
            ("forward.delay.min", -5e5),
            ("residence.p99", 2e4),
            ("clock.offset", -500.0),
            ("clock.drift", 1.5),
            ("added-delay.p50", 80e6),
            ("added-delay.max", 90e6),
            ("forward.added-delay.p50", 79e6),
            ("loaded-loss", 0.05),
            ("load-arrived", 0.5),
        ] {
            assert_eq!(known(exact(), figure), Some((expected, expected)), "{figure}");
        }
    }

    #[test]
    fn what_a_summary_does_not_say_is_unknown() {
        for figure in
            ["reverse.delay.p50", "lateness.p50", "forward.ipdv.p99", "clock.bound", "reverse.added-delay.p50"]
        {
            assert_eq!(known(exact(), figure), None, "{figure}");
        }
        assert_eq!(known(json!({"sent": 0, "round_trip": {"lost": 0, "answered": 0}}), "loss"), None);
        for wrong in [json!(null), json!([1]), json!({"sent": "x", "forward": {"lost": [1, 2, 3]}})] {
            assert_eq!(known(wrong, "forward.lost"), None);
        }
    }

    #[test]
    fn intervals_stay_intervals_and_their_shares_hold_whatever_is_true() {
        assert_eq!(known(within(), "forward.lost"), Some((40.0, 60.0)));
        assert_eq!(known(within(), "forward.loss"), Some((0.04, 0.06)));
        assert_eq!(known(within(), "reverse.loss"), Some((40.0 / 945.0, 60.0 / 960.0)));
        // 900 probes were answered; five more answers came twice or late, and may be of other probes.
        for (reverse, arrived) in (40..=60).flat_map(|reverse| (900..=905).map(move |arrived| (reverse, arrived))) {
            let share = f64::from(reverse) / f64::from(arrived + reverse);
            let (low, high) = known(within(), "reverse.loss").unwrap();
            assert!((low..=high).contains(&share), "{reverse}");
        }
        assert_eq!(known(within(), "forward.duplication"), Some((0.0, 10.0 / 940.0)));
        let at_least = json!({"sent": 10, "round_trip": {"answered": 5}, "reverse": {"lost": [5, null]}});
        assert_eq!(known(at_least.clone(), "reverse.lost"), Some((5.0, f64::INFINITY)));
        assert_eq!(known(at_least, "reverse.loss"), Some((0.5, 1.0)));
    }

    #[test]
    fn a_round_trip_without_any_answer_is_infinite() {
        let silent = json!({"sent": 10, "round_trip": {"lost": 10, "answered": 0, "rtt": null}});
        assert_eq!(known(silent.clone(), "rtt.p99"), Some((f64::INFINITY, f64::INFINITY)));
        assert_eq!(known(silent.clone(), "loss"), Some((1.0, 1.0)));
        assert_eq!(known(silent.clone(), "duplication"), None);
        assert_eq!(known(silent, "residence.p99"), None);
    }
}
