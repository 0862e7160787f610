//! The course's third exercise, solved: a client that asks twice, believes its server alone, and hears a refusal.
//!
//! `udp check client -- cargo run --example exercise_client {host} {port}` finds nothing wrong.

#![expect(clippy::print_stdout, reason = "an example that prints")]
#![expect(clippy::disallowed_methods, reason = "a program of its own has its own clock")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use udpkit::{Options, ReceiveBatch, Socket, Wait, any_address};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let host: IpAddr = arguments.next().map_or_else(|| Ok(Ipv4Addr::LOCALHOST.into()), |host| host.parse())?;
    let port: u16 = arguments.next().map_or(Ok(10000), |port| port.parse())?;
    let server = SocketAddr::from((host, port));
    let socket = Socket::bind((any_address(host), 0).into(), &Options::default().errors(true))?;
    let mut answers = ReceiveBatch::default();
    let mut refusal = None;
    for patience in [Duration::from_millis(500), Duration::from_secs(1)] {
        socket.send_to(b"Hello World", server)?;
        let end = Instant::now() + patience;
        while refusal.is_none() && Instant::now() < end {
            socket.receive(&mut answers, Wait::Until(end))?;
            // Anybody can send to our port: the answer is what comes from the server.
            if let Some(answer) = answers.datagrams().find(|answer| answer.meta.source == server) {
                println!("{}", answer.payload.escape_ascii());
                return Ok(ExitCode::SUCCESS);
            }
            socket.errors(|refused| refusal = Some(refused.cause));
        }
    }
    println!("{}", refusal.map_or_else(|| "no answer".to_owned(), |cause| cause.to_string()));
    Ok(ExitCode::FAILURE)
}
