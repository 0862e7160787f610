//! How long a connection lives: a bounded time, or, where it carries a stream of events, as long as its client reads.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// The life of one connection. Each request carries that of its connection as an extension.
#[derive(Clone, Debug)]
pub(crate) struct Life(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    patience: Duration,
    /// When it is over.
    end: Mutex<Instant>,
    /// Those that may stay, of the whole server.
    places: Arc<Semaphore>,
    /// The place of this one, where it stays.
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Life {
    /// A life of this length from now on, of a server in which so many connections may stay.
    pub(super) fn new(patience: Duration, places: &Arc<Semaphore>) -> Self {
        let end = Mutex::new(Instant::now() + patience);
        Self(Arc::new(Inner { patience, end, places: Arc::clone(places), place: Mutex::new(None) }))
    }

    /// A life of a connection that no server serves.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn alone() -> Self {
        Self::new(Duration::ZERO, &Arc::new(Semaphore::new(1)))
    }

    /// Lets the connection stay for as long as it is [renewed](Self::renew); false where as many stay as may.
    #[must_use]
    pub(super) fn stay(&self) -> bool {
        let place = Arc::clone(&self.0.places).try_acquire_owned().ok();
        let has_place = place.is_some();
        if has_place {
            *self.0.place.lock() = place;
        }
        has_place
    }

    /// Whether it stays: it does not make room for others, who have places of their own.
    pub(super) fn stays(&self) -> bool {
        self.0.place.lock().is_some()
    }

    /// Begins anew, since the client has taken something.
    pub(super) fn renew(&self) {
        *self.0.end.lock() = Instant::now() + self.0.patience;
    }

    /// Does this until it is done, or until the life is over.
    pub(super) async fn spend(&self, work: impl Future<Output = ()>) {
        let (mut work, mut over) = (pin!(work), pin!(self.over()));
        let either = |cx: &mut Context<'_>| match work.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => over.as_mut().poll(cx),
        };
        poll_fn(either).await;
    }

    async fn over(&self) {
        loop {
            let end = *self.0.end.lock();
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }
}
