//! The five engines under everything that can come to them: they keep their accounts, their limits, and no one waiting.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use arbitrary::{Result, Unstructured};

use super::made;
use crate::answer::Answer;
use crate::conduct::RateLimit;
use crate::datagram::{Datagram, SendFailure, Train, Transmit, max_payload};
use crate::engine::{Engine, Next, Outbox};
use crate::event::{Event, IgnoredDatagrams, Question, Reason, Received};
use crate::moment::Moment;
use crate::network::Network;
use crate::rules::{Rule, Rules};
use crate::socket_id::SocketId;
use crate::template::Template;
use crate::unreachable::{Cause, Unreachable};
use crate::verbs::{
    self, Broadcast, BroadcastOptions, BroadcastTarget, Keeps, Limits, Listen, ListenOptions, Pace, Reading, Recording,
    Replay, ReplayDatagram, ReplayOptions, ReplayPace, Requests, SendOptions, Serve, ServeInput, ServeOptions, Sources,
};

/// Things that happen in a case.
const MOST_STEPS: usize = 200;
/// Turns at one moment in which nothing is sent; more of them are a busy loop.
const MOST_IDLE_TURNS: usize = 40;
/// More than an engine waits for anything.
const FAR_AWAY: Duration = Duration::from_secs(101 * 365 * 86_400);

/// Drives an engine through a run.
pub fn engines(data: &[u8]) {
    // Bytes that are too few for all that is drawn make no case.
    let _ = run(&mut Unstructured::new(data));
}

fn run(bytes: &mut Unstructured<'_>) -> Result<()> {
    match bytes.int_in_range(0..=7u8)? {
        0..=3 => {
            let mut serve = Serve::new(serve_options(bytes)?);
            if bytes.ratio(1, 4)? {
                serve = serve.worker();
            }
            exercise(bytes, &mut serve, 3, true)
        }
        4 => {
            let mut sender = verbs::Send::new(send_options(bytes)?, requests(bytes)?);
            exercise(bytes, &mut sender, 1, false)?;
            let own = sender.report().own;
            assert!(own.requests_answered <= own.requests, "{own:?}");
            Ok(())
        }
        5 => {
            let mut listen = Listen::new(listen_options(bytes)?);
            exercise(bytes, &mut listen, 3, false)
        }
        6 => {
            let options = broadcast_options(bytes)?;
            let sockets = options.targets.len();
            let mut broadcast = Broadcast::new(options, requests(bytes)?);
            exercise(bytes, &mut broadcast, sockets, false)
        }
        _ => {
            let options = replay_options(bytes)?;
            let sockets = bytes.int_in_range(1..=3usize)?;
            let captured = captured(bytes)?;
            let opens = bytes.ratio(9, 10)?;
            let open = move || if opens { Ok(Captured(captured.clone().into_iter())) } else { Err(broken()) };
            exercise(bytes, &mut Replay::new(options, Sources::new(sockets), open), sockets, false)
        }
    }
}

/// The moment at which every run begins, with a past before it.
pub(super) fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(|| crate::clock::now() + Duration::from_secs(10))
}

/// What an engine wants sent and said.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// Sockets, ways and payloads.
    pub(super) sent: Vec<(SocketId, Transmit, Vec<u8>)>,
    /// Datagrams sent since the start.
    ever: u64,
    /// Questions that are open.
    tickets: Vec<u64>,
    /// Datagrams that were told as ignored, and as received.
    pub(super) told: [u64; 2],
}

impl Outbox for Mail {
    fn clock(&self) -> Moment {
        Moment::now()
    }

    fn send(&mut self, via: SocketId, transmit: &Transmit, payload: &[u8]) {
        self.sent.push((via, *transmit, payload.to_vec()));
        self.ever += 1;
    }

