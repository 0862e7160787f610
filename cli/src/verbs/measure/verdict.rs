//! The verdict in plain words, in each language: what is wrong with the path, if anything, in which direction, and what is not the
//! path's fault.

use std::time::Duration;

use udpkit::verbs::{MeasureFigures, MeasureOptions, OneWay, OneWayCounts, ReflectorKind};
use udpkit::{Bounds, Report};

use super::load;
use super::table::{share, time};
use crate::words::language::Language;
use crate::words::units::{counted, times};

/// Times below this are not worth a word.
const NOTICED: Duration = Duration::from_millis(5);

/// What is wrong, a sentence each; one sentence where nothing is.
pub(super) fn verdict(options: &MeasureOptions, report: &Report<MeasureFigures>, say: Language) -> Vec<String> {
    let own = &report.own;
    if own.answered == 0 {
        return vec![silence(options, report, say)];
    }
    let mut lines = Vec::new();
    lines.extend(loss(own, say));
    if own.waiting > 0 {
        let (count, waiting) = (own.waiting, counted(own.waiting, "probe"));
        lines.push(say.pick(
            format!("outstanding when it was ended, and neither answered nor lost: {waiting}"),
            format!("masih ditunggu ketika diakhiri, tidak terjawab dan tidak hilang: {count} probe"),
        ));
    }
    let ways =
        [(say.pick("forward", "di arah pergi"), &own.forward), (say.pick("reverse", "di arah pulang"), &own.reverse)];
    lines.extend(ways.into_iter().flat_map(|(name, way)| disorder(name, way, say)));
    if own.load.is_none() {
        lines.extend(delay(own, say));
    }
    lines.extend(load::sentences(own, say));
    lines.extend(reflector(own, say));
    lines.extend(sender(report, say));
    lines.extend(ways.into_iter().flat_map(|(name, way)| marks(name, way, say)));
    lines.extend(clocks(own, say));
    if lines.is_empty() {
        let rtt = time(own.rtt.at(0.5));
        lines.push(say.pick(
            format!("nothing is wrong with this path: no loss, and a round trip of {rtt}"),
            format!("tidak ada yang salah dengan jalur ini: tanpa kehilangan, waktu pulang-pergi {rtt}"),
        ));
    }
    lines.into_iter().map(|line| say.sentence(&line)).collect()
}

fn silence(options: &MeasureOptions, report: &Report<MeasureFigures>, say: Language) -> String {
    let port = options.target.port();
    match report {
        _ if report.own.sent == 0 => say.pick("nothing could be sent", "tidak ada yang dapat dikirim").to_owned(),
        _ if report.unreachable > 0 => say.pick(
            format!("nobody listens on port {port} there: start a reflector, as with udp reflect"),
            format!("tidak ada yang mendengarkan di port {port} di sana: jalankan reflektor, misalnya dengan udp reflect"),
        ),
        _ if report.ignored.total() > 0 => say
            .pick(
                "what answered is no reflector for us: see the datagrams ignored; the key, the port or the address may be another",
                "yang menjawab bukan reflektor bagi kita: lihat datagram yang diabaikan; mungkin kunci, port, atau alamatnya lain",
            )
            .to_owned(),
        _ if report.own.lost == 0 => {
            say.pick("ended before an answer could come", "diakhiri sebelum jawaban dapat datang").to_owned()
        }
        _ => say.pick(
            format!("nothing answered: no reflector on port {port}, or something in between drops its datagrams"),
            format!("tidak ada yang menjawab: tidak ada reflektor di port {port}, atau sesuatu di tengah jalan membuang datagramnya"),
        ),
    }
}

