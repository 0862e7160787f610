//! What the verbs share: it stands below them, and names none of them.

pub(crate) mod descriptors;
pub(crate) mod exchange;
pub(crate) mod exit;
pub(crate) mod guards;
pub(crate) mod input;
pub(crate) mod key_file;
pub(crate) mod misplaced;
pub(crate) mod missing;
#[cfg(not(feature = "http"))]
pub(crate) mod no_metrics;
pub(crate) mod output_file;
pub(crate) mod payload;
pub(crate) mod printing;
pub(crate) mod requests;
pub(crate) mod served;
pub(crate) mod signals;
pub(crate) mod sockets;
pub(crate) mod status;
pub(crate) mod tables;
pub(crate) mod writing;
