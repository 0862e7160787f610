//! What people type who come from nc, ping, socat or tcpdump: it does what they mean, or says what to type instead.
#![cfg(target_os = "linux")]

mod common;

use common::{Place, hosts, without_rtt};

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
        h2.run(&["send", &format!("[{one}]:{}", addresses[0].port()), "x", "--wait", "0"]).assert_status(0);
        let line = listener.stdout_line();
        assert!(line.contains(&format!("[{two}]:")), "{line}");
    }

    let targets = h1.run(&["broadcast", "-6", "hi", "--dry-run"]);
    targets.assert_status(0);
    assert_eq!(targets.text(), "eth0: to [ff02::1%eth0]:10000\n");
}
