//! `udp relay`: forwards datagrams through a network as bad as was asked for, and what watches and steers that.

mod asked;
mod command;
#[cfg(feature = "http")]
mod control;
mod explain;
#[cfg(feature = "http")]
mod metrics;
mod notices;
mod options;
#[cfg_attr(not(feature = "http"), path = "no_http.rs")]
mod over_http;
#[cfg(feature = "http")]
mod page;
mod reload;
pub(crate) mod scenario;
#[cfg_attr(not(feature = "tui"), path = "no_table.rs")]
mod table;
mod target;
mod truth;
mod watch;
#[cfg(feature = "http")]
mod written;

use std::sync::Arc;

use anyhow::Result;
use udpkit::{Interfaces, Memberships, Relay};

use crate::args::RelayArgs;
use crate::output::SharedPrinter;
use crate::runtime::exit::{Exit, finish, receiver_exit};
use crate::runtime::missing;
use crate::runtime::sockets::{buffer_of, listening};
use asked::{Asked, Changes};
use notices::{Ending, Relaying};

/// Relays until a signal, `--count` or `--for` ends it.
pub(crate) fn relay(args: &RelayArgs) -> Result<Exit> {
    options::check(args)?;
    if !args.explain.is_empty() {
        return explain::explain(args);
    }
    let interfaces = Interfaces::list().unwrap_or_default();
    let (source, plan) = scenario::of(args)?;
    let options = options::relay(args, &plan, &interfaces)?;
    let socket_options = options::socket_options(args, &options);
    let listening = listening(std::slice::from_ref(&args.listen), &args.common, &socket_options, None, &interfaces)?;
    let (receive_buffer, places) = (buffer_of(&listening.sockets), listening.places());
    let printer = SharedPrinter::queued(options::settings(args, listening.ports()), &interfaces)?;
    let missing = missing::of(&listening.sockets, &notices::consequences(args), args.common.verbose);
    let memberships = Memberships::new(listening.groups.clone(), args.common.interfaces.clone());
    let (target, seed, asked, changes) = (options.target, options.seed, Asked::of(&options), Changes::default());
    let (current, command) = (target::Current::new(target), command::again(args, seed));
    let (tap, over_http) = over_http::prepare(args, &options, &interfaces)?;
    let truth = truth::Truth::of(args, &options, &places, &command, &printer)?;
    let has_watchers = args.tui || tap.is_some() || truth.is_some();
    let options = options.destinations(listening.destinations.clone()).report_fates(has_watchers);
    let screen = args.tui.then(|| table::Screen::new(&options, &places, &current, &printer));
    let sink = watch::sink(args, &printer, tap, truth.as_ref(), &changes).on(screen.as_ref());
    // Whatever the relay has to say, it says it after what is said here.
    let mut first = printer.lock();
    notices::fewer_peers(options.most_peers, args).iter().for_each(|fewer| first.say(fewer));
    let relay = Arc::new(Relay::launch(listening.sockets, options, memberships, sink)?);
    missing.iter().for_each(|missing| first.say(missing));
    watch::begin(&relay, &Relaying::new(&places, target, seed, &plan), source, &printer, &mut first)?;
    let _following = target::follow(args, &relay, &current, &printer)?;
    let _serving = over_http.serve(&relay, &places, current, seed, &mut first)?;
    first.flush();
    drop(first);
    let end = watch::watch(&relay, &printer, options::status_interval(args), screen)?;
    let report = relay.stop();
    let truth = truth.map(|truth| truth.finish(&printer));
    let mut printer = printer.lock();
    let ending = Ending { asked: &asked, changes: &changes, seed, command, truth: truth.as_ref(), receive_buffer };
    printer.end(&notices::summary(&report, &ending));
    let exit = receiver_exit(&printer, &report, end, &args.common, report.own.up.received.datagrams);
    finish(&printer, if truth.is_some_and(|truth| truth.has_failed) { Exit::Failed } else { exit })
}