    fn emit(&mut self, event: Event<'_>) {
        match event {
            Event::Question(Question { ticket, .. }) => self.tickets.push(ticket),
            Event::Ignored(IgnoredDatagrams { count, .. }) => self.told[0] += count as u64,
            Event::Received(Received { train, .. }) => self.told[1] += train.count() as u64,
            _ => {}
        }
    }
}

/// A run in which anything may happen next.
struct Run {
    now: Instant,
    mail: Mail,
    /// Payloads that were sent lately, which may come back.
    recent: Vec<Vec<u8>>,
    sockets: usize,
    /// Whether all that is sent is a reply, which fits a datagram.
    replies: bool,
}

fn exercise<E>(bytes: &mut Unstructured<'_>, engine: &mut E, sockets: usize, replies: bool) -> Result<()>
where
    E: Engine<Input: Made>,
{
    let mut run = Run { now: epoch(), mail: Mail::default(), recent: Vec::new(), sockets, replies };
    engine.interfaces(&made::interfaces("eth0"));
    engine.tick(run.now, &mut run.mail);
    for _ in 0..MOST_STEPS {
        run.deliver(bytes, engine)?;
        assert!(engine.report().is_balanced(), "{:?}", engine.report());
        if bytes.is_empty() {
            break;
        }
        run.step(bytes, engine)?;
    }
    engine.finish(run.now, &mut run.mail);
    let report = engine.report();
    assert!(report.is_balanced() && report.waiting == 0, "{report:?}");
    Ok(())
}

impl Run {
    /// What was sent goes, or the last of it fails.
    fn deliver(&mut self, bytes: &mut Unstructured<'_>, engine: &mut impl Engine) -> Result<()> {
        let sent = std::mem::take(&mut self.mail.sent);
        for (via, transmit, payload) in &sent {
            assert!(via.index() < self.sockets, "{via:?} of {}", self.sockets);
            let most = max_payload(transmit.destination.ip());
            assert!(!self.replies || payload.len() <= most, "a reply of {} bytes", payload.len());
        }
        if let Some((via, transmit, _)) = sent.last()
            && bytes.ratio(1, 6)?
        {
            let most = bytes.int_in_range(1..=sent.len())?;
            let failed = sent.iter().rev().take(most).take_while(|(by, same, _)| (by, same) == (via, transmit));
            let lengths: Vec<_> = failed.map(|(_, _, payload)| payload.len()).collect();
            let error = std::io::ErrorKind::HostUnreachable.into();
            let (count, bytes) = (lengths.len(), lengths.iter().sum());
            let place = self.mail.ever - count as u64;
            let failure = SendFailure { transmit: *transmit, place, count, bytes, error };
            engine.failed(self.now, *via, &failure, &mut self.mail);
        }
        self.recent = sent.into_iter().rev().take(8).map(|(_, _, payload)| payload).collect();
        Ok(())
    }

    fn step(&mut self, bytes: &mut Unstructured<'_>, engine: &mut impl Engine<Input: Made>) -> Result<()> {
        match bytes.int_in_range(0..=9u8)? {
            0..=3 => self.receive(bytes, engine)?,
            4 | 5 => self.turn(bytes.int_in_range(1..=80u8)?, engine),
            6 => {
                self.now += duration(bytes)?.min(Duration::from_secs(1_000_000));
                engine.tick(self.now, &mut self.mail);
            }
            7 => {
                let cause = *bytes.choose(&[Cause::Port, Cause::TooBig { mtu: 0 }, Cause::HopLimit])?;
                let mut unreachable = Unreachable::new(made::source(bytes)?, None, cause);
                if bytes.arbitrary()? {
                    unreachable = Unreachable::new(peer(), None, cause);
                    unreachable.payload = self.recent.first().cloned().unwrap_or_default();
                }
                engine.unreachable(self.now, self.socket(bytes)?, &unreachable, &mut self.mail);
            }
            8 if engine.wants_input() => {
                if bytes.ratio(1, 6)? {
                    engine.input_ended(self.now, &mut self.mail);
                } else if let Some(input) = Made::made(bytes, &self.mail)? {
                    engine.input(self.now, input, &mut self.mail);
                }
            }
            _ => engine.interfaces(&made::interfaces(bytes.choose(&["eth0", "eth1"])?)),
        }
        Ok(())
    }

    fn socket(&self, bytes: &mut Unstructured<'_>) -> Result<SocketId> {
        Ok(SocketId::first(bytes.int_in_range(0..=self.sockets - 1)?))
    }

    fn receive(&mut self, bytes: &mut Unstructured<'_>, engine: &mut impl Engine) -> Result<()> {
        let mut meta = made::meta(bytes)?;
        if bytes.arbitrary()? {
            meta.source = peer();
        }
        let payload = match self.recent.first() {
            Some(recent) if bytes.ratio(1, 4)? => recent.clone(),
            _ => made::payload(bytes)?,
        };
        let via = self.socket(bytes)?;
        if bytes.ratio(1, 3)? {
            let wire_len = payload.len() + usize::from(bytes.arbitrary::<u8>()? / 128) * 9;
            engine.receive(self.now, via, &Datagram { payload: &payload, wire_len, meta: &meta }, &mut self.mail);
        } else {
            engine.receive_train(self.now, via, train(bytes, &meta, &payload)?, &mut self.mail);
        }
        Ok(())
    }

    /// Calls the engine when it wants to be called, so many times: time must go on, or something be sent.
    fn turn(&mut self, turns: u8, engine: &mut impl Engine) {
        let mut idle = 0;
        for _ in 0..turns {
            let Next::At(moment) = engine.next() else { return };
            assert!(moment.saturating_duration_since(self.now) <= FAR_AWAY, "never");
            if moment.saturating_duration_since(epoch()) > 3 * FAR_AWAY {
                return;
            }
            let sent = self.mail.sent.len();
            let passes = moment > self.now;
            self.now = self.now.max(moment);
            engine.tick(self.now, &mut self.mail);
            idle = if passes || self.mail.sent.len() > sent { 0 } else { idle + 1 };
            assert!(idle < MOST_IDLE_TURNS, "turns without end");
        }
    }
}

/// What the program around an engine hands to it.
trait Made: Sized {
    /// Something, if there is anything that may be handed over.
    fn made(bytes: &mut Unstructured<'_>, mail: &Mail) -> Result<Option<Self>>;
}

impl Made for Infallible {
    fn made(_bytes: &mut Unstructured<'_>, _mail: &Mail) -> Result<Option<Self>> {
        Ok(None)
    }
}

impl Made for Vec<u8> {
    fn made(bytes: &mut Unstructured<'_>, _mail: &Mail) -> Result<Option<Self>> {
        made::payload(bytes).map(Some)
    }
}

impl Made for ServeInput {
    fn made(bytes: &mut Unstructured<'_>, mail: &Mail) -> Result<Option<Self>> {
        if bytes.ratio(1, 4)? {
            return Ok(Some(Self::Answer(answer(bytes)?)));
        }
        let ticket = match mail.tickets.len() {
            0 => bytes.arbitrary()?,
            open => mail.tickets[bytes.int_in_range(0..=open - 1)?],
        };
        let reply = match bytes.int_in_range(0..=3u8)? {
            0 => Err(*bytes.choose(&[Reason::NoReply, Reason::ReplyLate])?),
            _ => Ok(made::payload(bytes)?),
        };
        Ok(Some(Self::Reply { ticket, reply }))
    }
}

/// A capture, some of whose datagrams are not there yet.
struct Captured(std::vec::IntoIter<Option<ReplayDatagram>>);

impl Recording for Captured {
    fn read(&mut self) -> crate::Result<Reading<ReplayDatagram>> {
        Ok(match self.0.next() {
            None => Reading::End,
            Some(None) => Reading::NotYet,
            Some(Some(datagram)) if datagram.payload == b"broken" => return Err(broken()),
            Some(Some(datagram)) => Reading::Ready(datagram),
        })
    }
}

fn broken() -> crate::Error {
    crate::Error::new(crate::Attempt::Read, crate::Object::None, std::io::ErrorKind::InvalidData.into())
}

fn captured(bytes: &mut Unstructured<'_>) -> Result<Vec<Option<ReplayDatagram>>> {
    let mut at = Duration::from_secs(5);
    let mut captured = Vec::new();
    for number in 0..bytes.int_in_range(0..=12u64)? {
        at = match bytes.int_in_range(0..=7u8)? {
            0 => duration(bytes)?,
            1 => at.saturating_sub(duration(bytes)?),
            _ => at.saturating_add(Duration::from_millis(bytes.int_in_range(0..=500)?)),
        };
        let (source, destination) = (made::source(bytes)?, made::source(bytes)?);
        let payload = if bytes.ratio(1, 12)? { b"broken".to_vec() } else { made::payload(bytes)? };
        captured.push(if bytes.ratio(1, 12)? {
            None
        } else {
            // Some captures do not tell the time.
            let at = Some(at).filter(|at| *at >= Duration::from_millis(10));
            Some(ReplayDatagram { number, at, source, destination, payload })
        });
    }
    Ok(captured)
}

/// The peer that most has to do with.
fn peer() -> SocketAddr {
    SocketAddr::new([192, 0, 2, 1].into(), 40_000)
}

/// The addresses of our sockets.
fn own() -> Vec<SocketAddr> {
    let v6 = IpAddr::from([0u16; 8]);
    vec![
        SocketAddr::new([10, 0, 0, 2].into(), 10_000),
        SocketAddr::new(v6, 10_000),
        "0.0.0.0:10001".parse().expect("it is one"),
    ]
}

/// A train of at most 64 datagrams, as the kernel makes them, whose end may be cut off.
pub(super) fn train<'a>(bytes: &mut Unstructured<'_>, meta: &'a crate::Meta, payload: &'a [u8]) -> Result<Train<'a>> {
    let segment = match bytes.int_in_range(0..=2u8)? {
        0 => 4,
        1 => bytes.int_in_range(1..=2000usize)?,
        _ => payload.len() / 2 + 1,
    };
    let segment = segment.max(payload.len() / 64 + 1);
    let room = segment * (64 - payload.len().div_ceil(segment).min(64));
    let cut = if bytes.ratio(1, 5)? { bytes.int_in_range(0..=3000usize)?.min(room) } else { 0 };
    Ok(Train { meta, payload, wire_len: payload.len() + cut, segment })
}

