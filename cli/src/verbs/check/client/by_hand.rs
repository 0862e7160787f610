//! A client that the user starts: what it sends is seen, what it prints is not.

use std::net::SocketAddr;

use anyhow::Result;

use super::judge::sends;
use crate::args::CheckClientArgs;
use crate::output::Remark;
use crate::verbs::check::bench::Bench;
use crate::verbs::check::bounds::{Cut, now};
use crate::verbs::check::evidence::payload_points;
use crate::verbs::check::marks::mark;
use crate::verbs::check::point::Judged;
use crate::verbs::check::points::client as points;
use crate::verbs::check::wire::{Arrival, Came, Peer};
use crate::words::endpoint::Endpoint;

/// Why what a client prints is not seen.
const NOT_STARTED: &str = "what the client prints was not seen: let the check start it, with -- COMMAND";

pub(super) fn check(bench: &mut Bench, args: &CheckClientArgs, server: SocketAddr) -> Result<()> {
    let server = match Peer::at(server) {
        Ok(server) => server,
        Err(Cut::System(error)) => return Err(error),
        Err(cut) => return Err(anyhow::anyhow!(cut.words())),
    };
    let address = Endpoint(server.address());
    bench.say(&Remark::note(format!("start the client now, against {address}")));
    bench.begin();
    let came = wait(bench, &server, args);
    let came = match came {
        Ok(came) => came,
        Err(cut) => {
            for point in points::ALL.iter().filter(|point| bench.wants(point)).collect::<Vec<_>>() {
                bench.judge(point, Ok(Judged::not_seen(cut.words())));
            }
            return Ok(());
        }
    };
    let payloads: Vec<_> = came.into_iter().map(|came| came.payload).collect();
    for point in points::ALL {
        if !bench.wants(point) {
            continue;
        }
        let judged = match point.name {
            "sends" => sends(&payloads),
            _ => payload_points(point, args.expect.as_deref(), &payloads)
                .unwrap_or_else(|| Judged::not_seen(NOT_STARTED)),
        };
        bench.judge(point, Ok(judged));
    }
    Ok(())
}

/// Waits for the first datagram as long as the check may last, and answers it; then for what follows.
fn wait(bench: &mut Bench, server: &Peer, args: &CheckClientArgs) -> Result<Vec<Came>, Cut> {
    let mut all = Vec::new();
    let mut end = None;
    loop {
        let moment = end.unwrap_or_else(|| now() + args.judge.wait);
        for arrival in server.receive(bench, moment)? {
            if let Arrival::Datagram(came) = arrival {
                if all.is_empty() {
                    end = Some(now() + args.judge.wait);
                    server.send(bench, came.source, format!("answer {}", mark()).as_bytes())?;
                }
                all.push(came);
            }
        }
        if end.is_some_and(|end| now() >= end) {
            return Ok(all);
        }
    }
}
