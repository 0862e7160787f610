//! `udp measure`: what becomes of datagrams on a path, in both directions.
#![allow(dead_code, reason = "until the verb is in the help")]

mod compare;
mod explain;
mod fail_if;
mod named;
mod readings;
mod targets;
