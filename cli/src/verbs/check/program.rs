//! The program that is checked, where the check starts it: without a shell, on a terminal, with bounds to what it prints, and
//! gone at the end with all that it started.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use parking_lot::{Condvar, Mutex};

use super::bounds::{Cut, now};
use super::marks::{find, last_line};
use super::terminal::{self, Request};
use crate::output::escape;

/// Bytes that are kept of what it prints, the first ones after the last [`Program::forget`]: a payload of 65,507 bytes several
/// times, each byte escaped.
const KEPT: usize = 2 << 20;
/// How long the rest of what it printed is waited for once it has ended; what it left in the background may hold it open.
const REST: Duration = Duration::from_secs(1);
/// How long it may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often we look whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// A program that runs, in a process group of its own. It is stopped when this is dropped.
pub(super) struct Program {
    child: Child,
    /// How it ended, once that was taken.
    status: Option<ExitStatus>,
    /// Held open, since many programs end with their input; nothing is written.
    _stdin: Option<ChildStdin>,
    printed: Arc<Printed>,
    is_on_terminal: bool,
}

/// What it has printed so far, on standard output and standard error.
#[derive(Default)]
struct Printed {
    output: Mutex<Output>,
    over: Condvar,
}

#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    is_over: bool,
}

impl Program {
    /// Starts a program; the words are its name and its arguments.
    ///
    /// What it prints goes to a terminal, as where a person tries it, or to a pipe where the system has none to give. Python
    /// programs print at once.
    pub(super) fn start(words: &[String]) -> Result<Self, Cut> {
        Self::try_start(words).map_err(Cut::System)
    }

    fn try_start(words: &[String]) -> anyhow::Result<Self> {
        let (name, arguments) = words.split_first().context("COMMAND is empty")?;
        let mut command = Command::new(name);
        command.args(arguments).stdin(Stdio::piped());
        command.env("TERM", "dumb").env("NO_COLOR", "1").env("PYTHONUNBUFFERED", "1");
        let (output, is_on_terminal) = terminal::attach(&mut command).context("cannot make a terminal for COMMAND")?;
        let mut child = command.spawn().with_context(|| format!("cannot start '{}'", escape::words(name)))?;
        // It holds the other end of the terminal, which must be closed once the program has closed its own.
        drop(command);
        let stdin = child.stdin.take();
        let printed = Arc::<Printed>::default();
        let program = Self { child, status: None, _stdin: stdin, printed: Arc::clone(&printed), is_on_terminal };
        let read = move || printed.read(output);
        std::thread::Builder::new().spawn(read).context("cannot start a thread that reads what COMMAND prints")?;
        Ok(program)
    }

    /// What it printed since [`forget`](Self::forget).
    pub(super) fn printed(&self) -> Vec<u8> {
        self.printed.output.lock().bytes.clone()
    }

    /// Whether this is in what it printed.
    pub(super) fn has_printed(&self, text: &str) -> bool {
        find(&self.printed.output.lock().bytes, text.as_bytes()).is_some()
    }

    /// Forgets what it printed.
    pub(super) fn forget(&self) {
        self.printed.output.lock().bytes.clear();
    }

    /// Whether it prints to a terminal, where some programs escape what they do not escape elsewhere.
    pub(super) fn is_on_terminal(&self) -> bool {
        self.is_on_terminal
    }

    /// How it ended, if it has; all that it printed before is there then.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() && terminal::has_exited(&mut self.child) {
            self.reap();
        }
        self.status
    }

    /// How it ended, if it has: "it exited with status 1: KeyError: 'x'".
    pub(super) fn fate(&mut self) -> Option<String> {
        let status = self.ended()?;
        Some(ending(status, &self.printed()))
    }

    /// Stops it: asks with an interrupt, as Ctrl-C does, then insists. What it printed before its end is in [`printed`](Self::printed).
    pub(super) fn stop(&mut self) {
        for request in [Request::Interrupt, Request::Terminate] {
            if self.ended().is_none() {
                terminal::send(&mut self.child, request);
                let until = now() + PATIENCE;
                while now() < until && !terminal::has_exited(&mut self.child) {
                    std::thread::park_timeout(LOOK);
                }
            }
        }
        if self.status.is_none() {
            self.reap();
        }
    }

    /// Kills it with all that it started, and takes its status. Its number is its own until then, so nobody else is killed.
    fn reap(&mut self) {
        terminal::send(&mut self.child, Request::Kill);
        // It is ours and was not waited for.
        self.status = self.child.wait().ok();
        let is_going_on = |output: &mut Output| !output.is_over;
        self.printed.over.wait_while_for(&mut self.printed.output.lock(), is_going_on, REST);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Printed {
    /// Reads all that comes, and keeps the beginning.
    fn read(&self, mut from: File) {
        let mut buffer = [0; 16_384];
        loop {
            match from.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A terminal that nobody holds any more reports an error, a pipe its end.
                Ok(0) | Err(_) => break,
                Ok(len) => {
                    let bytes = &mut self.output.lock().bytes;
                    let room = KEPT - bytes.len();
                    bytes.extend_from_slice(&buffer[..len.min(room)]);
                }
            }
        }
        self.output.lock().is_over = true;
        self.over.notify_all();
    }
}

