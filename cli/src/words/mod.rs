//! What people write on the command line and in files, parsed into types that cannot be wrong.

pub(crate) mod address;
pub(crate) mod bytes;
pub(crate) mod endpoint;
pub(crate) mod excerpt;
pub(crate) mod figures;
mod foreign;
pub(crate) mod format;
pub(crate) mod impairments;
pub(crate) mod language;
pub(crate) mod numbers;
pub(crate) mod probes;
pub(crate) mod range;
pub(crate) mod spelling;
pub(crate) mod text_file;
pub(crate) mod units;
