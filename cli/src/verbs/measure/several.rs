//! Several targets at the same time, a thread each.

use std::thread;

use anyhow::Result;

use super::targets::Target;
use crate::output::{Named, Remark, SharedPrinter, words_of};
use crate::runtime::exit::Exit;

/// Measures all targets at the same time. One that cannot be measured is reported, and the others go on; the exit status is the
/// worst of all.
pub(super) fn measure_all(
    targets: &[Target],
    printer: &SharedPrinter,
    measure: impl Fn(&Target) -> Result<Exit> + Sync,
) -> Exit {
    let exit = |target: &Target| match measure(target) {
        Ok(exit) => exit,
        Err(error) => {
            let notice = &Remark::complaint(words_of(&error));
            printer.lock().say(&Named { name: Some(&target.name), notice });
            Exit::Failed
        }
    };
    let (exit, worst) = (&exit, |exits: Vec<Exit>| exits.into_iter().max_by_key(|exit| severity(*exit)));
    let exits = thread::scope(|scope| {
        let threads: Vec<_> = targets.iter().map(|target| scope.spawn(move || exit(target))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Exit::Failed)).collect()
    });
    worst(exits).unwrap_or(Exit::Done)
}

/// How much an exit status matters beside those of other targets.
fn severity(exit: Exit) -> u8 {
    match exit {
        Exit::Done => 0,
        Exit::Interrupted => 1,
        Exit::No => 2,
        Exit::Failed => 3,
    }
}
