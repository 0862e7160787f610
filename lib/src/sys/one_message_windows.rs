//! A datagram with its control messages, `WSARecvMsg`, and what Windows does to sockets that are refused something.

use std::io;
use std::os::windows::io::AsRawSocket;
use std::sync::OnceLock;

use socket2::{SockAddr, Socket};
use windows_sys::Win32::Networking::WinSock::{
    LPFN_WSARECVMSG, MSG_TRUNC, SIO_GET_EXTENSION_FUNCTION_POINTER, SIO_UDP_CONNRESET, SIO_UDP_NETRESET, SOCKET,
    WSABUF, WSAEMSGSIZE, WSAID_WSARECVMSG, WSAIoctl, WSAMSG,
};

use super::cmsg::Control;
use super::contract::Came;
use super::control::RECEIVE_ROOM;

/// Receives a datagram without waiting.
pub(super) fn receive(socket: &Socket, slot: &mut [u8], control: &mut Control<RECEIVE_ROOM>) -> io::Result<Came> {
    let Some(receive) = *function(socket) else {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no WSARecvMsg"));
    };
    let mut buffer = WSABUF { len: u32::try_from(slot.len()).unwrap_or(u32::MAX), buf: slot.as_mut_ptr() };
    let room = WSABUF { len: u32::try_from(RECEIVE_ROOM).unwrap_or(0), buf: control.0.as_mut_ptr() };
    let mut message = WSAMSG {
        name: std::ptr::null_mut(),
        namelen: 0,
        lpBuffers: &raw mut buffer,
        dwBufferCount: 1,
        Control: room,
        dwFlags: 0,
    };
    let (mut len, mut is_too_long) = (0, false);
    let call = |storage: *mut socket2::SockAddrStorage, name_len: *mut socket2::socklen_t| {
        message.name = storage.cast();
        // SAFETY: the length is that of the storage, both of which socket2 lends for the call.
        message.namelen = unsafe { *name_len };
        // SAFETY: the message points to a live name, buffer and control buffer with their lengths, and nothing overlapped.
        let failed = unsafe { receive(raw(socket), &raw mut message, &raw mut len, std::ptr::null_mut(), None) } != 0;
        if failed {
            let error = io::Error::last_os_error();
            is_too_long = error.raw_os_error() == Some(WSAEMSGSIZE);
            if !is_too_long {
                return Err(error);
            }
        }
        // SAFETY: as above.
        unsafe { *name_len = message.namelen };
        Ok(())
    };
    // SAFETY: the call writes an address and its length, or leaves the zeros that socket2 put there.
    let ((), source) = unsafe { SockAddr::try_init(call)? };
    let len = if is_too_long { slot.len() } else { usize::try_from(len).unwrap_or(slot.len()) };
    let is_truncated = is_too_long || message.dwFlags & MSG_TRUNC != 0;
    let control = usize::try_from(message.Control.len).unwrap_or(0);
    Ok(Came { len, is_truncated, source: source.as_socket(), control })
}

/// Without this, a datagram that somebody refused would fail a later receive call, once for each.
pub(super) fn prepare(socket: &Socket) {
    for code in [SIO_UDP_CONNRESET, SIO_UDP_NETRESET] {
        let off: u32 = 0;
        // Where it is refused, such failures are passed over one by one.
        let _ = control(socket, code, &off, &mut ());
    }
}

/// Where `WSARecvMsg` is: Windows has each provider of sockets tell.
fn function(socket: &Socket) -> &'static LPFN_WSARECVMSG {
    static FUNCTION: OnceLock<LPFN_WSARECVMSG> = OnceLock::new();
    FUNCTION.get_or_init(|| {
        let mut found: LPFN_WSARECVMSG = None;
        control(socket, SIO_GET_EXTENSION_FUNCTION_POINTER, &WSAID_WSARECVMSG, &mut found).ok()?;
        found
    })
}

/// Controls a socket: hands `input` over, and has `output` filled.
fn control<I: Copy, O: Copy>(socket: &Socket, code: u32, input: &I, output: &mut O) -> io::Result<()> {
    let (input_len, output_len) = (u32::try_from(size_of::<I>()), u32::try_from(size_of::<O>()));
    let (input_len, output_len) = (input_len.map_err(io::Error::other)?, output_len.map_err(io::Error::other)?);
    let mut written = 0;
    // SAFETY: the pointers and lengths are those of live values; what these codes write is a value of `O`.
    let failed = unsafe {
        WSAIoctl(
            raw(socket),
            code,
            std::ptr::from_ref(input).cast(),
            input_len,
            std::ptr::from_mut(output).cast(),
            output_len,
            &raw mut written,
            std::ptr::null_mut(),
            None,
        )
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn raw(socket: &Socket) -> SOCKET {
    usize::try_from(socket.as_raw_socket()).unwrap_or(usize::MAX)
}
