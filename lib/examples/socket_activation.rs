//! A server that a service manager starts, which has bound the port for it (`systemd.socket(5)`, `ListenDatagram=`): answers one
//! datagram.
//!
//! Run it with `systemd-socket-activate --datagram -l 10000 target/debug/examples/socket_activation`, and ask it with
//! `udp send 127.0.0.1 hi`.

use udpkit::{Options, ReceiveBatch, Socket, Wait};

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::default();
    let socket = match Socket::inherited(&options)?.into_iter().next() {
        // Most often it takes both families; IPv4 addresses are shown as such.
        Some(theirs) => theirs,
        None => Socket::bind(([0, 0, 0, 0], 10000).into(), &options)?,
    };
    let mut requests = ReceiveBatch::new(1, ReceiveBatch::SLOT_LEN);
    socket.receive(&mut requests, Wait::Forever)?;
    for request in requests.datagrams() {
        socket.send_to(format!("hello {}", request.meta.source).as_bytes(), request.meta.source)?;
    }
    Ok(())
}
