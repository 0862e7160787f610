//! `udp reflect`: answers measurements, and what watches and steers that.

mod keys;
#[cfg(feature = "http")]
mod metrics;
mod notices;
mod options;
mod watch;

#[cfg(not(feature = "http"))]
use crate::runtime::no_metrics as metrics;
use anyhow::Result;
use udpkit::verbs::Reflect;
use udpkit::{Drive, Interfaces, Memberships, Remote, drive};

use crate::args::ReflectArgs;
use crate::output::{NewsSink, Refusals, SharedPrinter};
use crate::runtime::exit::{Exit, finish, receiver_exit};
use crate::runtime::missing;
use crate::runtime::printing::check_format;
use crate::runtime::sockets::{buffer_of, listening};

/// Answers measurements until a signal, `--count` or `--for` ends it.
pub(crate) fn reflect(args: &ReflectArgs) -> Result<Exit> {
    check_format(&args.common)?;
    let interfaces = Interfaces::list().unwrap_or_default();
    let keys = keys::Source::of(args).read()?;
    let key_count = keys.len();
    let options = options::engine(args, keys);
    let socket_options = options::socket_options(args, &options);
    let listening = listening(&args.addresses, &args.common, &socket_options, None, &interfaces)?;
    let (buffer, places) = (buffer_of(&listening.sockets), listening.places());
    let printer = SharedPrinter::queued(options::settings(args, listening.ports()), &interfaces)?;
    let options = options.own(listening.addresses()).destinations(listening.destinations.clone());
    let mut engine = Reflect::new(options);
    let mut memberships = Memberships::new(listening.groups.clone(), args.common.interfaces.clone());
    memberships.update(&listening.sockets, &interfaces)?;
    let missing = missing::of(&listening.sockets, &notices::consequences(args), args.common.verbose);
    let (remote, control) = Remote::pair()?;
    let _metrics = watch::begin(args, &remote, &places, key_count, &printer, &interfaces)?;
    missing.iter().for_each(|missing| printer.lock().say(missing));
    let status = watch::status(args, &remote, &printer)?;
    let mut sink = NewsSink::new(&printer, args.common.verbose, Refusals::Counted);
    let driven = drive(listening.sockets, &mut engine, Drive::new(control).memberships(memberships), &mut sink);
    drop((status, sink));
    let (report, end) = driven?;
    let mut printer = printer.lock();
    printer.end(&notices::summary(&report, buffer));
    let exit = match report.own.answered {
        0 if report.own.reply_failed > 0 => Exit::Failed,
        answered => receiver_exit(&printer, &report, end, &args.common, answered),
    };
    finish(&printer, exit)
}
