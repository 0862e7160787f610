//! Standard input as a stream of payloads, read by a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use udpkit::{Input, Remote};

use super::payload::Parts;
use crate::output;

/// Whether something in the input could not be sent, or nothing was in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct InputRefused(Arc<AtomicBool>);

impl InputRefused {
    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Feeds what standard input holds, part by part, to the run. A part over the limit is told, and not sent.
pub(crate) fn feed(remote: Remote, delimiter: u8, limit: usize) -> InputRefused {
    let refused = InputRefused::default();
    let flag = refused.clone();
    std::thread::spawn(move || {
        let mut reader = std::io::stdin().lock();
        let mut parts = Parts::new(delimiter, limit);
        let refuse = |error: &anyhow::Error| {
            output::error(error);
            flag.0.store(true, Ordering::Release);
        };
        let mut is_empty = true;
        loop {
            let part = match parts.next(&mut reader) {
                Ok(Some(part)) => part,
                Ok(None) if is_empty => {
                    refuse(&anyhow::anyhow!("nothing to send: standard input is empty"));
                    break;
                }
                Ok(None) => break,
                Err(error) => Err(anyhow::anyhow!("cannot read standard input: {}", udpkit::reason(&error))),
            };
            is_empty = false;
            match part {
                Ok(payload) => {
                    if !remote.input(Input::Payload(payload)) {
                        return;
                    }
                }
                Err(error) => {
                    refuse(&error);
                    if error.downcast_ref::<crate::hint::Hint>().is_none() {
                        break;
                    }
                }
            }
        }
        remote.input(Input::End);
    });
    refused
}
