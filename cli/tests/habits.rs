//! What people type who come from nc, ping, socat or tcpdump: it does what they mean, or says what to type instead.
#![cfg(target_os = "linux")]

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use common::{Place, Process, Scratch, hosts, number, without_rtt};

/// The link-local address of a host's `eth0`.
fn link_local(host: Place<'_>) -> String {
    let interfaces = host.run(&["interfaces", "--json"]).objects();
    let eth0 = interfaces.iter().find(|interface| interface["name"] == "eth0").expect("it has one");
    let addresses = eth0["addresses"].as_array().expect("a list").iter();
    let mut texts = addresses.filter_map(|address| address["address"].as_str());
    texts.find(|text| text.starts_with("fe80::")).expect("it has one").to_owned()
}

#[test]
fn a_scope_is_the_name_of_its_interface_wherever_it_is_printed_and_can_be_pasted_back() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let [one, two] = [h1, h2].map(|host| format!("{}%eth0", link_local(host)));

    let mut server = h1.udp(&["serve", &format!("[{one}]:0"), "-v", "--reply", "{source}"]);
    let line = server.stderr_line();
    let address = line.strip_prefix("serving on ").unwrap_or_else(|| panic!("{line}"));
    assert!(address.starts_with(&format!("[{one}]:")), "{line}");
    let outcome = h2.run(&["send", address, "hi", "-v"]);
    outcome.assert_status(0);
    outcome.assert_told(&[&format!("sent #1 to {address} by eth0: 2 B")]);
    let words = without_rtt(&outcome.text());
    assert!(words.starts_with(&format!("{address}  RTT  ")) && words.contains(&format!("  [{two}]:")), "{words}");
    let reply = &h2.run(&["send", address, "hi", "--json"]).objects()[0];
    assert_eq!(reply["source"], *address);
    assert!(reply["destination"].as_str().is_some_and(|text| text.starts_with(&format!("[{two}]:"))), "{reply}");
    assert!(reply["text"].as_str().is_some_and(|text| text.starts_with(&format!("[{two}]:"))), "{reply}");
    let answered = server.stdout_line();
    assert!(answered.contains(&format!("  [{two}]:")), "{answered}");

    let taken = h1.run(&["serve", address]);
    taken.assert_status(2);
    taken.assert_told(&[&format!("udp: cannot bind {address}: address already in use")]);
    let taken = h1.run(&["send", &format!("[{two}]:9"), "x", "--local", address]);
    taken.assert_status(2);
    taken.assert_told(&[&format!("udp: cannot bind {address}: address already in use")]);
    let refused = h2.run(&["send", &format!("[{one}]:9"), "x"]);
    refused.assert_status(2);
    refused.assert_told(&[&format!("udp: cannot reach [{one}]:9: port unreachable")]);
    let refused = h2.run(&["send", &format!("[{one}]:9"), "x", "--json"]);
    assert_eq!(refused.objects()[0]["destination"], format!("[{one}]:9"));
    let clash = h2.run(&["send", &format!("[{one}]:9"), "x", "-i", "lo"]);
    clash.assert_told(&[&format!("udp: cannot send to {one}: the address names one interface, -i another")]);
    drop(server);

    let (mut sink, addresses) = h1.waiting(&["serve", &format!("[{one}]:0"), "--sink", "--json"]);
    let to = format!("[{one}]:{}", addresses[0].port());
    let silent = h2.run(&["send", &to, "x", "--wait", "1ms"]);
    silent.assert_told(&[&format!("no reply from {to} in ")]);
    sink.signal("TERM");
    let listening = sink.stdout_line();
    assert!(listening.contains("summary"), "{listening}");

    for arguments in [["listen", "--count", "1", "--json"].as_slice(), &["listen", "--count", "1"]] {
        let (mut listener, addresses) = h1.waiting(&[arguments, &[&format!("[{one}]:0")]].concat());
        let to = format!("[{one}]:{}", addresses[0].port());
        h2.run(&["send", &to, "x", "--wait", "0"]).assert_status(0);
        let line = listener.stdout_line();
        assert!(line.contains(&format!("[{two}]:")) && line.contains(&to), "{line}");
    }

    let targets = h1.run(&["broadcast", "-6", "hi", "--dry-run"]);
    targets.assert_status(0);
    assert_eq!(targets.text(), "eth0: to [ff02::1%eth0]:10000\n");
}

