//! A datagram with its control messages, `recvmsg(2)`, as every Unix has it.

use std::io;
use std::mem::MaybeUninit;

use socket2::{MaybeUninitSlice, MsgHdrMut, SockAddr, SockAddrStorage, Socket};

use super::cmsg::Control;
use super::contract::Came;
use super::control::RECEIVE_ROOM;

/// Receives a datagram without waiting.
pub(super) fn receive(socket: &Socket, slot: &mut [u8], control: &mut Control<RECEIVE_ROOM>) -> io::Result<Came> {
    let storage = SockAddrStorage::zeroed();
    let room = storage.size_of();
    // SAFETY: a storage of zeros is an address of no family, and the length is that of the storage.
    let mut source = unsafe { SockAddr::new(storage, room) };
    let mut buffers = [MaybeUninitSlice::new(uninit(slot))];
    let mut header =
        MsgHdrMut::new().with_addr(&mut source).with_buffers(&mut buffers).with_control(uninit(&mut control.0));
    let len = socket.recvmsg(&mut header, 0)?;
    let (is_truncated, control) = (header.flags().is_truncated(), header.control_len());
    Ok(Came { len, is_truncated, source: source.as_socket(), control })
}

/// The same bytes, as socket2 is handed them.
fn uninit(bytes: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    let len = bytes.len();
    // SAFETY: initialised bytes are valid as maybe uninitialised ones, and socket2 promises to write none that are
    // uninitialised into them.
    unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), len) }
}

/// Nothing about a socket needs changing before it receives.
pub(super) fn prepare(_socket: &Socket) {}
