//! Random numbers by their place: the nth of a stage is known without those before it.

/// What a random number decides. Each stage has a stream of its own: using one more changes nothing that another decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Whether the network gets better or worse after this datagram ([`GilbertElliott`](super::GilbertElliott)).
    State,
    /// Whether the datagram is lost.
    Loss,
    /// Whether a copy of it arrives too.
    Duplicate,
    /// Whether one of its bits arrives inverted.
    Corrupt,
    /// How much earlier or later it leaves.
    Jitter,
    /// Whether others overtake it.
    Reorder,
}

impl Stage {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::State, Self::Loss, Self::Duplicate, Self::Corrupt, Self::Jitter, Self::Reorder];

    /// Its name where it is a key: in JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Loss => "loss",
            Self::Duplicate => "duplicate",
            Self::Corrupt => "corrupt",
            Self::Jitter => "jitter",
            Self::Reorder => "reorder",
        }
    }
}

/// Draws of one stage for one datagram.
const DRAWS: u64 = 4;
/// The step of SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// All streams of one seed: SplitMix64 (Steele, Lea, Flood 2014), whose nth number needs none of those before it. A crate's
/// generator may change with its version (`fastrand`'s did in 2.1); the fates of a seed may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Random {
    key: u64,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { key: mix(seed.wrapping_add(STEP)) }
    }

    /// All 64 bits of a draw: `which` of those that a stage makes for the datagram of this number.
    pub(super) fn bits(self, stage: Stage, number: u64, which: u64) -> u64 {
        let stream = mix(self.key ^ (stage as u64 * DRAWS + which));
        mix(stream.wrapping_add(number.wrapping_mul(STEP)))
    }

    /// A draw as a number from 0 up to, but not including, 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a number from 0 to 1 has")]
    pub(super) fn unit(self, stage: Stage, number: u64, which: u64) -> f64 {
        (self.bits(stage, number, which) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub(super) fn happens(self, probability: f64, stage: Stage, number: u64, which: u64) -> bool {
        probability > 0.0 && self.unit(stage, number, which) < probability
    }

    /// A draw as a whole number below this one, each as likely as the others.
    pub(super) fn below(self, most: u64, stage: Stage, number: u64, which: u64) -> u64 {
        let product = u128::from(self.bits(stage, number, which)) * u128::from(most);
        u64::try_from(product >> 64).expect("the upper half of 128 bits has 64")
    }
}

/// A seed for each of several links, of the one seed and of what names the link (FNV-1a).
pub(crate) fn seed_with(seed: u64, name: impl Iterator<Item = u8>) -> u64 {
    name.fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The finisher of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        // The first numbers of the reference implementation for the seed 1234567.
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        let drawn = [1, 2, 3].map(|number: u64| mix(1_234_567u64.wrapping_add(number.wrapping_mul(STEP))));
        assert_eq!(drawn, expected);
    }

    #[test]
    fn a_draw_below_a_number_reaches_all_of_it_and_no_more() {
        let random = Random::new(7);
        let mut seen = [false; 9];
        for number in 0..1000 {
            seen[usize::try_from(random.below(9, Stage::Corrupt, number, 1)).expect("it is below 9")] = true;
        }
        assert_eq!(seen, [true; 9]);
    }
}
