//! An engine that opens thousands of sockets, of which one sends to itself, again and again: what do the others cost?
//!
//! `many_sockets [SOCKETS [DATAGRAMS]]`, and enough descriptors (`ulimit -n`). Linux only, since it asks /proc.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::time::Instant;

use udpkit::{
    Datagram, Drive, Engine, Event, Next, Options, Outbox, Remote, Report, SendFailure, SocketId, Transmit,
    Unreachable, drive,
};

#[derive(Default)]
struct Many {
    sockets: usize,
    datagrams: u64,
    opened: Vec<SocketId>,
    report: Report,
    error: Option<udpkit::Error>,
    /// Memory before the sockets were opened and after, in KiB; processor time then and at the end, in nanoseconds.
    memory_kib: (u64, u64),
    cpu_ns: (u64, u64),
}

impl Many {
    fn send(via: SocketId, out: &mut impl Outbox) {
        if let Some(own) = out.local_address(via) {
            out.send(via, &Transmit::to(own), b"Hello World");
        }
    }

    fn close_all(&mut self, out: &mut impl Outbox) {
        self.opened.drain(..).for_each(|via| out.close(via));
    }
}

impl Engine for Many {
    type Input = Infallible;
    type Figures = ();

    fn tick(&mut self, _now: Instant, out: &mut impl Outbox) {
        if self.opened.is_empty() && self.report.delivered == 0 && self.error.is_none() {
            self.memory_kib.0 = memory_kib();
            for _ in 0..self.sockets {
                match out.open(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &Options::default()) {
                    Ok(via) => self.opened.push(via),
                    Err(error) => return self.error = Some(error),
                }
            }
            self.memory_kib.1 = memory_kib();
            self.cpu_ns.0 = cpu_ns();
            Self::send(self.opened[self.sockets / 2], out);
        }
    }

    fn receive(&mut self, _now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.report.received.add(1, datagram.wire_len);
        self.report.delivered += 1;
        if self.report.delivered < self.datagrams {
            return Self::send(via, out);
        }
        self.cpu_ns.1 = cpu_ns();
        self.close_all(out);
    }

    fn next(&self) -> Next {
        if self.report.delivered >= self.datagrams || self.error.is_some() { Next::Done } else { Next::Datagram }
    }

    fn unreachable(&mut self, _: Instant, _: SocketId, _: &Unreachable, _: &mut impl Outbox) {}

    fn failed(&mut self, _: Instant, _: SocketId, failure: &SendFailure, _: &mut impl Outbox) {
        self.report.send_failed += failure.count as u64;
    }

    fn report(&self) -> Report {
        self.report.clone()
    }
}

/// Memory of this process that no file is behind, in KiB.
fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Processor time of this thread, in nanoseconds.
fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split_whitespace().next().and_then(|time| time.parse().ok()).unwrap_or(0)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse());
    println!("{}", run(arguments.next().unwrap_or(Ok(10_000))?, arguments.next().unwrap_or(Ok(100_000))?)?);
    Ok(())
}

/// Opens so many sockets, of which one receives so many datagrams; what that costs.
pub(crate) fn run(sockets: usize, datagrams: usize) -> udpkit::Result<String> {
    let mut engine = Many { sockets: sockets.max(1), datagrams: datagrams as u64, ..Many::default() };
    let (_remote, control) = Remote::pair()?;
    let (report, _) = drive([], &mut engine, Drive::new(control), &mut |_: Event<'_>| ControlFlow::Continue(()))?;
    if let Some(error) = engine.error {
        return Err(error);
    }
    let cpu = engine.cpu_ns.1.saturating_sub(engine.cpu_ns.0);
    let memory = engine.memory_kib.1.saturating_sub(engine.memory_kib.0) * 1024;
    Ok(format!(
        "{sockets} sockets: {:.2} µs of processor time for each of {} datagrams, {} bytes of memory for each socket",
        cpu as f64 / report.delivered as f64 / 1000.0,
        report.delivered,
        memory / engine.sockets as u64,
    ))
}
