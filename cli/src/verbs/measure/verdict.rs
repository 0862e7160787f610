//! The verdict in plain words: what is wrong with the path, if anything, in which direction, and what is not the path's fault.

use std::time::Duration;

use udpkit::verbs::{MeasureFigures, MeasureOptions, OneWay, OneWayCounts, ReflectorKind};
use udpkit::{Bounds, Report};

use super::table::{share, time};
use crate::words::units::{counted, times};

/// Times below this are not worth a word.
const NOTICED: Duration = Duration::from_millis(5);

/// What is wrong, a sentence each; one sentence where nothing is.
pub(super) fn verdict(options: &MeasureOptions, report: &Report<MeasureFigures>) -> Vec<String> {
    let own = &report.own;
    if own.answered == 0 {
        return vec![silence(options, report)];
    }
    let mut lines = Vec::new();
    lines.extend(loss(own));
    if own.waiting > 0 {
        lines.push(format!(
            "outstanding when it was ended, and neither answered nor lost: {}",
            counted(own.waiting, "probe")
        ));
    }
    lines.extend(
        [("forward", &own.forward), ("reverse", &own.reverse)].into_iter().flat_map(|(name, way)| disorder(name, way)),
    );
    lines.extend(delay(own));
    lines.extend(reflector(own));
    lines.extend(sender(report));
    lines.extend(
        [("forward", &own.forward), ("reverse", &own.reverse)].into_iter().flat_map(|(name, way)| marks(name, way)),
    );
    lines.extend(clocks(own));
    if lines.is_empty() {
        let rtt = time(own.rtt.at(0.5));
        lines.push(format!("nothing is wrong with this path: no loss, and a round trip of {rtt}"));
    }
    lines
}

fn silence(options: &MeasureOptions, report: &Report<MeasureFigures>) -> String {
    let port = options.target.port();
    match report {
        _ if report.own.sent == 0 => "nothing could be sent".to_owned(),

        _ if report.unreachable > 0 => format!("nobody listens on port {port} there: start a reflector, as with udp reflect"),
        _ if report.ignored.total() > 0 => {
            "what answered is no reflector for us: see the datagrams ignored; the key, the port or the address may be another".to_owned()
        }
        _ if report.own.lost == 0 => "ended before an answer could come".to_owned(),
        _ => format!("nothing answered: no reflector on port {port}, or something in between drops its datagrams"),
    }
}

/// Loss, and in which direction it is.
fn loss(own: &MeasureFigures) -> Option<String> {
    let all = Bounds::exact(own.lost + own.answered);
    if own.lost == 0 {
        return None;
    }
    let lost = share(Bounds::exact(own.lost), all);
    let runs = own.loss_runs.mean_burst().filter(|mean| *mean >= 2.0);
    let runs = runs.map(|mean| format!(", {mean:.1} in a row on average, {} at most", own.loss_runs.longest()));
    let where_it_is = match (own.forward.counts, own.reverse.counts) {
        _ if own.late >= own.lost => "; none is lost for good".to_owned(),
        (Some(forward), Some(reverse)) => which_way(&forward, &reverse, own.unanswered.unwrap_or(0) == 0),
        _ => "; an echo server does not tell in which direction".to_owned(),
    };
    let late = if own.late > 0 { format!(" ({} of them came too late)", own.late) } else { String::new() };
    Some(format!("loss: {lost} of the round trips{late}{where_it_is}{}", runs.unwrap_or_default()))
}

fn which_way(forward: &OneWayCounts, reverse: &OneWayCounts, is_all_answered: bool) -> String {
    let percent = |way: &OneWayCounts| share(way.lost, way.sent);
    let is_none = |way: &OneWayCounts| way.lost == Bounds::exact(0);
    let is_some = |way: &OneWayCounts| way.lost.low > 0;
    match () {
        () if is_some(forward) && is_none(reverse) && is_all_answered => {
            format!(": all of it forward ({})", percent(forward))
        }
        () if is_some(reverse) && is_none(forward) && is_all_answered => {
            format!(": all of it in reverse ({})", percent(reverse))
        }
        () if is_none(forward) && is_none(reverse) => ": none of it on the path".to_owned(),
        () if is_some(forward) && is_some(reverse) || !is_all_answered => {
            format!(": {} forward, {} in reverse", percent(forward), percent(reverse))
        }
        () => "; this reflector does not tell in which direction".to_owned(),
    }
}

