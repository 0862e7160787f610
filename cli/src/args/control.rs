//! Flags that let others watch and steer a verb over HTTP.

use std::path::PathBuf;

use clap::Args as ArgGroup;

use crate::words::address::Address;

/// The variable that may hold the token.
pub(crate) const TOKEN_VARIABLE: &str = "UDP_CONTROL_TOKEN";

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Control")]
pub(crate) struct ControlArgs {
    /// Watch and steer it in a browser or with curl at this address; without a host, on loopback
    ///
    /// Anyone who can reach the address sees what is relayed, and can change what becomes of it. So every address except
    /// loopback needs a token.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) control: Option<Address>,
    /// The token that requests must have is the first line of this file [default: $UDP_CONTROL_TOKEN]
    ///
    /// 16 characters or more. Requests have it in a header, `Authorization: Bearer TOKEN`; the page, in its address: /#token=TOKEN
    #[arg(long, value_name = "FILE", requires = "control")]
    pub(crate) control_token_file: Option<PathBuf>,
    /// Serve metrics for Prometheus over HTTP at this address; without a host, on loopback
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<Address>,
}
