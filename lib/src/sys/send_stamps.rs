//! Send times of the kernel (`SO_TIMESTAMPING`): switched on for a socket, asked for by a message.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::OnceLock;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::address::RawAddress;
use super::cmsg::{self, ControlWriter};
use super::message::{Control, header};
use super::socket_option::set;
use crate::send_times::Ask;

/// Room for what a message asks for: whether it is to have a time, and the number of that.
pub(super) const ASK_CONTROL: usize = cmsg::space(4) * 2;

/// Not in the libc crate: the number for a message's time, since Linux 6.13; and a flag of `send(2)`.
const SCM_TS_OPT_ID: i32 = 81;
const MSG_PROBE: i32 = 0x10;

/// What times are asked for, if at all: with a number, without a copy of what was sent.
const REPORTED: u32 =
    libc::SOF_TIMESTAMPING_SOFTWARE | libc::SOF_TIMESTAMPING_OPT_ID | libc::SOF_TIMESTAMPING_OPT_TSONLY;

/// Whether a send time can be had at this socket for each message that asks for one.
pub(super) fn report(socket: &Socket) -> bool {
    numbering().is_some() && start(socket)
}

/// Whether the kernel counts the messages itself that ask for a time, instead of taking a number with each.
pub(crate) fn counts_send_times() -> bool {
    numbering() == Some(Ask::Counted)
}

/// Begins to count anew; nothing that was counted may be on its way.
pub(super) fn restart(socket: &Socket) -> bool {
    // The count is set to zero when it is switched on.
    set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &0i32).is_ok() && start(socket)
}

/// Writes what a message asks for.
pub(super) fn encode(ask: Ask, writer: &mut ControlWriter<'_>) {
    let time = libc::SOF_TIMESTAMPING_TX_SOFTWARE;
    writer.push(libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &time.to_ne_bytes());
    if let Ask::Number(number) = ask {
        writer.push(libc::SOL_SOCKET, SCM_TS_OPT_ID, &number.to_ne_bytes());
    }
}

/// Switches reports of times on; which messages ask for one, they say themselves.
fn start(socket: &Socket) -> bool {
    // Since Linux 6.12 what is received can be left without a second time; before, it is passed over.
    [REPORTED | libc::SOF_TIMESTAMPING_OPT_RX_FILTER, REPORTED].into_iter().any(|flags| {
        let flags = i32::from_ne_bytes(flags.to_ne_bytes());
        set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &flags).is_ok()
    })
}

/// How the times of this kernel are numbered; `None` where it has none. Tried once, with messages that are never sent.
fn numbering() -> Option<Ask> {
    static NUMBERING: OnceLock<Option<Ask>> = OnceLock::new();
    *NUMBERING.get_or_init(|| {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).ok()?;
        socket.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).ok()?;
        let local = socket.local_addr().ok()?.as_socket()?;
        if !start(&socket) {
            return None;
        }
        [Ask::Number(0), Ask::Counted].into_iter().find(|ask| takes(&socket, local, *ask))
    })
}

/// Whether the kernel takes a message that asks this: it reads what is asked, looks the route up, and sends nothing (`MSG_PROBE`).
fn takes(socket: &Socket, local: SocketAddr, ask: Ask) -> bool {
    let mut control = Control([0u8; ASK_CONTROL]);
    let mut writer = ControlWriter::new(&mut control.0);
    encode(ask, &mut writer);
    let len = writer.len();
    let mut name = RawAddress::EMPTY;
    let mut header = header().msg_hdr;
    header.msg_namelen = name.write(local);
    header.msg_name = name.0.as_mut_ptr().cast();
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = len as _;
    let flags = MSG_PROBE | libc::MSG_CONFIRM | libc::MSG_DONTWAIT;
    // SAFETY: the header points to a live name and control buffer with their lengths, which the kernel only reads.
    unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, flags) >= 0 }
}
