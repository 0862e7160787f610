//! `udp`: the command that gets UDP right. Parses, runs, exits.

mod args;
mod command_line;
#[cfg(any(test, fuzzing))]
#[allow(unreachable_pub, reason = "in the package of the fuzz targets it is reachable")]
pub mod fuzzing;
mod hint;
#[cfg(feature = "http")]
mod http;
mod output;
mod port_owner;
mod run;
mod runtime;
#[cfg_attr(not(feature = "tui"), path = "no_tui.rs")]
mod tui;
mod verbs;
mod version;
mod words;

use clap::CommandFactory;

use crate::command_line::NotRun;
use crate::runtime::exit::Exit;
use crate::runtime::signals;

fn main() -> std::process::ExitCode {
    clap_complete::CompleteEnv::with_factory(args::Args::command).var(args::COMPLETION_VARIABLE).complete();
    if let Err(error) = signals::catch() {
        output::error(&error);
        return Exit::Failed.into();
    }
    let ran = match command_line::parse(std::env::args_os()) {
        Ok(args) => run::run(args),
        Err(NotRun::Hinted(error)) => Err(error),
        Err(NotRun::Parser(answer)) if version::is_asked_for(&answer) => return version::print(&answer).into(),
        Err(NotRun::Parser(error)) => std::process::exit(output::mistake(&error, std::env::args_os().skip(1))),
    };
    let exit = ran.unwrap_or_else(|error| {
        output::error(&error);
        Exit::Failed
    });
    exit.into()
}
