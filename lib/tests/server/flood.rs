//! Ten million datagrams, each answered once and to whoever asked.

use std::net::IpAddr;

use udpkit::{Answer, Memberships, Rule, Rules, Wait};

use crate::common::{V4, families};
use crate::load::{Check, LEN, Peer, Tally};
use crate::{PATIENCE, at, launch};

const THREADS: u64 = 4;
const PEERS_PER_THREAD: u64 = 4;

/// Asks with each peer in turn, and waits for all answers, until each has asked this many times.
fn ask(mut peers: Vec<Peer>, each: u64) -> Tally {
    while peers[0].asked < each {
        let sent: Vec<_> = peers.iter_mut().map(|peer| peer.send(each)).collect();
        for (peer, mut left) in peers.iter_mut().zip(sent) {
            while left > 0 {
                match peer.receive(Wait::For(PATIENCE)) {
                    // The rest was dropped.
                    0 => break,
                    received => left = left.saturating_sub(received),
                }
            }
        }
    }
    peers.iter().map(Peer::tally).sum()
}

/// Asks two workers so often in all, and checks each answer, and what was counted.
fn exchange(ip: IpAddr, answer: impl Into<Answer>, total: u64) {
    let each = total / (THREADS * PEERS_PER_THREAD);
    let (server, _said) = launch(at(ip, answer), Memberships::default(), 2);
    let address = server.addresses()[0];
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let numbers = thread * PEERS_PER_THREAD..(thread + 1) * PEERS_PER_THREAD;
            let peers = numbers.map(|number| Peer::new(number, address, Check::Echoes)).collect();
            std::thread::spawn(move || ask(peers, each))
        })
        .collect();
    let tally: Tally = threads.into_iter().map(|thread| thread.join().expect("its checks hold")).sum();
    let report = server.stop();
    assert!(report.is_balanced(), "{report:?}");
    assert_eq!(tally.asked, total);
    // A train that is dropped counts as one, so where there were drops only a lower bound is known.
    let dropped = report.kernel_drops.expect("Linux counts them");
    let unheard = tally.asked - report.received.datagrams;
    let unreceived = report.own.answered - tally.answered;
    assert!(unheard >= dropped && (unheard == 0 || dropped > 0), "{unheard} never arrived, {dropped} dropped");
    assert!(unreceived >= tally.dropped && (unreceived == 0 || tally.dropped > 0), "{unreceived} {tally:?}");
    assert_eq!(
        (report.own.answered, report.own.reply_failed, report.ignored.total()),
        (report.received.datagrams, 0, 0)
    );
    assert_eq!(report.sent.bytes, report.own.answered * LEN as u64);
}

#[test]
fn no_datagram_is_answered_twice_or_to_a_wrong_peer() {
    exchange(V4, Answer::Echo, 10_000_000);
}

#[test]
fn no_reply_that_is_made_singly_goes_twice_or_to_a_wrong_peer() {
    for ip in families() {
        exchange(ip, Rules::from_iter([Rule::any().echo()]), 800_000);
    }
}
