//! `udp measure --explain`: what a figure is, or which figures there are.

use anyhow::Result;
use serde::Serialize;

use crate::args::MeasureArgs;
use crate::output::{Notice, StdPrinter, Tone};
use crate::runtime::exit::{Exit, finish};
use crate::runtime::printing;
use crate::words::figures::Topic;

/// Prints one explanation, or the list of them.
pub(super) fn explain(args: &MeasureArgs, topic: Option<Topic>) -> Result<Exit> {
    let mut printer = StdPrinter::std(printing::settings(&args.common, Vec::new()));
    match topic {
        Some(topic) => printer.say(&Explained::new(topic)),
        None => Topic::all().for_each(|topic| printer.say(&Listed::new(topic))),
    }
    printer.flush();
    finish(&printer, Exit::Done)
}

/// An explanation.
#[derive(Debug, Serialize)]
struct Explained {
    name: &'static str,
    summary: &'static str,
    /// Where it is defined.
    #[serde(skip_serializing_if = "str::is_empty")]
    source: &'static str,
    text: String,
    /// The names of its figures.
    #[serde(skip_serializing_if = "String::is_empty")]
    figures: String,
    #[serde(skip)]
    topic: Topic,
}

impl Explained {
    fn new(topic: Topic) -> Self {
        Self {
            name: topic.name(),
            summary: topic.summary(),
            source: topic.source(),
            text: topic.lines().join(" "),
            figures: topic.names(),
            topic,
        }
    }
}

impl Notice for Explained {
    fn kind(&self) -> Option<&'static str> {
        Some("explanation")
    }

    fn tone(&self) -> Tone {
        Tone::Data
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn words(&self) -> Vec<String> {
        let mut lines = vec![format!("{}: {}", self.name, self.summary)];
        lines.extend(self.topic.lines().iter().map(|line| format!("  {line}")));
        if !self.figures.is_empty() {
            lines.push(format!("  Figures: {}", self.figures));
        }
        if !self.source.is_empty() {
            lines.push(format!("  Defined in: {}", self.source));
        }
        lines
    }
}

/// A line of the list.
#[derive(Debug, Serialize)]
struct Listed {
    name: &'static str,
    summary: &'static str,
}

impl Listed {
    fn new(topic: Topic) -> Self {
        Self { name: topic.name(), summary: topic.summary() }
    }
}

impl Notice for Listed {
    fn kind(&self) -> Option<&'static str> {
        Some("figure")
    }

    fn tone(&self) -> Tone {
        Tone::Data
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn words(&self) -> Vec<String> {
        vec![format!("{:<13} {}", self.name, self.summary)]
    }
}
