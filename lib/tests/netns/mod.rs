//! Throw-away networks for tests: hosts are network namespaces, a script joins them, and all is gone when dropped.
//!
//! Works as root, and without where the system lets ordinary users make namespaces. Needs `ip` (iproute2), `unshare`
//! and `nsenter` (util-linux).
#![allow(dead_code, reason = "each test crate uses a part of it")]
#![expect(clippy::print_stdout, reason = "why a test was skipped is for whoever runs it")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// Names the test that runs inside its network, for the copy of the test's program that was started there.
const INSIDE: &str = "UDP_NETNS_TEST";
/// What that copy plays on a host of the network.
const ROLE: &str = "UDP_NETNS_ROLE";

/// Names programs that tests are to do without, even where everything is required.
const WITHOUT: &str = "UDP_WITHOUT";

/// What comes before every script: a private `/run` for `ip netns`, which keeps what programs may need of the old one,
/// and a few words for scripts. It says `possible` once all that may be forbidden here was done.
const PREAMBLE: &str = r#"
exec 2>&1
set -e
cd /run
mount -t tmpfs none /run
for entry in *; do
    if [ -d "$entry" ] && [ "$entry" != netns ]; then
        mkdir -p "/run/$entry"
        mount --no-canonicalize --rbind "./$entry" "/run/$entry" || :
    fi
done
cd /
mkdir /run/netns

# on HOST PROGRAM ARGUMENT...: runs a program on a host.
on() {
    name=$1
    shift
    nsenter --net="/run/netns/$name" -- "$@"
}
# A new namespace: IPv6 addresses are usable at once, without looking for duplicates first.
settle='echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
ip link set lo up'
# host NAME: adds a host.
host() {
    ip netns add "$1"
    on "$1" sh -ec "$settle"
}
# eventually COMMAND: runs it again and again until it succeeds; fails after some seconds.
eventually() {
    tries=0
    until eval "$1"; do
        tries=$((tries + 1))
        [ "$tries" -lt 5000 ]
    done
}
# usable HOST DEVICE: returns when the device can carry datagrams and has its link-local address; HOST - is here.
usable() {
    there="on $1"
    if [ "$1" = - ]; then there=; fi
    eventually "$there ip -o link show dev $2 | grep -q 'state UP'"
    eventually "$there ip -6 -o address show dev $2 scope link -tentative | grep -q fe80"
}
# delivered HOST: returns when what is sent to the IPv6 addresses of a host is delivered there; HOST - is here. A worker of the
# kernel adds the route for it some time after the address was added, be it `nodad`: until then it is lost without a word.
delivered() {
    there="on $1"
    if [ "$1" = - ]; then there=; fi
    for address in $($there ip -6 -o address show up -tentative | sed 's,.* inet6 \([^/ ]*\).*,\1,'); do
        eventually "$there ip -6 route show table local | grep -qF 'local $address '"
    done
}

sh -ec "$settle"
ip netns add probe
ip link add probe type veth peer name eth0 netns probe
ip link delete probe
ip netns delete probe
echo possible
"#;

/// What comes after: each address is ready, and the shell becomes a program that ends when the test does.
const POSTSCRIPT: &str = "
delivered -
for name in $(ls /run/netns); do
    delivered $name
done
echo ready
exec cat
";

/// This host and h2, on one cable.
pub(crate) const TWO_HOSTS: &str = "
host h2
ip link add eth0 type veth peer name eth0 netns h2
ip address add 10.1.0.1/24 dev eth0
ip address add fd01::1/64 dev eth0 nodad
on h2 ip address add 10.1.0.2/24 dev eth0
on h2 ip address add fd01::2/64 dev eth0 nodad
ip link set eth0 up
on h2 ip link set eth0 up
usable - eth0
usable h2 eth0
";

/// A network that lasts as long as this value.
#[derive(Debug)]
pub(crate) struct Lan {
    /// A process that does nothing but keep the namespaces alive.
    holder: Child,
    own_user: bool,
}

impl Lan {
    /// Runs the script (for `sh -e`) in a new network namespace; `None`, or a panic where `UDP_REQUIRE_ALL=1`, if this
    /// system does not permit it.
    ///
    /// Beside `ip`, a script has `host NAME`, `on HOST PROGRAM ...`, `usable HOST DEVICE` and `eventually COMMAND`.
    pub(crate) fn new(script: &str) -> Option<Self> {
        let own_user = !is_root();
        let mut unshare = Command::new("unshare");
        if own_user {
            unshare.args(["--user", "--map-root-user"]);
        }
        unshare.args(["--net", "--mount", "sh", "-c"]).arg(format!("{PREAMBLE}\n{script}\n{POSTSCRIPT}"));
        unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let holder = match unshare.spawn() {
            Ok(holder) => holder,
            Err(error) => {
                skip(&format!("no network namespaces: cannot run unshare: {error}"));
                return None;
            }
        };
        let mut lan = Self { holder, own_user };
        let stdout = lan.holder.stdout.take().expect("it was asked for");
        let mut possible = false;
        let mut said = String::new();
        for line in BufReader::new(stdout).lines() {
            match line.expect("the script says text").as_str() {
                "possible" => possible = true,
                "ready" if possible => return Some(lan),
                line => {
                    said.push_str(line);
                    said.push('\n');
                }
            }
        }
        if let Some(stderr) = &mut lan.holder.stderr {
            stderr.read_to_string(&mut said).expect("unshare says text");
        }
        assert!(!possible, "the script of the network failed:\n{said}\n{script}");
        skip(&format!("no network namespaces: {}", said.trim()));
        None
    }

