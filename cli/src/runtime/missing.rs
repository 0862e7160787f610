//! What this system refuses to sockets: reported once, a line for each kind.

use serde::Serialize;
use udpkit::{Capability, Socket};

use crate::args::CommonArgs;
use crate::output::{Notice, StdPrinter};

/// What sockets were asked for and do not have.
#[derive(Serialize)]
pub(crate) struct Missing {
    capability: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    consequence: Option<&'static str>,
    #[serde(skip)]
    words: String,
}

impl Missing {
    fn new(capability: Capability, consequence: Option<&'static str>) -> Self {
        let name = if cfg!(target_os = "linux") { format!(" ({})", capability.linux_name()) } else { String::new() };
        let mut words = format!("not available here{name}: {capability}");
        if let Some(consequence) = consequence {
            words += &format!("; {consequence}");
        }
        Self { capability: capability.key(), consequence, words }
    }
}

impl Notice for Missing {
    fn kind(&self) -> Option<&'static str> {
        Some("missing")
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn words(&self) -> Vec<String> {
        vec![self.words.clone()]
    }
}

/// A capability, and what changes of what is printed or promised where it is missing.
pub(crate) type Consequence = (Capability, &'static str);

/// What these sockets were asked for and do not have: what has consequences, with those; with `verbose`, the rest as well.
pub(crate) fn of(sockets: &[Socket], consequences: &[Consequence], verbose: bool) -> Vec<Missing> {
    let consequence = |one| consequences.iter().find(|(other, _)| *other == one).map(|(_, words)| *words);
    let of_any: Vec<_> = sockets.iter().flat_map(Socket::missing).collect();
    let missing = Capability::ALL.iter().copied().filter(|one| of_any.contains(one));
    let reported =
        missing.map(|one| (one, consequence(one))).filter(|(_, consequence)| verbose || consequence.is_some());
    reported.map(|(one, consequence)| Missing::new(one, consequence)).collect()
}

/// Reports what the sockets of a verb that sends requests were asked for and do not have.
pub(crate) fn report_of_requests(printer: &mut StdPrinter, sockets: &[Socket], waits: bool, common: &CommonArgs) {
    of(sockets, &of_requests(waits, common), common.verbose).iter().for_each(|missing| printer.say(missing));
}

/// Whether one of these sockets was asked for this and does not have it.
pub(crate) fn is_missing(sockets: &[Socket], capability: Capability) -> bool {
    sockets.iter().any(|socket| socket.missing().any(|missing| missing == capability))
}

/// The consequences where answers are waited for, and those of flags that every verb has.
pub(crate) fn of_requests(waits: bool, common: &CommonArgs) -> Vec<Consequence> {
    let mut all = of_flags(common);
    if waits {
        all.push((Capability::Timestamps, "round-trip times end when the answer is read"));
        all.push((Capability::Errors, "what is refused looks like what is lost"));
    }
    all
}

/// The consequences for flags that every verb has.
pub(crate) fn of_flags(common: &CommonArgs) -> Vec<Consequence> {
    let buffer = (Capability::ReceiveBuffer, "--recv-buffer does nothing");
    common.recv_buffer.map(|_| buffer).into_iter().collect()
}
