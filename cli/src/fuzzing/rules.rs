//! Rules files: any text is one or mistakes inside it, and what is one answers within its bounds.

use std::time::{Duration, Instant};

use arbitrary::{Result, Unstructured};
use udpkit::verbs::{Serve, ServeOptions};
use udpkit::{
    Answer, Datagram, Engine, Event, Interfaces, Moment, Outbox, RateLimit, Rules, SocketId, Transmit, max_payload,
};

use super::made;
use crate::verbs::serve::rules::parse;

/// Reads a text of rules up to the first zero byte, and answers the datagrams that are made of what follows.
pub fn rules(data: &[u8]) {
    let (text, datagrams) = data.split_at(data.iter().position(|byte| *byte == 0).unwrap_or(data.len()));
    let Ok(text) = str::from_utf8(text) else { return };
    match parse(text) {
        Ok(rules) => {
            assert!(!rules.is_empty());
            // Bytes that are too few for another datagram end the case.
            let _ = answer(rules, &mut Unstructured::new(datagrams));
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            mistakes.iter().for_each(|mistake| assert_is_inside(text, &mistake.tell(text)));
        }
    }
}

/// Fails where a mistake is told at a place that the text does not have.
pub(super) fn assert_is_inside(text: &str, told: &str) {
    let place = told.strip_prefix("line ").and_then(|told| told.split_once(": "));
    let (line, column) = place.and_then(|(place, _)| place.split_once(", column ")).expect("its place comes first");
    let [line, column]: [usize; 2] = [line, column].map(|number| number.parse().expect("it is a number"));
    let found = text.split('\n').nth(line - 1).unwrap_or_else(|| panic!("no line {line}: {told}"));
    assert!((1..=found.chars().count() + 1).contains(&column), "no column {column}: {told}");
}

/// Keeps an eye on what is sent.
struct Replies;

impl Outbox for Replies {
    fn clock(&self) -> Moment {
        Moment::now()
    }

    fn send(&mut self, _via: SocketId, transmit: &Transmit, payload: &[u8]) {
        assert!(payload.len() <= max_payload(transmit.destination.ip()), "a reply of {} bytes", payload.len());
    }

    fn emit(&mut self, _event: Event<'_>) {}
}

#[expect(clippy::disallowed_methods, reason = "a moment from which the engine's time is counted")]
fn answer(rules: Rules, bytes: &mut Unstructured<'_>) -> Result<()> {
    let mut now = Instant::now();
    let mut options = ServeOptions::new(Answer::from(rules.seed(7)), vec![([10, 0, 0, 2], 10_000).into()]);
    options.conduct.max_amplification = None;
    options.conduct.rate_limit = RateLimit::Off;
    let mut serve = Serve::new(options);
    let interfaces: Interfaces = made::interfaces("eth0");
    serve.interfaces(&interfaces);
    while !bytes.is_empty() {
        let meta = made::meta(bytes)?;
        let payload = made::payload(bytes)?;
        let wire_len = payload.len() + usize::from(bytes.ratio(1, 8)?);
        serve.receive(now, SocketId::first(0), &Datagram::new(&payload, &meta).wire_len(wire_len), &mut Replies);
        now += Duration::from_millis(bytes.int_in_range(0..=99)?);
        serve.tick(now, &mut Replies);
        assert!(serve.report().is_balanced(), "{:?}", serve.report());
    }
    serve.finish(now, &mut Replies);
    assert!(serve.report().is_balanced() && serve.report().waiting == 0, "{:?}", serve.report());
    Ok(())
}
