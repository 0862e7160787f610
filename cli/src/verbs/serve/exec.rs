//! `serve --exec`: a shell command for every datagram, only so many at once, each for so long and with so much to say.
//!
//! By hand: the crate `subprocess` (1.2.3) fails `a_command_need_not_read_its_input`,
//! `a_background_with_its_output_elsewhere_is_not_waited_for` and
//! `a_pool_that_is_dropped_does_not_wait_for_who_left_the_group`.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use udpkit::reason;

/// How much of what a command says on standard error is kept, in bytes; the rest is read and forgotten.
const LONGEST_COMPLAINT: usize = 1_024;

/// How much is read at once, in bytes.
const BUFFER: usize = 16_384;

/// The longest single wait: poll(2) counts milliseconds in 31 bits.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// How long the last commands to be started are waited for where the process ends at once.
const LONGEST_START: Duration = Duration::from_millis(200);

/// A datagram to be answered by the command.
pub(crate) struct Job {
    /// What the command reads from standard input. It need not read it.
    pub(crate) payload: Vec<u8>,
    /// What the command finds in its environment beside what is in ours.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Is told by a thread of the pool what the command replied, and must not wait for the one who drops the pool;
    /// dropped untold when the pool is dropped first.
    pub(crate) done: Box<dyn FnOnce(Result<Vec<u8>, Failure>) + Send>,
}

/// Why the command gave no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It printed nothing.
    Nothing,
    /// It could not be started, did not exit with status 0, or was killed: words for people, with the beginning of
    /// what it said on standard error. Strangers may have a hand in that: escape it.
    Failed(String),
    /// It, or what it left in the background with its standard output open, was still there at the time limit.
    Late,
    /// It printed more than a reply may hold.
    TooLong,
}

/// Threads that run a command for each job they are given, one at a time each.
///
/// The command is an argument of `sh -c`, and nothing of a job is ever part of it. It has ended when it has exited and
/// nobody holds its standard output open, as in `$(…)` of the shell. It runs in a process group of its own, which is
/// killed as a whole at the time limit, when it prints too much, and when the pool is dropped. A process that leaves
/// the group, or that a command which has ended left in the background, is on its own; its standard error is closed.
pub(crate) struct Pool {
    runner: Arc<Runner>,
    /// Closed to tell every thread, wherever it waits for a command, that the pool is dropped.
    alarm: Option<PipeWriter>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Pool {
    /// Starts the threads, `most_at_once` of them and at least one. A reply may have `longest` bytes.
    ///
    /// Fails when the system has no more threads or descriptors to give.
    pub(crate) fn new(command: String, most_at_once: usize, time_limit: Duration, longest: usize) -> io::Result<Self> {
        let (closing, alarm) = io::pipe()?;
        let (backlog, filled, starting) = (Mutex::default(), Condvar::new(), Mutex::default());
        let running = Arc::default();
        let runner = Arc::new(Runner { command, time_limit, longest, backlog, filled, closing, starting, running });
        let mut pool = Self { runner, alarm: Some(alarm), threads: Vec::new() };
        for _ in 0..most_at_once.max(1) {
            let runner = Arc::clone(&pool.runner);
            pool.threads.push(thread::Builder::new().spawn(move || runner.work())?);
        }
        Ok(pool)
    }

    /// Kills what runs and lets nothing begin, for a process that ends without dropping the pool.
    pub(crate) fn killer(&self) -> impl Fn() + Send + use<> {
        let running = Arc::clone(&self.runner.running);
        move || running.kill()
    }

    /// Puts a job into the backlog, which has no bound: the caller knows how many jobs are not done.
    pub(crate) fn submit(&self, job: Job) {
        lock(&self.runner.backlog).jobs.push_back(job);
        self.runner.filled.notify_one();
    }
}

impl Drop for Pool {
    /// Kills what runs, forgets what waits, and returns when the threads have ended.
    fn drop(&mut self) {
        lock(&self.runner.backlog).is_closed = true;
        self.runner.filled.notify_all();
        drop(self.alarm.take());
        for thread in self.threads.drain(..) {
            // Fails when a `done` has panicked, which has been told.
            let _ = thread.join();
        }
    }
}

/// Runs the command, in every thread of a pool at once.
struct Runner {
    command: String,
    time_limit: Duration,
    longest: usize,
    backlog: Mutex<Backlog>,
    /// Notified when a job is put into the backlog, and when the backlog is closed.
    filled: Condvar,
    /// The other end of the pool's alarm: at its end when the pool is dropped. Nothing is ever written into it.
    closing: PipeReader,
    /// Held while a command starts where pipes are not born close-on-exec: another command would inherit its pipes.
    starting: Mutex<()>,
    running: Arc<Running>,
}

/// The commands that run.
#[derive(Default)]
struct Running {
    /// Held to read while a command is started and becomes one of them, so that whoever kills them misses none.
    starting: RwLock<()>,
    /// Their process groups, each until it is waited for: from then on its number may be another's.
    groups: Mutex<HashSet<Pid>>,
}

impl Running {
    fn start(&self, start: impl FnOnce() -> io::Result<Started>) -> io::Result<Started> {
        let _starting = self.starting.read();
        let started = start()?;
        lock(&self.groups).insert(Pid::from_child(&started.0));
        Ok(started)
    }

