//! Linux: `recvmmsg(2)`, `sendmmsg(2)` and trains (GSO, GRO) (`udp(7)`, `ip(7)`, `ipv6(7)`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::Socket;

use super::address::RawAddress;
use super::contract::{Limits, Outgoing, SEND_SLOTS, Slots, address_at};
use super::message::{Control, RECEIVE_CONTROL, control_len, header, int, timestamp};
use super::patience::{Patience, QUEUE_PAUSE};
use super::{calls, cmsg, poll, send_stamps};
use crate::datagram::{Delivery, Entry, InterfaceIndex, Message, Meta, SendFailure, Transmit};
use crate::send_times::{Ask, Sending};

pub(crate) use super::error_queue::feedback;
pub(crate) use super::linux_option::{bind_device, configure, join, kernel_drops, leave, path_mtu, unsent};
pub(crate) use super::send_stamps::counts_send_times;

/// Room for source and interface, segment size, hop limit, traffic class, and what is asked about its sending.
const SEND_CONTROL: usize = cmsg::space(20) + cmsg::space(2) + cmsg::space(4) * 2 + send_stamps::ASK_CONTROL;

/// The headers of a `recvmmsg`, kept from call to call to save allocating them.
pub(crate) struct ReceiveScratch {
    headers: Vec<libc::mmsghdr>,
    buffers: Vec<libc::iovec>,
    names: Vec<RawAddress>,
    controls: Vec<Control<RECEIVE_CONTROL>>,
}

/// The headers of a `sendmmsg`, kept from call to call.
pub(crate) struct SendScratch {
    headers: Vec<libc::mmsghdr>,
    buffers: Vec<libc::iovec>,
    names: Vec<RawAddress>,
    controls: Vec<Control<SEND_CONTROL>>,
    pieces: Vec<Entry>,
}

// SAFETY: the pointers in the headers are rewritten before every system call and never followed otherwise.
unsafe impl Send for ReceiveScratch {}
// SAFETY: as above.
unsafe impl Sync for ReceiveScratch {}
// SAFETY: as above.
unsafe impl Send for SendScratch {}
// SAFETY: as above.
unsafe impl Sync for SendScratch {}

impl std::fmt::Debug for ReceiveScratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiveScratch").field("slots", &self.headers.len()).finish()
    }
}

impl std::fmt::Debug for SendScratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendScratch").field("pieces", &self.pieces.len()).finish()
    }
}

/// An empty buffer.
const NO_BUFFER: libc::iovec = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };

impl ReceiveScratch {
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            headers: (0..slots).map(|_| header()).collect(),
            buffers: vec![NO_BUFFER; slots],
            names: vec![RawAddress::EMPTY; slots],
            controls: vec![Control([0; RECEIVE_CONTROL]); slots],
        }
    }
}

impl Default for SendScratch {
    fn default() -> Self {
        let slots = SEND_SLOTS;
        Self {
            headers: (0..slots).map(|_| header()).collect(),
            buffers: vec![NO_BUFFER; slots],
            names: vec![RawAddress::EMPTY; slots],
            controls: vec![Control([0; SEND_CONTROL]); slots],
            pieces: Vec::with_capacity(slots),
        }
    }
}

/// Receives into the batch without waiting.
pub(crate) fn receive(
    socket: &Socket,
    slots: Slots<'_>,
    scratch: &mut ReceiveScratch,
    limits: &Limits,
) -> io::Result<()> {
    let Slots { payloads, slot_len, messages } = slots;
    for (buffer, slot) in scratch.buffers.iter_mut().zip(payloads.chunks_exact_mut(slot_len)) {
        *buffer = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() };
    }
    let (buffers, names) = (scratch.buffers.as_mut_ptr(), scratch.names.as_mut_ptr());
    let controls = scratch.controls.as_mut_ptr();
    // Lengths and flags are in and out: each must be set again before every call.
    for (index, header) in scratch.headers.iter_mut().enumerate() {
        let header = &mut header.msg_hdr;
        header.msg_name = names.wrapping_add(index).cast();
        header.msg_namelen = RawAddress::SOCKLEN;
        header.msg_iov = buffers.wrapping_add(index);
        header.msg_iovlen = 1;
        header.msg_control = controls.wrapping_add(index).cast();
        header.msg_controllen = RECEIVE_CONTROL as _;
        header.msg_flags = 0;
    }
    // MSG_TRUNC makes the call return true lengths.
    // SAFETY: each header points to a live name, buffer and control buffer with their lengths, written just above; they
    // are borrowed mutably for the length of the call and not touched by anyone else.
    let count = unsafe { calls::receive(socket, &mut scratch.headers, libc::MSG_TRUNC, &limits.batches)? };
    for index in 0..count {
        let header = &scratch.headers[index];
        let control = &scratch.controls[index].0[..control_len(&header.msg_hdr).min(RECEIVE_CONTROL)];
        let name = &scratch.names[index];
        let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let source = name.read(header.msg_hdr.msg_namelen as usize).unwrap_or(unknown);
        let (mut meta, segment) = decode(source, control);
        meta.meta_truncated = header.msg_hdr.msg_flags & libc::MSG_CTRUNC != 0;
        let mut wire_len = header.msg_len as usize;
        if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
            // An emulator may not return the true length.
            wire_len = wire_len.max(slot_len + 1);
        }
        messages.push(Message { meta, wire_len, segment });
    }
    Ok(())
}