#[test]
fn a_link_local_address_to_listen_at_needs_its_interface() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let one = link_local(h1);
    for verb in ["listen", "serve"] {
        let refused = h1.run(&[verb, &format!("[{one}]:700")]);
        refused.assert_status(2);
        refused.assert_told(&[
            &format!("udp: {one} is link-local: say on which interface, as in [{one}%eth0]:700 or with -i\n"),
            "hint: interfaces here: lo, eth0\n",
        ]);
    }
    let mut server = h1.udp(&["serve", &format!("[{one}]:0"), "-i", "eth0"]);
    let line = server.stderr_line();
    let address = line.strip_prefix("serving on ").unwrap_or_else(|| panic!("{line}"));
    assert!(address.starts_with(&format!("[{one}%eth0]:")), "{line}");
    h2.run(&["send", address, "hi"]).assert_status(0);
}

/// Asserts that each command is refused, and that the hint has these words.
fn assert_refused(place: Place<'_>, cases: &[(&[&str], &str)]) {
    for (arguments, hint) in cases {
        let outcome = place.run(arguments);
        outcome.assert_status(2);
        assert_eq!(outcome.stdout, b"", "{arguments:?}");
        let hints: Vec<_> = outcome.stderr.lines().filter_map(|line| line.strip_prefix("hint: ")).collect();
        assert!(hints.len() == 1 && hints[0].contains(hint), "{arguments:?} should hint at '{hint}': {outcome:?}");
    }
}

#[test]
fn a_port_or_an_address_in_the_place_of_the_payload_is_refused_and_nothing_is_sent() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let (mut listener, _) =
        h2.waiting(&["listen", "10000", "5000", "10.1.0.2:5001", "--fields", "destination,payload"]);
    assert_refused(
        h1,
        &[
            (&["send", "10.1.0.2", "5000"], "udp send 10.1.0.2:5000 TEXT; to send it as text: --text 5000"),
            (
                &["send", "10.1.0.2", "5000-5010"],
                "udp send 10.1.0.2:5000-5010 TEXT; to send it as text: --text 5000-5010",
            ),
            (&["send", "10.1.0.2", ":5000"], "udp send 10.1.0.2:5000 TEXT"),
            (&["send", "10.1.0.2", "5000", "--escapes"], "udp send 10.1.0.2:5000 TEXT"),
            (&["send", "h2", "5000"], "udp send h2:5000 TEXT"),
            (&["send", "fd01::2", "5000"], "udp send [fd01::2]:5000 TEXT"),
            (&["send", "fe80::2%eth0", "5000"], "udp send [fe80::2%eth0]:5000 TEXT"),
            (&["send", "10.1.0.2", "10.1.0.3"], "udp send 10.1.0.3 TEXT; to send it as text: --text 10.1.0.3"),
            (&["send", "10.1.0.2", "[::1]:5"], "udp send [::1]:5 TEXT"),
            (&["broadcast", "10.1.0.255"], "udp broadcast --to 10.1.0.255 TEXT; to send it as text: --text 10.1.0.255"),
            (&["broadcast", "10.1.0.255", "-p", "5000"], "udp broadcast --to 10.1.0.255 TEXT"),
            (&["broadcast", "239.1.2.3:5000"], "udp broadcast --to 239.1.2.3:5000 TEXT"),
            (&["broadcast", "10.1.0.2:5000"], "udp send 10.1.0.2:5000 TEXT"),
            (&["broadcast", "5000"], "udp broadcast -p 5000 TEXT; to send it as text: --text 5000"),
            (&["broadcast", "5000-5010"], "udp broadcast -p 5000 TEXT; to send it as text: --text 5000-5010"),
            (&["broadcast", ":5000"], "udp broadcast -p 5000 TEXT"),
            (&["broadcast", "--to", "10.1.0.255", "5000"], "udp broadcast --to 10.1.0.255:5000 TEXT"),
            (&["broadcast", "eth0"], "udp broadcast -i eth0 TEXT"),
            (&["broadcast", "--dry-run", "5000"], "udp broadcast -p 5000 TEXT"),
        ],
    );
    // Where a port was given, or the text is said to be one, it is sent.
    let to_h2 = "10.1.0.2:10000";
    let cases: [(&[&str], &str); 10] = [
        (&["send", to_h2, "5000"], "10.1.0.2:10000  5000"),
        (&["send", "10.1.0.2", "5000", "-p", "10000"], "10.1.0.2:10000  5000"),
        (&["send", "10.1.0.2", "--text", "5000"], "10.1.0.2:10000  5000"),
        (&["send", to_h2, "10.1.0.3"], "10.1.0.2:10000  10.1.0.3"),
        (&["send", to_h2, "--text", "-"], "10.1.0.2:10000  -"),
        (&["send", to_h2, "--text", "-hello"], "10.1.0.2:10000  -hello"),
        (&["send", to_h2, "--text", r"a\x41", "--escapes"], "10.1.0.2:10000  aA"),
        (&["broadcast", "-p", "10000", "5000"], "10.1.0.255:10000  5000"),
        (&["broadcast", "--text", "10.1.0.255"], "10.1.0.255:10000  10.1.0.255"),
        (&["broadcast", "--to", "10.1.0.255", "10.1.0.7"], "10.1.0.255:10000  10.1.0.7"),
    ];
    for (arguments, expected) in cases {
        h1.run(&[arguments, &["--wait", "0"]].concat()).assert_status(0);
        assert_eq!(listener.stdout_line(), expected, "{arguments:?}");
    }
}

