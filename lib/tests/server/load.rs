//! Clients that number what they send, and check each echo: the right source, their own data, and once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use udpkit::{Datagram, Options, ReceiveBatch, SendBatch, Socket, Transmit, Wait};

use crate::common::bind;

/// Bytes of each payload: number of the peer, number of the datagram.
pub(crate) const LEN: usize = 16;
/// Datagrams of a peer that wait for their answer at most; so few that no buffer overflows.
pub(crate) const WINDOW: u64 = 128;
/// The trains that make up a window, in turn.
const TRAINS: [&[u64]; 3] = [&[64, 64], &[64, 33, 16, 7, 5, 2, 1], &[32, 32, 32, 32]];

/// What is checked of the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// That they are echoes: each datagram's once.
    Echoes,
    /// How many they are.
    Nothing,
}

/// A client.
pub(crate) struct Peer {
    number: u64,
    socket: Socket,
    to: Transmit,
    check: Check,
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    /// A bit for each datagram that was answered.
    seen: Vec<u64>,
    requests: SendBatch,
    replies: ReceiveBatch,
    train: Vec<u8>,
}

/// What a number of clients came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    /// By the kernel, at the clients' sockets.
    pub(crate) dropped: u64,
}

impl Peer {
    pub(crate) fn new(number: u64, server: SocketAddr, check: Check) -> Self {
        let socket = bind(server.ip(), &Options::default().coalesce(true));
        Self {
            number,
            socket,
            to: Transmit::to(server),
            check,
            asked: 0,
            answered: 0,
            seen: Vec::new(),
            requests: SendBatch::default(),
            replies: ReceiveBatch::default(),
            train: Vec::new(),
        }
    }

    /// Sends a window in trains of several lengths, or what is left of `most`; returns how many.
    pub(crate) fn send(&mut self, most: u64) -> u64 {
        let trains = TRAINS[usize::try_from(self.asked / WINDOW % 3).expect("less than three")];
        let end = most.min(self.asked + WINDOW);
        for &count in trains {
            self.train.clear();
            for number in self.asked..end.min(self.asked + count) {
                self.train.extend_from_slice(&self.number.to_be_bytes());
                self.train.extend_from_slice(&number.to_be_bytes());
            }
            if !self.train.is_empty() {
                assert!(self.requests.push_train(&self.to, &self.train, LEN), "a window fits one batch");
                self.asked += (self.train.len() / LEN) as u64;
            }
        }
        let count = self.requests.len();
        let failures = self.socket.send(&mut self.requests);
        assert!(failures.is_empty(), "{failures:?}");
        count as u64
    }

    /// Takes what has arrived; returns how many.
    pub(crate) fn receive(&mut self, wait: Wait) -> u64 {
        let before = self.answered;
        self.socket.receive(&mut self.replies, wait).expect("receiving does not fail");
        let replies = std::mem::take(&mut self.replies);
        for train in replies.trains() {
            assert_eq!(train.meta().source, self.to.destination);
            match self.check {
                Check::Echoes => train.datagrams().for_each(|echo| self.take(&echo)),
                Check::Nothing => self.answered += train.count() as u64,
            }
        }
        self.replies = replies;
        self.answered - before
    }

    fn take(&mut self, echo: &Datagram<'_>) {
        let (peer, number) = echo.payload.split_at(LEN / 2);
        let number = u64::from_be_bytes(number.try_into().expect("each echo is as long as its request"));
        assert!(*peer == self.number.to_be_bytes(), "{} got the data of {peer:?}", self.number);
        assert!(number < self.asked, "{number} was not asked yet");
        let (word, bit) = (usize::try_from(number / 64).expect("it fits memory"), 1 << (number % 64));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        assert!(self.seen[word] & bit == 0, "{number} was answered twice");
        self.seen[word] |= bit;
        self.answered += 1;
    }

    pub(crate) fn tally(&self) -> Tally {
        let dropped = self.socket.kernel_drops().expect("Linux counts them");
        Tally { asked: self.asked, answered: self.answered, dropped }
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |all, one| Self {
            asked: all.asked + one.asked,
            answered: all.answered + one.answered,
            dropped: all.dropped + one.dropped,
        })
    }
}

/// Clients that ask without end, each in a thread.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Tally>>,
}

impl Load {
    pub(crate) fn start(peers: u64, server: SocketAddr, check: Check) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ask = |number| {
            let over = Arc::clone(&over);
            let mut peer = Peer::new(number, server, check);
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    peer.send(u64::MAX);
                    // A server that was stopped leaves the rest unanswered.
                    while peer.answered < peer.asked && !over.load(Ordering::Relaxed) {
                        peer.receive(Wait::For(Duration::from_millis(10)));
                    }
                }
                while peer.receive(Wait::No) > 0 {}
                peer.tally()
            })
        };
        let threads = (0..peers).map(ask).collect();
        Self { over, threads }
    }

    /// Ends it, and reads what was answered to the end: of a server that was stopped, all.
    pub(crate) fn finish(self) -> Tally {
        self.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().expect("its checks hold")).sum()
    }
}