fn disorder(name: &str, way: &OneWay) -> Vec<String> {
    let Some(counts) = way.counts else { return Vec::new() };
    let mut lines = Vec::new();
    if counts.duplicates.low > 0 {
        lines.push(format!("duplicates {name}: {}", counts.duplicates));
    }
    if counts.reordered.low > 0 {
        let furthest = way.reordering.extents().largest();
        lines.push(format!(
            "reordering {name}: {} came after later ones, by up to {}",
            counts.reordered,
            counted(furthest, "place")
        ));
    }
    lines
}

/// Delay that varies.
fn delay(own: &MeasureFigures) -> Option<String> {
    let spread = |way: &OneWay| way.variation.pdv().at(0.99);
    let (forward, reverse) = (spread(&own.forward), spread(&own.reverse));
    let worst = forward.max(reverse);
    let floor = own.rtt.smallest().max(NOTICED);
    if worst < floor {
        return None;
    }
    let way = match () {
        () if forward >= 3 * reverse => "forward",
        () if reverse >= 3 * forward => "in reverse",
        () => "in both directions",
    };
    Some(format!(
        "delay varies {way}: by up to {} (p99), over a round trip of {} at best",
        time(worst),
        time(own.rtt.smallest())
    ))
}

/// A reflector that takes its time.
fn reflector(own: &MeasureFigures) -> Vec<String> {
    let mut lines = Vec::new();
    let (p99, rtt) = (own.residence.at(0.99), own.rtt.at(0.5));
    if p99 >= NOTICED && p99 > rtt {
        let worst = time(own.residence.largest());
        lines
            .push(format!("the reflector is slow, not the path: it held probes for up to {worst} (p99 {})", time(p99)));
    }
    if let Some(unanswered @ 1..) = own.unanswered {
        lines.push(format!(
            "the reflector left {} unanswered: it has a limit, such as --rate-limit of udp reflect (1000/s unless it says otherwise) or --max-rate",
            counted(unanswered, "probe")
        ));
    }
    if own.restarts > 0 {
        lines.push("the reflector started again, or forgot the session: what it had counted is lost".to_owned());
    }
    if own.began_late > 0 && own.restarts == 0 {
        lines.push(
            "the reflector began to count after the first probe was sent: what it took before, if anything, is not known"
                .to_owned(),
        );
    }
    if own.wrong_counters > 0 {
        lines.push("the reflector's counts contradict what was sent and came back: they are not used".to_owned());
    }
    if own.impossible_times > 0 {
        lines.push(format!(
            "impossible times in {}: a clock was set, or the reflector's times are wrong",
            counted(own.impossible_times, "answer")
        ));
    }
    if own.reflector == ReflectorKind::Echo {
        lines.push("an echo server: nothing is known of single directions".to_owned());
    }
    lines
}

/// A sender that cannot keep up.
fn sender(report: &Report<MeasureFigures>) -> Vec<String> {
    let own = &report.own;
    let mut lines = Vec::new();
    if own.omitted > 0 {
        lines.push(format!("this host could not send as fast: {} left out", counted(own.omitted, "probe")));
    }
    if report.send_failed > 0 {
        lines.push(format!("not sent, and not counted as lost: {}", counted(report.send_failed, "datagram")));
    }
    let late = own.lateness.at(0.99);
    if late >= NOTICED {
        lines.push(format!(
            "this host sent late: p99 {}; the response includes it, the round trip does not",
            time(late)
        ));
    }
    if let Some(drops @ 1..) = report.kernel_drops {
        lines.push(format!(
            "this host's receive buffer was full: {} dropped, which count as lost",
            counted(drops, "datagram")
        ));
    }
    lines
}

/// DSCP and ECN that did not arrive as they were sent.
fn marks(name: &str, way: &OneWay) -> Vec<String> {
    let seen = way.traffic_class;
    let mut lines = Vec::new();
    if seen.bleached > 0 {
        lines.push(format!("DSCP is set to 0 {name}: {}", counted(seen.bleached, "datagram")));
    }
    if seen.remarked > 0 {
        lines.push(format!("DSCP is changed {name}: {}", counted(seen.remarked, "datagram")));
    }
    if seen.congested > 0 {
        lines.push(format!("congestion {name}: {} marked (ECN)", counted(seen.congested, "datagram")));
    }
    lines
}

fn clocks(own: &MeasureFigures) -> Option<String> {
    let steps = own.clock.step_count();
    (steps > 0)
        .then(|| format!("a clock was set {} meanwhile: one-way delays do not compare across that", times(steps)))
}