fn duration(bytes: &mut Unstructured<'_>) -> Result<Duration> {
    Ok(match bytes.int_in_range(0..=7u8)? {
        0 => Duration::ZERO,
        1 => Duration::MAX,
        2 => Duration::from_nanos(bytes.arbitrary()?),
        3 => Duration::from_nanos(1),
        _ => Duration::from_millis(bytes.int_in_range(0..=3000)?),
    })
}

fn maybe<T>(bytes: &mut Unstructured<'_>, draw: impl FnOnce(&mut Unstructured<'_>) -> Result<T>) -> Result<Option<T>> {
    if bytes.ratio(1, 3)? { draw(bytes).map(Some) } else { Ok(None) }
}

fn limits(bytes: &mut Unstructured<'_>) -> Result<Limits> {
    Ok(Limits { count: maybe(bytes, |bytes| bytes.int_in_range(0..=4))?, duration: maybe(bytes, duration)? })
}

fn pace(bytes: &mut Unstructured<'_>) -> Result<Option<Pace>> {
    Ok(match bytes.int_in_range(0..=4u8)? {
        0 => None,
        1 => Some(Pace::Interval(duration(bytes)?)),
        2 => Some(Pace::Bitrate(*bytes.choose(&[1e-300, 1.0, 8000.0, 1e300, f64::MAX, f64::MIN_POSITIVE])?)),
        3 => Some(Pace::Rate(*bytes.choose(&[1e-300, 1.0, 3e6, 1e300, f64::MAX, f64::MIN_POSITIVE])?)),
        _ => Some(Pace::Interval(Duration::from_millis(bytes.int_in_range(0..=100)?))),
    })
}

