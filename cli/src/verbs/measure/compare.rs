//! `--compare`: what differs from an older run, and whether by more than chance.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};
use udpkit::path::{RatioSample, TimeSample, ratios_differ, times_differ};
use udpkit::{Bounds, SignedNanoseconds};

use super::readings::Readings;
use crate::hint::Hint;
use crate::output::{Notice, Tone};
use crate::words::figures::{Figure, Known, Quantity, Scope, Statistic};

/// Bytes at the end of a file in which its summaries are looked for.
const MOST_BYTES: u64 = 4 << 20;
/// Delays closer than this depend on one another, since the same queues made them, and count as one.
const INDEPENDENT: f64 = 0.1e9;
/// How probable it is that two runs over equal paths are said to differ in anything at all.
const ALPHA: f64 = 0.01;

/// An older run.
#[derive(Debug)]
pub(super) struct Older {
    /// Where it was read from.
    name: String,
    /// The summary of each target, in their order.
    summaries: Vec<Value>,
}

impl Older {
    /// Reads what `udp measure --json` wrote.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or in which no summary is.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let text = tail(path).with_context(|| format!("cannot read '{name}'"))?;
        let values = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let summaries: Vec<Value> = values.filter(is_summary).collect();
        match summaries.is_empty() {
            false => Ok(Self { name, summaries }),
            true => Err(Hint::on(
                format!("cannot compare with '{name}': it has no summary of udp measure"),
                format!("udp measure ADDRESS --json > {name} writes one, as its last line"),
            )),
        }
    }

    /// What differs now: a line for each figure that both have; with the run of the same target, if there are several.
    pub(super) fn compare(&self, now: &Value) -> Compared {
        let same = self
            .summaries
            .iter()
            .rev()
            .find(|summary| ["name", "target"].iter().all(|key| summary.get(key) == now.get(key)));
        let before = same.or_else(|| self.summaries.last()).cloned().unwrap_or_default();
        let other = other_options(&before, now);
        let (before, now) = (Readings::new(before), Readings::new(now.clone()));
        let figures: Vec<_> =
            compared().filter(|figure| before.known(*figure).is_some() && now.known(*figure).is_some()).collect();
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        let number = figures.len() as f64;
        let differences =
            figures.into_iter().filter_map(|figure| Difference::new(figure, &before, &now, number)).collect();
        Compared { with: self.name.clone(), other, differences }
    }
}

/// The end of a file, from the start of a line on.
fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let skipped = length.saturating_sub(MOST_BYTES);
    if skipped > 0 {
        file.seek(SeekFrom::Start(skipped))?;
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_summary(value: &Value) -> bool {
    let is = |key, text: &str| value.get(key).and_then(Value::as_str) == Some(text);
    is("type", "summary") && is("verb", "measure")
}

/// What was asked for otherwise, so that figures may differ for that.
fn other_options(before: &Value, now: &Value) -> Vec<String> {
    let places = ["/target", "/reflector", "/wait_ns", "/load/bitrate", "/load/size_bytes"].into_iter();
    let differ = places.filter(|place| before.pointer(place) != now.pointer(place));
    differ.map(|place| place.trim_start_matches('/').replace('/', ".")).collect()
}

/// The figures that are compared.
fn compared() -> impl Iterator<Item = Figure> {
    let one = |quantity: Quantity, statistic| {
        let scopes =
            [Scope::Whole, Scope::Forward, Scope::Reverse].into_iter().filter(move |scope| quantity.has(*scope));
        scopes.map(move |scope| Figure { scope, quantity, statistic })
    };
    let shares = [Quantity::Loss, Quantity::Duplication, Quantity::Reordering].into_iter();
    let shares = shares.flat_map(move |quantity| one(quantity, None));
    let times = [Quantity::Rtt, Quantity::Residence, Quantity::Variation].into_iter();
    let times = times.flat_map(move |quantity| {
        [Statistic::P50, Statistic::P99].into_iter().flat_map(move |statistic| one(quantity, Some(statistic)))
    });
    let added = one(Quantity::AddedDelay, Some(Statistic::P50));
    shares.chain(times).chain(added)
}

/// What differs from an older run.
#[derive(Debug, Serialize)]
pub(super) struct Compared {
    with: String,
    /// Keys of the summary that differ, and are not figures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    other: Vec<String>,
    differences: Vec<Difference>,
}

/// A figure, then and now.
#[derive(Debug, Serialize)]
struct Difference {
    figure: String,
    before: Value,
    now: Value,
    change: &'static str,
    #[serde(skip)]
    words: String,
}

impl Difference {
    /// `None` where one of the runs does not have the figure.
    fn new(figure: Figure, before: &Readings, now: &Readings, figures: f64) -> Option<Self> {
        let (then, this) = (before.known(figure)?, now.known(figure)?);
        let alpha = ALPHA / figures;
        let change = match figure.statistic {
            None => ratio_change(figure, before, now, alpha),
            Some(_) if figure.quantity == Quantity::AddedDelay => added_change(figure, before, now),
            Some(_) => time_change(figure, before, now, alpha),
        };
        let unit = figure.quantity.unit();
        let is_same = then == this;
        Some(Self {
            figure: figure.to_string(),
            before: object(then),
            now: object(this),
            change: key(change),
            words: words(figure, change, is_same, &then.show(unit), &this.show(unit)),
        })
    }
}

/// How a figure compares with what it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    More,
    Less,
    /// Chance alone makes such a difference.
    Chance,
    /// There are too few values, or too little is known of them.
    Unknown,
}

