//! Values of impairments as texts, in the form that is read again as the same value.

use std::time::Duration;

use udpkit::impairment::{Blackout, Chosen, CoDel, GilbertElliott, Jitter, Loss, Reorder};

use crate::words::units;

/// Digits from which on a number that was computed is not what somebody wrote.
const DIGITS: usize = 12;

pub(super) fn chance(chance: f64) -> String {
    let percent = |digits: usize| format!("{:.digits$}%", chance * 100.0);
    let text = (0..=DIGITS).map(percent).find(|text| units::chance(text) == Ok(chance));
    text.unwrap_or_else(|| format!("{chance:?}"))
}

/// A time in the largest unit of which it is a multiple.
pub(super) fn time(time: Duration) -> String {
    const UNITS: [(&str, u128); 6] = [
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1000),
        ("ns", 1),
    ];
    let nanoseconds = time.as_nanos();
    match UNITS.iter().find(|(_, unit)| nanoseconds.is_multiple_of(*unit)) {
        Some((unit, length)) if nanoseconds > 0 => format!("{}{unit}", nanoseconds / length),
        _ => "0".to_owned(),
    }
}

/// Bits per second, in the largest unit that there is one of at least.
#[expect(clippy::cast_precision_loss, reason = "a rate that is not the same when read again is written in bits")]
pub(super) fn rate(bits: u64) -> String {
    let units = [("G", 1e9), ("M", 1e6), ("k", 1e3)];
    let (unit, factor) = units.into_iter().find(|(_, factor)| bits as f64 >= *factor).unwrap_or(("", 1.0));
    let text = format!("{}{unit}bit/s", bits as f64 / factor);
    if units::bitrate(&text) == Some(bits) { text } else { format!("{bits}bit/s") }
}

/// Bytes, always with a unit.
pub(super) fn size(bytes: usize) -> String {
    const UNITS: [(&str, usize); 4] = [("MiB", 1 << 20), ("KiB", 1 << 10), ("MB", 1_000_000), ("kB", 1000)];
    match UNITS.iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((unit, length)) => format!("{}{unit}", bytes / length),
        None => format!("{bytes}B"),
    }
}

pub(super) fn chosen(chosen: &Chosen) -> String {
    let numbers = match chosen {
        Chosen::Every(every) => return format!("every:{every}"),
        Chosen::Numbers(numbers) => numbers,
        _ => return "none".to_owned(),
    };
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for &number in numbers.iter() {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let range = |(first, last)| match first == last {
        true => format!("{first}"),
        false => format!("{first}-{last}"),
    };
    ranges.into_iter().map(range).collect::<Vec<_>>().join(",")
}

pub(super) fn loss(loss: &Loss) -> String {
    match loss {
        Loss::Independent(loss) => chance(*loss),
        Loss::Bursts(chain) => chain_of(*chain),
        Loss::Pattern(pattern) => match pattern.name() {
            Some(name) => format!("pattern:{name}"),
            None => {
                let marks = pattern.lost().iter().map(|is_lost| if *is_lost { 'x' } else { '.' });
                format!("pattern:{}", marks.collect::<String>())
            }
        },
        _ => "none".to_owned(),
    }
}

/// As bursts if that says all of it, else with its parameters.
fn chain_of(chain: GilbertElliott) -> String {
    let rounded = |number: f64| format!("{number:.DIGITS$}").parse::<f64>().unwrap_or(number);
    let (loss, length) = (rounded(chain.mean_loss()), rounded(1.0 / chain.to_good));
    let same = GilbertElliott::bursts(loss, length).map(|bursts| bursts.delay_in_bad(chain.delay_in_bad));
    if same.is_ok_and(|same| same == chain) {
        return format!("burst:{},{length}", chance(loss));
    }
    let mut parameters = vec![chain.to_bad, chain.to_good];
    if chain.loss_in_bad != 1.0 || chain.loss_in_good != 0.0 {
        parameters.push(chain.loss_in_bad);
    }
    if chain.loss_in_good != 0.0 {
        parameters.push(chain.loss_in_good);
    }
    format!("ge:{}", parameters.into_iter().map(chance).collect::<Vec<_>>().join(","))
}

pub(super) fn blackout(blackout: Blackout) -> String {
    let Blackout { first, lasting, every, .. } = blackout;
    let (first_at, lasting) = (time(first), time(lasting));
    match every {
        None => format!("at:{first_at},for:{lasting}"),
        Some(every) if every == first => format!("every:{},for:{lasting}", time(every)),
        Some(every) => format!("at:{first_at},every:{},for:{lasting}", time(every)),
    }
}

pub(super) fn codel(codel: CoDel) -> String {
    let ecn = if codel.marks { "" } else { ",no-ecn" };
    format!("{},{}{ecn}", time(codel.target), time(codel.interval))
}

pub(super) fn jitter(jitter: Jitter) -> String {
    match jitter {
        Jitter::Uniform(spread) => time(spread),
        Jitter::Normal(deviation) => format!("{}:normal", time(deviation)),
        Jitter::Exponential(mean) => format!("{}:exponential", time(mean)),
        Jitter::Pareto(deviation) => format!("{}:pareto", time(deviation)),
        _ => "none".to_owned(),
    }
}

pub(super) fn reorder(reorder: Reorder) -> String {
    let Reorder { probability, followers, at_most, .. } = reorder;
    let usual = Reorder::new(probability, followers).at_most;
    let chance = chance(probability);
    match (followers, at_most) {
        (_, at_most) if at_most != usual => format!("{chance},{followers},{}", time(at_most)),
        (1, _) => chance,
        (followers, _) => format!("{chance},{followers}"),
    }
}
