//! `udp`: the command that gets UDP right. Parses, runs, exits.

mod address;
mod args;
mod capture;
#[cfg(unix)]
mod commands;
mod config;
#[cfg(unix)]
mod exec;
mod exit;
mod hint;
mod input;
mod listen;
mod metrics;
mod output;
mod payload;
mod printing;
mod queue;
mod replay;
mod rules;
mod run;
mod serve;
mod signals;
mod tui;
mod units;

use clap::Parser;

use crate::exit::Exit;

fn main() -> std::process::ExitCode {
    let args = args::Args::parse();
    let exit = run::run(args).unwrap_or_else(|error| {
        output::error(&error);
        Exit::Failed
    });
    exit.into()
}