impl Change {
    fn new(is_more_than_chance: bool, is_more: bool) -> Self {
        match (is_more_than_chance, is_more) {
            (false, _) => Self::Chance,
            (true, true) => Self::More,
            (true, false) => Self::Less,
        }
    }
}

fn ratio_change(figure: Figure, before: &Readings, now: &Readings, alpha: f64) -> Change {
    let samples = ratio_sample(figure, before).zip(ratio_sample(figure, now));
    let difference = samples.and_then(|(before, now)| ratios_differ(&before, &now, alpha));
    difference.map_or(Change::Unknown, |it| Change::new(it.is_more_than_chance, it.difference > 0.0))
}

fn time_change(figure: Figure, before: &Readings, now: &Readings, alpha: f64) -> Change {
    let Some(part) = figure.statistic.and_then(quantile) else { return Change::Unknown };
    let difference = times_differ(&time_sample(figure, before), &time_sample(figure, now), part, alpha);
    match (difference.one, difference.other) {
        // Of intervals without an end nothing can be said.
        ([Some(_), Some(_)], [Some(lowest), Some(_)]) => {
            Change::new(difference.is_more_than_chance, Some(lowest) > difference.one[1])
        }
        _ if difference.is_more_than_chance => Change::new(true, difference.other[0] > difference.one[1]),
        _ => Change::Unknown,
    }
}

/// Of what a load added, summaries have the interval: where those of two runs are apart, they differ.
fn added_change(figure: Figure, before: &Readings, now: &Readings) -> Change {
    match before.added_range(figure).zip(now.added_range(figure)) {
        Some(([_, Some(high)], [Some(low), _])) if low > high => Change::More,
        Some(([Some(low), _], [_, Some(high)])) if high < low => Change::Less,
        Some(([Some(_), Some(_)], [Some(_), Some(_)])) => Change::Chance,
        _ => Change::Unknown,
    }
}

fn key(change: Change) -> &'static str {
    match change {
        Change::More => "more",
        Change::Less => "less",
        Change::Chance => "chance",
        Change::Unknown => "unknown",
    }
}

fn words(figure: Figure, change: Change, is_same: bool, then: &str, this: &str) -> String {
    let verdict = match change {
        Change::More => "more than before",
        Change::Less => "less than before",
        Change::Chance if is_same => "no difference",
        Change::Chance => "no more than chance",
        Change::Unknown => "too few probes to tell",
    };
    format!("{:<20} {then:>10} before, {this:>10} now: {verdict}", figure.to_string())
}

fn object(known: Known) -> Value {
    match known.low.total_cmp(&known.high).is_eq() {
        true => json!(known.low),
        false => json!([known.low, known.high]),
    }
}

