//! Whom the impairments are for, and what is lost for a reason that can be written down.

use std::net::IpAddr;
use std::time::Instant;

use udpkit::Network;
use udpkit::impairment::{
    Arrival, Blackout, Chosen, Fate, Fates, GilbertElliott, Impairment, ImpairmentOptions, Link, LostBy, Matching,
    Pattern, Reorder,
};

use crate::{drain, fates, is_lost, ms, nothing, start};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn networks<const N: usize>(networks: [&str; N]) -> Vec<Network> {
    networks.map(|network| network.parse().unwrap()).to_vec()
}

/// The payloads that begin with a letter.
fn begins(with: &'static str) -> Matching {
    Matching::new(move |payload| payload.starts_with(with.as_bytes())).named(with)
}

/// The places, from 1, of those that are lost by this, of so many.
fn lost(options: ImpairmentOptions, by: LostBy, count: u32) -> Vec<u64> {
    numbers(&fates(options, 3, count, ms(1)), by)
}

fn numbers(fates: &[Fates], by: LostBy) -> Vec<u64> {
    fates.iter().filter(|fates| fates.original == Fate::Lost(by)).map(|fates| fates.number).collect()
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

#[test]
fn impairments_are_for_those_that_match_and_come_from_the_networks_and_for_no_others() {
    let from = networks(["10.1.0.0/16", "2001:db8::/32"]);
    let all = [
        (Arrival::new(b"a").source(ip("10.1.2.3")), true),
        (Arrival::new(b"ab").source(ip("2001:db8::1")), true),
        (Arrival::new(b"a").source(ip("::ffff:10.1.2.3")), true),
        (Arrival::new(b"b").source(ip("10.1.2.3")), false),
        (Arrival::new(b"").source(ip("10.1.2.3")), false),
        (Arrival::new(b"a").source(ip("10.2.2.3")), false),
        (Arrival::new(b"a"), false),
        (Arrival::from(1).source(ip("10.1.2.3")), false),
    ];
    let options = nothing().loss(1.0).duplicate(1.0).corrupt(1.0).mtu(28).matching(begins("a")).from(from);
    let mut link = Link::new(options, 1, start()).unwrap();
    for (place, (arrival, is_for)) in all.into_iter().enumerate() {
        let fates = link.push(start(), arrival, ());
        assert_eq!((fates.number, fates.is_exempt), (place as u64 + 1, !is_for), "{arrival:?}");
        match fates.original {
            Fate::Lost(by) => assert!(is_for && by == LostBy::Chance, "{arrival:?}"),
            Fate::Leaves(departure) => {
                assert!(!is_for && fates.copy.is_none(), "{arrival:?}");
                assert_eq!((departure.at, departure.flipped_bit, departure.overtaken), (start(), None, None));
            }
        }
    }
    let counts = link.counts();
    assert_eq!((counts.entered, counts.exempt, counts.lost_in_all(), counts.under_way), (8, 5, 3, 5));

    // Each of the two alone.
    let is_exempt = |options: ImpairmentOptions, arrival: Arrival<'_>| {
        Impairment::new(options.loss(1.0), 1, start()).unwrap().datagram(start(), arrival).is_exempt
    };
    let unknown = Arrival::from(1);
    let (theirs, others) = (unknown.source(ip("10.1.2.3")), unknown.source(ip("10.2.2.3")));
    let of_them = nothing().from(networks(["10.1.0.0/16"]));
    assert_eq!([theirs, others, unknown].map(|it| is_exempt(of_them.clone(), it)), [false, true, true]);
    let matching = nothing().matching(begins("a"));
    assert!(!is_exempt(matching.clone(), Arrival::new(b"a")) && is_exempt(matching, Arrival::new(b"b")));
    assert!(!is_exempt(nothing(), unknown));
}

