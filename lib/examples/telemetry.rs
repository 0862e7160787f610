//! A receiver of telemetry that proves what it lost: sensors number their readings, so each one ends in exactly one count.
//!
//! A reading is the sensor's number (4 octets), its own number (8 octets), both big-endian, and what was measured. Run it with
//! `cargo run --example telemetry`, and send it readings 0, 1 and 3 of sensor 7:
//! `for n in 0 1 3; do udp send 127.0.0.1:10000 --hex "00000007 000000000000000$n 2a" --wait 0; done`

#![expect(clippy::print_stdout, reason = "an example that prints")]

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use udpkit::{Arrival, Arrivals, Options, ReceiveBatch, Socket, Wait};

/// Sensors that are told apart; whoever invents more of them takes no more memory.
const MOST_SENSORS: usize = 10_000;
/// How far a reading may be ahead of the one before: a day without a word at ten a second.
const MOST_AHEAD: u64 = 864_000;

/// What became of all readings.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    sensors: BTreeMap<u32, Arrivals>,
    /// Datagrams that are no reading, and readings that cannot be: of a sensor too many, or too far ahead.
    pub(crate) malformed: u64,
    pub(crate) implausible: u64,
}

impl Ledger {
    /// Counts a datagram; returns the sensor and what was measured, unless that was counted before.
    pub(crate) fn add<'a>(&mut self, payload: &'a [u8]) -> Option<(u32, &'a [u8])> {
        let Some((sensor, number, reading)) = parts(payload) else {
            self.malformed += 1;
            return None;
        };
        let is_known = self.sensors.contains_key(&sensor);
        let ahead = self.sensors.get(&sensor).map_or(0, |arrivals| number.saturating_sub(arrivals.next_expected()));
        if ahead > MOST_AHEAD || !is_known && (number > MOST_AHEAD || self.sensors.len() == MOST_SENSORS) {
            self.implausible += 1;
            return None;
        }
        let arrivals = self.sensors.entry(sensor).or_insert_with(|| Arrivals::with_window(4_096));
        let is_new = matches!(arrivals.add(number), Arrival::InOrder | Arrival::Reordered);
        is_new.then_some((sensor, reading))
    }

    /// Readings of a sensor that did not come so far, of those up to the last that did.
    pub(crate) fn missing(&self, sensor: u32) -> u64 {
        self.sensors.get(&sensor).map_or(0, |arrivals| arrivals.next_expected() - arrivals.distinct())
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (sensor, arrivals) in &self.sensors {
            let (distinct, missing) = (arrivals.distinct(), self.missing(*sensor));
            let (twice, late) = (arrivals.duplicates(), arrivals.reordered());
            writeln!(f, "sensor {sensor}: {distinct} readings, {missing} missing, {twice} came again, {late} late")?;
        }
        let Self { malformed, implausible, .. } = self;
        write!(f, "{malformed} datagrams were no readings, {implausible} cannot be true")
    }
}

/// The sensor, the number of the reading, and what was measured.
fn parts(payload: &[u8]) -> Option<(u32, u64, &[u8])> {
    let (sensor, rest) = payload.split_first_chunk()?;
    let (number, reading) = rest.split_first_chunk()?;
    Some((u32::from_be_bytes(*sensor), u64::from_be_bytes(*number), reading))
}

/// Counts what comes until nothing does for so long; returns how many datagrams that were.
pub(crate) fn receive(socket: &Socket, ledger: &mut Ledger, patience: Duration) -> udpkit::Result<u64> {
    let (mut batch, mut count) = (ReceiveBatch::default(), 0);
    while socket.receive(&mut batch, Wait::For(patience))? > 0 {
        for datagram in batch.datagrams() {
            // A program would store the reading, of which it can be sure that it has it once.
            let _reading = ledger.add(datagram.payload);
            count += 1;
        }
    }
    Ok(count)
}

pub(crate) fn main() -> udpkit::Result<()> {
    // What does not fit in the buffer is dropped here, not in the network, and the kernel counts it.
    let options = Options::default().drops(true).receive_buffer(4 << 20);
    let socket = Socket::bind(([0, 0, 0, 0], 10000).into(), &options)?;
    let mut ledger = Ledger::default();
    loop {
        if receive(&socket, &mut ledger, Duration::from_secs(1))? > 0 {
            println!(
                "{ledger}; {} of the missing ones were dropped at this socket",
                socket.kernel_drops().unwrap_or(0)
            );
        }
    }
}
