//! `udp send` as a program: the bytes it sends, the answers it takes, and how it says that none came.
#![cfg(target_os = "linux")]

mod common;

use common::netns::{Lan, require};
use common::{Place, Process, Scratch, has, hosts, number, serve_at, without_rtt, without_time};
use udpkit::Capability;

/// Says each datagram that arrives, as hex after a `:`, and where from. Arguments: address.
const RECORDER: &str = "
s = socket(AF_INET6 if ':' in sys.argv[1] else AF_INET, SOCK_DGRAM)
s.setsockopt(SOL_SOCKET, SO_RCVBUF, 1 << 20)
s.bind((sys.argv[1], 0))
say(s.getsockname()[1])
while True:
    payload, source = s.recvfrom(70000)
    say(':' + payload.hex())
";

/// Answers each datagram as the words of its payload say: `twice`, `elsewhere` (from another port), `late` (nothing
/// the first time), `never`; all else is echoed.
const ANSWERER: &str = "
s, other = socket(AF_INET, SOCK_DGRAM), socket(AF_INET, SOCK_DGRAM)
s.bind(('127.0.0.1', 0))
say(s.getsockname()[1])
seen = 0
while True:
    payload, source = s.recvfrom(70000)
    seen += 1
    if payload == b'twice':
        s.sendto(b'one', source)
        s.sendto(b'two', source)
    elif payload == b'elsewhere':
        other.sendto(b'from another port', source)
    elif payload == b'late' and seen == 1 or payload == b'never':
        pass
    else:
        s.sendto(payload, source)
";

/// A host with two loopback families and names of its own for them.
const ALONE: &str = "
host alone
printf '127.0.0.1 four both\\n::1 six both\\n' > /run/hosts
mount --bind /run/hosts /etc/hosts
printf 'hosts: files\\n' > /run/nsswitch
mount --bind /run/nsswitch /etc/nsswitch.conf
";

