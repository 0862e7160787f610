//! Reads the UDP datagrams of a capture, whatever program made it, and accounts for all that is none.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use udpkit::{Delivery, setters};

use super::counts::{PacketCounts, Unusable};
use super::decode::{self, Content, Udp, tunnelled};
use super::error::ReadError;
use super::frame::{DEFAULT_HOP_LIMIT, is_made_up};
use super::link::Layer;
use super::network::Packet;
use super::reassembly::Reassembly;
use super::record::Record;
use super::records::Records;

/// A datagram of a capture, with all that the capture records about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Captured<'a> {
    /// The number of its packet in the capture, from 1; of one that came in fragments, that of the last.
    pub packet: u64,
    /// When it was captured, since 1970 in UTC; of one that came in fragments, the last of them. `None` where the capture
    /// does not tell (simple packet blocks of pcapng). Times can go backwards.
    pub time: Option<Duration>,
    /// Address and port of the sender, from the headers.
    pub source: SocketAddr,
    /// Address and port that it went to, from the headers.
    pub destination: SocketAddr,
    /// Name of the interface that it was captured on (pcapng only), cut after 64 bytes.
    pub interface: Option<&'a str>,
    /// How it was addressed, as the capture tells (pcapng only).
    pub delivery: Delivery,
    /// Time to live (IPv4) or hop limit (IPv6) when it was captured.
    pub hop_limit: u8,
    /// Type of service (IPv4) or traffic class (IPv6): DSCP in the upper six bits, ECN in the lower two.
    pub traffic_class: u8,
    /// Packets that were dropped since the datagram before it, as the capture tells (pcapng only).
    pub dropped_before: u64,
    /// Packets of the capture that it came in: one, or its fragments.
    pub packets: u64,
    /// Whether it came in one packet longer than 1500 bytes, the most that most links carry; false where the capture is of a
    /// loopback interface, of sockets ([`Writer`](crate::Writer)), or does not tell. Either the link takes longer ones (jumbo
    /// frames), or it was several datagrams: where the network card is to cut what a program sends (segmentation offload),
    /// captures at the sender have it before the cut.
    pub is_oversized: bool,
    /// The payload, always whole. May be empty: that is data, not an end.
    pub payload: &'a [u8],
}

setters! { Captured<'a> {
    packet: u64,
    into time: Option<Duration>,
    source: SocketAddr,
    destination: SocketAddr,
    into interface: Option<&'a str>,
    delivery: Delivery,
    hop_limit: u8,
    traffic_class: u8,
    dropped_before: u64,
    packets: u64,
    is_oversized: bool,
    payload: &'a [u8],
}}

impl<'a> Captured<'a> {
    /// What is known of a datagram when only this is: packet 0, no time, hop limit 64.
    #[must_use]
    pub fn new(source: SocketAddr, destination: SocketAddr, payload: &'a [u8]) -> Self {
        Self {
            packet: 0,
            time: None,
            source,
            destination,
            interface: None,
            delivery: Delivery::Unknown,
            hop_limit: DEFAULT_HOP_LIMIT,
            traffic_class: 0,
            dropped_before: 0,
            packets: 1,
            is_oversized: false,
            payload,
        }
    }
}

/// How a capture is read.
///
/// ```no_run
/// use udpkit_capture::{ReadOptions, Reader};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let file = std::fs::File::open("tunnel.pcap")?;
/// let reader = Reader::with(file, ReadOptions::default().decapsulate(true))?;
/// # let _ = reader;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Whether to read the datagrams in tunnels: GRE, IP in IP (IPIP, 6in4) and VXLAN, of any depth up to eight. Without it
    /// such packets are counted by the kind of tunnel; VXLAN, a datagram itself, is read as one.
    pub decapsulate: bool,
}

setters! { ReadOptions {
    decapsulate: bool,
}}

/// Tunnels in tunnels that are opened.
const MAX_TUNNELS: usize = 8;
/// The longest packet that most links carry, in bytes.
const USUAL_LIMIT: usize = 1500;

/// Reads the datagrams of a capture from its beginning to its end: pcap or pcapng, of either byte order.
///
/// Packets may be of Ethernet (with tags of virtual networks, MPLS, PPPoE, 802.2), Wi-Fi (with radiotap's header or without),
/// PPP, Cisco's HDLC, Linux cooked captures, Netfilter's log, raw IP and loopback interfaces; those that came in fragments
/// are put together. [`counts`](Self::counts) tells what became of all others.
///
/// What gzip or zstd compressed is unpacked as it is read (with the feature `compression`, a default one); errors count the
/// bytes that come out.
///
/// Memory is bounded to about 40 MiB, however long the input is and whatever is in it; a zstd frame may take twice its
/// window more, which is 8 MiB or less unless it was asked for, and 128 MiB at most. After an error, which is
/// returned once, it is at its end.
///
/// ```no_run
/// use udpkit_capture::{ReadError, Reader};
///
/// # fn main() -> Result<(), ReadError> {
/// let mut reader = Reader::open("game.pcapng")?;
/// while let Some(datagram) = reader.next()? {
///     println!("{} -> {}: {} B", datagram.source, datagram.destination, datagram.payload.len());
/// }
/// println!("{} packets, {} datagrams", reader.counts().packets, reader.counts().datagrams);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    records: Records<R>,
    options: ReadOptions,
    fragments: Reassembly,
    /// The body that was put together last.
    whole: Vec<u8>,
    counts: PacketCounts,
    /// Of the dropped packets, those that a datagram of the capture records as dropped before it.
    told_dropped: u64,
    is_over: bool,
}

