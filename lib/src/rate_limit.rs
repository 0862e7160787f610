//! A limit on answers per source network: a table of fixed size, keyed by a secret, that no traffic makes grow.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// Networks in one row of the table; a network is looked for in its row alone.
const WAYS: usize = 4;
/// Rows of the table; with 16 bytes a network and a lock a row, the table takes 1.2 MB.
const ROWS: usize = 16_384;

const NANOSECONDS: u64 = 1_000_000_000;

/// A network's account (GCRA): the time at which it will be even again.
#[derive(Clone, Copy, Default)]
struct Allowance {
    /// Part of the hash, to tell the networks of a row apart; zero is empty.
    tag: u32,
    /// Nanoseconds after the limiter's first call.
    even_at: u64,
    /// What is to be added to `even_at`, in parts of a nanosecond: as many make one as answers a second are allowed.
    parts: u32,
}

/// Allows each source network (IPv4 /24, IPv6 /56) a number of answers per second, with a second's worth at once.
///
/// Threads share one, so that a network that is served by several gets no more; each row has its own lock, held for a few
/// instructions.
///
/// ```
/// use std::time::{Duration, Instant};
/// use udpkit::RateLimiter;
///
/// let (limiter, now) = (RateLimiter::new(10), Instant::now());
/// // A second's worth at once; a neighbour shares it; a tenth of a second later there is one more.
/// assert_eq!(limiter.allow(now, [192, 0, 2, 1].into(), 64), 10);
/// assert_eq!(limiter.allow(now, [192, 0, 2, 2].into(), 1), 0);
/// assert_eq!(limiter.allow(now + Duration::from_millis(100), [192, 0, 2, 2].into(), 2), 1);
/// ```
pub struct RateLimiter {
    per_second: u64,
    table: Vec<Mutex<[Allowance; WAYS]>>,
    hash: RandomState,
    epoch: OnceLock<Instant>,
}

impl std::fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimiter").field("per_second", &self.per_second).finish_non_exhaustive()
    }
}

impl RateLimiter {
    /// A limiter to this many answers per second and network; at least one.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second: u64::from(per_second.max(1)),
            table: (0..ROWS).map(|_| Mutex::default()).collect(),
            hash: RandomState::new(),
            epoch: OnceLock::new(),
        }
    }

    /// How many of `wanted` answers to this source are allowed now; they are charged to its network.
    ///
    /// A network that finds its row full of others in debt is refused: memory is bounded, and so is what gets out.
    #[must_use]
    pub fn allow(&self, now: Instant, source: IpAddr, wanted: usize) -> usize {
        let epoch = *self.epoch.get_or_init(|| now);
        let now = u64::try_from(now.saturating_duration_since(epoch).as_nanos()).unwrap_or(u64::MAX);
        let hash = self.hash.hash_one(source_network(source));
        let tag = (hash >> 32) as u32 | 1;
        #[expect(clippy::cast_possible_truncation, reason = "reduced to a row's number")]
        let row = hash as usize % ROWS;
        // Nothing in here can panic half-way.
        let mut row = self.table[row].lock().unwrap_or_else(PoisonError::into_inner);
        let known = row.iter().position(|account| account.tag == tag && account.even_at > now);
        let Some(place) = known.or_else(|| row.iter().position(|account| account.even_at <= now)) else {
            return 0;
        };
        // In parts of a nanosecond, of which an answer costs a whole number: the rate is exact.
        let debt = match known.map(|place| row[place]) {
            Some(Allowance { even_at, parts, .. }) => {
                (even_at - now).saturating_mul(self.per_second).saturating_add(parts.into())
            }
            None => 0,
        };
        let allowed = ((NANOSECONDS * self.per_second).saturating_sub(debt) / NANOSECONDS).min(wanted as u64);
        if allowed > 0 {
            let debt = debt + allowed * NANOSECONDS;
            let parts = u32::try_from(debt % self.per_second).expect("less than a rate of 32 bits");
            row[place] = Allowance { tag, even_at: now + debt / self.per_second, parts };
        }
        usize::try_from(allowed).unwrap_or(wanted)
    }
}

