//! What `udp listen` prints of real datagrams in every format, with all columns that are the same each time.
#![cfg(target_os = "linux")]

mod common;

use common::netns::require;
use common::{Outcome, Place};
use snapbox::{Data, assert_data_eq};

/// Text, binary, nothing, terminal escapes, C1 and bidirectional controls, what is no UTF-8, and the longest.
const SENDER: &str = "
s = socket(AF_INET, SOCK_DGRAM)
for payload in (
    b'Hello World', b'\\0\\x01\\xfe\\xff', b'', b'\\x1b]0;title\\x07\\r\\n\\x7f',
    '\\u009b31m \\u202ebidi\\u2066'.encode(), b'half \\xc3, C:\\\\dir', 'Grüße, мир 👋'.encode(), b'x' * 65507,
):
    s.sendto(payload, ('127.0.0.1', int(sys.argv[1])))
";
const DATAGRAMS: &str = "8";

/// Columns that are the same each time.
const STEADY: &str = "ttl,tos,dscp,delivery,interface,length,payload";

fn heard(arguments: &[&str]) -> Outcome {
    let (listener, addresses) =
        Place::Here.waiting(&[&["listen", "127.0.0.1:0", "--count", DATAGRAMS], arguments].concat());
    Place::Here.python_says(SENDER, &[&addresses[0].port().to_string()]);
    let outcome = listener.finish();
    outcome.assert_status(0);
    outcome
}

/// Output with what makes it long replaced by how long that is.
fn shortened(output: &[u8]) -> String {
    let text: String = output
        .utf8_chunks()
        .flat_map(|chunk| {
            let invalid = chunk.invalid().iter().map(|byte| format!("<{byte:02x}>"));
            [chunk.valid().to_owned()].into_iter().chain(invalid)
        })
        .collect();
    let text: String = text
        .chars()
        .map(|letter| match letter {
            '\n' => "\n".to_owned(),
            letter if letter.is_control() || matches!(letter, '\u{202e}' | '\u{2066}') => {
                format!("<{:02x}>", u32::from(letter))
            }
            letter => letter.to_string(),
        })
        .collect();
    let row = "  78 78 78 78 78 78 78 78  78 78 78 78 78 78 78 78  |xxxxxxxxxxxxxxxx|";
    let (rows, others): (Vec<_>, Vec<_>) = text.split('\n').partition(|line| line.ends_with(row));
    let lines = others.join("\n").replace(&"x".repeat(65_507), "<x 65507 times>");
    if rows.is_empty() { lines } else { format!("{lines}<{} rows of x>\n", rows.len()) }
}

#[test]
fn every_format_shows_every_kind_of_payload() {
    if !require("python3") {
        return;
    }
    let cases: [&[&str]; 7] = [
        &["--fields", STEADY],
        &["--fields", "payload,length", "--color", "always"],
        &["--fields", STEADY, "--hex-dump"],
        &["--fields", STEADY, "--json"],
        &["--fields", "payload", "--json"],
        &["--raw"],
        &["--raw", "--delimiter", r"\x1e\n"],
    ];
    let mut all = String::new();
    for arguments in cases {
        let outcome = heard(arguments);
        let mut output = outcome.stdout.as_slice();
        if arguments.contains(&"--json") {
            // The ports and times of what is before and behind the datagrams are other ones each time.
            let end = output.len() - outcome.lines().pop().map_or(0, |line| line.len() + 1);
            let start = outcome.lines()[0].len() + 1;
            output = &output[start..end];
        }
        all.push_str(&format!("$ udp listen {}\n{}\n", arguments.join(" "), shortened(output)));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/formats-heard.txt");
    assert_data_eq!(all, Data::read_from(&path, None).raw());
}

#[test]
fn times_are_told_as_asked() {
    if !require("python3") {
        return;
    }
    let times = |flag| {
        let lines = heard(&["--fields", "time", flag]).lines();
        lines.iter().map(|line| line.parse::<f64>().unwrap_or(f64::NAN)).collect::<Vec<_>>()
    };
    let relative = times("--relative");
    assert!(relative[0] == 0.0 && relative.len() == 8 && relative.iter().all(|time| time.is_finite()), "{relative:?}");
    let delta = times("--delta");
    assert!(delta[0] == 0.0 && delta.len() == 8 && delta.iter().all(|time| time.is_finite()), "{delta:?}");
    for line in heard(&["--fields", "time", "--utc"]).lines() {
        assert!(line.len() == "2026-11-22T20:09:11.500154287Z".len() && line.ends_with('Z'), "{line}");
    }
}

#[test]
fn mistakes_in_what_is_to_be_printed_are_told() {
    let cases: [(&[&str], &str); 8] = [
        (
            &["--fields", "time,size"],
            "invalid value 'size' for '--fields <LIST>'\n  [possible values: time, source, destination, delivery, interface, ttl, tos, dscp, length, payload]",
        ),
        (&["--fields", "ttl,hop_limit"], "udp: --fields names 'ttl' twice\n"),
        (&["--fields", "source", "--raw"], "udp: --fields chooses from what lines and objects have;"),
        (&["--utc", "--delta"], "the argument '--utc' cannot be used with '--delta'"),
        (&["--delta", "--json"], "udp: --delta is for lines; JSON has times in UTC (RFC 3339), always\n"),
        (&["--relative", "--fields", "source"], "hint: add time\n"),
        (&["--delimiter", r"\n"], "udp: --delimiter parts raw payloads; lines end by themselves\nhint: add --raw\n"),
        (&["--raw", "--delimiter", r"\q"], r"'\q' is no escape; there are \n \r \t \0 \\ \xNN \u{N}"),
    ];
    for (arguments, told) in cases {
        let outcome = Place::Here.run(&[&["listen", "127.0.0.1:0", "--for", "0"], arguments].concat());
        outcome.assert_status(2);
        outcome.assert_told(&[told]);
    }
}