/// A datagram, and where its payload stands.
struct Located {
    /// Of one that came in fragments, that of the last.
    record: Record,
    packet: Packet,
    udp: Udp,
    payload: Part,
    /// Packets of the capture that it came in.
    packets: u64,
    is_oversized: bool,
}

/// A part of a packet: of its frame, or of what was put together.
#[derive(Clone)]
struct Part {
    /// Whether it is of what was put together last.
    of_whole: bool,
    range: Range<usize>,
}

impl Part {
    /// Its bytes.
    fn of<'a>(&self, frame: &'a [u8], whole: &'a [u8]) -> &'a [u8] {
        let bytes = if self.of_whole { whole } else { frame };
        bytes.get(self.range.clone()).expect("it was found in these bytes")
    }

    /// A part of it; its position counts from the beginning.
    fn part(&self, range: Range<usize>) -> Self {
        let start = self.range.start;
        Self { of_whole: self.of_whole, range: start + range.start..start + range.end }
    }
}

/// What is yet to be looked into.
struct Unopened {
    layer: Layer,
    network: u64,
    part: Part,
    wire_len: usize,
    /// Packets of the capture that it came in.
    packets: u64,
}

impl Unopened {
    /// All of a frame.
    fn frame(record: &Record, frame: &[u8]) -> Self {
        let part = Part { of_whole: false, range: 0..frame.len() };
        Self { layer: Layer::Link(record.link), network: 0, part, wire_len: record.wire_len, packets: 1 }
    }

    /// What stands in a body from this place on.
    fn tunnel(layer: Layer, network: u64, body: &Part, at: usize, packets: u64) -> Self {
        let len = body.range.len();
        Self { layer, network, part: body.part(at.min(len)..len), wire_len: len.saturating_sub(at), packets }
    }
}

impl Reader<File> {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// The system's; that it is no capture.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::new(File::open(path).map_err(|error| ReadError::Input(0, error))?)
    }
}

impl<R: Read> Reader<R> {
    /// Reads the beginning, which says what it is. The input need not be buffered.
    ///
    /// # Errors
    ///
    /// The input's; that it is no capture, or one of an unknown version.
    pub fn new(input: R) -> Result<Self, ReadError> {
        Self::with(input, ReadOptions::default())
    }

    /// [`new`](Self::new) with options.
    ///
    /// # Errors
    ///
    /// Those of `new`.
    pub fn with(input: R, options: ReadOptions) -> Result<Self, ReadError> {
        Ok(Self {
            records: Records::new(input)?,
            options,
            fragments: Reassembly::default(),
            whole: Vec::new(),
            counts: PacketCounts::default(),
            told_dropped: 0,
            is_over: false,
        })
    }