#[test]
fn a_port_after_an_address_without_one_is_not_a_second_place_to_listen() {
    let cases: [(&[&str], &str); 5] = [
        (&["listen", "239.1.2.3", "5000"], "239.1.2.3:5000 is one place; for two, write 239.1.2.3:10000 5000"),
        (&["listen", "0.0.0.0", "5001"], "0.0.0.0:5001 is one place"),
        (&["serve", "127.0.0.1", "9000"], "127.0.0.1:9000 is one place"),
        (&["serve", "::1", "9000"], "[::1]:9000 is one place"),
        (&["listen", "5000", "localhost", "5001"], "localhost:5001 is one place"),
    ];
    assert_refused(Place::Here, &cases);
    let Some(lan) = hosts(1) else { return };
    let h1 = Place::On(&lan, "h1");
    let cases: [&[&str]; 4] = [
        &["5000", "5002", "-4"],
        &["-p", "4000", "10.1.0.1", "5000", "-4"],
        &["10.1.0.1:4000", "5000", "-4"],
        &["5000", "10.1.0.1", "-4"],
    ];
    for places in cases {
        let (_listener, addresses) = h1.waiting(&[&["listen"], places].concat());
        assert_eq!(addresses.len(), 2, "{places:?}");
    }
}

#[test]
fn a_count_is_how_many_to_send() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let (_server, _) = h2.waiting(&["serve", "--echo"]);
    let scratch = Scratch::new();
    let lines = scratch.file("lines", "one\ntwo\nthree\n");
    let cases: [(&[&str], u64); 6] = [
        (&["send", "10.1.0.2", "hi", "-c", "3"], 3),
        (&["send", "10.1.0.2", "hi", "--count", "1"], 1),
        (&["send", "10.1.0.2", "hi", "-c5", "--for", "1h"], 5),
        (&["send", "10.1.0.2", "--file", &lines, "--lines", "-c", "5"], 5),
        (&["send", "10.1.0.2", "--file", &lines, "--lines", "-c", "2"], 2),
        (&["broadcast", "hi", "-c", "3"], 3),
    ];
    for (arguments, sent) in cases {
        let outcome = h1.run(&[arguments, &["--every", "10ms", "--json"]].concat());
        outcome.assert_status(0);
        assert_eq!(number(&outcome.summary()["sent"]), sent, "{arguments:?}");
    }
    // As in ping, one a second: the second one would come too late.
    let outcome = h1.run(&["send", "10.1.0.2", "hi", "-c", "2", "--for", "500ms"]);
    outcome.assert_status(0);
    assert!(outcome.stderr.starts_with("1 sent, 1 answered, "), "{outcome:?}");

    let mut stream = h1.udp(&["send", "10.1.0.2", "--lines", "-c", "2", "--every", "1ms"]);
    stream.tell(b"one\ntwo\nthree\n");
    let [first, second] = [stream.stdout_line(), stream.stdout_line()];
    assert!(first.ends_with("  3 B  one") && second.ends_with("  3 B  two"), "{first}\n{second}");
    stream.until_told("2 sent, 2 answered");

    let outcome =
        h1.run(&["send", "10.1.0.2", "hi", "--repeat", "0", "--every", "10ms", "--until-replies", "3", "--json"]);
    outcome.assert_status(0);
    assert_eq!(number(&outcome.summary()["delivered"]), 3);
    for verb in [&["send", "10.1.0.2"][..], &["broadcast"]] {
        let outcome = h1.run(&[verb, &["hi", "-c", "0"]].concat());
        outcome.assert_status(2);
        outcome.assert_told(&["udp: --count 0 sends nothing; --repeat 0 sends without end"]);
        let outcome = h1.run(&[verb, &["hi", "-c", "1", "--repeat", "2"]].concat());
        outcome.assert_status(2);
        outcome.assert_told(&["cannot be used with"]);
    }
}

