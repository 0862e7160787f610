//! A train is taken as its datagrams would be, one by one: by `serve` and by `listen`.

use std::time::Duration;

use arbitrary::{Result, Unstructured};

use super::engines::{Mail, epoch, listen_options, serve_options, train};
use super::made;
use crate::datagram::Train;
use crate::engine::Engine;
use crate::report::Report;
use crate::socket_id::SocketId;
use crate::stats::Peers;
use crate::verbs::{Listen, Serve};

/// Trains of a case.
const MOST_TRAINS: usize = 12;

/// Hands the same trains to two engines, to one of them in pieces.
pub fn trains(data: &[u8]) {
    // Bytes that are too few for all that is drawn make no case.
    let _ = compare(&mut Unstructured::new(data));
}

fn compare(bytes: &mut Unstructured<'_>) -> Result<()> {
    if bytes.ratio(1, 3)? {
        // Twice the same bytes make twice the same options, some of which cannot be cloned.
        let mut again = Unstructured::new(bytes.peek_bytes(bytes.len()).unwrap_or_default());
        let others = listen_options(&mut again)?;
        return feed(&mut Listen::new(listen_options(bytes)?), &mut Listen::new(others), bytes);
    }
    let options = serve_options(bytes)?;
    feed(&mut Serve::new(options.clone()), &mut Serve::new(options), bytes)
}

fn feed<E: Engine>(whole: &mut E, pieces: &mut E, bytes: &mut Unstructured<'_>) -> Result<()> {
    let (mut to_whole, mut to_pieces) = (Mail::default(), Mail::default());
    let mut now = epoch();
    for engine in [&mut *whole, &mut *pieces] {
        engine.interfaces(&made::interfaces("eth0"));
    }
    for _ in 0..MOST_TRAINS {
        if bytes.is_empty() {
            break;
        }
        let mut meta = made::meta(bytes)?;
        if bytes.arbitrary()? {
            meta.source = ([192, 0, 2, 1], 40_000).into();
        }
        let payload =
            if bytes.ratio(1, 4)? { b"pong".repeat(bytes.int_in_range(1..=9)?) } else { made::payload(bytes)? };
        let train: Train<'_> = train(bytes, &meta, &payload)?;
        let via = bytes.int_in_range(0..=1usize)?;
        whole.receive_train(now, SocketId::first(via), train, &mut to_whole);
        for datagram in train.datagrams() {
            pieces.receive(now, SocketId::first(via), &datagram, &mut to_pieces);
        }
        now += Duration::from_millis(bytes.int_in_range(0..=900)?);
        whole.tick(now, &mut to_whole);
        pieces.tick(now, &mut to_pieces);
        assert_eq!(std::mem::take(&mut to_whole.sent), std::mem::take(&mut to_pieces.sent));
        assert_eq!(to_whole.told, to_pieces.told);
        // How many peers there were is estimated, by each engine with a key of its own.
        let [one, other] = [whole.report(), pieces.report()].map(|report| Report { peers: Peers::default(), ..report });
        assert_eq!(one, other);
    }
    Ok(())
}
