//! For tests: what other programs say of captures, and datagrams to put into them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use udpkit::{Datagram, Delivery, Interface, InterfaceAddress, InterfaceIndex, Interfaces, Meta};

use super::blocks;
use super::frame::Frame;
pub(crate) use super::fuzzing::maker::{Maker, ORDERS};
use super::order::Order;
use super::write::WriteOptions;

#[path = "../../lib/tests/netns/mod.rs"]
#[allow(unfulfilled_lint_expectations, reason = "unit tests may print, so nothing is to be expected there")]
pub(crate) mod netns;

pub(crate) use netns::require;

/// A moment, in nanoseconds since 1970.
pub(crate) fn at(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}

/// A moment of 2024 with all its nanoseconds.
pub(crate) const START: u64 = 1_722_000_000_123_456_789;

/// Numbers that no interface of a real host has.
pub(crate) fn index(number: u32) -> InterfaceIndex {
    InterfaceIndex::new(1_000_000_000 + number).unwrap()
}

/// Two interfaces, `lan0` and `lan1`.
pub(crate) fn interfaces() -> Interfaces {
    let interface = |number: u8| {
        Interface::new(format!("lan{number}"))
            .index(index(number.into()))
            .up(true)
            .running(true)
            .broadcast(true)
            .multicast(true)
            .mtu(1500)
            .hardware([2, 0, 0, 0, 0, number])
            .addresses([
                InterfaceAddress::new([10, number, 0, 2].into(), 24),
                InterfaceAddress::new([0xfd01, 0, 0, 0, 0, 0, 0, number.into()].into(), 64),
            ])
    };
    (0..2).map(interface).collect()
}

/// A capture by `udp` of datagrams by these interfaces.
pub(crate) fn options() -> WriteOptions {
    WriteOptions { application: "udp 1.2.3".to_owned(), interfaces: interfaces() }
}

/// A datagram's circumstances.
pub(crate) fn meta(source: &str, destination: &str, interface: u32) -> Meta {
    let mut meta = Meta::new(source.parse().unwrap());
    let destination: IpAddr = destination.parse().unwrap();
    meta.destination = Some(destination);
    meta.interface = Some(index(interface));
    meta.delivery = if destination.is_multicast() { Delivery::Multicast } else { Delivery::Unicast };
    meta
}

/// A directory that is gone with this value.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A directory whose name has this word in it.
    pub(crate) fn new(word: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("udp-capture-{}-{}-{word}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file in it with this content.
    pub(crate) fn with(&self, name: &str, content: &[u8]) -> PathBuf {
        std::fs::write(self.file(name), content).unwrap();
        self.file(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a program prints; it must not complain.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("TZ", "UTC0").stdin(Stdio::null()).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {complaints}");
    for sign in ["cut short", "damaged", "corrupt", "rror"] {
        assert!(!complaints.contains(sign), "{program} {arguments:?}: {complaints}");
    }
    String::from_utf8(output.stdout).unwrap()
}

/// These fields of each packet, as tshark reads them, in order.
pub(crate) fn tshark(file: &Path, options: &[&str], fields: &[&str]) -> Vec<Vec<String>> {
    let mut arguments = vec!["-r", file.to_str().unwrap(), "-n", "-T", "fields", "-E", "separator=|"];
    // Checksums are not looked at unless asked for.
    arguments.extend(["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]);
    arguments.extend(options);
    arguments.extend(fields.iter().flat_map(|field| ["-e", field]));
    run("tshark", &arguments).lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
}

/// What the statistics of a capture that we wrote say of each interface: received, dropped, written.
pub(crate) fn statistics(capture: &[u8]) -> Vec<[u64; 3]> {
    let number = |at: usize| Order::Little.u32(capture, at).map(|number| number as usize);
    let (mut found, mut at) = (Vec::new(), 0);
    while let (Some(kind), Some(len)) = (number(at), number(at + 4)) {
        let (mut option, end) = (at + 20, at + len - 4);
        at += len;
        if kind != blocks::INTERFACE_STATISTICS as usize {
            continue;
        }
        let codes = [blocks::STATISTICS_RECEIVED, blocks::STATISTICS_DROPPED, blocks::STATISTICS_DELIVERED];
        let mut counts = [0; 3];
        while option < end {
            let [code, len] = [0, 2].map(|place| Order::Little.u16(capture, option + place).unwrap());
            if let Some(place) = codes.iter().position(|&known| known == code) {
                counts[place] = Order::Little.u64(capture, option + 4).unwrap();
            }
            option += 4 + usize::from(len).next_multiple_of(4);
        }
        found.push(counts);
    }
    found
}

/// The Ethernet frame of a datagram to port 5000.
pub(crate) fn frame(source: &str, destination: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let meta = meta(source, destination, 0);
    Frame::new(&Datagram::new(payload, &meta), 5000).append(&mut out);
    out
}
