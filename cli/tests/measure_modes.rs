//! `udp measure` without an end, and its metrics while it runs.
#![cfg(all(target_os = "linux", feature = "http"))]

mod common;

use common::Place;
use common::netns::require;

/// Asks for a page until so many probes are answered, then prints it. Arguments: its address, how many.
const FETCH: &str = "
from urllib.request import urlopen
import re
for _ in range(100000):
    with urlopen(sys.argv[1]) as page:
        text = page.read().decode()
    found = re.search(r'^udp_measure_answered_datagrams_total\\{.*\\} (\\d+)$', text, re.M)
    if found and int(found.group(1)) >= int(sys.argv[2]):
        break
print(text, end='')
";

#[test]
fn forever_ends_with_a_signal_and_its_metrics_are_those_of_the_summary() {
    if !require("python3") {
        return;
    }
    let (reflector, addresses) = Place::Here.waiting(&["reflect", "127.0.0.1:0", "--rate-limit", "off"]);
    let target = addresses[0].to_string();
    let bar = "forward.lost>=1";
    let flags = ["--forever", "--rate", "1000/s", "--wait", "1s", "--metrics", "127.0.0.1:0", "--fail-if", bar];
    let mut measure = Place::Here.udp(&[&["measure", &target], flags.as_slice()].concat());
    let line = measure.until_told("metrics at ");
    let address = line.trim().strip_prefix("metrics at ").expect("an address").to_owned();
    let page = Place::Here.python_says(FETCH, &[&address, "300"]);
    let value = |metric: &str, labels: &str| {
        let name = format!("udp_measure_{metric}{{target=\"{target}\"{labels}}} ");
        let value = page.lines().find_map(|line| line.strip_prefix(&name));
        value.unwrap_or_else(|| panic!("{name}: {page}")).parse::<f64>().expect("a number")
    };
    // While it runs, what is on its way is not lost.
    let of =
        |direction, bound| value("direction_lost_datagrams", &format!(",direction=\"{direction}\",bound=\"{bound}\""));
    assert_eq!([of("forward", "low"), of("forward", "high"), of("reverse", "low")], [0.0; 3], "{page}");
    let answered = value("answered_datagrams_total", "");
    assert_eq!(value("rtt_seconds_count", ""), answered, "{page}");
    assert_eq!(value("rtt_seconds_bucket", ",le=\"+Inf\""), answered, "{page}");
    assert_eq!(value("reflector_info", ",reflector=\"counting\""), 1.0);
    // The signal ends it with its summary, in which the forward direction is known: nothing was lost there.
    let outcome = measure.stop();
    outcome.assert_status(0);
    assert!(outcome.text().contains("forward"), "{}", outcome.text());
    drop(reflector);
}
