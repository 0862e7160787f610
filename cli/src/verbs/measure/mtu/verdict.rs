//! The verdict on a path's MTU in plain words: what passes, what stops longer ones, who said so, and how certain that is.

use udpkit::path::{RatioSample, ratios_differ};
use udpkit::verbs::{MtuLimit, PathMtuFigures, PathMtuOptions, ReflectorKind, SizeTried};
use udpkit::{Bounds, Report};

use super::table::shown;

/// The least MTU of a link with IPv6 (RFC 8200 section 5).
const LEAST_V6: u64 = 1280;
/// Probes of a size from which its loss is worth a word.
const WORTH_A_WORD: u64 = 10;
/// The probability with which sizes that are lost alike are said to differ.
const ALPHA: f64 = 0.001;

/// What was found, a sentence each.
pub(super) fn verdict(options: &PathMtuOptions, report: &Report<PathMtuFigures>) -> Vec<String> {
    let own = &report.own;
    let Some(mtu) = own.mtu else { return vec![silence(options, report)] };
    let mut lines = vec![found(options, own, mtu)];
    lines.extend(reports(own, mtu));
    lines.extend(chance(own, mtu));
    lines.extend(answers(own));
    lines.extend(loss_by_size(own, mtu));
    if options.target.is_ipv6() && mtu.high < LEAST_V6 {
        lines.push(format!("IPv6 needs {LEAST_V6} B of each link: this path breaks it (RFC 8200)"));
    }
    lines
}

fn silence(options: &PathMtuOptions, report: &Report<PathMtuFigures>) -> String {
    let port = options.target.port();
    match report {
        _ if report.own.sent == 0 => "nothing could be sent".to_owned(),
        _ if report.unreachable > 0 => format!("nobody listens on port {port} there: start a reflector, as with udp reflect"),
        _ if report.ignored.total() > 0 => {
            "what answered is no reflector for us: see the datagrams ignored; the key, the port or the address may be another".to_owned()
        }
        _ => format!(
            "nothing answered, not even {} B: no reflector on port {port}, or something in between drops its datagrams",
            options.smallest()
        ),
    }
}

/// What passes, and what stops longer ones.
fn found(options: &PathMtuOptions, own: &PathMtuFigures, mtu: Bounds) -> String {
    let low = mtu.low;
    let payload = low.saturating_sub(options.header_len() as u64);
    match own.limit {
        MtuLimit::Path => {
            format!(
                "datagrams of up to {low} B pass ({payload} B of payload); longer ones are lost {}",
                where_it_is(own, mtu)
            )
        }
        MtuLimit::FirstLink => {
            format!("datagrams of up to {low} B pass ({payload} B of payload): all that this host's interface takes")
        }
        MtuLimit::Asked => format!("datagrams of {low} B pass ({payload} B of payload), and no longer one was tried"),
        _ => {
            let why = if own.is_cut_short { "the time was over" } else { "too much was lost" };
            format!("the MTU is {}: {why} before more was known", shown(mtu, 0))
        }
    }
}

/// In which direction it is.
fn where_it_is(own: &PathMtuFigures, mtu: Bounds) -> &'static str {
    match (own.forward, own.reverse) {
        _ if own.short_replies > 0 => "on the way there",
        (Some(forward), _) if forward.is_bounded() && forward.low == mtu.low => "on the way there",
        (_, Some(reverse)) if reverse.is_bounded() => "on the way back",
        _ if own.reflector == ReflectorKind::Echo => "there or back: an echo server does not tell",
        _ => "there or back: this reflector does not tell",
    }
}

/// What routers reported, and whether that is right.
fn reports(own: &PathMtuFigures, mtu: Bounds) -> Vec<String> {
    let is_on_the_way_back = own.reverse.is_some_and(Bounds::is_bounded);
    if own.limit == MtuLimit::Path && own.too_big.is_empty() {
        let line = match is_on_the_way_back {
            true => "whether a router reports it (ICMP) only the other host sees",
            false => {
                "they vanish without a word: no router reports it (ICMP), so programs that wait for a report send into a black hole"
            }
        };
        return vec![line.to_owned()];
    }
    let said = |mtu: u32| if mtu == 0 { "no MTU".to_owned() } else { format!("an MTU of {mtu} B") };
    let judged = |said: u32| match u64::from(said) {
        0 => "",
        said if own.forward.is_some_and(|forward| said < forward.low) => ", which is wrong: longer ones pass",
        said if mtu.is_bounded() && said > mtu.high => ", and what passes is shorter than that",
        _ => "",
    };
    let line = |one: &udpkit::verbs::TooBigReports| {
        format!("{} reports {} (ICMP, {} times){}", one.reporter, said(one.mtu), one.count, judged(one.mtu))
    };
    own.too_big.iter().map(line).collect()
}