#[test]
fn those_that_the_impairments_are_not_for_shift_no_fate_of_the_others() {
    let all = nothing().loss(0.3).duplicate(0.3).corrupt(0.3).delay(ms(9)).keep_order(false);
    let whole = fates(all.clone(), 5, 5000, ms(1));
    let mut impairment = Impairment::new(all.matching(begins("a")), 5, start()).unwrap();
    for (place, whole) in (0u32..).zip(&whole) {
        let payload = if place % 3 == 0 { [b'a'; 100] } else { [b'b'; 100] };
        let fates = impairment.datagram(start() + ms(1) * place, Arrival::new(&payload));
        if place % 3 == 0 {
            assert_eq!(fates, *whole);
        } else {
            assert!(fates.is_exempt);
        }
    }
}

#[test]
fn bursts_patterns_and_choices_count_those_alone_that_the_impairments_are_for() {
    let every_third = |options: ImpairmentOptions| {
        let mut impairment = Impairment::new(options.matching(begins("a")), 5, start()).unwrap();
        let fate =
            |place: u32| impairment.datagram(start(), Arrival::new(if place.is_multiple_of(3) { b"a" } else { b"b" }));
        let fates: Vec<_> = (0..3000).map(fate).collect();
        fates.into_iter().step_by(3).map(|fates| is_lost(&fates)).collect::<Vec<_>>()
    };
    let written = every_third(nothing().loss(pattern("..x")));
    assert!((0..1000).all(|place| written[place] == (place % 3 == 2)));
    let chosen = every_third(nothing().drop(Chosen::Every(5)));
    assert!((0..1000).all(|place| chosen[place] == (place % 5 == 4)));
    // A state that lasts ten datagrams lasts ten of those.
    let bursts = every_third(nothing().loss(GilbertElliott::bursts(0.5, 10.0).unwrap()));
    let changes = bursts.windows(2).filter(|two| two[0] != two[1]).count();
    assert!((60..150).contains(&changes), "{changes}");
}

#[test]
fn those_that_the_impairments_are_not_for_overtake_nobody_by_right_and_wait_for_nobody() {
    let options = nothing().delay(ms(10)).reorder(Reorder::new(1.0, 1)).matching(begins("a"));
    let mut link = Link::new(options, 1, start()).unwrap();
    link.push(start(), Arrival::new(b"a"), "overtaken");
    link.change(nothing().delay(ms(10)).matching(begins("a"))).unwrap();
    link.push(start() + ms(1), Arrival::new(b"b"), "exempt");
    link.push(start() + ms(2), Arrival::new(b"a"), "follower");
    let left: Vec<_> = drain(&mut link).into_iter().map(|left| (left.datagram, left.at - start())).collect();
    assert_eq!(left, [("exempt", ms(1)), ("follower", ms(12)), ("overtaken", ms(12))]);
}

#[test]
fn a_datagram_that_the_impairments_are_not_for_is_held_only_behind_others_that_leave_before_it() {
    let push = |link: &mut Link<u32>, at: Instant, payload: &[u8]| {
        link.push_or_pass(at, Arrival::new(payload), || panic!("it is not held")).1
    };
    let mut link = Link::new(nothing().delay(ms(10)).matching(begins("a")), 1, start()).unwrap();
    assert!(push(&mut link, start(), b"b"));
    link.push(start(), Arrival::new(b"a"), 1);
    assert!(push(&mut link, start() + ms(9), b"b"));
    let mut is_made = false;
    let (_, passes) = link.push_or_pass(start() + ms(10), Arrival::new(b"b"), || {
        is_made = true;
        2
    });
    assert!(!passes && is_made, "one that came before is to leave now");
    let order: Vec<_> = drain(&mut link).into_iter().map(|left| left.datagram).collect();
    let counts = link.counts();
    assert_eq!((order, counts.entered, counts.left, counts.exempt), (vec![1, 2], 4, 4, 3));
}

