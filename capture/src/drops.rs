//! What the kernel dropped at a socket, told as how many datagrams are missing before each that came.

use udpkit::Meta;

/// Follows the kernel's count of what it dropped at a socket, so that a capture can say where datagrams are missing.
///
/// The kernel tells a running total with each datagram ([`Meta::dropped_before`], Linux only, where
/// [`Options::drops`](udpkit::Options::drops) was asked for). Each socket needs one of these.
///
/// ```
/// use udpkit::Meta;
/// use udpkit_capture::Drops;
///
/// let mut drops = Drops::default();
/// let mut meta = Meta::new("192.0.2.1:5000".parse().unwrap());
/// assert_eq!(drops.before(&meta), 0);
/// meta.dropped_before = Some(3);
/// assert_eq!(drops.before(&meta), 3);
/// assert_eq!(drops.before(&meta), 0);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Drops {
    /// The total with the datagram that came last, modulo 2^32.
    total: u32,
}

impl Drops {
    /// How many datagrams the kernel dropped between the datagram that this was asked of last and this one; 0 where the
    /// system does not tell.
    #[must_use = "drops are reported once"]
    pub fn before(&mut self, meta: &Meta) -> u32 {
        let Some(total) = meta.dropped_before else { return 0 };
        total.wrapping_sub(std::mem::replace(&mut self.total, total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_told_once_also_where_the_total_wraps() {
        let mut drops = Drops::default();
        let mut meta = Meta::new("192.0.2.1:5000".parse().unwrap());
        let totals = [None, Some(2), Some(2), None, Some(u32::MAX - 1), Some(3), Some(3)];
        let told = totals.map(|total| {
            meta.dropped_before = total;
            drops.before(&meta)
        });
        assert_eq!(told, [0, 2, 0, 0, u32::MAX - 3, 5, 0]);
    }
}
