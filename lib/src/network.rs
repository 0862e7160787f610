//! Networks: which addresses are wanted.

use std::fmt;
use std::net::IpAddr;

/// A network: an address and how many of its leading bits count.
///
/// ```
/// use udpkit::Network;
///
/// let network: Network = "192.0.2.0/24".parse().unwrap();
/// assert!(network.contains([192, 0, 2, 7].into()) && !network.contains([192, 0, 3, 7].into()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix_len: u8,
}

impl Network {
    /// The network of this address with this prefix length; `None` if it is longer than the address.
    #[must_use]
    pub fn new(address: IpAddr, prefix_len: u8) -> Option<Self> {
        let most = if address.is_ipv4() { 32 } else { 128 };
        (prefix_len <= most).then_some(Self { address, prefix_len })
    }

    /// Whether an address is in the network.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let host_bits = u32::MAX.checked_shr(self.prefix_len.into()).unwrap_or(0);
                (network.to_bits() ^ ip.to_bits()) & !host_bits == 0
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let host_bits = u128::MAX.checked_shr(self.prefix_len.into()).unwrap_or(0);
                (network.to_bits() ^ ip.to_bits()) & !host_bits == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl std::str::FromStr for Network {
    type Err = String;

    /// Parses `10.0.0.0/8`, `fe80::/10`, or an address alone.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a network; write one as 10.1.0.0/16, 2001:db8::/32 or 10.1.2.3");
        let (address, prefix_len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let full = if address.is_ipv4() { 32 } else { 128 };
        Self::new(address, prefix_len.unwrap_or(full)).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_what_their_prefix_says() {
        let cases = [
            ("10.1.0.0/16", "10.1.255.3", true),
            ("10.1.0.0/16", "10.2.0.0", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("fe80::/10", "fe80::1", true),
            ("fe80::/10", "2001:db8::1", false),
            ("::/0", "10.0.0.1", false),
        ];
        for (network, ip, inside) in cases {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(ip.parse().unwrap()), inside, "{network:?} {ip}");
        }
        for wrong in ["", "10.1.0.0/33", "::/129", "10.1/16", "host", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
