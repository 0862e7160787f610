//! Writes datagrams as a pcapng file that any analyser reads (draft-ietf-opsawg-pcapng).

use std::io::{self, ErrorKind, Write};
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use udpkit::{Datagram, Delivery, Interface, InterfaceIndex, Interfaces, Meta, Train, setters};

use super::blocks::{self, append, append_option};
use super::frame::Frame;

/// Bytes of blocks at which they are written out.
const FULL: usize = 256 * 1024;
/// More than the longest block of a datagram, with the description of its interface.
const LONGEST: usize = 80 * 1024;
/// What every interface says of its link layer.
const LINK_ETHERNET: u16 = 1;
/// Longer than any frame of ours.
const SNAPLEN: u32 = 262_144;
/// Times are in units of 10 to the power of minus this, seconds.
const NANOSECONDS: u8 = 9;
/// Bytes of a packet's block besides the packet, with all its options.
const PACKET: usize = 56;
/// Bytes of the statistics of an interface, without the comment.
const STATISTICS: usize = 88;

/// What a capture says of itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WriteOptions {
    /// The program that writes it: a name, and a version where there is one. This crate's, unless it is set.
    pub application: String,
    /// Interfaces by which datagrams may come, for their names and addresses. What is not among them is looked up when a
    /// datagram comes by it, and by then may be gone. Empty, unless it is set.
    pub interfaces: Interfaces,
}

setters! { WriteOptions {
    into application: String,
    interfaces: Interfaces,
}}

impl Default for WriteOptions {
    fn default() -> Self {
        let application = concat!("udpkit-capture ", env!("CARGO_PKG_VERSION")).to_owned();
        Self { application, interfaces: Interfaces::default() }
    }
}

/// Writes datagrams as a pcapng capture, which Wireshark, tcpdump and [`Reader`](crate::Reader) read.
///
/// Each becomes an Ethernet frame whose headers are made up from what the kernel told: addresses, ports, hop limit and
/// traffic class are real, hardware addresses are not. With it stand its time in nanoseconds, its interface, how it was
/// addressed, its true length where it was truncated, and how many the kernel dropped before it.
///
/// The output need not be buffered. It has whole blocks only, so it is a valid capture whenever [`flush`](Self::flush) has
/// returned, however the program ends; what was not flushed is lost with the writer. The first error is returned, once:
/// what comes later is not written ([`written`](Self::written) tells), and the output may end with an unfinished block,
/// before which readers find all else. An interface is described when its first datagram comes; a datagram costs no
/// allocation after that.
///
/// ```
/// use udpkit::{Datagram, Meta};
/// use udpkit_capture::{Reader, WriteOptions, Writer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut writer = Writer::new(Vec::new(), WriteOptions::default().application("example 1.0"));
/// let meta = Meta::new("192.0.2.1:5000".parse()?);
/// // What came to port 7000, and nothing was dropped before it.
/// writer.datagram(&Datagram::new(b"hi", &meta), 7000, 0)?;
/// writer.finish(1, 0)?;
/// assert_eq!(Reader::new(&writer.into_inner()[..])?.next()?.unwrap().payload, b"hi");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    /// Bytes that `out` has: whole blocks.
    len: u64,
    /// Bytes of an unfinished block that `out` has behind them since it failed.
    unfinished: u64,
    /// Datagrams that `out` has.
    written: u64,
    /// Whole blocks that `out` does not have yet.
    pending: Vec<u8>,
    /// Datagrams among them.
    waiting: u64,
    /// Whether `out` has failed, or the capture is finished.
    is_over: bool,
    interfaces: Interfaces,
    /// Those that were described, by their number in the file.
    described: Vec<Described>,
    /// The one that was needed last.
    recent: usize,
    started: u64,
}

/// An interface that stands in the file.
#[derive(Debug)]
struct Described {
    /// `None`: where the system did not tell.
    index: Option<InterfaceIndex>,
    written: u64,
    dropped: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a capture.
    #[must_use]
    pub fn new(out: W, options: WriteOptions) -> Self {
        Self::begin(out, options, now())
    }

    /// A capture that began at this time.
    pub(crate) fn begin(out: W, options: WriteOptions, started: SystemTime) -> Self {
        let WriteOptions { application, interfaces } = options;
        let mut pending = Vec::with_capacity(FULL + LONGEST);
        append_section(&mut pending, &application);
        Self {
            out,
            len: 0,
            unfinished: 0,
            written: 0,
            pending,
            waiting: 0,
            is_over: false,
            interfaces,
            described: Vec::new(),
            recent: 0,
            started: nanoseconds(started),
        }
    }