#[test]
fn a_word_of_another_tool_has_the_right_one_as_its_hint() {
    let cases: [(&[&str], &str); 71] = [
        // Before the verb.
        (&["-v", "send", "h", "x"], "udp send -v ..."),
        (&["-p", "5000", "listen"], "udp listen -p ..."),
        // Short options.
        (&["send", "h", "x", "-n", "5"], "-c N is how many to send"),
        (&["listen", "-n"], "addresses are always printed as numbers"),
        (&["listen", "-w", "file"], "--write FILE.pcapng"),
        (&["serve", "-w5"], "--for DURATION"),
        (&["send", "h", "x", "-t", "64"], "--ttl N"),
        (&["listen", "-ttt"], "--utc, --relative or --delta"),
        (&["-l", "5000"], "`udp listen PORT`"),
        (&["-lu", "5000"], "`udp listen PORT`"),
        (&["send", "-l", "5000"], "`udp listen PORT`"),
        (&["-u", "send", "h", "x"], "it is always UDP"),
        (&["send", "-u", "h", "5000"], "it is always UDP"),
        (&["send", "h", "-x", "00"], "--hex '01 0a ff'"),
        (&["send", "h", "-f", "file"], "--file FILE"),
        (&["listen", "-f", "udp"], "--from NETWORK and --match REGEX"),
        (&["replay", "-f", "file", "h"], "udp replay FILE HOST"),
        (&["listen", "-r", "file"], "`udp replay FILE HOST`"),
        (&["listen", "-k"], "leave it out"),
        (&["send", "127.0.0.1", "x", "-i", "0.2"], "--every 0.2s"),
        (&["broadcast", "x", "-i", "5"], "--every 5s"),
        (&["listen", "-i", "5"], "interfaces here: lo"),
        (&["replay", "f", "127.0.0.1", "-i", "0.2"], "interfaces here: lo"),
        // Long options.
        (&["listen", "--timeout", "5s"], "--for DURATION"),
        (&["serve", "--timeout=5s"], "--for DURATION"),
        (&["replay", "f", "h", "--timeout", "5s"], "--wait DURATION"),
        (&["send", "h", "--data", "x"], "--hex '01 0a ff' sends bytes"),
        (&["serve", "--data", "x"], "--reply TEXT"),
        (&["serve", "--text", "x"], "--reply TEXT"),
        (&["serve", "--message", "x"], "--reply TEXT"),
        (&["listen", "--message", "x"], "`udp send HOST:PORT TEXT`"),
        (&["send", "h", "x", "--grep", "x"], "`udp listen --match REGEX`"),
        (&["listen", "--dport", "53"], "-p PORT"),
        (&["replay", "f", "h", "--dport", "53"], "--filter-port PORT"),
        (&["listen", "--source-port", "53"], "--from NETWORK"),
        (&["replay", "f", "h", "--source-port", "53"], "--local :PORT"),
        (&["listen", "--filter", "port 53"], "--match REGEX"),
        (&["replay", "f", "h", "--filter", "x"], "--filter-port PORT"),
        (&["serve", "--interval", "1s"], "--status DURATION"),
        (&["replay", "f", "h", "--interval", "1s"], "--rate 10/s"),
        (&["listen", "--size", "5"], "--recv-buffer SIZE"),
        (&["send", "h", "x", "--tos", "184"], "--dscp N"),
        (&["send", "h", "x", "--forever"], "--repeat 0"),
        (&["send", "--host", "h", "x"], "udp send HOST:PORT TEXT"),
        (&["listen", "--hex"], "--hex-dump"),
        // Misspellings, and what looks like an option.
        (&["listen", "--cuont", "1"], "did you mean --count?"),
        (&["send", "h", "x", "-json"], "long options have two hyphens: --json"),
        (&["send", "h", "--hello"], "to send it as text: --text=--hello;"),
        (&["send", "h", "-5"], "to send it as text: --text=-5;"),
        (&["send", "h", "-temp 5"], "to send it as text: --text='-temp 5';"),
        (&["interfaces", "--frobnicate"], "`udp interfaces --help` lists the options"),
        (&["broadcast", "x", "--filter", "x"], "piped into grep"),
        (&["replay", "f", "h", "--times", "3"], "--loop N"),
        // Verbs.
        (&["SEND", "h"], "did you mean send?"),
        (&["rx", "5000"], "`udp listen PORT`"),
        (&["sender", "h"], "udp send HOST:PORT TEXT"),
        (&["client", "h"], "udp send HOST:PORT TEXT"),
        (&["server"], "`udp serve PORT`"),
        (&["ping", "h"], "udp send HOST:PORT ping -c 5"),
        (&["scan", "h"], "`udp broadcast TEXT`"),
        (&["help", "scan"], "`udp broadcast TEXT`"),
        (&["lisen"], "did you mean listen?"),
        (&["toxiproxy"], "udp relay LISTEN TARGET --loss 5%"),
        (&["frobnicate", "send"], "the verbs are serve, send, listen, broadcast, measure, reflect, relay,"),
        // One argument too many.
        (&["127.0.0.1", "5000"], "udp send 127.0.0.1:5000 TEXT"),
        (&["5000"], "udp listen 5000"),
        (&["send", "127.0.0.1", "5000", "hello"], "udp send 127.0.0.1:5000 hello"),
        (&["send", "h", "hello", "world"], "a text with spaces is one argument: 'hello world'"),
        (&["broadcast", "5000", "it's"], r"udp broadcast -p 5000 'it'\''s'"),
        (&["broadcast", "10.1.0.255", "hi"], "udp broadcast --to 10.1.0.255 hi"),
        (&["replay", "f", "::1", "5000"], "udp replay f [::1]:5000"),
    ];
    assert_refused(Place::Here, &cases);
}

