//! Fixed seeds, and for each figure the chance that the right model misses it: one in a million.

use std::time::{Duration, Instant};

use udpkit::impairment::{
    CoDel, Departure, Fates, GilbertElliott, Impairment, ImpairmentOptions, Jitter, Queue, Rate, Reorder,
};

use crate::{fates, is_lost, ms, nothing, start};

const COUNT: u32 = 300_000;
/// Of the normal distribution, both sides.
const Z: f64 = 4.89;
/// Of the chi-square distributions with 1, up to 9, and 15 degrees of freedom.
const CHI_1: f64 = 23.93;
const CHI_9: f64 = 44.8;
const CHI_15: f64 = 56.5;
/// Of the Kolmogorov-Smirnov distribution.
const KS: f64 = 2.693;

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

/// How many standard deviations a share is from its probability.
fn z(flags: &[bool], probability: f64) -> f64 {
    let count = float(flags.len());
    let share = float(flags.iter().filter(|flag| **flag).count()) / count;
    (share - probability) / (probability * (1.0 - probability) / count).sqrt()
}

fn chi_square(cells: &[(f64, f64)]) -> f64 {
    cells.iter().map(|(observed, expected)| (observed - expected).powi(2) / expected).sum()
}

/// Lengths of runs of `wanted`, but the first and the last run, which may be cut.
fn runs(flags: &[bool], wanted: bool) -> Vec<usize> {
    let runs: Vec<_> = flags.chunk_by(|one, other| one == other).collect();
    runs[1..runs.len() - 1].iter().filter(|run| run[0] == wanted).map(|run| run.len()).collect()
}

/// Chi-square of lengths against the geometric distribution that ends with this probability, in cells of lengths so wide.
fn geometric(lengths: &[usize], ends: f64, width: usize, cells: usize) -> f64 {
    let count = float(lengths.len());
    let beyond = |length: usize| (1.0 - ends).powi(i32::try_from(length).unwrap());
    let cells: Vec<_> = (0..cells)
        .map(|cell| {
            let (least, is_last) = (cell * width, cell + 1 == cells);
            let observed =
                lengths.iter().filter(|length| **length > least && (is_last || **length <= least + width)).count();
            let share = beyond(least) - if is_last { 0.0 } else { beyond(least + width) };
            assert!(share * count >= 5.0, "too few to say anything of");
            (float(observed), share * count)
        })
        .collect();
    chi_square(&cells)
}

/// Chi-square, for each of the two states, of how often it is followed by a loss against these probabilities.
fn transitions(lost: &[bool], after_passed: f64, after_lost: f64) -> [f64; 2] {
    [(false, after_passed), (true, after_lost)].map(|(before, probability)| {
        let followed: Vec<_> = lost.windows(2).filter(|two| two[0] == before).map(|two| two[1]).collect();
        z(&followed, probability).powi(2)
    })
}

fn lost(options: ImpairmentOptions, seed: u64) -> Vec<bool> {
    fates(options, seed, COUNT, ms(1)).iter().map(is_lost).collect()
}

#[test]
fn independent_loss_has_its_rate_and_no_memory() {
    for (seed, rate) in [(1, 0.01), (2, 0.05), (3, 0.5), (4, 0.9)] {
        let lost = lost(nothing().loss(rate), seed);
        assert!(z(&lost, rate).abs() < Z, "{rate}: {}", z(&lost, rate));
        assert!(transitions(&lost, rate, rate).iter().all(|chi| *chi < CHI_1), "{rate}");
    }
    assert!(lost(nothing().loss(1.0), 5).iter().all(|lost| *lost));
    assert!(!lost(nothing().loss(0.0), 5).iter().any(|lost| *lost));
}

