//! The figures of `udp measure` by their names: `loss`, `forward.delay.p99`; the same for conditions, comparisons and explanations.

mod condition;
mod figure;
mod quantity;
mod scope;
mod texts;
mod topic;

pub(crate) use condition::{Condition, Known, Outcome};
pub(crate) use figure::Figure;
pub(crate) use quantity::{Quantity, Unit};
pub(crate) use scope::{Scope, Statistic};
pub(crate) use topic::Topic;
