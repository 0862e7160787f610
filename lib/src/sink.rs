//! What takes what a run has to say.

use std::ops::ControlFlow;

use crate::event::Event;

/// Takes what a run has to say. Programs implement it: later versions add nothing that has no default.
///
/// ```
/// use std::ops::ControlFlow;
/// use udpkit::Sink;
/// use udpkit::event::Event;
///
/// /// Counts answers, and wants no more than ten.
/// struct Ten(u32);
///
/// impl Sink for Ten {
///     fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
///         self.0 += u32::from(matches!(event, Event::Reply(_)));
///         if self.0 < 10 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
///     }
/// }
/// ```
pub trait Sink {
    /// Takes an event; `Break` ends the run.
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()>;

    /// All that the engine has sent until now was handed to the system, and what could not be was reported
    /// ([`Event::SendFailed`]).
    fn settled(&mut self) {}

    /// Nothing more has arrived: what is buffered may be written now.
    fn idle(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<F: FnMut(Event<'_>) -> ControlFlow<()>> Sink for F {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        self(event)
    }
}
