//! The lesson's broadcast sender: sends `Halo Dunia!` to port 10000 of every host on every attached network.
//!
//! Run it with `cargo run --example broadcast_sender`, next to `cargo run --example broadcast_receiver`.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use udpkit::{Interfaces, Options, Socket};

fn main() -> udpkit::Result<()> {
    let options = Options::default().broadcast(true);
    for interface in Interfaces::list()?.iter().filter(|interface| interface.running) {
        for address in &interface.addresses {
            let Some(broadcast) = address.broadcast else { continue };
            let socket = Socket::bind((address.ip, 0).into(), &options)?;
            socket.send_to(b"Halo Dunia!", (broadcast, 10000).into())?;
            println!("{}: to {broadcast}", interface.name);
        }
    }
    Ok(())
}
