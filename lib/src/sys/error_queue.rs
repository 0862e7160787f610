//! The error queue (`ip(7)`, `IP_RECVERR`): datagrams that were refused, and the times at which others left (`SO_TIMESTAMPING`,
//! `networking/timestamping.rst` of the kernel's documentation).

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::time::SystemTime;

use socket2::Socket;

use super::address::{self, RawAddress};
use super::cmsg;
use super::message::{Control, RECEIVE_CONTROL, control_len, header, timestamp};
use crate::feedback::{Feedback, SendTime};
use crate::send_times::SendTimes;
use crate::unreachable::{Cause, Unreachable};

/// Room for `sock_extended_err` with the address of the reporter.
const ERROR_CONTROL: usize = cmsg::space(16 + 28) + RECEIVE_CONTROL;
const ORIGIN_LOCAL: u8 = 1;
const ORIGIN_ICMP: u8 = 2;
const ORIGIN_ICMP6: u8 = 3;
const ORIGIN_TIMESTAMPING: u8 = 4;

/// Reads the error queue, 64 reports at most.
pub(crate) fn feedback(socket: &Socket, times: Option<&SendTimes>, report: &mut dyn FnMut(Feedback)) {
    let mut payload = [0u8; 512];
    for _ in 0..64 {
        // Ends before the report is handed on, since whoever takes it may send.
        let reading = times.map(SendTimes::reading);
        let mut name = RawAddress::EMPTY;
        let mut control = Control([0u8; ERROR_CONTROL]);
        let mut buffer = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
        let mut header = header().msg_hdr;
        header.msg_name = name.0.as_mut_ptr().cast();
        header.msg_namelen = RawAddress::SOCKLEN;
        header.msg_iov = &raw mut buffer;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = ERROR_CONTROL as _;
        // SAFETY: the header points to a live name, buffer and control buffer with their lengths, all on this stack.
        let len =
            unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) };
        let Ok(len) = usize::try_from(len) else {
            if io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock
                && let Some(reading) = reading
            {
                reading.none_left();
            }
            return;
        };
        let control = &control.0[..control_len(&header).min(ERROR_CONTROL)];
        if let Some((number, at)) = decode_time(control) {
            let taken = reading.and_then(|reading| reading.take(number));
            if let Some((place, count)) = taken {
                report(Feedback::Sent(SendTime::new(place, count, at)));
            }
            continue;
        }
        drop(reading);
        let Some(destination) = name.read(header.msg_namelen as usize) else { continue };
        if let Some((cause, reporter)) = decode_error(control) {
            let payload = payload[..len.min(payload.len())].to_vec();
            report(Feedback::Refused(Unreachable { destination, reporter, cause, payload }));
        }
    }
}

/// `struct sock_extended_err` and the address after it, in either family.
fn extended_error(control: &[u8]) -> Option<&[u8]> {
    let (_, _, data) = cmsg::messages(control).find(|(level, kind, _)| {
        matches!((*level, *kind), (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR))
    })?;
    Some(data)
}

/// The number and the time of a message that left, if it is that.
pub(crate) fn decode_time(control: &[u8]) -> Option<(u32, SystemTime)> {
    /// Handed to the device (`SCM_TSTAMP_SND`).
    const SENT: u32 = 0;
    let data = extended_error(control)?;
    let (origin, info) = (*data.get(4)?, u32::from_ne_bytes(*data.get(8..)?.first_chunk()?));
    let number = u32::from_ne_bytes(*data.get(12..)?.first_chunk()?);
    let (_, _, times) = cmsg::messages(control)
        .find(|(level, kind, _)| (*level, *kind) == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING))?;
    // Three of `struct timespec`, of which the first is the kernel's own.
    let at = timestamp(times.get(..times.len() / 3)?)?;
    (origin == ORIGIN_TIMESTAMPING && info == SENT).then_some((number, at))
}

/// `struct sock_extended_err` (`ip(7)`, `IP_RECVERR`), followed by the address of the reporter.
pub(crate) fn decode_error(control: &[u8]) -> Option<(Cause, Option<IpAddr>)> {
    let data = extended_error(control)?;
    let errno = u32::from_ne_bytes(*data.first_chunk()?);
    let [origin, kind, code] = *data.get(4..)?.first_chunk::<3>()?;
    let info = u32::from_ne_bytes(*data.get(8..)?.first_chunk()?);
    let reporter = address::parse(data.get(16..)?).map(|address| address.ip());
    let cause = match (origin, kind, code) {
        (ORIGIN_ICMP, 3, 3) | (ORIGIN_ICMP6, 1, 4) => Cause::Port,
        (ORIGIN_ICMP, 3, 9 | 10 | 13) | (ORIGIN_ICMP6, 1, 1 | 5 | 6) => Cause::Prohibited,
        (ORIGIN_ICMP, 3, 4) | (ORIGIN_ICMP6, 2, _) => Cause::TooBig { mtu: info },
        (ORIGIN_ICMP, 3, 0 | 6 | 11) | (ORIGIN_ICMP6, 1, 0) => Cause::Network,
        (ORIGIN_ICMP, 3, 1 | 5 | 7 | 8 | 12) | (ORIGIN_ICMP6, 1, 2 | 3) => Cause::Host,
        (ORIGIN_ICMP, 11, _) | (ORIGIN_ICMP6, 3, _) => Cause::HopLimit,
        (ORIGIN_ICMP | ORIGIN_ICMP6, kind, code) => Cause::Other { kind, code },
        // Our own kernel: it could not resolve the neighbour, or the datagram does not fit its link.
        (ORIGIN_LOCAL, _, _) => match i32::try_from(errno).ok()? {
            // The call that was to send it said so itself.
            libc::EMSGSIZE => return None,
            libc::ENETUNREACH => Cause::Network,
            _ => Cause::Host,
        },
        // No error, but a time or what else can be asked for.
        _ => return None,
    };
    let from_network = matches!(origin, ORIGIN_ICMP | ORIGIN_ICMP6);
    Some((cause, reporter.filter(|_| from_network)))
}