/// Loss, and in which direction it is.
fn loss(own: &MeasureFigures, say: Language) -> Option<String> {
    let all = Bounds::exact(own.lost + own.answered);
    if own.lost == 0 {
        return None;
    }
    let lost = share(Bounds::exact(own.lost), all);
    let runs = own.loss_runs.mean_burst().filter(|mean| *mean >= 2.0);
    let longest = own.loss_runs.longest();
    let runs = runs.map(|mean| {
        say.pick(
            format!(", {mean:.1} in a row on average, {longest} at most"),
            format!(", rata-rata {mean:.1} berturut-turut, paling banyak {longest}"),
        )
    });
    let where_it_is = match (own.forward.counts, own.reverse.counts) {
        _ if own.late >= own.lost => {
            say.pick("; none is lost for good", "; tidak ada yang hilang selamanya").to_owned()
        }
        (Some(forward), Some(reverse)) => which_way(&forward, &reverse, own.unanswered.unwrap_or(0) == 0, say),
        _ => say
            .pick("; an echo server does not tell in which direction", "; server echo tidak memberi tahu di arah mana")
            .to_owned(),
    };
    let late = match own.late {
        0 => String::new(),
        late => {
            say.pick(format!(" ({late} of them came too late)"), format!(" ({late} di antaranya datang terlambat)"))
        }
    };
    let runs = runs.unwrap_or_default();
    Some(say.pick(
        format!("loss: {lost} of the round trips{late}{where_it_is}{runs}"),
        format!("hilang: {lost} dari yang pulang-pergi{late}{where_it_is}{runs}"),
    ))
}

fn which_way(forward: &OneWayCounts, reverse: &OneWayCounts, is_all_answered: bool, say: Language) -> String {
    let percent = |way: &OneWayCounts| share(way.lost, way.sent);
    let is_none = |way: &OneWayCounts| way.lost == Bounds::exact(0);
    let is_some = |way: &OneWayCounts| way.lost.low > 0;
    let (there, back) = (percent(forward), percent(reverse));
    match () {
        () if is_some(forward) && is_none(reverse) && is_all_answered => {
            say.pick(format!(": all of it forward ({there})"), format!(": semuanya di arah pergi ({there})"))
        }
        () if is_some(reverse) && is_none(forward) && is_all_answered => {
            say.pick(format!(": all of it in reverse ({back})"), format!(": semuanya di arah pulang ({back})"))
        }
        () if is_none(forward) && is_none(reverse) => {
            say.pick(": none of it on the path", ": tidak ada yang di jalur ini").to_owned()
        }
        () if is_some(forward) && is_some(reverse) || !is_all_answered => say.pick(
            format!(": {there} forward, {back} in reverse"),
            format!(": {there} di arah pergi, {back} di arah pulang"),
        ),
        () => say
            .pick(
                "; this reflector does not tell in which direction",
                "; reflektor ini tidak memberi tahu di arah mana",
            )
            .to_owned(),
    }
}

fn disorder(name: &str, way: &OneWay, say: Language) -> Vec<String> {
    let Some(counts) = way.counts else { return Vec::new() };
    let mut lines = Vec::new();
    if counts.duplicates.low > 0 {
        let count = bounds(counts.duplicates, say);
        lines.push(say.pick(format!("duplicates {name}: {count}"), format!("duplikat {name}: {count}")));
    }
    if counts.reordered.low > 0 {
        let (count, furthest) = (bounds(counts.reordered, say), way.reordering.extents().largest());
        let places = counted(furthest, "place");
        lines.push(say.pick(
            format!("reordering {name}: {count} came after later ones, by up to {places}"),
            format!("urutan teracak {name}: {count} datang setelah yang lebih kemudian, sampai {furthest} tempat"),
        ));
    }
    lines
}

/// A count that may be an interval, in words.
fn bounds(count: Bounds, say: Language) -> String {
    let words = count.to_string();
    say.pick(words.clone(), words.replace("at least", "sedikitnya").replace(" to ", " sampai "))
}

/// Delay that varies.
fn delay(own: &MeasureFigures, say: Language) -> Option<String> {
    let spread = |way: &OneWay| way.variation.pdv().at(0.99);
    let (forward, reverse) = (spread(&own.forward), spread(&own.reverse));
    let worst = forward.max(reverse);
    let floor = own.rtt.smallest().max(NOTICED);
    if worst < floor {
        return None;
    }
    let way = match () {
        () if forward >= 3 * reverse => say.pick("forward", "di arah pergi"),
        () if reverse >= 3 * forward => say.pick("in reverse", "di arah pulang"),
        () => say.pick("in both directions", "di kedua arah"),
    };
    let (worst, best) = (time(worst), time(own.rtt.smallest()));
    Some(say.pick(
        format!("delay varies {way}: by up to {worst} (p99), over a round trip of {best} at best"),
        format!("tundaan berubah-ubah {way}: sampai {worst} (p99), di atas waktu pulang-pergi terbaik {best}"),
    ))
}

