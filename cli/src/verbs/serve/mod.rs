//! `udp serve`: workers that answer, and what watches and steers them.

#[cfg(unix)]
pub(crate) mod commands;
#[cfg(unix)]
pub(crate) mod exec;
pub(crate) mod metrics;
mod options;
pub(crate) mod rules;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use udpkit::verbs::ServeOptions;
use udpkit::{End, Event, Interfaces, Memberships, Remote, Report, Server, Sink};

use crate::args::ServeArgs;
use crate::output::{self, News, Settings, Status, StdPrinter};
use crate::runtime::exit::Exit;
use crate::runtime::exit::{finish, receiver_exit};
use crate::runtime::printing::check_format;
use crate::runtime::signals;
use crate::runtime::sockets::{buffer_of, listening};
use crate::words::format::Format;
#[cfg(unix)]
use commands::WorkerCommands;
use metrics::Metrics;

/// The state is told as often as this on a terminal.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// How long the end is waited for where no state is told; then it is waited for again.
const LONG: Duration = Duration::from_secs(3600);

pub(crate) fn serve(args: &ServeArgs) -> Result<Exit> {
    check_format(&args.common)?;
    options::check_reply(args)?;
    let answer = options::answer(args)?;
    // Where a sandbox forbids to ask for interfaces, those that are named are not found, and the rest works.
    let interfaces = Interfaces::list().unwrap_or_default();
    let socket_options = options::socket_options(args, &answer);
    let listening = listening(&args.addresses, &args.common, &socket_options, None, &interfaces)?;
    let (addresses, buffer) = (listening.addresses(), buffer_of(&listening.sockets));
    let settings = Settings { bounded: true, ..Settings::new(&args.common, listening.ports()) };
    let printer = Shared::new(StdPrinter::std(settings), &interfaces);
    let options = ServeOptions {
        conduct: options::conduct(&args.conduct, args.sending.ttl),
        interfaces: args.common.interfaces.clone(),
        destinations: listening.destinations.clone(),
        limits: args.common.limits(),
        verbose: args.common.verbose,
        ..ServeOptions::new(answer, addresses.clone())
    };
    let memberships = Memberships::new(listening.groups.clone(), args.common.interfaces.clone());
    #[cfg(unix)]
    let commands = args.exec.commands(&printer, listening.ports())?;
    // Whatever the workers have to say, they say it after what is told here.
    let mut told = printer.lock();
    let launched = Server::launch(listening.sockets, options, memberships, options::workers(args)?, |_, remote| {
        #[cfg(not(unix))]
        let _ = remote;
        WorkerSink {
            printer: printer.clone(),
            news: News::default(),
            verbose: args.common.verbose,
            told: false,
            #[cfg(unix)]
            commands: commands.as_ref().map(|commands| commands.for_worker(remote, &interfaces)),
        }
    });
    let server = Arc::new(launched?);
    let begun = begin(args, &server, &printer, &interfaces, &mut told);
    // Workers wait for it, even to end.
    drop(told);
    let _metrics = begun?;
    let end = watch(&server, &printer, args.status_interval());
    let report = server.stop();
    let mut printer = printer.lock();
    printer.summary(&report, |out, report| output::receiver_summary(out, report, buffer));
    finish(&printer, receiver_exit(&report, end, &args.common, report.answered + report.sunk))
}

/// Hears signals and serves metrics, and then tells that it serves: whoever is told may send to it, or end it, at once.
fn begin(
    args: &ServeArgs,
    server: &Arc<Server>,
    printer: &Shared,
    interfaces: &Interfaces,
    told: &mut StdPrinter,
) -> Result<Metrics> {
    let hangup = args.rules.clone().map(|file| reload(server, printer, file)).transpose()?;
    signals::handle(stop(server), hangup)?;
    let addresses = options::metrics_addresses(args, interfaces)?;
    let watched = Arc::clone(server);
    let metrics = metrics::serve(&addresses, move || watched.report())?;
    told.listening("serving", server.addresses());
    told.metrics(metrics.addresses());
    told.flush();
    Ok(metrics)
}

/// Waits for the end, and tells the state meanwhile.
fn watch(server: &Server, printer: &Shared, interval: Option<Duration>) -> End {
    let mut before = Report::default();
    loop {
        if let Some(end) = server.wait(interval.unwrap_or(LONG)) {
            return end;
        }
        if interval.is_some() {
            let now = server.report();
            printer.lock().status(&Status { before: &before, now: &now });
            before = now;
        }
    }
}

/// Stops all workers.
fn stop(server: &Server) -> impl Fn() + Send + use<> {
    let remotes: Vec<Remote> = server.remotes().cloned().collect();
    move || remotes.iter().for_each(Remote::stop)
}

/// Reads the rules again whenever what is returned is called; where they hold a mistake, the old ones stay.
///
/// It is done in a thread of its own, which may have to wait: for a file that is a pipe, or a reader that stalls.
fn reload(server: &Arc<Server>, printer: &Shared, file: PathBuf) -> Result<impl Fn() + Send + use<>> {
    let (server, printer) = (Arc::clone(server), printer.clone());
    // Once more is enough, however often it is asked for meanwhile.
    let (ask, asked) = sync_channel(1);
    let read = move || {
        for () in asked {
            match rules::read(&file) {
                Ok(rules) => {
                    let count = rules.len();
                    server.set_answer(rules);
                    printer.lock().rules(count);
                }
                Err(error) => printer.lock().complain(&format!("the old rules stay: {}", output::words_of(&error))),
            }
        }
    };
    std::thread::Builder::new().spawn(read).context("cannot start a thread for rules")?;
    Ok(move || {
        let _ = ask.try_send(());
    })
}

impl ServeArgs {
    /// How often the state is told, if at all.
    fn status_interval(&self) -> Option<Duration> {
        use std::io::IsTerminal;
        let lines = self.common.verbose || self.common.format() == Format::Json;
        let watched = std::io::stderr().is_terminal() && !lines;
        match self.status {
            _ if self.common.quiet => None,
            Some(interval) if interval.is_zero() => None,
            None => watched.then_some(STATUS_INTERVAL),
            given => given,
        }
    }
}

/// The printer of all workers.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<StdPrinter>>);

impl Shared {
    pub(crate) fn new(mut printer: StdPrinter, interfaces: &Interfaces) -> Self {
        printer.set_interfaces(interfaces);
        Self(Arc::new(Mutex::new(printer)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, StdPrinter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the events of a worker. What will not be told is dropped here, so that workers do not wait for one another.
struct WorkerSink {
    printer: Shared,
    news: News,
    verbose: bool,
    /// Whether something was told that may not be written yet.
    told: bool,
    #[cfg(unix)]
    commands: Option<WorkerCommands>,
}

impl Sink for WorkerSink {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        #[cfg(unix)]
        if self.commands.as_mut().is_some_and(|commands| commands.take(&event)) {
            return ControlFlow::Continue(());
        }
        if !self.news.passes(&event, self.verbose) {
            return ControlFlow::Continue(());
        }
        self.told = true;
        self.printer.lock().event(event)
    }

    fn idle(&mut self) -> ControlFlow<()> {
        if !std::mem::take(&mut self.told) {
            return ControlFlow::Continue(());
        }
        self.printer.lock().idle()
    }
}