    /// Writes the datagrams of a train that came to our port, before whose first the kernel dropped this many.
    ///
    /// # Errors
    ///
    /// As [`datagram`](Self::datagram).
    pub fn train(&mut self, train: Train<'_>, port: u16, dropped: u32) -> io::Result<()> {
        each_with_drops(train, dropped).try_for_each(|(datagram, dropped)| self.datagram(&datagram, port, dropped))
    }

    /// Writes a datagram that came to our port, before which the kernel dropped this many: [`Drops`](crate::Drops) tells.
    ///
    /// Its time is the kernel's, or now where the system told none. Times before 1970 and after 2554, which the format
    /// cannot hold, become the nearest that it can.
    ///
    /// # Errors
    ///
    /// The output's, when enough has come to be written out.
    pub fn datagram(&mut self, datagram: &Datagram<'_>, port: u16, dropped: u32) -> io::Result<()> {
        self.write(datagram, port, arrival(datagram.meta), dropped)
    }

    /// Writes a datagram that came at this time.
    pub(crate) fn write(
        &mut self,
        datagram: &Datagram<'_>,
        port: u16,
        received: SystemTime,
        dropped: u32,
    ) -> io::Result<()> {
        if self.is_over {
            return Ok(());
        }
        let id = self.describe(datagram.meta.interface);
        self.described[id].written += 1;
        self.described[id].dropped += u64::from(dropped);
        append_packet(&mut self.pending, id, nanoseconds(received), &Frame::new(datagram, port), dropped);
        self.waiting += 1;
        if self.pending.len() < FULL { Ok(()) } else { self.flush() }
    }

    /// Hands over all that is written so far.
    ///
    /// # Errors
    ///
    /// The output's.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.is_over {
            return Ok(());
        }
        let (count, result) = write_counted(&mut self.out, &self.pending);
        let (len, datagrams) =
            if result.is_ok() { (count, self.waiting) } else { blocks::whole(&self.pending[..count]) };
        self.len += len as u64;
        self.written += datagrams;
        self.waiting = 0;
        self.pending.clear();
        if result.is_err() {
            self.is_over = true;
            self.unfinished = (count - len) as u64;
        }
        result
    }

    /// Writes the statistics of the interfaces and flushes; nothing can be written after that.
    ///
    /// `received` are the datagrams that came, written or not, and `dropped` those that the kernel dropped
    /// ([`Socket::kernel_drops`](udpkit::Socket::kernel_drops)); 0 where no more is known than what was written. Each
    /// interface has those that were written of it and those that were dropped before them; the rest, of which nobody
    /// knows where it came in, is laid to the first.
    ///
    /// # Errors
    ///
    /// The output's.
    pub fn finish(&mut self, received: u64, dropped: u64) -> io::Result<()> {
        self.end(received, dropped, now())
    }

    /// Finishes a capture that ended at this time.
    pub(crate) fn end(&mut self, received: u64, dropped: u64, ended: SystemTime) -> io::Result<()> {
        if self.is_over {
            return Ok(());
        }
        let unplaced = [
            received.saturating_sub(self.described.iter().map(|interface| interface.written).sum()),
            dropped.saturating_sub(self.dropped()),
        ];
        if self.described.is_empty() && unplaced != [0, 0] {
            self.describe(None);
        }
        let several = self.described.len() > 1;
        for (id, interface) in self.described.iter().enumerate() {
            let [received, dropped] = if id == 0 { unplaced } else { [0, 0] };
            let counts = [interface.written + received, interface.dropped + dropped, interface.written];
            append_statistics(&mut self.pending, id, [self.started, nanoseconds(ended)], counts, several);
        }
        let result = self.flush();
        self.is_over = true;
        result
    }

    /// Datagrams that are in the capture, or will be when it is flushed.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written + self.waiting
    }

    /// Datagrams of which the capture says that the kernel dropped them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.described.iter().map(|interface| interface.dropped).sum()
    }

    /// The output, without what was not flushed.
    #[must_use]
    pub fn into_inner(self) -> W {
        self.out
    }

    /// The output that was handed in.
    pub(crate) fn output(&self) -> &W {
        &self.out
    }

    /// Datagrams that the output has.
    pub(crate) fn flushed(&self) -> u64 {
        self.written
    }

    /// Bytes of an unfinished block at the end of the output since it failed.
    pub(crate) fn unfinished(&self) -> u64 {
        self.unfinished
    }

    /// Bytes of the capture if it were finished after this datagram, with the description of a new interface on top.
    pub(crate) fn len_with(&self, datagram: &Datagram<'_>) -> u64 {
        let packet = PACKET + Frame::new(datagram, 0).captured_len().next_multiple_of(4);
        let statistics = self.described.len() * (STATISTICS + comment_len());
        self.len + (self.pending.len() + packet + statistics) as u64
    }

    /// Whether nothing can be written any more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The interface's number in the file; described there if it is new.
    fn describe(&mut self, index: Option<InterfaceIndex>) -> usize {
        let is_it = |interface: &Described| interface.index == index;
        if self.described.get(self.recent).is_some_and(is_it) {
            return self.recent;
        }
        self.recent = self.described.iter().position(is_it).unwrap_or_else(|| {
            if let Some(index) = index
                && self.interfaces.numbered(index).is_none()
                && let Ok(now) = Interfaces::list()
            {
                self.interfaces = now;
            }
            let interface = index.and_then(|index| self.interfaces.numbered(index));
            append_interface(&mut self.pending, index, interface);
            self.described.push(Described { index, written: 0, dropped: 0 });
            self.described.len() - 1
        });
        self.recent
    }
}