/// What was counted, and of how many.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts below 2^53, and what is above is that"
)]
fn ratio_sample(figure: Figure, run: &Readings) -> Option<RatioSample> {
    let quantity = match figure.quantity {
        Quantity::Loss => Quantity::Lost,
        Quantity::Duplication => Quantity::Duplicates,
        Quantity::Reordering => Quantity::Reordered,
        other => other,
    };
    let (count, whole) = (run.known(Figure { quantity, ..figure })?, run.base(figure)?.low as u64);
    // A ratio of the score interval is 1 at most: of more copies than arrivals nothing else is said.
    let count = Bounds::new((count.low as u64).min(whole), (count.high as u64).min(whole));
    let clumping = if quantity == Quantity::Lost { run.clumping() } else { None };
    Some(RatioSample::new(count, whole).inflation(clumping.unwrap_or(1.0)))
}

fn quantile(statistic: Statistic) -> Option<f64> {
    match statistic {
        Statistic::Min => Some(0.0),
        Statistic::P50 => Some(0.5),
        Statistic::P90 => Some(0.9),
        Statistic::P99 => Some(0.99),
        Statistic::P999 => Some(0.999),
        Statistic::Max => Some(1.0),
        Statistic::Mean => None,
    }
}

/// What is known of the times of which a figure is one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times and counts below 2^53")]
fn time_sample(figure: Figure, run: &Readings) -> TimeSample {
    let values = run.values(figure).unwrap_or_default();
    let independent = run.duration_ns().map_or(values, |duration| values.min(duration / INDEPENDENT));
    let statistics = Statistic::ALL.into_iter().filter_map(|statistic| {
        let known = run.known(Figure { statistic: Some(statistic), ..figure })?;
        Some((quantile(statistic)?, known.low))
    });
    let points = statistics.chain(run.percentiles(figure)).filter(|(_, time)| time.is_finite());
    points.fold(TimeSample::new(independent as u64), |sample, (part, time)| {
        sample.quantile(part, SignedNanoseconds(time as i64))
    })
}

impl Notice for Compared {
    fn kind(&self) -> Option<&'static str> {
        Some("compared")
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn tone(&self) -> Tone {
        Tone::Data
    }

