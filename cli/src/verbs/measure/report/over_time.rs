//! Plots over the time of the run: the round trip with what was lost, what a user waited, each direction, and our own lateness.

use super::history::{Bin, History, Kind};
use super::page::{Legend, Page, escaped, figure};
use super::plot::{Plot, Tick};
use super::scale::{Scale, clock, time};

/// Values that are written at an axis, at most: as many as fit the narrowest screen.
pub(super) const X_TICKS: usize = 6;
pub(super) const Y_TICKS: usize = 7;
/// What the smallest share of a bin that is marked looks like.
const LEAST_MARK: f64 = 0.3;

/// What is taken of a bin, in nanoseconds.
type Value = Box<dyn Fn(&Bin) -> Option<f64>>;

/// All plots over time.
pub(super) fn plots(page: &Page<'_>) -> String {
    [round_trip(page), response(page), variation(page), lateness(page)].concat()
}

fn round_trip(page: &Page<'_>) -> String {
    let say = page.language;
    let history = page.history;
    let scale = scale(history, &[Kind::Rtt]);
    let mut plot = Plot::new(run(history), scale);
    lanes(page, &mut plot);
    band(page, &mut plot);
    plot.uprights("range rtt", ranges(history, Kind::Rtt, 0.0));
    plot.line("line rtt", line(history, median(Kind::Rtt, 0.0)));
    let title = say.pick("Round trip over time", "Waktu pulang-pergi sepanjang pengukuran");
    let mut note = say
        .pick(
            "Without the time inside the reflector. The line is the median, the bar behind it reaches from the smallest to the largest",
            "Tanpa waktu di dalam reflektor. Garisnya median, batang di belakangnya dari yang terkecil sampai yang terbesar",
        )
        .to_owned();
    note.push_str(&each_bin(page));
    let mut legend = vec![
        Legend("rtt", say.pick("round trip", "pulang-pergi")),
        Legend("lost", say.pick("lost", "hilang")),
        Legend("reordered", say.pick("answered after a later one", "dijawab setelah yang lebih kemudian")),
    ];
    legend.extend(page.load().map(|_| Legend("under-load", say.pick("under load", "selama beban"))));
    figure("over-time", title, &(note + &logarithmic(page, scale)), &legend, &draw(page, &plot, title, scale))
}

fn response(page: &Page<'_>) -> String {
    let (say, history) = (page.language, page.history);
    let kinds = [Kind::Response, Kind::Rtt, Kind::Residence];
    let scale = scale(history, &kinds);
    let mut plot = Plot::new(run(history), scale);
    band(page, &mut plot);
    let classes = ["response", "rtt", "residence"];
    for (kind, class) in kinds.into_iter().zip(classes) {
        plot.line(&format!("line {class}"), line(history, largest(kind)));
    }
    let title =
        say.pick("Network or reflector: who took the time", "Jaringan atau reflektor: siapa yang memakan waktu");
    let note = say.pick(
        "The largest of each, as it was. Where the response rises with the time in the reflector and the round trip stays, the reflector stood still, and not the network.",
        "Yang terbesar dari masing-masing. Bila waktu tanggap naik bersama waktu di reflektor sedangkan pulang-pergi tetap, reflektorlah yang terhenti, bukan jaringan.",
    );
    let names = [
        say.pick("response", "waktu tanggap"),
        say.pick("round trip", "pulang-pergi"),
        say.pick("in the reflector", "di reflektor"),
    ];
    let legend: Vec<_> = classes.into_iter().zip(names).map(|(class, name)| Legend(class, name)).collect();
    figure("response", title, &(note.to_owned() + &logarithmic(page, scale)), &legend, &draw(page, &plot, title, scale))
}