#[test]
fn a_number_below_zero_is_refused_as_the_value_that_it_is() {
    for (arguments, expected) in [
        (&["send", "127.0.0.1", "x", "--wait", "-1"][..], "--wait cannot be negative: '-1'"),
        (&["send", "127.0.0.1", "x", "-c", "-1"], "-c cannot be negative: '-1'"),
        (&["listen", "--for", "-5s"], "--for cannot be negative: '-5s'"),
        (&["serve", "--drop", "-0.5"], "--drop cannot be negative: '-0.5'"),
    ] {
        let outcome = Place::Here.run(arguments);
        outcome.assert_status(2);
        assert_eq!(outcome.stderr, format!("udp: {expected}\n"));
    }
}

#[test]
fn an_argument_that_is_no_utf8_is_refused_with_the_way_to_send_bytes() {
    let mut command = Place::Here.udp_command(&["send", "127.0.0.1"]);
    command.arg(OsStr::from_bytes(b"\xff"));
    let outcome = Process::start(command).finish();
    outcome.assert_status(2);
    outcome.assert_told(&[
        "udp: an argument is not valid UTF-8\nhint: --hex '01 0a ff' sends any bytes, and so does standard input\n",
    ]);
}

#[test]
fn the_help_of_help_is_the_help() {
    assert_eq!(Place::Here.run(&["help", "help"]).text(), Place::Here.run(&["help"]).text());
}

#[test]
fn a_word_of_another_tool_that_means_the_same_is_taken_for_it() {
    let cases: [&[&str]; 14] = [
        &["send", "h", "x", "-c", "3", "-w", "1s"],
        &["send", "h", "x", "-W", "1s"],
        &["send", "h", "x", "--timeout", "1s", "--interval", "1s"],
        &["send", "h", "--message", "x", "--dport", "53", "--source-port", "5000"],
        &["send", "h", "x", "-I", "lo", "--duration", "1s"],
        &["broadcast", "x", "-c3", "-w1s", "--interval", "1s", "--dport", "53"],
        &["listen", "-c", "3", "-x"],
        &["listen", "-X", "--grep", "x"],
        &["recv", "5000"],
        &["receive", "5000", "--hexdump"],
        &["serve", "-c", "3"],
        &["replay", "f", "h", "-c", "3"],
        &["send", "h", "-vh"],
        &["help", "send"],
    ];
    for arguments in cases {
        let help = Place::Here.run(&[arguments, &["--help"][usize::from(arguments[0] == "help")..]].concat());
        help.assert_status(0);
        assert!(help.text().contains("\nUsage: udp "), "{arguments:?}: {help:?}");
    }
    assert_eq!(Place::Here.run(&["help"]).text(), Place::Here.run(&["--help"]).text());
    assert_eq!(Place::Here.run(&["help", "send"]).text(), Place::Here.run(&["send", "--help"]).text());
    assert_eq!(Place::Here.run(&["help", "send", "x"]).text(), Place::Here.run(&["send", "--help"]).text());
}