/// The datagrams of a train, each with how many were dropped before it: all of them before the first.
pub(crate) fn each_with_drops<'a>(train: Train<'a>, dropped: u32) -> impl Iterator<Item = (Datagram<'a>, u32)> {
    train.datagrams().zip(std::iter::once(dropped).chain(std::iter::repeat(0)))
}

/// When a datagram came: just now, where the system does not tell.
pub(crate) fn arrival(meta: &Meta) -> SystemTime {
    meta.received.unwrap_or_else(now)
}

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "a capture says when it was begun and ended, and when datagrams came")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// Writes as much as goes, and says how much went.
fn write_counted(out: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut count = 0;
    while count < bytes.len() {
        match out.write(&bytes[count..]) {
            Ok(0) => return (count, Err(ErrorKind::WriteZero.into())),
            Ok(more) => count += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (count, Err(error)),
        }
    }
    (count, out.flush())
}

fn append_section(out: &mut Vec<u8>, application: &str) {
    // The release of the kernel says more than its name; only Linux tells it in a file.
    let os = std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| std::env::consts::OS.to_owned(), |release| format!("Linux {}", release.trim_end()));
    append(out, blocks::SECTION_HEADER, |out| {
        out.extend_from_slice(&blocks::BYTE_ORDER.to_le_bytes());
        // Version 1.0, and a section whose length is not known yet.
        out.extend_from_slice(&[1, 0, 0, 0]);
        out.extend_from_slice(&[0xff; 8]);
        append_option(out, blocks::SECTION_OS, os.as_bytes());
        append_option(out, blocks::SECTION_APPLICATION, application.as_bytes());
        append_option(out, blocks::END_OF_OPTIONS, &[]);
    });
}

fn append_interface(out: &mut Vec<u8>, index: Option<InterfaceIndex>, interface: Option<&Interface>) {
    let name = match (interface, index) {
        (Some(interface), _) => interface.name.clone(),
        (None, Some(index)) => format!("interface {index}"),
        (None, None) => "unknown".to_owned(),
    };
    append(out, blocks::INTERFACE_DESCRIPTION, |out| {
        out.extend_from_slice(&LINK_ETHERNET.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&SNAPLEN.to_le_bytes());
        append_option(out, blocks::INTERFACE_NAME, name.as_bytes());
        append_option(out, blocks::INTERFACE_WORDS, b"datagrams of a socket; hardware addresses are made up");
        for address in interface.iter().flat_map(|interface| &interface.addresses) {
            match address.ip {
                IpAddr::V4(v4) => {
                    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(address.prefix_len.into())).unwrap_or(0);
                    let value = (u64::from(v4.to_bits()) << 32 | u64::from(mask)).to_be_bytes();
                    append_option(out, blocks::INTERFACE_IPV4, &value);
                }
                IpAddr::V6(v6) => {
                    let mut value = [address.prefix_len; 17];
                    value[..16].copy_from_slice(&v6.octets());
                    append_option(out, blocks::INTERFACE_IPV6, &value);
                }
            }
        }
        if let Some(hardware) = interface.and_then(|interface| interface.hardware) {
            append_option(out, blocks::INTERFACE_HARDWARE, &hardware);
        }
        append_option(out, blocks::TIME_RESOLUTION, &[NANOSECONDS]);
        append_option(out, blocks::END_OF_OPTIONS, &[]);
    });
}

