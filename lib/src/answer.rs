//! What a responder answers: always the same, an echo, a template, rules, or what somebody else makes.

use std::fmt;
use std::sync::Arc;

use crate::datagram::Datagram;
use crate::rules::{Reply, Rules};
use crate::template::Template;

/// Makes replies inside the program; `None` is no reply.
pub type ReplyMaker = Arc<dyn Fn(&Datagram<'_>) -> Option<Vec<u8>> + Send + Sync>;

/// What to answer.
///
/// ```
/// use udpkit::{Answer, Template};
///
/// # fn main() -> Result<(), udpkit::TemplateError> {
/// let fixed = Answer::fixed("Get off my lawn!");
/// let counted = Answer::from(Template::text("pong {count}")?);
/// let doubled = Answer::with(|datagram| Some(datagram.payload.repeat(2)));
/// # let _ = (fixed, counted, doubled);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Answer {
    /// Always this payload.
    Fixed(Vec<u8>),
    /// The payload of the request.
    Echo,
    /// Nothing: datagrams are taken and counted.
    Sink,
    /// This template, filled in.
    Template(Template),
    /// What the first rule says that matches.
    Rules(Arc<Rules>),
    /// What this function returns; called by each worker of a server, at the same time.
    With(ReplyMaker),
    /// What the program around the engine makes of each [question](crate::Event::Question), in its own time. Each must be
    /// told, be it that there is none ([`ServeInput::Reply`](crate::verbs::ServeInput::Reply)): a question stays open until then.
    #[non_exhaustive]
    Ask {
        /// Questions that each worker may have open; further datagrams are ignored ([`Reason::Busy`](crate::Reason::Busy)).
        most: usize,
    },
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(reply) => f.debug_tuple("Fixed").field(reply).finish(),
            Self::Echo => f.write_str("Echo"),
            Self::Sink => f.write_str("Sink"),
            Self::Template(template) => f.debug_tuple("Template").field(template).finish(),
            Self::Rules(rules) => f.debug_tuple("Rules").field(rules).finish(),
            Self::With(_) => f.write_str("With(..)"),
            Self::Ask { most } => f.debug_struct("Ask").field("most", most).finish(),
        }
    }
}

impl From<Template> for Answer {
    fn from(template: Template) -> Self {
        match template.as_fixed() {
            Some(reply) => Self::Fixed(reply.to_vec()),
            None => Self::Template(template),
        }
    }
}

impl From<Rules> for Answer {
    fn from(rules: Rules) -> Self {
        // One rule for everything is answered as fast as without rules.
        match rules.for_everything() {
            Some(Reply::Echo) => Self::Echo,
            Some(Reply::Template(template)) if template.as_fixed().is_some() => template.clone().into(),
            _ => Self::Rules(Arc::new(rules)),
        }
    }
}

impl Answer {
    /// Always this payload.
    #[must_use]
    pub fn fixed(reply: impl Into<Vec<u8>>) -> Self {
        Self::Fixed(reply.into())
    }

    /// What this function returns, if anything.
    #[must_use]
    pub fn with(make: impl Fn(&Datagram<'_>) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::With(Arc::new(make))
    }

    /// What the program around the engine makes of each [question](crate::event::Question), of which each worker may have this many open.
    #[must_use]
    pub fn ask(most: usize) -> Self {
        Self::Ask { most }
    }

    /// Whether a reply tells the time of arrival, so that sockets should tell it ([`Options::timestamps`]).
    ///
    /// [`Options::timestamps`]: crate::Options::timestamps
    #[must_use]
    pub fn tells_time(&self) -> bool {
        match self {
            Self::Template(template) => template.tells_time(),
            Self::Rules(rules) => rules.tell_time(),
            Self::Fixed(_) | Self::Echo | Self::Sink | Self::With(_) | Self::Ask { .. } => false,
        }
    }

    /// Whether equal requests have equal replies, which are made at no cost, so that a run of them can be answered as one.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Fixed(_) | Self::Echo | Self::Sink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rule;
    use std::time::Duration;

    #[test]
    fn one_rule_for_everything_is_a_plain_answer() {
        let of = |rule: Rule| Answer::from(Rules::from_iter([rule]));
        let pong = || Rule::any().reply(Template::text("pong").expect("it has no places"));
        assert!(of(pong()).is_plain() && of(Rule::any().echo()).is_plain());
        let others = [
            Rule::any(),
            pong().payload("ping"),
            pong().length(0..=10),
            pong().delay(Duration::ZERO..=Duration::from_millis(1)),
            pong().loses(0.1),
            Rule::any().reply(Template::text("{count}").expect("a place that there is")),
        ];
        for rule in others {
            assert!(!of(rule.clone()).is_plain(), "{rule:?}");
        }
    }
}
