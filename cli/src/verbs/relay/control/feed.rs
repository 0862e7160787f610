//! From the relay's thread to the server's: what happens, sampled and bounded. The relay never waits.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, Receiver, Sender};
use udpkit::event::{Decided, Departed, Impaired, Leaving, PeerChange, PeerChanged};
use udpkit::impairment::{Fates, ImpairmentOptions};
use udpkit::verbs::Direction;
use udpkit::{Attempt, Event, Network};

use crate::output::words_of;

/// What waits for the server at most; what finds no room is left out.
const MOST_WAITING: usize = 1024;
/// Datagrams of a direction that are shown in a second; of more, a sample is.
pub(super) const MOST_SHOWN: u32 = 200;
/// Of these, so many may come at once.
const BURST: u32 = 50;
/// Datagrams of a direction that were shown and have not left yet; of further ones it is not shown when they leave.
const MOST_FOLLOWED: usize = 4096;
/// Bytes of a payload that are kept.
pub(super) const KEPT_BYTES: usize = 2048;
/// Peers that are listed.
pub(super) const MOST_PEERS: usize = 1000;

/// Something that happened in the relay.
pub(super) enum Happening {
    /// A datagram came, and this was decided of it.
    Fate(Shown),
    /// A datagram left that had been shown.
    Left(Gone),
    /// A link does something else from now on.
    Link(LinkNow),
    /// A client asked the relay for something that it cannot do.
    Trouble(String),
    /// The peers that there are, as far as they are listed.
    Peers(Vec<(SocketAddr, Option<SocketAddr>)>),
}

/// A datagram whose fate was decided.
pub(super) struct Shown {
    pub(super) direction: Direction,
    pub(super) network: Option<Network>,
    pub(super) peer: SocketAddr,
    pub(super) payload_len: usize,
    /// As much of it as is [kept](KEPT_BYTES).
    pub(super) payload: Box<[u8]>,
    pub(super) entered: Instant,
    pub(super) fates: Fates,
}

/// A datagram, or its copy, that left.
pub(super) struct Gone {
    pub(super) direction: Direction,
    pub(super) network: Option<Network>,
    pub(super) number: u64,
    pub(super) is_copy: bool,
    pub(super) left: Instant,
    pub(super) leaving: Leaving,
}

/// What a link does from now on; `None`: the network has no links of its own any more.
pub(super) struct LinkNow {
    pub(super) direction: Direction,
    pub(super) network: Option<Network>,
    pub(super) options: Option<ImpairmentOptions>,
    /// Whether all links are as at the start before that.
    pub(super) is_reset: bool,
    pub(super) at: Instant,
}

/// How many datagrams were shown and how many were not, in each direction; and what the server asks for.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) shown: [AtomicU64; 2],
    /// Each is counted here or as shown, and once: between two counts none looks as if it were left out.
    pub(super) left_out: [AtomicU64; 2],
    peers_wanted: AtomicBool,
}

impl Counts {
    /// Asks for the peers; they come with what happens next, or as soon as the relay is idle.
    pub(super) fn ask_peers(&self) {
        self.peers_wanted.store(true, Ordering::Release);
    }
}

/// The relay's end of the line.
pub(crate) struct Tap {
    sender: Sender<Happening>,
    counts: Arc<Counts>,
    samples: [Sample; 2],
    /// Those that were shown, and how many of the datagram and its copy are still to leave.
    followed: HashMap<(Direction, Option<Network>, u64), u8>,
    peers: BTreeSet<(SocketAddr, Option<SocketAddr>)>,
    /// Links of which it is still to be said what they do: each once.
    links: Vec<LinkNow>,
}

/// Both ends of a new line.
pub(super) fn line() -> (Tap, Receiver<Happening>, Arc<Counts>) {
    let (sender, receiver) = mpsc::channel(MOST_WAITING);
    let counts = Arc::<Counts>::default();
    let tap = Tap {
        sender,
        counts: Arc::clone(&counts),
        samples: [Sample::default(), Sample::default()],
        followed: HashMap::new(),
        peers: BTreeSet::new(),
        links: Vec::new(),
    };
    (tap, receiver, counts)
}

