//! A terminal, which is tmux, with a program on it: what it shows, keys, and how it is left.

use std::process::Command;
use std::time::{Duration, Instant};

use super::{Place, Scratch};

/// No screen needs as long as this to show what it is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal of its own, with a shell script in it that says how the terminal was before and after.
pub(crate) struct Terminal {
    scratch: Scratch,
}

/// What the script does: runs the arguments, with a file for their process number.
const SCRIPT: &str = r#"
stty -g
sh -c 'echo $$ > "$0"; exec "$@"' "$DIRECTORY/process" "$@"
echo "status $?"
stty -g
exec cat
"#;

/// The same as a job of that shell, which goes on when a line was typed after it was stopped.
pub(crate) const JOB: &str = r#"
set -m
stty -g
"$@"
echo "stopped $?"
read line
fg
echo "status $?"
stty -g
exec cat
"#;

impl Terminal {
    /// Runs `udp` on a terminal of this size, in this environment.
    pub(crate) fn start(size: (u16, u16), environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::start_by(SCRIPT, size, environment, arguments)
    }

    pub(crate) fn start_by(script: &str, size: (u16, u16), environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        let terminal = Self { scratch: Scratch::new() };
        let (columns, lines) = (size.0.to_string(), size.1.to_string());
        let mut command = terminal.tmux();
        command.env("DIRECTORY", terminal.scratch.path()).envs(environment.iter().copied());
        command.args(["-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", &lines, "sh", "-c", script, "sh"]);
        command.arg(env!("CARGO_BIN_EXE_udp")).args(arguments);
        assert!(command.status().expect("tmux can be run").success());
        terminal
    }

    /// The port that the screen shows behind this text.
    pub(crate) fn port_after(&self, text: &str) -> u16 {
        let screen = self.until_shown(text);
        let (_, rest) = screen.split_once(text).expect("it is there");
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        port.parse().expect("a port")
    }

    fn tmux(&self) -> Command {
        let mut command = Place::Here.command("tmux");
        command.env_remove("TMUX").env("LC_ALL", "C.UTF-8").env("SHELL", "/bin/sh");
        command.arg("-u").arg("-S").arg(self.scratch.path().join("tmux"));
        command
    }

    /// What a command of tmux says.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let output = self.tmux().args(arguments).output().expect("tmux can be run");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    pub(crate) fn keys(&self, keys: &[&str]) {
        self.ask(&[&["send-keys"], keys].concat());
    }

    pub(crate) fn resize(&self, columns: &str, lines: &str) {
        self.ask(&["resize-window", "-x", columns, "-y", lines]);
    }

    pub(crate) fn screen(&self) -> String {
        self.ask(&["capture-pane", "-p"])
    }

    /// The screen, once this holds for it.
    pub(crate) fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let begun = now();
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(begun.elapsed() < PATIENCE, "no {what}:\n{screen}");
        }
    }

    pub(crate) fn until_shown(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    pub(crate) fn until_gone(&self, text: &str) -> String {
        self.until(&format!("screen without {text}"), |screen| !screen.contains(text))
    }

    pub(crate) fn signal(&self, name: &str) {
        Place::Here.shell(&format!("kill -{name} {}", self.process()));
    }

    /// The number of the program's process.
    pub(crate) fn process(&self) -> String {
        std::fs::read_to_string(self.scratch.path().join("process")).expect("it was started").trim().to_owned()
    }

    /// Waits for the program's end; the terminal must be as it was before. Returns what stands on it.
    pub(crate) fn ended(&self, status: u8) -> String {
        // What stty says may be longer than a line.
        self.until("end", |screen| screen.rsplit_once("\nstatus ").is_some_and(|(_, rest)| rest.contains(':')));
        let joined = self.ask(&["capture-pane", "-p", "-J"]);
        let modes: Vec<_> = joined.lines().filter(|line| line.matches(':').count() > 20).map(str::trim_end).collect();
        assert!(modes.len() == 2 && modes[0] == modes[1], "{joined}");
        let screen = self.screen();
        assert!(screen.contains(&format!("\nstatus {status}\n")), "{screen}");
        assert_eq!(self.ask(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]), "0 1\n", "{screen}");
        screen
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.tmux().arg("kill-server").output();
    }
}

#[expect(clippy::disallowed_methods, reason = "a bound on how long a test waits")]
fn now() -> Instant {
    Instant::now()
}
