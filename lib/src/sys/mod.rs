//! The only unsafe code and the only calls of the system: what a system must provide, and which file provides it.
//!
//! A *backend* moves batches between a socket and memory. There are two: [`linux`], with everything the kernel can tell,
//! and [`portable`], over socket2, which runs everywhere, on Linux too (`Options::portable`), so that the tests run it.
//! Each provides the same functions:
//!
//! | function | does |
//! |---|---|
//! | `configure(socket, options)` | sets what was asked for, returns the `Capabilities` it got |
//! | `receive(socket, slots, scratch, limits)` | fills the slots without waiting; `WouldBlock` where nothing is there |
//! | `send(socket, outgoing, scratch, limits, patience)` | sends every entry or records its failure; waits only while the buffer is full |
//! | `feedback(socket, times, report)` | reads the error queue: what was refused, when the rest left |
//! | `counts_send_times()` | whether the kernel numbers send times by itself |
//! | `kernel_drops(socket)` | datagrams the kernel discarded at this socket, where it can tell |
//! | `unsent(socket)` | bytes that were sent and have not left, where it can tell |
//!
//! Beside them stand `waiting` (for sockets: few with `poll`, many with `epoll` on Linux), `poll` (for one), `timer_slack` (how late), `wake` (ending a wait), `interfaces` (what there is, and what changes)
//! `standard_output` (whether it was closed at the start) and `handed_over` (descriptors that a service manager opened).
#![expect(unsafe_code, reason = "system calls; nothing outside this folder may contain any")]

#[cfg(target_os = "linux")]
mod calls;
pub(crate) mod cmsg;
pub(crate) mod contract;
mod control;
mod control_tables;
#[cfg(any(target_vendor = "apple", target_os = "freebsd", windows))]
mod dont_fragment;
#[cfg(not(any(target_vendor = "apple", target_os = "freebsd", windows)))]
#[path = "dont_fragment_none.rs"]
mod dont_fragment;
#[cfg(unix)]
pub(crate) mod handed_over;
#[cfg(windows)]
#[path = "handed_over_none.rs"]
pub(crate) mod handed_over;
pub(crate) mod number;
#[cfg(unix)]
mod one_message;
#[cfg(windows)]
#[path = "one_message_windows.rs"]
mod one_message;
mod own_addresses;
mod patience;
#[cfg(unix)]
pub(crate) mod poll;
#[cfg(windows)]
#[path = "poll_windows.rs"]
pub(crate) mod poll;
pub(crate) mod portable;
#[cfg(all(unix, feature = "tokio"))]
pub(crate) mod readiness;
#[cfg(unix)]
pub(crate) mod sharing;
#[cfg(windows)]
#[path = "sharing_windows.rs"]
pub(crate) mod sharing;
#[cfg(unix)]
mod socket_option;
#[cfg(windows)]
#[path = "socket_option_windows.rs"]
mod socket_option;
#[cfg(target_os = "linux")]
pub(crate) mod standard_output;
#[cfg(not(target_os = "linux"))]
#[path = "standard_output_none.rs"]
pub(crate) mod standard_output;
#[cfg(target_os = "linux")]
pub(crate) mod timer_slack;
#[cfg(not(target_os = "linux"))]
#[path = "timer_slack_none.rs"]
pub(crate) mod timer_slack;
#[cfg(target_os = "linux")]
pub(crate) mod waiting;
pub(crate) mod wake;

#[cfg(target_os = "linux")]
pub(crate) mod address;
#[cfg(target_os = "linux")]
mod epoll;
#[cfg(target_os = "linux")]
pub(crate) mod error_queue;
#[cfg(target_os = "linux")]
mod interface_address;
#[cfg(target_os = "linux")]
pub(crate) mod linux;
#[cfg(target_os = "linux")]
mod linux_option;
#[cfg(target_os = "linux")]
mod message;
#[cfg(target_os = "linux")]
mod netdevice;
#[cfg(target_os = "linux")]
pub(crate) mod netlink;
#[cfg(target_os = "linux")]
mod send_stamps;

#[cfg(target_os = "linux")]
pub(crate) use linux as native;
#[cfg(target_os = "linux")]
pub(crate) use netlink as interfaces;

#[cfg(not(target_os = "linux"))]
pub(crate) mod interfaces;
#[cfg(not(target_os = "linux"))]
pub(crate) use portable as native;

#[cfg(not(target_os = "linux"))]
pub(crate) use poll as waiting;
