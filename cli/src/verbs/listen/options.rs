//! From the flags of `udp listen` to its sockets, its engine, its capture and its printer.

use std::sync::Arc;

use anyhow::Result;
use udpkit::verbs::{ListenOptions, PayloadMatch};
use udpkit::{Interfaces, Options};

use super::capture;
use super::queue::{FAST_LIMIT, LIMIT};
use crate::args::{CaptureArgs, ListenArgs};
use crate::hint::Hint;
use crate::output::{Printing, Settings};
use crate::runtime::output_file;
use crate::runtime::printing::{self, check_format};
use crate::runtime::sockets::{self, Listening};
use crate::tui;
use crate::words::format::Format;
use udpkit_capture::{CaptureFiles, Rotation, WriteOptions};

/// What sockets ask the system for: four times what others do, since a datagram that waits costs nothing here.
const RECEIVE_BUFFER: usize = 16 << 20;
/// The same where runs are received as one: millions a second, which last as long in no less.
const FAST_RECEIVE_BUFFER: usize = 64 << 20;

/// Whether datagrams are printed: not where they are written to a file, or counted in a table, instead.
pub(super) fn prints(args: &ListenArgs) -> bool {
    !args.tui && (args.capture.write.is_none() || args.capture.print)
}

/// How datagrams are printed; an error where they cannot be.
pub(super) fn printing(args: &ListenArgs) -> Result<Printing> {
    if args.tui {
        tui::check_terminal("without --tui, each datagram is a line")?;
    } else if prints(args) {
        check_format(&args.common)?;
    }
    printing::printing(&args.print, args.common.format())
}

/// What the printer must know.
pub(super) fn settings(args: &ListenArgs, printing: Printing, ports: Vec<u16>) -> Settings {
    Settings { printing, ..printing::settings(&args.common, ports) }
}

/// The options of its sockets.
pub(super) fn socket_options(args: &ListenArgs) -> Options {
    let buffer = if args.coalesce { FAST_RECEIVE_BUFFER } else { RECEIVE_BUFFER };
    sockets::socket_options(&args.common)
        .reuse_address(true)
        .timestamps(true)
        .hop_limits(true)
        .traffic_classes(true)
        .drops(true)
        .coalesce(args.coalesce)
        .receive_buffer(args.common.recv_buffer.unwrap_or(buffer))
}

/// What the engine is asked for.
pub(super) fn engine(args: &ListenArgs, listening: &Listening) -> ListenOptions {
    let matching = args.matching.clone();
    ListenOptions::default()
        .from(args.from.clone())
        .matching(matching.map(|regex| -> PayloadMatch { Arc::new(move |bytes| regex.is_match(bytes)) }))
        .interfaces(args.common.interfaces.clone())
        .destinations(listening.destinations.clone())
        .limits(args.common.limits())
}

/// Bytes of datagrams that may wait to be printed or written.
pub(super) fn queue_limit(args: &ListenArgs) -> usize {
    args.queue.unwrap_or(if args.coalesce { FAST_LIMIT } else { LIMIT })
}

/// The capture that is asked for, begun now.
pub(super) fn capture(args: &ListenArgs, interfaces: &Interfaces) -> Result<Option<CaptureFiles>> {
    let CaptureArgs { write, rotate, keep, .. } = &args.capture;
    let Some(path) = write else { return Ok(None) };
    let rotation = rotate.map(|limit| Rotation::new(limit, *keep));
    let prints = prints(args) || args.common.format() == Format::Json;
    if rotation.is_none() && prints && output_file::is_standard_output(path) {
        return Err(Hint::on(
            format!("the capture '{}' is standard output, where other lines go", path.display()),
            "leave out --print and --json, or name a file",
        ));
    }
    let application = concat!("udp ", env!("CARGO_PKG_VERSION"));
    let options = WriteOptions::default().application(application).interfaces(interfaces.clone());
    capture::create(path, rotation, options).map(Some)
}
