//! Every command line of the help texts, of README and of the pages in docs is run, or it is said why not.
//!
//! The lesson has a test of its own, which compares what its commands print.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "why an example was skipped is for whoever runs it")]

mod common;

use std::cell::RefCell;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::netns::{self, Lan};
use common::{Place, Process, Scratch, asking_for_help, verbs_and_parts};

/// Two hosts on a cable with all addresses of the examples; `host` is the second one.
const NETWORK: &str = "
host h1
host h2
ip link add eth0 netns h1 type veth peer name eth0 netns h2
for address in 10.1.0.1 192.168.1.1 10.0.0.2; do on h1 ip address add $address/24 dev eth0; done
for address in 10.1.0.2 192.168.1.20 10.0.0.1; do on h2 ip address add $address/24 dev eth0; done
for number in 1 2; do on h$number ip link set eth0 up; done
for number in 1 2; do usable h$number eth0; done
printf '127.0.0.1 localhost\\n10.1.0.2 host\\n' > /run/hosts
mount --bind /run/hosts /etc/hosts
";

/// Who answers on the second host, at every port of the examples.
const PEER: &[&str] = &["serve", "9", "53", "69", "9000", "9999", "10000", "239.255.255.250:1900", "-v"];

/// How a command line is run.
#[derive(Debug, PartialEq)]
enum How {
    /// To its end, which is a success.
    ToItsEnd,
    /// Until it waits for datagrams; it is sent one, and told to stop.
    UntilStopped,
    /// Until it has sent something, since it would never end.
    UntilSent,
    /// Like that, with a datagram for the program before the pipe, and all programs are stopped.
    Piped,
    /// Not here, for this reason.
    Not(&'static str),
}

/// Command lines that are not run as others of their verb are.
const SPECIAL: [(&str, How); 16] = [
    ("udp completions powershell >> $PROFILE", How::Not("no PowerShell is here")),
    ("udp listen --tui", How::Not("tests/tui.rs runs it on a terminal")),
    ("udp listen 9000 --tui", How::Not("tests/tui.rs runs it on a terminal")),
    ("udp relay :10000 host:9000 --tui", How::Not("tests/relay_tui.rs runs it on a terminal")),
    ("cargo run --release -- serve", How::Not(".ci/run builds and runs what it builds")),
    ("cargo test", How::Not("it is what runs this")),
    ("udp replay sensors.pcap :9000 --max-gap 1s --loop 0", How::UntilSent),
    ("tcpdump -Q in -U -w - udp dst port 9000 | udp replay - host", How::Piped),
    ("udp send 127.0.0.1:9000 'GET temperature'", How::Not(WORKED)),
    ("udp send 127.0.0.1:9000 'SET 19'", How::Not(WORKED)),
    ("udp send 127.0.0.1:9000 'SET 99'", How::Not(WORKED)),
    ("udp send 127.0.0.1:9000 'make tea'", How::Not(WORKED)),
    (
        "udp send 127.0.0.1:9053 --hex '1234 0100 0001 0000 0000 0000 0161 0474657374 00 0001 0001' --hex-dump",
        How::Not(WORKED),
    ),
    ("udp send 127.0.0.1:9000 hello -c 6 --every 200ms --wait 150ms", How::Not(WORKED)),
    ("udp listen --count 1 --raw > payload", How::UntilStopped),
    ("udp relay --explain fates.jsonl 17", How::Not("tests/relay_truth.rs explains what it wrote")),
];

const WORKED: &str = "tests/rules.rs runs it beside the rules of the page";

fn how(line: &str) -> How {
    if let Some((_, how)) = SPECIAL.into_iter().find(|(special, _)| *special == line) {
        return how;
    }
    if line.starts_with("cargo install ") {
        return How::Not("it would install what this tests");
    }
    if line.starts_with("curl ") {
        return How::Not("tests/relay_control.rs runs it beside a relay");
    }
    if line.starts_with("udp measure ") && !line.contains("--explain") {
        return How::Not("tests/measure_words.rs and tests/measure_truth.rs measure beside a reflector");
    }
    if line.starts_with("udp check ") {
        return How::Not("tests/check_table.rs and tests/exercises.rs check programs of which the verdicts are known");
    }
    match line.split(' ').nth(1) {
        Some("serve" | "listen" | "reflect" | "relay") => How::UntilStopped,
        Some("send" | "broadcast" | "measure" | "replay" | "interfaces" | "man" | "completions") => How::ToItsEnd,
        _ if line.starts_with("source <(udp ") => How::ToItsEnd,
        _ => panic!("how is this to be run? {line}"),
    }
}

/// The help of a verb, or of a part of one.
fn help_of(verb: &str) -> String {
    let arguments = asking_for_help(verb, "--help");
    Place::Here.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).text()
}

