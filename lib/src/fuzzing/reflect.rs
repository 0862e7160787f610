//! The reflector under everything that can come to it: it keeps its counters and its bounds, and helps nobody to send more.

use std::time::{Duration, Instant, SystemTime};

use arbitrary::{Result, Unstructured};

use super::made;
use crate::datagram::{Datagram, Meta, SendFailure, Transmit};
use crate::engine::{Engine, Outbox};
use crate::event::Event;
use crate::feedback::SendTime;
use crate::moment::Moment;
use crate::socket_id::SocketId;
use crate::stamp::{self, BASE_LEN, Counters, ErrorEstimate, Key, Purpose, Request, Timestamp, TlvWriter};
use crate::verbs::{Reflect, ReflectInput, ReflectKeys, ReflectOptions};

/// Things that happen in a case.
const MOST_STEPS: usize = 200;
/// The only socket.
const ONE: SocketId = SocketId::first(0);

/// Drives a reflector through a run.
pub fn reflect(data: &[u8]) {
    // Bytes that are too few for all that is drawn make no case.
    let _ = run(&mut Unstructured::new(data));
}

/// What is sent, and what the clock shows.
struct Mail {
    now: Moment,
    sent: Vec<(Transmit, usize)>,
}

impl Outbox for Mail {
    fn send(&mut self, _via: SocketId, transmit: &Transmit, payload: &[u8]) {
        self.sent.push((*transmit, payload.len()));
    }

    fn clock(&self) -> Moment {
        self.now
    }

    fn emit(&mut self, _event: Event<'_>) {}
}

fn run(bytes: &mut Unstructured<'_>) -> Result<()> {
    let most = bytes.int_in_range(1..=5usize)?;
    let twamp_light = bytes.arbitrary()?;
    let mut options = ReflectOptions::new(vec![([10, 0, 0, 2], 862).into()]).twamp_light(twamp_light);
    options = options.most_sessions(most).keys(keys(bytes)?).idle(Duration::from_millis(bytes.int_in_range(1..=9999)?));
    let mut engine = Reflect::new(options);
    let utc = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut mail = Mail { now: Moment::new(start(), utc), sent: Vec::new() };
    let mut failed = 0;
    for _ in 0..MOST_STEPS {
        if bytes.is_empty() {
            break;
        }
        match bytes.int_in_range(0..=9u8)? {
            0..=5 => receive(bytes, &mut engine, &mut mail)?,
            6 => failed = fail(bytes, &mut engine, &mut mail, failed)?,
            7 => {
                let place = bytes.int_in_range(0..=mail.sent.len() as u64)?;
                let time = SendTime::new(place, bytes.int_in_range(0..=3)?, made::time(bytes)?);
                engine.sent(mail.now.monotonic, ONE, &time, &mut mail);
            }
            8 => engine.input(mail.now.monotonic, ReflectInput::Keys(keys(bytes)?), &mut mail),
            _ => {
                let passed = Duration::from_millis(bytes.int_in_range(0..=20_000)?);
                mail.now = Moment::new(mail.now.monotonic + passed, mail.now.utc + passed);
                engine.tick(mail.now.monotonic, &mut mail);
            }
        }
        let report = engine.report();
        assert!(report.is_balanced() && report.own.sessions_now <= most as u64, "{report:?}");
        assert!(
            report.own.closing <= report.own.answered && report.own.answered == report.sent.datagrams,
            "{report:?}"
        );
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
fn start() -> Instant {
    Instant::now()
}

fn key(number: u8) -> Key {
    Key::new(&[number; 16])
}

fn keys(bytes: &mut Unstructured<'_>) -> Result<ReflectKeys> {
    let numbers = 0..bytes.int_in_range(0..=2u8)?;
    Ok(numbers.fold(ReflectKeys::default(), |keys, number| keys.with(number.into(), key(number))))
}

/// A datagram arrives: a request, one that somebody changed, or anything.
fn receive(bytes: &mut Unstructured<'_>, engine: &mut Reflect, mail: &mut Mail) -> Result<()> {
    let mut meta = made::meta(bytes)?;
    if bytes.ratio(3, 4)? {
        meta =
            Meta::new(([10, 0, 0, bytes.int_in_range(1..=6)?], 40_000).into()).traffic_class(bytes.arbitrary::<u8>()?);
    }
    let payload = if bytes.ratio(1, 4)? { made::payload(bytes)? } else { request(bytes)? };
    let sent = mail.sent.len();
    let cut = usize::from(bytes.ratio(1, 8)?);
    let datagram = Datagram { payload: &payload, wire_len: payload.len() + cut, meta: &meta };
    engine.receive(mail.now.monotonic, ONE, &datagram, mail);
    let replies = &mail.sent[sent..];
    assert!(replies.len() <= 1, "{} replies to one request", replies.len());
    for (transmit, len) in replies {
        assert!(
            transmit.destination == meta.source && *len <= payload.len().max(BASE_LEN),
            "{len} of {}",
            payload.len()
        );
    }
    Ok(())
}

fn request(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let (ssid, number) = (bytes.int_in_range(0..=2u16)?, bytes.int_in_range(0..=4u8)?);
    let key = (number < 3).then(|| key(number));
    let error = ErrorEstimate::from_bits(bytes.arbitrary()?);
    let sent = Timestamp::from_bits(bytes.arbitrary()?, error.format);
    let mut packet = Vec::new();
    Request { sequence: bytes.arbitrary()?, sent, error, ssid }.write(key.as_ref(), &mut packet);
    let mut tlvs = TlvWriter::after(&mut packet);
    if bytes.arbitrary()? {
        let purpose = *bytes.choose(&[Purpose::Probe, Purpose::Closing, Purpose::Load])?;
        tlvs.push(stamp::COUNTERS, Counters::request(purpose).write(&mut Vec::new()));
    }
    if bytes.arbitrary()? {
        let len = bytes.int_in_range(0..=20usize)?;
        tlvs.push(bytes.arbitrary()?, bytes.bytes(len.min(bytes.len()))?);
    }
    if let Some(key) = &key {
        tlvs.seal(key);
    }
    if bytes.ratio(1, 6)? {
        let at = bytes.choose_index(packet.len())?;
        packet[at] ^= bytes.arbitrary::<u8>()?;
    }
    Ok(packet)
}

/// Some replies fail that did not fail before; returns how many of all did or cannot any more.
fn fail(bytes: &mut Unstructured<'_>, engine: &mut Reflect, mail: &mut Mail, before: usize) -> Result<usize> {
    let left = mail.sent.len() - before;
    if left == 0 {
        return Ok(before);
    }
    let from = before + bytes.choose_index(left)?;
    let count = bytes.int_in_range(1..=mail.sent.len() - from)?;
    let of_it = &mail.sent[from..from + count];
    let (transmit, lengths) = (of_it[0].0, of_it.iter().map(|(_, len)| len).sum());
    let failure = SendFailure {
        transmit,
        place: from as u64,
        count,
        bytes: lengths,
        error: std::io::ErrorKind::HostUnreachable.into(),
    };
    engine.failed(mail.now.monotonic, ONE, &failure, mail);
    Ok(from + count)
}
