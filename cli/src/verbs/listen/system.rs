//! What the system counts of UDP besides our sockets.

use serde::Serialize;
use udpkit::Report;

use crate::words::units::counted;

/// What the kernel counted at all UDP sockets of this network namespace: a hint, not an account of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct SystemCounters {
    /// Datagrams dropped since a receive buffer was full.
    pub(super) receive_buffer_errors: u64,
    /// Datagrams whose checksum was wrong.
    pub(super) checksum_errors: u64,
    /// Datagrams dropped since all of UDP had used up its memory (`net.ipv4.udp_mem`).
    pub(super) memory_errors: u64,
}

impl SystemCounters {
    /// The counters as they are now; `None` where the system has none to read.
    pub(super) fn read() -> Option<Self> {
        let v4 = std::fs::read_to_string("/proc/net/snmp").ok()?;
        let v6 = std::fs::read_to_string("/proc/net/snmp6").unwrap_or_default();
        Some(Self::parse(&v4, &v6))
    }

    /// Of IPv4 a row of names and a row of numbers, of IPv6 a row for each.
    fn parse(v4: &str, v6: &str) -> Self {
        let mut rows = v4.lines().filter_map(|line| line.strip_prefix("Udp: "));
        let (names, numbers) = (rows.next().unwrap_or_default(), rows.next().unwrap_or_default());
        let of_v4 = names.split(' ').zip(numbers.split(' '));
        let of_v6 = v6.lines().filter_map(|line| line.strip_prefix("Udp6")?.split_once(char::is_whitespace));
        let mut counters = Self::default();
        for (name, number) in of_v4.chain(of_v6) {
            let number: u64 = number.trim().parse().unwrap_or(0);
            match name {
                "RcvbufErrors" => counters.receive_buffer_errors += number,
                "InCsumErrors" => counters.checksum_errors += number,
                "MemErrors" => counters.memory_errors += number,
                _ => {}
            }
        }
        counters
    }

    /// What was counted since then.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            receive_buffer_errors: self.receive_buffer_errors.wrapping_sub(before.receive_buffer_errors),
            checksum_errors: self.checksum_errors.wrapping_sub(before.checksum_errors),
            memory_errors: self.memory_errors.wrapping_sub(before.memory_errors),
        }
    }

    /// What our own drops do not explain, a line each.
    pub(super) fn lines(self, report: &Report) -> Vec<String> {
        let others = self.receive_buffer_errors.saturating_sub(report.kernel_drops.unwrap_or(0));
        let parts = [
            (others, "dropped at other sockets, whose buffers were full"),
            (self.checksum_errors, "with a wrong checksum"),
            (self.memory_errors, "dropped for want of memory (sysctl net.ipv4.udp_mem)"),
        ];
        let told = parts.into_iter().filter(|(count, _)| *count > 0);
        told.map(|(count, what)| format!("  meanwhile on this system: {} {what}", counted(count, "datagram"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "Icmp: InMsgs\nIcmp: 7\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors \
                      InCsumErrors IgnoredMulti MemErrors\nUdp: 99 2 11 98 10 0 1 1 4\nUdpLite: RcvbufErrors\nUdpLite: 50\n";
    const V6: &str =
        "Udp6InDatagrams                 \t35\nUdp6RcvbufErrors                \t16\nUdpLite6RcvbufErrors \t8\n";

    #[test]
    fn the_systems_counters_are_those_of_both_families() {
        let counters = SystemCounters::parse(V4, V6);
        let expected = SystemCounters { receive_buffer_errors: 26, checksum_errors: 1, memory_errors: 4 };
        assert_eq!(counters, expected);
        assert_eq!(SystemCounters::parse("", "Udp6RcvbufErrors x\n\n"), SystemCounters::default());
        assert_eq!(counters.since(expected), SystemCounters::default());
    }
}