fn requests(bytes: &mut Unstructured<'_>) -> Result<Requests> {
    if bytes.ratio(1, 4)? {
        return Ok(Requests::Stream);
    }
    let count = bytes.int_in_range(0..=4u8)?;
    let payloads = (0..count).map(|_| made::payload(bytes)).collect::<Result<Vec<_>>>()?;
    Ok(Requests::all(payloads).repeat(*bytes.choose(&[None, Some(0), Some(1), Some(3), Some(u64::MAX)])?))
}

fn rules(bytes: &mut Unstructured<'_>) -> Result<Rules> {
    let count = bytes.int_in_range(0..=3u8)?;
    let mut list = Vec::new();
    for _ in 0..count {
        let (one, other) = (duration(bytes)?, duration(bytes)?);
        let rule =
            Rule::any().delay(one.min(other)..=one.max(other)).loses(f64::from(bytes.arbitrary::<u8>()?) / 200.0);
        let rule = if bytes.arbitrary()? { rule.length(0..=bytes.arbitrary::<u8>()?.into()) } else { rule };
        list.push(if bytes.arbitrary()? { rule.echo() } else { rule.reply(template(bytes)?) });
    }
    Ok(Rules::from_iter(list).seed(7))
}

fn template(bytes: &mut Unstructured<'_>) -> Result<Template> {
    let text =
        *bytes.choose(&["", "pong", "{payload}{payload_hex}", "{count} {time} {source} {interface} {length}"])?;
    Ok(Template::text(text).expect("these are templates"))
}

