//! Notices: everything that is printed besides datagrams.

use serde::Serialize;

/// Something to say besides datagrams. Its fields are those of its object in JSON.
pub(crate) trait Notice: Serialize {
    /// The `type` of its object in JSON; `None` where JSON does not have it.
    fn kind(&self) -> Option<&'static str>;

    /// Its words for people, a line each; whatever names stand in them, they cannot steer a terminal.
    fn words(&self) -> Vec<String>;

    /// Whom it is for.
    fn tone(&self) -> Tone {
        Tone::Note
    }

    /// What to do about it.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Whom a notice is for, in the formats that are not JSON. An object in JSON is data, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// For whoever asked for it: on standard output.
    Data,
    /// For people who watch: on standard error, unless they want quiet.
    Note,
    /// For people who wait: as a note, but on a terminal the next one takes its place.
    Status,
    /// For people who must know what went wrong: on standard error, quiet or not.
    Complaint,
}

/// Words for people who watch; JSON does not have them.
#[derive(Serialize)]
pub(crate) struct Note(pub(crate) String);

impl Notice for Note {
    fn kind(&self) -> Option<&'static str> {
        None
    }

    fn words(&self) -> Vec<String> {
        vec![self.0.clone()]
    }
}

/// Words for people who must know what went wrong; JSON does not have them.
#[derive(Serialize)]
pub(crate) struct Complaint(pub(crate) String);

impl Notice for Complaint {
    fn kind(&self) -> Option<&'static str> {
        None
    }

    fn words(&self) -> Vec<String> {
        vec![self.0.clone()]
    }

    fn tone(&self) -> Tone {
        Tone::Complaint
    }
}

/// Words for people who wait; JSON does not have them.
#[derive(Serialize)]
pub(crate) struct StatusLine(pub(crate) String);

impl Notice for StatusLine {
    fn kind(&self) -> Option<&'static str> {
        None
    }

    fn words(&self) -> Vec<String> {
        vec![self.0.clone()]
    }

    fn tone(&self) -> Tone {
        Tone::Status
    }
}
