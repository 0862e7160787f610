//! How a program that speaks UDP is tested: a mock of the device that it talks to, which says what it expects.
//!
//! Run it with `cargo run --example mock`. In a test, `main` would be a `#[test]`, and `Lamp` a part of your program.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use std::net::SocketAddr;
use std::time::Duration;

use udpkit::{Options, ReceiveBatch, Result, Rule, Server, Socket, Template, Wait};

/// The program under test: it controls a lamp, and asks again where no answer comes.
struct Lamp {
    socket: Socket,
    address: SocketAddr,
}

impl Lamp {
    fn new(address: SocketAddr) -> Result<Self> {
        Ok(Self { socket: Socket::bind(([127, 0, 0, 1], 0).into(), &Options::default())?, address })
    }

    fn ask(&self, question: &[u8], tries: usize, patience: Duration) -> Result<Option<Vec<u8>>> {
        let mut replies = ReceiveBatch::default();
        for _ in 0..tries {
            self.socket.send_to(question, self.address)?;
            self.socket.receive(&mut replies, Wait::For(patience))?;
            if let Some(reply) = replies.datagrams().next() {
                return Ok(Some(reply.payload.to_vec()));
            }
        }
        Ok(None)
    }
}

pub(crate) fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let patience = Duration::from_secs(5);
    let mock = Server::mock()?;
    // It is off, then on for good.
    let power = mock.expect(Rule::any().payload("GET power").replies(["off", "on"])).times(3);
    mock.expect(Rule::any().prefix("SET power ").reply(Template::text("OK {payload[10..]}")?)).times(1);
    // Bytes: two that say what is asked, then a number that comes back, late.
    let late = Duration::from_millis(5)..=Duration::from_millis(20);
    mock.expect(
        Rule::any().prefix([0x80, 1]).length(4..=4).reply(Template::bytes("80 81 {payload[2..4]}")?).delay(late),
    );
    // Every answer gets lost: it must ask three times, and give up.
    mock.expect(Rule::any().payload("GET colour").replies(["#ffcc00"]).loses(1.0)).times(3);
    let bye = mock.expect(Rule::any().payload("bye")).times(1);
    // What `verify` would say now.
    if let Err(unmet) = mock.check() {
        println!("{unmet}\n");
    }

    let lamp = Lamp::new(mock.address())?;
    assert_eq!(lamp.ask(b"GET power", 1, patience)?.as_deref(), Some(&b"off"[..]));
    assert_eq!(lamp.ask(b"SET power on", 1, patience)?.as_deref(), Some(&b"OK on"[..]));
    for _ in 0..2 {
        assert_eq!(lamp.ask(b"GET power", 1, patience)?.as_deref(), Some(&b"on"[..]));
    }
    assert_eq!(lamp.ask(b"\x80\x01\x12\x34", 1, patience)?.as_deref(), Some(&b"\x80\x81\x12\x34"[..]));
    assert_eq!(lamp.ask(b"GET colour", 3, Duration::from_millis(20))?, None);
    // Nothing answers what is only sent: the test waits for it.
    lamp.socket.send_to(b"bye", lamp.address)?;
    assert!(bye.wait_for(1, patience));

    println!("asked for power {} times, {} datagrams in all:", power.count(), mock.total());
    for datagram in mock.received() {
        println!("  {}", datagram.payload.escape_ascii());
    }
    mock.verify();
    Ok(())
}
