//! How round trips and responses are distributed: the part of all probes sent that was back within a time.

use udpkit::Quantiles;

use super::over_time::{X_TICKS, Y_TICKS};
use super::page::{Legend, Page, escaped, figure};
use super::plot::Plot;
use super::scale::{Scale, time};
use crate::words::language::Language;

/// Points of a curve.
const POINTS: u32 = 200;

/// Times that are drawn, and of how many probes they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Curve<'a> {
    pub(super) class: &'static str,
    pub(super) times: &'a Quantiles,
    /// Probes that were answered or lost.
    pub(super) of: u64,
}

/// The plot of both.
pub(super) fn plot(page: &Page<'_>) -> String {
    let (say, own) = (page.language, &page.report.own);
    let title = say.pick("Distribution", "Sebaran");
    let note = say.pick(
        "The part of all probes that was answered within a time. Lost ones never are: where some are lost, the curves end below 100 %.",
        "Bagian dari semua probe yang terjawab dalam suatu waktu. Yang hilang tidak pernah: bila ada yang hilang, kurvanya berakhir di bawah 100 %.",
    );
    let of = own.answered + own.lost;
    let all = [Curve { class: "rtt", times: &own.rtt, of }, Curve { class: "response", times: &own.response, of }];
    let legend = [
        Legend("rtt", say.pick("round trip", "pulang-pergi")),
        Legend("response", say.pick("response", "waktu tanggap")),
    ];
    let note = format!("{note}{}", logarithmic(say, scale_of(&all)));
    figure("distribution", title, &note, &legend, &curves(page, title, &all))
}

/// The curves of a plot with this title.
pub(super) fn curves(page: &Page<'_>, title: &str, curves: &[Curve<'_>]) -> String {
    let (say, scale) = (page.language, scale_of(curves));
    let mut plot = Plot::new(scale, Scale::up_to(1.0));
    for each in curves {
        plot.line(&format!("line {}", each.class), curve(each));
    }
    let x: Vec<_> = scale.ticks(X_TICKS).into_iter().map(|at| (at, say.number(&time(at)))).collect();
    let y: Vec<_> =
        Scale::up_to(1.0).ticks(Y_TICKS).into_iter().map(|at| (at, format!("{:.0} %", at * 100.0))).collect();
    plot.html(&escaped(title), &x, &y)
}

/// What is said where the scale of times is logarithmic.
pub(super) fn logarithmic(say: Language, scale: Scale) -> &'static str {
    if !scale.is_logarithmic() {
        return "";
    }
    say.pick(" The scale of times is logarithmic.", " Skala waktunya logaritmis.")
}

/// A scale from the smallest to the largest, both in nanoseconds.
pub(super) fn scale_of(curves: &[Curve<'_>]) -> Scale {
    let of = curves.iter().map(|curve| curve.times).filter(|times| times.count() > 0);
    let nanoseconds = |time: std::time::Duration| time.as_secs_f64() * 1e9;
    let ends = of.map(|times| [times.smallest(), times.at(0.5), times.largest()].map(nanoseconds));
    let [least, typical, most] =
        ends.reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2])]).unwrap_or([0.0, 0.0, 1e6]);
    Scale::times(least, typical, most)
}

/// Points of a curve: a time, and the part of all probes that was answered within it.
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
fn curve(curve: &Curve<'_>) -> impl Iterator<Item = Option<(f64, f64)>> {
    let times = curve.times;
    let of_all = times.count() as f64 / curve.of.max(1) as f64;
    let parts = (1..=POINTS).map(|point| f64::from(point) / f64::from(POINTS)).chain([0.999]);
    let mut parts: Vec<_> = parts.filter(|_| times.count() > 0).collect();
    parts.sort_by(f64::total_cmp);
    let foot = (times.count() > 0).then(|| Some((times.smallest().as_secs_f64() * 1e9, 0.0)));
    foot.into_iter().chain(parts.into_iter().map(move |part| Some((times.at(part).as_secs_f64() * 1e9, part * of_all))))
}
