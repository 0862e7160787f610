//! Latency under load: what was asked for, and what it came to, as JSON, as rows of the table, and in the words of the verdict.

use anyhow::{Result, bail};
use serde_json::{Value, json};
use udpkit::verbs::{
    AddedDelay, LoadFigures, LoadOptions, LoadOutcome, LoadPhase, MeasureFigures, MeasureOptions, ReflectorKind,
};
use udpkit::{Bounds, SignedNanoseconds};

use super::summary::{PARTS, delays, distribution, nanoseconds};
use super::table::{row, share, signed, time};
use crate::args::LoadArgs;
use crate::hint::Hint;
use crate::words::language::Language;
use crate::words::units;

/// The part of a load of which the rest is not worth a word.
const NEARLY_ALL: f64 = 0.99;
/// The percentiles that people are shown.
pub(super) const PARTS_SHOWN: [(&str, f64); 2] = [("p50", 0.5), ("p99", 0.99)];
/// Times below this are not said to be added.
const NOTICED: SignedNanoseconds = SignedNanoseconds(1_000_000);

/// The load that is asked for.
///
/// # Errors
///
/// Its datagrams are too short for what the reflector must know of them, or it would send none in its half of the run.
pub(super) fn options(args: &LoadArgs, of_probes: &MeasureOptions) -> Result<Option<LoadOptions>> {
    let Some(rate) = args.load else { return Ok(None) };
    let load = LoadOptions::new(rate.pace());
    let load = args.load_size.map_or(load, |size| load.size(usize::from(size)));
    let least = of_probes.full_size();
    if load.size < least {
        let why = if of_probes.key.is_some() { " with a key" } else { "" };
        return Err(Hint::on(
            format!("a load of {} bytes is too short: the reflector knows it by its first {least}{why}", load.size),
            format!("--load-size {least}, or more"),
        ));
    }
    let half = of_probes.clone().load(load).load_from().unwrap_or_default();
    if half.as_secs_f64() * load.rate() < 1.0 {
        bail!("in {}, half of the run, a load of that rate sends no datagram", units::human(half));
    }
    Ok(Some(load))
}

/// The load, as it is announced.
pub(super) fn announced(options: &MeasureOptions) -> Option<String> {
    let load = options.load?;
    let from = units::human(options.load_from()?);
    Some(format!("  from {from} on with a load of {} in datagrams of {} B", units::bits(load.bitrate()), load.size))
}

/// It as JSON.
pub(super) fn json(load: &LoadFigures) -> Value {
    json!({
        "outcome": load.outcome.key(),
        "bitrate": load.bitrate,
        "size_bytes": load.size,
        "from_ns": nanoseconds(load.from),
        "lasted_ns": nanoseconds(load.lasted),
        "sent": load.sent,
        "failed": load.failed,
        "omitted": load.omitted,
        "arrived": load.arrived,
        "sent_bitrate": load.sent_bitrate(),
        "arrived_bitrate": load.arrived_bitrate(),
        "idle": phase(&load.idle),
        "loaded": phase(&load.loaded),
        "added": {
            "rtt": added(|part| load.added_rtt(part)),
            "forward": added(|part| load.added_forward(part)),
            "reverse": added(|part| load.added_reverse(part)),
        },
        "grade": load.grade().map(|grade| grade.to_string()),
    })
}

fn phase(phase: &LoadPhase) -> Value {
    json!({
        "answered": phase.answered,
        "lost": phase.lost,
        "rtt": distribution(&phase.rtt),
        "forward": delays(&phase.forward),
        "reverse": delays(&phase.reverse),
    })
}

/// What was added to each of the quantiles; `null` where that is not known.
fn added(of: impl Fn(f64) -> Option<AddedDelay>) -> Value {
    let mut value = json!({});
    for (key, part) in PARTS {
        let Some(AddedDelay { delay, low, high, .. }) = of(part) else { return Value::Null };
        value[key] = json!(delay.0);
        value[key.replace("_ns", "_range_ns")] = json!([low.map(|low| low.0), high.map(|high| high.0)]);
    }
    value
}