    /// Hosts `h1`, `h2`, ... on one bridge: 10.1.0.1/24, 10.1.0.2/24, ... and a link-local address on `eth0`.
    pub(crate) fn hosts(count: u8) -> Option<Self> {
        Self::new(&format!(
            "ip link add lan type bridge mcast_snooping 0
            ip link set lan up
            for number in $(seq {count}); do
                host h$number
                ip link add eth0 netns h$number type veth peer name h$number
                ip link set h$number master lan up
                on h$number ip address add 10.1.0.$number/24 dev eth0
                on h$number ip link set eth0 up
            done
            for number in $(seq {count}); do
                usable h$number eth0
                eventually \"bridge link show dev h$number | grep -q 'state forwarding'\"
            done"
        ))
    }

    /// A program to be run on a host; its process is the program's own, and keeps the working directory.
    pub(crate) fn command(&self, host: &str, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.here("nsenter");
        command.arg(format!("--net=/run/netns/{host}")).arg("--").arg(program);
        command
    }

    /// The calling test, whose full name this is, to be run once more on a host, where [`role`] is this.
    pub(crate) fn cast(&self, host: &str, test: &str, role: &str) -> Command {
        let mut command = this_test(self.command(host, this_program()), test);
        command.env(ROLE, role);
        command
    }

    /// A program to be run in the namespace where the script ran.
    pub(crate) fn here(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.holder.id().to_string());
        if self.own_user {
            command.args(["--user", "--preserve-credentials"]);
        }
        // Entering a mount namespace leads to its root directory.
        let directory = std::env::current_dir().expect("tests have a working directory");
        command.args(["--net", "--mount", "--", "sh", "-c", r#"cd "$0"; exec "$@""#]).arg(directory).arg(program);
        command
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        // It may have ended by itself, with its script.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Runs the calling test, whose full name this is, again in the network that the script makes.
///
/// Use as `if !netns::enter("name_of_the_test", SCRIPT) { return; }`: what follows happens in the namespace where the
/// script ran, as root of it. A test that fails there fails here.
pub(crate) fn enter(test: &str, script: &str) -> bool {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        return true;
    }
    let Some(lan) = Lan::new(script) else { return false };
    let output = this_test(lan.here(this_program()), test).output().expect("nsenter can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    // A name that no test has would run nothing, and succeed.
    let passed = output.status.success() && said.contains("1 passed");
    assert!(passed, "{test} failed in its network:\n{said}\n{complaints}");
    println!("{said}{complaints}");
    false
}

/// Inside: a program to be run on a host of the network.
pub(crate) fn on(host: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{host}")).arg("--").arg(program);
    command
}

/// Inside: the calling test, to be run once more on another host, as by [`Lan::cast`].
pub(crate) fn cast(host: &str, test: &str, role: &str) -> Command {
    let mut command = this_test(on(host, this_program()), test);
    command.env(ROLE, role);
    command
}

/// What this copy of a test is to play; empty for the one that began.
pub(crate) fn role() -> String {
    std::env::var(ROLE).unwrap_or_default()
}

/// Whether a program can be run here; if not, says so, or panics where `UDP_REQUIRE_ALL=1`.
pub(crate) fn require(program: &str) -> bool {
    if std::env::var(WITHOUT).is_ok_and(|without| without.split(' ').any(|one| one == program)) {
        println!("skipped: {WITHOUT} names {program}");
        return false;
    }
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status() {
        Ok(_) => true,
        Err(error) => {
            skip(&format!("cannot run {program}: {error}"));
            false
        }
    }
}

/// Says why a test, or a part of one, is skipped; panics where nothing may be (`UDP_REQUIRE_ALL=1`).
pub(crate) fn skip(why: &str) {
    assert!(std::env::var("UDP_REQUIRE_ALL").as_deref() != Ok("1"), "UDP_REQUIRE_ALL=1, but {why}");
    println!("skipped: {why}");
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id can be run");
    id.stdout.trim_ascii() == b"0"
}

fn this_program() -> std::path::PathBuf {
    std::env::current_exe().expect("a running program has a path")
}

fn this_test(mut program: Command, test: &str) -> Command {
    program.args(["--exact", test, "--nocapture"]).env(INSIDE, test);
    program
}