    fn words(&self) -> Vec<String> {
        let mut lines = vec![format!("compared with {}:", self.with)];
        if !self.other.is_empty() {
            lines.push(format!("  not the same: {}", self.other.join(", ")));
        }
        lines.extend(self.differences.iter().map(|difference| format!("  {}", difference.words)));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::measure::readings::tests::exact;

    fn older(summary: Value) -> Older {
        Older { name: "before.json".to_owned(), summaries: vec![summary] }
    }

    fn changes(before: Value, now: &Value) -> Vec<(String, &'static str)> {
        let compared = older(before).compare(now);
        compared.differences.into_iter().map(|difference| (difference.figure, difference.change)).collect()
    }

    fn with(mut summary: Value, path: &str, value: Value) -> Value {
        *summary.pointer_mut(path).unwrap() = value;
        summary
    }

    /// With round trips of 1 ms and so many nanoseconds more with each percent.
    fn with_percentiles(mut summary: Value, step: u64) -> Value {
        summary["round_trip"]["rtt"]["percentiles_ns"] =
            (1..100).map(|percent| json!(1_000_000 + step * percent)).collect();
        summary
    }

    #[test]
    fn equal_runs_do_not_differ() {
        let changes = changes(exact(), &exact());
        assert!(changes.len() >= 9, "{changes:?}");
        assert!(changes.iter().all(|(_, change)| ["chance", "unknown"].contains(change)), "{changes:?}");
        assert!(changes.contains(&("rtt.p50".to_owned(), "chance")), "{changes:?}");
    }

    #[test]
    fn what_differs_by_more_than_chance_is_named_and_nothing_else() {
        let lossier = with(with(exact(), "/forward/lost", json!(150)), "/round_trip/lost", json!(200));
        let lossier = with(lossier, "/round_trip/answered", json!(800));
        // Of 900 round trips, the medians of both are within a few percent of what they seem to be.
        let before = with_percentiles(exact(), 20_000);
        let lossier = with_percentiles(with(lossier, "/round_trip/rtt/p50_ns", json!(1_500_000)), 10_000);
        let changes: Vec<_> = changes(before, &lossier).into_iter().filter(|(_, change)| *change != "chance").collect();
        let expected = [("loss", "more"), ("forward.loss", "more"), ("rtt.p50", "less"), ("residence.p99", "unknown")];
        assert_eq!(changes, expected.map(|(figure, change)| (figure.to_owned(), change)));
    }

    #[test]
    fn delays_within_a_tenth_of_a_second_count_as_one() {
        let p50 = |elapsed_ns: u64| {
            let of = |step| {
                let mut summary = with_percentiles(exact(), step);
                summary["elapsed_ns"] = json!(elapsed_ns);
                with(summary, "/round_trip/rtt/p50_ns", json!(1_000_000 + 50 * step))
            };
            let changes = changes(of(20_000), &of(10_000));
            changes.into_iter().find(|(figure, _)| figure == "rtt.p50").unwrap().1
        };
        // Of 90 seconds, all 900 round trips say something; of 1 second, 10.
        assert_eq!([90_000_000_000, 1_000_000_000].map(p50), ["less", "unknown"]);
    }

    #[test]
    fn what_a_load_adds_differs_where_the_intervals_of_both_runs_are_apart() {
        let of_added = |before: Value, now: &Value| {
            let all = changes(before, now).into_iter();
            all.filter(|(figure, _)| figure.ends_with("added-delay.p50")).map(|(_, change)| change).collect::<Vec<_>>()
        };
        let range = |low: Value, high: Value| with(exact(), "/load/added/rtt/p50_range_ns", json!([low, high]));
        assert_eq!(of_added(exact(), &exact()), ["chance", "chance"]);
        assert_eq!(of_added(exact(), &range(json!(81_000_001), json!(90_000_000))), ["more", "chance"]);
        assert_eq!(of_added(exact(), &range(json!(81_000_000), json!(90_000_000))), ["chance", "chance"]);
        assert_eq!(of_added(exact(), &range(json!(81_000_001), json!(null))), ["more", "chance"]);
        assert_eq!(of_added(exact(), &range(json!(null), json!(77_999_999))), ["less", "chance"]);
        assert_eq!(of_added(exact(), &range(json!(null), json!(90_000_000))), ["unknown", "chance"]);
        let other = with(exact(), "/load/bitrate", json!(1e6));
        assert_eq!(older(exact()).compare(&other).other, ["load.bitrate"]);
    }

    #[test]
    fn a_figure_that_one_run_lacks_is_not_compared() {
        let silent = json!({"sent": 10, "round_trip": {"lost": 10, "answered": 0}});
        let figures: Vec<_> = changes(exact(), &silent).into_iter().map(|(figure, _)| figure).collect();
        assert_eq!(figures, ["loss", "rtt.p50", "rtt.p99"]);
        assert!(changes(json!({}), &exact()).is_empty());
    }

    #[test]
    fn a_person_reads_both_values_and_what_else_was_different() {
        let now = with(with(exact(), "/wait_ns", json!(1)), "/round_trip/lost", json!(101));
        let words = older(exact()).compare(&now).words();
        assert_eq!(words[..2], ["compared with before.json:", "  not the same: wait_ns"]);
        assert_eq!(words[2], "  loss                        10% before,      10.1% now: no more than chance");
        assert_eq!(words[3], "  forward.loss                 5% before,         5% now: no difference");
    }

    #[test]
    fn a_file_needs_a_summary_and_the_last_one_of_the_target_counts() {
        let path = std::env::temp_dir().join(format!("udp-compare-{}", std::process::id()));
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Older::read(&path)
        };
        let line = |lost: u32, target: &str| {
            let mut summary = with(exact(), "/round_trip/lost", json!(lost));
            summary["target"] = json!(target);
            format!("{summary}\n")
        };
        let error = read("{\"type\":\"summary\",\"verb\":\"send\"}\n{oops\n").unwrap_err();
        assert!(error.to_string().ends_with("it has no summary of udp measure"), "{error}");
        let older = read(&[line(1, "a"), line(2, "192.0.2.1:862"), line(3, "b")].concat()).unwrap();
        assert_eq!(older.compare(&exact()).differences[0].before, json!(0.002));
        let padding = format!("{}\n", "x".repeat(5 << 20));
        assert_eq!(read(&format!("{padding}{}", line(7, "c"))).unwrap().summaries.len(), 1);
        std::fs::remove_file(&path).unwrap();
        assert!(Older::read(&path).unwrap_err().to_string().contains("cannot read"));
    }
}
