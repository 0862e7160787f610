//! `udp serve`: workers that answer, and what watches and steers them.

#[cfg(unix)]
mod commands;
#[cfg(unix)]
mod exec;
#[cfg(feature = "http")]
mod metrics;
mod notices;
mod options;
pub(crate) mod rules;
mod watch;
mod workers;

#[cfg(not(feature = "http"))]
use crate::runtime::no_metrics as metrics;
use std::sync::Arc;

use anyhow::Result;
use udpkit::verbs::ServeFigures;
use udpkit::{Interfaces, Memberships, Server};

use crate::args::ServeArgs;
use crate::output::SharedPrinter;
use crate::runtime::descriptors;
use crate::runtime::exit::{Exit, finish, receiver_exit};
use crate::runtime::printing::check_format;
use crate::runtime::sockets::{buffer_of, handed_over, listening};
use crate::runtime::{missing, status};
use workers::Sinks;

/// Runs the server until a signal, `--count` or `--for` ends it.
pub(crate) fn serve(args: &ServeArgs) -> Result<Exit> {
    check_format(&args.common)?;
    let answer = options::answer(args)?;
    // Where a sandbox forbids to ask for interfaces, those that are named are not found, and the rest works.
    let interfaces = Interfaces::list().unwrap_or_default();
    let socket_options = options::socket_options(args, &answer);
    let listening = match handed_over(&args.addresses, &args.common, &socket_options)? {
        Some(handed_over) => handed_over,
        None => listening(&args.addresses, &args.common, &socket_options, None, &interfaces)?,
    };
    let (buffer, places) = (buffer_of(&listening.sockets), listening.places());
    let settings = options::settings(args, listening.ports());
    let printer = SharedPrinter::queued(settings, &interfaces)?;
    let engine = options::engine(args, answer, &listening);
    let memberships = Memberships::new(listening.groups.clone(), args.common.interfaces.clone());
    let sinks = Sinks::new(args, &printer, &listening, &interfaces)?;
    let workers = options::workers(args, &listening);
    let consequences = notices::consequences(args, &listening);
    let missing = missing::of(&listening.sockets, &consequences, args.common.verbose);
    descriptors::reserve((listening.sockets.len() * workers.saturating_sub(1)) as u64);
    // Whatever the workers have to say, they say it after what is told here.
    let mut told = printer.lock();
    let launched = Server::launch(listening.sockets, engine, memberships, workers, |_, remote| sinks.of_worker(remote));
    let server = Arc::new(launched?);
    let begun = watch::begin(args, &server, &places, &printer, &interfaces, &mut told);
    missing.iter().for_each(|missing| told.say(missing));
    told.flush();
    // Workers wait for it, even to end.
    drop(told);
    let _metrics = begun?;
    let end = watch::watch(&server, &printer, status::interval(args.status, &args.common));
    let report = server.stop();
    let mut printer = printer.lock();
    printer.end(&notices::summary(&report, buffer));
    let ServeFigures { answered, reply_failed, sunk, .. } = report.own;
    let exit = match answered {
        0 if reply_failed > 0 => Exit::Failed,
        _ => receiver_exit(&printer, &report, end, &args.common, answered + sunk),
    };
    finish(&printer, exit)
}
