//! Rules: which datagram gets which reply, when, and how surely.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::datagram::Datagram;
use crate::impairment::{Impairment, ImpairmentOptions, Jitter, Loss};
use crate::network::Network;
use crate::payload_match::PayloadMatch;
use crate::template::Template;

/// No reply is held back for longer than a year.
const LONGEST_DELAY: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What a responder does with which datagrams: the first rule that matches decides, and without one there is no reply.
///
/// ```
/// # use udpkit::{Rule, Rules, Template};
/// # fn main() -> Result<(), udpkit::TemplateError> {
/// let rules = Rules::from_iter([
///     Rule::any().payload("GET temperature").reply(Template::text("21.5")?),
///     Rule::any().prefix("SET ").length(5..=64).reply(Template::text("OK {payload[4..]}")?).loses(0.1),
/// ]);
/// # let _ = rules;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rules {
    list: Vec<Rule>,
    seed: Option<u64>,
    watch: Option<Watch>,
}

/// Is shown each datagram that is looked up, and the place of the rule that decides on it.
type WatchFn = dyn Fn(&Datagram<'_>, Option<usize>) + Send + Sync;

/// Whoever watches what rules decide on.
#[derive(Clone)]
struct Watch(Arc<WatchFn>);

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// What a datagram must be, and what is done with it.
///
/// ```
/// use std::time::Duration;
/// use udpkit::{Rule, Template};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let slow = Duration::from_millis(20)..=Duration::from_millis(80);
/// let rule = Rule::any().prefix("GET ").from("10.0.0.0/8".parse()?).reply(Template::text("21.5")?).delay(slow).loses(0.05);
/// # let _ = rule;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Rule {
    pattern: Pattern,
    /// Bytes of payload.
    length: RangeInclusive<usize>,
    /// Networks of the source; all where there are none.
    from: Vec<Network>,
    reply: Reply,
    delay: RangeInclusive<Duration>,
    /// Which replies are left out.
    loss: Loss,
}

/// What a payload must be.
#[derive(Clone)]
enum Pattern {
    Any,
    Exact(Vec<u8>),
    Prefix(Vec<u8>),
    Test(PayloadMatch),
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Template(Template),
    /// One after the other.
    InTurn(Arc<Turns>),
    Echo,
    Nothing,
}

/// Replies that are given one after the other, the last of them for ever. The workers of a server share them.
#[derive(Debug)]
pub(crate) struct Turns {
    replies: Vec<Template>,
    given: AtomicUsize,
}

impl Turns {
    /// The reply whose turn it is; `None` where there are none at all.
    pub(crate) fn next(&self) -> Option<&Template> {
        let last = self.replies.len().checked_sub(1)?;
        // It stays where it is at the last one, and so never begins again.
        let turn = self.given.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |given| Some((given + 1).min(last)));
        self.replies.get(turn.unwrap_or(last))
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reply, delay, loss, .. } = self;
        write!(f, "Rule {{ {self}, reply: {reply:?}, delay: {delay:?}, loss: {loss:?} }}")
    }
}

/// Which datagrams it is for: `payload "GET temperature"`, `payload that begins with "SET ", of 5 to 64 bytes, from 10.0.0.0/8`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Pattern::Any => f.write_str("any payload")?,
            Pattern::Exact(bytes) => write!(f, "payload \"{}\"", bytes.escape_ascii())?,
            Pattern::Prefix(bytes) => write!(f, "payload that begins with \"{}\"", bytes.escape_ascii())?,
            Pattern::Test(_) => f.write_str("payload that passes a test")?,
        }
        match (*self.length.start(), *self.length.end()) {
            (0, usize::MAX) => {}
            (least, usize::MAX) => write!(f, ", of at least {least} bytes")?,
            (least, most) if least == most => write!(f, ", of {least} bytes")?,
            (least, most) => write!(f, ", of {least} to {most} bytes")?,
        }
        for (place, network) in self.from.iter().enumerate() {
            write!(f, "{} {network}", if place == 0 { ", from" } else { " or" })?;
        }
        Ok(())
    }
}

impl Rule {
    /// Every datagram, and no reply to it.
    #[must_use]
    pub fn any() -> Self {
        Self {
            pattern: Pattern::Any,
            length: 0..=usize::MAX,
            from: Vec::new(),
            reply: Reply::Nothing,
            delay: Duration::ZERO..=Duration::ZERO,
            loss: Loss::None,
        }
    }

    /// Only this payload.
    #[must_use]
    pub fn payload(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self { pattern: Pattern::Exact(bytes.into()), ..self }
    }

    /// Only payloads that begin so.
    #[must_use]
    pub fn prefix(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self { pattern: Pattern::Prefix(bytes.into()), ..self }
    }

    /// Only payloads for which this holds.
    #[must_use]
    pub fn test(self, test: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self { pattern: Pattern::Test(Arc::new(test)), ..self }
    }

    /// Only payloads of as many bytes.
    #[must_use]
    pub fn length(self, length: RangeInclusive<usize>) -> Self {
        Self { length, ..self }
    }

    /// Only sources in this network, or in one of those named before.
    #[must_use]
    pub fn from(mut self, network: Network) -> Self {
        self.from.push(network);
        self
    }

    /// Replies with this.
    #[must_use]
    pub fn reply(self, template: Template) -> Self {
        Self { reply: Reply::Template(template), ..self }
    }