    fn ended(&self, group: Pid) {
        lock(&self.groups).remove(&group);
    }

    /// Kills all of them; none is started any more.
    fn kill(&self) {
        // Never given back. A shell that takes longer to start than this is not waited for, and its end is its own.
        std::mem::forget(self.starting.try_write_for(LONGEST_START));
        for &group in &*lock(&self.groups) {
            // Fails when nobody is there to be killed.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// A command, a pipe that ends with it, and the end of that pipe which is to be closed at its exit.
type Started = (Child, PipeReader, PipeWriter);

/// The jobs that no thread has taken yet.
#[derive(Default)]
struct Backlog {
    jobs: VecDeque<Job>,
    /// No thread takes another: the pool is dropped.
    is_closed: bool,
}

/// How the wait for a command was over.
enum TalkEnd {
    Exited,
    Late,
    TooLong,
    Closing,
}

impl Runner {
    /// Answers one job after another, until the pool is dropped.
    fn work(&self) {
        while let Some(Job { payload, environment, done }) = self.next() {
            if let Some(reply) = self.answer(&payload, environment) {
                done(reply);
            }
        }
    }

    /// Waits for a job; there is none when the backlog is closed.
    fn next(&self) -> Option<Job> {
        let is_idle = |backlog: &mut Backlog| backlog.jobs.is_empty() && !backlog.is_closed;
        let mut backlog = self.filled.wait_while(lock(&self.backlog), is_idle).unwrap_or_else(PoisonError::into_inner);
        if backlog.is_closed { None } else { backlog.jobs.pop_front() }
    }

    /// Runs the command once; there is nothing to tell when the pool was dropped meanwhile.
    fn answer(&self, payload: &[u8], environment: Vec<(&str, String)>) -> Option<Result<Vec<u8>, Failure>> {
        let deadline = now().checked_add(self.time_limit);
        let failed = |what: &str, error: &io::Error| Some(Err(Failure::Failed(format!("{what}: {}", reason(error)))));
        let (mut child, exit, alive) = match self.running.start(|| self.start(environment)) {
            Ok(started) => started,
            Err(error) => return failed("cannot be started", &error),
        };
        let mut talk = Talk { payload, longest: self.longest, reply: Vec::new(), complaint: Vec::new() };
        let pid = Pid::from_child(&child);
        let end = thread::scope(|scope| {
            let watch = move || {
                wait_for_exit(pid);
                drop(alive);
            };
            let watcher = thread::Builder::new().spawn_scoped(scope, watch);
            let end = watcher.and_then(|_| talk.hold(&mut child, exit, &self.closing, deadline));
            if !matches!(end, Ok(TalkEnd::Exited)) {
                kill(&mut child);
            }
            end
        });
        self.running.ended(pid);
        // Always, so that no zombie is left.
        let status = child.wait();
        match (end, status) {
            (Ok(TalkEnd::Closing), _) => None,
            (Ok(TalkEnd::Late), _) => Some(Err(Failure::Late)),
            (Ok(TalkEnd::TooLong), _) => Some(Err(Failure::TooLong)),
            (Ok(TalkEnd::Exited), Ok(status)) => Some(talk.outcome(status)),
            (Ok(TalkEnd::Exited), Err(error)) | (Err(error), _) => failed("cannot be waited for", &error),
        }
    }

    /// Starts the command, and makes a pipe for the one who waits for its exit: the writer is closed at the exit.
    fn start(&self, environment: Vec<(&str, String)>) -> io::Result<Started> {
        let _alone = cfg!(target_vendor = "apple").then(|| lock(&self.starting));
        let (exit, alive) = io::pipe()?;
        let child = Command::new("sh")
            .args(["-c", "--", &self.command])
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        Ok((child, exit, alive))
    }
}

/// What is said to a command and what it says.
struct Talk<'a> {
    /// What is still to be written.
    payload: &'a [u8],
    longest: usize,
    /// Never more than a byte over `longest`.
    reply: Vec<u8>,
    /// The first [`LONGEST_COMPLAINT`] bytes of standard error.
    complaint: Vec<u8>,
}

impl Talk<'_> {
    /// Talks until the command has ended, or may no longer go on.
    fn hold(
        &mut self,
        child: &mut Child,
        exit: PipeReader,
        closing: &PipeReader,
        deadline: Option<Instant>,
    ) -> io::Result<TalkEnd> {
        let mut stdin = nonblocking(child.stdin.take())?;
        let mut stdout = nonblocking(child.stdout.take())?;
        let mut stderr = nonblocking(child.stderr.take())?;
        let mut exit = Some(exit);
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(now()));
            if left == Some(Duration::ZERO) {
                return Ok(TalkEnd::Late);
            }
            let streams = [
                Some((closing.as_fd(), PollFlags::IN)),
                exit.as_ref().map(|exit| (exit.as_fd(), PollFlags::IN)),
                stdin.as_ref().map(|stdin| (stdin.as_fd(), PollFlags::OUT)),
                stdout.as_ref().map(|stdout| (stdout.as_fd(), PollFlags::IN)),
                stderr.as_ref().map(|stderr| (stderr.as_fd(), PollFlags::IN)),
            ];
            let [is_closing, has_exited, is_hungry, has_reply, has_complaint] = wait(streams, left)?;
            if is_closing {
                return Ok(TalkEnd::Closing);
            }
            stdin = stdin.filter(|stdin| !is_hungry || self.tell(stdin));
            let limit = self.longest.saturating_add(1);
            stdout = stdout.filter(|stdout| !has_reply || hear(stdout, &mut self.reply, limit));
            if self.reply.len() > self.longest {
                return Ok(TalkEnd::TooLong);
            }
            // What it said before its exit is there, be it since the wait.
            let has_complaint = has_complaint || has_exited;
            stderr = stderr.filter(|stderr| !has_complaint || hear(stderr, &mut self.complaint, LONGEST_COMPLAINT));
            exit = exit.filter(|_| !has_exited);
            if exit.is_none() && stdout.is_none() {
                return Ok(TalkEnd::Exited);
            }
        }
    }

