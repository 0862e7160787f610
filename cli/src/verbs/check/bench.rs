//! The bench of a check: its bounds, its log, and what was found so far.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use udpkit::ReceiveBatch;

use super::bounds::{Budget, Cut, now};
use super::log::Log;
use super::point::{Judged, Point, Verdict};
use super::report::{Counts, Row, Summary};
use crate::args::JudgeArgs;
use crate::output::{Remark, Settings, StdPrinter};
use crate::runtime::exit::{Exit, finish};
use crate::words::format::Format;
use crate::words::spelling::nearest;

/// Datagrams that are received at once.
const SLOTS: usize = 32;
/// Bytes that a datagram can have, and one more.
const SLOT_LEN: usize = 65_536;

/// Where a program is checked. Every datagram that is sent or received goes through it.
pub(super) struct Bench {
    pub(super) budget: Budget,
    pub(super) log: Log,
    /// What peers receive into.
    pub(super) batch: ReceiveBatch,
    /// Datagrams sent and received so far.
    sent: u64,
    pub(super) received: u64,
    /// Names of the points that are wanted; all where it is empty.
    only: Vec<String>,
    role: &'static str,
    verbose: bool,
    printer: StdPrinter,
    counts: Counts,
    interrupted: bool,
    begun: Instant,
}

impl Bench {
    /// A bench for programs of a role, which has these points.
    ///
    /// # Errors
    ///
    /// A point is asked for that there is not.
    pub(super) fn new(role: &'static str, points: &[&'static Point], args: &JudgeArgs) -> Result<Self> {
        for wanted in &args.only {
            let names: Vec<_> = points.iter().map(|point| point.name).collect();
            if !names.contains(&wanted.as_str()) {
                let like = nearest(wanted, names.iter().copied());
                let hint = like.map_or(String::new(), |like| format!(" (is it '{like}'?)"));
                bail!("there is no point '{wanted}'{hint}; the points are {}", names.join(", "));
            }
        }
        let format = if args.json { Format::Json } else { Format::Text };
        let printer = StdPrinter::std(Settings { quiet: args.quiet, at_once: true, ..Settings::plain(format) });
        Ok(Self {
            budget: Budget::new(args.duration)?,
            log: Log::new(),
            batch: ReceiveBatch::new(SLOTS, SLOT_LEN),
            sent: 0,
            received: 0,
            only: args.only.clone(),
            role,
            verbose: args.verbose,
            printer,
            counts: Counts::default(),
            interrupted: false,
            begun: now(),
        })
    }

    /// Whether this point was asked for.
    pub(super) fn wants(&self, point: &Point) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == point.name)
    }

    /// Waits until a datagram may leave, and counts it.
    pub(super) fn spend(&mut self) -> Result<(), Cut> {
        self.budget.spend()?;
        self.sent += 1;
        Ok(())
    }

    /// Waits this long.
    pub(super) fn pause(&self, duration: Duration) -> Result<(), Cut> {
        self.budget.wait_until(now() + duration)
    }

    /// Prints something beside the points.
    pub(super) fn say(&mut self, remark: &Remark) {
        self.printer.say(remark);
        self.printer.flush();
    }

    /// Begins the log of a point.
    pub(super) fn begin(&mut self) {
        self.log = Log::new();
    }

    /// Prints what became of a point, with the log since [`begin`](Self::begin), and counts it.
    pub(super) fn judge(&mut self, point: &'static Point, judged: Result<Judged, Cut>) -> Verdict {
        let judged = judged.unwrap_or_else(|cut| {
            self.interrupted |= matches!(cut, Cut::Interrupted);
            Judged::not_seen(cut.words())
        });
        self.counts.add(judged.verdict);
        self.printer.say(&Row::new(self.role, point, &judged, &self.log, self.verbose));
        self.printer.flush();
        judged.verdict
    }

    /// Prints the summary; the exit status.
    pub(super) fn finish(mut self) -> Result<Exit> {
        let elapsed = now().saturating_duration_since(self.begun);
        let Self { role, counts, sent, received, .. } = self;
        self.printer.conclude(&Summary::new(role, counts, sent, received, elapsed));
        finish(&self.printer, if self.interrupted { Exit::Interrupted } else { counts.exit() })
    }
}
