//! How the help of every verb is made: `-h` on a screen of 24 lines, `--help` with everything, examples in both.

use std::cmp::Reverse;

use clap::Arg;

/// A command line, and what it does.
pub(crate) type Example = (&'static str, &'static str);

/// An exit status, and when a verb ends with it.
pub(crate) type Status = (u8, &'static str);

/// What the documents of a verb have beside its options.
pub(crate) struct Page {
    pub(crate) examples: &'static [Example],
    pub(crate) statuses: &'static [Status],
}

/// The statuses of verbs that can only succeed or fail.
pub(super) const DONE_OR_FAILED: &[Status] = &[(0, "Done"), (2, "Could not do it")];

/// The width that examples keep to.
const WIDTH: usize = 80;
/// What stands before a command, and between it and its explanation.
const SPACES: usize = 4;
/// How many examples `-h` shows: the first ones.
const FEW: usize = 3;

/// What `-h` ends with: the first examples.
pub(super) fn short(examples: &[Example]) -> String {
    format!("Examples:\n{}", rows(&examples[..examples.len().min(FEW)]))
}

/// What `--help` ends with: all examples, and what the exit statuses mean.
pub(super) fn long(examples: &[Example], statuses: &[Status]) -> String {
    let status = |(status, meaning): &Status| format!("  {status:<3}  {meaning}");
    let statuses = statuses.iter().map(status).collect::<Vec<_>>().join("\n");
    format!("Examples:\n{}\n\nExit status:\n{statuses}", rows(examples))
}

/// To be given to [`clap::Command::mut_args`]: these options, by their ids, come first in the help, in this order, and are
/// the only ones that `-h` shows.
pub(super) fn most_used(ids: &'static [&'static str]) -> impl FnMut(Arg) -> Arg {
    move |arg| {
        if arg.is_positional() {
            return arg;
        }
        match ids.iter().position(|id| arg.get_id() == id) {
            Some(place) => arg.display_order(place).help_heading(None),
            None => {
                let order = arg.get_display_order();
                arg.display_order(ids.len() + order).hide_short_help(true)
            }
        }
    }
}

/// Commands with their explanations in the column that most of them fit; the others have theirs below.
fn rows(examples: &[Example]) -> String {
    let fits = |(command, explanation): &Example, column| {
        command.len() <= column && column + explanation.len() + SPACES <= WIDTH
    };
    let columns = examples.iter().map(|(command, _)| command.len());
    let fitting = |column: &usize| examples.iter().filter(|example| fits(example, *column)).count();
    let column = columns.max_by_key(|column| (fitting(column), Reverse(*column))).unwrap_or(0);
    let row = |(command, explanation): &Example| match () {
        () if explanation.is_empty() => format!("  {command}"),
        () if fits(&(command, explanation), column) => format!("  {command:column$}  {explanation}"),
        () => format!("  {command}\n      {explanation}"),
    };
    examples.iter().map(row).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanations_stand_in_a_column_and_every_line_fits() {
        let long = "a command that is longer than any column should be wide, and so stands alone";
        let text = rows(&[("udp", "first"), ("udp serve", "second"), (long, "third"), ("last", "")]);
        assert_eq!(text, format!("  udp        first\n  udp serve  second\n  {long}\n      third\n  last"));
        let explanation = "an explanation of seventy characters, which leaves little for the rest";
        let text = rows(&[("udp", explanation), ("udp serve", explanation)]);
        assert_eq!(text, format!("  udp  {explanation}\n  udp serve\n      {explanation}"));
    }
}
