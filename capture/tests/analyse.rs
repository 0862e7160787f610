//! The example that analyses a capture: what it says of one that is known.

use std::time::{Duration, UNIX_EPOCH};

use udpkit::{Datagram, Meta, Train};
use udpkit_capture::{WriteOptions, Writer};

#[path = "../examples/analyse_capture.rs"]
#[expect(dead_code, reason = "its command line is not looked at")]
mod analyse_capture;

#[test]
fn flows_are_counted_with_their_largest_gaps() {
    let mut writer = Writer::new(Vec::new(), WriteOptions::default());
    let mut write = |port: u16, milliseconds: u64, payload: &[u8]| {
        let mut meta = Meta::new(([127, 0, 0, 1], port).into());
        meta.destination = Some([127, 0, 0, 1].into());
        meta.received = Some(UNIX_EPOCH + Duration::from_millis(milliseconds));
        writer.train(Train::one(&Datagram::new(payload, &meta)), 9000, 0).unwrap();
    };
    for time in [1000, 1010, 1020, 1060, 1050] {
        write(1, time, b"four");
    }
    write(2, 1000, b"a single one, and so longer than all others");
    writer.finish(6, 0).unwrap();
    let all = analyse_capture::flows(std::io::Cursor::new(writer.into_inner())).unwrap();
    let flow = &all.0[&(([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 9000).into())];
    assert_eq!((flow.datagrams, flow.bytes, flow.back_in_time), (5, 20, 1));
    assert_eq!((flow.interval(), flow.largest_gap), (Some(Duration::from_millis(15)), Duration::from_millis(40)));
    let mut text = Vec::new();
    analyse_capture::write(&all, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[1].ends_with("127.0.0.1:2 -> 127.0.0.1:9000"), "{text}");
    assert!(lines[2].contains("15.0ms       40.0ms  127.0.0.1:1 -> 127.0.0.1:9000  (times go back)"), "{text}");
    assert_eq!(lines.len(), 3);
}