    /// Writes what fits; false when there is no more to write, or nobody to read it.
    fn tell(&mut self, mut stdin: &File) -> bool {
        match stdin.write(self.payload) {
            Ok(count) => self.payload = &self.payload[count..],
            Err(error) if is_passing(&error) => {}
            Err(_) => return false,
        }
        !self.payload.is_empty()
    }

    /// What came of a command that has exited.
    fn outcome(self, status: ExitStatus) -> Result<Vec<u8>, Failure> {
        if status.success() {
            return if self.reply.is_empty() { Err(Failure::Nothing) } else { Ok(self.reply) };
        }
        let fate = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("killed by signal {signal}"),
            (None, None) => status.to_string(),
        };
        let complaint = String::from_utf8_lossy(&self.complaint);
        match complaint.trim() {
            "" => Err(Failure::Failed(fate)),
            complaint => Err(Failure::Failed(format!("{fate}: {complaint}"))),
        }
    }
}

/// Reads what is there and keeps it up to the limit; false at the end.
fn hear(mut stream: &File, kept: &mut Vec<u8>, limit: usize) -> bool {
    let mut buffer = [0; BUFFER];
    match stream.read(&mut buffer) {
        Ok(count) => {
            kept.extend_from_slice(&buffer[..count.min(limit.saturating_sub(kept.len()))]);
            count > 0
        }
        Err(error) => is_passing(&error),
    }
}