#[test]
fn bursts_have_their_rate_their_lengths_and_their_gaps() {
    for (seed, loss, length) in [(1, 0.05, 4.0), (2, 0.2, 10.0), (3, 0.3, 1.5)] {
        let chain = GilbertElliott::bursts(loss, length).unwrap();
        let lost = lost(nothing().loss(chain), seed);
        // The memory of the chain widens the deviation.
        let memory = 1.0 - chain.to_bad - chain.to_good;
        assert!(z(&lost, loss).abs() < Z * ((1.0 + memory) / (1.0 - memory)).sqrt(), "{loss}, {length}");
        let chis = transitions(&lost, chain.to_bad, 1.0 - chain.to_good);
        assert!(chis.iter().all(|chi| *chi < CHI_1), "{loss}, {length}: {chis:?}");

        let (bursts, gaps) = (runs(&lost, true), runs(&lost, false));
        let (cells, most) = if length < 2.0 { (9, CHI_9) } else { (16, CHI_15) };
        let chi = geometric(&bursts, chain.to_good, 1, cells);
        assert!(chi < most, "bursts of {loss}, {length}: {chi}");
        let width = (1..).find(|width| float(*width) >= 0.2 / chain.to_bad).unwrap();
        let chi = geometric(&gaps, chain.to_bad, width, 16);
        assert!(chi < CHI_15, "gaps of {loss}, {length}: {chi}");
    }
}

#[test]
fn a_chain_of_parameters_loses_what_its_formula_says() {
    for (seed, chain) in [
        (1, GilbertElliott::new(0.02, 0.2).loss_in_good(0.01).loss_in_bad(0.6)),
        (2, GilbertElliott::new(0.5, 0.5).loss_in_bad(0.3)),
    ] {
        let lost = lost(nothing().loss(chain), seed);
        let (loss, memory) = (chain.mean_loss(), 1.0 - chain.to_bad - chain.to_good);
        assert!(z(&lost, loss).abs() < Z * ((1.0 + memory) / (1.0 - memory)).sqrt(), "{chain:?}");
    }
}

#[test]
fn a_network_begins_in_either_state_as_likely_as_it_is_in_it() {
    let chain = GilbertElliott::bursts(0.3, 20.0).unwrap();
    let first: Vec<_> = (0..20_000).map(|seed| is_lost(&fates(nothing().loss(chain), seed, 1, ms(1))[0])).collect();
    assert!(z(&first, 0.3).abs() < Z, "{}", z(&first, 0.3));
}

#[test]
fn good_and_bad_states_last_as_long_as_they_are_to_and_lose_and_delay_what_they_are_to() {
    let chain = GilbertElliott::new(0.02, 0.1).delay_in_bad(ms(30));
    let of = |chain: GilbertElliott| fates(nothing().loss(chain).keep_order(false), 12, COUNT, ms(1));
    // Without losses the delay shows the state of each.
    let came = (0u32..).map(|place| start() + ms(1) * place);
    let is_bad: Vec<_> = came
        .zip(of(chain.loss_in_bad(0.0)))
        .map(|(came, fates)| {
            let delay = fates.original.departure().unwrap().at - came;
            assert!(delay.is_zero() || delay == ms(30), "{delay:?}");
            !delay.is_zero()
        })
        .collect();
    let chis = transitions(&is_bad, 0.02, 0.9);
    assert!(chis.iter().all(|chi| *chi < CHI_1), "{chis:?}");
    let memory: f64 = 0.88;
    assert!(z(&is_bad, 0.02 / 0.12).abs() < Z * ((1.0 + memory) / (1.0 - memory)).sqrt());
    let chi = geometric(&runs(&is_bad, true), 0.1, 2, 16);
    assert!(chi < CHI_15, "bad: {chi}");
    let chi = geometric(&runs(&is_bad, false), 0.02, 10, 16);
    assert!(chi < CHI_15, "good: {chi}");

    // Losses depend on the state, and on nothing else.
    let lost: Vec<_> = of(chain.loss_in_good(0.01).loss_in_bad(0.4)).iter().map(is_lost).collect();
    for (state, loss) in [(false, 0.01), (true, 0.4)] {
        let pairs = lost.iter().zip(&is_bad).filter(|(_, is_bad)| **is_bad == state);
        let lost: Vec<_> = pairs.map(|(lost, _)| *lost).collect();
        assert!(z(&lost, loss).abs() < Z, "{loss}: {}", z(&lost, loss));
        assert!(transitions(&lost, loss, loss).iter().all(|chi| *chi < CHI_1), "{loss}");
    }
    // Those that are left are as late as their state says.
    let late = of(chain.loss_in_good(0.01).loss_in_bad(0.4));
    for (place, (fates, is_bad)) in (0u32..).zip(late.iter().zip(&is_bad)) {
        let Some(departure) = fates.original.departure() else { continue };
        assert_eq!(departure.at - (start() + ms(1) * place), if *is_bad { ms(30) } else { ms(0) });
    }
}

