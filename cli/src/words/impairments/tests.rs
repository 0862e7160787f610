use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::json;
use udpkit::impairment::{
    Blackout, Capacity, Chosen, CoDel, GilbertElliott, Impairment, ImpairmentOptions, Jitter, Loss, Queue, Rate,
    Reorder,
};

use super::*;
use crate::words::spelling::shell_line;

fn here() -> Files<'static> {
    Files::In(Path::new(""))
}

fn words(pairs: &[(&str, &str)]) -> Result<Words, Mistake> {
    Changes::read(pairs.iter().map(|(name, text)| (*name, Some(*text))), &here())?.words()
}

fn options(pairs: &[(&str, &str)]) -> ImpairmentOptions {
    words(pairs).unwrap().options()
}

fn mistake(pairs: &[(&str, &str)]) -> String {
    words(pairs).unwrap_err().to_string()
}

/// A file with this text, and the folder in which it is as long as it is needed.
fn file(name: &str, text: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("udp-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn every_form_is_what_the_library_is_asked_for() {
    let ms = Duration::from_millis;
    let nothing = ImpairmentOptions::default;
    let link = |capacity, queue| nothing().rate(Rate::new(Capacity::Constant(capacity), queue).overhead(28));
    let chain = GilbertElliott::new(0.01, 0.25);
    let cases: &[(&[(&str, &str)], ImpairmentOptions)] = &[
        (&[], nothing()),
        (&[("loss", "5%")], nothing().loss(0.05)),
        (&[("loss", "0.05")], nothing().loss(0.05)),
        (&[("loss", "100%")], nothing().loss(1.0)),
        (&[("loss", "burst:5%,4")], nothing().loss(GilbertElliott::bursts(0.05, 4.0).unwrap())),
        (&[("loss", "ge:1%,25%")], nothing().loss(chain)),
        (&[("loss", "ge:1%,25%,80%")], nothing().loss(chain.loss_in_bad(0.8))),
        (&[("loss", "ge:1%,25%,80%,0.1%")], nothing().loss(chain.loss_in_bad(0.8).loss_in_good(0.001))),
        (&[("loss", "ge:1%,25%"), ("delay-in-bad", "30ms")], nothing().loss(chain.delay_in_bad(ms(30)))),
        (&[("drop", "1,2,7-9")], nothing().drop(Chosen::numbers([1, 2, 7, 8, 9]))),
        (&[("drop", "every:10")], nothing().drop(Chosen::Every(10))),
        (&[("from", "10.0.0.0/8, fd00::/8")], nothing().from(["10.0.0.0/8", "fd00::/8"].map(|it| it.parse().unwrap()))),
        (&[("duplicate", "1%")], nothing().duplicate(0.01)),
        (&[("corrupt", "0.1%")], nothing().corrupt(0.001)),
        (&[("reorder", "2%")], nothing().reorder(Reorder::new(0.02, 1))),
        (&[("reorder", "2%,3")], nothing().reorder(Reorder::new(0.02, 3))),
        (&[("reorder", "2%,3,200ms")], nothing().reorder(Reorder::new(0.02, 3).at_most(ms(200)))),
        (&[("delay", "40ms")], nothing().delay(ms(40))),
        (&[("jitter", "10ms")], nothing().jitter(Jitter::Uniform(ms(10)))),
        (&[("jitter", "10ms:uniform")], nothing().jitter(Jitter::Uniform(ms(10)))),
        (&[("jitter", "10ms:normal")], nothing().jitter(Jitter::Normal(ms(10)))),
        (&[("jitter", "10ms:pareto")], nothing().jitter(Jitter::Pareto(ms(10)))),
        (&[("jitter", "10ms:exponential")], nothing().jitter(Jitter::Exponential(ms(10)))),
        (&[("allow-reorder", "true")], nothing().keep_order(false)),
        (&[("rate", "1Mbit/s")], link(1_000_000, Queue::Bytes(65_536))),
        (&[("rate", "64kbit/s"), ("queue", "1500B")], link(64_000, Queue::Bytes(1500))),
        (&[("queue", "100"), ("rate", "64kbit/s")], link(64_000, Queue::Datagrams(100))),
        (&[("mtu", "1280")], nothing().mtu(1280)),
        (&[("blackout", "every:30s,for:2s")], nothing().blackout(Blackout::each(ms(30_000), ms(2000)))),
        (&[("blackout", "at:10s,for:2s")], nothing().blackout(Blackout::once(ms(10_000), ms(2000)))),
        (
            &[("blackout", "at:10s,every:30s,for:2s")],
            nothing().blackout(Blackout::each(ms(30_000), ms(2000)).first(ms(10_000))),
        ),
    ];
    for (pairs, expected) in cases {
        assert_eq!(options(pairs), *expected, "{pairs:?}");
    }
    let codel = |text| options(&[("rate", "1Mbit/s"), ("codel", text)]).rate.unwrap().codel;
    assert_eq!(codel("5ms,100ms"), Some(CoDel::default()));
    assert_eq!(codel("5ms,100ms,no-ecn"), Some(CoDel::default().marks(false)));
    let matching = options(&[("match", "^a.c$")]).matching.unwrap();
    assert!(matching.matches(b"a\xffc") && !matching.matches(b"abcd"));
}

#[test]
fn what_has_no_effect_is_no_word() {
    for (name, text) in [
        ("loss", "0%"),
        ("loss", "burst:0%,4"),
        ("delay", "0"),
        ("delay", "0ms"),
        ("jitter", "0ms:normal"),
        ("duplicate", "0.0"),
        ("corrupt", "0%"),
        ("reorder", "0%,3"),
        ("delay-in-bad", "0"),
        ("allow-reorder", "false"),
    ] {
        assert_eq!(words(&[(name, text)]), Ok(Words::default()), "{name} {text}");
    }
    for name in Name::ALL {
        assert_eq!(words(&[(name.word(), "none")]), Ok(Words::default()), "{name:?}");
    }
}

#[test]
fn a_mistake_says_what_can_be_written() {
    for (name, wrong, expected) in [
        ("loss", "5", "loss: '5' is not a loss; write 5%, burst:5%,4, ge:P,R[,BAD[,GOOD]] or pattern:FILE, or none"),
        (
            "drop",
            "0",
            "drop: '0' is not a choice of datagrams; write numbers from 1 such as 1,2,7-9, or every:10, or none",
        ),
        (
            "rate",
            "1000/s",
            "rate: '1000/s' is not a rate of a link; write bits per second, such as 64kbit/s or 5Mbit/s, or none",
        ),
        ("mtu", "20", "mtu: a datagram has at least 28 bytes"),
        ("loss", "burst:90%,4", "loss: bursts of 4 datagrams lose at most 80.0 %"),
        ("delay", "40", "delay: '40' has no unit, as in 40s; write one as 500us, 20ms, 1s or 1m30s"),
        ("delay", "9000h", "delay: a year is the longest"),
        ("codel", "100ms,5ms", "codel: the interval is not shorter than the target, 100ms"),
        ("drop", "1-99999", "drop: these are 99999 datagrams; 65536 are the most that can be chosen"),
        ("match", "(", "match: '(' is not a regular expression: unclosed group"),
        (
            "from",
            "10.0.0.0/99",
            "from: '10.0.0.0/99' is not a network; write one as 10.1.0.0/16, 2001:db8::/32 or 10.1.2.3",
        ),
        ("trace", "/no/such", "trace: cannot read trace '/no/such': no such file or directory"),
    ] {
        assert_eq!(mistake(&[(name, wrong)]), expected);
    }
    for (name, wrong) in [
        ("loss", ""),
        ("loss", "burst:5%"),
        ("loss", "burst:5%,x"),
        ("loss", "burst:5%,inf"),
        ("loss", "burst:5%,0.5"),
        ("loss", "ge:1%"),
        ("loss", "ge:1%,2%,3%,4%,5%"),
        ("loss", "150%"),
        ("drop", "1,,2"),
        ("drop", "5-2"),
        ("drop", "every:0"),
        ("drop", "1-18446744073709551615"),
        ("drop", "+1"),
        ("blackout", "2s"),
        ("blackout", "every:30s"),
        ("blackout", "for:2s"),
        ("blackout", "every:2s,for:2s"),
        ("blackout", "every:30s,for:2s,for:3s"),
        ("blackout", "every:30,for:2s"),
        ("queue", "-1"),
        ("queue", "64"),
        ("codel", "5ms"),
        ("codel", "5ms,100ms,ecn"),
        ("codel", "5ms,100ms,no-ecn,x"),
        ("jitter", "10ms:gauss"),
        ("reorder", "2%,0"),
        ("reorder", "2%,3,1s,4"),
        ("mtu", "1e3"),
        ("allow-reorder", "yes"),
        ("rate", "0bit/s"),
        ("rate", "0.5bit/s"),
    ] {
        assert!(words(&[(name, wrong)]).is_err(), "{name} {wrong}");
    }
}

#[test]
fn an_unknown_name_leads_to_the_one_that_was_meant() {
    for (word, hint) in [
        ("los", "did you mean loss?"),
        ("delay_in_bad", "did you mean delay-in-bad?"),
        (
            "latency",
            "impairments are match, from, drop, loss, delay-in-bad, blackout, mtu, duplicate, corrupt, rate, trace, queue, codel, delay, jitter, allow-reorder, reorder",
        ),
    ] {
        let mistake = words(&[(word, "1")]).unwrap_err();
        assert_eq!(
            (mistake.to_string(), mistake.hint.as_deref()),
            (format!("{word}: there is no such impairment"), Some(hint))
        );
        assert!(mistake.is_unknown);
    }
}

#[test]
fn words_that_need_others_say_which() {
    for (pairs, expected) in [
        (&[("queue", "64KiB")][..], "queue: nothing waits where the link has no rate: it needs rate or trace"),
        (&[("codel", "5ms,100ms")], "codel: nothing waits where the link has no rate: it needs rate or trace"),
        (
            &[("loss", "5%"), ("delay-in-bad", "5ms")],
            "delay-in-bad: it needs a loss that has a bad state: burst:LOSS,LENGTH or ge:P,R",
        ),
        (&[("loss", "5%"), ("loss", "6%")], "loss: it is there twice"),
    ] {
        assert_eq!(mistake(pairs), expected);
    }
}

/// What JSON is after a change that is JSON.
fn changed(before: serde_json::Value, change: serde_json::Value) -> serde_json::Value {
    let before = Changes::read_json(&before, &here()).unwrap().words().unwrap();
    let change = Changes::read_json(&change, &Files::of(&[&before])).unwrap();
    serde_json::to_value(before.with(&change).unwrap()).unwrap()
}

#[test]
fn a_change_keeps_what_it_does_not_name_and_takes_away_what_it_makes_useless() {
    let cases = [
        (json!({"loss": "5%"}), json!({"delay": "40ms"}), json!({"loss": "5%", "delay": "40ms"})),
        (json!({"loss": "5%", "delay": "40ms"}), json!({"loss": null}), json!({"delay": "40ms"})),
        (json!({"loss": "5%"}), json!({"loss": "none"}), json!({})),
        (json!({"loss": "5%"}), json!({"loss": 0.01}), json!({"loss": "1%"})),
        (json!({"rate": "1Mbit/s"}), json!({}), json!({"rate": "1Mbit/s", "queue": "64KiB"})),
        (json!({"rate": "1Mbit/s", "codel": "5ms,100ms"}), json!({"rate": null}), json!({})),
        (json!({"rate": "1Mbit/s", "queue": 7}), json!({"queue": null}), json!({"rate": "1Mbit/s", "queue": "64KiB"})),
        (json!({"rate": "1Mbit/s", "queue": 7}), json!({"trace": null}), json!({"rate": "1Mbit/s", "queue": "7"})),
        (json!({"loss": "ge:1%,5%", "delay-in-bad": "5ms"}), json!({"loss": "1%"}), json!({"loss": "1%"})),
        (
            json!({"loss": "ge:1%,5%", "delay-in-bad": "5ms"}),
            json!({"loss": "ge:2%,5%"}),
            json!({"loss": "ge:2%,5%", "delay-in-bad": "5ms"}),
        ),
        (json!({"allow-reorder": true, "mtu": 1280}), json!({}), json!({"allow-reorder": true, "mtu": "1280"})),
        (json!({"allow-reorder": true}), json!({"allow-reorder": false}), json!({})),
    ];
    for (before, change, after) in cases {
        assert_eq!(changed(before.clone(), change.clone()), after, "{before} {change}");
    }
    for wrong in [json!([]), json!(5), json!({"loss": ["5%"]}), json!({"loss": {}})] {
        let mistake = Changes::read_json(&wrong, &here()).unwrap_err().to_string();
        assert_eq!(mistake, r#"impairments are an object, such as {"loss": "5%", "delay": "40ms"}"#);
    }
}

#[test]
fn a_file_is_read_at_the_start_and_known_by_its_name_later() {
    let pattern = file("pattern", "..x\n.x");
    let trace = file("trace", "1\n2\n");
    let (pattern, trace) = (pattern.to_str().unwrap(), trace.to_str().unwrap());
    let loss = format!("pattern:{pattern}");
    let start = words(&[("loss", &loss), ("trace", trace)]).unwrap();
    std::fs::remove_file(pattern).unwrap();
    std::fs::remove_file(trace).unwrap();
    assert_eq!(start.get(Name::Loss).as_ref(), Some(&loss));
    assert_eq!(start.get(Name::Trace).as_deref(), Some(trace));

    let later = |pairs: &[(&str, &str)]| {
        Changes::read(pairs.iter().map(|(name, text)| (*name, Some(*text))), &Files::of(&[&start]))
    };
    assert_eq!(later(&[("loss", &loss), ("trace", trace)]).unwrap().words().unwrap(), start);
    let secret = file("secret", "..x");
    let secret = secret.to_str().unwrap();
    for (name, text) in [("loss", format!("pattern:{secret}")), ("trace", secret.to_owned())] {
        let mistake = later(&[(name, &text)]).unwrap_err().to_string();
        let expected = format!("'{secret}' was not read at the start, and no file is read while the relay runs");
        assert!(mistake.ends_with(&expected), "{mistake}");
    }
    std::fs::remove_file(secret).unwrap();
    // What is no file needs none.
    assert_eq!(later(&[("loss", "pattern:..x")]).unwrap().words().unwrap().get(Name::Loss).unwrap(), "pattern:..x");
}

#[test]
fn a_mistake_in_a_file_has_its_line_and_column() {
    for (text, expected) in [
        ("..x\n.?", "line 2, column 2: '?' is neither '.' (passes) nor 'x' (lost)"),
        ("", "line 1, column 1: there is no '.' (passes) and no 'x' (lost)"),
    ] {
        let path = file("wrong", text);
        let path = path.to_str().unwrap();
        let expected = format!("loss: cannot read pattern '{path}': {expected}");
        assert_eq!(mistake(&[("loss", &format!("pattern:{path}"))]), expected);
        std::fs::remove_file(path).unwrap();
    }
    let path = std::env::temp_dir().join(format!("udp-{}-latin", std::process::id()));
    std::fs::write(&path, b"1\n2\xe9").unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(
        mistake(&[("trace", path)]),
        format!("trace: cannot read trace '{path}': line 2, column 2: this is not UTF-8")
    );
    std::fs::remove_file(path).unwrap();
}

/// Options with words for everything, and numbers that were never written as text.
fn any_options() -> impl Strategy<Value = ImpairmentOptions> {
    let chance = || prop_oneof![0.0..=1.0, (0..=1000u32).prop_map(|permille| f64::from(permille) / 1000.0)];
    let time = || {
        prop_oneof![0..3_600_000_000_000u64, (0..100u64).prop_map(|it| it * 1_000_000)].prop_map(Duration::from_nanos)
    };
    let chain = (chance(), chance(), chance(), chance(), time()).prop_map(|(to_bad, to_good, bad, good, delay)| {
        GilbertElliott::new(to_bad, to_good).loss_in_bad(bad).loss_in_good(good).delay_in_bad(delay)
    });
    let bursts = (0.001..0.5f64, 1.0..50.0f64).prop_map(|(loss, length)| GilbertElliott::bursts(loss, length).unwrap());
    let loss = prop_oneof![
        Just(Loss::None),
        chance().prop_map(Loss::from),
        chain.prop_map(Loss::from),
        bursts.prop_map(Loss::from),
        prop::collection::vec(any::<bool>(), 2..20).prop_filter_map("both", |lost| {
            let marks: String = lost.iter().map(|is_lost| if *is_lost { 'x' } else { '.' }).collect();
            let both = marks.contains('x') && marks.contains('.');
            both.then(|| Loss::from(udpkit::impairment::Pattern::parse(&marks).unwrap()))
        }),
    ];
    let drop = prop_oneof![
        Just(Chosen::None),
        (1..1000u64).prop_map(Chosen::Every),
        prop::collection::vec(1..30u64, 1..20).prop_map(Chosen::numbers),
    ];
    let jitter = (time(), 0..4).prop_map(|(time, shape)| match (time.is_zero(), shape) {
        (true, _) => Jitter::None,
        (_, 0) => Jitter::Uniform(time),
        (_, 1) => Jitter::Normal(time),
        (_, 2) => Jitter::Pareto(time),
        _ => Jitter::Exponential(time),
    });
    let queue = prop_oneof![(0..5_000_000usize).prop_map(Queue::Bytes), (0..1000usize).prop_map(Queue::Datagrams)];
    let codel = (1..50_000_000u64, 0..100_000_000u64, any::<bool>()).prop_map(|(target, more, marks)| {
        CoDel::new(Duration::from_nanos(target), Duration::from_nanos(target + more)).marks(marks)
    });
    let bits = prop_oneof![1..10_000_000_000u64, (1..1000u64).prop_map(|it| it * 1_000_000)];
    let rate = (bits, queue, prop::option::of(codel))
        .prop_map(|(bits, queue, codel)| Rate::new(bits, queue).overhead(28).codel(codel));
    let reorder = (0.001..1.0f64, 1..100u32, time())
        .prop_map(|(chance, followers, time)| Reorder::new(chance, followers).at_most(time));
    let blackout = (time(), time(), prop::option::of(1..100u64)).prop_map(|(first, lasting, more)| {
        Blackout::once(first, lasting).every(more.map(|more| lasting + Duration::from_secs(more)))
    });
    let networks = ["10.0.0.0/8", "fd00::/8", "192.0.2.7/32"].map(|it| it.parse().unwrap()).to_vec();
    let first = (loss, drop, jitter, prop::option::of(rate), prop::option::of(reorder), prop::option::of(blackout));
    let second =
        (chance(), chance(), time(), any::<bool>(), prop::option::of(28..70_000usize), subsequence(networks, 0..=3));
    (first, second).prop_map(
        |((loss, drop, jitter, rate, reorder, blackout), (duplicate, corrupt, delay, order, mtu, from))| {
            let options = ImpairmentOptions::default().loss(loss).drop(drop).jitter(jitter).rate(rate).reorder(reorder);
            options
                .blackout(blackout)
                .duplicate(duplicate)
                .corrupt(corrupt)
                .delay(delay)
                .keep_order(order)
                .mtu(mtu)
                .from(from)
        },
    )
}

proptest! {
    #[test]
    fn words_are_read_again_as_what_they_were_written_from(options in any_options()) {
        prop_assert!(options.check().is_ok());
        let words = Words::of(&options);
        prop_assert_eq!(words.options(), options.clone());
        let texts: Vec<_> = words.iter().collect();
        let pairs = texts.iter().map(|(name, text)| (name.word(), Some(text.as_str())));
        let read = Changes::read(pairs, &Files::of(&[])).unwrap().words();
        prop_assert_eq!(read.as_ref(), Ok(&words));
        let json = serde_json::to_value(&words).unwrap();
        prop_assert_eq!(Changes::read_json(&json, &Files::of(&[])).unwrap().words(), Ok(words));
    }

    #[test]
    fn any_text_is_a_value_or_a_mistake(
        name in 0..Name::ALL.len(),
        text in "(burst:|ge:|every:|at:|for:|pattern:)?[-0-9.,:%a-z/]{0,20}",
    ) {
        let name = Name::ALL[name];
        if let Ok(words) = Changes::one(name, &text, &Files::of(&[])).and_then(|it| it.words().map_err(|it| it.to_string())) {
            prop_assert_eq!(&Words::of(&words.options()), &words);
        }
    }
}

#[test]
fn texts_are_as_people_write_them() {
    for (name, text, written) in [
        ("loss", "0.05", "5%"),
        ("loss", "0.07", "7%"),
        ("loss", "burst:5%,4", "burst:5%,4"),
        ("loss", "burst:0.3%,2.5", "burst:0.3%,2.5"),
        ("loss", "ge:1%,0.25", "ge:1%,25%"),
        ("loss", "ge:1%,25%,100%,0.1%", "ge:1%,25%,100%,0.1%"),
        ("drop", "7,1,2,8,9", "1-2,7-9"),
        ("delay", "1m30s", "90s"),
        ("delay", "0.5ms", "500us"),
        ("jitter", "10ms:uniform", "10ms"),
        ("reorder", "2%,1", "2%"),
        ("reorder", "2%,1,500ms", "2%,1,500ms"),
        ("blackout", "for:2s,every:30s", "every:30s,for:2s"),
        ("blackout", "at:30s,every:30s,for:2s", "every:30s,for:2s"),
        ("rate", "1500kbit/s", "1.5Mbit/s"),
        ("rate", "16.4Mbit/s", "16.4Mbit/s"),
        ("rate", "1234567bit/s", "1.234567Mbit/s"),
        ("from", "10.0.0.1", "10.0.0.1/32"),
        ("match", "^a b$", "^a b$"),
    ] {
        let name = Name::of(name).unwrap();
        let changes = Changes::one(name, text, &here());
        assert_eq!(
            changes.and_then(|it| it.words().map_err(|it| it.to_string())).unwrap().get(name).as_deref(),
            Some(written)
        );
    }
    let queue = |text| words(&[("rate", "1Mbit/s"), ("queue", text)]).unwrap().get(Name::Queue).unwrap();
    assert_eq!(
        ["64KiB", "65536B", "64k", "1500B", "100", "1MiB"].map(queue),
        ["64KiB", "64KiB", "64kB", "1500B", "100", "1MiB"]
    );
}

#[test]
fn every_preset_is_understood_and_says_its_source() {
    for preset in presets::PRESETS {
        assert!(!preset.up().is_empty() && !preset.down().is_empty() && preset.source.len() > 20, "{}", preset.name);
        assert_eq!(presets::Preset::named(preset.name), Ok(preset));
    }
    assert_eq!(
        presets::Preset::named("lt").unwrap_err(),
        "there is no preset 'lt'; there are dsl, lte, lte-bad, 3g, satellite, wifi-bad"
    );
    assert_eq!(
        presets::Preset::named("satelite").unwrap_err(),
        "there is no preset 'satelite'; did you mean satellite?"
    );
}

#[test]
fn the_jitter_of_bad_wifi_has_the_quantiles_of_its_source() {
    use std::time::Instant;
    use udpkit::impairment::{Fate, Impairment};
    let way = |words: Words, seed| {
        #[expect(clippy::disallowed_methods, reason = "any moment will do")]
        let start = Instant::now();
        let mut impairment = Impairment::new(words.options().keep_order(false), seed, start).unwrap();
        std::iter::repeat_with(move || match impairment.datagram(start, 100).original {
            Fate::Leaves(departure) => departure.at - start,
            fate => panic!("{fate:?}"),
        })
    };
    let preset = presets::Preset::named("wifi-bad").unwrap();
    let trips: Vec<_> =
        way(preset.up(), 1).zip(way(preset.down(), 2)).take(50_000).map(|(up, down)| up + down).collect();
    let share_over =
        |time| trips.iter().filter(|trip| **trip > Duration::from_millis(time)).count() * 1000 / trips.len();
    assert!((501..800).contains(&share_over(20)), "{}", share_over(20));
    assert!((95..115).contains(&share_over(100)), "{}", share_over(100));
}

#[test]
fn flags_of_both_directions_come_once_and_a_shell_takes_them() {
    let up = words(&[("loss", "5%"), ("delay", "40ms"), ("match", "^it's -a$"), ("allow-reorder", "true")]).unwrap();
    let down = words(&[("loss", "5%"), ("delay", "20ms"), ("match", "-x")]).unwrap();
    assert_eq!(
        shell_line(&command_line::flags(&up, &down)),
        r"--up-match '^it'\''s -a$' --down-match=-x --loss 5% --up-delay 40ms --down-delay 20ms --up-allow-reorder"
    );
    assert_eq!(command_line::flags(&Words::default(), &Words::default()), Vec::<String>::new());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "any moment will do")]
fn bad_wifi_takes_as_long_as_its_source_says() {
    const COUNT: usize = 20_000;
    let preset = presets::Preset::named("wifi-bad").unwrap();
    let start = Instant::now();
    let mut ways = [(preset.up(), 1), (preset.down(), 2)]
        .map(|(words, seed)| Impairment::new(words.options().keep_order(false), seed, start).unwrap());
    let mut trip =
        || ways.iter_mut().map(|way| way.datagram(start, 100).original.departure().unwrap().at - start).sum();
    let trips: Vec<Duration> = (0..COUNT).map(|_| trip()).collect();
    let percent = |bound| 100 * trips.iter().filter(|trip| **trip > Duration::from_millis(bound)).count() / COUNT;
    assert!((68..72).contains(&percent(20)) && (9..11).contains(&percent(100)), "{} {}", percent(20), percent(100));
}
