//! How many round trips took how long: bars, and with a load those of its half as steps before them.

use udpkit::Quantiles;

use super::distribution::{Curve, logarithmic, scale_of};
use super::over_time::{X_TICKS, Y_TICKS};
use super::page::{Legend, Page, escaped, figure};
use super::plot::Plot;
use super::scale::{Scale, time};

/// Bars over the whole of the scale.
const BARS: u32 = 60;
/// How much higher the plot is than its highest bar.
const HEADROOM: f64 = 1.05;

/// The plot.
pub(super) fn plot(page: &Page<'_>) -> String {
    let (say, own) = (page.language, &page.report.own);
    let title = say.pick("How many round trips took how long", "Berapa banyak pulang-pergi yang selama itu");
    let note = say.pick(
        "The part of the probes whose round trip is within the bar. Several hills are several paths, or a queue that is full at times.",
        "Bagian dari probe yang waktu pulang-perginya ada di dalam batang itu. Beberapa bukit berarti beberapa jalur, atau antrean yang kadang penuh.",
    );
    let all = [Curve { class: "rtt", times: &own.rtt, of: own.answered + own.lost }];
    let halves = page.load().map(|load| {
        [("idle", &load.idle), ("loaded", &load.loaded)].map(|(class, phase)| Curve {
            class,
            times: &phase.rtt,
            of: phase.answered + phase.lost,
        })
    });
    let curves: &[Curve<'_>] = halves.as_ref().map_or(&all, |halves| halves);
    let legend: &[Legend<'_>] = match halves {
        None => &[],
        Some(_) => &[
            Legend("idle", say.pick("before the load", "sebelum beban")),
            Legend("loaded", say.pick("under load", "selama beban")),
        ],
    };
    let scale = scale_of(curves);
    let parts: Vec<_> = curves.iter().map(|curve| parts(curve, scale)).collect();
    let most = parts.iter().flatten().map(|(_, part)| *part).fold(0.0, f64::max);
    let height = Scale::up_to(most * HEADROOM);
    let mut plot = Plot::new(scale, height);
    for (place, (curve, parts)) in curves.iter().zip(parts).enumerate() {
        match place {
            0 => plot.bars(&format!("bars {}", curve.class), parts),
            _ => plot.steps(&format!("line {}", curve.class), parts),
        }
    }
    let x: Vec<_> = scale.ticks(X_TICKS).into_iter().map(|at| (at, say.number(&time(at)))).collect();
    let y: Vec<_> = height.ticks(Y_TICKS).into_iter().map(|at| (at, say.number(&percent(at)))).collect();
    let note = format!("{note}{}", logarithmic(say, scale));
    figure("histogram", title, &note, legend, &plot.html(&escaped(title), &x, &y))
}

/// A part in percent, without digits that say nothing.
fn percent(part: f64) -> String {
    let text = format!("{:.3}", part * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Of each bar both ends, and the part of all probes that it stands for.
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
fn parts(curve: &Curve<'_>, scale: Scale) -> Vec<([f64; 2], f64)> {
    let end = |bar: u32| scale.value(f64::from(bar) / f64::from(BARS));
    let mut before = 0;
    let bars = (0..BARS).map(|bar| {
        // What is below the low end of the scale is at its place, and nothing is above the high end.
        let until = if bar + 1 == BARS { curve.times.count() } else { at_most(curve.times, end(bar + 1)) };
        let count = until.saturating_sub(std::mem::replace(&mut before, until));
        ([end(bar), end(bar + 1)], count as f64 / curve.of.max(1) as f64)
    });
    bars.filter(|(_, part)| *part > 0.0).collect()
}

fn at_most(times: &Quantiles, nanoseconds: f64) -> u64 {
    times.count_at_most(std::time::Duration::from_secs_f64(nanoseconds.max(0.0) / 1e9))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_round_trip_is_in_one_bar_on_any_scale() {
        let mut times = Quantiles::with_digits(3);
        (1..=1000).for_each(|number: u64| times.add(Duration::from_micros(number * number)));
        let curve = Curve { class: "rtt", times: &times, of: 2000 };
        for scale in [scale_of(&[curve]), Scale::up_to(2e9), Scale::times(1e3, 1e5, 1e9), Scale::up_to(5e8)] {
            let parts = parts(&curve, scale);
            let sum: f64 = parts.iter().map(|(_, part)| part).sum();
            assert!((sum - 0.5).abs() < 1e-9, "{scale:?}: {sum}");
            assert!(parts.windows(2).all(|pair| pair[0].0[1] <= pair[1].0[0] * 1.000_001), "{scale:?}");
        }
        let nothing = Quantiles::with_digits(3);
        assert!(parts(&Curve { class: "rtt", times: &nothing, of: 0 }, Scale::up_to(1.0)).is_empty());
    }

    #[test]
    fn percentages_have_no_digits_that_say_nothing() {
        assert_eq!([0.05, 0.005, 0.0125, 0.0, 1.0].map(percent), ["5 %", "0.5 %", "1.25 %", "0 %", "100 %"]);
    }
}