    /// Replies with these payloads, taken literally: each time with the next one, and once there is none left, with the last one
    /// again. A reply that [`loses`](Self::loses) leaves out keeps its turn.
    #[must_use]
    pub fn replies<P: Into<Vec<u8>>>(self, payloads: impl IntoIterator<Item = P>) -> Self {
        let replies = payloads.into_iter().map(Template::literal).collect();
        Self { reply: Reply::InTurn(Arc::new(Turns { replies, given: AtomicUsize::new(0) })), ..self }
    }

    /// Replies with what was received.
    #[must_use]
    pub fn echo(self) -> Self {
        Self { reply: Reply::Echo, ..self }
    }

    /// Replies after a time between these two, each as likely as the other; a year at most.
    #[must_use]
    pub fn delay(self, delay: RangeInclusive<Duration>) -> Self {
        Self { delay, ..self }
    }

    /// Leaves out replies as a network loses datagrams: each with a probability from 0 to 1, in bursts, or as a pattern says.
    ///
    /// ```
    /// use udpkit::Rule;
    /// use udpkit::impairment::{GilbertElliott, Pattern};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let often = Rule::any().echo().loses(0.2);
    /// let in_bursts = Rule::any().echo().loses(GilbertElliott::bursts(0.2, 4.0)?);
    /// let every_third = Rule::any().echo().loses(Pattern::parse("..x")?);
    /// # let _ = (often, in_bursts, every_third);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn loses(self, loss: impl Into<Loss>) -> Self {
        Self { loss: loss.into().clamped(), ..self }
    }

    fn matches(&self, datagram: &Datagram<'_>) -> bool {
        let source = datagram.meta.source.ip();
        self.length.contains(&datagram.wire_len)
            && (self.from.is_empty() || self.from.iter().any(|network| network.contains(source)))
            && match &self.pattern {
                Pattern::Any => true,
                Pattern::Exact(bytes) => datagram.payload == bytes,
                Pattern::Prefix(bytes) => datagram.payload.starts_with(bytes),
                Pattern::Test(test) => test(datagram.payload),
            }
    }

    pub(crate) fn answer(&self) -> &Reply {
        &self.reply
    }

    /// What becomes of its replies, as of the datagrams of a link: a later one may leave earlier.
    fn impairment(&self) -> ImpairmentOptions {
        let (least, most) = (*self.delay.start(), *self.delay.end());
        let half = most.saturating_sub(least).min(LONGEST_DELAY) / 2;
        ImpairmentOptions::default()
            .loss(self.loss.clone())
            .delay(least.min(LONGEST_DELAY - half) + half)
            .jitter(if half.is_zero() { Jitter::None } else { Jitter::Uniform(half) })
            .keep_order(false)
    }

    fn tells_time(&self) -> bool {
        matches!(&self.reply, Reply::Template(template) if template.tells_time())
    }
}

impl Rules {
    /// Draws all chances from this seed: the same datagrams in the same order get the same replies from one worker, and the nth
    /// reply of a rule has the same fate whatever other rules reply.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a reply tells the time of arrival.
    #[must_use]
    pub fn tell_time(&self) -> bool {
        self.list.iter().any(Rule::tells_time)
    }

    /// The reply to every datagram, where the first rule matches all and neither delays nor leaves out.
    pub(crate) fn for_everything(&self) -> Option<&Reply> {
        let first = self.list.first().filter(|_| self.watch.is_none())?;
        let matches_all =
            matches!(first.pattern, Pattern::Any) && first.length == (0..=usize::MAX) && first.from.is_empty();
        let at_once = first.delay.end().is_zero() && first.loss == Loss::None;
        (matches_all && at_once).then_some(&first.reply)
    }

    /// The first rule that a datagram matches, and its place.
    pub(crate) fn first(&self, datagram: &Datagram<'_>) -> Option<(usize, &Rule)> {
        let place = self.list.iter().position(|rule| rule.matches(datagram));
        if let Some(Watch(watch)) = &self.watch {
            watch(datagram, place);
        }
        Some((place?, self.list.get(place?)?))
    }

    /// Shows each datagram to this function, and the place of the rule that decides on it.
    pub(crate) fn watched(self, watch: Arc<WatchFn>) -> Self {
        Self { watch: Some(Watch(watch)), ..self }
    }

    /// What decides on the replies of each, from this moment on.
    pub(crate) fn impairments(&self, now: Instant) -> Vec<Impairment> {
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        let seeds = (0..).map(|place| seed.wrapping_add(place));
        let of = |(rule, seed): (&Rule, u64)| Impairment::new(rule.impairment(), seed, now);
        self.list.iter().zip(seeds).map(|both| of(both).expect("it is within its bounds")).collect()
    }
}

impl FromIterator<Rule> for Rules {
    fn from_iter<T: IntoIterator<Item = Rule>>(rules: T) -> Self {
        Self { list: rules.into_iter().collect(), seed: None, watch: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_counted() {
        assert!(Rules::default().is_empty());
        let rules = Rules::from_iter([Rule::any(), Rule::any().echo()]);
        assert_eq!((rules.len(), rules.is_empty()), (2, false));
    }

    #[test]
    fn rules_tell_the_time_if_any_reply_does() {
        let reply = |text| Rule::any().reply(Template::text(text).expect("it is one"));
        let cases = [
            (vec![], false),
            (vec![Rule::any(), Rule::any().echo(), reply("{count}")], false),
            (vec![reply("{count}"), reply("{time}")], true),
        ];
        for (rules, tells_time) in cases {
            assert_eq!(Rules::from_iter(rules.clone()).tell_time(), tells_time, "{rules:?}");
        }
    }
}