    /// The next datagram; `None` at the end.
    ///
    /// # Errors
    ///
    /// Why what comes next cannot be read; all before it was.
    #[expect(clippy::should_implement_trait, reason = "what it gives is borrowed from it, as no iterator's items are")]
    pub fn next(&mut self) -> Result<Option<Captured<'_>>, ReadError> {
        let found = match self.find() {
            Ok(Some(found)) => found,
            end => {
                self.is_over = true;
                return end.map(|_| None);
            }
        };
        self.counts.datagrams += 1;
        self.counts.joined += found.packets - 1;
        self.counts.vxlan += u64::from(found.udp.is_vxlan);
        let dropped_before = self.counts.dropped - std::mem::replace(&mut self.told_dropped, self.counts.dropped);
        let Located { record, packet, udp, payload, packets, is_oversized } = found;
        let frame = self.records.frame(&record).unwrap_or_default();
        Ok(Some(Captured {
            packet: self.counts.packets,
            time: record.time,
            source: SocketAddr::new(packet.source, udp.source_port),
            destination: SocketAddr::new(packet.destination, udp.destination_port),
            interface: self.records.interface(&record),
            delivery: record.delivery,
            hop_limit: packet.hop_limit,
            traffic_class: packet.traffic_class,
            dropped_before,
            packets,
            is_oversized,
            payload: payload.part(udp.payload).of(frame, &self.whole),
        }))
    }

    /// What became of the packets so far; fragments that wait for others count as missing those.
    #[must_use]
    pub fn counts(&self) -> PacketCounts {
        let mut counts = self.counts.clone();
        counts.unusable[Unusable::MissingFragments as usize] += self.fragments.missing();
        counts.unusable[Unusable::OverlappingFragments as usize] += self.fragments.overlapping();
        counts
    }

    /// Reads packets up to the next that is a datagram, or completes one.
    fn find(&mut self) -> Result<Option<Located>, ReadError> {
        while !self.is_over
            && let Some(record) = self.records.next()?
        {
            self.counts.packets += 1;
            self.counts.dropped = self.counts.dropped.saturating_add(record.dropped_before);
            match self.datagram(record) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err((why, packets)) => self.counts.unusable[why as usize] += packets,
            }
        }
        Ok(None)
    }

    /// The datagram that a packet is or completes; or why there is none, and to how many packets that applies.
    fn datagram(&mut self, record: Record) -> Result<Option<Located>, (Unusable, u64)> {
        let Some(frame) = self.records.frame(&record) else { return Err((Unusable::TooLong, 1)) };
        let mut unopened = Unopened::frame(&record, frame);
        // Known from the outermost packet: what is in a tunnel was on no link by itself.
        let mut is_oversized = None;
        for _ in 0..=MAX_TUNNELS {
            let Unopened { layer, network, part, wire_len, mut packets } = unopened;
            let bytes = part.of(frame, &self.whole);
            let found = decode::packet(layer, network, bytes, wire_len, self.options.decapsulate);
            let mut packet = found.map_err(|why| (why, packets))?;
            let is_oversized = *is_oversized.get_or_insert_with(|| exceeds(&record, frame, &packet));
            let mut body = part.part(packet.body.clone());
            if let Some(fragment) = packet.fragment {
                let origin = (record.interface, packets);
                let bytes = body.of(frame, &self.whole);
                let whole = self.fragments.add(origin, record.time, &packet, fragment, bytes);
                let Some(whole) = whole else { return Ok(None) };
                self.whole = self.fragments.take_body();
                body = Part { of_whole: true, range: 0..self.whole.len() };
                packets = whole.packets;
                packet.become_whole(&whole);
            }
            let bytes = body.of(frame, &self.whole);
            let content = decode::content(packet.protocol, bytes, self.options.decapsulate);
            unopened = match content.map_err(|why| (why, packets))? {
                Content::Datagram(udp) => {
                    return Ok(Some(Located { record, packet, udp, payload: body, packets, is_oversized }));
                }
                Content::Tunnel { layer, at, number } => {
                    Unopened::tunnel(layer, tunnelled(&packet, number), &body, at, packets)
                }
            };
        }
        Err((Unusable::BadHeader, unopened.packets))
    }
}

/// Whether a whole packet is longer than links carry as a rule, where its link can be known to be one of them.
fn exceeds(record: &Record, frame: &[u8], packet: &Packet) -> bool {
    packet.fragment.is_none()
        && packet.len > USUAL_LIMIT
        && record.link.has_usual_limit(frame)
        && !is_made_up(frame, packet.source)
}

#[cfg(test)]
mod tests {
    use std::io::{self, BufRead, BufReader};
    use std::process::{Command, Stdio};

    use udpkit::{Datagram, Options, Socket, Train};

    use super::super::oracle::netns;
    use super::super::oracle::{Maker, ORDERS, START, Scratch, at, frame, meta, options, require, run};
    use super::super::order::Order;
    use super::super::write::Writer;
    use super::*;

    const V4: [&str; 2] = ["10.0.0.1:4000", "10.0.0.2"];
    const V6: [&str; 2] = ["[fd01::1]:4000", "fd01::2"];

    /// Times and payloads of datagrams.
    type Datagrams = Vec<(Option<Duration>, Vec<u8>)>;

