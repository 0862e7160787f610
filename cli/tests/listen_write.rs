//! `udp listen` where the output is slow, full or a capture file: what is received, written, counted, and what others
//! read in the file.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Command;

use common::netns::require;
use common::{Place, Process, Scratch, has, hosts, ignored, number};
use serde_json::Value;
use udpkit::Capability;

/// Sends numbered datagrams of some length and waits, after each 100 kB and at the end, until the receiver's buffer is empty.
/// Arguments: port, how many, length.
const STEADY: &str = "
port, count, length = map(int, sys.argv[1:4])
def waits():
    rows = [line.split() for line in open('/proc/net/udp')][1:]
    return sum(int(row[4].split(':')[1], 16) for row in rows if row[1].endswith(':%04X' % port))
s = socket(AF_INET, SOCK_DGRAM)
s.setsockopt(SOL_SOCKET, SO_SNDBUF, 1 << 20)
for number in range(count):
    s.sendto((b'%010d' % number).ljust(length, b'.'), ('127.0.0.1', port))
    if number % max(1, 100000 // length) == 0 or number == count - 1:
        for _ in range(1000000):
            if waits() == 0: break
";

/// A listener on loopback, and its port.
fn listener(arguments: &[&str]) -> (Process, String) {
    let (listener, addresses) = Place::Here.waiting(&[&["listen", "127.0.0.1:0"], arguments].concat());
    (listener, addresses[0].port().to_string())
}

fn send(port: &str, count: u32, length: u32) {
    Place::Here.python_says(STEADY, &[port, &count.to_string(), &length.to_string()]);
}

/// The port in what a listener says first: an object, or words.
fn port_in(line: &str) -> String {
    let address = match serde_json::from_str::<Value>(line) {
        Ok(listening) => listening["addresses"][0].as_str().expect("one").to_owned(),
        Err(_) => line.trim_end().to_owned(),
    };
    address.rsplit_once(':').expect("a port").1.to_owned()
}

/// What a program of others prints; it must succeed.
fn says(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("it can be run");
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

/// These fields of each packet in a capture, as tshark reads them.
fn tshark(file: &Path, fields: &[&str]) -> Vec<Vec<String>> {
    let mut arguments = vec!["-r", file.to_str().expect("it is text"), "-T", "fields"];
    arguments.extend(fields.iter().flat_map(|field| ["-e", field]));
    says("tshark", &arguments).lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

fn packets(file: &Path) -> u64 {
    tshark(file, &["frame.number"]).len() as u64
}

fn text(path: &Path) -> &str {
    path.to_str().expect("it is text")
}

#[test]
fn others_read_in_the_file_what_was_printed_and_know_the_protocols() {
    if !has(Capability::HopLimits) {
        return;
    }
    const DNS: &str = "123401000001000000000000076578616d706c6503636f6d0000010001";
    const SIP: &str = "OPTIONS sip:lab SIP/2.0\r\nVia: SIP/2.0/UDP h1;branch=z9hG4bK1\r\nFrom: <sip:a@h1>;tag=1\r\n\
                       To: <sip:lab>\r\nCall-ID: 1@h1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    let Some(lan) = hosts(2) else { return };
    if !require("tshark") {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.path().join("x.pcapng");
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let arguments = ["listen", "53", "123", "5060", "--json", "--print", "--write", text(&file), "--count", "4"];
    let (mut listener, _) = h2.waiting(&arguments);
    let ntp = format!("23{}", "00".repeat(47));
    let send = |to: &str, payload: &[&str]| {
        let asked = h1.run(&[&["send", to, "--wait", "0", "--ttl", "42", "--dscp", "46"], payload].concat());
        asked.assert_status(0);
    };
    send("10.1.0.2:53", &["--hex", DNS]);
    send("10.1.0.2:123", &["--hex", &ntp]);
    send("10.1.0.2:5060", &[SIP]);
    send("[ff02::1%eth0]:53", &["--hex", DNS]);
    let mut printed: Vec<Value> = Vec::new();
    while printed.len() < 4 {
        let line = listener.stdout_line();
        let object: Value = serde_json::from_str(&line).expect("JSON Lines");
        if object["type"] == "received" {
            printed.push(object);
        }
    }
    let summary = listener.finish().summary();
    assert_eq!([4, 4].map(Value::from), [&summary["printed"], &summary["written"]].map(Clone::clone));
    let fields = ["frame.time_epoch", "_ws.col.Protocol", "ip.ttl", "ip.dsfield.dscp", "udp.srcport", "udp.payload"];
    let more = ["frame.interface_name", "udp.checksum.status", "ipv6.hlim", "eth.dst"];
    let rows = tshark(&file, &[&fields[..], &more].concat());
    for ((row, object), protocol) in rows.iter().zip(&printed).zip(["DNS", "NTP", "SIP", "MDNS"]) {
        let time = object["time"].as_str().expect("a string");
        let (_, fraction) = time.trim_end_matches('Z').split_once('.').expect("nanoseconds");
        assert!(row[0].ends_with(fraction), "{row:?} {object}");
        assert!(row[1] == protocol || protocol == "MDNS" && row[1] == "DNS", "{row:?}");
        let source = object["source"].as_str().expect("a string");
        assert!(source.ends_with(&format!(":{}", row[4])), "{row:?} {source}");
        assert_eq!(row[6], "eth0");
        assert_eq!(row[5].len() as u64 / 2, number(&object["length"]), "{row:?}");
    }
    assert_eq!(rows.len(), 4);
    assert!(rows[..3].iter().all(|row| row[2] == "42" && row[3] == "46"), "{rows:?}");
    assert_eq!((rows[3][8].as_str(), rows[3][9].as_str()), ("42", "33:33:00:00:00:01"));
    // tshark verifies checksums where it is told to; 1 is "good".
    let verified = ["-r", text(&file), "-o", "udp.check_checksum:TRUE", "-T", "fields", "-e", "udp.checksum.status"];
    assert_eq!(says("tshark", &verified), "1\n1\n1\n1\n");
}

/// Sends datagrams of several lengths from three ports to two, a few at a time.
const SEVERAL: &str = "
from time import sleep
sockets = [socket(AF_INET, SOCK_DGRAM) for _ in range(3)]
for place, s in enumerate(sockets):
    s.bind(('', 7000 + place))
for number in range(600):
    s = sockets[number * 7 % 11 % 3]
    s.sendto((b'%d' % number).ljust(number * 13 % 1800, b'.'), ('10.1.0.2', 5000 + number % 2))
    if number % 5 == 0:
        sleep(0.001)
";

#[test]
fn rotation_removes_no_file_that_it_did_not_write() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.path().join(name);
    for name in ["thesis-00000.txt", "thesis-12345678.txt", "thesis-18446744073709551615.txt"] {
        fs::write(at(name), b"a chapter").expect("a place for it");
    }
    std::os::unix::fs::symlink(at("thesis-00000.txt"), at("thesis-00001.txt")).expect("a place for it");
    let thesis = at("thesis.txt");
    let rotating = ["--rotate", "1s", "--keep", "1", "--count", "1", "--json", "--write", text(&thesis)];
    for (run, removed) in [(0, 0), (1, 1)] {
        let (listener, port) = listener(&rotating);
        send(&port, 1, 10);
        let summary = listener.finish().summary();
        let counts = ["written", "files", "files_removed", "files_not_removed"].map(|key| number(&summary[key]));
        assert_eq!(counts, [1, 1, removed, 0], "run {run}");
    }
    let mut left: Vec<_> = fs::read_dir(scratch.path())
        .expect("it is there")
        .map(|entry| entry.expect("it is there").file_name())
        .collect();
    left.sort_unstable();
    let expected = [
        "thesis-00000.txt",
        "thesis-00001.txt",
        "thesis-12345678.txt",
        "thesis-12345680.txt",
        "thesis-18446744073709551615.txt",
    ];
    assert_eq!(left, expected);
    assert_eq!(fs::read(at("thesis-12345678.txt")).expect("it is there"), b"a chapter");
}

#[test]
fn what_is_written_is_replayed_and_written_again_the_same() {
    if !has(Capability::HopLimits) {
        return;
    }
    let Some(lan) = hosts(2) else { return };
    if !require("tshark") {
        return;
    }
    let scratch = Scratch::new();
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let write = |name: &str, send: &dyn Fn()| {
        let file = scratch.path().join(name);
        let arguments = ["listen", "5000", "5001", "-4", "--json", "--write", text(&file), "--count", "600"];
        let (listener, _) = h2.waiting(&arguments);
        send();
        let summary = listener.finish().summary();
        assert_eq!((number(&summary["written"]), number(&summary["dropped_by_kernel"])), (600, 0), "{summary}");
        file
    };
    let first = write("first.pcapng", &|| drop(h1.python_says(SEVERAL, &[])));
    let again =
        write("again.pcapng", &|| h1.run(&["replay", text(&first), "10.1.0.2", "--ttl", "64"]).assert_status(0));
    let fields = ["ip.src", "ip.dst", "udp.srcport", "udp.dstport", "ip.ttl", "udp.payload"];
    let [first_rows, again_rows] = [&first, &again].map(|file| {
        let mut rows = tshark(file, &fields);
        // Two sockets received them, each in its order.
        rows.sort_by_key(|row| row[3].clone());
        rows
    });
    assert_eq!(first_rows.len(), 600);
    assert_eq!(first_rows, again_rows);
}

#[test]
fn what_was_written_when_it_is_killed_is_a_capture() {
    if !require("python3") || !require("tshark") || !require("capinfos") {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.path().join("x.pcapng");
    let (listener, port) = listener(&["--write", text(&file)]);
    let begun = fs::metadata(&file).map_or(0, |file| file.len());
    send(&port, 2000, 100);
    // A block for each: 44 bytes, and a frame of 142 with two bytes behind it.
    while fs::metadata(&file).expect("it is there").len() < begun + 2000 * 188 {
        std::thread::yield_now();
    }
    listener.signal("KILL");
    drop(listener);
    let rows = tshark(&file, &["data.text", "udp.payload"]);
    assert_eq!(rows.len(), 2000);
    says("capinfos", &["-c", text(&file)]);
}

#[test]
fn files_follow_one_another_and_the_oldest_go() {
    if !require("python3") || !require("tshark") {
        return;
    }
    let scratch = Scratch::new();
    let (listener, port) =
        listener(&["--write", text(&scratch.path().join("x.pcapng")), "--rotate", "50kB", "--keep", "3", "--json"]);
    send(&port, 2000, 100);
    let summary = listener.stop().summary();
    assert_eq!((number(&summary["written"]), number(&summary["not_written"])), (2000, 0));
    let mut files: Vec<_> =
        fs::read_dir(scratch.path()).expect("it is there").map(|file| file.expect("one").path()).collect();
    files.sort();
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files.iter().all(|file| fs::metadata(file).expect("it is there").len() <= 50_000));
    // The newest are kept: in the last one stands the last datagram.
    let last = tshark(&files[2], &["udp.payload"]);
    assert!(last.last().expect("some")[0].starts_with("30303030303031393939"), "{last:?}");
}

#[test]
fn where_the_disk_is_full_datagrams_are_counted_and_the_file_stays_valid() {
    if !require("python3") || !require("tshark") {
        return;
    }
    let scratch = Scratch::new();
    let copy = scratch.path().join("copy.pcapng");
    // A file system of 100 kB, which only the listener sees.
    let script = "mount -t tmpfs -o size=100k none \"$1\"; shift; out=$1; shift
        \"$@\"; status=$?; cp \"$0\" \"$out\"; exit $status";
    let mounted = scratch.path().join("small");
    fs::create_dir(&mounted).expect("it can be made");
    let file = mounted.join("x.pcapng");
    let mut command = Place::Here.command("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script,
        text(&file),
        text(&mounted),
        text(&copy),
    ]);
    command.args([
        env!("CARGO_BIN_EXE_udp"),
        "listen",
        "127.0.0.1:0",
        "--json",
        "--count",
        "2000",
        "--write",
        text(&file),
    ]);
    let mut listener = Process::start(command);
    send(&port_in(&listener.stdout_line()), 2000, 100);
    let outcome = listener.finish();
    outcome.assert_status(2);
    let trouble = outcome.objects().into_iter().find(|object| object["type"] == "trouble").expect("it says why");
    assert!(trouble["error"].as_str().is_some_and(|error| error.ends_with("no space left on device")), "{trouble}");
    let summary = outcome.summary();
    let [received, written, failed] = ["received", "written", "not_written"].map(|key| number(&summary[key]));
    assert_eq!((received, written + failed), (2000, 2000), "{summary}");
    assert!(written > 0 && failed > 0, "{summary}");
    assert_eq!(packets(&copy), written);
}

#[test]
fn where_a_file_may_not_grow_datagrams_are_counted_and_the_run_goes_on() {
    if !require("python3") || !require("tshark") {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.path().join("x.pcapng");
    let mut command = Place::Here.command("sh");
    // Blocks of 512 bytes.
    command.args([
        "-c",
        "ulimit -f 64; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_udp"),
        "listen",
        "127.0.0.1:0",
        "--json",
    ]);
    command.args(["--count", "1000", "--write", text(&file)]);
    let mut listener = Process::start(command);
    send(&port_in(&listener.stdout_line()), 1000, 100);
    let outcome = listener.finish();
    outcome.assert_status(2);
    let summary = outcome.summary();
    let [received, written, failed] = ["received", "written", "not_written"].map(|key| number(&summary[key]));
    assert_eq!((received, written + failed), (1000, 1000), "{summary}");
    assert!(written > 0 && failed > 0, "{summary}");
    assert_eq!(packets(&file), written);
}

#[test]
fn a_reader_that_stalls_holds_up_no_socket() {
    if !has(Capability::KernelDrops) {
        return;
    }
    const COUNT: u32 = 20_000;
    if !require("python3") {
        return;
    }
    let (reader, writer) = std::io::pipe().expect("a pipe can be had");
    let mut command = Place::Here.udp_command(&["listen", "127.0.0.1:0", "--for", "1h"]);
    command.stdout(writer);
    let mut listener = Process::start_with_output(command);
    let port = port_in(&listener.stderr_line());
    // Nearly three times what the buffer of the socket takes, and many times what a pipe does.
    send(&port, COUNT, 1000);
    let mut lines = BufReader::new(reader).lines();
    for number in 0..COUNT {
        let line = lines.next().expect("there are more").expect("it is text");
        assert!(line.contains(&format!("  1000 B  {number:010}.")) && line.ends_with('.'), "{line}");
    }
    let outcome = listener.stop();
    outcome.assert_status(0);
    outcome.assert_told(&["20000 received (20000000 B) in ", ": 20000 printed, 0 ignored"]);
    // At our socket: other programs may lose some at theirs.
    assert!(!outcome.stderr.contains("dropped by the kernel"), "{outcome:?}");
}

#[test]
fn what_finds_no_room_in_the_queue_is_counted() {
    if !has(Capability::HopLimits) {
        return;
    }
    const COUNT: u32 = 2500;
    if !require("python3") {
        return;
    }
    let (mut reader, writer) = std::io::pipe().expect("a pipe can be had");
    let mut command = Place::Here.udp_command(&["listen", "127.0.0.1:0", "--json", "--queue", "64MiB"]);
    command.stdout(writer);
    let listener = Process::start_with_output(command);
    let mut first = [0; 200];
    let len = reader.read(&mut first).expect("it says where it listens");
    let port = port_in(std::str::from_utf8(&first[..len]).expect("it is text"));
    // 150 MB, of which 64 MiB wait, that being written among them.
    send(&port, COUNT, 60_000);
    listener.signal("INT");
    let (mut received, mut told, mut summary) = (0, 0, Value::Null);
    for line in BufReader::new(reader).lines() {
        let object: Value = serde_json::from_str(&line.expect("it is text")).expect("JSON Lines");
        match object["type"].as_str() {
            Some("received") => received += 1,
            Some("queue_full") => told = number(&object["total"]),
            Some("summary") => summary = object,
            _ => {}
        }
    }
    listener.finish().assert_status(0);
    let full = ignored(&summary, "queue_full");
    let counts = ["received", "printed", "dropped_by_kernel"].map(|key| number(&summary[key]));
    assert_eq!(counts, [COUNT.into(), received, 0], "{summary}");
    assert_eq!(received + full, u64::from(COUNT), "{summary}");
    assert!(told > 0 && told <= full, "{told} {summary}");
    assert!(full > 0 && received > 1000, "{summary}");
}

#[test]
fn a_capture_goes_on_when_nobody_reads_what_is_printed() {
    if !require("python3") || !require("tshark") {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.path().join("x.pcapng");
    for flags in [&["--print"][..], &["--print", "--json"], &["--json"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe can be had");
        let mut command = Place::Here.udp_command(&["listen", "127.0.0.1:0", "--count", "500"]);
        command.args(["--write", text(&file)]).args(flags).stdout(writer);
        let mut listener = Process::start_with_output(command);
        let mut lines = BufReader::new(reader);
        let mut line = String::new();
        if flags.contains(&"--json") {
            lines.read_line(&mut line).expect("it says where it listens");
        } else {
            line = listener.stderr_line();
        }
        let port = port_in(&line);
        drop(lines);
        send(&port, 500, 100);
        let outcome = listener.finish();
        outcome.assert_status(0);
        assert_eq!(packets(&file), 500, "{flags:?} {outcome:?}");
        if flags.contains(&"--print") {
            outcome.assert_told(&["standard output takes nothing more; the capture goes on"]);
        }
    }
}

#[test]
fn standard_output_can_be_the_capture_and_nothing_else() {
    if !require("python3") || !require("tshark") {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.path().join("x.pcapng");
    let mut command = Place::Here.udp_command(&["listen", "127.0.0.1:0", "--count", "100", "--write", "-"]);
    command.stdout(fs::File::create(&file).expect("it can be created"));
    let mut listener = Process::start_with_output(command);
    let port = port_in(&listener.stderr_line());
    send(&port, 100, 100);
    listener.finish().assert_status(0);
    assert_eq!(packets(&file), 100);
    for flags in
        [&["--write", "-", "--print"][..], &["--write", "/dev/stdout", "--json"], &["--write", "-", "--rotate", "1M"]]
    {
        let outcome = Place::Here.run(&[&["listen", "127.0.0.1:0"], flags].concat());
        outcome.assert_status(2);
    }
}

#[test]
fn a_mistake_is_an_error_with_a_hint() {
    let missing = "/nonexistent/x.pcapng";
    let outcome = Place::Here.run(&["listen", "127.0.0.1:0", "--write", missing]);
    outcome.assert_status(2);
    outcome.assert_told(&["udp: cannot create '/nonexistent/x.pcapng': no such file or directory\n"]);
    for arguments in
        [&["--print"][..], &["--rotate", "1M"], &["--write", "x", "--keep", "3"], &["--write", "x", "--rotate", "7"]]
    {
        Place::Here.run(&[&["listen", "127.0.0.1:0"], arguments].concat()).assert_status(2);
    }
}

/// Asks for a page until it has all these lines: what was printed is counted just after others can read it. Arguments: the page's
/// address, lines.
#[cfg(feature = "http")]
const UNTIL_IT_SAYS: &str = "
from urllib.request import urlopen
for _ in range(10000):
    with urlopen(sys.argv[1]) as page:
        text = page.read().decode()
    missing = set(sys.argv[2:]) - set(text.splitlines())
    if not missing: break
else:
    sys.exit(f'no {missing} in {text}')
";

#[cfg(feature = "http")]
#[test]
fn metrics_say_what_was_taken_printed_and_written_so_far() {
    if !has(Capability::KernelDrops) {
        return;
    }
    if !require("python3") {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.path().join("x.pcapng");
    let written = ["--write", file.to_str().expect("it is text"), "--print", "--match", "^000000000[0-6]"];
    let (mut listener, port) = listener(&[&written[..], &["--metrics", "127.0.0.1:0"]].concat());
    let line = listener.stderr_line();
    let page = line.strip_prefix("metrics at ").unwrap_or_else(|| panic!("no metrics: {line}")).to_owned();
    send(&port, 10, 20);
    let lines = [
        "udp_listen_received_datagrams_total 10",
        "udp_listen_received_bytes_total 200",
        "udp_listen_taken_datagrams_total 7",
        "udp_listen_printed_datagrams_total 7",
        "udp_listen_written_datagrams_total 7",
        "udp_listen_ignored_datagrams_total{reason=\"no_match\"} 3",
        "udp_listen_dropped_datagrams_total 0",
    ];
    Place::Here.python_says(UNTIL_IT_SAYS, &[&[page.as_str()], &lines[..]].concat());
    listener.stop().assert_told(&["10 received (200 B) in ", " 7 printed, 7 written", "3 ignored"]);
}