fn variation(page: &Page<'_>) -> String {
    let (say, history) = (page.language, page.history);
    let title =
        say.pick("Forward and reverse: delay above the smallest", "Pergi dan pulang: tundaan di atas yang terkecil");
    let directions = [(Kind::Forward, "forward"), (Kind::Reverse, "reverse")];
    let floors = directions.map(|(kind, _)| range(history, kind).map_or(0.0, |[least, _]| least));
    if directions.iter().all(|(kind, _)| range(history, *kind).is_none()) {
        let note = say.pick(
            "Nothing is known of single directions: an echo server, or no answer.",
            "Tidak ada yang diketahui tentang masing-masing arah: server echo, atau tanpa jawaban.",
        );
        return figure("variation", title, note, &[], "");
    }
    let above: Vec<f64> = directions
        .iter()
        .zip(floors)
        .flat_map(|((kind, _), floor)| history.bins().iter().filter_map(median(*kind, floor)))
        .collect();
    let most = directions.iter().zip(floors).filter_map(|((kind, _), floor)| Some(range(history, *kind)?[1] - floor));
    let scale = Scale::times(1.0, typical(above), most.fold(0.0, f64::max));
    let mut plot = Plot::new(run(history), scale);
    band(page, &mut plot);
    for ((kind, class), floor) in directions.into_iter().zip(floors) {
        plot.uprights(&format!("range {class}"), ranges(history, kind, floor));
    }
    for ((kind, class), floor) in directions.into_iter().zip(floors) {
        plot.line(&format!("line {class}"), line(history, median(kind, floor)));
    }
    let mut note = say
        .pick(
            "The one-way delay less the smallest of its direction, so that the offset between both clocks drops out. Mostly it is the time in queues. A slope over all of the run is the drift of the clocks.",
            "Tundaan satu arah dikurangi yang terkecil di arah itu, sehingga selisih kedua jam hilang. Biasanya itu waktu di antrean. Kemiringan sepanjang pengukuran adalah hanyutan jam.",
        )
        .to_owned();
    if page.report.own.clock.step_count() > 0 {
        note.push_str(say.pick(
            " A clock was set during the run, which this plot contains.",
            " Sebuah jam disetel selama pengukuran, dan itu terlihat di sini.",
        ));
    }
    let legend = [Legend("forward", say.pick("forward", "pergi")), Legend("reverse", say.pick("reverse", "pulang"))];
    figure("variation", title, &(note + &logarithmic(page, scale)), &legend, &draw(page, &plot, title, scale))
}

fn lateness(page: &Page<'_>) -> String {
    let (say, history) = (page.language, page.history);
    let scale = scale(history, &[Kind::Lateness]);
    let mut plot = Plot::new(run(history), scale);
    plot.uprights("range lateness", ranges(history, Kind::Lateness, 0.0));
    plot.line("line lateness", line_of_sent(history));
    let title = say.pick("How late this host sent", "Keterlambatan komputer ini mengirim");
    let note = say.pick(
        "From the moment at which a probe was due until it was handed to the system. It is in the response, and not in the round trip.",
        "Sejak probe seharusnya dikirim sampai diserahkan ke sistem. Termasuk dalam waktu tanggap, tidak dalam pulang-pergi.",
    );
    let legend = [Legend("lateness", say.pick("lateness", "keterlambatan"))];
    figure("lateness", title, &(note.to_owned() + &logarithmic(page, scale)), &legend, &draw(page, &plot, title, scale))
}

/// The time of the load, behind all else.
fn band(page: &Page<'_>, plot: &mut Plot) {
    if let Some(load) = page.load() {
        let from = load.from.as_secs_f64() * 1e9;
        plot.band("band under-load", from, from + load.lasted.as_secs_f64() * 1e9);
    }
}

/// The lanes of what was lost, reordered and not sent.
fn lanes(page: &Page<'_>, plot: &mut Plot) {
    let (say, history) = (page.language, page.history);
    let mut lane = |class: &str, name: &str, count: fn(&Bin) -> u64, is_always: bool| {
        let marks: Vec<_> = places(history)
            .filter_map(|(at, bin)| share(count(bin), bin).map(|share| (at, share.max(LEAST_MARK))))
            .collect();
        if is_always || !marks.is_empty() {
            plot.lane(class, name, marks);
        }
    };
    lane("mark lost", say.pick("lost", "hilang"), |bin| bin.lost, true);
    lane("mark reordered", say.pick("reordered", "diacak"), |bin| bin.reordered, false);
    lane("mark failed", say.pick("not sent", "tak terkirim"), |bin| bin.failed, false);
}

/// The part of a bin that a count is; nothing where it is zero.
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
fn share(count: u64, bin: &Bin) -> Option<f64> {
    (count > 0).then(|| count as f64 / (bin.answered + bin.lost + bin.failed).max(1) as f64)
}

