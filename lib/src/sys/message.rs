//! Headers and control buffers of `recvmsg(2)` and `sendmsg(2)`, and values that are read from them.

use std::time::{Duration, SystemTime};

use super::cmsg;
pub(super) use super::cmsg::{Control, int};

/// Room for every control message that a socket can be asked for, of both families, and one to spare.
pub(super) const RECEIVE_CONTROL: usize = cmsg::space(12) // in_pktinfo
    + cmsg::space(20) // in6_pktinfo
    + cmsg::space(16) // timespec
    + cmsg::space(48) // scm_timestamping
    + cmsg::space(4) * 9 // drops, segment size, and hop limit, traffic class and fragments of both families, one to spare
    + cmsg::space(64);

/// An empty header.
pub(super) fn header() -> libc::mmsghdr {
    // SAFETY: null pointers and zero lengths are a valid `mmsghdr`.
    unsafe { std::mem::zeroed() }
}

/// Bytes of control messages that came with a message; the C libraries disagree on the type.
#[allow(clippy::unnecessary_cast, reason = "not of this type in every C library")]
pub(super) fn control_len(header: &libc::msghdr) -> usize {
    header.msg_controllen as usize
}

/// `struct timespec`, of 64-bit or 32-bit fields.
pub(super) fn timestamp(data: &[u8]) -> Option<SystemTime> {
    let (seconds, nanoseconds) = if let Some(wide) = data.first_chunk::<16>() {
        let (seconds, nanoseconds) = wide.split_at(8);
        (i64::from_ne_bytes(*seconds.first_chunk()?), i64::from_ne_bytes(*nanoseconds.first_chunk()?))
    } else {
        let narrow = data.first_chunk::<8>()?;
        let (seconds, nanoseconds) = narrow.split_at(4);
        (int(seconds)?.into(), int(nanoseconds)?.into())
    };
    let duration =
        Duration::new(seconds.try_into().ok()?, u32::try_from(nanoseconds).ok().filter(|&n| n < 1_000_000_000)?);
    SystemTime::UNIX_EPOCH.checked_add(duration)
}
