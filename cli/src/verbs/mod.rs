//! The verbs, a folder each; none of them names another.

pub(crate) mod listen;
pub(crate) mod replay;
pub(crate) mod serve;
