//! `udp check`: plays the other side against any program, and reports what it gets wrong.

#![allow(dead_code, reason = "for the roles that come next")]

mod bench;
mod bounds;
mod log;
mod point;
mod points;
mod program;
mod report;
mod server;
mod wire;

use anyhow::Result;

use crate::args::{CheckArgs, CheckRole};
use crate::runtime::exit::Exit;

/// Checks a program of the role that was asked for.
pub(crate) fn check(args: &CheckArgs) -> Result<Exit> {
    match &args.role {
        CheckRole::Server(args) => server::check(args),
    }
}