#[test]
fn chosen_datagrams_are_lost_and_no_others() {
    let chosen = |drop| lost(nothing().drop(drop), LostBy::Chosen, 20);
    assert_eq!(chosen(Chosen::numbers([7, 1, 2, 7, 1000])), [1, 2, 7]);
    assert_eq!(chosen(Chosen::Every(6)), [6, 12, 18]);
    assert_eq!(chosen(Chosen::Every(1)), (1..=20).collect::<Vec<_>>());
    assert_eq!(chosen(Chosen::numbers([])), [0; 0]);
    assert_eq!(chosen(Chosen::None), [0; 0]);
}

#[test]
fn chosen_datagrams_are_counted_from_when_they_are_chosen() {
    let mut link = Link::new(nothing().drop(Chosen::numbers([2])), 1, start()).unwrap();
    let mut is_lost = |options: Option<ImpairmentOptions>| {
        options.into_iter().for_each(|options| link.change(options).unwrap());
        is_lost(&link.push(start(), Arrival::new(b"a"), ()))
    };
    let drop = |numbers: [u64; 1]| nothing().drop(Chosen::numbers(numbers));
    assert_eq!([is_lost(None), is_lost(None), is_lost(None)], [false, true, false]);
    // Nothing else that is set begins the count again.
    assert_eq!([is_lost(Some(drop([2]).duplicate(0.0).mtu(1500))), is_lost(None)], [false, false]);
    assert_eq!([is_lost(Some(drop([1]))), is_lost(None)], [true, false]);
    assert_eq!([is_lost(Some(nothing())), is_lost(Some(drop([1]))), is_lost(None)], [false, true, false]);
    // Others that the impairments are for are counted from 1; the same ones, read again, go on.
    assert!(is_lost(Some(drop([1]).matching(begins("a")))));
    assert!(!is_lost(Some(drop([1]).matching(begins("a")))));
    assert!(!is_lost(Some(drop([1]).matching(begins("a")).from(networks(["10.0.0.0/8"])))), "from nowhere");
    assert!(is_lost(Some(drop([1]))));
}

#[test]
fn a_pattern_loses_what_it_says_again_and_again() {
    let written = nothing().loss(pattern("x..\n1 0 # none of this: x\r\n\n.X"));
    let expected: Vec<u64> = (0..100).filter(|place| [0, 3, 6].contains(&(place % 7))).map(|place| place + 1).collect();
    assert_eq!(lost(written.clone(), LostBy::Chance, 100), expected);
    // It begins when it is set, and goes on where something else is.
    let mut impairment = Impairment::new(nothing(), 1, start()).unwrap();
    let mut next = |options: Option<ImpairmentOptions>| {
        options.into_iter().for_each(|options| impairment.change(options).unwrap());
        is_lost(&impairment.datagram(start(), 1))
    };
    assert_eq!([next(None), next(Some(written.clone())), next(None)], [false, true, false]);
    assert_eq!([next(Some(written.clone().mtu(100))), next(None), next(None)], [false, true, false]);
    assert!(!next(Some(nothing())) && next(Some(written)));
}

#[test]
fn a_pattern_that_is_none_is_refused_at_its_place() {
    let refused = |text: &str| Pattern::parse(text).unwrap_err().to_string();
    assert_eq!(refused(""), "line 1, column 1: there is no '.' (passes) and no 'x' (lost)");
    assert_eq!(refused("# ..xx\n \n"), "line 1, column 1: there is no '.' (passes) and no 'x' (lost)");
    assert_eq!(refused("..x\n .é"), "line 2, column 3: 'é' is neither '.' (passes) nor 'x' (lost)");
    assert_eq!(refused("\u{1b}[2J"), r"line 1, column 1: '\u{1b}' is neither '.' (passes) nor 'x' (lost)");
    let longest = ".".repeat(1 << 20);
    assert_eq!(Pattern::parse(&longest).unwrap().lost().len(), 1 << 20);
    assert_eq!(refused(&(longest + "\nx")), "line 2, column 1: 1048576 datagrams are the longest pattern");
    let error = Pattern::parse("..\n?").unwrap_err();
    assert_eq!((error.line(), error.column()), (2, 1));
    assert_eq!(error.message(), "'?' is neither '.' (passes) nor 'x' (lost)");
    let pattern = pattern("x").named("losses.txt");
    assert_eq!((pattern.name(), pattern.lost()), (Some("losses.txt"), [true].as_slice()));
}