/// Rows of the table: what was before, what was beside the load, and the difference.
pub(super) fn rows(load: &LoadFigures) -> Vec<String> {
    if load.sent + load.failed == 0 {
        return Vec::new();
    }
    let mut lines = vec![row("", &["before", "under load", "added", "at least", "at most"])];
    for (percentile, part) in PARTS_SHOWN {
        let Some(added) = load.added_rtt(part) else { continue };
        let [before, during] = [&load.idle, &load.loaded].map(|phase| time(phase.rtt.at(part)));
        lines.push(cells(&format!("rtt {percentile}"), [before, during], &added));
    }
    let directions = [
        ("forward", PARTS_SHOWN.map(|(_, part)| load.added_forward(part))),
        ("reverse", PARTS_SHOWN.map(|(_, part)| load.added_reverse(part))),
    ];
    for (name, all) in directions {
        for ((percentile, _), added) in PARTS_SHOWN.into_iter().zip(all) {
            let name = format!("{name} {percentile}");
            lines.extend(added.map(|added| cells(&name, [String::new(), String::new()], &added)));
        }
    }
    let lost = [&load.idle, &load.loaded].map(loss);
    lines.push(row("probes lost", &lost.each_ref().map(String::as_str)));
    let arrived = load.arrived_bitrate().map(units::bits).zip(load.arrived_part());
    let arrived = arrived.map_or_else(
        || "how much arrived is not known".to_owned(),
        |(bits, part)| format!("{bits} arrived ({:.2} % of the datagrams)", part * 100.0),
    );
    let sent = load.sent_bitrate().map_or_else(String::new, units::bits);
    lines.push(format!("load of {}: {sent} sent, {arrived}", units::bits(load.bitrate)));
    lines
}

fn cells(name: &str, [before, during]: [String; 2], added: &AddedDelay) -> String {
    let end = |end: Option<SignedNanoseconds>| end.map_or_else(|| "?".to_owned(), signed);
    let cells = [before, during, signed(added.delay), end(added.low), end(added.high)];
    row(name, &cells.each_ref().map(String::as_str))
}

fn loss(phase: &LoadPhase) -> String {
    share(Bounds::exact(phase.lost), Bounds::exact(phase.answered + phase.lost))
}

/// What the verdict says of it, a sentence each.
pub(super) fn sentences(own: &MeasureFigures, say: Language) -> Vec<String> {
    let Some(load) = &own.load else { return Vec::new() };
    let mut lines = Vec::new();
    match load.outcome {
        LoadOutcome::Refused => lines.push(refused(own.reflector, say)),
        LoadOutcome::Waiting => lines.push(
            say.pick(
                "no load was sent: the measurement ended before",
                "tidak ada beban yang dikirim: pengukuran berakhir sebelumnya",
            )
            .to_owned(),
        ),
        _ => {
            lines.push(grown(load, say));
            lines.extend(lost(load, say));
            lines.extend(carried(load, say));
            lines.extend(sender(load, say));
        }
    }
    lines
}

fn refused(reflector: ReflectorKind, say: Language) -> String {
    match reflector {
        ReflectorKind::Counting => say.pick(
            "no load was sent: the reflector did not answer in time to the port of the load; a longer --for gives it more",
            "tidak ada beban yang dikirim: reflektor tidak menjawab port beban pada waktunya; --for yang lebih panjang memberinya waktu",
        ),
        _ => say.pick(
            "no load was sent: this reflector would send all of it back; udp reflect counts it instead",
            "tidak ada beban yang dikirim: reflektor ini akan mengirim semuanya kembali; udp reflect hanya menghitungnya",
        ),
    }
    .to_owned()
}

/// How much longer round trips take, and in which direction.
fn grown(load: &LoadFigures, say: Language) -> String {
    let (Some(median), Some(p99), Some(grade)) = (load.added_rtt(0.5), load.added_rtt(0.99), load.grade()) else {
        return say
            .pick(
                "under load no probe was answered in time",
                "di bawah beban tidak ada probe yang terjawab pada waktunya",
            )
            .to_owned();
    };
    let [before, during] = [&load.idle, &load.loaded].map(|phase| time(phase.rtt.at(0.5)));
    if median.delay < NOTICED && p99.delay < NOTICED {
        return say.pick(
            format!("under load the round trip does not grow ({before} before, {during} under load): grade {grade}"),
            format!("di bawah beban waktu pulang-pergi tidak bertambah ({before} sebelumnya, {during} di bawah beban): nilai {grade}"),
        );
    }
    let (added, added_p99) = (signed(median.delay), signed(p99.delay));
    let way = which_way(load, say);
    say.pick(
        format!("under load the round trip grows by {added} (from {before} to {during}; the p99 by {added_p99}){way}: grade {grade}"),
        format!("di bawah beban waktu pulang-pergi bertambah {added} (dari {before} menjadi {during}; p99 bertambah {added_p99}){way}: nilai {grade}"),
    )
}