#[test]
fn the_same_seed_gives_the_same_fates_and_another_gives_others() {
    let all = nothing()
        .loss(GilbertElliott::bursts(0.1, 3.0).unwrap().delay_in_bad(ms(3)))
        .duplicate(0.1)
        .corrupt(0.1)
        .rate(Rate::new(1_000_000, Queue::Datagrams(20)).codel(CoDel::default()))
        .delay(ms(20))
        .jitter(Jitter::Pareto(ms(5)))
        .reorder(Reorder::new(0.1, 3));
    let of = |seed| fates(all.clone(), seed, 20_000, Duration::from_micros(700));
    for seed in [0, 1, u64::MAX] {
        assert!(of(seed) == of(seed), "seed {seed}");
        assert!(of(seed) != of(seed ^ 2), "seed {seed}");
    }
}

/// Whether each datagram was copied, corrupted, overtaken, later than the delay; and whether its copy was corrupted, later.
const FLAGS: [&str; 6] = ["copied", "corrupted", "overtaken", "late", "copy corrupted", "copy late"];

fn flags(came: Instant, fates: &Fates) -> [bool; 6] {
    let departure = fates.original.departure().unwrap();
    let copy = fates.copy.map(|copy| copy.departure().unwrap());
    let is_late = |departure: Departure| departure.at - came > DELAY;
    [
        copy.is_some(),
        departure.flipped_bit.is_some(),
        departure.overtaken.is_some(),
        is_late(departure),
        copy.is_some_and(|copy| copy.flipped_bit.is_some()),
        copy.is_some_and(is_late),
    ]
}

/// The delay of those whose flags are looked at.
const DELAY: Duration = Duration::from_millis(20);

/// The flags of many datagrams.
fn flags_of(options: ImpairmentOptions, seed: u64) -> Vec<[bool; 6]> {
    let options = options.delay(DELAY).jitter(Jitter::Uniform(ms(20))).keep_order(false);
    let came = (0u32..).map(|place| start() + ms(1) * place);
    came.zip(&fates(options, seed, COUNT, ms(1))).map(|(came, fates)| flags(came, fates)).collect()
}

#[test]
fn copies_corruption_and_reordering_have_their_rates() {
    let flags = flags_of(nothing().duplicate(0.02).corrupt(0.05).reorder(Reorder::new(0.1, 3)), 8);
    for (place, rate) in [0.02, 0.05, 0.1, 0.5].into_iter().enumerate() {
        let happened: Vec<_> = flags.iter().map(|flags| flags[place]).collect();
        assert!(z(&happened, rate).abs() < Z, "{}: {}", FLAGS[place], z(&happened, rate));
        assert!(transitions(&happened, rate, rate).iter().all(|chi| *chi < CHI_1), "{}", FLAGS[place]);
    }
    // Copies have the same, of their own.
    let flags = flags_of(nothing().duplicate(1.0).corrupt(0.05), 8);
    for (place, rate) in [(4, 0.05), (5, 0.5)] {
        let happened: Vec<_> = flags.iter().map(|flags| flags[place]).collect();
        assert!(z(&happened, rate).abs() < Z, "{}: {}", FLAGS[place], z(&happened, rate));
    }
}

#[test]
fn every_bit_is_inverted_as_often_as_the_others() {
    let fates = fates(nothing().corrupt(1.0), 9, COUNT, ms(1));
    let mut cells = [0usize; 16];
    for fates in &fates {
        // Of 800 bits.
        cells[fates.original.departure().unwrap().flipped_bit.unwrap() / 50] += 1;
    }
    let expected = f64::from(COUNT) / 16.0;
    assert!(chi_square(&cells.map(|observed| (float(observed), expected))) < CHI_15, "{cells:?}");
}