fn append_packet(out: &mut Vec<u8>, interface: usize, time: u64, frame: &Frame<'_>, dropped: u32) {
    append(out, blocks::ENHANCED_PACKET, |out| {
        out.extend_from_slice(&number(interface));
        append_time(out, time);
        out.extend_from_slice(&number(frame.captured_len()));
        out.extend_from_slice(&number(frame.wire_len()));
        let start = out.len();
        frame.append(out);
        blocks::pad(out, start);
        append_option(out, blocks::PACKET_FLAGS, &flags(frame.delivery()).to_le_bytes());
        if dropped > 0 {
            append_option(out, blocks::PACKET_DROPS, &u64::from(dropped).to_le_bytes());
        }
        append_option(out, blocks::END_OF_OPTIONS, &[]);
    });
}

/// Inbound, and how it was addressed.
fn flags(delivery: Delivery) -> u32 {
    0b01 | match delivery {
        Delivery::Unknown => 0,
        Delivery::Unicast => blocks::RECEPTION_UNICAST,
        Delivery::Multicast => blocks::RECEPTION_MULTICAST,
        Delivery::Broadcast => blocks::RECEPTION_BROADCAST,
    }
}

/// What the statistics say where sockets received on several interfaces.
const COMMENT: &str = "a socket drops for all interfaces together; what cannot be placed is counted at the first";

/// Bytes of [`COMMENT`] as an option.
fn comment_len() -> usize {
    4 + COMMENT.len().next_multiple_of(4)
}

/// `times` are start and end; `counts` those received, dropped, and written.
fn append_statistics(out: &mut Vec<u8>, interface: usize, times: [u64; 2], counts: [u64; 3], several: bool) {
    append(out, blocks::INTERFACE_STATISTICS, |out| {
        out.extend_from_slice(&number(interface));
        append_time(out, times[1]);
        if several {
            append_option(out, blocks::COMMENT, COMMENT.as_bytes());
        }
        for (code, time) in [blocks::STATISTICS_START, blocks::STATISTICS_END].into_iter().zip(times) {
            // A time is two numbers of 32 bits, the upper half first.
            append_option(out, code, &time.rotate_left(32).to_le_bytes());
        }
        let codes = [blocks::STATISTICS_RECEIVED, blocks::STATISTICS_DROPPED, blocks::STATISTICS_DELIVERED];
        for (code, count) in codes.into_iter().zip(counts) {
            append_option(out, code, &count.to_le_bytes());
        }
        append_option(out, blocks::END_OF_OPTIONS, &[]);
    });
}

fn append_time(out: &mut Vec<u8>, time: u64) {
    out.extend_from_slice(&time.rotate_left(32).to_le_bytes());
}

fn number(value: usize) -> [u8; 4] {
    u32::try_from(value).expect("interfaces and lengths are few and short").to_le_bytes()
}

