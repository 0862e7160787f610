//! Numbers that people write as words: limits that can be off, code points of RFCs.

/// A number, or no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberOrOff {
    Number(u32),
    Off,
}

/// Parses a number from 1 on, or `off`.
pub(crate) fn number_or_off(text: &str) -> Result<NumberOrOff, String> {
    match text.parse() {
        _ if text == "off" => Ok(NumberOrOff::Off),
        Ok(number) if number > 0 => Ok(NumberOrOff::Number(number)),
        _ => Err(format!("'{text}' is neither a number from 1 on nor 'off'")),
    }
}

/// The names of RFC 2474 (CS), RFC 2597 (AF), RFC 3246 (EF) and RFC 8622 (LE).
pub(crate) fn dscp(text: &str) -> Result<u8, String> {
    let name = text.to_ascii_uppercase();
    let digits = |prefix: &str| name.strip_prefix(prefix).map(str::as_bytes);
    let value = match (name.as_str(), digits("CS"), digits("AF")) {
        ("EF", ..) => Some(46),
        ("LE", ..) => Some(1),
        (_, Some([class @ b'0'..=b'7']), _) => Some((class - b'0') * 8),
        (_, _, Some([class @ b'1'..=b'4', drop @ b'1'..=b'3'])) => Some((class - b'0') * 8 + (drop - b'0') * 2),
        _ => text.parse().ok().filter(|value| *value < 64),
    };
    value.ok_or_else(|| format!("'{text}' is not a DSCP; write 0 to 63, EF, LE, CS0 to CS7 or AF11 to AF43"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dscp_names() {
        let cases =
            [("EF", 46), ("ef", 46), ("CS0", 0), ("CS7", 56), ("AF41", 34), ("AF11", 10), ("le", 1), ("63", 63)];
        for (text, value) in cases {
            assert_eq!(dscp(text), Ok(value), "{text}");
        }
        for wrong in ["64", "AF44", "AF51", "CS8", "", "-1"] {
            assert!(dscp(wrong).is_err(), "{wrong}");
        }
    }
}