/// A reflector that takes its time.
fn reflector(own: &MeasureFigures, say: Language) -> Vec<String> {
    let mut lines = Vec::new();
    let (p99, rtt) = (own.residence.at(0.99), own.rtt.at(0.5));
    if p99 >= NOTICED && p99 > rtt {
        let (worst, p99) = (time(own.residence.largest()), time(p99));
        lines.push(say.pick(
            format!("the reflector is slow, not the path: it held probes for up to {worst} (p99 {p99})"),
            format!("reflektornya yang lambat, bukan jalurnya: probe tertahan di sana sampai {worst} (p99 {p99})"),
        ));
    }
    if let Some(unanswered @ 1..) = own.unanswered {
        let probes = counted(unanswered, "probe");
        lines.push(say.pick(
            format!("the reflector left {probes} unanswered: it has a limit, such as --rate-limit of udp reflect (1000/s unless it says otherwise) or --max-rate"),
            format!("reflektor tidak menjawab {unanswered} probe: ia punya batas, seperti --rate-limit pada udp reflect (1000/s bila tidak diatur lain) atau --max-rate"),
        ));
    }
    if own.restarts > 0 {
        lines.push(
            say.pick(
                "the reflector started again, or forgot the session: what it had counted is lost",
                "reflektor dimulai ulang, atau melupakan sesinya: yang sudah dihitungnya hilang",
            )
            .to_owned(),
        );
    }
    if own.began_late > 0 && own.restarts == 0 {
        lines.push(
            say.pick(
                "the reflector began to count after the first probe was sent: what it took before, if anything, is not known",
                "reflektor mulai menghitung setelah probe pertama dikirim: yang diterimanya sebelum itu, bila ada, tidak diketahui",
            )
            .to_owned(),
        );
    }
    if own.wrong_counters > 0 {
        lines.push(
            say.pick(
                "the reflector's counts contradict what was sent and came back: they are not used",
                "hitungan reflektor bertentangan dengan yang dikirim dan yang kembali: tidak dipakai",
            )
            .to_owned(),
        );
    }
    if own.impossible_times > 0 {
        let (count, answers) = (own.impossible_times, counted(own.impossible_times, "answer"));
        lines.push(say.pick(
            format!("impossible times in {answers}: a clock was set, or the reflector's times are wrong"),
            format!("waktu yang mustahil dalam {count} jawaban: sebuah jam disetel, atau waktu reflektor salah"),
        ));
    }
    if own.reflector == ReflectorKind::Echo {
        lines.push(
            say.pick(
                "an echo server: nothing is known of single directions",
                "server echo: tidak ada yang diketahui tentang masing-masing arah",
            )
            .to_owned(),
        );
    }
    lines
}

/// A sender that cannot keep up.
fn sender(report: &Report<MeasureFigures>, say: Language) -> Vec<String> {
    let own = &report.own;
    let mut lines = Vec::new();
    if own.omitted > 0 {
        lines.push(say.pick(
            format!("this host could not send as fast: {} left out", counted(own.omitted, "probe")),
            format!("komputer ini tidak dapat mengirim secepat itu: {} probe dilewatkan", own.omitted),
        ));
    }
    if report.send_failed > 0 {
        lines.push(say.pick(
            format!("not sent, and not counted as lost: {}", counted(report.send_failed, "datagram")),
            format!("tidak terkirim, dan tidak dihitung sebagai hilang: {} datagram", report.send_failed),
        ));
    }
    let late = own.lateness.at(0.99);
    if late >= NOTICED {
        let late = time(late);
        lines.push(say.pick(
            format!("this host sent late: p99 {late}; the response includes it, the round trip does not"),
            format!(
                "komputer ini mengirim terlambat: p99 {late}; termasuk dalam waktu tanggap, tidak dalam pulang-pergi"
            ),
        ));
    }
    if let Some(drops @ 1..) = report.kernel_drops {
        lines.push(say.pick(
            format!("this host's receive buffer was full: {} dropped, which count as lost", counted(drops, "datagram")),
            format!("penyangga terima komputer ini penuh: {drops} datagram terbuang, dan dihitung sebagai hilang"),
        ));
    }
    lines
}

