//! Completions in real shells, and man pages as a checker of man pages sees them.
#![cfg(target_os = "linux")]

mod common;

use std::path::Path;
use std::process::Command;

use common::netns::{self, Lan};
use common::{Place, Process, Scratch, VERBS, asking_for_help, verbs_and_parts};

/// Starts a shell on a terminal, waits for its prompt, types, and leaves with the key that writes the line to a file.
/// Arguments: what to type, the shell and its arguments.
const TYPED: &str = r"
import os, pty
os.chdir(os.path.expanduser('~'))
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
seen = b''
while b'READY>' not in seen:
    seen += os.read(terminal, 4096)
os.write(terminal, sys.argv[1].encode() + b'\x07')
try:
    while os.read(terminal, 4096):
        pass
except OSError:
    pass
os.waitpid(child, 0)
print(open(os.path.expanduser('~/line')).read(), end='')
";

const BASHRC: &str = r#"
PS1='READY> '
bind 'set bell-style none'
bind -x '"\C-g": printf %s "$READLINE_LINE" > ~/line; exit'
. /usr/share/bash-completion/bash_completion
"#;

const ZSHRC: &str = r#"
PS1='READY> '
show() { printf %s "$BUFFER" > ~/line; exit }
zle -N show
bindkey '^G' show
fpath+=~/.zfunc
autoload -U compinit
compinit -u
"#;

/// A program with a new home, where files and a directory begin with the same letter, and `udp` is what was built here.
fn at_home(mut command: Command, home: &Path) -> Command {
    let built = Path::new(env!("CARGO_BIN_EXE_udp")).parent().expect("it is in a directory");
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", built.display())).env("HOME", home).env("TERM", "dumb");
    command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME").env_remove("ZDOTDIR");
    command
}

/// A new home where a shell was installed as the help says.
fn home(shell: &str) -> Scratch {
    let home = Scratch::new();
    home.file("afile", "");
    std::fs::create_dir(home.path().join("another")).expect("it is new");
    let help = Place::Here.run(&["completions", "--help"]).text();
    let all = common::examples(&help);
    let example = all.iter().find(|example| example.starts_with(&format!("completions {shell} ~")));
    let example = example.unwrap_or_else(|| panic!("no example for {shell}: {help}"));
    let mut command = at_home(Place::Here.command("sh"), home.path());
    command.args(["-c", &format!("udp {example}")]);
    Process::start(command).finish().assert_status(0);
    home
}

/// What a line has become in a shell once it was typed.
fn typed(place: Place<'_>, home: &Scratch, line: &str, shell: &[&str]) -> String {
    let mut command = at_home(place.command("python3"), home.path());
    command.arg("-c").arg(format!("import sys\n{TYPED}")).arg(line).args(shell);
    let outcome = Process::start(command).finish();
    outcome.assert_status(0);
    outcome.text()
}

/// Lines with a tab at their end, and what they become: names of interfaces, files only where a file stands, directories only
/// where a directory does.
const COMPLETED: [(&str, &str); 9] = [
    ("udp lis\t", "udp listen "),
    ("udp listen -i e\t", "udp listen -i eth0 "),
    ("udp listen --interface=e\t", "udp listen --interface=eth0 "),
    ("udp listen --interface e\t", "udp listen --interface eth0 "),
    ("udp serve --format j\t", "udp serve --format json "),
    ("udp send 10.1.0.1 a\t", "udp send 10.1.0.1 a"),
    ("udp listen --from a\t", "udp listen --from a"),
    ("udp send 10.1.0.1 --file af\t", "udp send 10.1.0.1 --file afile "),
    ("udp man a\t", "udp man another/"),
];

#[test]
fn bash_completes_as_the_help_says_it_is_installed() {
    completes("bash", ".bashrc", BASHRC);
}

#[test]
fn zsh_completes_as_the_help_says_it_is_installed() {
    completes("zsh", ".zshrc", ZSHRC);
}

fn completes(shell: &str, rc: &str, text: &str) {
    if !netns::require(shell) || !netns::require("python3") {
        return;
    }
    if shell == "bash" && !Path::new("/usr/share/bash-completion/bash_completion").exists() {
        return netns::skip("no bash-completion, which loads what is installed");
    }
    let Some(lan) = Lan::hosts(1) else { return };
    let home = home(shell);
    home.file(rc, text);
    for (line, completed) in COMPLETED {
        let is = typed(Place::On(&lan, "h1"), &home, line, &[shell, "-i"]);
        assert_eq!(is, completed, "{shell}: {line}");
    }
}

#[test]
fn fish_completes_as_the_help_says_it_is_installed() {
    if !netns::require("fish") {
        return;
    }
    let Some(lan) = Lan::hosts(1) else { return };
    let home = home("fish");
    for (line, completed) in COMPLETED {
        let mut command = at_home(Place::On(&lan, "h1").command("fish"), home.path());
        command.args(["-c", &format!("cd; complete -C '{}'", line.trim_end())]);
        let outcome = Process::start(command).finish();
        outcome.assert_status(0);
        let words: Vec<_> = outcome.lines().iter().map(|line| line.split('\t').next().map(str::to_owned)).collect();
        let word = completed.trim_end().rsplit(' ').next().map(str::to_owned);
        let expected = if line.trim_end() == completed { vec![] } else { vec![word] };
        assert_eq!(words, expected, "{line}");
    }
}