impl Tap {
    /// Takes what happens; waits for nothing.
    pub(crate) fn event(&mut self, event: &Event<'_>) {
        // What a reset ends comes before what follows it.
        self.catch_up();
        match event {
            Event::Fate(decided) => self.fate(decided),
            Event::Left(departed) => self.departure(departed),
            Event::Peer(changed) => self.peer(*changed),
            Event::Impaired(impaired) => self.link(impaired),
            // What the system refuses (a socket for a peer) was asked for by no client.
            Event::Trouble(trouble) if matches!(trouble.error.attempt(), Attempt::Other(_)) => {
                if let Ok(room) = self.sender.try_reserve() {
                    room.send(Happening::Trouble(words_of(&trouble.error.clone().into())));
                }
            }
            _ => {}
        }
        self.catch_up();
    }

    /// Says what there was no room for before.
    pub(crate) fn catch_up(&mut self) {
        while !self.links.is_empty()
            && let Ok(room) = self.sender.try_reserve()
        {
            room.send(Happening::Link(self.links.remove(0)));
        }
        if self.counts.peers_wanted.load(Ordering::Acquire)
            && let Ok(room) = self.sender.try_reserve()
        {
            self.counts.peers_wanted.store(false, Ordering::Release);
            room.send(Happening::Peers(self.peers.iter().take(MOST_PEERS).copied().collect()));
        }
    }

    fn fate(&mut self, decided: &Decided<'_>) {
        let Decided { direction, network, peer, payload, entered, fates, .. } = *decided;
        let way = direction as usize;
        let room = if self.samples[way].takes(entered) { self.sender.try_reserve().ok() } else { None };
        let Some(room) = room else {
            self.counts.left_out[way].fetch_add(1, Ordering::Relaxed);
            return;
        };
        let kept = payload.len().min(KEPT_BYTES);
        let payload_len = payload.len();
        let payload = payload[..kept].into();
        room.send(Happening::Fate(Shown { direction, network, peer, payload_len, payload, entered, fates }));
        self.counts.shown[way].fetch_add(1, Ordering::Relaxed);
        let leaving = fates.iter().filter(|fate| fate.departure().is_some()).count();
        if leaving > 0 && self.followed.len() < MOST_FOLLOWED {
            self.followed.insert((direction, network, fates.number), u8::try_from(leaving).expect("it is one or two"));
        }
    }

    fn departure(&mut self, departed: &Departed<'_>) {
        let Departed { direction, network, number, is_copy, left, leaving, .. } = *departed;
        let key = (direction, network, number);
        let Some(more) = self.followed.get_mut(&key) else { return };
        *more -= 1;
        if *more == 0 {
            self.followed.remove(&key);
        }
        let gone = Gone { direction, network, number, is_copy, left, leaving };
        let _ = self.sender.try_send(Happening::Left(gone));
    }

    fn peer(&mut self, changed: PeerChanged) {
        let peer = (changed.peer, changed.upstream);
        match changed.change {
            PeerChange::Appeared => self.peers.insert(peer),
            _ => self.peers.remove(&peer),
        };
    }

    fn link(&mut self, impaired: &Impaired<'_>) {
        let &Impaired { direction, network, options, is_reset, at, .. } = impaired;
        if is_reset {
            // Numbers begin again.
            self.followed.clear();
        }
        if is_reset && direction == Direction::Up && network.is_none() {
            // What was to be said of links before is of no matter.
            self.links.clear();
        }
        self.links.retain(|link| link.is_reset || (link.direction, link.network) != (direction, network));
        self.links.push(LinkNow { direction, network, options: options.cloned(), is_reset, at });
    }
}

