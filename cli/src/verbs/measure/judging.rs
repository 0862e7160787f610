//! What is made of the summary before it is printed: conditions are judged, an older run is compared.

use anyhow::Result;
use serde_json::{Map, Value};

use super::compare::Older;
use super::fail_if::{has_failed, judge};
use super::readings::Readings;
use crate::args::MeasureArgs;
use crate::output::{Named, StdPrinter};
use crate::words::figures::Condition;

/// What was asked of the summary.
pub(super) struct Judging {
    older: Option<Older>,
}

impl Judging {
    /// What the flags ask, before anything is sent: an older run is read now.
    ///
    /// # Errors
    ///
    /// An older run that cannot be read.
    pub(super) fn new(args: &MeasureArgs) -> Result<Self> {
        let older = args.compare.as_deref().map(Older::read).transpose()?;
        Ok(Self { older })
    }

    /// Says what differs, and what became of each condition; whether one holds.
    pub(super) fn judge(
        &self,
        conditions: &[Condition],
        summary: &Map<String, Value>,
        name: Option<&str>,
        printer: &mut StdPrinter,
    ) -> bool {
        let summary = Value::Object(summary.clone());
        if let Some(older) = &self.older {
            printer.say(&Named { name, notice: &older.compare(&summary) });
        }
        let judged = judge(conditions, &Readings::new(summary));
        judged.iter().for_each(|judged| printer.say(&Named { name, notice: judged }));
        has_failed(&judged)
    }
}