#[test]
fn a_running_bash_takes_the_completions_from_standard_output() {
    if !netns::require("bash") {
        return;
    }
    let home = Scratch::new();
    let mut command = at_home(Place::Here.command("bash"), home.path());
    command.args(["-c", "source <(udp completions bash) && complete -p udp"]);
    let outcome = Process::start(command).finish();
    outcome.assert_status(0);
    assert!(outcome.text().contains("-F _udp udp"), "{outcome:?}");
}

#[test]
fn every_shell_is_answered_with_every_verb() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Place::Here.run(&["completions", shell]);
        script.assert_status(0);
        assert!(script.text().contains("UDP_COMPLETE"), "{script:?}");

        let mut command = Place::Here.udp_command(&["--", "udp", ""]);
        command.env("UDP_COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", "1").env("_CLAP_IFS", "\n");
        let outcome = Process::start(command).finish();
        outcome.assert_status(0);
        let words = outcome.lines();
        for verb in VERBS {
            assert!(words.iter().any(|word| word.starts_with(verb)), "{shell} does not know {verb}: {words:?}");
        }
    }
    let outcome = Place::Here.run(&["completions", "tcsh"]);
    outcome.assert_status(2);
    outcome.assert_told(&["[possible values: bash, elvish, fish, powershell, zsh]"]);
}

/// The file of a man page.
fn name_of_page(verb: &str) -> String {
    let words: Vec<_> = ["udp"].into_iter().chain(verb.split_whitespace()).collect();
    format!("{}.1", words.join("-"))
}

/// Every man page by its verb, in a directory that was not there.
fn man_pages() -> (Scratch, Vec<(&'static str, String)>) {
    let scratch = Scratch::new();
    let directory = scratch.path().join("share/man/man1");
    Place::Here.run(&["man", directory.to_str().expect("it is text")]).assert_status(0);
    let read = |verb: &'static str| {
        (verb, std::fs::read_to_string(directory.join(name_of_page(verb))).expect("it was written"))
    };
    let pages = [""].into_iter().chain(verbs_and_parts()).map(read).collect();
    (scratch, pages)
}

#[test]
fn every_verb_has_a_man_page_with_all_that_its_help_says() {
    let (_scratch, pages) = man_pages();
    for (verb, page) in pages {
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"] {
            assert!(page.contains(&format!("\n.SH {section}\n")), "{verb}: no {section}");
        }
        let arguments = asking_for_help(verb, "--help");
        let help = Place::Here.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).text();
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = plain(&page.replace("\\-", "-").replace("\\(aq", "'").replace("\\(ti", "~").replace("\\e", "\\"));
        // Help of options is indented by ten: what -h hides, too.
        let said = help.lines().filter_map(|line| line.strip_prefix("          "));
        let mut seen = 0;
        for line in said.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase())) {
            seen += 1;
            assert!(
                line.starts_with("Possible values") || text.contains(&plain(line)),
                "{verb}: no '{line}' in {text}"
            );
        }
        assert!(seen > 1 || help.lines().count() < 40, "{verb}");
    }
    let (_scratch, pages) = man_pages();
    let listen = pages.into_iter().find(|(verb, _)| *verb == "listen").expect("it is a verb").1;
    assert!(listen.contains("[\\fB\\-\\-write\\fR\\~\\fIFILE.pcapng\\fR]"), "{listen}");
    assert!(listen.contains("[\\fB\\-\\-tui\\fR]"), "{listen}");
}

#[test]
fn a_checker_of_man_pages_finds_nothing() {
    if !netns::require("mandoc") {
        return;
    }
    let (scratch, pages) = man_pages();
    for (verb, _) in pages {
        let name = name_of_page(verb);
        let mut command = Place::Here.command("mandoc");
        command.arg("-Tlint").arg(name).current_dir(scratch.path().join("share/man/man1"));
        let outcome = Process::start(command).finish();
        assert_eq!((outcome.status, outcome.text().as_str(), outcome.stderr.as_str()), (0, "", ""), "{verb}");
    }
}

#[test]
fn what_cannot_be_written_is_named() {
    let outcome = Place::Here.run(&["man", "/proc/nowhere"]);
    outcome.assert_status(2);
    outcome.assert_told(&["udp: cannot write '/proc/nowhere/udp.1': no such file or directory\n"]);
    let outcome = Place::Here.run(&["completions", "bash", "/proc/nowhere/udp"]);
    outcome.assert_status(2);
    outcome.assert_told(&["udp: cannot write '/proc/nowhere/udp': no such file or directory\n"]);
}
