//! A stream of payloads, from standard input or a file, read by a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use udpkit::{Figures, Remote};

use super::payload::{Cutter, Parts};
use crate::output;

/// Whether something in the input could not be sent, or nothing was in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct InputRefused(Arc<AtomicBool>);

impl InputRefused {
    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Feeds a stream, part by part, to the run, so often (`None`: without end) if it can be read again. A part over the limit
/// is reported, and not sent.
pub(crate) fn feed<F: Figures>(remote: Remote<Vec<u8>, F>, parts: &Parts, rounds: Option<u64>) -> InputRefused {
    let refused = InputRefused::default();
    let (flag, parts) = (refused.clone(), parts.clone());
    std::thread::spawn(move || {
        let rounds = if parts.source.is_repeatable() { rounds } else { Some(1) };
        let mut round = 0;
        while rounds.is_none_or(|rounds| round < rounds) && feed_once(&remote, &parts, &flag) {
            round += 1;
        }
        remote.end_input();
    });
    refused
}

/// Feeds a stream once; false if no more is to be read: also where nothing in it could be sent, or it would be read for ever.
fn feed_once<F>(remote: &Remote<Vec<u8>, F>, parts: &Parts, flag: &InputRefused) -> bool {
    let refuse = |error: &anyhow::Error| {
        output::error(error);
        flag.0.store(true, Ordering::Release);
    };
    let mut reader = match parts.source.open() {
        Ok(reader) => reader,
        Err(error) => {
            refuse(&error);
            return false;
        }
    };
    let mut cutter = Cutter::new(parts);
    let (mut is_empty, mut is_any_fed) = (true, false);
    loop {
        let part = match cutter.next(&mut reader) {
            Ok(Some(part)) => part,
            Ok(None) if is_empty => {
                refuse(&anyhow::anyhow!("nothing to send: {} is empty", parts.source));
                return false;
            }
            Ok(None) => return is_any_fed,
            Err(error) => Err(anyhow::anyhow!("cannot read {}: {}", parts.source, udpkit::reason(&error))),
        };
        is_empty = false;
        match part {
            Ok(payload) => {
                if !remote.input(payload) {
                    return false;
                }
                is_any_fed = true;
            }
            Err(error) => {
                refuse(&error);
                // Only what is too long is passed over.
                if error.downcast_ref::<crate::hint::Hint>().is_none() {
                    return false;
                }
            }
        }
    }
}
