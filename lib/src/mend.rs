//! Runs that outlast their sockets: one that breaks is opened again, and meanwhile the others go on.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::clock::now;
use crate::datagram::Transmit;
use crate::drive::{Account, Broken, Drive, End, Sink, report, run};
use crate::engine::{Engine, Outbox};
use crate::error::{Error, Result};
use crate::event::{Event, Report};
use crate::interface::{Changes, Interfaces};
use crate::options::Options;
use crate::socket::Socket;

/// The first and the longest wait before a socket that broke is opened again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

/// [`drive()`](crate::drive()), which goes on where a socket breaks (somebody destroyed it, or its address went): the others
/// are served, what is to leave by it fails, and it is opened again as soon as that is possible
/// ([`Event::Trouble`], [`Event::Reopened`]).
///
/// # Errors
///
/// A group cannot be joined anywhere at first.
pub fn drive_mending<E: Engine, S: Sink>(
    sockets: Vec<Socket>,
    engine: &mut E,
    mut drive: Drive,
    sink: &mut S,
) -> Result<(Report, End)> {
    drive.join(&sockets)?;
    let mut lasting = Lasting::new(sockets, engine, drive, sink);
    let end = lasting.go();
    Ok((lasting.report(), end))
}

/// A run and what it runs on.
pub(crate) struct Lasting<'a, E, S> {
    places: Vec<Place>,
    engine: &'a mut E,
    drive: Drive,
    account: Account,
    sink: &'a mut S,
    /// When something else broke last, and how long was waited then.
    broken: Option<(Instant, Duration)>,
}

/// A socket, or what to open in its place.
struct Place {
    local: SocketAddr,
    options: Options,
    socket: Option<Socket>,
    /// When it broke or was tried last, and how long was waited then.
    broken: Option<(Instant, Duration)>,
    /// Whether it was reported that it cannot be opened.
    reported: bool,
}

impl Place {
    fn new(socket: Socket) -> Self {
        let (local, options) = (socket.local_address(), socket.options().clone());
        Self { local, options, socket: Some(socket), broken: None, reported: false }
    }

    /// When it is to be opened, if it is closed.
    fn due(&self) -> Option<Instant> {
        let (when, pause) = self.broken.filter(|_| self.socket.is_none())?;
        Some(when + pause)
    }
}

/// The wait after one that did not help, or did not for long.
fn next_pause(broken: Option<(Instant, Duration)>) -> Duration {
    match broken {
        Some((when, pause)) if now().saturating_duration_since(when) < 2 * PAUSES.1 => (pause * 2).min(PAUSES.1),
        _ => PAUSES.0,
    }
}

impl<'a, E: Engine, S: Sink> Lasting<'a, E, S> {
    pub(crate) fn new(sockets: Vec<Socket>, engine: &'a mut E, drive: Drive, sink: &'a mut S) -> Self {
        let places = sockets.into_iter().map(Place::new).collect();
        Self { places, engine, drive, account: Account::new(), sink, broken: None }
    }

    /// Runs until the engine has finished, is stopped, or the sink wants no more.
    pub(crate) fn go(&mut self) -> End {
        let end = loop {
            let due = self.places.iter().filter_map(Place::due).min();
            let Self { places, engine, drive, account, sink, .. } = self;
            let going = match run(&open(places), *engine, drive, account, *sink, due) {
                Ok(Some(end)) => return end,
                Ok(None) => self.open_again(),
                Err(Broken { via: Some(via), error }) => self.close(via, &error),
                Err(Broken { via: None, error }) => self.pause(&error),
            };
            if let Err(end) = going {
                break end;
            }
        };
        let sink = (end != End::SinkClosed).then_some(&mut *self.sink);
        self.engine.finish(now(), &mut Farewell(sink));
        end
    }

    pub(crate) fn report(&self) -> Report {
        report(&open(&self.places), self.engine, &self.account)
    }

    /// Tells an event; an error where the sink wants no more.
    fn tell(&mut self, event: Event<'_>) -> std::result::Result<(), End> {
        match self.sink.event(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(End::SinkClosed),
        }
    }

    /// Closes a socket that broke; an error is how the run ends.
    fn close(&mut self, via: usize, error: &Error) -> std::result::Result<(), End> {
        let place = &mut self.places[via];
        if let Some(socket) = place.socket.take() {
            self.account.drops += socket.kernel_drops().unwrap_or(0);
        }
        place.broken = Some((now(), next_pause(place.broken)));
        place.reported = false;
        self.drive.memberships.forget(via);
        self.tell(Event::Trouble { error })
    }

    /// Opens the sockets whose time has come; an error is how the run ends.
    fn open_again(&mut self) -> std::result::Result<(), End> {
        for via in 0..self.places.len() {
            let place = &mut self.places[via];
            if place.due().is_none_or(|due| due > now()) {
                continue;
            }
            match Socket::bind(place.local, &place.options) {
                Ok(socket) => {
                    place.socket = Some(socket);
                    let local = place.local;
                    // Before it is said to be open.
                    let refused = self.join();
                    self.tell(Event::Reopened { local })?;
                    refused.iter().try_for_each(|error| self.tell(Event::Trouble { error }))?;
                }
                Err(error) => {
                    place.broken = Some((now(), next_pause(place.broken)));
                    let lasts = place.broken.is_some_and(|(_, pause)| pause == PAUSES.1);
                    if lasts && !std::mem::replace(&mut place.reported, true) {
                        self.tell(Event::Trouble { error: &error })?;
                    }
                }
            }
        }
        Ok(())
    }

    fn join(&mut self) -> Vec<Error> {
        let Self { places, drive, .. } = self;
        Interfaces::list()
            .map(|now| drive.memberships.keep_up(&open(places), &now, &Changes::default()))
            .unwrap_or_default()
    }

    /// Lets time pass after what is not the fault of a socket; an error is how the run ends.
    fn pause(&mut self, error: &Error) -> std::result::Result<(), End> {
        self.tell(Event::Trouble { error })?;
        let pause = next_pause(self.broken);
        self.broken = Some((now(), pause));
        let Self { places, engine, drive, account, .. } = self;
        if drive.control.pause(pause, || report(&open(places), *engine, account)) { Err(End::Stopped) } else { Ok(()) }
    }
}

fn open(places: &[Place]) -> Vec<Option<&Socket>> {
    places.iter().map(|place| place.socket.as_ref()).collect()
}

/// Where an engine puts what is left to say when a run ends between its parts. Nothing is sent.
struct Farewell<'a, S>(Option<&'a mut S>);

impl<S: Sink> Outbox for Farewell<'_, S> {
    fn send(&mut self, _via: usize, _transmit: &Transmit, _payload: &[u8]) {}

    fn emit(&mut self, event: Event<'_>) {
        if self.0.as_mut().is_some_and(|sink| sink.event(event).is_break()) {
            self.0 = None;
        }
    }
}
