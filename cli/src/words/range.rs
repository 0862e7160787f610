//! Addresses whose port may be a range: `5000-5010`, `HOST:5000-5010`, `[V6]:5000-5010`.

use std::str::FromStr;

use anyhow::{Result, bail};

use super::address::{Address, port, split_range};

/// The most ports that one command has: each takes a socket for each family and each worker, and most systems permit a
/// program 1,024 files.
const MOST_PORTS: usize = 256;

/// An address, or one for each port of a range; nothing is looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddressRange {
    pub(crate) first: Address,
    /// The last port, where the first address names one and there are more.
    last: Option<u16>,
}

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((start, last)) = split_range(text) else { return Ok(Self { first: text.parse()?, last: None }) };
        let first: Address = start.parse()?;
        let Some(from) = first.port else {
            return Err(format!("'{text}' is not an address with a range of ports; write [V6]:{last}-{last}"));
        };
        let last = port(last)?;
        if from == 0 {
            return Err("a range of ports begins at 1 or above; 0 stands for any free port".to_owned());
        }
        if last < from {
            return Err(format!("the range of ports {from}-{last} ends before it begins"));
        }
        Ok(Self { first, last: Some(last) })
    }
}

impl AddressRange {
    /// Whether it is a port, or a range of them, without a host.
    pub(crate) fn is_ports_alone(&self) -> bool {
        self.first.host.is_none() && self.first.port.is_some()
    }

    /// How many ports there are.
    fn len(&self) -> usize {
        match (self.first.port, self.last) {
            (Some(first), Some(last)) => usize::from(last - first) + 1,
            _ => 1,
        }
    }

    /// An address for each port.
    fn each(&self) -> Vec<Address> {
        match (self.first.port, self.last) {
            (Some(first), Some(last)) => {
                (first..=last).map(|port| Address { port: Some(port), ..self.first.clone() }).collect()
            }
            _ => vec![self.first.clone()],
        }
    }
}

/// The addresses of all ranges, one for each port.
pub(crate) fn expanded(ranges: &[AddressRange]) -> Result<Vec<Address>> {
    let ports: usize = ranges.iter().map(AddressRange::len).sum();
    if ports > MOST_PORTS {
        bail!("{ports} ports are too many for one command, which takes {MOST_PORTS} at most");
    }
    Ok(ranges.iter().flat_map(AddressRange::each).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_an_address_for_each_port() {
        let cases = [
            ("5000-5002", "5000 5001 5002"),
            (":5000-5000", "5000"),
            ("127.0.0.1:65534-65535", "127.0.0.1:65534 127.0.0.1:65535"),
            ("[::1]:1-2", "[::1]:1 [::1]:2"),
            ("[fe80::1%eth0]:1-2", "[fe80::1%eth0]:1 [fe80::1%eth0]:2"),
            ("my-host-5", "my-host-5:-"),
            ("my-host:5-6", "my-host:5 my-host:6"),
            ("my-host", "my-host:-"),
            ("0", "0"),
        ];
        for (text, expected) in cases {
            let addresses = expanded(&[text.parse().unwrap()]).unwrap();
            let written = |it: &Address| it.with_port(it.port.map_or_else(|| "-".to_owned(), |port| port.to_string()));
            assert_eq!(addresses.iter().map(written).collect::<Vec<_>>().join(" "), expected, "{text}");
        }
    }

    #[test]
    fn mistakes() {
        for (text, words) in [
            ("5010-5000", "ends before it begins"),
            ("0-5", "begins at 1"),
            ("5000-70000", "'70000' is not a port"),
            ("70000-70001", "'70000' is not a port"),
            ("::1:5000-5010", "write [::1]:5000"),
            ("[::1]5000-5010", "is not a port; write [V6]:PORT"),
        ] {
            let error = text.parse::<AddressRange>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn ports_have_a_limit_all_together() {
        let ranges = |texts: &[&str]| expanded(&texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>());
        assert_eq!(ranges(&["1-256"]).unwrap().len(), 256);
        assert_eq!(ranges(&["1-200", "[::1]:1-55", "7"]).unwrap().len(), 256);
        for many in [&["1-257"][..], &["1-200", "[::1]:1-56", "7"], &["1-65535"]] {
            assert!(ranges(many).unwrap_err().to_string().ends_with("which takes 256 at most"), "{many:?}");
        }
    }
}
