//! What the events of the relay say for the truth file, handed over without waiting.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use udpkit::event::{self, Impaired};
use udpkit::{Event, SocketId};

use super::queue::Queue;
use super::record::{Change, Item, Record, SendFailed, Stages, Whose, since};
use crate::words::endpoint::Endpoint;

/// How often the stages that decide may have changed on a link while a datagram is under way; before that, the oldest is taken.
const MOST_CHANGES: usize = 64;

/// The end that takes the events of the relay. It waits for nothing.
pub(crate) struct TruthSink {
    queue: Queue,
    start: Instant,
    /// What is known of the links: as many as there are.
    links: HashMap<Whose, Numbers>,
    /// What waits until it is known what could not be sent, in order; and as what it was sent.
    held: Vec<(Item, Option<(SocketId, u64)>)>,
}

impl TruthSink {
    /// For what happens from this moment on.
    pub(super) fn new(queue: Queue, start: Instant) -> Self {
        Self { queue, start, links: HashMap::new(), held: Vec::new() }
    }

    /// Takes an event.
    pub(crate) fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Fate(decided) => {
                let whose = Whose { direction: decided.direction, network: decided.network };
                let stages = Stages::of(decided.impairment.options());
                self.links.entry(whose).or_default().note(decided.fates.number, stages);
                let records = Record::lost(decided, self.start);
                self.held.extend(records.map(|record| (Item::Datagram(record), None)));
            }
            Event::Left(departed) => {
                let whose = Whose { direction: departed.direction, network: departed.network };
                let stages = self.links.get(&whose).map_or_else(Stages::default, |numbers| numbers.at(departed.number));
                let record = Record::left(departed, stages, self.start);
                self.held.push((Item::Datagram(record), departed.sent));
            }
            Event::Impaired(impaired) => self.change(impaired),
            Event::SendFailed(failed) => self.failure(failed),
            _ => {}
        }
    }

    /// It is known what could not be sent.
    pub(crate) fn settled(&mut self) {
        if !self.held.is_empty() {
            self.queue.put(self.held.drain(..).map(|(item, _)| item));
        }
    }

    /// Hands over what there is.
    pub(crate) fn idle(&mut self) {
        self.queue.wake();
    }

    fn failure(&mut self, failed: &event::SendFailed<'_>) {
        for (item, sent) in &mut self.held {
            if let (Item::Datagram(record), Some((via, place))) = (item, *sent)
                && failed.includes(via, place)
            {
                record.send_failed();
            }
        }
        let item = Item::SendFailed(Box::new(SendFailed {
            at_ns: since(self.start, now()),
            destination: Endpoint(failed.failure.transmit.destination),
            count: failed.failure.count as u64,
            error: udpkit::reason(&failed.failure.error),
        }));
        self.held.push((item, None));
    }

    fn change(&mut self, impaired: &Impaired<'_>) {
        let whose = Whose { direction: impaired.direction, network: impaired.network };
        if impaired.is_reset {
            self.links.clear();
        } else if impaired.options.is_none() {
            self.links.remove(&whose);
        }
        let last = self.links.get(&whose).map_or(0, |numbers| numbers.last);
        let item = Item::Change(Box::new(Change {
            whose,
            at_ns: since(self.start, impaired.at),
            from_number: last + 1,
            options: impaired.options.cloned(),
            is_reset: impaired.is_reset,
        }));
        self.held.push((item, None));
    }
}

/// The datagrams of a link, and which stages decided on them.
#[derive(Default)]
struct Numbers {
    /// The number of the last one that came.
    last: u64,
    /// From which number on which stages decide.
    stages: VecDeque<(u64, Stages)>,
}

impl Numbers {
    /// Notes that these stages decided on the datagram of this number, the next one or the first.
    fn note(&mut self, number: u64, stages: Stages) {
        if number <= self.last {
            self.stages.clear();
        }
        self.last = number;
        if self.stages.back().is_none_or(|(_, before)| *before != stages) {
            if self.stages.len() >= MOST_CHANGES {
                self.stages.pop_front();
            }
            self.stages.push_back((number, stages));
        }
    }

