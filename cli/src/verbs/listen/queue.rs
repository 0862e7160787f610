//! What the thread that receives has for the thread that writes: a bounded queue, whose lock is held for copies alone.

use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use udpkit::event::{ClockStepped, Dropped, IgnoredDatagrams, InterfacesChanged, Received, Reopened, Trouble};
use udpkit::{Datagram, Error, Event, Interfaces, Meta, Reason, Sink, SocketId, Train};

use crate::output::{News, Refusals, Repeated};

/// Bytes of datagrams, with what is known of them, that may wait where nobody says otherwise; beyond, datagrams are counted
/// and let go.
pub(super) const LIMIT: usize = 64 << 20;
/// The same where speed is all that counts: 10 million short datagrams fit in.
pub(super) const FAST_LIMIT: usize = 512 << 20;
/// Memory of an empty part beyond this is given back.
const KEPT: usize = 4 << 20;

/// One end of the queue; both are alike.
#[derive(Clone)]
pub(super) struct Queue(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Something waits, or the run has ended.
    filled: Condvar,
}

struct State {
    waiting: Chunk,
    /// Bytes that may wait, or be in the writer's hands.
    limit: usize,
    /// Bytes that are in the writer's hands.
    taken: usize,
    /// Whether the writer sleeps until something waits.
    asleep: bool,
    /// Whether nothing more will come.
    ended: bool,
    /// Whether nothing more is taken.
    closed: bool,
    /// Datagrams for which there was no room.
    overflow: u64,
}