    /// The datagrams of a capture, what became of its packets, and why it could not be read to its end.
    fn read(capture: &[u8]) -> (Datagrams, PacketCounts, Option<ReadError>) {
        let mut datagrams = Vec::new();
        let mut reader = match Reader::new(capture) {
            Ok(reader) => reader,
            Err(error) => return (datagrams, PacketCounts::default(), Some(error)),
        };
        let error = loop {
            match reader.next() {
                Ok(Some(datagram)) => datagrams.push((datagram.time, datagram.payload.to_vec())),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        assert!(matches!(reader.next(), Ok(None)), "an error is returned once");
        let counts = reader.counts();
        assert!(counts.is_balanced() && counts.datagrams == datagrams.len() as u64, "{counts:?}");
        (datagrams, counts, error)
    }

    /// The payloads of a capture that can be read whole.
    fn payloads(capture: &[u8]) -> Vec<Vec<u8>> {
        let (datagrams, _, error) = read(capture);
        assert!(error.is_none(), "{error:?}");
        datagrams.into_iter().map(|(_, payload)| payload).collect()
    }

    /// What `udp` writes of these datagrams, a microsecond and a nanosecond apart.
    fn written(datagrams: &[([&str; 2], &[u8])]) -> Vec<u8> {
        let mut writer = Writer::begin(Vec::new(), options(), at(START));
        for (number, ([source, destination], payload)) in (0..).zip(datagrams) {
            let mut meta = meta(source, destination, 0);
            (meta.hop_limit, meta.traffic_class) = (Some(7), Some(0xb9));
            let datagram = Datagram::new(payload, &meta);
            writer.write(&datagram, 5000, at(START + 1001 * number), 2).unwrap();
        }
        writer.finish(datagrams.len() as u64, 0).unwrap();
        writer.into_inner()
    }

    #[test]
    fn what_was_written_is_read_again() {
        let bytes: Vec<u8> = (0..65_527).map(|place| u8::try_from(place * 7 % 256).unwrap()).collect();
        let lengths = (0..70).chain([1471, 1472, 1473, 8999, 65_506, 65_507, 65_527]);
        let datagrams: Vec<_> =
            lengths.flat_map(|len| [(V4, &bytes[..len.min(65_507)]), (V6, &bytes[..len])]).collect();
        let capture = written(&datagrams);
        let mut reader = Reader::new(&capture[..]).unwrap();
        for (number, ([source, destination], payload)) in (0..).zip(&datagrams) {
            let expected = Captured {
                packet: number + 1,
                time: Some(Duration::from_nanos(START + 1001 * number)),
                source: source.parse().unwrap(),
                destination: SocketAddr::new(destination.parse().unwrap(), 5000),
                interface: Some("lan0"),
                delivery: Delivery::Unicast,
                hop_limit: 7,
                traffic_class: 0xb9,
                dropped_before: 2,
                packets: 1,
                is_oversized: false,
                payload,
            };
            assert_eq!(reader.next().unwrap(), Some(expected));
        }
        assert_eq!(reader.next().unwrap(), None);
        let counts = reader.counts();
        let count = datagrams.len() as u64;
        assert_eq!((counts.packets, counts.datagrams, counts.dropped), (count, count, 2 * count));
    }

    #[test]
    fn interfaces_deliveries_and_drops_are_read_again() {
        let mut writer = Writer::begin(Vec::new(), options(), at(START));
        let circumstances = [
            (V4, 0, Delivery::Unknown, 0),
            (V6, 1, Delivery::Multicast, 3),
            (V4, 0, Delivery::Broadcast, u32::MAX),
            (V4, 1, Delivery::Unicast, 1),
        ];
        for ([source, destination], interface, delivery, dropped) in circumstances {
            let mut meta = meta(source, destination, interface);
            meta.delivery = delivery;
            writer.train(Train::new(&meta, b"ab", 1), 5000, dropped).unwrap();
        }
        writer.finish(0, 0).unwrap();
        let capture = writer.into_inner();
        let mut reader = Reader::new(&capture[..]).unwrap();
        for (_, interface, delivery, dropped) in circumstances {
            for (payload, dropped) in [(b"a", dropped), (b"b", 0)] {
                let datagram = reader.next().unwrap().unwrap();
                assert_eq!((datagram.payload, datagram.delivery), (&payload[..], delivery));
                assert_eq!(datagram.interface, Some(["lan0", "lan1"][interface as usize]));
                assert_eq!(datagram.dropped_before, u64::from(dropped));
            }
        }
        assert_eq!(reader.next().unwrap(), None);
        assert_eq!(reader.counts().dropped, 4 + u64::from(u32::MAX));
    }

    #[test]
    fn drops_before_what_is_no_datagram_are_told_with_the_next() {
        let mut maker = Maker::pcapng(Order::Big);
        maker.interface(1, 0, 9, 0);
        let frame = frame(V4[0], V4[1], b"hello");
        for (dropped, len) in [(4_u16, 10), (2, frame.len()), (u16::MAX, frame.len())] {
            maker.block(super::super::blocks::OBSOLETE_PACKET, |maker| {
                maker.u16s(&[0, dropped]);
                maker.u32s(&[0, 9, u32::try_from(len).unwrap(), u32::try_from(len).unwrap()]);
                maker.bytes.extend(&frame[..len]);
            });
        }
        let mut reader = Reader::new(&maker.bytes[..]).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().dropped_before, 6);
        assert_eq!(reader.next().unwrap().unwrap().dropped_before, 0);
    }

    #[test]
    fn a_datagram_that_was_written_truncated_is_cut_short() {
        for [source, destination] in [V4, V6] {
            let mut writer = Writer::begin(Vec::new(), options(), at(START));
            let meta = meta(source, destination, 0);
            writer.datagram(&Datagram::new(b"head", &meta).wire_len(9), 5000, 0).unwrap();
            writer.finish(1, 0).unwrap();
            let (datagrams, counts, error) = read(&writer.into_inner());
            assert!(datagrams.is_empty() && error.is_none());
            assert_eq!(counts.unusable(Unusable::CutShort), 1);
        }
    }

    #[test]
    fn pcap_of_every_kind_is_read() {
        let frame = frame(V4[0], V4[1], b"hello");
        for order in ORDERS {
            for (magic, unit, more) in
                [(0xa1b2_c3d4, 1000, &[][..]), (0xa1b2_3c4d, 1, &[]), (0xa1b2_cd34, 1000, &[1, 2])]
            {
                // The upper bits of the link type say how long the checksum of each frame is.
                let mut maker = Maker::pcap(order, magic, 0x2400_0001);
                maker.packet(1_722_000_000, 999_999, &frame, frame.len(), more);
                maker.packet(1_721_000_000, 0, &frame, frame.len(), more);
                let (datagrams, _, error) = read(&maker.bytes);
                let times = [Duration::new(1_722_000_000, 999_999 * unit), Duration::from_secs(1_721_000_000)];
                assert_eq!(datagrams, times.map(|time| (Some(time), b"hello".to_vec())));
                assert!(error.is_none());
            }
        }
    }

    #[test]
    fn pcapng_of_every_kind_is_read() {
        let ethernet = frame(V4[0], V4[1], b"hello");
        for order in ORDERS {
            let mut maker = Maker::pcapng(order);
            maker.interface(1, 0, 6, 0);
            maker.interface(101, 0, 0x80 | 10, -5);
            maker.enhanced(0, 1_500_000, &ethernet);
            maker.enhanced(1, 10 << 10, &ethernet[14..]);
            maker.block(0xbad, |maker| maker.bytes.extend([0xff; 7]));
            // A second section begins with no interface, in the other order.
            maker.section(if order == Order::Big { Order::Little } else { Order::Big });
            maker.interface(1, 60, 9, 0);
            maker.enhanced(0, 7, &ethernet);
            maker.block(super::super::blocks::SIMPLE_PACKET, |maker| {
                maker.u32s(&[u32::try_from(ethernet.len()).unwrap()]);
                maker.bytes.extend(&ethernet);
            });
            maker.block(super::super::blocks::OBSOLETE_PACKET, |maker| {
                let len = u32::try_from(ethernet.len()).unwrap();
                maker.u16s(&[0, 3]);
                maker.u32s(&[0, 9, len, len]);
                maker.bytes.extend(&ethernet);
            });
            let (datagrams, counts, error) = read(&maker.bytes);
            assert!(error.is_none(), "{error:?}");
            let times: Vec<_> = datagrams.iter().map(|(time, _)| *time).collect();
            let nanos = |nanos| Some(Duration::from_nanos(nanos));
            assert_eq!(times, [nanos(1_500_000_000), nanos(5_000_000_000), nanos(7), None, nanos(9)]);
            assert!(datagrams.iter().all(|(_, payload)| payload == b"hello"));
            assert_eq!(counts.dropped, 3);
        }
    }

    #[test]
    fn a_simple_packet_is_as_long_as_the_interface_takes() {
        let ethernet = frame(V4[0], V4[1], &[1; 100]);
        let mut maker = Maker::pcapng(Order::Little);
        maker.interface(1, 60, 9, 0);
        maker.block(super::super::blocks::SIMPLE_PACKET, |maker| {
            maker.u32s(&[u32::try_from(ethernet.len()).unwrap()]);
            maker.bytes.extend(&ethernet[..60]);
        });
        let (datagrams, counts, error) = read(&maker.bytes);
        assert!(datagrams.is_empty() && error.is_none());
        assert_eq!(counts.unusable(Unusable::CutShort), 1);
    }

    /// A frame's IPv4 packet in fragments of this many bytes.
    fn fragments(frame: &[u8], len: usize) -> Vec<Vec<u8>> {
        let (head, body) = frame.split_at(34);
        let count = body.chunks(len).count();
        let fragment = |(number, part): (usize, &[u8])| {
            let mut fragment = [head, part].concat();
            let more = if number + 1 < count { 0x2000 } else { 0 };
            let place = u16::try_from(number * len / 8).unwrap() | more;
            fragment[16..18].copy_from_slice(&u16::try_from(20 + part.len()).unwrap().to_be_bytes());
            fragment[20..22].copy_from_slice(&place.to_be_bytes());
            fragment
        };
        body.chunks(len).enumerate().map(fragment).collect()
    }

    #[test]
    fn fragments_are_joined_and_lost_ones_counted() {
        let whole = frame(V4[0], V4[1], &[5; 4000]);
        let mut maker = Maker::pcap(Order::Little, 0xa1b2_c3d4, 1);
        let parts = fragments(&whole, 1480);
        assert_eq!(parts.len(), 3);
        for (number, part) in (0..).zip(parts.iter().rev()) {
            maker.packet(number, 0, part, part.len(), &[]);
        }
        maker.packet(9, 0, &parts[1], parts[1].len(), &[]);
        let (datagrams, counts, _) = read(&maker.bytes);
        assert_eq!(datagrams, [(Some(Duration::from_secs(2)), vec![5; 4000])]);
        assert_eq!((counts.packets, counts.joined), (4, 2));
        assert_eq!(counts.unusable(Unusable::MissingFragments), 1);
    }

    #[test]
    fn fragments_that_overlap_are_counted_while_others_may_come() {
        let parts = fragments(&frame(V4[0], V4[1], &[5; 4000]), 1480);
        let overlapping = fragments(&frame(V4[0], V4[1], &[5; 4000]), 800);
        let mut maker = Maker::pcap(Order::Little, 0xa1b2_c3d4, 1);
        for part in [&parts[0], &overlapping[1], &parts[1]] {
            maker.packet(0, 0, part, part.len(), &[]);
        }
        let (datagrams, counts, _) = read(&maker.bytes);
        assert_eq!((datagrams.len(), counts.unusable(Unusable::OverlappingFragments)), (0, 3));
    }

    #[test]
    fn fragments_that_make_no_datagram_are_all_counted() {
        let mut whole = frame(V4[0], V4[1], &[5; 4000]);
        // A UDP header that says more than there is.
        whole[38] = 0xff;
        let mut maker = Maker::pcap(Order::Little, 0xa1b2_c3d4, 1);
        for part in fragments(&whole, 1480) {
            maker.packet(0, 0, &part, part.len(), &[]);
        }
        let (datagrams, counts, _) = read(&maker.bytes);
        assert_eq!((datagrams.len(), counts.unusable(Unusable::BadHeader)), (0, 3));
    }

    #[test]
    fn a_packet_that_no_usual_link_takes_is_told_as_such() {
        let told = |link, header: &[u8], payload: &[u8]| {
            let packet = frame(V4[0], V4[1], payload).split_off(14);
            let mut maker = Maker::pcap(Order::Little, 0xa1b2_c3d4, link);
            let frame = [header, &packet].concat();
            maker.packet(0, 0, &frame, frame.len(), &[]);
            let mut reader = Reader::new(&maker.bytes[..]).unwrap();
            let datagram = reader.next().unwrap().unwrap();
            (datagram.is_oversized, datagram.packets)
        };
        let ethernet = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        let cooked = |hardware| [&[0, 0, hardware, 4, 0, 6][..], &[0; 8], &[8, 0]].concat();
        let cooked2 = |hardware| [&[8, 0, 0, 0, 0, 0, 0, 1, hardware, 4][..], &[0; 10]].concat();
        for (len, expected) in [(1472, false), (1473, true), (19_200, true), (65_507, true)] {
            let payload = vec![1; len];
            let links = [(1, ethernet.to_vec()), (113, cooked(0)), (276, cooked2(0)), (9, vec![0, 0x21])];
            for (link, header) in links {
                assert_eq!(told(link, &header, &payload), (expected, 1), "{link}: {len}");
            }
            // What loopback interfaces take, what a socket received, and what nothing is known of.
            let ours = frame(V4[0], V4[1], b"")[..14].to_vec();
            let lo = [&[0; 12][..], &[8, 0]].concat();
            let others =
                [(1, lo), (1, ours), (113, cooked(3)), (276, cooked2(3)), (0, vec![2, 0, 0, 0]), (101, vec![])];
            for (link, header) in others {
                assert_eq!(told(link, &header, &payload), (false, 1), "{link}: {len}");
            }
        }
        let mut whole = frame(V4[0], V4[1], &[5; 8000]);
        whole[..14].copy_from_slice(&ethernet);
        let mut maker = Maker::pcap(Order::Little, 0xa1b2_c3d4, 1);
        for part in fragments(&whole, 4000) {
            maker.packet(0, 0, &part, part.len(), &[]);
        }
        let mut reader = Reader::new(&maker.bytes[..]).unwrap();
        let datagram = reader.next().unwrap().unwrap();
        assert_eq!((datagram.is_oversized, datagram.packets), (false, 3), "fragments are no frames of a sender's card");
    }

    #[test]
    fn what_is_no_capture_is_told_as_such() {
        let message = |bytes: &[u8]| read(bytes).2.map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(message(b""), "it is empty");
        assert_eq!(message(b"\n"), "it is neither pcap nor pcapng");
        assert_eq!(message(b"Hello World, this is text"), "it is neither pcap nor pcapng");
        assert_eq!(message(b"\x04\x22\x4d\x18\0\0\0\0"), "it is compressed with lz4");
        assert_eq!(message(b"\xfd7zXZ\0\0"), "it is compressed with xz");
        assert_eq!(message(b"BZh91AY"), "it is compressed with bzip2");
        assert_eq!(
            message(b"\x0a\x0d\x0d\x0a\x0a\x0d\x0d\x0a\x0a\x0d\x0d\x0a"),
            "it is corrupt at byte 0: the section does not tell its byte order"
        );
    }

    #[test]
    fn other_versions_of_the_formats_are_refused() {
        let (mut pcapng, mut pcap) = (written(&[]), Maker::pcap(Order::Big, 0xa1b2_c3d4, 1).bytes);
        (pcapng[12], pcap[5]) = (2, 3);
        for (bytes, offset) in [(pcapng, 0), (pcap, 4)] {
            assert!(
                matches!(read(&bytes).2, Some(ReadError::Corrupt(at, words)) if at == offset && words.contains("version"))
            );
        }
    }

    #[test]
    fn a_directory_cannot_be_read() {
        let error = Reader::open(std::env::temp_dir()).map(|_| ()).unwrap_err();
        assert!(matches!(error, ReadError::Input(0, _)), "{error:#}");
    }

    /// Captures of both formats with a bit of everything, among it what is longer than the window.
    fn samples() -> Vec<Vec<u8>> {
        let (v4, v6) = (frame(V4[0], V4[1], b"hello"), frame(V6[0], V6[1], &[9; 100]));
        let mut samples = vec![written(&[(V4, b"one"), (V6, b"two"), (V4, b""), (V6, &[3; 300])])];
        for order in ORDERS {
            let mut pcap = Maker::pcap(order, 0xa1b2_3c4d, 1);
            for part in fragments(&frame(V4[0], V4[1], &[5; 200]), 64).iter().chain([&v4, &v6]) {
                pcap.packet(1, 2, part, part.len(), &[]);
            }
            let mut pcapng = Maker::pcapng(order);
            pcapng.interface(1, 0, 9, 0);
            pcapng.enhanced(0, START, &v4);
            pcapng.interface(101, 0, 6, 0);
            pcapng.enhanced(1, START, &v6[14..]);
            samples.extend([pcap.bytes, pcapng.bytes]);
        }
        samples
    }

    #[test]
    fn a_capture_that_is_cut_gives_all_before_the_cut() {
        for sample in samples() {
            let all = payloads(&sample);
            let mut most = 0;
            for len in 0..sample.len() {
                let (datagrams, _, error) = read(&sample[..len]);
                let found: Vec<_> = datagrams.into_iter().map(|(_, payload)| payload).collect();
                assert!(all.starts_with(&found) && found.len() >= most, "{len}");
                most = found.len();
                match error {
                    None | Some(ReadError::NotACapture(_)) => {}
                    Some(ReadError::Cut(offset)) => assert!(offset < len as u64 || len < 24, "{offset} of {len}"),
                    Some(error) => panic!("{len}: {error}"),
                }
            }
        }
    }

    #[test]
    fn a_capture_with_any_byte_changed_is_read_to_an_end() {
        for sample in samples() {
            for place in 0..sample.len() {
                for change in [0x01, 0x80, 0xff, 0x20] {
                    let mut bytes = sample.clone();
                    bytes[place] ^= change;
                    read(&bytes);
                }
            }
        }
    }

    #[test]
    fn noise_is_read_to_an_end() {
        let mut state = 1_u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        };
        for link in [0, 1, 12, 113, 276, 999] {
            let mut pcap = Maker::pcap(Order::Big, 0xa1b2_c3d4, link);
            for len in 0..2000 {
                let mut packet: Vec<u8> = (0..len % 200).map(|_| noise()).collect();
                // Near to what goes on being looked at.
                if let Some(byte) = packet.get_mut([0, 14, 16, 4][len % 4]) {
                    *byte = [0x45, 0x60][len % 2];
                }
                pcap.packet(0, 0, &packet, packet.len() + len % 3, &[]);
            }
            assert_eq!(read(&pcap.bytes).1.packets, 2000);
        }
    }