/// Chi-square of two things that happen, against their being independent.
fn dependence(pairs: impl Iterator<Item = (bool, bool)>) -> f64 {
    let mut seen = [[0usize; 2]; 2];
    for (one, other) in pairs {
        seen[usize::from(one)][usize::from(other)] += 1;
    }
    let all = float(seen.iter().flatten().sum());
    let cells: Vec<_> = (0..4)
        .map(|cell| {
            let (row, column) = (cell / 2, cell % 2);
            let rows = float(seen[row][0] + seen[row][1]);
            let columns = float(seen[0][column] + seen[1][column]);
            (float(seen[row][column]), rows * columns / all)
        })
        .collect();
    chi_square(&cells)
}

#[test]
fn what_happens_to_a_datagram_says_nothing_of_what_else_does() {
    for seed in 0..3 {
        let some = flags_of(nothing().duplicate(0.3).corrupt(0.3).reorder(Reorder::new(0.3, 3)), seed);
        // Of the copies alone where each has one.
        let all = flags_of(nothing().duplicate(1.0).corrupt(0.3).reorder(Reorder::new(0.3, 3)), seed);
        let lost = lost(nothing().loss(0.3), seed);
        let of = |place: usize| {
            let flags = if place < 4 { &some } else { &all };
            flags.iter().map(move |flags| flags[place])
        };
        for (place, name) in FLAGS.iter().enumerate() {
            assert!(dependence(lost.iter().copied().zip(of(place))) < CHI_1, "loss and {name}, seed {seed}");
            // Nor of what happens to the next one.
            let next = lost.iter().skip(1).copied().zip(of(place));
            assert!(dependence(next) < CHI_1, "the next loss and {name}, seed {seed}");
            for (second, other) in FLAGS.iter().enumerate().skip(place + 1) {
                assert!(dependence(of(place).zip(of(second))) < CHI_1, "{name} and {other}, seed {seed}");
                let next = of(place).skip(1).zip(of(second));
                assert!(dependence(next) < CHI_1, "{name}, and {other} before it, seed {seed}");
            }
        }
        // Another seed, however near, is another network.
        let other = self::lost(nothing().loss(0.3), seed + 1);
        assert!(dependence(lost.into_iter().zip(other)) < CHI_1, "seed {seed}");
    }
}

/// Delays as they are decided, in milliseconds.
fn delays(jitter: Jitter, copies: bool) -> Vec<f64> {
    let base = Duration::from_secs(10);
    let options = nothing().delay(base).jitter(jitter).keep_order(false).duplicate(1.0);
    let fates = fates(options, 21, 100_000, ms(1));
    (0u32..)
        .zip(&fates)
        .map(|(place, fates)| {
            let fate = if copies { fates.copy.unwrap() } else { fates.original };
            let delay = fate.departure().unwrap().at - (start() + ms(1) * place);
            (delay.as_secs_f64() - base.as_secs_f64()) * 1000.0
        })
        .collect()
}

/// The distance of values from their distribution, in units of which a millionth of all samples is over [`KS`].
fn kolmogorov_smirnov(mut values: Vec<f64>, distribution: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = float(values.len());
    let distance = values.iter().enumerate().map(|(place, value)| {
        let (below, at) = (float(place) / count, float(place + 1) / count);
        let expected = distribution(*value);
        (expected - below).abs().max((expected - at).abs())
    });
    distance.fold(0.0, f64::max) * count.sqrt()
}

/// The normal distribution, by the series of its density (Marsaglia 2004).
fn normal(z: f64) -> f64 {
    if z.abs() > 8.0 {
        return if z > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut sum, mut term, mut factor) = (z, z, 1.0);
    while sum + term != sum {
        factor += 2.0;
        term *= z * z / factor;
        sum += term;
    }
    0.5 + sum * (-0.5 * z * z - 0.918_938_533_204_672_8).exp()
}