    /// The stages that decided on the datagram of this number.
    fn at(&self, number: u64) -> Stages {
        let place = self.stages.partition_point(|(from, _)| *from <= number).saturating_sub(1);
        self.stages.get(place).map_or_else(Stages::default, |(_, stages)| *stages)
    }
}

#[expect(clippy::disallowed_methods, reason = "a failure comes without a time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use udpkit::event::{Decided, Departed};
    use udpkit::impairment::{Fate, GilbertElliott, Impairment, ImpairmentOptions, Stage};
    use udpkit::verbs::Direction;
    use udpkit::{SendFailure, Transmit};

    use super::super::queue::Part;
    use super::super::record::Line;
    use super::*;

    fn sink(queue: &Queue) -> TruthSink {
        TruthSink::new(queue.clone(), now())
    }

    /// The objects of all that waits.
    fn objects(queue: &Queue) -> Vec<Value> {
        let mut part = Part::default();
        assert!(queue.take(&mut part));
        let object = |item: &Item| {
            let mut line = Vec::new();
            match item {
                Item::Datagram(record) => Line::Datagram(record.into()).write(&mut line),
                Item::Change(change) => Line::Change((&**change).into()).write(&mut line),
                Item::SendFailed(failed) => Line::SendFailed(failed).write(&mut line),
            }
            .unwrap();
            assert_eq!(line.pop(), Some(b'\n'));
            serde_json::from_slice(&line).unwrap()
        };
        part.items.iter().map(object).collect()
    }

    /// Hands over what becomes of a datagram that comes so long after the start, up to its end.
    fn relay(sink: &mut TruthSink, impairment: &mut Impairment, after: Duration) {
        let (peer, entered) = ("192.0.2.1:7".parse().unwrap(), sink.start + after);
        let fates = impairment.datagram(entered, 100);
        sink.event(&Event::Fate(Decided::new(Direction::Up, peer, &[0; 100], entered, fates, impairment)));
        for (is_copy, fate) in [(false, Some(fates.original)), (true, fates.copy)] {
            let Some(Fate::Leaves(departure)) = fate else { continue };
            let left = Departed::new(Direction::Up, peer, &[0; 100], fates.number, entered, departure, impairment);
            sink.event(&Event::Left(left.is_copy(is_copy).left(departure.at + Duration::from_micros(60))));
        }
    }

    #[test]
    fn a_line_has_the_fate_and_the_numbers_that_decided_it() {
        let queue = Queue::new(100);
        let mut sink = sink(&queue);
        let chain = GilbertElliott::new(0.5, 0.5);
        let options = ImpairmentOptions::default().loss(chain).duplicate(0.5).delay(Duration::from_millis(40));
        let mut impairment = Impairment::new(options, 7, sink.start).unwrap();
        (1..=20).for_each(|after| relay(&mut sink, &mut impairment, Duration::from_millis(after)));
        sink.settled();
        let objects = objects(&queue);
        let lost = objects.iter().find(|object| object["fate"] == "lost").expect("half of them are");
        let number = lost["number"].as_u64().unwrap();
        assert_eq!((&lost["by"], &lost["bad"], &lost["copy"]), (&json!("chance"), &json!(true), &json!(false)));
        let drawn = |stage| json!(impairment.drawn(stage, number));
        assert_eq!(lost["draws"], json!({"state": drawn(Stage::State), "loss": drawn(Stage::Loss)}));
        assert_eq!(lost["entered_ns"], json!(1_000_000 * number));
        let copy = objects.iter().find(|object| object["copy"] == true).expect("half of the others have one");
        let entered = copy["entered_ns"].as_i64().unwrap();
        assert_eq!((&copy["fate"], &copy["bad"]), (&json!("forwarded"), &json!(false)));
        assert_eq!(copy["decided_ns"], json!(entered + 40_000_000));
        assert_eq!(copy["left_ns"], json!(entered + 40_060_000));
        assert_eq!(copy["draws"].as_object().unwrap().len(), 3, "{copy}");
        let originals = objects.iter().filter(|object| object["copy"] == false).count();
        assert_eq!(originals, 20);
    }

    #[test]
    fn what_could_not_be_sent_says_so_and_nothing_is_written_before_that_is_known() {
        let queue = Queue::new(100);
        let mut sink = sink(&queue);
        let mut impairment = Impairment::new(ImpairmentOptions::default(), 7, sink.start).unwrap();
        let (peer, start, [up, down]) =
            ("192.0.2.1:7".parse().unwrap(), sink.start, [SocketId::first(1), SocketId::first(0)]);
        // Each is sent twice through the first socket, since there is a further target.
        for (via, place) in [(up, 0), (up, 2), (down, 2), (up, 4)] {
            let number = impairment.datagram(start, 100).number;
            let Fate::Leaves(departure) = impairment.datagram(start, 100).original else { panic!("nothing is lost") };
            let left = Departed::new(Direction::Up, peer, &[0; 100], number, start, departure, &impairment);
            sink.event(&Event::Left(left.sent((via, place))));
        }
        let error = std::io::ErrorKind::PermissionDenied.into();
        let failure = SendFailure::new(Transmit::to(peer), error).place(1).count(2);
        sink.event(&Event::SendFailed(event::SendFailed::new(up, &failure)));
        assert_eq!(queue.offered(), 0);
        sink.settled();
        let fates: Vec<_> = objects(&queue).iter().map(|line| (line["fate"].clone(), line["type"].clone())).collect();
        let datagram = |fate: &str| (json!(fate), json!("datagram"));
        assert_eq!(
            fates,
            [
                datagram("forwarded"),
                datagram("send_failed"),
                datagram("forwarded"),
                datagram("forwarded"),
                (Value::Null, json!("send_failed")),
            ]
        );
    }

    #[test]
    fn a_datagram_that_left_after_a_change_has_the_numbers_of_its_time() {
        let queue = Queue::new(100);
        let mut sink = sink(&queue);
        let mut impairment = Impairment::new(ImpairmentOptions::default().corrupt(0.5), 7, sink.start).unwrap();
        let (peer, start) = ("192.0.2.1:7".parse().unwrap(), sink.start);
        let fates = impairment.datagram(start, 100);
        sink.event(&Event::Fate(Decided::new(Direction::Up, peer, &[0; 100], start, fates, &impairment)));
        impairment.change(ImpairmentOptions::default().loss(0.0).duplicate(0.1)).unwrap();
        sink.event(&Event::Impaired(Impaired::new(Direction::Up, impairment.options(), start)));
        let Fate::Leaves(departure) = fates.original else { panic!("nothing is lost") };
        sink.event(&Event::Left(Departed::new(Direction::Up, peer, &[0; 100], 1, start, departure, &impairment)));
        relay(&mut sink, &mut impairment, Duration::from_millis(1));
        sink.settled();
        let written = objects(&queue);
        assert_eq!((&written[0]["type"], &written[0]["from_number"]), (&json!("change"), &json!(2)));
        assert_eq!(written[0]["impairments"], json!({"duplicate": "10%"}));
        let stages = |object: &Value| object["draws"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!((stages(&written[1]), stages(&written[2])), (vec!["corrupt".to_owned()], vec!["duplicate".into()]));
        // After a reset the first datagram is number 1 again.
        let reset = Impaired::new(Direction::Up, impairment.options(), start).is_reset(true);
        sink.event(&Event::Impaired(reset));
        sink.settled();
        let object = &objects(&queue)[0];
        assert_eq!((&object["reset"], &object["from_number"]), (&json!(true), &json!(1)));
    }

    #[test]
    fn what_is_known_of_the_stages_has_a_bound() {
        let corrupt = Stages::of(&ImpairmentOptions::default().corrupt(0.5));
        let mut numbers = Numbers::default();
        for number in 1..=10_000 {
            numbers.note(number, if number % 2 == 0 { corrupt } else { Stages::default() });
        }
        assert_eq!(numbers.stages.len(), MOST_CHANGES);
        assert_eq!((numbers.at(10_000), numbers.at(9_999)), (corrupt, Stages::default()));
        assert_eq!(numbers.at(1), numbers.stages[0].1);
    }
}