/// What the control messages of a datagram say, and the segment size of a train.
pub(crate) fn decode(source: SocketAddr, control: &[u8]) -> (Meta, Option<usize>) {
    let mut meta = Meta::new(source);
    let mut segment = None;
    for (level, kind, data) in cmsg::messages(control) {
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => packet_info_v4(data, &mut meta),
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => packet_info_v6(data, &mut meta),
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => meta.received = timestamp(data),
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                meta.dropped_before = data.first_chunk().map(|b| u32::from_ne_bytes(*b))
            }
            (libc::SOL_UDP, libc::UDP_GRO) => segment = int(data).and_then(|size| usize::try_from(size).ok()),
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                meta.hop_limit = int(data).and_then(|hops| u8::try_from(hops).ok());
            }
            (libc::IPPROTO_IP, libc::IP_TOS) => meta.traffic_class = data.first().copied(),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                meta.traffic_class = int(data).and_then(|class| u8::try_from(class).ok());
            }
            (libc::IPPROTO_IP, libc::IP_RECVFRAGSIZE) | (libc::IPPROTO_IPV6, libc::IPV6_RECVFRAGSIZE) => {
                meta.fragment_len = int(data).and_then(|len| u32::try_from(len).ok()).filter(|len| *len > 0);
            }
            _ => {}
        }
    }
    (meta, segment)
}

/// `struct in_pktinfo`: interface, local address (`ipi_spec_dst`), address in the header (`ipi_addr`).
fn packet_info_v4(data: &[u8], meta: &mut Meta) {
    let Some(data) = data.first_chunk::<12>() else { return };
    let [i0, i1, i2, i3, l0, l1, l2, l3, d0, d1, d2, d3] = *data;
    let (local, destination) = (Ipv4Addr::new(l0, l1, l2, l3), Ipv4Addr::new(d0, d1, d2, d3));
    meta.interface = InterfaceIndex::new(u32::from_ne_bytes([i0, i1, i2, i3]));
    meta.local = Some(local.into());
    meta.destination = Some(destination.into());
    meta.delivery = if destination.is_multicast() {
        Delivery::Multicast
    } else if destination.is_broadcast() || destination != local {
        Delivery::Broadcast
    } else {
        Delivery::Unicast
    };
}

/// `struct in6_pktinfo`: address in the header, interface.
fn packet_info_v6(data: &[u8], meta: &mut Meta) {
    let Some((octets, rest)) = data.split_first_chunk::<16>() else { return };
    let Some(index) = rest.first_chunk() else { return };
    let destination = Ipv6Addr::from(*octets);
    meta.interface = InterfaceIndex::new(u32::from_ne_bytes(*index));
    meta.destination = Some(destination.into());
    if destination.is_multicast() {
        // Which of the interface's addresses answers is for the routing table to say.
        meta.delivery = Delivery::Multicast;
    } else {
        meta.delivery = Delivery::Unicast;
        meta.local = Some(destination.into());
    }
}

/// How often a call that failed for an earlier datagram's sake is tried again before the failure counts as its own.
const PENDING_TRIES: usize = 3;

