//! A mock of a device for the tests of a program that talks to it: rules say what it answers, how late and how surely.
//!
//! Run it with `cargo run --example mock`, and it is asked by itself. In a test, the program gets its address.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use std::time::Duration;

use udpkit::{Options, ReceiveBatch, Rule, Rules, Server, Socket, Template, Wait};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lamp = Rules::from_iter([
        Rule::any().payload("GET power").reply(Template::text("on")?),
        Rule::any()
            .prefix("SET power ")
            .reply(Template::text("OK {payload[10..]}")?)
            .delay(Duration::from_millis(20)..=Duration::from_millis(80)),
        Rule::any().payload("GET colour").reply(Template::text("#ffcc00")?).loses(0.5),
        // Bytes: two that say what is asked, then a number that comes back.
        Rule::any().prefix([0x80, 0x01]).length(4..=4).reply(Template::bytes("80 81 {payload[2..4]} 00")?),
        Rule::any().reply(Template::text("ERROR: {length} bytes not understood")?),
    ]);
    let server = Server::start("127.0.0.1:0".parse()?, lamp.seed(3))?;

    let client = Socket::bind("127.0.0.1:0".parse()?, &Options::default())?;
    let mut replies = ReceiveBatch::default();
    for question in [&b"GET power"[..], b"SET power off", b"GET colour", b"\x80\x01\x12\x34", b"dance!"] {
        client.send_to(question, server.addresses()[0])?;
        client.receive(&mut replies, Wait::For(Duration::from_millis(500)))?;
        let reply = replies.datagrams().next().map_or(&b"(nothing)"[..], |datagram| datagram.payload);
        println!("{}: {}", question.escape_ascii(), reply.escape_ascii());
    }
    let report = server.stop();
    println!("{} asked, {} answered", report.received.datagrams, report.answered);
    Ok(())
}