/// An end in words, with the last line that was printed before: "it exited with status 1: KeyError: 'x'".
pub(super) fn ending(status: ExitStatus, printed: &[u8]) -> String {
    let fate = match status.code() {
        Some(code) => format!("it exited with status {code}"),
        None => format!("it was killed ({status})"),
    };
    match last_line(printed) {
        Some(line) => format!("{fate}: {line}"),
        None => fate,
    }
}

/// What is said of a program that has not ended.
pub(super) fn still_running(elapsed: &str, printed: &[u8]) -> String {
    match last_line(printed) {
        Some(line) => format!("it was still running after {elapsed}, and had printed last: {line}"),
        None => format!("it was still running after {elapsed}, and had printed nothing"),
    }
}

/// The words of a command, with where the server is in place of `{host}` and `{port}`.
pub(super) fn filled(words: &[String], server: SocketAddr) -> Vec<String> {
    let fill = |word: &String| {
        let word = word.replace("{host}:{port}", &server.to_string());
        word.replace("{host}", &server.ip().to_string()).replace("{port}", &server.port().to_string())
    };
    words.iter().map(fill).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_told_where_the_server_is() {
        let words = ["a", "{host}", "{port}", "x{host}:{port}y", "{host} {port}"].map(String::from);
        let filled_with = |server: &str| filled(&words, server.parse().unwrap());
        assert_eq!(filled_with("127.0.0.1:9"), ["a", "127.0.0.1", "9", "x127.0.0.1:9y", "127.0.0.1 9"]);
        assert_eq!(filled_with("[::1]:9"), ["a", "::1", "9", "x[::1]:9y", "::1 9"]);
    }

    #[cfg(unix)]
    fn run(script: &str) -> (Vec<u8>, String) {
        let words = ["sh", "-c", script].map(String::from);
        let mut program = Program::start(&words).unwrap();
        let until = now() + Duration::from_secs(60);
        while program.ended().is_none() && now() < until {
            std::thread::park_timeout(LOOK);
        }
        let fate = program.fate().expect("it ended");
        (program.printed(), fate)
    }

    #[cfg(unix)]
    #[test]
    fn all_that_it_printed_is_there_as_it_was_with_its_end() {
        let (printed, fate) = run("printf 'a\\n\\033[1mb\\r'; echo oops >&2; exit 3");
        assert_eq!(printed, b"a\n\x1b[1mb\roops\n");
        assert_eq!(fate, "it exited with status 3: oops");
        assert!(run("kill -9 $$").1.starts_with("it was killed (signal: 9"));
        assert_eq!(run("head -c 9000000 /dev/zero").0.len(), KEPT);
        assert_eq!(run("test -t 1 && test -t 2 && echo terminal").0, b"terminal\n");
    }

    #[cfg(unix)]
    #[test]
    fn it_is_gone_with_what_it_started_once_it_was_dropped() {
        let words = ["sh", "-c", "trap '' INT TERM; sleep 60 & echo $!; wait; sleep 60"].map(String::from);
        let program = Program::start(&words).unwrap();
        while !program.has_printed("\n") {
            std::thread::park_timeout(LOOK);
        }
        let child: i32 = String::from_utf8(program.printed()).unwrap().trim().parse().unwrap();
        drop(program);
        let child = rustix::process::Pid::from_raw(child).unwrap();
        let until = now() + Duration::from_secs(60);
        // A killed process that nobody waited for is a zombie until somebody does.
        let is_gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero())).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        while !is_gone() {
            assert!(now() < until, "it is still there");
            std::thread::park_timeout(LOOK);
        }
    }

    #[test]
    fn a_program_that_there_is_not_is_named() {
        let error = Program::start(&["/no/such\x1bprogram".to_owned()]).err().unwrap();
        assert!(error.words().contains("cannot start '/no/such\\x1bprogram'"), "{error:?}");
    }
}
