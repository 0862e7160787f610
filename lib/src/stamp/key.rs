//! The key that the two sides of an authenticated session share.

use std::fmt;

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Bytes of a digest on the wire: the first half of it.
pub(super) const DIGEST_LEN: usize = 16;

/// The key of a session: HMAC-SHA-256, truncated to 128 bits (RFC 8762, section 4.4). Digests are compared in constant time, and
/// nothing prints the key.
///
/// ```
/// use udpkit::stamp::Key;
///
/// let key = Key::new(b"correct horse battery staple");
/// assert_eq!(format!("{key:?}"), "Key");
/// ```
#[derive(Clone)]
pub struct Key {
    /// Has taken in the key already, so that a datagram costs no more than its own bytes.
    hmac: Hmac<Sha256>,
}

impl Key {
    /// A key of any length. Those under 16 bytes are easily guessed.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self { hmac: Hmac::new_from_slice(key).expect("a key of any length is one") }
    }

    /// The digest of these parts, one after the other.
    pub(super) fn digest(&self, parts: [&[u8]; 2]) -> [u8; DIGEST_LEN] {
        let mut digest = [0; DIGEST_LEN];
        digest.copy_from_slice(&self.of(parts).finalize().into_bytes()[..DIGEST_LEN]);
        digest
    }

    /// Whether this is their digest.
    pub(super) fn verifies(&self, parts: [&[u8]; 2], digest: &[u8]) -> bool {
        digest.len() == DIGEST_LEN && self.of(parts).verify_truncated_left(digest).is_ok()
    }

    fn of(&self, parts: [&[u8]; 2]) -> Hmac<Sha256> {
        let mut hmac = self.hmac.clone();
        parts.iter().for_each(|part| hmac.update(part));
        hmac
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_first_half_of_hmac_sha_256() {
        // RFC 4231, case 2, and case 6, whose key is longer than a block.
        let digest = |key: &[u8], parts| Key::new(key).digest(parts);
        let expected = 0x5bdc_c146_bf60_754e_6a04_2426_0895_75c7_u128.to_be_bytes();
        assert_eq!(digest(b"Jefe", [b"what do ya want ", b"for nothing?"]), expected);
        let expected = 0x60e4_3159_1ee0_b67f_0d8a_26aa_cbf5_b77f_u128.to_be_bytes();
        let text: &[u8] = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(digest(&[0xaa; 131], [text, b""]), expected);
        let key = Key::new(b"Jefe");
        let digest = key.digest([text, b""]);
        assert!(key.verifies([text, b""], &digest));
        assert!(!key.verifies([text, b""], &digest[..15]) && !key.verifies([text, b""], &[]));
        assert!(!key.verifies([text, b"."], &digest));
    }
}