/// Sends every entry of the batch, or records its failure; waits for room no longer than `patience`, all together. With none,
/// what finds no room in the send buffer is left in the batch.
pub(crate) fn send(
    socket: &Socket,
    outgoing: Outgoing<'_>,
    scratch: &mut SendScratch,
    limits: &Limits,
    patience: Option<Duration>,
) {
    let leaves = patience.is_none();
    let mut patience = Patience::new(patience.unwrap_or_default());
    let Outgoing { bytes, entries, failures, dual_stack, times, .. } = outgoing;
    let mut handing = times.map(|places| Handing { sending: places.times.begin(), shift: places.shift });
    let limit = limits.train.load(Ordering::Relaxed);
    scratch.pieces.clear();
    for entry in entries.iter() {
        add_pieces(&mut scratch.pieces, entry, limit);
    }
    let (mut done, mut tries) = (0, 0);
    while done < scratch.pieces.len() {
        let error = match send_pieces(socket, bytes, scratch, done, limits, dual_stack, handing.as_mut()) {
            Ok(count) => {
                done += count;
                tries = 0;
                continue;
            }
            Err(error) => error,
        };
        let piece = scratch.pieces[done];
        if piece.count > 1
            && let Some(limit) = train_limit_after(&error, &piece)
        {
            limits.train.fetch_min(limit, Ordering::Relaxed);
            let rest: Vec<Entry> = scratch.pieces.drain(done..).collect();
            add_pieces(&mut scratch.pieces, &rest[0], 0);
            for entry in &rest[1..] {
                add_pieces(&mut scratch.pieces, entry, limits.train.load(Ordering::Relaxed));
            }
            continue;
        }
        if leaves && error.raw_os_error() == Some(libc::EAGAIN) {
            break;
        }
        tries += 1;
        let again = match error.raw_os_error() {
            Some(libc::EINTR) => true,
            Some(libc::EAGAIN) => patience.spend(|left| drop(poll::one(socket, true, Some(left)))),
            Some(libc::ENOBUFS) => patience.spend(|left| poll::pause(left.min(QUEUE_PAUSE))),
            _ => is_icmp_error(&error) && tries < PENDING_TRIES,
        };
        if !again {
            // Whatever a destroyed socket still sent would leave from another port.
            let destroyed = error.raw_os_error().filter(|code| *code == libc::ECONNABORTED);
            failures.push(failure(&piece, error));
            done += 1;
            tries = 0;
            if let Some(code) = destroyed {
                let rest = scratch.pieces.drain(done..);
                failures.extend(rest.map(|piece| failure(&piece, io::Error::from_raw_os_error(code))));
            }
        }
    }
    entries.clear();
    entries.extend(scratch.pieces.drain(done..));
}

fn failure(piece: &Entry, error: io::Error) -> SendFailure {
    SendFailure { transmit: piece.transmit, place: piece.place, count: piece.count, bytes: piece.len, error }
}

/// After this error of a train, whether it must go datagram by datagram, and how long those of later trains may be.
fn train_limit_after(error: &io::Error, train: &Entry) -> Option<usize> {
    match error.raw_os_error()? {
        // The device cannot do it, which shows only when it is tried.
        libc::EIO => Some(0),
        // The datagrams want fragmenting.
        libc::EMSGSIZE => Some(train.segment - 1),
        // Something about this train; the datagrams will tell, one by one.
        libc::EINVAL => Some(usize::MAX),
        _ => None,
    }
}

/// The entry as one message if it can go as a train, else datagram by datagram.
fn add_pieces(pieces: &mut Vec<Entry>, entry: &Entry, train_limit: usize) {
    if entry.count == 1 || entry.segment <= train_limit {
        pieces.push(*entry);
        return;
    }
    let end = entry.start + entry.len;
    pieces.extend((entry.start..end).step_by(entry.segment).zip(entry.place..).map(|(start, place)| {
        let len = entry.segment.min(end - start);
        Entry { place, start, len, segment: len, count: 1, ..*entry }
    }));
}