/// The command lines among the examples of a help text.
fn of_help(verb: &str) -> Vec<String> {
    let help = help_of(verb);
    let (_, examples) = help.split_once("\nExamples:\n").unwrap_or_else(|| panic!("no examples: {help}"));
    let (examples, _) = examples.split_once("\nExit status:\n").unwrap_or((examples, ""));
    // What explains a line comes after two spaces, or is indented by six.
    let command =
        |line: &str| Some(line.strip_prefix("  ")?.split("  ").next()?.to_owned()).filter(|line| !line.is_empty());
    let commands: Vec<_> = examples.lines().filter_map(command).collect();
    assert!(!commands.is_empty(), "{help}");
    commands
}

/// The command lines in the blocks of a page: all lines of those that begin with one, else those after a prompt.
fn of_page(text: &str) -> Vec<String> {
    // README names the language, since its programs are tests of the library.
    let is_of_a_shell = |language: &str| ["", "sh", "console"].contains(&language);
    let blocks = text.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    let blocks = blocks.filter(|(language, _)| is_of_a_shell(language)).map(|(_, block)| block);
    let lines = blocks.flat_map(|block| {
        let is_list = ["udp ", "cargo "].iter().any(|word| block.starts_with(word));
        block.lines().filter_map(move |line| if is_list { Some(line) } else { line.strip_prefix("$ ") })
    });
    lines.map(|line| line.split(" #").next().unwrap_or(line).trim_end().to_owned()).collect()
}

/// Pages whose blocks tests/recipes.rs runs, all of them.
const RUN_ELSEWHERE: [&str; 5] = ["serve.md", "send.md", "broadcast.md", "replay.md", "interfaces.md"];

/// README and the pages of docs whose lines are run here, by their names. The lesson is in folders of its own.
fn pages() -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the project").to_owned();
    let docs = std::fs::read_dir(top.join("docs")).expect("there are pages").map(|entry| entry.expect("a page").path());
    let is_page = |path: &PathBuf| {
        let is_elsewhere = RUN_ELSEWHERE.into_iter().any(|name| path.ends_with(name));
        path.extension().is_some_and(|extension| extension == "md") && !is_elsewhere
    };
    let mut paths: Vec<_> = docs.filter(is_page).collect();
    paths.push(top.join("README.md"));
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("it is text");
        // tests/recipes.rs runs these, and compares what they print.
        let recipes =
            ["\n## Recipes\n", "\n## On one screen\n"].into_iter().filter_map(|heading| text.find(heading)).min();
        let before_recipes = recipes.map_or(text.as_str(), |place| &text[..place]);
        (path.display().to_string(), before_recipes.to_owned())
    };
    paths.into_iter().map(read).collect()
}

/// The first host of a network, where the files of the examples are.
struct Stage {
    lan: Lan,
    files: Scratch,
    peer: RefCell<Process>,
}

impl Stage {
    fn new() -> Option<Self> {
        if !netns::require("bash") {
            return None;
        }
        let lan = Lan::new(NETWORK)?;
        let files = Scratch::new();
        files.file("house.toml", "[[rule]]\nreply = 'pong'\n");
        files.file("evening.toml", "[[at]]\ntime = '1h'\nboth.loss = '5%'\n");
        std::fs::create_dir(files.path().join("keys")).expect("the directory is ours");
        for name in ["probe.key", "keys/7.key"] {
            files.secret(name, "correct horse battery staple");
        }
        files.file("cmds", "one\ntwo\n");
        files.file("msearch", "M-SEARCH * HTTP/1.1\r\n\r\n");
        let mut peer = Place::On(&lan, "h2").udp(PEER);
        peer.until_told("serving on ");
        let stage = Self { lan, files, peer: RefCell::new(peer) };
        stage.capture();
        Some(stage)
    }