impl Queue {
    /// A queue of at most so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        let waiting = Chunk::default();
        let state = State { waiting, limit, taken: 0, asleep: false, ended: false, closed: false, overflow: 0 };
        Self(Arc::new(Inner { state: Mutex::new(state), filled: Condvar::new() }))
    }

    /// The end that takes what a drive says, as far as it is news; or all of it.
    pub(super) fn sink(&self, verbose: bool) -> QueueSink {
        QueueSink { queue: self.clone(), news: News::new(verbose, Refusals::Counted) }
    }

    /// Waits for something, and takes all there is, in exchange for an empty part; false if nothing will come any more.
    pub(super) fn take(&self, part: &mut Chunk) -> bool {
        part.clear();
        let mut state = self.lock();
        state.taken = 0;
        while state.waiting.is_empty() && !state.ended {
            state.asleep = true;
            state = self.0.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.asleep = false;
        std::mem::swap(&mut state.waiting, part);
        state.taken = part.len();
        !part.is_empty()
    }

    /// Waits until this moment, or until the run has ended.
    #[expect(clippy::disallowed_methods, reason = "how often is written is a matter of time")]
    pub(super) fn rest(&self, until: Instant) {
        let mut state = self.lock();
        while !state.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left < Duration::from_micros(1) {
                return;
            }
            (state, _) = self.0.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Tells the writer that nothing more will come.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.0.filled.notify_one();
    }

    /// Tells the receiver that nothing more is taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Datagrams for which there was no room.
    pub(super) fn overflow(&self) -> u64 {
        self.lock().overflow
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of the queue that takes what a drive says.
pub(super) struct QueueSink {
    queue: Queue,
    news: News,
}

impl Sink for QueueSink {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        let passes = self.news.passes(&event);
        let repeated = self.news.take_due();
        if !passes && repeated.is_empty() {
            return ControlFlow::Continue(());
        }
        let mut state = self.queue.lock();
        if state.closed {
            return ControlFlow::Break(());
        }
        // Of each thing so much is said now and then, and there are few things: it always finds room.
        state.waiting.repeated.extend(repeated);
        if !passes {
            return ControlFlow::Continue(());
        }
        let room = state.limit - state.taken.min(state.limit);
        let count = state.waiting.put(&event, room);
        state.waiting.overflow += count;
        state.overflow += count;
        ControlFlow::Continue(())
    }

    fn idle(&mut self) -> ControlFlow<()> {
        let mut state = self.queue.lock();
        if state.closed {
            return ControlFlow::Break(());
        }
        if state.asleep && !state.waiting.is_empty() {
            state.asleep = false;
            drop(state);
            self.queue.0.filled.notify_one();
        }
        ControlFlow::Continue(())
    }
}

impl QueueSink {
    /// What was counted, and not printed yet; for the end.
    pub(super) fn take_repeated(&mut self) -> Vec<Repeated> {
        self.news.take_all()
    }
}

/// A part of what was said, in order.
#[derive(Default)]
pub(super) struct Chunk {
    items: Vec<Item>,
    /// Payloads of all items, one after another.
    payloads: Vec<u8>,
    /// What came when there was no room: of these, the sum or the last is kept, and told after the items.
    drops: Option<Dropped>,
    interfaces: Option<Interfaces>,
    not_shown: u64,
    /// How often happened again what was printed before.
    repeated: Vec<Repeated>,
    /// Datagrams for which there was no room.
    overflow: u64,
}

enum Item {
    Received {
        via: SocketId,
        meta: Meta,
        /// Bytes of payload that are held.
        held: usize,
        /// Bytes of payload on the wire.
        wire_len: usize,
        segment_len: usize,
    },
    Ignored {
        meta: Meta,
        reason: Reason,
        count: usize,
    },
    Dropped(Dropped),
    Interfaces(Box<Interfaces>),
    Reopened(Reopened),
    ClockStepped(ClockStepped),
    Trouble(Box<Error>),
}

impl Chunk {
    fn is_empty(&self) -> bool {
        self.items.is_empty()
            && self.drops.is_none()
            && self.interfaces.is_none()
            && self.not_shown == 0
            && self.repeated.is_empty()
            && self.overflow == 0
    }

    fn clear(&mut self) {
        self.items.clear();
        self.payloads.clear();
        self.repeated.clear();
        if self.payloads.capacity() + self.items.capacity() * size_of::<Item>() > KEPT {
            self.items = Vec::new();
            self.payloads = Vec::new();
        }
        (self.drops, self.interfaces, self.not_shown, self.overflow) = (None, None, 0, 0);
    }

    /// Bytes in it.
    fn len(&self) -> usize {
        self.payloads.len() + self.items.len() * size_of::<Item>()
    }

    /// Puts an event behind the others, so that they are no more than `room` bytes; returns how many datagrams found none.
    fn put(&mut self, event: &Event<'_>, room: usize) -> u64 {
        let payload = if let Event::Received(received) = event { received.train.payload() } else { &[] };
        if self.len() + payload.len() + size_of::<Item>() > room {
            return self.refuse(event);
        }
        self.payloads.extend_from_slice(payload);
        self.items.push(match *event {
            Event::Received(Received { via, train, .. }) => Item::Received {
                via,
                meta: *train.meta(),
                held: payload.len(),
                wire_len: train.wire_len(),
                segment_len: train.segment_len(),
            },
            Event::Ignored(IgnoredDatagrams { meta, reason, count, .. }) => {
                Item::Ignored { meta: *meta, reason, count }
            }
            Event::Dropped(dropped) => Item::Dropped(dropped),
            Event::Interfaces(changed) => Item::Interfaces(Box::new(changed.interfaces.clone())),
            Event::Reopened(reopened) => Item::Reopened(reopened),
            Event::ClockStepped(stepped) => Item::ClockStepped(stepped),
            Event::Trouble(trouble) => Item::Trouble(Box::new(trouble.error.clone())),
            // A listener says nothing else: it sends nothing, and asks for no replies.
            _ => return 0,
        });
        0
    }

    fn refuse(&mut self, event: &Event<'_>) -> u64 {
        match *event {
            Event::Received(received) => return received.train.count() as u64,
            Event::Dropped(Dropped { new, total, .. }) => {
                let sum = self.drops.map_or(0, |drops| drops.new);
                self.drops = Some(Dropped::new(sum + new, total));
            }
            Event::Interfaces(changed) => self.interfaces = Some(changed.interfaces.clone()),
            _ => self.not_shown += 1,
        }
        0
    }

    /// Notices for which there was no room.
    pub(super) fn not_shown(&self) -> u64 {
        self.not_shown
    }

    /// How often happened again what was printed before.
    pub(super) fn repeated(&self) -> &[Repeated] {
        &self.repeated
    }

    /// Datagrams that came after these, and for which there was no room.
    pub(super) fn overflow(&self) -> u64 {
        self.overflow
    }

    /// Tells everything again, in order, until `tell` wants no more.
    pub(super) fn events(&self, mut tell: impl FnMut(Event<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        let mut payloads = self.payloads.as_slice();
        for item in &self.items {
            match item {
                Item::Received { via, meta, held, wire_len, segment_len } => {
                    let (payload, rest) = payloads.split_at(*held);
                    payloads = rest;
                    // What was cut off comes one by one.
                    let one = Train::one(&Datagram::new(payload, meta).wire_len(*wire_len));
                    let train = if held < wire_len { one } else { Train::new(meta, payload, *segment_len) };
                    tell(Event::Received(Received::new(*via, train)))?;
                }
                Item::Ignored { meta, reason, count } => {
                    tell(Event::Ignored(IgnoredDatagrams::new(meta, *reason, *count)))?
                }
                Item::Dropped(dropped) => tell(Event::Dropped(*dropped))?,
                Item::Interfaces(interfaces) => tell(Event::Interfaces(InterfacesChanged::new(interfaces)))?,
                Item::Reopened(reopened) => tell(Event::Reopened(*reopened))?,
                Item::ClockStepped(stepped) => tell(Event::ClockStepped(*stepped))?,
                Item::Trouble(error) => tell(Event::Trouble(Trouble::new(error)))?,
            }
        }
        if let Some(dropped) = self.drops {
            tell(Event::Dropped(dropped))?;
        }
        if let Some(interfaces) = &self.interfaces {
            tell(Event::Interfaces(InterfacesChanged::new(interfaces)))?;
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::output::samples::each_event;

    fn meta(port: u16) -> Meta {
        Meta::new(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// What a part tells: source port, length and payload of each datagram; port 0 for drops.
    fn told(part: &Chunk) -> Vec<(u16, usize, Vec<u8>)> {
        let mut told = Vec::new();
        let flow = part.events(|event| {
            match event {
                Event::Received(Received { train, .. }) => told.extend(
                    train
                        .datagrams()
                        .map(|datagram| (datagram.meta.source.port(), datagram.wire_len, datagram.payload.to_vec())),
                ),
                Event::Dropped(Dropped { new, .. }) => told.push((0, usize::try_from(new).unwrap(), Vec::new())),
                _ => {}
            }
            ControlFlow::Continue(())
        });
        assert!(flow.is_continue());
        told
    }

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let queue = Queue::new(LIMIT);
        let mut sink = queue.sink(false);
        let (one, two) = (meta(1), meta(2));
        let cut = Datagram::new(b"cut", &two).wire_len(9);
        let events = [
            Event::Received(Received::new(SocketId::first(0), Train::new(&one, b"aabbc", 2))),
            Event::Dropped(Dropped::new(3, 3)),
            Event::Received(Received::new(SocketId::first(1), Train::new(&two, b"", 1))),
            Event::Received(Received::new(SocketId::first(1), Train::one(&cut))),
        ];
        for event in events {
            assert!(sink.event(event).is_continue());
        }
        let mut part = Chunk::default();
        assert!(queue.take(&mut part));
        let expected: [(u16, usize, &[u8]); 6] =
            [(1, 2, b"aa"), (1, 2, b"bb"), (1, 1, b"c"), (0, 3, b""), (2, 0, b""), (2, 9, b"cut")];
        assert_eq!(told(&part), expected.map(|(port, len, payload)| (port, len, payload.to_vec())));
        queue.end();
        assert!(!queue.take(&mut part));
    }

    #[test]
    fn what_finds_no_room_is_counted_and_memory_has_a_bound() {
        const LIMIT: usize = 10 << 20;
        let queue = Queue::new(LIMIT);
        let mut sink = queue.sink(true);
        let source = meta(1);
        let payload = vec![7; 60_000];
        let train = Train::new(&source, &payload, 1000);
        let trains = 2 * LIMIT / payload.len();
        for _ in 0..trains {
            assert!(sink.event(Event::Received(Received::new(SocketId::first(0), train))).is_continue());
        }
        // What is left of the room takes datagrams without payload.
        let empty = Train::new(&source, b"", 1);
        let empties = payload.len();
        for _ in 0..empties {
            let _ = sink.event(Event::Received(Received::new(SocketId::first(0), empty)));
        }
        let _ = sink.event(Event::Dropped(Dropped::new(2, 2)));
        let _ = sink.event(Event::Dropped(Dropped::new(3, 5)));
        let _ = sink.event(Event::Ignored(IgnoredDatagrams::new(&source, Reason::NoMatch, 1)));
        let sent = (trains * 60 + empties) as u64;
        let overflow = queue.overflow();
        let mut part = Chunk::default();
        assert!(queue.take(&mut part));
        assert!(part.len() <= LIMIT && part.not_shown() == 1);
        assert_eq!(part.overflow(), overflow);
        // What was taken counts until the next is.
        let _ = sink.event(Event::Received(Received::new(SocketId::first(0), train)));
        assert_eq!(queue.overflow(), overflow + 60);
        let told = told(&part);
        let datagrams = told.iter().filter(|(port, ..)| *port == 1).count() as u64;
        assert_eq!(datagrams + overflow, sent);
        assert!(datagrams > 0 && overflow > 0);
        assert_eq!(told.iter().filter(|(port, ..)| *port == 0).map(|(_, new, _)| new).sum::<usize>(), 5);
    }

    #[test]
    fn every_event_of_a_listener_comes_out_again() {
        each_event(|event| {
            let queue = Queue::new(LIMIT);
            assert!(queue.sink(true).event(event).is_continue());
            queue.end();
            let (mut part, mut told) = (Chunk::default(), Vec::new());
            while queue.take(&mut part) {
                let flow = part.events(|event| {
                    told.push(event.name());
                    ControlFlow::Continue(())
                });
                assert!(flow.is_continue());
            }
            match event.name() {
                name @ ("received" | "ignored" | "dropped" | "interfaces" | "trouble" | "reopened"
                | "clock_stepped") => {
                    assert_eq!(told, [name]);
                }
                "answered" | "question" | "sent" | "reply" | "unanswered" | "probe" => assert!(told.is_empty()),
                // A listener sends nothing that could be refused; its sockets hear of nothing.
                "unreachable" | "send_failed" => assert!(told.is_empty()),
                "fate" | "left" | "peer" | "impaired" => assert!(told.is_empty()),
                name => panic!("can a listener say {name}? then it goes through the queue"),
            }
        });
    }

    #[test]
    fn what_repeats_goes_in_once_and_is_counted_for_the_end() {
        let queue = Queue::new(LIMIT);
        let mut sink = queue.sink(false);
        let meta = meta(53);
        for _ in 0..100 {
            assert!(sink.event(Event::Ignored(IgnoredDatagrams::new(&meta, Reason::ResponderPort, 1))).is_continue());
        }
        queue.end();
        let (mut part, mut events) = (Chunk::default(), 0);
        while queue.take(&mut part) {
            assert!(part.repeated().is_empty());
            let _ = part.events(|_| {
                events += 1;
                ControlFlow::Continue(())
            });
        }
        assert_eq!((events, sink.take_repeated().len()), (1, 1));
    }

    #[test]
    fn a_closed_queue_ends_the_run() {
        let queue = Queue::new(LIMIT);
        let mut sink = queue.sink(false);
        queue.close();
        assert!(sink.event(Event::Dropped(Dropped::new(1, 1))).is_break() && sink.idle().is_break());
    }
}
