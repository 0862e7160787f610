//! What a shell can complete that only the system knows.

use clap_complete::CompletionCandidate;
use udpkit::Interfaces;

/// The environment variable by which the completions of a shell ask this program what may come next.
pub(crate) const VARIABLE: &str = "UDP_COMPLETE";

/// The interfaces that there are now, with their addresses.
pub(super) fn interfaces() -> Vec<CompletionCandidate> {
    // Without a list there is nothing to complete; the verb itself says why.
    let Ok(interfaces) = Interfaces::list() else { return Vec::new() };
    let named = interfaces.iter().filter(|interface| is_plain(&interface.name));
    let candidate = |interface: &udpkit::Interface| {
        let addresses = interface.addresses.iter().map(|address| format!("{}/{}", address.ip, address.prefix_len));
        let addresses = addresses.collect::<Vec<_>>().join(", ");
        CompletionCandidate::new(&interface.name).help((!addresses.is_empty()).then(|| addresses.into()))
    };
    named.map(candidate).collect()
}

/// Whether a shell takes a name as it is: what it completes stands on the command line without quotes, and an interface can
/// have almost any name.
fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.@".contains(&byte);
    name.bytes().all(is_plain) && !name.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn only_names_that_need_no_quotes_are_completed() {
        for plain in ["lo", "eth0", "eth0.7", "veth@if3", "br-0a1b", "wg_home"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in ["$(id)", "a;b", "a b", "\x1b[31m", "-v", "é", "a\nb", "*"] {
            assert!(!is_plain(other), "{other:?}");
        }
    }
}
