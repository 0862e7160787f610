//! `udp check sender`: hears what a sender broadcasts on each network of this host, and answers it.

mod heard;
mod judge;

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use udpkit::{Interfaces, Options};

use super::bench::Bench;
use super::bounds::Cut;
use super::networks::{self, networks};
use super::points::sender as points;
use super::wire::Peer;
use crate::args::CheckSenderArgs;
use crate::output::Remark;
use crate::runtime::exit::Exit;
use crate::words::address::{DEFAULT_PORT, check_port};
use heard::Heard;
use judge::Judge;

/// Checks a sender: one that is started once, or one that the user starts.
pub(super) fn check(args: &CheckSenderArgs) -> Result<Exit> {
    let interfaces = Interfaces::list().unwrap_or_default();
    let port = args.port.unwrap_or(DEFAULT_PORT);
    check_port(port)?;
    let mut bench = Bench::new("sender", points::ALL, &args.judge)?;
    let listener =
        match Peer::with(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), &Options::default().reuse_address(true)) {
            Ok(listener) => listener,
            Err(Cut::System(error)) => return Err(error),
            Err(cut) => return Err(anyhow::anyhow!(cut.words())),
        };
    bench.begin();
    let all = networks(&interfaces, args.judge.i_may);
    let heard = networks::heard(&mut bench, &all).and_then(|networks| {
        bench.begin();
        if args.judge.command.is_empty() {
            bench.say(&Remark::note(format!("start the sender now; it is to send to port {port}")));
        }
        Ok((Heard::run(&mut bench, &listener, args)?, networks))
    });
    let heard = match heard {
        // Without it, no point can be looked at: a program that there is not.
        Err(Cut::System(error)) => return Err(error),
        heard => heard,
    };
    let judge = heard.map(|(heard, networks)| Judge { args, heard, networks, interfaces });
    for point in points::ALL {
        if bench.wants(point) {
            let judged = match &judge {
                Ok(judge) => Ok(judge.point(point)),
                Err(cut) => Ok(super::point::Judged::not_seen(cut.words())),
            };
            bench.judge(point, judged);
        }
    }
    bench.finish()
}
