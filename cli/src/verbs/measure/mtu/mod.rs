//! `udp measure --mtu`: the longest datagram that a path takes, from the flags to the verdict.

mod options;
mod run;
mod summary;
mod table;
mod verdict;

use anyhow::Result;

use crate::args::MeasureArgs;
use crate::hint::Hint;
use crate::words::figures::Quantity;

pub(super) use run::measure;

/// Whether each condition is on a figure of what is measured.
///
/// # Errors
///
/// A figure that this measurement does not have.
pub(super) fn check(args: &MeasureArgs) -> Result<()> {
    let is_other = |quantity: Quantity| (quantity == Quantity::Mtu) != args.mtu.is_some();
    let Some(other) = args.fail_if.iter().find(|condition| is_other(condition.figure.quantity)) else { return Ok(()) };
    let (figure, flag) = (other.figure, "--mtu");
    Err(match args.mtu {
        None => Hint::on(format!("{figure} is only measured with {flag}"), format!("add {flag}")),
        Some(_) => Hint::on(format!("{figure} is not measured with {flag}"), "a run without it measures that"),
    })
}