/// Whether an error means no more than to try again when the stream is ready.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Our end of a pipe, made to never wait: a pipe that can be written has room, but not for how much.
fn nonblocking(end: Option<impl Into<OwnedFd>>) -> io::Result<Option<File>> {
    let Some(end) = end.map(Into::into) else { return Ok(None) };
    rustix::io::ioctl_fionbio(&end, true)?;
    Ok(Some(end.into()))
}

/// Waits until a stream is ready or has an error or its end, or the time is over; tells which are.
fn wait<const N: usize>(
    streams: [Option<(BorrowedFd<'_>, PollFlags)>; N],
    left: Option<Duration>,
) -> io::Result<[bool; N]> {
    let open = streams.iter().flatten();
    let mut entries: Vec<_> = open.map(|&(stream, flags)| PollFd::from_borrowed_fd(stream, flags)).collect();
    let timeout = left.and_then(|left| Timespec::try_from(left.min(LONGEST_WAIT)).ok());
    match poll(&mut entries, timeout.as_ref()) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok([false; N]),
        Err(error) => return Err(error.into()),
    }
    let mut ready = entries.iter().map(|entry| !entry.revents().is_empty());
    Ok(streams.map(|stream| stream.is_some() && ready.next() == Some(true)))
}

/// Waits for the exit of a child and leaves it a zombie, so that its number stays its own until it is waited for.
fn wait_for_exit(pid: Pid) {
    // Another error means that there is nothing to wait for, which the wait for its status tells.
    let _ = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT));
}

/// Kills a command, which must not have been waited for, with its process group.
fn kill(child: &mut Child) {
    // These fail when nobody is there to be killed. The second is for a command that has left its group.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.kill();
}