#[test]
fn a_text_that_begins_with_a_hyphen_asks_for_no_help() {
    let cases: [(&[&str], &str); 6] = [
        (&["send", "h", "-hello"], "to send it as text: --text=-hello;"),
        (&["broadcast", "-hello"], "to send it as text: --text=-hello;"),
        (&["send", "h", "-vhx"], "to send it as text: --text=-vhx;"),
        (&["serve", "-hello"], "`udp serve --help` lists the options"),
        (&["-hello"], "`udp --help` lists the verbs"),
        (&["-Vx"], "`udp --help` lists the verbs"),
    ];
    assert_refused(Place::Here, &cases);
    for arguments in [&["send", "-h"][..], &["send", "h", "-help"], &["-h"], &["send", "h", "--text", "-hello", "-h"]] {
        let help = Place::Here.run(arguments);
        help.assert_status(0);
        assert!(help.text().contains("\nUsage: udp "), "{help:?}");
    }
}

#[test]
fn a_hangup_ends_a_run_with_its_summary_unless_it_was_ignored() {
    for verb in ["serve", "listen"] {
        // Who runs the tests may ignore it (nohup).
        let mut command = Place::Here.command("env");
        command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_udp"), verb, "127.0.0.1:0"]);
        let mut process = Process::start(command);
        process.until_told("ing on ");
        process.signal("HUP");
        let outcome = process.finish();
        outcome.assert_status(0);
        outcome.assert_told(&["0 received"]);
    }
    let mut ignoring = Place::Here.command("sh");
    ignoring.args(["-c", "trap '' HUP; exec \"$0\" serve 127.0.0.1:0", env!("CARGO_BIN_EXE_udp")]);
    let mut process = Process::start(ignoring);
    process.until_told("serving on ");
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("it runs");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("proc(5)");
    assert!(ignored.trim().ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f']), "{ignored}");
    process.signal("HUP");
    process.stop().assert_status(0);
}

#[test]
fn an_address_of_another_form_is_refused_with_the_right_one() {
    let cases: [(&[&str], &str); 11] = [
        (&["send", "::1:5000", "hi"], "write [::1]:5000, or [::1:5000] for the address"),
        (&["send", "udp://127.0.0.1:5000", "hi"], "is a URL; write 127.0.0.1:5000"),
        (&["listen", "*:5001"], "is a port of every address; write :5001"),
        (&["serve", "192.168.7.2/24"], "write 192.168.7.2 for the host, 192.168.7.255 for all of its hosts"),
        (&["send", "fe80::1%eth0:5000", "hi"], "write [fe80::1%eth0]:5000"),
        (&["listen", "239.1.2.3%eth0"], "write 239.1.2.3 and -i eth0"),
        (&["send", "127.0.0.1 5000", "hi"], "write 127.0.0.1:5000"),
        (&["send", "10.0.0.1.53", "hi"], "write 10.0.0.1:53"),
        (&["broadcast", "--to", "10.0.0.0/8", "hi"], "write 10.0.0.0 for the host, 10.255.255.255 for all"),
        (&["send", "127.0.0.1", "hi", "--local", "::1:5000"], "write [::1]:5000"),
        (&["replay", "f", "udp://host:5000"], "write host:5000"),
    ];
    for (arguments, words) in cases {
        let outcome = Place::Here.run(arguments);
        outcome.assert_status(2);
        outcome.assert_told(&[words]);
        assert_eq!(outcome.stdout, b"");
    }
    let Some(lan) = hosts(1) else { return };
    let h1 = Place::On(&lan, "h1");
    assert_refused(
        h1,
        &[
            (&["listen", "eth0"], "'eth0' is an interface here, which -i eth0 chooses"),
            (&["send", "eth0:5000", "hi"], "'eth0' is an interface here, which -i eth0 chooses"),
        ],
    );
}

#[test]
fn a_capture_after_its_destination_is_found_to_be_swapped() {
    let scratch = Scratch::new();
    let file = scratch.file("game.pcapng", "");
    let hint = format!("udp replay {file} 127.0.0.1:9000");
    assert_refused(
        Place::Here,
        &[(&["replay", "127.0.0.1:9000", &file], &hint), (&["replay", "127.0.0.1", "-"], "udp replay - 127.0.0.1")],
    );
}
