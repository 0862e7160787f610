//! `udp interfaces`: interfaces, addresses and broadcast addresses of this host.

use anyhow::Result;
use udpkit::Interfaces;

use crate::args::InterfacesArgs;
use crate::output::{Settings, StdPrinter};
use crate::runtime::exit::{Exit, finish};
use crate::words::format::Format;

pub(crate) fn interfaces(args: &InterfacesArgs) -> Result<Exit> {
    let format = if args.json { Format::Json } else { Format::Text };
    let mut printer = StdPrinter::std(Settings::plain(format));
    printer.list_interfaces(&Interfaces::list()?);
    finish(&printer, Exit::Done)
}