/// DSCP and ECN that did not arrive as they were sent.
fn marks(name: &str, way: &OneWay, say: Language) -> Vec<String> {
    let seen = way.traffic_class;
    let mut lines = Vec::new();
    if seen.bleached > 0 {
        let count = seen.bleached;
        lines.push(say.pick(
            format!("DSCP is set to 0 {name}: {}", counted(count, "datagram")),
            format!("DSCP disetel menjadi 0 {name}: {count} datagram"),
        ));
    }
    if seen.remarked > 0 {
        let count = seen.remarked;
        lines.push(say.pick(
            format!("DSCP is changed {name}: {}", counted(count, "datagram")),
            format!("DSCP diubah {name}: {count} datagram"),
        ));
    }
    if seen.congested > 0 {
        let count = seen.congested;
        lines.push(say.pick(
            format!("congestion {name}: {} marked (ECN)", counted(count, "datagram")),
            format!("kemacetan {name}: {count} datagram ditandai (ECN)"),
        ));
    }
    lines
}

fn clocks(own: &MeasureFigures, say: Language) -> Option<String> {
    let steps = own.clock.step_count();
    (steps > 0).then(|| {
        say.pick(
            format!("a clock was set {} meanwhile: one-way delays do not compare across that", times(steps)),
            format!("sebuah jam disetel {steps} kali selama pengukuran: tundaan satu arah tidak dapat dibandingkan melewatinya"),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const BOTH: [Language; 2] = [Language::English, Language::Indonesian];

    /// What is said in both languages.
    fn said(report: &Report<MeasureFigures>) -> [Vec<String>; 2] {
        let options = MeasureOptions::new(SocketAddr::from(([192, 0, 2, 1], 862)));
        BOTH.map(|say| verdict(&options, report, say))
    }

    /// A report in which everything is wrong that a verdict speaks of.
    fn worst() -> Report<MeasureFigures> {
        let mut report = Report::<MeasureFigures>::default();
        report.send_failed = 3;
        report.kernel_drops = Some(4);
        let own = &mut report.own;
        (own.sent, own.answered, own.lost, own.late, own.omitted) = (100, 90, 10, 2, 5);
        (own.restarts, own.wrong_counters, own.impossible_times, own.unanswered) = (0, 1, 6, Some(7));
        (own.began_late, own.waiting) = (1, 8);
        own.reflector = ReflectorKind::Echo;
        own.rtt.add(Duration::from_micros(1500));
        own.residence.add(Duration::from_millis(20));
        own.lateness.add(Duration::from_millis(20));
        for way in [&mut own.forward, &mut own.reverse] {
            (way.traffic_class.bleached, way.traffic_class.remarked, way.traffic_class.congested) = (1, 2, 3);
        }
        report
    }

    #[test]
    fn each_sentence_is_said_in_both_languages() {
        let [english, indonesian] = said(&worst());
        assert_eq!(english.len(), indonesian.len());
        assert!(english.len() >= 17, "{english:?}");
        for (one, other) in english.iter().zip(&indonesian) {
            assert_ne!(one, other);
            let english_words = [" the ", " and ", " forward", " reverse", " probes ", " this "];
            assert!(!english_words.iter().any(|word| other.contains(word)), "{other}");
        }
        assert!(english.contains(
            &"the reflector is slow, not the path: it held probes for up to 20.0 ms (p99 20.0 ms)".to_owned()
        ));
        let theirs = "reflektornya yang lambat, bukan jalurnya: probe tertahan di sana sampai 20,0 ms (p99 20,0 ms)";
        assert!(indonesian.contains(&theirs.to_owned()), "{indonesian:?}");
    }

    #[test]
    fn silence_and_a_good_path_are_said_in_both_languages() {
        let mut report = Report::<MeasureFigures>::default();
        let mut seen = std::collections::BTreeSet::new();
        let mut look = |report: &Report<MeasureFigures>| seen.extend(said(report).map(|lines| lines.concat()));
        look(&report);
        report.own.sent = 10;
        look(&report);
        report.own.lost = 10;
        look(&report);
        report.unreachable = 1;
        look(&report);
        report.unreachable = 0;
        (report.own.answered, report.own.lost) = (10, 0);
        report.own.rtt.add(Duration::from_micros(1500));
        look(&report);
        assert_eq!(seen.len(), 10, "{seen:?}");
        assert!(seen.contains("nothing is wrong with this path: no loss, and a round trip of 1.50 ms"), "{seen:?}");
    }
}
