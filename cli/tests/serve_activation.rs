//! `udp serve` on sockets that a service manager bound and handed over (`sd_listen_fds(3)`).
#![cfg(target_os = "linux")]

mod common;

use common::netns::require;
use common::{Place, Process, number};

/// Binds a socket for each KIND=HOST, asks the first one once, and becomes `udp` with the sockets as descriptors from 3 on.
/// Arguments: for whom they are ("us" or a process), KIND=HOST with commas between, the program and its arguments.
const HAND_OVER: &str = "
import fcntl, os
sockets = []
for place in sys.argv[2].split(','):
    kind, host = place.split('=')
    kind = {'udp': SOCK_DGRAM, 'tcp': SOCK_STREAM}[kind]
    sockets.append(socket(AF_INET6 if ':' in host else AF_INET, kind))
    sockets[-1].bind((host, 0))
    if host == '0.0.0.0':
        sockets[-1].setsockopt(IPPROTO_IP, 8, 1)  # IP_PKTINFO
if kind == SOCK_DGRAM:
    socket(AF_INET, SOCK_DGRAM).sendto(b'early', ('127.0.0.1', sockets[0].getsockname()[1]))
high = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 100) for one in sockets]
for place, descriptor in enumerate(high):
    os.dup2(descriptor, 3 + place)
    os.close(descriptor)
os.environ['LISTEN_PID'] = str(os.getpid()) if sys.argv[1] == 'us' else sys.argv[1]
os.environ.setdefault('LISTEN_FDS', str(len(sockets)))
os.execv(sys.argv[3], sys.argv[3:])
";

/// What a server answers at each of these addresses, and from where. Arguments: addresses and their ports.
const ASK: &str = "
for host, port in zip(sys.argv[1::2], sys.argv[2::2]):
    answer, source = ask((host, int(port)), b'question', AF_INET6 if ':' in host else AF_INET)
    say(answer.decode(), source[:2] == (host, int(port)))
";

/// `udp serve` with sockets that were handed over.
fn serve(whom: &str, sockets: &str, arguments: &[&str]) -> Process {
    let udp = [whom, sockets, env!("CARGO_BIN_EXE_udp"), "serve"];
    Place::Here.python(HAND_OVER, &[&udp, arguments].concat())
}

/// The ports in what a server says first.
fn ports(server: &mut Process) -> Vec<String> {
    let line = server.until_told("serving on ");
    let places = line.trim().strip_prefix("serving on ").expect("places").split(" and ");
    places.map(|place| place.rsplit_once(':').expect("a port").1.to_owned()).collect()
}

#[test]
fn sockets_that_were_handed_over_are_served_with_what_waits_in_them() {
    if !require("python3") {
        return;
    }
    let mut server = serve("us", "udp=0.0.0.0,udp=127.0.0.2", &["--reply", "{payload}!"]);
    let ports = ports(&mut server);
    let said = Place::Here.python_says(ASK, &["127.0.0.1", &ports[0], "127.0.0.3", &ports[0], "127.0.0.2", &ports[1]]);
    assert_eq!(said, "question! True\n".repeat(3));
    server.stop().assert_told(&["4 received", "4 answered"]);
}

#[test]
fn both_families_are_served_by_a_socket_of_both() {
    if !require("python3") || !std::path::Path::new("/proc/net/if_inet6").exists() {
        return;
    }
    let mut server = serve("us", "udp=::", &["--json"]);
    let line: serde_json::Value = serde_json::from_str(&server.stdout_line()).expect("JSON Lines");
    let address = line["addresses"][0].as_str().expect("an address");
    let port = address.strip_prefix("[::]:").expect("every address");
    let said = Place::Here.python_says(ASK, &["127.0.0.1", port, "::1", port]);
    assert_eq!(said, "Get off my lawn! True\n".repeat(2));
    assert_eq!(number(&server.stop().summary()["answered"]), 3);
}

#[test]
fn sockets_that_are_another_process_s_are_left_alone() {
    if !require("python3") {
        return;
    }
    let mut server = serve("1", "udp=127.0.0.1", &["127.0.0.1:0", "--reply", "ours"]);
    let port = ports(&mut server).remove(0);
    assert_eq!(Place::Here.python_says(ASK, &["127.0.0.1", &port]), "ours True\n");
    // What was asked before, at the other socket, was not for this server.
    server.stop().assert_told(&["1 received"]);
}

#[test]
fn commands_do_not_get_the_sockets() {
    if !require("python3") {
        return;
    }
    let mut server = serve("us", "udp=127.0.0.1", &["--exec", "readlink /proc/self/fd/3 || printf none"]);
    let port = ports(&mut server).remove(0);
    assert_eq!(Place::Here.python_says(ASK, &["127.0.0.1", &port]), "none True\n");
}

#[test]
fn what_cannot_be_served_is_an_error_that_says_why() {
    if !require("python3") {
        return;
    }
    let choice = "cannot choose where to listen: the service manager handed over its sockets";
    for (sockets, arguments, words) in [
        ("tcp=127.0.0.1", &[][..], "cannot adopt a descriptor: it is no UDP socket"),
        ("udp=127.0.0.1,tcp=127.0.0.1", &[], "cannot adopt a descriptor: it is no UDP socket"),
        ("udp=127.0.0.1", &["127.0.0.1:0"], choice),
        ("udp=127.0.0.1", &["-p", "9000"], choice),
        ("udp=127.0.0.1", &["-6"], choice),
    ] {
        let outcome = serve("us", sockets, arguments).finish();
        outcome.assert_status(2);
        outcome.assert_told(&[words]);
    }
}

#[test]
fn descriptors_that_are_no_sockets_are_an_error() {
    if !require("python3") {
        return;
    }
    for (count, words) in [
        ("2", "cannot adopt a descriptor: "),
        ("many", "cannot adopt what was handed over: LISTEN_FDS is no number from 0 to 4096"),
    ] {
        let mut command = Place::Here.command("sh");
        let script = "exec 3</dev/null 4<&-; export LISTEN_PID=$$; exec \"$0\" serve";
        command.args(["-c", script, env!("CARGO_BIN_EXE_udp")]).env("LISTEN_FDS", count);
        let outcome = Process::start(command).finish();
        outcome.assert_status(2);
        outcome.assert_told(&[words]);
    }
}
