//! A sink that prints what is news, and counts what repeats.

use std::ops::ControlFlow;

use udpkit::{Event, Sink};

use super::news::{News, Refusals, Repeated};
use super::notice::Notice;
use super::shared::SharedPrinter;

/// Prints what is news of a run whose printer is shared; at its end, what was only counted until then.
pub(crate) struct NewsSink {
    printer: SharedPrinter,
    /// Which of several targets the run is about.
    subject: Option<String>,
    news: News,
    /// Whether something was printed that may not be written yet.
    has_printed: bool,
}

impl NewsSink {
    pub(crate) fn new(printer: &SharedPrinter, verbose: bool, refusals: Refusals) -> Self {
        Self { printer: printer.clone(), subject: None, news: News::new(verbose, refusals), has_printed: false }
    }

    /// The same for a run about one of several targets, whose name is then in what is printed.
    pub(crate) fn about(mut self, subject: Option<&str>) -> Self {
        self.subject = subject.map(str::to_owned);
        self
    }

    /// Prints what the verb has to say of an event.
    pub(crate) fn say(&mut self, notice: &impl Notice) -> ControlFlow<()> {
        self.has_printed = true;
        self.printer.lock().say_bounded(notice)
    }
}

impl Sink for NewsSink {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        let passes = self.news.passes(&event);
        let repeated = self.news.take_due();
        if !passes && repeated.is_empty() {
            return ControlFlow::Continue(());
        }
        self.has_printed = true;
        absorb(&self.printer, repeated);
        if passes { self.printer.lock().event_about(self.subject.as_deref(), event) } else { ControlFlow::Continue(()) }
    }

    /// The printer is waited for only where it has something from here.
    fn idle(&mut self) -> ControlFlow<()> {
        if !std::mem::take(&mut self.has_printed) {
            return ControlFlow::Continue(());
        }
        self.printer.lock().idle()
    }
}

impl Drop for NewsSink {
    fn drop(&mut self) {
        absorb(&self.printer, self.news.take_all());
    }
}

fn absorb(printer: &SharedPrinter, repeated: Vec<Repeated>) {
    if !repeated.is_empty() {
        let mut printer = printer.lock();
        repeated.into_iter().for_each(|repeated| printer.absorb(repeated));
    }
}
