//! `udp --version`: which program this is, and what it has of the system that it runs on.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use clap::error::ErrorKind;
use udpkit::{Capability, Options, Socket};

use crate::output;
use crate::runtime::exit::Exit;
use crate::runtime::sockets::is_portable;

/// What is known of the program when it is built: version, commit, target, features.
pub(crate) fn built() -> &'static str {
    static BUILT: LazyLock<String> = LazyLock::new(|| {
        let mut text = env!("CARGO_PKG_VERSION").to_owned();
        let features = features();
        let facts = [
            ("commit", option_env!("UDP_COMMIT")),
            ("target", option_env!("UDP_TARGET")),
            ("features", Some(features.as_str())),
        ];
        for (name, fact) in facts {
            if let Some(fact) = fact {
                let _ = write!(text, "\n{name}: {fact}");
            }
        }
        text
    });
    &BUILT
}

/// The features that it was built with, as `cargo` names them.
fn features() -> String {
    let all = [
        ("compression", cfg!(feature = "compression")),
        ("http", cfg!(feature = "http")),
        ("tui", cfg!(feature = "tui")),
    ];
    let with: Vec<_> = all.into_iter().filter(|(_, is_in)| *is_in).map(|(name, _)| name).collect();
    if with.is_empty() { "none".to_owned() } else { with.join(", ") }
}

/// Whether the arguments were no command line but the question for the long version.
pub(crate) fn is_asked_for(answer: &clap::Error) -> bool {
    answer.kind() == ErrorKind::DisplayVersion && answer.to_string().contains(built())
}

/// Prints the long version.
pub(crate) fn print(answer: &clap::Error) -> Exit {
    let text = format!("{answer}{}", system());
    match output::Standard::output().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            output::error(&anyhow::Error::new(error).context("cannot write to standard output"));
            Exit::Failed
        }
        _ => Exit::Done,
    }
}

/// What a socket has here of everything that it can be asked for.
fn system() -> String {
    let loopback = [("IPv4", Ipv4Addr::LOCALHOST.into()), ("IPv6", Ipv6Addr::LOCALHOST.into())];
    let sockets =
        loopback.map(|(family, ip): (_, std::net::IpAddr)| (family, Socket::bind((ip, 0).into(), &everything())));
    let families: Vec<_> = sockets.iter().filter(|(_, socket)| socket.is_ok()).map(|(family, _)| *family).collect();
    let mut text = match families.as_slice() {
        [] => "this system: no UDP\n".to_owned(),
        families => format!("this system: {}\n", families.join(", ")),
    };
    if let Some(socket) = sockets.iter().find_map(|(_, socket)| socket.as_ref().ok()) {
        for what in OFFERED {
            let _ = writeln!(text, "  {:<3}  {what}", if socket.capabilities().has(what) { "yes" } else { "no" });
        }
    }
    text
}

fn everything() -> Options {
    Options::default()
        .destination(true)
        .timestamps(true)
        .hop_limits(true)
        .traffic_classes(true)
        .drops(true)
        .errors(true)
        .coalesce(true)
        .portable(is_portable())
}

/// What is shown of a socket.
const OFFERED: [Capability; 10] = [
    Capability::Batches,
    Capability::Segmentation,
    Capability::Coalesce,
    Capability::Destination,
    Capability::Timestamps,
    Capability::HopLimits,
    Capability::TrafficClasses,
    Capability::KernelDrops,
    Capability::Errors,
    Capability::TrueLength,
];