/// Where the delay was added.
fn which_way(load: &LoadFigures, say: Language) -> String {
    let (Some(forward), Some(reverse)) = (load.added_forward(0.5), load.added_reverse(0.5)) else {
        return String::new();
    };
    let (forward, reverse) = (forward.delay, reverse.delay);
    match () {
        () if forward.0 >= 10 * reverse.0 => say.pick(", forward", ", di arah pergi").to_owned(),
        () if reverse.0 >= 10 * forward.0 => say.pick(", in reverse", ", di arah pulang").to_owned(),
        () => {
            let (forward, reverse) = (signed(forward), signed(reverse));
            say.pick(
                format!(", {forward} forward and {reverse} in reverse"),
                format!(", {forward} pergi dan {reverse} pulang"),
            )
        }
    }
}

/// What became of the probes beside it.
fn lost(load: &LoadFigures, say: Language) -> Option<String> {
    let (before, during) = (loss(&load.idle), loss(&load.loaded));
    (load.loaded.lost > 0).then(|| {
        say.pick(
            format!("loss of probes: {during} under load, {before} before"),
            format!("probe yang hilang: {during} di bawah beban, {before} sebelumnya"),
        )
    })
}

/// How much of it the path carried.
fn carried(load: &LoadFigures, say: Language) -> Option<String> {
    let Some((part, bits)) = load.arrived_part().zip(load.arrived_bitrate().map(units::bits)) else {
        return Some(
            say.pick("how much of the load arrived is not known", "berapa banyak beban yang tiba tidak diketahui")
                .to_owned(),
        );
    };
    if part >= NEARLY_ALL {
        let has_grown = load.added_rtt(0.5).is_some_and(|added| added.delay >= NOTICED);
        return (!has_grown).then(|| {
            say.pick(
                format!("the load did not fill this path: all {bits} of it arrived; more may show more"),
                format!("beban tidak memenuhi jalur ini: semua {bits} tiba; beban yang lebih besar mungkin menunjukkan lebih banyak"),
            )
        });
    }
    let missing = format!("{:.1} %", (1.0 - part) * 100.0);
    Some(say.pick(
        format!("{missing} of the load did not arrive: the path carried {bits} of it"),
        format!("{missing} beban tidak tiba: jalur ini membawa {bits}"),
    ))
}