/// Nanoseconds since 1970, as near as 64 bits can tell.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use udpkit::Meta;
    use udpkit::stamp::{ErrorEstimate, Facts, Request, Timestamp, TlvWriter, answer};

    use super::super::oracle::{START, Scratch, at, meta, options, require, run, statistics, tshark};
    use super::*;

    /// A disk that takes this many bytes.
    struct Disk {
        bytes: Vec<u8>,
        space: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let len = bytes.len().min(self.space - self.bytes.len()).min(1000);
            if len == 0 && !bytes.is_empty() {
                return Err(ErrorKind::StorageFull.into());
            }
            self.bytes.extend_from_slice(&bytes[..len]);
            Ok(len)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn writer() -> Writer<Vec<u8>> {
        Writer::begin(Vec::new(), options(), at(START))
    }

    fn whole(payload: &[u8], meta: &Meta) -> Datagram<'static> {
        let (payload, meta) = (payload.to_vec().leak(), Box::leak(Box::new(*meta)));
        Datagram::new(payload, meta)
    }

    fn finished(mut writer: Writer<Vec<u8>>, received: u64, dropped: u64) -> Vec<u8> {
        writer.end(received, dropped, at(START + 1_000_000_000)).unwrap();
        writer.out
    }

    /// A capture with one datagram from each of these sources, to this address, 1,000,000,001 ns apart.
    fn capture_of(payloads: &[&[u8]], source: &str, destination: &str) -> Vec<u8> {
        let mut writer = writer();
        for (number, payload) in (0..).zip(payloads) {
            let received = at(START + number * 1_000_000_001);
            writer.write(&whole(payload, &meta(source, destination, 0)), 5000, received, 0).unwrap();
        }
        finished(writer, payloads.len() as u64, 0)
    }

    #[test]
    fn tshark_finds_every_checksum_good_and_every_time_exact() {
        if !require("tshark") {
            return;
        }
        let scratch = Scratch::new("checksums");
        let longest = vec![0xa5; 65_507];
        let payloads: [&[u8]; 6] = [b"", b"x", b"Hello World", &[0; 1472], &[0xff; 1473], &longest];
        for (source, destination) in [("10.0.0.1:40000", "10.0.0.2"), ("[fd01::1]:40000", "fd01::2")] {
            let file = scratch.with("capture.pcapng", &capture_of(&payloads, source, destination));
            let fields = ["frame.time_epoch", "udp.checksum.status", "ip.checksum.status", "udp.length", "udp.srcport"];
            let expected: Vec<Vec<String>> = (0..)
                .zip(payloads)
                .map(|(number, payload)| {
                    let time = START + number * 1_000_000_001;
                    let ip_checksum = if source.starts_with('[') { "" } else { "1" };
                    let time = format!("{}.{:09}", time / 1_000_000_000, time % 1_000_000_000);
                    let len = (payload.len() + 8).to_string();
                    [&time, "1", ip_checksum, &len, "40000"].map(str::to_owned).to_vec()
                })
                .collect();
            assert_eq!(tshark(&file, &[], &fields), expected);
            assert_eq!(
                tshark(&file, &["-Y", "_ws.malformed || _ws.expert.severity >= 6291456"], &fields),
                [[""; 0]; 0]
            );
        }
    }

    #[test]
    fn tshark_reads_what_the_kernel_told() {
        if !require("tshark") {
            return;
        }
        let mut writer = writer();
        let mut first = meta("10.0.0.1:4000", "10.0.0.255", 0);
        (first.delivery, first.hop_limit, first.traffic_class) = (Delivery::Broadcast, Some(1), Some(0xb9));
        let mut second = meta("[fe80::1]:4001", "ff02::fb", 1);
        (second.hop_limit, second.traffic_class) = (Some(255), Some(0x03));
        writer.write(&whole(b"one", &first), 5000, at(START), 0).unwrap();
        writer.write(&whole(b"two", &second), 5001, at(START), 7).unwrap();
        writer.write(&whole(b"three", &Meta::new("10.0.0.1:1".parse().unwrap())), 5002, at(START), 0).unwrap();
        let mut unknown = meta("10.0.0.1:1", "10.0.0.2", 99);
        unknown.delivery = Delivery::Unknown;
        writer.write(&whole(b"four", &unknown), 5003, at(START), u32::MAX).unwrap();
        let scratch = Scratch::new("told");
        let file = scratch.with("capture.pcapng", &finished(writer, 9, u64::MAX));
        let fields = [
            "frame.interface_name",
            "frame.drop_count",
            "frame.packet_flags_direction",
            "frame.packet_flags_reception_type",
            "eth.dst",
            "ip.ttl",
            "ip.dsfield",
            "ipv6.hlim",
            "ipv6.tclass",
            "udp.dstport",
        ];
        assert_eq!(
            tshark(&file, &[], &fields),
            [
                ["lan0", "", "0x00000001", "3", "ff:ff:ff:ff:ff:ff", "1", "0xb9", "", "", "5000"],
                ["lan1", "7", "0x00000001", "2", "33:33:00:00:00:fb", "", "", "255", "0x00000003", "5001"],
                ["unknown", "", "0x00000001", "0", "02:00:00:00:00:00", "64", "0x00", "", "", "5002"],
                [
                    "interface 1000000099",
                    "4294967295",
                    "0x00000001",
                    "0",
                    "02:00:0a:00:00:02",
                    "64",
                    "0x00",
                    "",
                    "",
                    "5003"
                ],
            ]
        );
    }

    #[test]
    fn capinfos_reads_interfaces_program_and_statistics() {
        if !require("capinfos") {
            return;
        }
        let scratch = Scratch::new("capinfos");
        let file = scratch.with("capture.pcapng", &capture_of(&[b"x"], "10.0.0.1:1", "10.0.0.2"));
        let said = run("capinfos", &[file.to_str().unwrap()]);
        for words in ["pcapng", "Ethernet", "nanoseconds (9)", "Name = lan0", "udp 1.2.3"] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(said.contains("Number of stat entries = 1") && said.contains("Number of packets = 1"), "{said}");
    }

    #[test]
    fn tshark_decodes_protocols_as_such() {
        if !require("tshark") {
            return;
        }
        let dns = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01";
        let ntp = [&[0x23, 0, 6, 0xec][..], &[0; 44]].concat();
        let sip = b"OPTIONS sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n";
        let mut writer = writer();
        let meta = meta("10.0.0.1:40000", "10.0.0.2", 0);
        for (payload, port) in [(&dns[..], 53), (&ntp, 123), (sip, 5060)] {
            writer.write(&whole(payload, &meta), port, at(START), 0).unwrap();
        }
        let scratch = Scratch::new("protocols");
        let file = scratch.with("capture.pcapng", &finished(writer, 3, 0));
        let read = tshark(&file, &[], &["_ws.col.Protocol", "dns.qry.name", "ntp.flags.mode", "sip.Method"]);
        assert_eq!(read, [["DNS", "example.com", "", ""], ["NTP", "", "3", ""], ["SIP", "", "", "OPTIONS"]]);
    }

    #[test]
    fn tshark_dissects_stamp_as_we_write_it() {
        if !require("tshark") {
            return;
        }
        let error = ErrorEstimate { scale: 3, multiplier: 5, ..ErrorEstimate::from_bits(0x8000) };
        // Parts of a second that NTP can write: tshark rounds the others down.
        let [sent, received, replied] = [500, 750, 875].map(|part| at(1_722_000_000_000_000_000 + part * 1_000_000));
        let sent = Timestamp::from_utc(sent, error.format);
        let (mut request, mut reply) = (Vec::new(), Vec::new());
        Request { sequence: 7, sent, error, ssid: 0xbeef }.write(None, &mut request);
        TlvWriter::after(&mut request).pad_to(60);
        let addresses = ["10.0.0.1:40000", "10.0.0.2:862"].map(|text| text.parse().unwrap());
        let facts = Facts::new(received, replied, addresses[0], addresses[1]).hop_limit(77);
        let (read, tlvs) = Request::read(&request, None).unwrap();
        assert_eq!(answer(&read, &tlvs, &facts.sequence(3).error(ErrorEstimate::from_bits(1)), &mut reply), None);

        let mut writer = writer();
        for payload in [&request, &reply] {
            writer.write(&whole(payload, &meta("10.0.0.1:40000", "10.0.0.2", 0)), 862, at(START), 0).unwrap();
        }
        let scratch = Scratch::new("stamp");
        let file = scratch.with("capture.pcapng", &finished(writer, 2, 0));
        let fields = [
            "seq_number",
            "sender_seq_number",
            "sender_ttl",
            "timestamp",
            "receive_timestamp",
            "sender_timestamp",
            "error_estimate.s",
            "error_estimate.scale",
            "error_estimate.multiplier",
            "sender_error_estimate",
            "mbz1",
        ]
        .map(|field| format!("twamp.test.{field}"));
        let dissected = tshark(&file, &["-d", "udp.port==862,twamp.test"], &fields.each_ref().map(String::as_str));
        let never = "Jan  1, 1970 00:00:00.000000000 UTC";
        let [sent, received, replied] = [500, 750, 875].map(|part| format!("Jul 26, 2024 13:20:00.{part}000000 UTC"));
        // The error estimates of both sides, in each field; the SSID in the octets that TWAMP leaves zero.
        let asked = ["7", "0", "0", &sent, never, never, "1,0", "3,0", "5,0", "0", "48879"];
        let answered = ["3", "7", "77", &replied, &received, &sent, "0,1", "0,3", "1,5", "33541", "48879"];
        assert_eq!(dissected, [asked, answered]);
    }

    #[test]
    fn tcpdump_reads_it() {
        if !require("tcpdump") {
            return;
        }
        let scratch = Scratch::new("tcpdump");
        let file = scratch.with("capture.pcapng", &capture_of(&[b"abc", b""], "10.0.0.1:1", "10.0.0.2"));
        let said = run("tcpdump", &["-n", "-tt", "--nano", "-vv", "-r", file.to_str().unwrap()]);
        assert!(said.contains("1722000000.123456789 IP (tos 0x0, ttl 64, id 0, offset 0, flags [DF]"), "{said}");
        assert!(said.contains("10.0.0.1.1 > 10.0.0.2.5000: [udp sum ok] UDP, length 3"), "{said}");
        assert!(said.contains("10.0.0.1.1 > 10.0.0.2.5000: [udp sum ok] UDP, length 0"), "{said}");
    }

    #[test]
    fn a_truncated_datagram_is_shorter_in_the_file_than_on_the_wire() {
        if !require("tshark") {
            return;
        }
        for (source, destination, header) in [("10.0.0.1:1", "10.0.0.2", 42), ("[fd01::1]:1", "fd01::2", 62)] {
            let meta = meta(source, destination, 0);
            let mut writer = writer();
            let datagram = Datagram::new(&[7; 100], &meta).wire_len(9000);
            writer.write(&datagram, 5000, at(START), 0).unwrap();
            let scratch = Scratch::new("truncated");
            let file = scratch.with("capture.pcapng", &finished(writer, 1, 0));
            let read = tshark(&file, &[], &["frame.cap_len", "frame.len", "udp.length", "udp.dstport"]);
            assert_eq!(read, [[(header + 100).to_string(), (header + 9000).to_string(), "9008".into(), "5000".into()]]);
            assert_eq!(tshark(&file, &["-Y", "_ws.malformed"], &["frame.len"]), [[""; 0]; 0]);
        }
    }

    #[test]
    fn times_that_the_format_cannot_hold_become_the_nearest() {
        assert_eq!(nanoseconds(UNIX_EPOCH - std::time::Duration::from_secs(1)), 0);
        assert_eq!(nanoseconds(at(START)), START);
        assert_eq!(nanoseconds(at(u64::MAX)), u64::MAX);
        assert_eq!(nanoseconds(at(u64::MAX) + std::time::Duration::from_secs(1)), u64::MAX);
    }

    #[test]
    fn whatever_was_flushed_is_whole() {
        let mut writer = writer();
        let datagram = whole(&[0; 1000], &meta("10.0.0.1:1", "10.0.0.2", 0));
        for written in 1..=1000 {
            writer.write(&datagram, 5000, at(START), 0).unwrap();
            assert_eq!(blocks::whole(&writer.out), (writer.out.len(), writer.written));
            assert!(writer.out.is_empty() || writer.out.len() >= FULL, "each write costs a system call");
            assert_eq!(writer.written(), written);
        }
        assert!(writer.written > 0, "much is written without being told");
        writer.flush().unwrap();
        assert_eq!(blocks::whole(&writer.out), (writer.out.len(), 1000));
    }

    #[test]
    fn an_interface_stands_there_with_its_addresses_and_their_networks() {
        let capture = capture_of(&[b""], "10.0.0.1:1", "10.0.0.2");
        let v6 = [0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64];
        for (code, value) in [
            (blocks::INTERFACE_NAME, &b"lan0"[..]),
            (blocks::INTERFACE_IPV4, &[10, 0, 0, 2, 255, 255, 255, 0]),
            (blocks::INTERFACE_IPV6, &v6),
            (blocks::INTERFACE_HARDWARE, &[2, 0, 0, 0, 0, 0]),
        ] {
            let mut option = Vec::new();
            append_option(&mut option, code, value);
            assert!(capture.windows(option.len()).any(|bytes| *bytes == option), "{code}");
        }
    }

    #[test]
    fn an_output_that_a_signal_interrupts_is_written_to_again() {
        struct Interrupted(Vec<u8>, bool);
        impl Write for Interrupted {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 { Err(ErrorKind::Interrupted.into()) } else { self.0.write(&bytes[..bytes.len().min(9)]) }
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = Writer::begin(Interrupted(Vec::new(), false), options(), at(START));
        writer.datagram(&whole(b"hello", &meta("10.0.0.1:1", "10.0.0.2", 0)), 5000, 0).unwrap();
        writer.finish(1, 0).unwrap();
        let bytes = writer.into_inner().0;
        assert_eq!(blocks::whole(&bytes), (bytes.len(), 1));
    }

    #[test]
    fn a_full_disk_is_told_once_and_leaves_whole_blocks() {
        let datagram = whole(b"payload", &meta("10.0.0.1:1", "10.0.0.2", 0));
        for space in 0..2000 {
            let mut writer = Writer::begin(Disk { bytes: Vec::new(), space }, options(), at(START));
            let mut errors = 0;
            for _ in 0..30 {
                errors += u32::from(writer.write(&datagram, 5000, at(START), 0).is_err());
                errors += u32::from(writer.flush().is_err());
            }
            errors += u32::from(writer.finish(30, 0).is_err());
            assert_eq!(errors, 1, "{space}");
            let whole = writer.out.bytes.len() - usize::try_from(writer.unfinished()).unwrap();
            assert_eq!(blocks::whole(&writer.out.bytes), (whole, writer.written()), "{space}");
            assert_eq!(writer.len, whole as u64);
        }
    }

    #[test]
    fn a_full_disk_in_the_middle_of_many_blocks_keeps_all_that_fit() {
        let mut writer = Writer::begin(Disk { bytes: Vec::new(), space: 100_000 }, options(), at(START));
        let datagram = whole(&[1; 100], &meta("10.0.0.1:1", "10.0.0.2", 0));
        let mut result = Ok(());
        while result.is_ok() {
            result = writer.write(&datagram, 5000, at(START), 0);
        }
        assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
        let (len, written) = blocks::whole(&writer.out.bytes);
        assert!(len > 99_000 && written == writer.written(), "{len} bytes are whole");
        assert_eq!(writer.unfinished(), 100_000 - len as u64);
    }

    #[test]
    fn the_end_tells_what_was_received_dropped_and_written() {
        let mut writer = writer();
        let datagram = whole(b"", &meta("10.0.0.1:1", "10.0.0.2", 0));
        writer.write(&datagram, 1, at(START), 2).unwrap();
        writer.write(&datagram, 1, at(START), 0).unwrap();
        let end = START + 1_000_000_000;
        let capture = finished(writer, 5, 3);
        assert_eq!(statistics(&capture), [[5, 3, 2]]);
        let block = &capture[capture.len() - STATISTICS..];
        assert_eq!((&block[20..24], &block[32..36]), (&[2, 0, 8, 0][..], &[3, 0, 8, 0][..]));
        let times = [12, 24, 36].map(|at| u64::from_le_bytes(*block[at..].first_chunk().unwrap()).rotate_right(32));
        assert_eq!(times, [end, START, end]);
    }

    #[test]
    fn drops_before_a_train_stand_before_its_first_datagram_alone() {
        let mut writer = writer();
        let meta = meta("10.0.0.1:1", "10.0.0.2", 0);
        let train = Train::new(&meta, b"onetwothree", 3);
        writer.train(train, 5000, 7).unwrap();
        assert_eq!((writer.written(), writer.dropped()), (4, 7));
        let drops: Vec<_> = each_with_drops(train, 7).map(|(datagram, dropped)| (datagram.payload, dropped)).collect();
        assert_eq!(drops, [(&b"one"[..], 7), (b"two", 0), (b"thr", 0), (b"ee", 0)]);
        assert_eq!(statistics(&finished(writer, 4, 7)), [[4, 7, 4]]);
    }

    #[test]
    fn what_cannot_be_placed_is_counted_at_the_first_interface() {
        let mut writer = writer();
        writer.write(&whole(b"", &meta("10.0.0.1:1", "10.0.0.2", 0)), 1, at(START), 2).unwrap();
        writer.write(&whole(b"", &meta("10.0.0.1:1", "10.0.0.2", 1)), 1, at(START), 4).unwrap();
        let capture = finished(writer, 10, 7);
        assert_eq!(statistics(&capture), [[9, 3, 1], [1, 4, 1]]);
        let comments = capture.windows(COMMENT.len()).filter(|bytes| *bytes == COMMENT.as_bytes());
        assert_eq!(comments.count(), 2);
    }

    #[test]
    fn a_capture_without_datagrams_tells_what_was_dropped() {
        let nothing = finished(writer(), 0, 0);
        assert_eq!(blocks::whole(&nothing).0, nothing.len());
        assert_eq!(statistics(&finished(writer(), 0, 5)), [[0, 5, 0]]);
    }

    #[test]
    fn a_datagram_costs_no_allocation() {
        let mut writer = Writer::begin(Disk { bytes: Vec::with_capacity(0), space: usize::MAX }, options(), at(START));
        let datagram = whole(&[1; 65_507], &meta("10.0.0.1:1", "10.0.0.2", 0));
        let (capacity, place) = (writer.pending.capacity(), writer.pending.as_ptr());
        for _ in 0..20 {
            writer.write(&datagram, 5000, at(START), 1).unwrap();
        }
        assert_eq!((writer.pending.capacity(), writer.pending.as_ptr()), (capacity, place));
    }
}