/// Takes some of what comes, so many a second on average and no more at once than a burst.
#[derive(Debug, Default)]
struct Sample {
    /// When the next one would be due if they came evenly (GCRA: ITU-T I.371).
    due: Option<Instant>,
}

impl Sample {
    fn takes(&mut self, now: Instant) -> bool {
        let interval = Duration::from_secs(1) / MOST_SHOWN;
        let due = self.due.unwrap_or(now).max(now);
        let is_taken = due <= now + interval * (BURST - 1);
        if is_taken {
            self.due = Some(due + interval);
        }
        is_taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use udpkit::event::{Decided, Trouble};
    use udpkit::impairment::Impairment;

    /// A relay that sends datagrams and never has one taken.
    struct Flood {
        tap: Tap,
        impairment: Impairment,
        start: Instant,
    }

    impl Flood {
        fn new() -> (Self, Receiver<Happening>, Arc<Counts>) {
            let (tap, receiver, counts) = line();
            #[expect(clippy::disallowed_methods, reason = "it is the start of a virtual time")]
            let start = Instant::now();
            let impairment = Impairment::new(ImpairmentOptions::default(), 1, start).unwrap();
            (Self { tap, impairment, start }, receiver, counts)
        }

        fn datagram(&mut self, at: Duration) {
            let (now, peer) = (self.start + at, ([127, 0, 0, 1], 9).into());
            let fates = self.impairment.datagram(now, 5);
            let decided = Decided::new(Direction::Up, peer, b"hello", now, fates, &self.impairment);
            self.tap.event(&Event::Fate(decided));
        }
    }

    #[test]
    fn two_hundred_datagrams_a_second_are_shown_whole_and_more_are_sampled() {
        for (rate, expected) in
            [(1, 1..=1), (100, 100..=100), (200, 200..=200), (1000, 240..=250), (100_000, 240..=250)]
        {
            let (mut flood, mut receiver, counts) = Flood::new();
            for number in 0..rate {
                flood.datagram(Duration::from_secs(1) * number / rate);
            }
            let shown = std::iter::from_fn(|| receiver.try_recv().ok()).count();
            assert!(expected.contains(&shown), "{shown} of {rate}");
            let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let left_out = u64::from(rate) - shown as u64;
            assert_eq!((count(&counts.left_out[0]), count(&counts.shown[0])), (left_out, shown as u64));
        }
    }

    #[test]
    fn no_client_is_blamed_for_what_the_system_refuses() {
        let (mut flood, mut receiver, _) = Flood::new();
        let nowhere = "192.0.2.1:9".parse().unwrap();
        let error = udpkit::Socket::bind(nowhere, &udpkit::Options::default()).unwrap_err();
        flood.tap.event(&Event::Trouble(Trouble::new(&error)));
        assert!(receiver.try_recv().is_err());
    }

    #[test]
    fn what_nobody_takes_is_bounded_and_links_are_reported_in_the_end() {
        let (mut flood, mut receiver, counts) = Flood::new();
        for second in 0..100 {
            (0..1000).for_each(|number| flood.datagram(Duration::from_millis(1000 * second + number)));
        }
        assert_eq!(receiver.len(), MOST_WAITING);
        assert_eq!(counts.shown[0].load(Ordering::Relaxed), MOST_WAITING as u64);
        assert!(flood.tap.followed.len() <= MOST_FOLLOWED);
        for delay in 1..=3 {
            let options = ImpairmentOptions::default().delay(Duration::from_secs(delay));
            flood.tap.event(&Event::Impaired(Impaired::new(Direction::Up, &options, flood.start)));
        }
        assert_eq!(flood.tap.links.len(), 1, "the last one stands for those before");
        while receiver.try_recv().is_ok() {}
        flood.tap.catch_up();
        let Ok(Happening::Link(link)) = receiver.try_recv() else { panic!("it is reported") };
        assert_eq!(link.options.unwrap().delay, Duration::from_secs(3));
    }
}
