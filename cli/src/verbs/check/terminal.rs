//! A terminal for the output of a program under test, and the end of its process group.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Gives a command its standard output and standard error, and a process group. Returns where what it prints can be read, and
/// whether that is a terminal: it is a pipe where the system has none to give.
pub(super) fn attach(command: &mut Command) -> io::Result<(File, bool)> {
    command.process_group(0);
    match open() {
        Ok((ours, theirs)) => {
            command.stdout(theirs.try_clone()?).stderr(theirs);
            Ok((ours, true))
        }
        Err(_) => {
            let (reader, writer) = io::pipe()?;
            command.stdout(writer.try_clone()?).stderr(writer);
            Ok((File::from(OwnedFd::from(reader)), false))
        }
    }
}

/// Both ends of a terminal that changes nothing of what is written to it.
fn open() -> io::Result<(File, File)> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    rustix::io::fcntl_setfd(&ours, rustix::io::FdFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let path = OsStr::from_bytes(name.to_bytes());
    let theirs = rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    let mut modes = tcgetattr(&theirs)?;
    modes.make_raw();
    tcsetattr(&theirs, OptionalActions::Now, &modes)?;
    Ok((File::from(ours), File::from(theirs)))
}

/// What is asked of a program and what it started.
#[derive(Clone, Copy, Debug)]
pub(super) enum Request {
    /// As by Ctrl-C.
    Interrupt,
    Terminate,
    Kill,
}

/// Whether a program has exited. It stays a zombie, so that its number is no other's until it is waited for.
pub(super) fn has_exited(child: &mut Child) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::Pid(Pid::from_child(child)), options), Ok(Some(_)))
}

/// Asks the whole process group of a program, which must not have been waited for.
pub(super) fn send(child: &mut Child, request: Request) {
    let signal = match request {
        Request::Interrupt => Signal::INT,
        Request::Terminate => Signal::TERM,
        Request::Kill => Signal::KILL,
    };
    // These fail when nobody is there to be asked. The second is for a program that has left its group.
    let _ = kill_process_group(Pid::from_child(child), signal);
    let _ = kill_process(Pid::from_child(child), signal);
}
