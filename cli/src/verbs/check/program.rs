//! The program that is checked, where the check starts it: what it prints, how it ended, and that it is gone at the end.

use std::io::{self, Read};
#[cfg(unix)]
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::bounds::now;

/// Bytes of its standard output that are kept: the first ones after the last [`Program::forget`].
const KEPT: usize = 1 << 20;
/// Bytes of its standard error that are kept: the last ones.
const COMPLAINT: usize = 4_096;
/// How long it may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often we look whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// A program that was started by a shell, in a process group of its own. It is stopped when this is dropped.
pub(super) struct Program {
    child: Child,
    /// How it ended, once that was taken.
    status: Option<ExitStatus>,
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    /// Threads that read what it prints.
    readers: Vec<thread::JoinHandle<()>>,
}

impl Program {
    /// Starts a shell command. Python programs print at once, as they do on a terminal.
    pub(super) fn start(command: &str) -> io::Result<Self> {
        let mut shell = shell(command);
        shell.env("PYTHONUNBUFFERED", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        shell.process_group(0);
        let mut child = shell.spawn()?;
        let (stdout, stderr) = (Arc::default(), Arc::default());
        let readers = [
            child.stdout.take().map(|stream| read(stream, Arc::clone(&stdout), first)),
            child.stderr.take().map(|stream| read(stream, Arc::clone(&stderr), last)),
        ];
        let mut program = Self { child, status: None, stdout, stderr, readers: Vec::new() };
        for reader in readers.into_iter().flatten() {
            program.readers.push(reader?);
        }
        Ok(program)
    }

    /// What it printed on standard output since [`forget`](Self::forget): a mebibyte at most.
    pub(super) fn printed(&self) -> Vec<u8> {
        self.stdout.lock().clone()
    }

    /// Forgets what it printed.
    pub(super) fn forget(&self) {
        self.stdout.lock().clear();
    }

    /// How it ended, if it has: "it exited with status 1: KeyError: 'x'".
    pub(super) fn fate(&mut self) -> Option<String> {
        if self.status.is_none() && !has_exited(&mut self.child) {
            return None;
        }
        let status = self.reap().ok()?;
        let said = self.stderr.lock();
        let said = String::from_utf8_lossy(&said);
        let last = said.trim_end().lines().next_back().unwrap_or_default();
        let fate = fate(status);
        Some(if last.is_empty() { fate } else { format!("{fate}: {last}") })
    }

    /// Stops it: asks with an interrupt, as Ctrl-C does, then insists. What it printed before its end is in [`printed`](Self::printed).
    pub(super) fn stop(&mut self) {
        for signal in [Signal::Interrupt, Signal::Terminate] {
            if self.status.is_none() && !has_exited(&mut self.child) {
                send(&mut self.child, signal);
                wait_for(|| has_exited(&mut self.child));
            }
        }
        let _ = self.reap();
    }

    /// Kills it with all that it started, and takes its status. Its number is its own until then, so nobody else is killed.
    fn reap(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        send(&mut self.child, Signal::Kill);
        let status = self.child.wait()?;
        self.status = Some(status);
        // What it said last is on its way.
        wait_for(|| self.readers.iter().all(thread::JoinHandle::is_finished));
        Ok(status)
    }
}

/// Waits until this holds, but not for ever.
fn wait_for(mut holds: impl FnMut() -> bool) {
    let until = now() + PATIENCE;
    while !holds() && now() < until {
        thread::park_timeout(LOOK);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

#[derive(Clone, Copy)]
enum Signal {
    Interrupt,
    Terminate,
    Kill,
}

#[cfg(unix)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "--", command]);
    shell
}

#[cfg(not(unix))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.args(["/C", command]);
    shell
}

/// Whether it has exited; its status is left where it is.
#[cfg(unix)]
fn has_exited(child: &mut Child) -> bool {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    !matches!(rustix::io::retry_on_intr(|| waitid(WaitId::Pid(Pid::from_child(child)), options)), Ok(None))
}

#[cfg(not(unix))]
fn has_exited(child: &mut Child) -> bool {
    !matches!(child.try_wait(), Ok(None))
}

/// Sends a signal to the whole group; fails where nobody is left, which is what is wanted.
#[cfg(unix)]
fn send(child: &mut Child, signal: Signal) {
    use rustix::process::{Pid, Signal as Unix, kill_process_group};
    let signal = match signal {
        Signal::Interrupt => Unix::INT,
        Signal::Terminate => Unix::TERM,
        Signal::Kill => Unix::KILL,
    };
    let _ = kill_process_group(Pid::from_child(child), signal);
}

#[cfg(not(unix))]
fn send(child: &mut Child, signal: Signal) {
    if let Signal::Kill = signal {
        let _ = child.kill();
    }
}

fn fate(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = status.signal() {
        return format!("it was killed by signal {signal}");
    }
    match status.code() {
        Some(code) => format!("it exited with status {code}"),
        None => format!("it ended: {status}"),
    }
}

/// Reads a stream to its end, in a thread, and keeps a part of it.
fn read(
    mut stream: impl Read + Send + 'static,
    kept: Arc<Mutex<Vec<u8>>>,
    keep: fn(&mut Vec<u8>, &[u8]),
) -> io::Result<thread::JoinHandle<()>> {
    let run = move || {
        let mut buffer = [0; 4096];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => keep(&mut kept.lock(), &buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    };
    thread::Builder::new().spawn(run)
}

fn first(kept: &mut Vec<u8>, read: &[u8]) {
    let room = KEPT.saturating_sub(kept.len());
    kept.extend_from_slice(&read[..read.len().min(room)]);
}

fn last(kept: &mut Vec<u8>, read: &[u8]) {
    kept.extend_from_slice(read);
    let over = kept.len().saturating_sub(COMPLAINT);
    kept.drain(..over);
}
