//! Notices: everything that is printed besides datagrams.

use serde::Serialize;

/// Something to say besides datagrams. Its fields are those of its object in JSON.
pub(crate) trait Notice: Serialize {
    /// The `type` of its object in JSON; `None` where JSON does not have it.
    fn kind(&self) -> Option<&'static str>;

    /// Its words for people, a line each; whatever names stand in them, they cannot steer a terminal.
    fn words(&self) -> Vec<String>;

    /// Who it is for.
    fn tone(&self) -> Tone {
        Tone::Note
    }

    /// What to do about it.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Who a notice is for, in the formats that are not JSON. An object in JSON is data, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// What was asked for: on standard output.
    Data,
    /// For people who watch: on standard error, unless they asked for quiet.
    Note,
    /// For people who wait: like a note, but on a terminal the next line replaces it.
    Status,
    /// For people who must know what went wrong: on standard error, quiet or not.
    Complaint,
}

/// Words for people alone: JSON does not have them.
#[derive(Serialize)]
pub(crate) struct Remark {
    #[serde(skip)]
    tone: Tone,
    words: String,
}

impl Remark {
    /// Something that people who watch may want to know.
    pub(crate) fn note(words: impl Into<String>) -> Self {
        Self { tone: Tone::Note, words: words.into() }
    }

    /// How far something is.
    pub(crate) fn status(words: impl Into<String>) -> Self {
        Self { tone: Tone::Status, words: words.into() }
    }

    /// Something that went wrong.
    pub(crate) fn complaint(words: impl Into<String>) -> Self {
        Self { tone: Tone::Complaint, words: words.into() }
    }
}

impl Notice for Remark {
    fn kind(&self) -> Option<&'static str> {
        None
    }

    fn words(&self) -> Vec<String> {
        vec![self.words.clone()]
    }

    fn tone(&self) -> Tone {
        self.tone
    }
}