/// Hands the pieces from `done` on to the kernel; returns how many of them it took.
fn send_pieces(
    socket: &Socket,
    bytes: &mut [u8],
    scratch: &mut SendScratch,
    done: usize,
    limits: &Limits,
    dual_stack: bool,
    mut handing: Option<&mut Handing<'_>>,
) -> io::Result<usize> {
    let pieces = &scratch.pieces[done..];
    let length = pieces.len().min(scratch.headers.len());
    if let Some(handing) = &mut handing {
        handing.prepare(socket, pieces[0].place, length);
    }
    for (index, piece) in pieces[..length].iter().enumerate() {
        let slice = &mut bytes[piece.start..piece.start + piece.len];
        scratch.buffers[index] = libc::iovec { iov_base: slice.as_mut_ptr().cast(), iov_len: slice.len() };
        let ask = handing.as_ref().and_then(|handing| handing.ask(index, piece));
        let header = &mut scratch.headers[index].msg_hdr;
        header.msg_namelen = scratch.names[index].write(address_at(dual_stack, piece.transmit.destination));
        header.msg_controllen = encode(piece, ask, &mut scratch.controls[index].0) as _;
    }
    let (buffers, names) = (scratch.buffers.as_mut_ptr(), scratch.names.as_mut_ptr());
    let controls = scratch.controls.as_mut_ptr();
    for (index, header) in scratch.headers[..length].iter_mut().enumerate() {
        let header = &mut header.msg_hdr;
        header.msg_name = names.wrapping_add(index).cast();
        header.msg_iov = buffers.wrapping_add(index);
        header.msg_iovlen = 1;
        let control = controls.wrapping_add(index).cast();
        header.msg_control = if header.msg_controllen == 0 { std::ptr::null_mut() } else { control };
        header.msg_flags = 0;
    }
    // SAFETY: the first `length` headers point to live names, buffers and control buffers with their lengths, written
    // just above; the kernel only reads what they point to.
    let taken = unsafe { calls::send(socket, &mut scratch.headers[..length], &limits.batches) };
    if let Some(handing) = handing {
        handing.sending.took(*taken.as_ref().unwrap_or(&0), length);
    }
    taken
}

/// A send call that asks for send times.
struct Handing<'a> {
    sending: Sending<'a>,
    /// From places in the batch to places at the socket.
    shift: u64,
}

impl Handing<'_> {
    /// So many messages are about to be handed over, of which the first has this place in the batch.
    fn prepare(&mut self, socket: &Socket, place: u64, messages: usize) {
        let place = place.wrapping_add(self.shift);
        // A count that was lost begins again once nothing that was counted is on its way or in the error queue.
        let is_quiet = || unsent(socket) == Some(0) && !poll::failed(socket);
        if self.sending.is_lost() && is_quiet() && send_stamps::restart(socket) {
            self.sending.restart(place);
        }
        self.sending.ask(place, messages);
    }

    fn ask(&self, index: usize, piece: &Entry) -> Option<Ask> {
        self.sending.message(index, piece.place.wrapping_add(self.shift), piece.count)
    }
}

/// Writes the control messages of a piece; returns their length.
fn encode(piece: &Entry, ask: Option<Ask>, control: &mut [u8]) -> usize {
    let Transmit { destination, local, interface, hop_limit, traffic_class } = piece.transmit;
    let mut writer = cmsg::ControlWriter::new(control);
    if local.is_some() || interface.is_some() {
        let index = interface.map_or(0, InterfaceIndex::get);
        match (destination, local) {
            (SocketAddr::V4(_), local) => {
                let mut info = [0; 12];
                info[0..4].copy_from_slice(&index.to_ne_bytes());
                if let Some(IpAddr::V4(local)) = local {
                    info[4..8].copy_from_slice(&local.octets());
                }
                writer.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            (SocketAddr::V6(_), local) => {
                let mut info = [0; 20];
                if let Some(IpAddr::V6(local)) = local {
                    info[0..16].copy_from_slice(&local.octets());
                }
                info[16..20].copy_from_slice(&index.to_ne_bytes());
                writer.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
        }
    }
    if let Some(hops) = hop_limit {
        let (level, kind) = match destination {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_TTL),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT),
        };
        writer.push(level, kind, &i32::from(hops).to_ne_bytes());
    }
    if let Some(class) = traffic_class {
        let (level, kind) = match destination {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_TOS),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
        };
        writer.push(level, kind, &i32::from(class).to_ne_bytes());
    }
    if piece.count > 1 {
        let segment = u16::try_from(piece.segment).expect("a run of two or more fits 65,535 bytes");
        writer.push(libc::SOL_UDP, libc::UDP_SEGMENT, &segment.to_ne_bytes());
    }
    if let Some(ask) = ask {
        send_stamps::encode(ask, &mut writer);
    }
    writer.len()
}

/// Errors that an ICMP message about an earlier datagram leaves on the socket (`icmp_err_convert` in the kernel).
pub(crate) fn is_icmp_error(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNREFUSED
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::ENOPROTOOPT
                | libc::EPROTO
                | libc::EOPNOTSUPP
                | libc::EMSGSIZE
                | libc::EACCES
        )
    )
}
