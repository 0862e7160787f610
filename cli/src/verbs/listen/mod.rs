//! `udp listen`: one thread receives and does nothing else, another prints and writes what came.

mod buffer;
mod capture;
mod ledger;
#[cfg(feature = "http")]
mod metrics;
mod notices;
mod options;
mod queue;
mod recorder;
mod system;
#[cfg_attr(not(feature = "tui"), path = "no_table.rs")]
mod table;
mod watch;

#[cfg(not(feature = "http"))]
use crate::runtime::no_metrics as metrics;
use anyhow::Result;
use udpkit::verbs::Listen;
use udpkit::{End, Interfaces, drive};

use crate::args::ListenArgs;
use crate::output::{self, MetricsServed, Remark, StdPrinter};
use crate::runtime::exit::{Exit, finish, receiver_exit};
use crate::runtime::sockets::{buffer_of, listening};
use crate::runtime::{missing, output_file};
use crate::tui::Tui;
use ledger::Ledger;
use queue::Queue;
use recorder::Recorder;
use system::SystemCounters;
use table::ListenSink;

/// Receives until a signal, `--count` or `--for` ends it.
pub(crate) fn listen(args: &ListenArgs) -> Result<Exit> {
    let printing = options::printing(args)?;
    let interfaces = Interfaces::list().unwrap_or_default();
    let socket_options = options::socket_options(args);
    let listening = listening(&args.addresses, &args.common, &socket_options, args.source, &interfaces)?;
    let capture = options::capture(args, &interfaces)?;
    let mut printer = StdPrinter::std(options::settings(args, printing, listening.ports()));
    printer.set_interfaces(&interfaces);
    let mut engine = Listen::new(options::engine(args, &listening));
    let (ready, remote) = watch::ready(&listening, args, &interfaces)?;
    let (system, buffer) = (SystemCounters::read(), buffer_of(&listening.sockets));
    let queue = Queue::new(options::queue_limit(args));
    let mut recorder = Recorder::new(printer, options::prints(args), capture, listening.ports());
    let metrics = watch::serve_metrics(args, &interfaces, &remote, &queue, &recorder)?;
    let printer = &mut recorder.printer;
    printer.say(&output::ListeningOn { addresses: &listening.places(), what: "listening" });
    notices::receive_buffer(&listening.sockets, &args.common).iter().for_each(|note| printer.say(note));
    let consequences = notices::consequences(args, &listening);
    missing::of(&listening.sockets, &consequences, args.common.verbose).iter().for_each(|missing| printer.say(missing));
    if !metrics.addresses().is_empty() {
        printer.say(&MetricsServed { addresses: metrics.addresses() });
    }
    printer.flush();
    let mut sink = ListenSink::new(queue.sink(args.common.verbose), args.capture.write.is_some());
    let open = || sink.open_table(&mut recorder, &listening, &interfaces, &remote);
    let tui = args.tui.then(open).transpose()?;
    let recording = recorder.start(&queue, remote)?;
    let driven = drive(listening.sockets, &mut engine, ready, &mut sink);
    queue.end();
    let is_stopped = matches!(driven, Ok((_, End::Stopped)));
    let mut recorder =
        recording.end(is_stopped && args.capture.write.as_deref().is_some_and(output_file::may_stall))?;
    for trouble in tui.map(Tui::finish).transpose()?.unwrap_or_default() {
        recorder.printer.say(&Remark::note(trouble));
    }
    sink.take_repeated().into_iter().for_each(|repeated| recorder.printer.absorb(repeated));
    let (report, end) = driven?;
    recorder.finish_capture(&report);
    let system = system.and_then(|before| Some(SystemCounters::read()?.since(before)));
    let ledger = Ledger::new(args, report, &queue, &recorder, buffer, system);
    recorder.printer.conclude(&ledger.summary());
    let end = if queue.is_closed() { End::SinkClosed } else { end };
    let exit = receiver_exit(&recorder.printer, &ledger.report, end, &args.common, ledger.report.delivered);
    finish(&recorder.printer, if recorder.has_failed() { Exit::Failed } else { exit })
}