pub(super) fn answer(bytes: &mut Unstructured<'_>) -> Result<Answer> {
    Ok(match bytes.int_in_range(0..=8u8)? {
        0 => Answer::Echo,
        1 => Answer::Sink,
        2 => Answer::fixed(made::payload(bytes)?),
        3 => Answer::fixed(&b"pong"[..]),
        4 => Answer::ask(*bytes.choose(&[0, 1, 3, usize::MAX])?),
        5 => Answer::from(template(bytes)?),
        6 => {
            let len = bytes.int_in_range(0..=70_000usize)?;
            Answer::with(move |datagram| (datagram.payload.len() % 3 > 0).then(|| vec![1; len]))
        }
        _ => Answer::from(rules(bytes)?),
    })
}

pub(super) fn serve_options(bytes: &mut Unstructured<'_>) -> Result<ServeOptions> {
    let mut options = ServeOptions::new(answer(bytes)?, own());
    options.limits = limits(bytes)?;
    options.verbose = bytes.arbitrary()?;
    options.interfaces = maybe(bytes, |_| Ok(vec!["eth0".to_owned()]))?.unwrap_or_default();
    options.destinations = maybe(bytes, |_| Ok(vec![None, Some([10, 0, 0, 2].into())]))?.unwrap_or_default();
    options.conduct.max_amplification = *bytes.choose(&[Some(3), None, Some(0), Some(1), Some(u32::MAX)])?;
    // The table of the limit costs more than all else, so it is made for few cases.
    let limits = [RateLimit::PerSecond(0), RateLimit::PerSecond(2), RateLimit::PerSecond(u32::MAX)];
    options.conduct.rate_limit = if bytes.ratio(1, 16)? { *bytes.choose(&limits)? } else { RateLimit::Off };
    options.conduct.break_loops = bytes.arbitrary()?;
    options.conduct.hop_limit = bytes.arbitrary()?;
    options.clock = Some(Moment::new(epoch(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
    Ok(options)
}

fn send_options(bytes: &mut Unstructured<'_>) -> Result<SendOptions> {
    let destination = if bytes.arbitrary()? { peer() } else { made::source(bytes)? };
    Ok(SendOptions {
        transmit: Transmit::to(destination),
        any_source: bytes.arbitrary()?,
        own: own(),
        wait: duration(bytes)?,
        replies: bytes.int_in_range(0..=3)?,
        retries: *bytes.choose(&[0, 0, 1, 3, u32::MAX])?,
        pace: pace(bytes)?,
        size: None,
        duration: maybe(bytes, duration)?,
        count: maybe(bytes, |bytes| bytes.int_in_range(0..=3))?,
        verbose: bytes.arbitrary()?,
        dialogue: bytes.ratio(1, 4)?,
        most_requests: maybe(bytes, |bytes| bytes.int_in_range(0..=3))?,
    })
}

pub(super) fn listen_options(bytes: &mut Unstructured<'_>) -> Result<ListenOptions> {
    let from = maybe(bytes, |bytes| Ok(Network::new(made::ip(bytes)?, bytes.int_in_range(0..=128)?)))?;
    Ok(ListenOptions {
        from: from.flatten().into_iter().collect(),
        matching: maybe(bytes, |_| {
            Ok(Arc::new(|payload: &[u8]| payload.len().is_multiple_of(2)) as verbs::PayloadMatch)
        })?,
        interfaces: maybe(bytes, |_| Ok(vec!["eth0".to_owned()]))?.unwrap_or_default(),
        destinations: maybe(bytes, |_| Ok(vec![Some([10, 0, 0, 2].into())]))?.unwrap_or_default(),
        limits: limits(bytes)?,
    })
}

fn broadcast_options(bytes: &mut Unstructured<'_>) -> Result<BroadcastOptions> {
    let count = bytes.int_in_range(1..=3u8)?;
    let target = |bytes: &mut Unstructured<'_>| {
        Ok(BroadcastTarget { transmit: Transmit::to(made::source(bytes)?), own: made::source(bytes)? })
    };
    Ok(BroadcastOptions {
        targets: (0..count).map(|_| target(bytes)).collect::<Result<_>>()?,
        wait: duration(bytes)?,
        pace: pace(bytes)?,
        size: None,
        duration: maybe(bytes, duration)?,
        count: maybe(bytes, |bytes| bytes.int_in_range(0..=3))?,
        verbose: bytes.arbitrary()?,
        most_rounds: maybe(bytes, |bytes| bytes.int_in_range(0..=3))?,
    })
}

fn replay_options(bytes: &mut Unstructured<'_>) -> Result<ReplayOptions> {
    let mut options = ReplayOptions::new(peer());
    options.keeps = *bytes.choose(&[Keeps::Nothing, Keeps::Port, Keeps::Destination])?;
    options.keeps_source = bytes.arbitrary()?;
    options.pace = match bytes.int_in_range(0..=3u8)? {
        0 => ReplayPace::Unpaced,
        1 => pace(bytes)?.map_or(ReplayPace::Unpaced, ReplayPace::Fixed),
        _ => ReplayPace::Recorded { speed: *bytes.choose(&[1.0, 2.0, 1e-300, 1e300, 0.1])? },
    };
    options.longest_gap = maybe(bytes, duration)?;
    options.clock_starts = if bytes.ratio(1, 4)? { vec![1, 2, 5] } else { Vec::new() };
    options.loop_delay = maybe(bytes, duration)?.unwrap_or_default();
    options.rounds = *bytes.choose(&[Some(0), Some(1), Some(2), None, Some(u64::MAX)])?;
    options.limits = limits(bytes)?;
    options.wait = duration(bytes)?;
    options.any_source = bytes.arbitrary()?;
    options.own = own();
    options.verbose = bytes.arbitrary()?;
    Ok(options)
}
