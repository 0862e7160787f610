//! Where programs are given no terminal: a pipe for the output of a program under test.

use std::fs::File;
use std::io;
use std::process::{Child, Command};

/// Gives a command its standard output and standard error. Returns where what it prints can be read, and that it is no terminal.
pub(super) fn attach(command: &mut Command) -> io::Result<(File, bool)> {
    let (reader, writer) = io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    #[cfg(windows)]
    let reader = std::os::windows::io::OwnedHandle::from(reader);
    Ok((File::from(reader), false))
}

/// What is asked of a program.
#[derive(Clone, Copy, Debug)]
pub(super) enum Request {
    /// As by Ctrl-C.
    Interrupt,
    Terminate,
    Kill,
}

/// Whether a program has exited.
pub(super) fn has_exited(child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(Some(_)))
}

/// Kills a program, if that is asked; what it started is on its own, and there are no signals.
pub(super) fn send(child: &mut Child, request: Request) {
    match request {
        // Fails when it has ended.
        Request::Kill => drop(child.kill()),
        Request::Interrupt | Request::Terminate => {}
    }
}
