//! What the thread that receives tells the table: datagrams, interfaces, troubles.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use udpkit::{Event, InterfaceIndex, Interfaces, Sink, SocketId, Train};

use super::senders::Senders;
use crate::tui::{Troubles, now};

/// How long it is believed that clocks go alike.
const CLOCKS_AGREE: Duration = Duration::from_millis(100);

/// What both threads know.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) senders: Senders,
    pub(crate) names: BTreeMap<InterfaceIndex, String>,
}

/// The end of the thread that receives.
#[derive(Debug)]
pub(crate) struct Feed {
    table: Arc<Mutex<Table>>,
    /// The local port of each socket.
    ports: Vec<u16>,
    clocks: Clocks,
    troubles: Troubles,
}

impl Feed {
    /// A feed of sockets with these ports.
    pub(crate) fn new(ports: Vec<u16>, interfaces: &Interfaces) -> Self {
        let table = Table { senders: Senders::new(now()), names: names(interfaces) };
        Self { table: Arc::new(Mutex::new(table)), ports, clocks: Clocks::read(), troubles: Troubles::default() }
    }

    pub(super) fn table(&self) -> Arc<Mutex<Table>> {
        Arc::clone(&self.table)
    }

    /// Counts datagrams that came through this socket.
    pub(crate) fn take(&mut self, via: SocketId, train: Train<'_>) {
        let at = self.clocks.instant(train.meta().received);
        let port = self.ports.get(via.index()).copied().unwrap_or(0);
        let mut table = self.table.lock();
        for datagram in train.datagrams() {
            table.senders.take(&datagram, port, at);
        }
    }

    pub(crate) fn set_interfaces(&mut self, interfaces: &Interfaces) {
        self.table.lock().names = names(interfaces);
    }

    /// Where others tell what goes wrong.
    pub(crate) fn troubles(&self) -> Troubles {
        self.troubles.clone()
    }
}

impl Sink for Feed {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Received(received) => self.take(received.via, received.train),
            Event::Interfaces(changed) => self.set_interfaces(changed.interfaces),
            // All that a receiver may have to say besides is in its report, which is always in sight.
            event => self.troubles.hear(&event),
        }
        ControlFlow::Continue(())
    }
}

fn names(interfaces: &Interfaces) -> BTreeMap<InterfaceIndex, String> {
    interfaces.iter().filter_map(|interface| Some((interface.index?, interface.name.clone()))).collect()
}

/// The system's clock, which is set now and then, and the monotonic one, read at once.
#[derive(Debug)]
struct Clocks {
    instant: Instant,
    system: SystemTime,
}

impl Clocks {
    #[expect(clippy::disallowed_methods, reason = "the kernel gives times of this clock")]
    fn read() -> Self {
        Self { instant: now(), system: SystemTime::now() }
    }

    /// The moment of the system's time; clocks are not read for each datagram, but whenever they might have parted.
    fn instant(&mut self, received: Option<SystemTime>) -> Instant {
        let Some(received) = received else { return now() };
        if received.duration_since(self.system).is_ok_and(|since| since < CLOCKS_AGREE) {
            return self.after(received);
        }
        *self = Self::read();
        self.after(received)
    }

    fn after(&self, received: SystemTime) -> Instant {
        match received.duration_since(self.system) {
            // What is received in the future is received now.
            Ok(since) if since < CLOCKS_AGREE => self.instant + since,
            Ok(_) => self.instant,
            Err(error) => self.instant.checked_sub(error.duration()).unwrap_or(self.instant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::samples::each_event;

    #[test]
    fn every_event_is_on_the_screen_or_in_the_report_that_is() {
        each_event(|event| {
            let mut feed = Feed::new(vec![10_000], &Interfaces::default());
            assert!(feed.event(event).is_continue());
            let table = feed.table();
            let table = table.lock();
            let troubles = usize::from(feed.troubles.last().is_some());
            let shown = (table.senders.counted().datagrams, table.names.len(), troubles);
            let expected = match event.name() {
                "received" => (1, 0, 0),
                "interfaces" => (0, 1, 0),
                "trouble" | "reopened" | "clock_stepped" => (0, 0, 1),
                "ignored" | "dropped" => (0, 0, 0),
                // A listener never says these.
                "answered" | "question" | "sent" | "reply" | "unanswered" | "probe" => (0, 0, 0),
                "unreachable" | "send_failed" | "fate" | "left" | "peer" | "impaired" => (0, 0, 0),
                name => panic!("where does the table show {name}?"),
            };
            assert_eq!(shown, expected, "{}", event.name());
        });
    }
}