/// A Python program that first says the port that it has on this address; and where it is.
fn at_port(program: &str, ip: &str) -> (Process, String) {
    let mut process = Place::Here.python(program, &[ip]);
    let port = process.stdout_line();
    (process, format!("{ip}:{port}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_form_of_payload_arrives_as_it_was_given() {
    if !require("python3") {
        return;
    }
    let scratch = Scratch::new();
    let bytes: Vec<u8> = (0..=255).collect();
    let all_bytes = scratch.file("bytes", &bytes);
    let most = scratch.file("most", vec![b'm'; 65_507]);
    let nothing = scratch.file("nothing", b"");
    let lines = scratch.file("lines", "one\r\n\ntwo\nno end");
    let parts = scratch.file("parts", b"a\0\0b\nc\0");
    let (mut recorder, to) = at_port(RECORDER, "127.0.0.1");
    /// Arguments, standard input, payloads that arrive.
    type Case<'a> = (&'a [&'a str], &'a [u8], &'a [&'a [u8]]);
    let cases: [Case<'_>; 27] = [
        (&["Hello World"], b"", &[b"Hello World"]),
        (&[r"back\nslash\x41"], b"", &[br"back\nslash\x41"]),
        (&["Grüße 👋"], b"", &["Grüße 👋".as_bytes()]),
        (&[""], b"", &[b""]),
        (&["--", "--hex"], b"", &[b"--hex"]),
        (&["--empty"], b"unread", &[b""]),
        (&["--escapes", r"a\n\r\t\0\\\xff\x00é"], b"", &[b"a\n\r\t\0\\\xff\0\xc3\xa9"]),
        (&["--hex", "01 0a ff"], b"", &[b"\x01\x0a\xff"]),
        (&["--hex", "0x01:0A-ff"], b"", &[b"\x01\x0a\xff"]),
        (&["--hex", ""], b"", &[b""]),
        (&["--file", &all_bytes], b"", &[&bytes]),
        (&["--file", &most], b"", &[&[b'm'; 65_507]]),
        (&["--file", &nothing], b"", &[b""]),
        (&["--file", &lines, "--lines"], b"", &[b"one", b"", b"two", b"no end"]),
        (&["--file", &parts, "--nul"], b"", &[b"a", b"", b"b\nc"]),
        (&["-"], &bytes, &[&bytes]),
        (&["-"], b"", &[b""]),
        (&["-", "--lines"], b"one\ntwo\n", &[b"one", b"two"]),
        (&["-", "--nul"], b"one\ntwo\0", &[b"one\ntwo"]),
        (&["--lines"], b"one\ntwo", &[b"one", b"two"]),
        (&["--nul"], b"one\0two", &[b"one", b"two"]),
        // From a pipe, all of it is one datagram.
        (&[], b"M-SEARCH * HTTP/1.1\r\nHOST: x\r\n\r\n", &[b"M-SEARCH * HTTP/1.1\r\nHOST: x\r\n\r\n"]),
        (&[], &bytes, &[&bytes]),
        (&["--file", "-"], b"one\ntwo\n", &[b"one\ntwo\n"]),
        (&["--file", "-", "--lines"], b"one\ntwo\n", &[b"one", b"two"]),
        (&["--lines"], b"one\r\n\ntwo\n", &[b"one", b"", b"two"]),
        (
            &["--repeat", "2", "--every", "1ms", "--file", &lines, "--lines"],
            b"",
            &[b"one", b"", b"two", b"no end", b"one", b"", b"two", b"no end"],
        ),
    ];
    for (arguments, input, expected) in cases {
        let arguments = [&["send", &to, "--wait", "0"], arguments].concat();
        let mut sender = Place::Here.udp(&arguments);
        sender.tell_all(input);
        let outcome = sender.finish();
        outcome.assert_status(0);
        assert_eq!(outcome.stdout, b"", "{arguments:?}");
        for payload in expected {
            assert_eq!(recorder.stdout_line(), format!(":{}", hex(payload)), "{arguments:?}");
        }
    }
    // One too many would have come before this.
    Place::Here.run(&["send", &to, "--wait", "0", "the end"]).assert_status(0);
    assert_eq!(recorder.stdout_line(), format!(":{}", hex(b"the end")));
}

#[test]
fn an_input_without_a_payload_is_an_error() {
    let Some(lan) = hosts(2) else { return };
    let h1 = Place::On(&lan, "h1");
    let cases: [&[&str]; 4] =
        [&["send", "10.1.0.2"], &["send", "10.1.0.2", "--nul"], &["send", "10.1.0.2", "-", "--lines"], &["broadcast"]];
    for arguments in cases {
        let outcome = h1.run(arguments);
        outcome.assert_status(2);
        outcome.assert_told(&["udp: nothing to send: standard input is empty\n"]);
        assert_eq!(outcome.stdout, b"");
    }
}

#[test]
fn a_payload_over_the_limit_is_refused_and_nothing_is_sent() {
    if !require("python3") {
        return;
    }
    let scratch = Scratch::new();
    let (mut recorder, to) = at_port(RECORDER, "127.0.0.1");
    let over = "x".repeat(65_508);
    let file = scratch.file("over", &over);
    let cases: [(&[&str], &str, &str); 7] = [
        (&[&over], "", "the payload has 65508 bytes; a UDP datagram over IPv4 carries at most 65507"),
        (&["--hex", &hex(over.as_bytes())], "", "the payload has 65508 bytes"),
        (&["--file", &file], "", "has more than 65507 bytes"),
        (&["-"], &over, "standard input has more than 65507 bytes"),
        (
            &[],
            &over,
            "standard input has more than 65507 bytes, the most that one datagram carries\nhint: --lines or --nul",
        ),
        (&["--file", "/nowhere/at/all", "--lines"], "", "cannot open '/nowhere/at/all': no such file or directory"),
        (&["--file", "/nowhere/at/all"], "", "cannot open '/nowhere/at/all': no such file or directory"),
    ];
    for (arguments, input, words) in cases {
        let mut sender = Place::Here.udp(&[&["send", &to], arguments].concat());
        sender.tell_all(input.as_bytes());
        let outcome = sender.finish();
        outcome.assert_status(2);
        outcome.assert_told(&["udp: ", words]);
    }
    let outcome = Place::Here.run(&["send", "[::1]:9", &"x".repeat(65_528)]);
    outcome.assert_status(2);
    outcome.assert_told(&["65528 bytes; a UDP datagram over IPv6 carries at most 65527", "hint: nothing was sent"]);

    // In a stream the others are sent; what was refused is told, and makes the run a failure.
    let mut sender = Place::Here.udp(&["send", &to, "--lines", "--wait", "0"]);
    sender.tell_all(format!("before\n{over}\nafter\n").as_bytes());
    let outcome = sender.finish();
    outcome.assert_status(2);
    outcome.assert_told(&["line 2 of the input has 65508 bytes", "hint: it was not sent", "2 sent, in "]);
    for expected in ["before", "after"] {
        assert_eq!(recorder.stdout_line(), format!(":{}", hex(expected.as_bytes())));
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_what_does() {
    let cases: [(&[&str], &str); 19] = [
        (&["127.0.0.1", "--hex", "0g"], "'g' is not a hex digit; write bytes as '01 0a ff'"),
        (&["127.0.0.1", "--hex", "0x"], "'0x' has no hex digits"),
        (&["127.0.0.1", "x", "--count", "0"], "--count 0 sends nothing"),
        (&["127.0.0.1", "x", "--lines"], "--lines and --nul cut a file or standard input"),
        (&["127.0.0.1", "x", "--nul"], "--lines and --nul cut a file or standard input"),
        (&["127.0.0.1", "--escapes", "-"], "'-' takes standard input as it is"),
        (&["127.0.0.1", "--hex", "012"], "'012' has an odd number of hex digits"),
        (&["127.0.0.1", "--escapes", r"\q"], r"'\q' is no escape; there are \n \r \t \0 \\ \xNN \u{N}"),
        (&["127.0.0.1", "x", "--wait", "5"], "'5' has no unit, as in 5s; write one as 500us, 20ms, 1s or 1m30s"),
        (&["127.0.0.1", "x", "--rate", "5"], "'5' is not a rate; write one as 1000/s, 10k/s or 5Mbit/s"),
        (&["127.0.0.1", "x", "--recv-buffer", "big"], "'big' is not a size; write one as 4096, 64KiB or 4M"),
        (&["127.0.0.1", "x", "--dscp", "64"], "'64' is not a DSCP; write 0 to 63, EF"),
        (&["127.0.0.1:70000", "x"], "'70000' is not a port: ports are 0 to 65535"),
        (&["127.0.0.1:0", "x"], "nothing can be sent to port 0"),
        (&["[::1", "x"], "'[::1' lacks its ']'"),
        (&["127.0.0.1", "x", "--hex", "00"], "cannot be used with"),
        (&["127.0.0.1", "--lines", "--repeat", "2"], "--repeat cannot read standard input twice"),
        (&["127.0.0.1", "x", "-6"], "'127.0.0.1' has no IPv6 address"),
        (&[], "required arguments were not provided"),
    ];
    for (arguments, words) in cases {
        let outcome = Place::Here.run(&[&["send"], arguments].concat());
        outcome.assert_status(2);
        outcome.assert_told(&[words]);
        assert_eq!(outcome.stdout, b"", "{arguments:?}");
    }
}

#[test]
fn a_refusal_is_told_at_once_and_apart_from_silence() {
    if !has(Capability::Errors) {
        return;
    }
    let Some(lan) = Lan::new(ALONE) else { return };
    let alone = Place::On(&lan, "alone");
    // If the refusal were not believed, they would wait for an hour, and be killed.
    for to in ["127.0.0.1:9", "[::1]:9", "four:9", "six:9", "both:9"] {
        let outcome = alone.run(&["send", to, "anybody?", "--wait", "1h"]);
        outcome.assert_status(2);
        let last = if to == "[::1]:9" || to == "six:9" { "[::1]:9" } else { "127.0.0.1:9" };
        outcome.assert_told(&[
            &format!("udp: cannot reach {last}: port unreachable"),
            "hint: nothing listens on UDP port 9 there",
        ]);
    }
    let outcome = alone.run(&["send", "127.0.0.1:9", "anybody?", "--wait", "1h", "--json"]);
    outcome.assert_status(2);
    let refusal = &outcome.objects()[0];
    assert_eq!((&refusal["type"], &refusal["cause"]), (&"unreachable".into(), &"port unreachable".into()));
    assert_eq!(number(&outcome.summary()["unreachable"]), 1);
}

#[test]
fn a_refusal_that_repeats_is_reported_once_and_then_counted() {
    if !has(Capability::Errors) {
        return;
    }
    let Some(lan) = Lan::new(ALONE) else { return };
    let alone = Place::On(&lan, "alone");
    let fast = ["send", "127.0.0.1:9", "x", "--repeat", "100", "--every", "1ms", "--wait", "100ms"];
    for quiet in [&[][..], &["-q"]] {
        let outcome = alone.run(&[&fast[..], quiet].concat());
        outcome.assert_status(2);
        let lines: Vec<_> = outcome.stderr.lines().filter(|line| line.starts_with("udp: ")).collect();
        let (first, rest) = lines.split_first().expect("it says so");
        assert!(first.starts_with("udp: cannot reach 127.0.0.1:9: port unreachable"), "{outcome:?}");
        // A pause of the machine parts them.
        assert!((1..10).contains(&rest.len()), "{outcome:?}");
        assert!(rest.last().is_some_and(|last| last.contains(" more ")), "{outcome:?}");
    }
    let outcome = alone.run(&[&fast[..], &["--json"]].concat());
    let objects = outcome.objects();
    let refusals: Vec<_> = objects.iter().filter(|object| object["type"] == "unreachable").collect();
    let counted: u64 = refusals.iter().map(|refusal| number(&refusal["count"])).sum();
    assert_eq!(counted, number(&outcome.summary()["unreachable"]));
    assert!(counted > 2 && refusals.len() < 10, "{outcome:?}");
    assert!(
        refusals.iter().any(|refusal| refusal["first_time"].as_str() < refusal["last_time"].as_str()),
        "{outcome:?}"
    );
    // With -v, each has its own.
    let outcome = alone.run(&[&fast[..], &["--json", "-v"]].concat());
    let unreachable = outcome.objects().iter().filter(|object| object["type"] == "unreachable").count() as u64;
    assert_eq!(unreachable, number(&outcome.summary()["unreachable"]));
}

#[test]
fn where_nothing_can_be_sent_it_says_why() {
    let Some(lan) = Lan::new(ALONE) else { return };
    let alone = Place::On(&lan, "alone");
    let cases: [(&[&str], &[&str]); 9] = [
        (&["ff01::1"], &["udp: ff01::1 is interface-local: say on which interface"]),
        (&["ff02::1"], &["udp: ff02::1 is link-local: say on which interface"]),
        (&["nowhere.invalid"], &["udp: cannot resolve 'nowhere.invalid': ", "hint: check the spelling"]),
        (&["six", "-4"], &["udp: 'six' has no IPv4 address"]),
        (&["127.0.0.1", "-i", "eth7"], &["udp: no interface 'eth7'", "hint: interfaces here: lo"]),
        (&["[fe80::1%eth7]:9"], &["udp: no interface 'eth7'", "hint: interfaces here: lo"]),
        (&["fe80::1"], &["udp: fe80::1 is link-local: say on which interface, as in [fe80::1%eth0]:10000"]),
        (
            &["192.0.2.1"],
            &["udp: cannot send to 192.0.2.1:10000: network is unreachable", "hint: no route leads there"],
        ),
        (&["2001:db8::1"], &["udp: cannot send to [2001:db8::1]:10000: network is unreachable", "hint: no route"]),
    ];
    for (arguments, words) in cases {
        let outcome = alone.run(&[&["send"], arguments, &["anybody?", "--wait", "1h"]].concat());
        outcome.assert_status(2);
        outcome.assert_told(words);
        assert_eq!(outcome.stdout, b"");
    }
}

#[test]
fn a_name_with_several_addresses_is_tried_until_somebody_is_there() {
    if !require("python3") || !has(Capability::Errors) {
        return;
    }
    let Some(lan) = Lan::new(ALONE) else { return };
    let alone = Place::On(&lan, "alone");
    for (served, from) in [("127.0.0.1:700", "127.0.0.1:700"), ("[::1]:701", "[::1]:701")] {
        let (_server, _) = alone.waiting(&["serve", served]);
        let to = format!("both:{}", &served[served.len() - 3..]);
        let outcome = alone.run(&["send", &to, "anybody?"]);
        outcome.assert_status(0);
        assert_eq!(without_rtt(&outcome.text()), format!("{from}  RTT  16 B  Get off my lawn!\n"));
    }
}

#[test]
fn answers_are_taken_as_asked_for() {
    if !require("python3") || !has(Capability::Errors) {
        return;
    }
    /// Arguments, lines that are printed, the exit status, words on standard error.
    type Case<'a> = (&'a [&'a str], &'a [&'a str], i32, &'a [&'a str]);
    let cases: [Case<'_>; 9] = [
        (&["hi", "--wait", "1h"], &["TO  RTT  2 B  hi"], 0, &[]),
        (&["never", "--wait", "50ms"], &[], 1, &["no reply from TO in "]),
        (&["never", "--wait", "20ms", "--retries", "2"], &[], 1, &["no reply from TO in "]),
        (&["twice", "--wait", "1h"], &["TO  RTT  3 B  one"], 0, &[]),
        (&["twice", "--wait", "1h", "--replies", "2"], &["TO  RTT  3 B  one", "TO  RTT  3 B  two"], 0, &[]),
        (&["twice", "--wait", "1s", "--replies", "0"], &["TO  RTT  3 B  one", "TO  RTT  3 B  two"], 0, &[]),
        (&["elsewhere", "--wait", "50ms"], &[], 1, &["no reply from TO"]),
        (&["elsewhere", "--wait", "1h", "--any-source"], &["OTHER  RTT  17 B  from another port"], 0, &[]),
        (&["hi", "--wait", "1h", "-q"], &["TO  RTT  2 B  hi"], 0, &[]),
    ];
    for (arguments, expected, status, words) in cases {
        let (_answerer, to) = at_port(ANSWERER, "127.0.0.1");
        let outcome = Place::Here.run(&[&["send", &to], arguments].concat());
        outcome.assert_status(status);
        let lines: Vec<_> = outcome.lines().iter().map(|line| without_rtt(line).replace(&to, "TO")).collect();
        let (other, _) = lines.first().and_then(|line| line.split_once("  ")).unwrap_or_default();
        let expected: Vec<_> = expected.iter().map(|line| line.replace("OTHER", other)).collect();
        assert_eq!(lines, expected, "{arguments:?}");
        assert_eq!(outcome.stderr.is_empty(), words.is_empty(), "{arguments:?}: {outcome:?}");
        for word in words {
            outcome.assert_told(&[&word.replace("TO", &to)]);
        }
    }
}

#[test]
fn with_all_one_answer_of_several_is_not_enough() {
    let scratch = Scratch::new();
    let rules =
        scratch.file("rules.toml", "[[rule]]\nmatch = { text = 'lost' }\nnothing = true\n[[rule]]\necho = true");
    let (server, port) = serve_at("127.0.0.1", &["--rules", &rules]);
    let address = format!("127.0.0.1:{port}");
    let status = |lines: &str, flags: &[&str]| {
        let file = scratch.file("lines", lines);
        let send = ["send", &address, "--file", &file, "--lines", "--wait", "200ms"];
        Place::Here.run(&[&send, flags].concat()).status
    };
    for (lines, without, with) in [("a\nb\nc", 0, 0), ("a\nlost\nc", 0, 1), ("a\nlost", 0, 1), ("lost", 1, 1)] {
        assert_eq!([status(lines, &[]), status(lines, &["--all"])], [without, with], "{lines:?}");
    }
    server.stop().assert_status(0);
    let outcome = Place::Here.run(&["send", &address, "--all", "--wait", "0", "x"]);
    outcome.assert_status(2);
    outcome.assert_told(&["--all needs answers"]);
}

#[test]
fn each_port_of_a_range_gets_every_request_and_has_its_own_answers() {
    if !has(Capability::Errors) {
        return;
    }
    let Some(lan) = Lan::new("host h") else { return };
    let host = Place::On(&lan, "h");
    let server = host.waiting(&["serve", "5000-5001", "--reply", "same"]).0;
    let silent = host.waiting(&["serve", "5003", "--sink"]).0;
    for ip in ["127.0.0.1", "[::1]"] {
        let outcome =
            host.run(&["send", &format!("{ip}:5000-5003"), "hi", "-c", "2", "--every", "100ms", "--wait", "100ms"]);
        outcome.assert_status(0);
        let mut answers: Vec<_> = outcome.lines().iter().map(|line| without_rtt(line)).collect();
        answers.sort();
        let expected = [5000, 5001].map(|port| [1, 2].map(|number| format!("{ip}:{port}  #{number}  RTT  4 B  same")));
        assert_eq!(answers, expected.concat(), "{outcome:?}");
        let refused = format!("cannot reach {ip}:5002: port unreachable");
        let missing = [1, 2].map(|number| format!("no answer from {ip}:5003 to #{number}"));
        outcome.assert_told(&[
            &refused,
            &missing[0],
            &missing[1],
            "8 sent, 4 answered, 50.0 % of 8 requests unanswered",
        ]);
        let outcome = host.run(&["send", &format!("{ip}:5000-5001"), "hi", "--all"]);
        outcome.assert_status(0);
        let all = ["send", &format!("{ip}:5000-5003"), "hi", "--all", "--wait", "100ms", "--json"];
        let outcome = host.run(&all);
        outcome.assert_status(1);
        let unanswered =
            outcome.objects().into_iter().find(|object| object["type"] == "unanswered").expect("there is one");
        assert_eq!(number(&unanswered["destination_port"]), 5003, "{unanswered}");
    }
    // Lines of standard input go to all of them.
    let mut sender = host.udp(&["send", "127.0.0.1:5000-5001", "--lines", "--wait", "30s"]);
    sender.tell_all(b"one\ntwo\n");
    assert_eq!(sender.finish().lines().len(), 4);
    server.stop().assert_status(0);
    let taken = silent.stop();
    taken.assert_status(0);
    taken.assert_told(&["6 taken"]);
    for (arguments, words) in [
        (&["send", "h:1-257", "x"][..], "257 ports are too many"),
        (&["send", "127.0.0.1:1-2", "x", "--local", "5000"], "--local names one port"),
    ] {
        let outcome = host.run(arguments);
        outcome.assert_status(2);
        outcome.assert_told(&[words]);
    }
}

#[test]
fn an_answer_from_elsewhere_is_counted_and_not_taken() {
    if !require("python3") {
        return;
    }
    let (_answerer, to) = at_port(ANSWERER, "127.0.0.1");
    let outcome = Place::Here.run(&["send", &to, "elsewhere", "--wait", "1s", "--json"]);
    outcome.assert_status(1);
    assert_eq!(outcome.summary()["ignored"]["other_source"], 1);
    let outcome = Place::Here.run(&["send", &to, "elsewhere", "--wait", "1s"]);
    outcome.assert_status(1);
    outcome.assert_told(&["1 datagram came from elsewhere and was ignored; --any-source takes it\n"]);
}

#[test]
fn a_port_alone_is_one_of_this_host_in_either_family() {
    for (at, arguments) in [("127.0.0.1:0", [].as_slice()), ("[::1]:0", &["-6"])] {
        let (_server, addresses) = Place::Here.waiting(&["serve", at]);
        let to = format!(":{}", addresses[0].port());
        let outcome = Place::Here.run(&[&["send", &to, "hi"], arguments].concat());
        outcome.assert_status(0);
        assert_eq!(without_rtt(&outcome.text()), format!("{}  RTT  16 B  Get off my lawn!\n", addresses[0]));
    }
}

#[test]
fn the_name_of_who_has_a_port_cannot_steer_a_terminal() {
    if !require("python3") {
        return;
    }
    let mut holder = Place::Here.python(
        r"
s = socket(AF_INET, SOCK_DGRAM)
s.bind(('127.0.0.1', 0))
with open('/proc/self/comm', 'wb') as name:
    name.write(b'\x1b[31mX\x07\xff')
say(s.getsockname()[1])
sys.stdin.read()
",
        &[],
    );
    let port = holder.stdout_line();
    let name = format!("hint: \\x1b[31mX\\x07\u{fffd} (process {}) has", holder.id());
    let cases: [(&[&str], &str, &str); 2] = [
        (&["serve", "127.0.0.1", "-p", &port], "the port", "-p"),
        (&["send", "127.0.0.1:9", "x", "--local", &port], &format!("127.0.0.1:{port}"), "--local"),
    ];
    for (arguments, what, flag) in cases {
        let outcome = Place::Here.run(arguments);
        outcome.assert_status(2);
        outcome.assert_told(&[&format!("{name} {what}; choose another with {flag}, or end that program\n")]);
    }
}

#[test]
fn a_lost_request_is_sent_again() {
    if !require("python3") {
        return;
    }
    let (_answerer, to) = at_port(ANSWERER, "127.0.0.1");
    let outcome = Place::Here.run(&["send", &to, "late", "--wait", "50ms", "--retries", "8", "-v"]);
    outcome.assert_status(0);
    // Which of the two was answered cannot be known, so no round-trip time is claimed.
    assert_eq!(outcome.text(), format!("{to}  - ms  4 B  late\n"));
    outcome.assert_told(&[&format!("sent #1 to {to}: 4 B\n"), &format!("sent #1 to {to}: 4 B (retry 1)\n")]);
}

#[test]
fn repeats_are_numbered_and_end_with_a_summary() {
    if !require("python3") {
        return;
    }
    let (_answerer, to) = at_port(ANSWERER, "127.0.0.1");
    // The answers are alike: they are certain where none is waited for any more when the next is sent.
    let outcome = Place::Here.run(&["send", &to, "hi", "--repeat", "3"]);
    outcome.assert_status(0);
    let lines: Vec<_> = outcome.lines().iter().map(|line| without_rtt(line)).collect();
    assert_eq!(lines, [1, 2, 3].map(|request| format!("{to}  #{request}  RTT  2 B  hi")));
    outcome.assert_told(&[
        "3 sent, 3 answered, 0.0 % of 3 requests unanswered, in ",
        "\nrtt min/avg/max/mdev = ",
        " ms of 3\n",
    ]);

    let outcome = Place::Here.run(&["send", &to, "hi", "--time"]);
    assert_eq!(without_rtt(without_time(&outcome.text())), format!("{to}  RTT  2 B  hi\n"));

    let outcome = Place::Here.run(&["send", &to, "never", "--repeat", "2", "--every", "1ms", "--wait", "20ms"]);
    outcome.assert_status(1);
    assert_eq!(outcome.stdout, b"");
    outcome
        .assert_told(&["no answer to #1\nno answer to #2\n2 sent, 0 answered, 100.0 % of 2 requests unanswered, in "]);
}

#[test]
fn lines_of_standard_input_are_sent_as_they_come() {
    if !require("python3") {
        return;
    }
    let (_answerer, to) = at_port(ANSWERER, "127.0.0.1");
    let mut conversation = Place::Here.udp(&["send", &to, "--lines", "--wait", "1h"]);
    for (number, words) in ["hello", "how are you?", ""].into_iter().enumerate() {
        conversation.tell(format!("{words}\n").as_bytes());
        let payload = if words.is_empty() { String::new() } else { format!("  {words}") };
        let expected = format!("{to}  #{}  RTT  {} B{payload}", number + 1, words.len());
        assert_eq!(without_rtt(&conversation.stdout_line()), expected);
    }
    let outcome = conversation.finish();
    outcome.assert_status(0);
    outcome.assert_told(&["3 sent, 3 answered"]);
}

#[test]
fn raw_answers_are_their_bytes_and_nothing_else() {
    if !require("python3") {
        return;
    }
    let (_answerer, to) = at_port(ANSWERER, "127.0.0.1");
    let scratch = Scratch::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(65_507).collect();
    let file = scratch.file("bytes", &bytes);
    let outcome = Place::Here.run(&["send", &to, "--file", &file, "--raw"]);
    outcome.assert_status(0);
    assert!(outcome.stdout == bytes, "{} bytes came back", outcome.stdout.len());
}

#[test]
fn what_is_asked_of_the_socket_is_in_the_datagram() {
    if !has(Capability::HopLimits) {
        return;
    }
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let (mut listener, _) = h1.waiting(&["listen", "--json"]);
    h1.shell("ip address add fd01::1/64 dev eth0 nodad");
    h2.shell("ip address add 10.1.0.22/24 dev eth0; ip address add fd01::2/64 dev eth0 nodad");
    let cases: [(&[&str], &str, serde_json::Value); 6] = [
        (&["10.1.0.1", "--local", "68"], "source", "10.1.0.2:68".into()),
        (&["10.1.0.1", "--local", "10.1.0.22:5353"], "source", "10.1.0.22:5353".into()),
        (&["10.1.0.1", "--ttl", "7"], "hop_limit", 7.into()),
        (&["fd01::1", "--ttl", "7"], "hop_limit", 7.into()),
        (&["10.1.0.1", "--dscp", "EF"], "traffic_class", (46 << 2).into()),
        (&["fd01::1", "--dscp", "AF41"], "traffic_class", (34 << 2).into()),
    ];
    for (arguments, key, value) in cases {
        h2.run(&[&["send"], arguments, &["hi", "--wait", "0"]].concat()).assert_status(0);
        let received: serde_json::Value = serde_json::from_str(&listener.stdout_line()).expect("JSON Lines");
        assert_eq!(received[key], value, "{arguments:?}: {received}");
    }
}

#[test]
fn a_broadcast_that_is_typed_just_works() {
    let Some(lan) = hosts(3) else { return };
    let h1 = Place::On(&lan, "h1");
    let _servers = ["h2", "h3"].map(|host| Place::On(&lan, host).waiting(&["serve"]));
    let cases: [(&[&str], [&str; 2]); 3] = [
        (&["10.1.0.255"], ["10.1.0.2", "10.1.0.3"]),
        (&["255.255.255.255", "-i", "eth0"], ["10.1.0.2", "10.1.0.3"]),
        (&["ff02::1", "-i", "eth0"], ["[fe80::", "[fe80::"]),
    ];
    for (arguments, sources) in cases {
        let outcome = h1.run(&[&["send"], arguments, &["who?", "--wait", "1s"]].concat());
        outcome.assert_status(0);
        let mut lines = outcome.lines();
        lines.sort();
        assert_eq!(lines.len(), 2, "{outcome:?}");
        for (line, source) in lines.iter().zip(sources) {
            assert!(line.starts_with(source) && line.ends_with("  16 B  Get off my lawn!"), "{outcome:?}");
        }
    }
}