    #[test]
    fn blocks_that_are_longer_than_the_window_are_passed() {
        let v4 = frame(V4[0], V4[1], b"hello");
        let mut maker = Maker::pcapng(Order::Little);
        maker.interface(1, 0, 9, 0);
        maker.block(0xbad, |maker| maker.bytes.resize(maker.bytes.len() + (5 << 20), 0));
        maker.enhanced(0, 1, &v4);
        maker.enhanced(0, 2, &vec![0; 2 << 20]);
        maker.enhanced(0, 3, &v4);
        let (datagrams, counts, error) = read(&maker.bytes);
        assert!(error.is_none(), "{error:?}");
        assert_eq!((datagrams.len(), counts.unusable(Unusable::TooLong)), (2, 1));
        maker.bytes.truncate(3 << 20);
        assert!(matches!(read(&maker.bytes).2, Some(ReadError::Cut(_))));
    }

    #[test]
    fn input_in_small_pieces_is_read_like_any() {
        struct Drip<'a>(&'a [u8]);
        impl Read for Drip<'_> {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                let len = out.len().min(1);
                self.0.read(&mut out[..len])
            }
        }
        for sample in samples() {
            let mut reader = Reader::new(Drip(&sample)).unwrap();
            let mut found = Vec::new();
            while let Some(datagram) = reader.next().unwrap() {
                found.push(datagram.payload.to_vec());
            }
            assert_eq!(found, payloads(&sample));
        }
    }

    #[test]
    fn every_format_that_editcap_makes_is_read() {
        if !require("editcap") {
            return;
        }
        let scratch = Scratch::new("editcap");
        let original = written(&[(V4, b"one"), (V6, b"two"), (V4, b""), (V6, &[3; 300])]);
        let from = scratch.with("from.pcapng", &original);
        for format in ["pcapng", "pcap", "nsecpcap", "modpcap"] {
            let to = scratch.file("to");
            run("editcap", &["-F", format, from.to_str().unwrap(), to.to_str().unwrap()]);
            let (datagrams, _, error) = read(&std::fs::read(to).unwrap());
            assert!(error.is_none(), "{format}: {error:?}");
            let (mut expected, _, _) = read(&original);
            if matches!(format, "pcap" | "modpcap") {
                for (time, _) in &mut expected {
                    *time = time.map(|time| time - Duration::from_nanos(u64::from(time.subsec_nanos() % 1000)));
                }
            }
            assert_eq!(datagrams, expected, "{format}");
        }
    }

    #[test]
    fn what_tcpdump_and_dumpcap_capture_is_read_whole() {
        let name = "read::tests::what_tcpdump_and_dumpcap_capture_is_read_whole";
        if !require("tcpdump") || !require("dumpcap") || !netns::enter(name, netns::TWO_HOSTS) {
            return;
        }
        let mut programs = vec!["dumpcap -q -B 32 -s 2000 -w - -i eth0", "dumpcap -q -P -B 32 -s 2000 -w - -i any"];
        // Root of a namespace that an ordinary user made may not change its groups, on which tcpdump insists.
        if std::fs::read_to_string("/proc/self/setgroups").unwrap().trim() == "allow" {
            programs.extend([
                "tcpdump -n -U -Z root --immediate-mode -B 32768 -s 2000 -w - -i eth0 --time-stamp-precision micro",
                "tcpdump -n -U -Z root --immediate-mode -B 32768 -s 2000 -w - -i eth0 --time-stamp-precision nano",
                "tcpdump -n -U -Z root --immediate-mode -B 32768 -s 2000 -w - -i any",
                "tcpdump -n -U -Z root --immediate-mode -B 32768 -s 2000 -w - -i any -y LINUX_SLL",
            ]);
        }
        for program in programs {
            capture_with(program);
        }
    }

    /// Has a program capture what is sent meanwhile, and finds it all.
    fn capture_with(program: &str) {
        let mut command = Command::new("timeout");
        command.arg("30").args(program.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut says = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut begins = says.by_ref().map(Result::unwrap);
        assert!(begins.any(|line| line.contains("listening on ") || line.starts_with("File: ")), "{program}");
        let mut sent = Vec::new();
        for len in [0_usize, 1, 1472, 1473, 5000, 65_507] {
            for destination in ["10.1.0.2:5000", "[fd01::2]:5000"] {
                let payload = vec![u8::try_from(len % 251).unwrap(); len];
                send(&payload, destination);
                sent.push((payload, destination));
            }
        }
        send(b"the last", "10.1.0.2:9999");
        sent.push((b"the last".to_vec(), "10.1.0.2:9999"));
        let mut reader = Reader::new(process.stdout.take().unwrap()).unwrap();
        for (payload, destination) in &sent {
            let datagram = reader.next().unwrap().expect(program);
            assert!(datagram.payload == payload, "{program}: {} is not {}", datagram.payload.len(), payload.len());
            assert_eq!(datagram.destination.to_string(), *destination);
        }
        assert!(Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap().success());
        assert_eq!(reader.next().unwrap(), None, "{program}");
        let counts = reader.counts();
        assert!(counts.is_balanced() && counts.joined > 90, "{program}: {counts:?}");
        says.for_each(drop);
        assert!(process.wait().unwrap().success());
    }

    fn send(payload: &[u8], destination: &str) {
        let destination: SocketAddr = destination.parse().unwrap();
        let local = SocketAddr::new(udpkit::any_address(destination.ip()), 0);
        Socket::bind(local, &Options::default()).unwrap().send_to(payload, destination).unwrap();
    }
}