/// How certain it is.
fn chance(own: &PathMtuFigures, mtu: Bounds) -> Option<String> {
    let chance = own.by_chance.filter(|chance| *chance > 0.0)?;
    let too_long = own.sizes.iter().find(|size| size.bytes == mtu.low + 1)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the largest integer")]
    let once_in = (1.0 / chance).round() as u64;
    Some(format!(
        "all {} probes of {} B were lost, while those of {} B between them came back: by chance once in {}",
        too_long.sent,
        too_long.bytes,
        mtu.low,
        grouped(once_in)
    ))
}

/// A number whose digits are in groups of three; a large one only about.
fn grouped(number: u64) -> String {
    if number >= 1_000_000_000 {
        return "more than a billion".to_owned();
    }
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// What is to be known of the answers.
fn answers(own: &PathMtuFigures) -> Vec<String> {
    let mut lines = Vec::new();
    if own.short_replies > 0 {
        lines.push("the answers are shorter than the probes: the way back was not tried with these sizes".to_owned());
    }
    if own.fragmented_replies > 0 {
        let longest = own.longest_fragment.map_or_else(String::new, |bytes| format!(" of up to {bytes} B"));
        lines.push(format!(
            "{} answers came in fragments{longest}: the other host knows that the way back does not take them whole",
            own.fragmented_replies
        ));
    }
    lines
}

/// Whether long datagrams that pass are lost more often than short ones.
fn loss_by_size(own: &PathMtuFigures, mtu: Bounds) -> Option<String> {
    let passing = |size: &&SizeTried| size.bytes <= mtu.low && size.answered > 0;
    let ratio = |sizes: &[&SizeTried]| {
        let [sent, answered] =
            sizes.iter().fold([0; 2], |[sent, answered], size| [sent + size.sent, answered + size.answered]);
        (sent >= WORTH_A_WORD).then(|| (sent - answered, sent))
    };
    let (long, short): (Vec<_>, Vec<_>) = own.sizes.iter().filter(passing).partition(|size| size.bytes == mtu.low);
    let ((long_lost, long_sent), (short_lost, short_sent)) = (ratio(&long)?, ratio(&short)?);
    let sample = |lost, sent| RatioSample::new(Bounds::exact(lost), sent);
    let difference = ratios_differ(&sample(short_lost, short_sent), &sample(long_lost, long_sent), ALPHA)?;
    (difference.is_more_than_chance && difference.difference > 0.0).then(|| {
        format!(
            "long datagrams are lost more often: {long_lost} of {long_sent} of {} B, {short_lost} of {short_sent} of shorter ones",
            mtu.low
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(target: &str) -> PathMtuOptions {
        PathMtuOptions::new(target.parse().unwrap())
    }

    fn figures(mtu: Bounds, limit: MtuLimit) -> Report<PathMtuFigures> {
        let mut report = Report::<PathMtuFigures>::default();
        report.own.mtu = Some(mtu);
        report.own.forward = Some(mtu);
        report.own.reverse = Some(Bounds::at_least(mtu.low));
        report.own.limit = limit;
        report.own.reflector = ReflectorKind::Counting;
        report
    }

    #[test]
    fn a_black_hole_is_named_and_so_is_its_direction() {
        let mut report = figures(Bounds::exact(1400), MtuLimit::Path);
        let lines = verdict(&options("192.0.2.1:862"), &report);
        assert_eq!(
            lines,
            [
                "datagrams of up to 1400 B pass (1372 B of payload); longer ones are lost on the way there",
                "they vanish without a word: no router reports it (ICMP), so programs that wait for a report send into a black hole"
            ]
        );
        report.own.forward = Some(Bounds::exact(1500));
        report.own.reverse = Some(Bounds::exact(1400));
        let lines = verdict(&options("192.0.2.1:862"), &report);
        assert!(lines[0].ends_with("on the way back") && lines[1].contains("only the other host"), "{lines:?}");
        report.own.forward = Some(Bounds::at_least(1400));
        report.own.reverse = Some(Bounds::at_least(1400));
        report.own.reflector = ReflectorKind::Echo;
        assert!(verdict(&options("192.0.2.1:862"), &report)[0].contains("there or back"));
    }

    #[test]
    fn what_was_not_decided_is_said_with_its_reason() {
        let mut report = figures(Bounds::new(1200, 1499), MtuLimit::Unknown);
        assert_eq!(
            verdict(&options("192.0.2.1:862"), &report),
            ["the MTU is 1200 to 1499 B: too much was lost before more was known"]
        );
        report.own.is_cut_short = true;
        assert!(verdict(&options("192.0.2.1:862"), &report)[0].contains("the time was over"));
        let report = figures(Bounds::at_least(9000), MtuLimit::Asked);
        assert!(verdict(&options("192.0.2.1:862"), &report)[0].contains("no longer one was tried"));
        let report = figures(Bounds::exact(1000), MtuLimit::Path);
        assert!(verdict(&options("[2001:db8::1]:862"), &report).iter().any(|line| line.contains("IPv6 needs 1280 B")));
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(999, "999"), (1_352_078, "1,352,078"), (u64::MAX, "more than a billion")] {
            assert_eq!(grouped(number), text);
        }
    }
}
