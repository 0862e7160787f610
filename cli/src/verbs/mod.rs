//! The verbs, a folder each; none of them names another.

pub(crate) mod broadcast;
pub(crate) mod check;
pub(crate) mod documents;
pub(crate) mod interfaces;
pub(crate) mod listen;
pub(crate) mod measure;
pub(crate) mod reflect;
pub(crate) mod relay;
pub(crate) mod replay;
pub(crate) mod send;
pub(crate) mod serve;
