//! Networks as others measured or chose them, as words; each says where its figures are from.

use std::path::Path;

use super::value::Files;
use super::words::{Changes, Mistake, Words};
use crate::words::spelling::nearest;

/// A set of words with a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    /// Where the figures are from, and what was made of them.
    pub(crate) source: &'static str,
    up: &'static [(&'static str, &'static str)],
    down: &'static [(&'static str, &'static str)],
}

/// All presets. A round trip that was measured is shared out between both directions in equal parts.
pub(crate) const PRESETS: &[Preset] = &[
    Preset {
        name: "dsl",
        source: "Firefox, throttling of the network monitor: DSL, 2 and 1 Mbit/s, at least 5 ms; chosen, not measured",
        up: &[("rate", "1Mbit/s"), ("delay", "2500us")],
        down: &[("rate", "2Mbit/s"), ("delay", "2500us")],
    },
    Preset {
        name: "lte",
        source: "ERRANT, profiles.csv: Telenor Norway, 4G, good signal; means of speed tests: 35.6 and 16.4 Mbit/s, 89.6 ms",
        up: &[("rate", "16.4Mbit/s"), ("delay", "44800us")],
        down: &[("rate", "35.6Mbit/s"), ("delay", "44800us")],
    },
    Preset {
        name: "lte-bad",
        source: "ERRANT, profiles.csv: net1 Norway, 4G, bad signal; means of speed tests: 3.30 and 0.150 Mbit/s, 112.9 ms",
        up: &[("rate", "150kbit/s"), ("delay", "56450us")],
        down: &[("rate", "3.3Mbit/s"), ("delay", "56450us")],
    },
    Preset {
        name: "3g",
        source: "ERRANT, profiles.csv: 3 Sweden, 3G, bad signal; means of speed tests: 3.08 and 0.909 Mbit/s, 145.3 ms",
        up: &[("rate", "909kbit/s"), ("delay", "72650us")],
        down: &[("rate", "3.08Mbit/s"), ("delay", "72650us")],
    },
    Preset {
        name: "satellite",
        source: "Michel et al., A First Look at Starlink Performance, IMC 2022: geostationary, at least 600 ms, up to 100 and 10 Mbit/s by contract",
        up: &[("rate", "10Mbit/s"), ("delay", "300ms")],
        down: &[("rate", "100Mbit/s"), ("delay", "300ms")],
    },
    Preset {
        name: "wifi-bad",
        source: "Pei et al., WiFi Can Be the Weakest Link of Round Trip Network Latency in the Wild, INFOCOM 2016: the Wi-Fi hop takes \
                 over 20 ms for more than half of the packets, over 100 ms for a tenth; here for 70 % and a tenth of round trips",
        up: &[("jitter", "42ms:pareto")],
        down: &[("jitter", "42ms:pareto")],
    },
];

impl Preset {
    /// The preset of this name; else an error with those that there are.
    pub(crate) fn named(name: &str) -> Result<&'static Self, String> {
        let names = || PRESETS.iter().map(|preset| preset.name);
        PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| match nearest(name, names()) {
            Some(meant) => format!("there is no preset '{name}'; did you mean {meant}?"),
            None => format!("there is no preset '{name}'; there are {}", names().collect::<Vec<_>>().join(", ")),
        })
    }

    /// What a link does from peers to the target.
    pub(crate) fn up(&self) -> Words {
        words(self.up).expect("a test reads it")
    }

    /// What a link does from the target to peers.
    pub(crate) fn down(&self) -> Words {
        words(self.down).expect("a test reads it")
    }
}

fn words(pairs: &[(&str, &str)]) -> Result<Words, Mistake> {
    Changes::read(pairs.iter().map(|(name, text)| (*name, Some(*text))), &Files::In(Path::new("")))?.words()
}
