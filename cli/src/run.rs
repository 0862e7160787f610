//! Which function a verb is.

use anyhow::Result;

use crate::args::{Args, Verb};
use crate::runtime::exit::Exit;
use crate::verbs;

/// Runs the verb that was asked for; the status with which it ended.
pub(crate) fn run(args: Args) -> Result<Exit> {
    match args.verb {
        Verb::Serve(args) => verbs::serve::serve(&args),
        Verb::Send(args) => verbs::send::send(&args),
        Verb::Listen(args) => verbs::listen::listen(&args),
        Verb::Broadcast(args) => verbs::broadcast::broadcast(&args),
        Verb::Measure(args) => verbs::measure::measure(&args),
        Verb::Reflect(args) => verbs::reflect::reflect(&args),
        Verb::Relay(args) => verbs::relay::relay(&args),
        Verb::Replay(args) => verbs::replay::replay(&args),
        Verb::Check(args) => verbs::check::check(&args),
        Verb::Interfaces(args) => verbs::interfaces::interfaces(&args),
        Verb::Completions(args) => verbs::documents::completions(&args),
        Verb::Man(args) => verbs::documents::man(&args),
    }
}