#[test]
fn jitter_has_its_distribution_mean_and_deviation() {
    type Distribution = fn(f64) -> f64;
    let scale = 10.0 / 0.75f64.sqrt();
    let lomax = move |x: f64| 1.0 - (1.0 + x.max(0.0) / (10.0 / 0.75f64.sqrt())).powi(-3);
    let cases: [(Jitter, Distribution, f64, Option<f64>); 4] = [
        (Jitter::Uniform(ms(10)), |x| ((x + 10.0) / 20.0).clamp(0.0, 1.0), 0.0, Some(10.0 / 3f64.sqrt())),
        (Jitter::Normal(ms(10)), |x| normal(x / 10.0), 0.0, Some(10.0)),
        (Jitter::Exponential(ms(10)), |x| 1.0 - (-x.max(0.0) / 10.0).exp(), 10.0, Some(10.0)),
        // The deviation of a sample is that of its longest ones: it says nothing.
        (Jitter::Pareto(ms(10)), lomax, scale / 2.0, None),
    ];
    for (jitter, distribution, mean, deviation) in cases {
        for copies in [false, true] {
            let values = delays(jitter, copies);
            let count = float(values.len());
            let seen = values.iter().sum::<f64>() / count;
            let allowed = Z * deviation.unwrap_or(10.0) / count.sqrt();
            assert!((seen - mean).abs() < allowed, "{jitter:?}: {seen}");
            if let Some(deviation) = deviation {
                let variance = values.iter().map(|value| (value - seen).powi(2)).sum::<f64>() / count;
                assert!((variance.sqrt() / deviation - 1.0).abs() < 0.02, "{jitter:?}: {}", variance.sqrt());
            }
            let distance = kolmogorov_smirnov(values, distribution);
            assert!(distance < KS, "{jitter:?}: {distance}");
        }
    }
}

#[test]
fn no_jitter_is_longer_than_a_hundred_times_its_spread_or_lets_a_datagram_leave_before_it_came() {
    let options = nothing().jitter(Jitter::Pareto(ms(1))).keep_order(false);
    let fates = fates(options, 2, 2_000_000, Duration::ZERO);
    let longest = fates.iter().map(|fates| fates.original.departure().unwrap().at - start()).max().unwrap();
    assert_eq!(longest, ms(100));
    let early = crate::fates(nothing().jitter(Jitter::Uniform(ms(5))).delay(ms(1)), 2, 1000, ms(20));
    let delays = early.iter().zip(0u32..).map(|(fates, place)| {
        fates.original.departure().unwrap().at.checked_duration_since(start() + ms(20) * place).unwrap()
    });
    let at_once = delays.filter(Duration::is_zero).count();
    assert!((300..500).contains(&at_once), "two of five: {at_once}");
}

#[test]
fn a_link_sends_no_more_than_its_rate_in_any_time_and_all_of_it_when_it_is_busy() {
    let queue = 100_000;
    let rate = Rate::new(10_000_000, Queue::Bytes(queue)).overhead(28);
    let mut impairment = Impairment::new(nothing().rate(rate), 1, start()).unwrap();
    let (mut now, mut left, mut lost) = (start(), Vec::new(), 0);
    for place in 0..100_000usize {
        // More than the link takes, in bursts, of all lengths.
        let len = place * 7919 % 1473;
        if place % 100 == 0 {
            now += ms(55);
        }
        match impairment.datagram(now, len).original.departure() {
            Some(departure) => {
                let wait = (departure.at - now).as_secs_f64();
                let most = float(queue + 2 * 1500) * 8.0 / 1e7;
                assert!(wait <= most, "the queue is longer than it may be: {wait} s");
                left.push((departure.at - start(), len + 28));
            }
            None => lost += 1,
        }
    }
    assert!(lost > 5000 && left.len() > 50_000, "{lost}");
    assert!(left.is_sorted_by_key(|(at, _)| *at));
    let sums: Vec<_> = left
        .iter()
        .scan(0, |sum, (_, len)| {
            *sum += len;
            Some(*sum)
        })
        .collect();
    // In bytes, from the end of one datagram to the end of another.
    let sent_and_could = |first: usize, last: usize| {
        (float(sums[last] - sums[first]), (left[last].0 - left[first].0).as_secs_f64() * 1e7 / 8.0)
    };
    for step in [1, 2, 10, 1000] {
        for first in 0..left.len() - step {
            let (sent, could) = sent_and_could(first, first + step);
            assert!(sent <= could + 0.01, "{sent} bytes where {could} could be");
        }
    }
    let (sent, could) = sent_and_could(0, left.len() - 1);
    assert!((sent / could - 1.0).abs() < 0.001, "{sent} {could}");
}
