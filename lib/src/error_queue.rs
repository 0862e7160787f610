//! What the system reports of datagrams that a socket sent: the error queue.

use crate::feedback::Feedback;
use crate::send_times::SendTimes;
use crate::socket::{Socket, canonical};
use crate::sys::{native, poll};
use crate::unreachable::Unreachable;

impl Socket {
    /// Empties the error queue: which of our datagrams were refused, by whom. At most 64 a call.
    ///
    /// Nothing is ever reported unless [`Options::errors`] was set and the system can. Send times that wait between refusals are
    /// thrown away: who asked for both reads [`feedback`](Self::feedback).
    ///
    /// [`Options::errors`]: crate::Options::errors
    pub fn errors(&self, mut report: impl FnMut(Unreachable)) {
        self.feedback(|feedback| match feedback {
            Feedback::Refused(unreachable) => report(unreachable),
            Feedback::Sent(_) => {}
        });
    }

    /// Reads the error queue: which of our datagrams were refused ([`Options::errors`]), and when others left
    /// ([`Options::send_timestamps`]), in the order in which the system learned of it. At most 64 reports a call; never waits.
    ///
    /// Reports that nobody reads occupy the receive buffer. A call to [`receive`](Self::receive) returns early for their sake.
    ///
    /// [`Options::errors`]: crate::Options::errors
    /// [`Options::send_timestamps`]: crate::Options::send_timestamps
    ///
    /// ```
    /// use udpkit::{Feedback, Options, Socket};
    ///
    /// # fn main() -> udpkit::Result<()> {
    /// let options = Options::default().errors(true).send_timestamps(true).singly(true);
    /// let socket = Socket::bind("127.0.0.1:0".parse().unwrap(), &options)?;
    /// socket.send_to(b"when did it leave?", socket.local_address())?;
    /// socket.feedback(|feedback| match feedback {
    ///     Feedback::Sent(sent) => assert_eq!((sent.place, sent.count), (0, 1)),
    ///     Feedback::Refused(unreachable) => panic!("{unreachable:?}"),
    ///     _ => {}
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn feedback(&self, mut report: impl FnMut(Feedback)) {
        if self.has_feedback() {
            native::feedback(&self.inner, self.times.as_deref(), &mut |feedback| {
                report(match feedback {
                    Feedback::Refused(refused) => Feedback::Refused(Unreachable {
                        destination: canonical(refused.destination),
                        reporter: refused.reporter.map(|ip| ip.to_canonical()),
                        ..refused
                    }),
                    sent @ Feedback::Sent(_) => sent,
                });
            });
        }
    }

    /// Discards reports that only the previous owner of an adopted socket asked for: nobody reads them, and they would end each wait
    /// at once.
    pub(crate) fn discard_reports(&self) {
        if !self.has_feedback() {
            native::feedback(&self.inner, None, &mut |_| {});
        }
    }

    /// How many datagrams were handed to the socket; counted only where it tells when they leave.
    pub(crate) fn handed_over(&self) -> u64 {
        self.times.as_deref().map_or(0, SendTimes::sent)
    }

    /// Whether anything can be in the error queue.
    pub(crate) fn has_feedback(&self) -> bool {
        self.capabilities.errors || self.capabilities.send_timestamps
    }

    /// Whether [`feedback`](Self::feedback) has something to report.
    pub(crate) fn has_reports(&self) -> bool {
        self.has_feedback() && poll::failed(&self.inner)
    }
}