    fn first(&self) -> Place<'_> {
        Place::On(&self.lan, "h1")
    }

    /// Makes the captures of the examples: two datagrams to port 9000 and one to port 53.
    fn capture(&self) {
        let path = self.files.path().join("game.pcapng");
        let path = path.to_str().expect("it is text");
        let (listener, _) = self.first().waiting(&["listen", "9000", "53", "--count", "3", "--write", path]);
        for port in ["9000", "9000", "53"] {
            let to = format!("10.1.0.1:{port}");
            Place::On(&self.lan, "h2").run(&["send", &to, "hello", "--wait", "0"]).assert_status(0);
        }
        listener.finish().assert_status(0);
        for name in ["a.pcap", "b.pcap", "dns.pcap", "load.pcap", "mirror.pcap", "sensors.pcap", "site.pcap"] {
            std::fs::copy(path, self.files.path().join(name)).expect("it can be copied");
        }
    }

    /// A command line, to be run where its files are.
    fn command(&self, line: &str) -> Command {
        let built = Path::new(env!("CARGO_BIN_EXE_udp")).parent().expect("it is in a directory");
        let path = std::env::var("PATH").unwrap_or_default();
        let exec = if line.starts_with("udp ") && !line.contains('|') { "exec " } else { "" };
        let mut command = self.first().command("bash");
        command.env("PATH", format!("{}:{path}", built.display())).env("HOME", self.files.path());
        command.args(["-c", &format!("cd; {exec}{line}")]);
        command
    }

    fn run(&self, line: &str) {
        match how(line) {
            How::Not(_) => {}
            How::UntilStopped => self.until_stopped(line),
            How::ToItsEnd => {
                let _here = self.first().waiting(&["serve", "9000", "10000"]);
                let outcome = Process::start(self.command(line)).finish();
                assert_eq!(outcome.status, 0, "{line}: {outcome:?}");
            }
            How::UntilSent => {
                let (mut here, _) = self.first().waiting(&["serve", "9000", "-v"]);
                let process = Process::start(self.command(line));
                here.stdout_line();
                let outcome = process.stop();
                assert_eq!(outcome.status, 0, "{line}: {outcome:?}");
            }
            How::Piped => self.piped(line),
        }
    }

    /// Runs a receiver, which must see a datagram unless it writes elsewhere.
    fn until_stopped(&self, line: &str) {
        let mut process = Process::start(self.command(line));
        let is_printing = !line.contains('>') && !line.contains("--write");
        let address = if line.contains("--json") {
            let line = process.stdout_line();
            let object: serde_json::Value = serde_json::from_str(&line).expect("JSON Lines");
            object["addresses"][0].as_str().unwrap_or_else(|| panic!("no addresses: {line}")).to_owned()
        } else {
            let before = if line.starts_with("udp relay") { "relaying from " } else { "ing on " };
            let said = process.until_told(before);
            let all = said.split(before).nth(1).expect("it was told");
            let first = [" and ", ", ", " to "].iter().fold(all, |all, end| all.split(end).next().unwrap_or(all));
            first.to_owned()
        };
        let address = common::parse(first_of_range(address.trim()));
        let (from, to) = match address.ip() {
            ip if ip.is_loopback() => ("h1", address),
            ip if ip.is_multicast() => ("h2", address),
            _ => ("h2", (IpAddr::from([10, 1, 0, 1]), address.port()).into()),
        };
        let from = Place::On(&self.lan, from);
        let is_answering =
            line.starts_with("udp serve") && !["--sink", "--drop"].iter().any(|word| line.contains(word));
        let wait = if is_answering { "20s" } else { "0" };
        let mut arguments = vec!["send", "hello", "--wait", wait];
        let to = to.to_string();
        arguments.insert(1, &to);
        if address.ip().is_multicast() {
            arguments.extend(["-i", "eth0"]);
        }
        let asked = from.run(&arguments);
        assert_eq!(asked.status, 0, "{line}: {asked:?}\n{process:?}");
        if line.starts_with("udp listen") && is_printing {
            process.stdout_line();
        }
        let outcome = if line.contains("--count") { process.finish() } else { process.stop() };
        assert_eq!(outcome.status, 0, "{line}: {outcome:?}");
    }

    /// Runs what is captured on one side of a pipe, and sent on the other.
    fn piped(&self, line: &str) {
        if !netns::require("tcpdump") {
            return;
        }
        // tcpdump gives rights up at its start, which is forbidden where an ordinary user is root of nothing but a namespace.
        if self.first().shell("cat /proc/self/setgroups").trim_end() != "allow" {
            println!("skipped: {line}: needs to be started by root");
            return;
        }
        let _here = self.first().waiting(&["serve", "9000"]);
        let mut process = Process::start(self.command(line));
        process.until_told("listening on");
        Place::On(&self.lan, "h2").run(&["send", "10.1.0.1:9000", "passed on", "--wait", "0"]).assert_status(0);
        self.peer.borrow_mut().until(|line| line.contains("passed on"));
        let mut stop = self.lan.here("sh");
        stop.args(["-c", "kill $(ip netns pids h1)"]);
        Process::start(stop).finish().assert_status(0);
        // That ends the shell, too, as a signal does.
        drop(process);
    }
}