/// What was not sent of it.
fn sender(load: &LoadFigures, say: Language) -> Vec<String> {
    let mut lines = Vec::new();
    if load.failed > 0 {
        lines.push(say.pick(
            format!("{} datagrams of the load found no room in a queue of this host", load.failed),
            format!("{} datagram beban tidak mendapat tempat di antrean komputer ini", load.failed),
        ));
    }
    if load.omitted > 0 {
        lines.push(say.pick(
            format!("this host could not send the load as fast: {} datagrams were left out", load.omitted),
            format!("komputer ini tidak dapat mengirim beban secepat itu: {} datagram dilewatkan", load.omitted),
        ));
    }
    if load.outcome == LoadOutcome::Unreachable {
        lines.push(
            say.pick(
                "the load was stopped: nobody listens there any more",
                "beban dihentikan: tidak ada lagi yang mendengarkan di sana",
            )
            .to_owned(),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use udpkit::Engine as _;
    use udpkit::verbs::{Measure, Pace};

    use super::*;

    const BOTH: [Language; 2] = [Language::English, Language::Indonesian];
    const MS: Duration = Duration::from_millis(1);

    /// The figures of a run of 10 seconds with a load of 9.6 Mbit/s, of which nothing happened yet.
    fn figures() -> MeasureFigures {
        let own = [1, 2].map(|port| SocketAddr::from(([192, 0, 2, 2], port)));
        let options = MeasureOptions::new(SocketAddr::from(([192, 0, 2, 1], 862))).own(own);
        Measure::new(options.load(LoadOptions::new(Pace::Rate(1000.0)))).unwrap().report().own
    }

    /// Those of one that sent 5,000 datagrams, of which so many arrived, with round trips of so many milliseconds before and beside it.
    fn ended(arrived: u64, before: u32, beside: u32) -> MeasureFigures {
        let mut own = figures();
        let load = own.load.as_mut().unwrap();
        (load.outcome, load.sent, load.arrived) = (LoadOutcome::Ended, 5000, Some(arrived));
        load.lasted = Duration::from_secs(5);
        for (phase, time) in [(&mut load.idle, before), (&mut load.loaded, beside)] {
            phase.answered = 500;
            for _ in 0..500 {
                phase.rtt.add(MS * time);
                phase.forward.add(SignedNanoseconds(i64::from(time) * 1_000_000));
                phase.reverse.add(SignedNanoseconds(-1_000_000));
            }
        }
        own
    }

    fn said(own: &MeasureFigures) -> [String; 2] {
        let said = BOTH.map(|say| sentences(own, say));
        assert_eq!(said[0].len(), said[1].len(), "{said:?}");
        assert!(said[0].iter().zip(&said[1]).all(|(one, other)| one != other), "{said:?}");
        said.map(|lines| lines.join("\n"))
    }

    #[test]
    fn a_queue_that_grows_is_said_with_its_direction_its_grade_and_what_the_path_carried() {
        let [english, indonesian] = said(&ended(2500, 20, 120));
        assert_eq!(
            english,
            "under load the round trip grows by 100 ms (from 20.0 ms to 120 ms; the p99 by 100 ms), forward: grade C\n\
             50.0 % of the load did not arrive: the path carried 4.71 Mbit/s of it"
        );
        assert_eq!(
            indonesian,
            "di bawah beban waktu pulang-pergi bertambah 100 ms (dari 20.0 ms menjadi 120 ms; p99 bertambah 100 ms), di arah pergi: nilai C\n\
             50.0 % beban tidak tiba: jalur ini membawa 4.71 Mbit/s"
        );
    }

    #[test]
    fn a_load_that_was_too_small_is_no_praise_of_the_path() {
        let [english, _] = said(&ended(5000, 20, 20));
        assert!(
            english.starts_with(
                "under load the round trip does not grow (20.0 ms before, 20.0 ms under load): grade A+\n"
            ),
            "{english}"
        );
        assert!(
            english.ends_with("the load did not fill this path: all 9.60 Mbit/s of it arrived; more may show more"),
            "{english}"
        );
        // It arrived, and its queue grew: what is said of that is enough.
        assert_eq!(said(&ended(5000, 20, 60))[0].lines().count(), 1);
    }

    #[test]
    fn what_was_not_sent_or_not_answered_is_said() {
        let mut own = figures();
        assert_eq!(said(&own)[0], "no load was sent: the measurement ended before");
        own.load.as_mut().unwrap().outcome = LoadOutcome::Refused;
        for reflector in [ReflectorKind::Echo, ReflectorKind::Stateful, ReflectorKind::Counting] {
            own.reflector = reflector;
            let [english, _] = said(&own);
            assert_eq!(
                english.contains("would send all of it back"),
                reflector != ReflectorKind::Counting,
                "{english}"
            );
        }
        assert!(rows(own.load.as_ref().unwrap()).is_empty());
        let mut own = ended(2500, 20, 120);
        let load = own.load.as_mut().unwrap();
        (load.failed, load.omitted, load.outcome, load.arrived) = (3, 4, LoadOutcome::Unreachable, None);
        load.loaded.lost = 500;
        let [english, _] = said(&own);
        for words in [
            "loss of probes: 50.00 % under load, 0.00 % before",
            "how much of the load arrived is not known",
            "3 datagrams of the load found no room in a queue of this host",
            "4 datagrams were left out",
            "the load was stopped: nobody listens there any more",
        ] {
            assert!(english.contains(words), "{words}: {english}");
        }
        own.load.as_mut().unwrap().loaded = LoadPhase::default();
        assert!(said(&own)[0].starts_with("under load no probe was answered in time"));
    }

    #[test]
    fn the_rows_have_both_halves_and_the_ends_that_are_known() {
        let own = ended(2500, 20, 120);
        let rows = rows(own.load.as_ref().unwrap());
        let expected = "                    before   under load        added     at least      at most\n\
             rtt p50            20.0 ms       120 ms       100 ms       100 ms       100 ms\n\
             rtt p99            20.0 ms       120 ms       100 ms            ?            ?\n\
             forward p50                                   100 ms      99.5 ms       100 ms\n\
             forward p99                                   100 ms            ?            ?\n\
             reverse p50                                     0 ns      -500 us       500 us\n\
             reverse p99                                     0 ns            ?            ?\n\
             probes lost         0.00 %       0.00 %\n\
             load of 9.60 Mbit/s: 9.60 Mbit/s sent, 4.71 Mbit/s arrived (50.00 % of the datagrams)";
        assert_eq!(rows.join("\n"), expected);
    }
}