/// The network that the limit, and notices, keep an account of: the /24 of an IPv4 address, the /56 of an IPv6 one.
#[must_use]
pub fn source_network(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & !0xff).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !(u128::MAX >> 56)).into(),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const A_NEIGHBOUR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 200));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));

    #[test]
    fn a_network_gets_a_seconds_worth_and_then_its_rate() {
        let start = Instant::now();
        let limiter = RateLimiter::new(10);
        assert_eq!(limiter.allow(start, A, 64), 10);
        assert_eq!(limiter.allow(start, A_NEIGHBOUR, 1), 0);
        assert_eq!(limiter.allow(start, B, 1), 1);
        assert_eq!(limiter.allow(start + Duration::from_millis(100), A, 5), 1);
        assert_eq!(limiter.allow(start + Duration::from_millis(100), A, 5), 0);
        assert_eq!(limiter.allow(start + Duration::from_secs(10), A, 64), 10);
    }

    #[test]
    fn a_rate_that_does_not_divide_a_second_is_exact() {
        for rate in [3, 7, 300_007, 3_000_000, 999_999_999, u32::MAX] {
            let (start, limiter) = (Instant::now(), RateLimiter::new(rate));
            let ask = |milliseconds| limiter.allow(start + Duration::from_millis(milliseconds), A, usize::MAX) as u64;
            // A second's worth at once, and then the rate: nothing is lost by rounding.
            let allowed = (0..=100 * 7).map(|step| ask(step * 10)).sum::<u64>();
            assert_eq!(allowed, u64::from(rate) * 8, "at {rate}/s");
        }
    }

    #[test]
    fn a_moment_before_one_that_was_seen_is_no_new_second() {
        let (start, limiter) = (Instant::now(), RateLimiter::new(u32::MAX));
        let later = start + Duration::from_secs(86_400);
        assert_eq!(limiter.allow(start, A, 1), 1);
        assert_eq!(limiter.allow(later, A, usize::MAX), usize::try_from(u32::MAX).unwrap_or(usize::MAX));
        assert_eq!(limiter.allow(start, A, 1), 0);
        assert_eq!(limiter.allow(later, A, 1), 0);
    }

    /// Of those who ask for a place of `WAYS`, the part that finds none, where so many have one at a time if none is refused
    /// (Erlang B).
    fn refused_of_a_row(load: f64) -> f64 {
        (1..=WAYS).fold(1.0, |refused, place| load * refused / (place as f64 + load * refused))
    }

    #[test]
    fn a_forger_of_many_networks_shuts_others_out_from_the_rate_that_the_guide_gives() {
        // In docs/security.md: forged datagrams a second for each answer a second that is allowed, and who is refused, in %.
        for (per_answer, documented) in [(16_384, 1.5), (65_536, 31.0), (163_840, 65.0)] {
            let expected = refused_of_a_row(f64::from(per_answer) / ROWS as f64);
            assert!((100.0 * expected - documented).abs() < 0.5, "{expected}");
            let (rate, start) = (2, Instant::now());
            let limiter = RateLimiter::new(rate);
            let pause = Duration::from_secs(1) / (per_answer * rate);
            // Each from another network, for ten times as long as a network has its place, once the table is as full as it gets.
            let refused = (0..11 * per_answer).filter(|number| {
                let source = Ipv4Addr::from_bits(number << 8);
                limiter.allow(start + pause * *number, source.into(), 1) == 0 && *number >= per_answer
            });
            let part = refused.count() as f64 / f64::from(10 * per_answer);
            assert!((part - expected).abs() < 0.01, "{part} at {per_answer} * {rate}/s, not {expected}");
        }
    }

    #[test]
    fn threads_that_share_a_limit_get_no_more_than_it_together() {
        const RATE: u32 = 1000;
        const SECONDS: u64 = 3;
        let start = Instant::now();
        for _ in 0..10 {
            let limiter = RateLimiter::new(RATE);
            // Each has its own idea of the time, which is as good as the order in which they are let in.
            let ask = |step: u64| {
                let moments = (0..=SECONDS * NANOSECONDS / step).map(|count| Duration::from_nanos(count * step));
                moments.map(|at| limiter.allow(start + at, A, 3)).sum::<usize>() as u64
            };
            let allowed = std::thread::scope(|scope| {
                let threads = [100_000, 120_000].map(|step| scope.spawn(move || ask(step)));
                threads.into_iter().map(|thread| thread.join().expect("it does not panic")).sum::<u64>()
            });
            // A second's worth at once, and the rate.
            assert_eq!(allowed, u64::from(RATE) * (SECONDS + 1));
        }
    }

    proptest! {
        #[test]
        fn never_more_than_the_rate_and_a_second(
            rate in 1u32..5000,
            steps in prop::collection::vec((0u64..50_000_000, 1usize..100), 1..200),
        ) {
            let start = Instant::now();
            let limiter = RateLimiter::new(rate);
            let (mut at, mut allowed) = (0, 0);
            for (step, wanted) in steps {
                at += step;
                allowed += limiter.allow(start + Duration::from_nanos(at), A, wanted) as u64;
            }
            let most = u64::from(rate) + u64::from(rate) * at / NANOSECONDS + 1;
            prop_assert!(allowed <= most, "{allowed} > {most}");
        }

        #[test]
        fn any_number_of_networks_leaves_the_table_as_large_as_it_was(sources in prop::collection::vec(any::<u32>(), 1..2000)) {
            let start = Instant::now();
            let limiter = RateLimiter::new(1);
            for source in sources {
                let _ = limiter.allow(start, Ipv4Addr::from_bits(source).into(), 1);
            }
            prop_assert_eq!(limiter.table.len(), ROWS);
        }
    }
}
