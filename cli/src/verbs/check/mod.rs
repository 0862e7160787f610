//! `udp check`: plays the other side against any program, and reports what it gets wrong.

mod bench;
mod bounds;
mod client;
mod evidence;
mod expected;
mod log;
mod marks;
mod networks;
mod point;
mod points;
mod program;
mod receiver;
mod report;
mod sender;
mod server;
#[cfg(unix)]
mod terminal;
#[cfg(not(unix))]
#[path = "terminal_plain.rs"]
mod terminal;
mod wire;

use anyhow::Result;

use crate::args::{CheckArgs, CheckRole};
use crate::runtime::exit::Exit;

/// Checks a program of the role that was asked for.
pub(crate) fn check(args: &CheckArgs) -> Result<Exit> {
    match &args.role {
        CheckRole::Client(args) => client::check(args),
        CheckRole::Receiver(args) => receiver::check(args),
        CheckRole::Sender(args) => sender::check(args),
        CheckRole::Server(args) => server::check(args),
    }
}