/// The first address of several ports.
fn first_of_range(address: &str) -> &str {
    let port = address.rfind(':').unwrap_or(0);
    address[port..].find('-').map_or(address, |dash| &address[..port + dash])
}

fn run_all(lines: &[String]) {
    let Some(stage) = Stage::new() else { return };
    for line in lines {
        stage.run(line);
    }
}

#[test]
fn what_a_shell_would_take_for_a_pattern_is_quoted() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let course = std::fs::read_dir(docs.join("course")).expect("the lesson is there");
    let course = course.map(|entry| entry.expect("it can be read").path());
    let elsewhere = RUN_ELSEWHERE.into_iter().map(|name| docs.join(name)).chain(course);
    let elsewhere = elsewhere.map(|path| std::fs::read_to_string(path).expect("it is text"));
    let pages = pages().into_iter().map(|(_, text)| text).chain(elsewhere);
    let lines = pages.flat_map(|text| of_page(&text)).chain(verbs_and_parts().chain([""]).flat_map(of_help));
    for line in lines.filter(|line| line.starts_with("udp ")) {
        // Every other part is between quotes: zsh refuses a command whose pattern matches no file.
        let bare: String = line.replace('"', "'").split('\'').step_by(2).collect();
        assert!(!bare.contains(['[', ']', '*', '?', '{']), "{line}");
    }
}

#[test]
fn examples_of_serve_can_be_run() {
    run_all(&of_help("serve"));
}

#[test]
fn examples_of_send_can_be_run() {
    run_all(&of_help("send"));
}

#[test]
fn examples_of_listen_can_be_run() {
    run_all(&of_help("listen"));
}

#[test]
fn examples_of_broadcast_can_be_run() {
    run_all(&of_help("broadcast"));
}

#[test]
fn examples_of_reflect_can_be_run() {
    run_all(&of_help("reflect"));
}

#[test]
fn examples_of_relay_can_be_run() {
    run_all(&of_help("relay"));
}

#[test]
fn examples_of_replay_can_be_run() {
    run_all(&of_help("replay"));
}

#[test]
fn all_other_examples_can_be_run() {
    const OWN: [&str; 7] = ["serve", "send", "listen", "broadcast", "reflect", "relay", "replay"];
    let verbs = verbs_and_parts().filter(|verb| !OWN.contains(verb));
    run_all(&verbs.chain([""]).flat_map(of_help).collect::<Vec<_>>());
}

#[test]
fn commands_of_the_pages_can_be_run() {
    let mut lines: Vec<_> = pages().iter().flat_map(|(_, text)| of_page(text)).collect();
    lines.retain(|line| cfg!(feature = "http") || !line.contains("--metrics"));
    assert!(lines.len() > 20, "{lines:?}");
    run_all(&lines);
}

#[test]
fn the_pages_name_no_option_that_a_verb_does_not_have() {
    let mut seen = 0;
    for (name, page) in pages() {
        for code in page.split('`').skip(1).step_by(2).filter(|code| code.starts_with("udp ")) {
            let is_of = |verb: &&str| code.strip_prefix("udp ").is_some_and(|rest| rest.starts_with(verb));
            let Some(verb) = verbs_and_parts().filter(is_of).max_by_key(|verb| verb.len()) else { continue };
            let help = help_of(verb);
            for option in code.split_whitespace().filter(|word| word.starts_with("--") && *word != "--help") {
                seen += 1;
                let is_there = help.split_whitespace().any(|word| word == option);
                let is_left_out = option == "--metrics" && !cfg!(feature = "http");
                assert!(is_there || is_left_out, "{name}: {code}");
            }
        }
    }
    assert!(seen > 5, "{seen}");
}
