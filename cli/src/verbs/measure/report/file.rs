//! The file of a report: made before anything is measured, and written at the end.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::super::readings::Readings;
use super::super::run::Ran;
use super::super::verdict;
use super::document;
use super::history::History;
use super::page::Page;
use crate::args::MeasureArgs;
use crate::hint::Hint;
use crate::runtime::output_file;
use crate::words::language::Language;
use crate::words::spelling::shell_line;

/// A report that will be written.
pub(crate) struct ReportFile {
    path: PathBuf,
    file: File,
    language: Language,
    started: SystemTime,
}

impl ReportFile {
    /// The file that was asked for, if one was, made anew: what cannot be written is known before anything is measured.
    ///
    /// # Errors
    ///
    /// It cannot be created, or is standard output, where the table goes.
    #[expect(clippy::disallowed_methods, reason = "the page says when the measurement began")]
    pub(crate) fn of(args: &MeasureArgs) -> Result<Option<Self>> {
        let Some(path) = &args.report.report else { return Ok(None) };
        if output_file::is_standard_output(path) {
            return Err(Hint::on(
                format!("the report '{}' is standard output, where other lines go", path.display()),
                "name a file, such as --report report.html",
            ));
        }
        let file = output_file::create(path)?;
        Ok(Some(Self { path: path.clone(), file, language: args.report.language, started: SystemTime::now() }))
    }

    /// Writes the page.
    ///
    /// # Errors
    ///
    /// What the system says of the file.
    pub(crate) fn write(mut self, ran: &Ran, figures: &Map<String, Value>) -> Result<()> {
        let words: Vec<_> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
        let command = shell_line(std::iter::once(&"udp".to_owned()).chain(&words));
        let verdict = verdict::verdict(&ran.options, &ran.report, self.language);
        let (nothing, host) = (History::new(0), host());
        let page = Page {
            language: self.language,
            name: &ran.name,
            verdict: &verdict,
            figures,
            readings: Readings::new(Value::Object(figures.clone())),
            options: &ran.options,
            report: &ran.report,
            history: ran.history.as_ref().unwrap_or(&nothing),
            command: &command,
            started: self.started,
            host: host.as_deref(),
        };
        let written = self.file.write_all(document::document(&page).as_bytes()).and_then(|()| self.file.flush());
        written.with_context(|| format!("cannot write '{}'", self.path.display()))
    }
}

/// The name of this host, where the system has it in a file.
fn host() -> Option<String> {
    let name: io::Result<String> = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.ok().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}
