//! Ports and addresses that stand where nc and ping have them, and `udp` has something else: refused, with the command that
//! was meant.

use anyhow::Result;
use udpkit::Interfaces;

use crate::args::{BroadcastArgs, CommonArgs, SendArgs};
use crate::hint::Hint;
use crate::words::address::{Address, DEFAULT_PORT, Host};
use crate::words::range::AddressRange;

/// What a payload looks like, if not like one.
enum Looks {
    Port,
    Address(Address),
}

/// An error where the payload of `send` looks like a port or an address, and no port was given.
pub(crate) fn check_send(args: &SendArgs) -> Result<()> {
    let Some((text, looks)) = looks(args.payload.payload.as_deref()) else { return Ok(()) };
    if args.address.first.port.is_some() || args.common.port.is_some() {
        return Ok(());
    }
    let (kind, right) = match looks {
        Looks::Port => ("port", args.address.first.with_port(text.trim_start_matches(':'))),
        Looks::Address(_) => ("address", text.to_owned()),
    };
    Err(refusal(text, kind, &format!("udp send {right} TEXT")))
}

/// An error where the payload of `broadcast` looks like a port, an address or an interface that was not given otherwise.
pub(crate) fn check_broadcast(args: &BroadcastArgs, interfaces: &Interfaces) -> Result<()> {
    let Some(text) = args.payload.payload.as_deref() else { return Ok(()) };
    if args.common.interfaces.is_empty() && interfaces.named(text).is_some() {
        return Err(refusal(text, "name of an interface", &format!("udp broadcast -i {text} TEXT")));
    }
    let Some((_, looks)) = looks(Some(text)) else { return Ok(()) };
    let has_port = args.common.port.is_some() || args.to.as_ref().is_some_and(|to| to.port.is_some());
    let (kind, right) = match (looks, &args.to) {
        (Looks::Port, _) if has_port => return Ok(()),
        (Looks::Port, Some(to)) => ("port", format!("udp broadcast --to {} TEXT", to.with_port(first_port(text)))),
        (Looks::Port, None) => ("port", format!("udp broadcast -p {} TEXT", first_port(text))),
        (Looks::Address(_), Some(_)) => return Ok(()),
        (Looks::Address(Address { host: Some(Host::Ip(ip)), .. }), None)
            if !ip.is_multicast() && !interfaces.is_broadcast(ip) =>
        {
            ("address", format!("udp send {text} TEXT"))
        }
        (Looks::Address(_), None) => ("address", format!("udp broadcast --to {text} TEXT")),
    };
    Err(refusal(text, kind, &right))
}

/// An error where -i has a number, which is the interval in ping.
pub(crate) fn check_interval(common: &CommonArgs, interfaces: &Interfaces) -> Result<()> {
    let is_number = |name: &&String| name.parse::<f64>().is_ok() && interfaces.named(name).is_none();
    common.interfaces.iter().find(is_number).map_or(Ok(()), |name| {
        let hint = format!("-i names an interface; the time from one datagram to the next is --every {name}s");
        Err(Hint::on(format!("no interface '{name}'"), hint))
    })
}

/// An error where a port follows an address that has none: that would be two places to listen.
pub(crate) fn check_listening(addresses: &[Address], common: &CommonArgs) -> Result<()> {
    if common.port.is_some() {
        return Ok(());
    }
    for pair in addresses.windows(2) {
        let [Address { host: Some(host), port: None }, Address { host: None, port: Some(port) }] = pair else {
            continue;
        };
        let (one, two) = (pair[0].with_port(port), pair[0].with_port(DEFAULT_PORT));
        return Err(Hint::on(
            format!("'{port}' after '{host}' is a second place to listen, not the port of the first"),
            format!("{one} is one place; for two, write {two} {port}"),
        ));
    }
    Ok(())
}

/// The port, or the first one of a range: there is one to send to.
fn first_port(text: &str) -> &str {
    let ports = text.trim_start_matches(':');
    ports.split_once('-').map_or(ports, |(first, _)| first)
}

/// What the text of a payload looks like.
fn looks(payload: Option<&str>) -> Option<(&str, Looks)> {
    let text = payload?;
    if text.parse::<AddressRange>().is_ok_and(|range| range.is_ports_alone()) {
        return Some((text, Looks::Port));
    }
    let address: Address = text.parse().ok()?;
    let looks = match address {
        Address { host: Some(Host::Ip(_) | Host::Scoped(..)), .. } => Looks::Address(address),
        Address { host: Some(Host::Name(_)) | None, .. } => return None,
    };
    Some((text, looks))
}

fn refusal(text: &str, kind: &str, right: &str) -> anyhow::Error {
    let article = if kind.starts_with('a') { "an" } else { "a" };
    Hint::on(
        format!("'{text}' is {article} {kind}, but the payload belongs here"),
        format!("{right}; to send it as text: --text {text}"),
    )
}
