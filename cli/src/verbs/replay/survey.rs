//! What a capture holds: read through before anything is sent.

use std::collections::BTreeSet;
use std::fs::File;
use std::time::Duration;

use udpkit::verbs::{Keeps, Preview, Reading, ReplayOptions, Sources};

use super::origin::supply;
use super::reading::Context;
use super::tally::Tally;

/// Sockets of a run: of more sources, some share one.
pub(super) const MAX_SOCKETS: usize = 256;
/// Ports that are named where the one asked for is none of them.
const MAX_PORTS: usize = 8;
/// Datagrams between two looks at the time and whether to stop.
const LOOK: u64 = 1 << 14;

/// What a file was found to hold before anything is sent.
pub(super) struct Survey {
    /// With a place for each, up to a bound.
    pub(super) sources: Sources,
    /// What its times are like.
    pub(super) preview: Preview,
    /// Datagrams to be sent in a round.
    pub(super) datagrams: u64,
    /// Some of the ports to which datagrams went, whether they are to be sent or not: the lowest.
    pub(super) ports: BTreeSet<u16>,
    /// What became of everything.
    pub(super) tally: Tally,
    /// Why it could not be read to its end.
    pub(super) error: Option<udpkit::Error>,
}

/// Reads files through: to their end, or as many datagrams as are to be sent, or to where it cannot be read any more. Looks
/// around now and then.
pub(super) fn survey(
    files: &[File],
    context: &Context,
    options: &ReplayOptions,
    mut look: impl FnMut(),
) -> udpkit::Result<Survey> {
    let most = options.limits.count.unwrap_or(u64::MAX);
    let mut supply = supply(files, context.reading, &context.stop).map_err(|error| context.error(error))?;
    let mut sources = if options.keeps == Keeps::Destination {
        Sources::by_family(MAX_SOCKETS, MAX_SOCKETS)
    } else {
        Sources::new(MAX_SOCKETS)
    };
    let mut preview = Preview::new(options);
    let (mut read, mut datagrams, mut ports, mut tally, mut error) = (0, 0, BTreeSet::new(), Tally::default(), None);
    while datagrams < most {
        let next = supply.next(Duration::ZERO, |datagram, _| {
            ports.insert(datagram.destination.port());
            if ports.len() > MAX_PORTS {
                ports.pop_last();
            }
            match context.selection.leaves_out(datagram) {
                Some(why) => tally.leave_out(why),
                None => {
                    tally.offload.add(datagram);
                    sources.via(datagram.source);
                    for length in context.selection.lengths(datagram) {
                        datagrams += 1;
                        preview.add(datagram.time, length);
                    }
                }
            }
        });
        match next {
            Ok(Reading::Ready(())) => read += 1,
            Ok(Reading::NotYet | Reading::End) => break,
            Err(broken) => {
                error = Some(context.error((supply.culprit(), broken)));
                break;
            }
        }
        if read % LOOK == 0 {
            look();
            if context.is_stopped() {
                break;
            }
        }
    }
    tally.readings = 1;
    tally.counts = supply.counts();
    Ok(Survey { sources, preview, datagrams, ports, tally, error })
}
