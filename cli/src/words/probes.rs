//! What probes of `udp measure` are like: their sizes, their marks, and profiles, sets of options with a name.

use crate::words::spelling::nearest;

/// Sizes that are sent one after another, in a list; more are a mistake.
const MOST_SIZES: usize = 4_096;
/// The smallest payload of a probe: without an extension (RFC 8762 section 4.2.1).
const SMALLEST: usize = 44;
/// The largest payload: that of IPv4.
const LARGEST: usize = 65_507;

/// Payload sizes in bytes, used one after another, again and again. At least one, each from 44 to 65,507.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sizes(Vec<usize>);

impl Sizes {
    /// The sizes in the order in which they are used.
    pub(crate) fn each(&self) -> &[usize] {
        &self.0
    }
}

/// Parses `172`, a list: `64,512,1400`, and ranges: `64..1400` or, in steps of 64 bytes, `64..1400:64`.
pub(crate) fn sizes(text: &str) -> Result<Sizes, String> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (range, step) = part.split_once(':').unwrap_or((part, "1"));
        let (first, last) = range.split_once("..").unwrap_or((range, range));
        if part.contains(':') && !range.contains("..") {
            return Err(wrong(text));
        }
        let (first, last, step) = (size(first, text)?, size(last, text)?, number(step, text)?);
        if last < first {
            return Err(format!("the range of sizes {range} ends before it begins"));
        }
        if step == 0 {
            return Err(format!("the sizes of {part} have steps of 0 bytes; write 1 or more"));
        }
        if all.len() + (last - first) / step >= MOST_SIZES {
            return Err(format!("'{text}' has more than {MOST_SIZES} sizes, the most that are taken"));
        }
        all.extend((first..=last).step_by(step));
    }
    Ok(Sizes(all))
}

fn wrong(text: &str) -> String {
    format!("'{text}' is no size or list of sizes; write bytes as 172, 64,512,1400, or 64..1400:64")
}

fn number(digits: &str, text: &str) -> Result<usize, String> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number).ok_or_else(|| wrong(text))
}

fn size(digits: &str, text: &str) -> Result<usize, String> {
    let size = number(digits, text)?;
    match (SMALLEST..=LARGEST).contains(&size) {
        true => Ok(size),
        false => Err(format!("a probe of {digits} bytes cannot be sent; payloads have {SMALLEST} to {LARGEST}")),
    }
}

/// Parses an ECN code point by number or name (RFC 3168).
pub(crate) fn ecn(text: &str) -> Result<u8, String> {
    match text.to_ascii_lowercase().as_str() {
        "0" | "not-ect" => Ok(0),
        "1" | "ect1" => Ok(1),
        "2" | "ect0" => Ok(2),
        "3" | "ce" => Ok(3),
        _ => Err(format!("'{text}' is not an ECN code point; write 0 to 3, not-ect, ect1, ect0 or ce")),
    }
}

/// Options of `udp measure` with a name: what a kind of program sends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    /// Where the figures are from.
    pub(crate) source: &'static str,
    interval: &'static str,
    size: &'static str,
    dscp: Option<&'static str>,
}

/// All profiles.
pub(crate) const PROFILES: &[Profile] = &[
    Profile {
        name: "voip",
        source: "a call with G.711: 160 bytes each 20 ms (RFC 3551) and 12 of RTP; telephony is marked EF (RFC 4594)",
        interval: "20ms",
        size: "172",
        dscp: Some("EF"),
    },
    Profile {
        name: "game",
        source: "Feng et al., Provisioning On-line Games, IMW 2002: a Counter-Strike server sends each player 130 bytes every 50 ms",
        interval: "50ms",
        size: "130",
        dscp: None,
    },
];

impl Profile {
    /// The profile of this name; else an error with those that there are.
    pub(crate) fn named(name: &str) -> Result<&'static Self, String> {
        let names = || PROFILES.iter().map(|profile| profile.name);
        PROFILES.iter().find(|profile| profile.name == name).ok_or_else(|| match nearest(name, names()) {
            Some(meant) => format!("there is no profile '{name}'; did you mean {meant}?"),
            None => format!("there is no profile '{name}'; there are {}", names().collect::<Vec<_>>().join(", ")),
        })
    }

    /// Time from one probe to the next.
    pub(crate) fn interval(&self) -> std::time::Duration {
        crate::words::units::duration(self.interval).expect("a test reads it")
    }

    /// The size of each probe.
    pub(crate) fn sizes(&self) -> Sizes {
        sizes(self.size).expect("a test reads it")
    }

    /// The mark of each probe, if it has one.
    pub(crate) fn dscp(&self) -> Option<u8> {
        self.dscp.map(|name| crate::words::numbers::dscp(name).expect("a test reads it"))
    }

    /// What it stands for, as options.
    pub(crate) fn options(&self) -> String {
        let dscp = self.dscp.map(|name| format!(" --dscp {name}")).unwrap_or_default();
        format!("--interval {} --size {}{dscp}", self.interval, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_a_number_a_list_or_a_range() {
        for (text, expected) in [
            ("172", &[172][..]),
            ("64,512,1400", &[64, 512, 1400]),
            ("1400,64", &[1400, 64]),
            ("44..46", &[44, 45, 46]),
            ("64..256:64", &[64, 128, 192, 256]),
            ("64..255:64,65507", &[64, 128, 192, 65_507]),
        ] {
            assert_eq!(sizes(text).unwrap().each(), expected, "{text}");
        }
        assert_eq!(sizes("44..4139").unwrap().each().len(), MOST_SIZES);
    }

    #[test]
    fn mistakes_in_sizes() {
        for (text, words) in [
            ("", "'' is no size or list of sizes"),
            ("64,", "'64,' is no size"),
            ("1KiB", "'1KiB' is no size"),
            ("+64", "'+64' is no size"),
            ("64:64", "'64:64' is no size"),
            ("64..", "'64..' is no size"),
            ("64..128:x", "is no size"),
            ("43", "a probe of 43 bytes cannot be sent; payloads have 44 to 65507"),
            ("65508", "payloads have 44 to 65507"),
            ("0", "payloads have 44 to 65507"),
            ("99999999999999999999", "is no size"),
            ("128..64", "128..64 ends before it begins"),
            ("64..128:0", "steps of 0 bytes"),
            ("44..4140", "more than 4096 sizes"),
            ("44..65507,44..65507", "more than 4096 sizes"),
        ] {
            let error = sizes(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn ecn_names() {
        for (text, value) in [("0", 0), ("not-ect", 0), ("ECT0", 2), ("ect1", 1), ("CE", 3), ("2", 2)] {
            assert_eq!(ecn(text), Ok(value), "{text}");
        }
        for wrong in ["", "4", "ect", "-1", "ect2"] {
            assert!(ecn(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn profiles_are_options_that_can_be_read() {
        for profile in PROFILES {
            assert!(profile.interval() > std::time::Duration::ZERO && profile.sizes().each().len() == 1);
            assert_eq!(profile.dscp().is_some(), profile.options().contains("--dscp"), "{profile:?}");
            assert_eq!(Profile::named(profile.name), Ok(profile));
        }
        assert_eq!(Profile::named("voip").unwrap().options(), "--interval 20ms --size 172 --dscp EF");
        assert_eq!(Profile::named("voi").unwrap_err(), "there is no profile 'voi'; did you mean voip?");
        assert_eq!(Profile::named("video").unwrap_err(), "there is no profile 'video'; there are voip, game");
    }
}
