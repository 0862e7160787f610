//! From words to what the library is asked for, and back.

use std::collections::BTreeMap;
use std::time::Duration;

use udpkit::impairment::{Capacity, Chosen, ImpairmentOptions, Jitter, Loss, Rate};

use super::name::Name;
use super::value::{QUEUE, Value};
use super::words::Words;

/// Bytes of the headers that each datagram has on a link with a rate: IPv4 and UDP.
const HEADERS: usize = 28;
impl Words {
    /// What the library is asked for.
    pub(crate) fn options(&self) -> ImpairmentOptions {
        let options = self.values().fold(ImpairmentOptions::default(), |options, value| value.apply(options));
        let capacity = self.values().find_map(|value| match value {
            Value::Rate(bits) => Some(Capacity::Constant(*bits)),
            Value::Trace(trace) => Some(trace.clone().into()),
            _ => None,
        });
        let Some(capacity) = capacity else { return options };
        let rate = Rate::new(capacity, QUEUE).overhead(HEADERS);
        options.rate(self.values().fold(rate, |rate, value| match value {
            Value::Queue(queue) => rate.queue(*queue),
            Value::Codel(codel) => rate.codel(*codel),
            _ => rate,
        }))
    }

    /// The words that ask the library for this, as far as there are words for it.
    pub(crate) fn of(options: &ImpairmentOptions) -> Self {
        let ImpairmentOptions {
            matching,
            from,
            drop,
            loss,
            blackout,
            mtu,
            duplicate,
            corrupt,
            rate,
            delay,
            jitter,
            ..
        } = options;
        let chance = |chance: f64| (chance > 0.0).then_some(chance);
        let time = |time: Duration| (!time.is_zero()).then_some(time);
        let (delay_in_bad, loss) = match loss {
            Loss::Bursts(chain) => (chain.delay_in_bad, Loss::Bursts(chain.delay_in_bad(Duration::ZERO))),
            loss => (Duration::ZERO, loss.clone()),
        };
        let rate = rate.as_ref();
        let values = [
            matching.clone().map(Value::Match),
            (!from.is_empty()).then(|| Value::From(from.clone())),
            (*drop != Chosen::None).then(|| Value::Drop(drop.clone())),
            (loss != Loss::None).then_some(Value::Loss(loss)),
            time(delay_in_bad).map(Value::DelayInBad),
            blackout.map(Value::Blackout),
            mtu.map(Value::Mtu),
            chance(*duplicate).map(Value::Duplicate),
            chance(*corrupt).map(Value::Corrupt),
            rate.and_then(|rate| match &rate.capacity {
                Capacity::Constant(bits) => Some(Value::Rate(*bits)),
                Capacity::Trace(trace) => Some(Value::Trace(trace.clone())),
                _ => None,
            }),
            rate.map(|rate| Value::Queue(rate.queue)),
            rate.and_then(|rate| rate.codel).map(Value::Codel),
            time(*delay).map(Value::Delay),
            (*jitter != Jitter::None).then_some(Value::Jitter(*jitter)),
            (!options.keep_order).then_some(Value::AllowReorder),
            options.reorder.map(Value::Reorder),
        ];
        Self(values.into_iter().flatten().map(|value| (value.name(), value)).collect())
    }
}

impl Value {
    /// These options with this value; what several values make together is left out.
    fn apply(&self, options: ImpairmentOptions) -> ImpairmentOptions {
        match self.clone() {
            Self::Match(matching) => options.matching(matching),
            Self::From(networks) => options.from(networks),
            Self::Drop(chosen) => options.drop(chosen),
            Self::Loss(Loss::Bursts(chain)) => options.loss(chain),
            Self::Loss(loss) => options.loss(loss),
            Self::DelayInBad(time) => match options.loss {
                Loss::Bursts(chain) => options.loss(chain.delay_in_bad(time)),
                _ => options,
            },
            Self::Blackout(blackout) => options.blackout(blackout),
            Self::Mtu(bytes) => options.mtu(bytes),
            Self::Duplicate(chance) => options.duplicate(chance),
            Self::Corrupt(chance) => options.corrupt(chance),
            Self::Rate(_) | Self::Trace(_) | Self::Queue(_) | Self::Codel(_) => options,
            Self::Delay(time) => options.delay(time),
            Self::Jitter(jitter) => options.jitter(jitter),
            Self::AllowReorder => options.keep_order(false),
            Self::Reorder(reorder) => options.reorder(reorder),
        }
    }

    /// Refuses what the library refuses of this value alone.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut words = Words(BTreeMap::from([(self.name(), self.clone())]));
        if matches!(self, Self::Codel(_) | Self::Queue(_)) {
            words.0.insert(Name::Rate, Self::Rate(1));
        }
        words.options().check().map_err(|error| error.cause().to_string())
    }
}
