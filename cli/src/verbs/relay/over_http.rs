//! What of `udp relay` is served over HTTP: `--control` and `--metrics`.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;
use udpkit::verbs::RelayOptions;
use udpkit::{Interfaces, Relay};

pub(crate) use super::control::Tap;
use super::control::{self, Facts, Line};
use super::target::Current;
use super::{command, metrics};
use crate::args::{ControlArgs, RelayArgs, TOKEN_VARIABLE};
use crate::hint::Hint;
use crate::http::Served;
use crate::http::access::Access;
use crate::http::token::Token;
use crate::output::{MetricsServed, Notice, StdPrinter, endpoints};
use crate::runtime::served;
use crate::words::address::Host;
use crate::words::endpoint::Endpoint;

/// What is to be served once the relay runs.
pub(crate) struct OverHttp {
    control: Option<(Line, Access)>,
    control_addresses: Vec<SocketAddr>,
    metrics_addresses: Vec<SocketAddr>,
}

/// What is served, until it is dropped.
pub(crate) struct Serving {
    _control: Option<Served>,
    _metrics: Served,
}

/// Makes ready what is to be served of a relay with these options, and what takes its events for that.
pub(crate) fn prepare(
    args: &RelayArgs,
    options: &RelayOptions,
    interfaces: &Interfaces,
) -> Result<(Option<Tap>, OverHttp)> {
    let ControlArgs { control, metrics, .. } = &args.control;
    let control_addresses = served::addresses(control.as_ref(), &args.common, interfaces)?;
    let metrics_addresses = served::addresses(metrics.as_ref(), &args.common, interfaces)?;
    let (tap, control) = if control_addresses.is_empty() {
        (None, None)
    } else {
        let access = access(&args.control, &control_addresses)?;
        let (tap, line) = control::line(options);
        (Some(tap), Some((line, access)))
    };
    Ok((tap, OverHttp { control, control_addresses, metrics_addresses }))
}

/// Who may ask at these addresses.
fn access(args: &ControlArgs, addresses: &[SocketAddr]) -> Result<Access> {
    let token = match &args.control_token_file {
        Some(file) => Some(Token::read(file)?),
        None => Token::of_environment(TOKEN_VARIABLE)?,
    };
    if token.is_none()
        && let Some(open) = addresses.iter().find(|address| !address.ip().is_loopback())
    {
        let error = format!("cannot serve control on {} without a token", Endpoint(*open));
        let hint = format!(
            "anybody who reaches it could change what is relayed: give a token with --control-token-file FILE or in \
             {TOKEN_VARIABLE}, or leave out the host to serve on loopback"
        );
        return Err(Hint::on(error, hint));
    }
    let name = args.control.as_ref().and_then(|address| match &address.host {
        Some(Host::Name(name)) => Some(name.clone()),
        _ => None,
    });
    Ok(Access::new(name, token))
}

/// Where it is watched and steered.
#[derive(Serialize)]
struct ControlServed<'a> {
    #[serde(serialize_with = "endpoints")]
    addresses: &'a [SocketAddr],
}

impl Notice for ControlServed<'_> {
    fn kind(&self) -> Option<&'static str> {
        Some("control")
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn words(&self) -> Vec<String> {
        self.addresses.iter().map(|address| format!("control at http://{}/", Endpoint(*address))).collect()
    }
}

impl OverHttp {
    /// Serves it, and says where.
    pub(crate) fn serve(
        self,
        relay: &Arc<Relay>,
        listen: &[SocketAddr],
        target: Current,
        seed: u64,
        printer: &mut StdPrinter,
    ) -> Result<Serving> {
        let facts = Facts { listen: listen.to_vec(), target, seed, command: command::of_this_run() };
        let serve =
            |(line, access)| control::serve(&self.control_addresses, &access, line, relay.remote().clone(), facts);
        let control = self.control.map(serve).transpose()?;
        let watched = Arc::clone(relay);
        let metrics = metrics::serve(&self.metrics_addresses, move || watched.report())?;
        if let Some(served) = &control {
            printer.say(&ControlServed { addresses: served.addresses() });
        }
        if !metrics.addresses().is_empty() {
            printer.say(&MetricsServed { addresses: metrics.addresses() });
        }
        Ok(Serving { _control: control, _metrics: metrics })
    }
}