/// Locks; nothing that is locked here is left half done by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "the time limit of a command, which is no engine's business")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;

    /// What a reply may hold in the tests: what an IPv4 datagram carries.
    const LONGEST: usize = 65_507;

    /// More than any command here takes that ends by itself, less than the time it sleeps otherwise.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A time limit that is meant to be reached.
    const SHORT: Duration = Duration::from_millis(500);

    fn pool(command: &str, most_at_once: usize, time_limit: Duration) -> Pool {
        Pool::new(command.to_owned(), most_at_once, time_limit, LONGEST).unwrap()
    }

    /// Submits a job, and hands over where its end is heard.
    fn submit(
        pool: &Pool,
        payload: &[u8],
        name: &'static str,
        value: &str,
    ) -> mpsc::Receiver<Result<Vec<u8>, Failure>> {
        let (sender, receiver) = mpsc::channel();
        let done = Box::new(move |reply| sender.send(reply).unwrap());
        pool.submit(Job { payload: payload.to_vec(), environment: vec![(name, value.to_owned())], done });
        receiver
    }

    fn ask_within(time_limit: Duration, command: &str, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        let start = now();
        let reply = submit(&pool(command, 1, time_limit), payload, "UNUSED", "").recv().unwrap();
        assert!(start.elapsed() < PATIENCE, "{command} took {:?}", start.elapsed());
        reply
    }

    fn ask(command: &str, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        ask_within(PATIENCE, command, payload)
    }

    fn failed(words: &str) -> Result<Vec<u8>, Failure> {
        Err(Failure::Failed(words.to_owned()))
    }

    /// A directory with two pipes in it: `held`, by which the end of those is seen who hold it open to write, and
    /// `gate`, which a command reads that shall go on for as long as the test.
    struct Stage {
        directory: PathBuf,
        held: Option<File>,
        _gate: File,
    }

    impl Stage {
        fn new() -> Self {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let directory = std::env::temp_dir().join(format!("udp-exec-{}-{number}", std::process::id()));
            std::fs::create_dir(&directory).unwrap();
            let [held, gate] = ["held", "gate"].map(|name| directory.join(name));
            assert!(Command::new("mkfifo").args([&held, &gate]).status().unwrap().success());
            // Both to read and to write, so that opening waits for nobody.
            let [held, gate] = [held, gate].map(|path| File::options().read(true).write(true).open(path).unwrap());
            Self { directory, held: Some(held), _gate: gate }
        }

        /// The command, in the directory and with `held` open as 3.
        fn command(&self, command: &str) -> String {
            format!("cd '{}' && exec 3>held\n{command}", self.directory.display())
        }

        /// Waits until so many bytes were written into `held`.
        fn read(&mut self, count: usize) -> Vec<u8> {
            let mut bytes = vec![0; count];
            self.held.as_mut().unwrap().read_exact(&mut bytes).unwrap();
            bytes
        }

        /// Waits until nobody else holds `held` open; what was written into it and not read.
        fn rest(&mut self) -> Vec<u8> {
            let start = now();
            let mut reader = File::open(self.directory.join("held")).unwrap();
            self.held = None;
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest).unwrap();
            assert!(start.elapsed() < PATIENCE, "somebody held on for {:?}", start.elapsed());
            rest
        }

        fn text(&self, name: &str) -> String {
            std::fs::read_to_string(self.directory.join(name)).unwrap()
        }
    }

    impl Drop for Stage {
        fn drop(&mut self) {
            // What is left over is in the directory for such things.
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }

    #[test]
    fn what_the_command_prints_is_the_reply_byte_for_byte() {
        let binary: Vec<u8> = (0..=255).cycle().take(LONGEST).collect();
        for payload in [&b"x"[..], b"\n", b"\0", b"no newline", &binary[..1_472], &binary[..1_473], &binary] {
            assert_eq!(ask("cat", payload).unwrap(), payload);
        }
        assert_eq!(ask("tr a-z A-Z; printf '%s' !", b"loud"), Ok(b"LOUD!".to_vec()));
        assert_eq!(ask("-no-option || echo x", b""), Ok(b"x\n".to_vec()));
    }

    #[test]
    fn a_command_that_prints_nothing_gives_no_reply() {
        assert_eq!(ask("cat", b""), Err(Failure::Nothing));
        assert_eq!(ask("", b"x"), Err(Failure::Nothing));
        assert_eq!(ask("cat >/dev/null; exec >&-", b"x"), Err(Failure::Nothing));
    }

    #[test]
    fn the_environment_arrives_beside_ours() {
        let pool = pool("printf '%s,%s' \"$UDP_TEST\" \"${PATH:+path}\"", 1, PATIENCE);
        for value in ["", "203.0.113.7:9", "a b  c", "-n", "é\n\x1b[31m", "%s%n\\0"] {
            let reply = submit(&pool, b"", "UDP_TEST", value).recv().unwrap().unwrap();
            assert_eq!(String::from_utf8(reply).unwrap(), format!("{value},path"));
        }
        let reply = submit(&pool, b"", "UDP_TEST", "a\0b").recv().unwrap();
        assert_eq!(reply, failed("cannot be started: nul byte found in provided data"));
    }

    #[test]
    fn a_payload_is_no_part_of_the_command() {
        let stage = Stage::new();
        let words = "$(touch touched) `touch touched`; touch touched & touch touched | touch touched\n' \" \\ # *";
        let pool = pool(&stage.command("cat; printf '%s' \"$UDP_TEST\""), 1, PATIENCE);
        let reply = submit(&pool, words.as_bytes(), "UDP_TEST", words).recv().unwrap();
        assert_eq!(reply, Ok(format!("{words}{words}").into_bytes()));
        assert!(!stage.directory.join("touched").exists());
    }

    #[test]
    fn a_command_that_fails_gives_no_reply_even_if_it_printed_one() {
        assert_eq!(ask("echo reply; exit 3", b""), failed("exit status 3"));
        assert_eq!(ask("echo reply; kill -9 $$", b""), failed("killed by signal 9"));
        assert_eq!(ask("echo oops >&2; exit 3", b""), failed("exit status 3: oops"));
        let Err(Failure::Failed(words)) = ask("udp-no-such-command", b"") else { panic!("it ran") };
        assert!(words.starts_with("exit status 127: ") && words.contains("udp-no-such-command"), "{words}");
    }

    #[test]
    fn of_standard_error_only_the_beginning_is_kept_and_none_of_it_replied() {
        let flood = "echo reply; echo first >&2; head -c 1000000 /dev/zero | tr '\\0' x >&2";
        assert_eq!(ask(flood, b""), Ok(b"reply\n".to_vec()));
        let expected = format!("exit status 1: first\n{}", "x".repeat(LONGEST_COMPLAINT - 6));
        assert_eq!(ask(&format!("{flood}; exit 1"), b""), failed(&expected));
        assert_eq!(ask("exec 2>&-; echo reply", b""), Ok(b"reply\n".to_vec()));
    }

    #[test]
    fn the_system_has_its_way_with_a_broken_pipe_in_the_command() {
        assert_eq!(ask("kill -PIPE $$; echo survived", b""), failed("killed by signal 13"));
    }

    #[test]
    fn a_command_need_not_read_its_input() {
        for size in [1, LONGEST, 65_527, 1_000_000] {
            let payload = vec![b'x'; size];
            assert_eq!(ask("echo reply", &payload), Ok(b"reply\n".to_vec()));
            assert_eq!(ask("exec <&-; sleep 0.1; echo reply", &payload), Ok(b"reply\n".to_vec()));
            assert_eq!(ask("sleep 0.1; exec <&-; sleep 0.1; echo reply", &payload), Ok(b"reply\n".to_vec()));
            assert_eq!(ask("head -c 1; exec <&-", &payload), Ok(b"x".to_vec()));
        }
    }

    #[test]
    fn a_reply_has_what_a_datagram_carries_and_no_more() {
        assert_eq!(ask("head -c 65507 /dev/zero", b"").map(|reply| reply.len()), Ok(LONGEST));
        for command in ["head -c 65508 /dev/zero", "head -c 100000000 /dev/zero", "yes", "yes & sleep 60"] {
            assert_eq!(ask(command, b""), Err(Failure::TooLong), "{command}");
        }
    }

    #[test]
    fn a_command_has_so_much_time() {
        for command in
            ["sleep 60", "exec sleep 60", "exec >&-; sleep 60", "exec >&- 2>&- <&-; sleep 60", "kill -STOP $$"]
        {
            assert_eq!(ask_within(SHORT, command, b"x"), Err(Failure::Late), "{command}");
        }
        assert_eq!(ask_within(SHORT, "yes >&2", b""), Err(Failure::Late));
        assert_eq!(ask_within(Duration::ZERO, "echo x", b""), Err(Failure::Late));
        assert_eq!(ask_within(Duration::MAX, "echo x", b""), Ok(b"x\n".to_vec()));
    }

    #[test]
    fn at_the_time_limit_the_background_is_killed_too() {
        let many = "for i in $(seq 50); do sleep 60 & done; wait";
        for command in ["sleep 60", "sleep 60 & echo x", "(sleep 60 & sleep 60) & exec >&-; wait", many] {
            let mut stage = Stage::new();
            assert_eq!(ask_within(SHORT, &stage.command(command), b""), Err(Failure::Late), "{command}");
            stage.rest();
        }
    }

    #[test]
    fn what_prints_too_much_is_killed_with_its_background() {
        let mut stage = Stage::new();
        assert_eq!(ask(&stage.command("sleep 60 & yes"), b""), Err(Failure::TooLong));
        stage.rest();
    }

    #[test]
    fn a_background_with_its_output_elsewhere_is_not_waited_for() {
        let stage = Stage::new();
        assert_eq!(ask(&stage.command("cat <gate >/dev/null & echo x"), b""), Ok(b"x\n".to_vec()));
    }

    #[test]
    fn no_zombies_are_left() {
        for command in ["echo $$ >pid", "echo $$ >pid; exit 3", "echo $$ >pid; sleep 60 & yes"] {
            let stage = Stage::new();
            let _ = ask(&stage.command(command), b"");
            let pid = Pid::from_raw(stage.text("pid").trim().parse().unwrap()).unwrap();
            assert_eq!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH), "{command}");
        }
    }

    #[test]
    fn a_command_inherits_the_three_streams_only() {
        let mut plain = Command::new("ls");
        plain.arg("/dev/fd").stdin(Stdio::piped()).stderr(Stdio::piped());
        let inherited = plain.output().unwrap().stdout;
        let mut stage = Stage::new();
        let pool = pool(
            &format!("[ -z \"$WAIT\" ] || {{ {}\n }}; exec ls /dev/fd", stage.command("echo >&3; cat gate")),
            2,
            PATIENCE,
        );
        let _neighbour = submit(&pool, b"", "WAIT", "yes");
        stage.read(1);
        let reply = submit(&pool, b"", "WAIT", "").recv().unwrap().unwrap();
        assert_eq!(String::from_utf8(reply).unwrap(), String::from_utf8(inherited).unwrap());
    }

    #[test]
    fn never_more_run_than_may() {
        let stage = Stage::new();
        let pool = pool(&stage.command("echo start >>log; sleep 0.02; echo end >>log"), 3, PATIENCE);
        let replies: Vec<_> = (0..20).map(|_| submit(&pool, b"", "UNUSED", "")).collect();
        for reply in replies {
            assert_eq!(reply.recv().unwrap(), Err(Failure::Nothing));
        }
        let log = stage.text("log");
        assert_eq!(log.lines().count(), 40);
        let mut running = 0;
        for line in log.lines() {
            running += if line == "start" { 1 } else { -1 };
            assert!((0..=3).contains(&running), "{log}");
        }
    }

    #[test]
    fn as_many_run_at_once_as_may() {
        let stage = Stage::new();
        let pool =
            pool(&stage.command("if [ $ROLE = hear ]; then head -n 1 <gate; else echo word >gate; fi"), 2, PATIENCE);
        let heard = submit(&pool, b"", "ROLE", "hear");
        let said = submit(&pool, b"", "ROLE", "say");
        assert_eq!(heard.recv().unwrap(), Ok(b"word\n".to_vec()));
        assert_eq!(said.recv().unwrap(), Err(Failure::Nothing));
    }

    #[test]
    fn each_reply_belongs_to_its_job() {
        let pool = pool("cat; printf '%s' \" $NAME\"", 4, PATIENCE);
        let names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let replies: Vec<_> = names.iter().map(|name| submit(&pool, name.as_bytes(), "NAME", name)).collect();
        for (name, reply) in names.iter().zip(replies) {
            assert_eq!(reply.recv().unwrap(), Ok(format!("{name} {name}").into_bytes()));
        }
    }

    #[test]
    fn a_pool_that_is_dropped_kills_what_runs_and_forgets_what_waits() {
        let mut stage = Stage::new();
        let pool = pool(&stage.command("sleep 60 & echo >&3; wait"), 2, Duration::MAX);
        let replies: Vec<_> = (0..5).map(|_| submit(&pool, b"x", "UNUSED", "")).collect();
        stage.read(2);
        let start = now();
        drop(pool);
        assert_eq!(stage.rest(), b"");
        assert!(start.elapsed() < PATIENCE);
        assert!(replies.iter().all(|reply| reply.recv().is_err()));
    }

    #[test]
    fn a_pool_that_is_dropped_does_not_wait_for_who_left_the_group() {
        if !Command::new("setsid").arg("true").status().is_ok_and(|status| status.success()) {
            assert!(
                std::env::var("UDP_REQUIRE_ALL").as_deref() != Ok("1"),
                "UDP_REQUIRE_ALL=1, but there is no setsid"
            );
            return println!("skipped: there is no setsid");
        }
        for command in ["setsid sh -c 'echo >&3; exec 3>&-; cat gate' & wait", "setsid sh -c 'echo >&3; cat gate' &"] {
            let mut stage = Stage::new();
            let pool = pool(&stage.command(command), 1, Duration::MAX);
            let reply = submit(&pool, b"x", "UNUSED", "");
            stage.read(1);
            let start = now();
            drop(pool);
            assert!(start.elapsed() < PATIENCE && reply.recv().is_err());
        }
    }

    #[test]
    fn a_pool_that_had_nothing_to_do_can_be_dropped() {
        drop(pool("cat", 100, PATIENCE));
    }
}
