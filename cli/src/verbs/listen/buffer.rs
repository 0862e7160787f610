//! How many datagrams a receive buffer holds.

/// What the kernel keeps with a datagram's payload in one piece of memory, and apart from it, in bytes (64-bit Linux 6.18
/// over loopback, measured; drivers of network cards may take more).
const BESIDE: u64 = 380;
const APART: u64 = 256;
/// The smallest piece of memory, and the largest that is rounded up to a power of two.
const PIECES: [u64; 2] = [576, 16_384];

/// What a datagram of this length occupies of a receive buffer: its place in the kernel's memory, not its length.
fn occupied(len: u64) -> u64 {
    let [smallest, largest] = PIECES;
    let piece = len + BESIDE;
    let piece = if piece > smallest && piece <= largest { piece.next_power_of_two() } else { piece.max(smallest) };
    piece + APART
}

/// How many datagrams of this length a receive buffer holds, about.
pub(super) fn room(buffer: usize, len: u64) -> u64 {
    buffer as u64 / occupied(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_datagram_occupies_is_what_the_kernel_says() {
        let measured =
            [(0, 832), (196, 832), (200, 1280), (644, 1280), (648, 2304), (1472, 2304), (3720, 8448), (8040, 16_640)];
        for (len, bytes) in measured {
            assert_eq!(occupied(len), bytes, "{len}");
        }
        let longest = occupied(65_000);
        assert!((65_000..67_000).contains(&longest), "{longest}");
    }
}