/// The note on what the lines and bars are of.
fn each_bin(page: &Page<'_>) -> String {
    let say = page.language;
    let width = say.number(&time(page.history.width().as_secs_f64() * 1e9));
    say.pick(
        format!(", each of the probes of {width}. Marks above: the part of them that was lost or overtaken."),
        format!(", masing-masing dari probe selama {width}. Tanda di atas: bagian yang hilang atau disalip."),
    )
}

fn logarithmic(page: &Page<'_>, scale: Scale) -> String {
    if !scale.is_logarithmic() {
        return String::new();
    }
    page.language.pick(" The scale is logarithmic.", " Skalanya logaritmis.").to_owned()
}

fn draw(page: &Page<'_>, plot: &Plot, title: &str, scale: Scale) -> String {
    let write = |value: f64, words: String| -> Tick { (value, page.language.number(&words)) };
    let x: Vec<_> = run(page.history).clock_ticks(X_TICKS).into_iter().map(|at| write(at, clock(at))).collect();
    let y: Vec<_> = scale.ticks(Y_TICKS).into_iter().map(|at| write(at, time(at))).collect();
    plot.html(&escaped(title), &x, &y)
}

/// The scale of the time of the run.
fn run(history: &History) -> Scale {
    let bins = u32::try_from(history.bins().len()).unwrap_or(u32::MAX);
    Scale::up_to(history.width().saturating_mul(bins).as_secs_f64() * 1e9)
}

/// The scale that holds all times of these kinds.
fn scale(history: &History, kinds: &[Kind]) -> Scale {
    let ranges = || kinds.iter().filter_map(|kind| range(history, *kind));
    let least = ranges().map(|[least, _]| least).fold(f64::INFINITY, f64::min);
    let most = ranges().map(|[_, most]| most).fold(0.0, f64::max);
    let medians = kinds.first().map(|kind| history.bins().iter().filter_map(median(*kind, 0.0)).collect());
    Scale::times(if least.is_finite() { least } else { 0.0 }, typical(medians.unwrap_or_default()), most)
}

/// The median.
fn typical(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The smallest and the largest time of a kind.
fn range(history: &History, kind: Kind) -> Option<[f64; 2]> {
    let ranges = history.bins().iter().filter_map(|bin| bin.of(kind).range());
    ranges.reduce(|[low, high], [least, most]| [low.min(least), high.max(most)]).map(|range| range.map(number))
}

/// The bins in which probes were due, each with the middle of its time.
fn places(history: &History) -> impl Iterator<Item = (f64, &Bin)> {
    let width = history.width().as_secs_f64() * 1e9;
    let middle = move |place: usize| (u32::try_from(place).map_or(0.0, f64::from) + 0.5) * width;
    let all = history.bins().iter().enumerate();
    all.filter(|(_, bin)| !bin.is_empty()).map(move |(place, bin)| (middle(place), bin))
}

fn ranges(history: &History, kind: Kind, floor: f64) -> impl Iterator<Item = (f64, f64, f64)> {
    places(history).filter_map(move |(at, bin)| {
        let [low, high] = bin.of(kind).range()?;
        Some((at, number(low) - floor, number(high) - floor))
    })
}

/// A line through what is taken of each bin; it is interrupted where all probes were lost.
fn line(history: &History, value: Value) -> impl Iterator<Item = Option<(f64, f64)>> {
    places(history).map(move |(at, bin)| value(bin).map(|value| (at, value)))
}

/// A line through the lateness of each bin: lost ones were sent, too.
fn line_of_sent(history: &History) -> impl Iterator<Item = Option<(f64, f64)>> {
    line(history, median(Kind::Lateness, 0.0))
}

fn median(kind: Kind, floor: f64) -> Value {
    Box::new(move |bin| bin.of(kind).median().map(|median| number(median) - floor))
}

fn largest(kind: Kind) -> Value {
    Box::new(move |bin| bin.of(kind).range().map(|[_, most]| number(most)))
}

#[expect(clippy::cast_precision_loss, reason = "it is drawn with three digits")]
fn number(nanoseconds: i64) -> f64 {
    nanoseconds as f64
}
