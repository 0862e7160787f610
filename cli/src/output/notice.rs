//! Notices: everything that is printed besides datagrams.

use std::time::SystemTime;

use serde::Serialize;

/// Something to say besides datagrams. Its fields are those of its object in JSON.
pub(crate) trait Notice: Serialize {
    /// The `type` of its object in JSON; `None` where it is only for people who watch, and JSON does not have it.
    fn kind(&self) -> Option<&'static str>;

    /// Its words for people, a line each; whatever names stand in them, they cannot steer a terminal.
    fn words(&self) -> Vec<String>;

    /// Who it is for.
    fn tone(&self) -> Tone {
        Tone::Note
    }

    /// When it happened by the kernel's clock; `None` where that is now.
    fn time(&self) -> Option<SystemTime> {
        None
    }

    /// Whether it happened at a time that people may want to know, and not at the beginning or the end.
    fn is_timed(&self) -> bool {
        true
    }

    /// What to do about it.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Who a notice is for, in the formats that are not JSON. In JSON it is an object, and so it is data.
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

/// Words with nothing in them that a program would read.
#[derive(Serialize)]
pub(crate) struct Remark {
    #[serde(skip)]
    tone: Tone,
    #[serde(flatten)]
    words: Words,
}

/// Words under the key that says what they are.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Words {
    /// Of what people who watch may want to know.
    Words(String),
    /// Of what went wrong.
    Error(String),
}

impl Remark {
    /// Something that people who watch may want to know.
    pub(crate) fn note(words: impl Into<String>) -> Self {
        Self { tone: Tone::Note, words: Words::Words(words.into()) }
    }

    /// How far something is.
    pub(crate) fn status(words: impl Into<String>) -> Self {
        Self { tone: Tone::Status, words: Words::Words(words.into()) }
    }

    /// Something that went wrong.
    pub(crate) fn complaint(words: impl Into<String>) -> Self {
        Self { tone: Tone::Complaint, words: Words::Error(words.into()) }
    }
}

impl Notice for Remark {
    fn kind(&self) -> Option<&'static str> {
        match self.tone {
            Tone::Data | Tone::Note => Some("note"),
            Tone::Complaint => Some("trouble"),
            // How far it is, a line that the next one replaces.
            Tone::Status => None,
        }
    }

    fn words(&self) -> Vec<String> {
        let (Words::Words(words) | Words::Error(words)) = &self.words;
        vec![words.clone()]
    }

    fn tone(&self) -> Tone {
        self.tone
    }
}