#[test]
fn datagrams_longer_than_the_mtu_are_lost() {
    let fate = |mtu: usize, arrival: Arrival<'_>| {
        let mut impairment = Impairment::new(nothing().mtu(mtu).duplicate(1.0), 1, start()).unwrap();
        let fates = impairment.datagram(start(), arrival);
        assert_eq!(fates.copy.is_none(), is_lost(&fates), "what is lost has no copy");
        fates.original
    };
    let passes = Fate::Leaves(fate(1500, Arrival::from(1)).departure().unwrap());
    let too_long = Fate::Lost(LostBy::Mtu);
    for (source, headers) in [(None, 28), (Some("192.0.2.1"), 28), (Some("::ffff:192.0.2.1"), 28), (Some("::1"), 48)] {
        let of = |payload: usize| Arrival::from(payload).source(source.map(ip));
        for mtu in [48, 1280, 1500, 9000, 65_535] {
            assert_eq!(fate(mtu, of(mtu - headers)), passes, "{source:?}, {mtu}");
            assert_eq!(fate(mtu, of(mtu - headers + 1)), too_long, "{source:?}, {mtu}");
        }
        assert_eq!(fate(28, of(usize::MAX)), too_long);
    }
    assert_eq!(fate(28, Arrival::from(0)), passes);
}

#[test]
fn a_datagram_that_several_would_lose_is_lost_by_the_first() {
    let all = nothing().drop(Chosen::Every(1)).loss(1.0).blackout(Blackout::once(ms(0), ms(1000))).mtu(28);
    let by = |options: ImpairmentOptions| fates(options, 1, 1, ms(1))[0].original;
    assert_eq!(by(all.clone()), Fate::Lost(LostBy::Chosen));
    assert_eq!(by(all.clone().drop(Chosen::None)), Fate::Lost(LostBy::Chance));
    assert_eq!(by(all.clone().drop(Chosen::None).loss(0.0)), Fate::Lost(LostBy::Blackout));
    assert_eq!(by(all.drop(Chosen::None).loss(0.0).blackout(None)), Fate::Lost(LostBy::Mtu));
    // What one of them loses counts for the others.
    let both = nothing().loss(pattern("..x.")).drop(Chosen::numbers([1, 3]));
    assert_eq!(lost(both.clone(), LostBy::Chance, 12), [7, 11]);
    assert_eq!(lost(both, LostBy::Chosen, 12), [1, 3]);
    let chain = nothing().loss(GilbertElliott::bursts(0.3, 4.0).unwrap());
    let (alone, chosen) = (fates(chain.clone(), 1, 1000, ms(1)), fates(chain.drop(Chosen::Every(2)), 1, 1000, ms(1)));
    let expected: Vec<_> = alone.iter().filter(|it| it.number % 2 == 1 && is_lost(it)).map(|it| it.number).collect();
    assert_eq!(numbers(&chosen, LostBy::Chance), expected);
}

#[test]
fn tests_of_payloads_are_equal_where_their_names_are() {
    let one = begins("a");
    assert!(one == begins("a") && one != begins("b"));
    let unnamed = || Matching::new(|_| true);
    let own = unnamed();
    assert!(own == own.clone() && own != unnamed() && own != own.clone().named("own"));
    assert_eq!((one.name(), own.name(), format!("{one:?}")), (Some("a"), None, r#"Matching(Some("a"))"#.to_owned()));
    let shared: udpkit::PayloadMatch = std::sync::Arc::new(|payload| payload.len() == 1);
    assert!(Matching::from(shared.clone()) == Matching::from(shared.clone()));
    assert!(Matching::from(shared.clone()).matches(b"a") && !Matching::from(shared).matches(b"ab"));
}
