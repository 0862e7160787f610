//! What the kernel does on the loopback interface, and whether the socket layer tells it as it is.
#![cfg(target_os = "linux")]

mod common;
mod netns;
mod refusal;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use common::{
    BACKENDS, Received, V4, bind, bind_to, families, is_over, loopback, numbered, patience, receive, receive_one,
    receive_through, reports, send_run, told_all,
};
use udpkit::{
    Capabilities, Cause, Delivery, ErrorKind, Meta, Options, ReceiveBatch, SendBatch, Socket, Transmit, Wait,
    any_address, max_payload,
};

/// Sends 100,000 datagrams, twenty at a time, in trains and singly by turns; compares each with what was sent.
fn exchange(ip: IpAddr, sender_portable: bool, receiver_portable: bool) {
    const TOLD_CLASS: u8 = 0xb9;
    let options = told_all().coalesce(true).portable(receiver_portable);
    let receiver = bind(any_address(ip), &options);
    let port = receiver.local_address().port();
    let options = Options::default().hop_limit(77).traffic_class(TOLD_CLASS).portable(sender_portable);
    let sender = bind(ip, &options);
    let interface = loopback().index;
    let mut batch = ReceiveBatch::default();
    let mut longest_train = 0;
    for round in 0..5_000u64 {
        let spread = usize::try_from(round).expect("small");
        let segment = 8 + spread * 37 % 1400;
        let lens = (0..20).map(|index| match index {
            0..15 => segment,
            // The last of a train may be shorter.
            15 => 8 + segment / 3 * 2 % segment.saturating_sub(7).max(1),
            _ => 8 + (spread * 101 + index * 577) % 9000,
        });
        let payloads: Vec<_> = (round * 20..).zip(lens).map(|(number, len)| numbered(number, len)).collect();
        let (train, singles) = payloads.split_at(16);
        let to_train = Transmit::to(SocketAddr::new(ip, port)).hop_limit(9);
        let other = if ip == V4 { IpAddr::from([127, 0, 0, 2]) } else { ip };
        send_run(&sender, &to_train, train);
        for payload in singles {
            sender.send_to(payload, SocketAddr::new(other, port)).expect("loopback takes it");
        }
        for (index, (received, payload)) in
            receive_through(&mut batch, &receiver, 20).into_iter().zip(&payloads).enumerate()
        {
            assert!(received.payload == *payload, "datagram {index} of round {round} is not the one sent");
            assert_eq!(received.wire_len, payload.len());
            assert!(!received.meta.meta_truncated);
            let in_train = index < 16;
            longest_train = longest_train.max(received.train);
            let mut expected = Meta::new(sender.local_address());
            let destination = if in_train { ip } else { other };
            assert!(received.meta.received.is_some());
            expected.received = received.meta.received;
            expected.destination = Some(destination);
            expected.local = Some(destination);
            expected.interface = interface;
            expected.delivery = Delivery::Unicast;
            // The portable backend has no hop limits of IPv4.
            let has_hops = |portable: bool| !portable || ip.is_ipv6();
            let hops = if in_train && has_hops(sender_portable) { 9 } else { 77 };
            expected.hop_limit = has_hops(receiver_portable).then_some(hops);
            expected.traffic_class = Some(TOLD_CLASS);
            assert_eq!(received.meta, expected, "datagram {index} of round {round}");
        }
    }
    assert_eq!(receiver.kernel_drops().unwrap_or_default(), 0);
    let trains = receiver.capabilities().coalesce && sender.capabilities().segmentation;
    assert_eq!(longest_train, if trains { 16 } else { 1 });
}

#[test]
fn a_hundred_thousand_datagrams_in_trains_and_singly_are_each_told_right() {
    for ip in families() {
        exchange(ip, false, false);
    }
}

#[test]
fn a_hundred_thousand_datagrams_pass_between_the_backends() {
    for ip in families() {
        exchange(ip, false, true);
        exchange(ip, true, false);
    }
}

#[test]
fn every_datagram_of_an_overrun_is_received_or_counted_as_dropped() {
    const SENT: u64 = 60;
    for ip in families() {
        for round in 0..20 {
            let receiver = bind(ip, &Options::default().receive_buffer(4096).drops(true));
            let sender = bind(ip, &Options::default());
            for number in 0..SENT {
                sender.send_to(&numbered(number, 100), receiver.local_address()).expect("sending is not the problem");
            }
            let deadline = patience();
            let mut batch = ReceiveBatch::new(4, 200);
            let mut received = 0;
            let drops = || receiver.kernel_drops().expect("Linux counts them");
            // The last were dropped: nothing that arrives later could tell of them.
            while received + drops() < SENT {
                assert!(!is_over(deadline), "{received} received and {} dropped of {SENT}", drops());
                receiver.receive(&mut batch, Wait::No).expect("receiving does not fail");
                received += batch
                    .datagrams()
                    .map(|datagram| {
                        assert_eq!(datagram.payload.len(), 100);
                        1
                    })
                    .sum::<u64>();
            }
            assert!(received > 0 && drops() > 0, "{received} received and {} dropped in round {round}", drops());
            assert_eq!(received + drops(), SENT, "round {round}");
            sender.send_to(b"later", receiver.local_address()).expect("sending is not the problem");
            let told = receive_one(&receiver).meta.dropped_before;
            assert_eq!(told.map(u64::from), Some(SENT - received), "round {round}");
            assert_eq!(drops(), SENT - received, "round {round}");
        }
    }
}

#[test]
fn two_threads_that_ask_for_drops_at_once_are_told_no_more_than_there_were() {
    const DROPS: u64 = 20_000;
    let receiver = bind(V4, &Options::default().receive_buffer(4096));
    let sender = bind(V4, &Options::default());
    let (done, deadline) = (AtomicBool::new(false), patience());
    let ask_until_enough = || loop {
        let drops = receiver.kernel_drops().expect("Linux counts them");
        if drops >= DROPS || is_over(deadline) {
            return drops;
        }
    };
    let (told, sent) = thread::scope(|scope| {
        let asking = [(); 2].map(|()| scope.spawn(ask_until_enough));
        let sending = scope.spawn(|| {
            let mut sent = 0;
            while !done.load(Ordering::Relaxed) {
                sender.send_to(b"x", receiver.local_address()).expect("sending is not the problem");
                sent += 1;
            }
            sent
        });
        let told = asking.map(|thread| thread.join().expect("asking does not fail"));
        done.store(true, Ordering::Relaxed);
        (told, sending.join().expect("sending does not fail"))
    });
    assert!(told.iter().all(|drops| (DROPS..=sent).contains(drops)), "{told:?} dropped of {sent}");
}

#[test]
fn a_datagram_longer_than_its_slot_is_told_as_truncated() {
    for ip in families() {
        for portable in BACKENDS {
            let receiver = bind(ip, &Options::default().portable(portable));
            let sender = bind(ip, &Options::default());
            let payload = numbered(1, 3000);
            for payload in [payload.as_slice(), &payload[..1001], &payload[..1000], b"next"] {
                sender.send_to(payload, receiver.local_address()).expect("loopback takes it");
            }
            let received = receive_through(&mut ReceiveBatch::new(8, 1000), &receiver, 4);
            let held = [&payload[..1000], &payload[..1000], &payload[..1000], b"next"];
            assert_eq!(received.iter().map(|one| one.payload.as_slice()).collect::<Vec<_>>(), held);
            let truncated: Vec<_> = received.iter().map(|one| one.wire_len > one.payload.len()).collect();
            assert_eq!(truncated, [true, true, false, false]);
            if receiver.capabilities().true_length && refused_here() != "MSG_TRUNC" {
                assert_eq!(received.iter().map(|one| one.wire_len).collect::<Vec<_>>(), [3000, 1001, 1000, 4]);
            }
        }
    }
}

#[test]
fn a_train_longer_than_its_slot_is_told_datagram_by_datagram() {
    for ip in families() {
        let receiver = bind(ip, &Options::default().coalesce(true));
        let sender = bind(ip, &Options::default());
        if !receiver.capabilities().coalesce || !sender.capabilities().segmentation {
            netns::skip("this kernel has no trains");
            return;
        }
        let payloads: Vec<_> = (0..5).map(|number| numbered(number, 400)).collect();
        send_run(&sender, &Transmit::to(receiver.local_address()), &payloads);
        let received = receive_through(&mut ReceiveBatch::new(8, 1000), &receiver, 5);
        assert_eq!(received.iter().map(|one| one.wire_len).collect::<Vec<_>>(), [400; 5]);
        assert_eq!(received.iter().map(|one| one.payload.len()).collect::<Vec<_>>(), [400, 400, 200, 0, 0]);
        assert!(received.iter().zip(&payloads).all(|(one, sent)| sent.starts_with(&one.payload)));
    }
}

#[test]
fn one_bad_destination_fails_alone_and_the_rest_is_sent_once() {
    let other_family = |ip: IpAddr| if ip == V4 { common::V6 } else { V4 };
    for ip in families() {
        for portable in BACKENDS {
            let receiver = bind(ip, &Options::default());
            let sender = bind(ip, &Options::default().portable(portable).errors(true));
            let good = Transmit::to(receiver.local_address());
            let mut bad = vec![("port zero", SocketAddr::new(ip, 0)), ("family", SocketAddr::new(other_family(ip), 9))];
            if ip == V4 {
                bad.push(("broadcast without leave", SocketAddr::from(([127, 255, 255, 255], 9))));
            }
            for (name, bad) in bad {
                for run in [1, 5] {
                    let mut batch = SendBatch::default();
                    for number in 0..6 {
                        assert!(batch.push(&good, &numbered(number, 20 + usize::try_from(number % 2).unwrap())));
                        if number == 2 {
                            (0..run).for_each(|_| assert!(batch.push(&Transmit::to(bad), b"bad!")));
                        }
                    }
                    let failed: usize = sender.send(&mut batch).iter().map(|failure| failure.count).sum();
                    assert_eq!(failed, run, "{name}, portable: {portable}");
                    assert!(batch.is_empty());
                    let failures = batch.failures();
                    assert!(failures.iter().all(|failure| failure.transmit == Transmit::to(bad)), "{failures:?}");
                    assert_eq!(failures.iter().map(|failure| failure.bytes).sum::<usize>(), 4 * run, "{name}");
                    // Each failure has the error that the destination gives by itself.
                    let alone = sender.send_to(b"bad!", bad).expect_err(name);
                    for failure in failures {
                        assert_eq!(failure.error.raw_os_error(), alone.cause().raw_os_error(), "{name}");
                    }
                    sender.send_to(b"end", receiver.local_address()).expect("loopback takes it");
                    let received = receive(&receiver, 7);
                    for (number, one) in (0..6).zip(&received) {
                        assert_eq!(one.payload[..8], numbered(number, 8), "{name} in a run of {run}");
                    }
                    assert_eq!(received[6].payload, b"end");
                }
            }
        }
    }
}

#[test]
fn a_run_longer_than_any_train_arrives_once_and_in_order() {
    for ip in families() {
        for portable in BACKENDS {
            for coalesce in [false, true] {
                let receiver = bind(ip, &Options::default().coalesce(coalesce));
                let sender = bind(ip, &Options::default().portable(portable));
                // Twice the 64 of the smallest limit and more; then as many bytes as a train ever holds.
                for (count, len) in [(130, 20), (11, 11_000), (2, 32_743), (2, 32_744)] {
                    let payloads: Vec<_> = (0..count).map(|number| numbered(number, len)).collect();
                    send_run(&sender, &Transmit::to(receiver.local_address()), &payloads);
                    sender.send_to(b"end", receiver.local_address()).expect("loopback takes it");
                    let received = receive(&receiver, payloads.len() + 1);
                    assert!(received.iter().map(|one| &one.payload).take(payloads.len()).eq(&payloads), "{count}");
                    assert_eq!(received[payloads.len()].payload, b"end");
                }
                assert_eq!(sender.capabilities().segmentation, !portable, "no train was refused");
            }
        }
    }
}

#[test]
fn every_payload_from_empty_to_the_largest_arrives_whole() {
    for ip in families() {
        for portable in BACKENDS {
            let receiver = bind(ip, &Options::default().portable(portable));
            let sender = bind(ip, &Options::default().portable(portable));
            let largest = max_payload(ip);
            for len in [0, 1, 1472, 1473, largest] {
                let payload = [numbered(7, len.max(8)), vec![]].concat()[..len].to_vec();
                sender.send_to(&payload, receiver.local_address()).expect("no longer than the limit");
                let received = receive_one(&receiver);
                assert!(received.payload == payload, "{len} bytes did not arrive as sent");
                assert_eq!(received.wire_len, len);
            }
            sender.send_to(&vec![0; largest + 1], receiver.local_address()).expect_err("one byte over the limit");
        }
    }
}

#[test]
fn reply_leaves_from_the_address_that_was_asked() {
    let client = bind(V4, &Options::default());
    let all = [[127, 0, 0, 1], [127, 0, 0, 2], [127, 9, 8, 7]];
    for (portable, asked) in BACKENDS.into_iter().flat_map(|portable| all.map(|asked| (portable, asked))) {
        let server = bind(any_address(V4), &Options::default().destination(true).portable(portable));
        let asked = SocketAddr::from((asked, server.local_address().port()));
        client.send_to(b"who?", asked).expect("loopback takes it");
        let question = receive_one(&server);
        send_run(&server, &question.meta.reply(), &[b"I".to_vec()]);
        assert_eq!(receive_one(&client).meta.source, asked);
    }
}

#[test]
fn delivery_is_told_and_a_broadcast_is_answered_from_our_own_address() {
    let client = bind(V4, &Options::default().broadcast(true));
    let (one, all) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 255, 255, 255]));
    let questions = [(one, Delivery::Unicast), (all, Delivery::Broadcast)];
    for (portable, (asked, delivery)) in BACKENDS.into_iter().flat_map(|portable| questions.map(|one| (portable, one)))
    {
        let server = bind(any_address(V4), &Options::default().destination(true).portable(portable));
        let to = SocketAddr::new(asked, server.local_address().port());
        client.send_to(b"who?", to).expect("broadcasts were allowed");
        let Received { meta, .. } = receive_one(&server);
        assert_eq!((meta.delivery, meta.destination, meta.local), (delivery, Some(asked), Some(V4)));
        send_run(&server, &meta.reply(), &[b"I".to_vec()]);
        assert_eq!(receive_one(&client).meta.source, SocketAddr::new(V4, server.local_address().port()));
    }
}

/// A port at which nobody listens, and which nobody can take: it belongs to a socket that hears only itself.
#[expect(clippy::disallowed_methods, reason = "a connected socket is what udpkit never makes")]
fn closed_port(ip: IpAddr) -> std::net::UdpSocket {
    let socket = std::net::UdpSocket::bind((ip, 0)).expect("there is a free port");
    socket.connect(socket.local_addr().expect("it is bound")).expect("loopback is reachable");
    socket
}

#[test]
fn a_closed_port_among_open_ones_is_reported_and_nothing_is_lost() {
    for ip in families() {
        let open: Vec<_> = (0..10).map(|_| bind(ip, &Options::default())).collect();
        let closed = closed_port(ip);
        let closed_address = closed.local_addr().unwrap();
        let sender = bind(ip, &Options::default().errors(true));
        assert!(sender.capabilities().errors);
        for round in 0..100 {
            let payload = format!("round {round}");
            let mut batch = SendBatch::default();
            for (index, receiver) in open.iter().enumerate() {
                if index == round % 10 {
                    assert!(batch.push(&Transmit::to(closed_address), payload.as_bytes()));
                }
                assert!(batch.push(&Transmit::to(receiver.local_address()), payload.as_bytes()));
            }
            let failures = sender.send(&mut batch);
            assert!(failures.is_empty(), "{failures:?}");
            for receiver in &open {
                assert_eq!(receive_one(receiver).payload, payload.as_bytes());
                receiver.send_to(b"back", sender.local_address()).expect("loopback takes it");
            }
            assert_eq!(receive(&sender, 10).len(), 10);
            let report = reports(&sender, 1).remove(0);
            assert_eq!((report.destination, report.cause, report.reporter), (closed_address, Cause::Port, Some(ip)));
            assert_eq!(report.payload, payload.as_bytes());
        }
        sender.errors(|report| panic!("reported twice: {report:?}"));
    }
}

#[test]
fn a_report_ends_the_wait_for_datagrams() {
    for ip in families() {
        let closed = closed_port(ip);
        let sender = bind(ip, &Options::default().errors(true));
        sender.send_to(b"anyone?", closed.local_addr().unwrap()).expect("loopback takes it");
        // Nothing else will ever arrive, and the reports could not be asked for while it waits.
        let received = sender.receive(&mut ReceiveBatch::default(), Wait::Forever).expect("receiving does not fail");
        assert_eq!(received, 0);
        assert_eq!(reports(&sender, 1)[0].cause, Cause::Port);
    }
}

#[test]
fn more_datagrams_than_a_batch_holds_are_sent_on_the_way_in_order() {
    const COUNT: u64 = 3 * SendBatch::ENTRIES as u64 + 1;
    for ip in families() {
        for portable in BACKENDS {
            let receiver = bind(ip, &Options::default());
            let sender = bind(ip, &Options::default().portable(portable));
            let (mut batch, mut full) = (SendBatch::default(), 0);
            for number in 0..COUNT {
                // Each has another hop limit than the one before, so that none joins its run.
                let transmit = Transmit::to(receiver.local_address()).hop_limit(60 + u8::try_from(number % 2).unwrap());
                let before = batch.len();
                let failures = sender.queue(&mut batch, &transmit, &numbered(number, 20));
                assert!(failures.is_empty(), "{failures:?}");
                full += usize::from(batch.len() <= before);
            }
            assert_eq!((full, batch.len()), (3, 1), "it was sent when it was full, and not before");
            assert!(sender.send(&mut batch).is_empty() && batch.is_empty());
            let received = receive(&receiver, usize::try_from(COUNT).unwrap());
            assert!(received.iter().zip(0..).all(|(one, number)| one.payload == numbered(number, 20)));
        }
    }
}

#[test]
fn what_cannot_be_sent_on_the_way_is_returned_by_the_call_that_sent_it() {
    let sender = bind(V4, &Options::default());
    let (mut batch, bad) = (SendBatch::default(), SocketAddr::from(([127, 255, 255, 255], 9)));
    let mut returned = Vec::new();
    // Broadcasts without leave; each has another hop limit than the one before, so that none joins its run.
    for number in 0..SendBatch::ENTRIES + 1 {
        let transmit = Transmit::to(bad).hop_limit(60 + u8::try_from(number % 2).unwrap());
        returned.push(sender.queue(&mut batch, &transmit, b"x").len());
    }
    let (last, others) = returned.split_last().unwrap();
    assert_eq!(*last, SendBatch::ENTRIES);
    assert!(others.iter().all(|failures| *failures == 0));
    let failures = sender.send(&mut batch);
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].to_string(), "cannot send to 127.255.255.255:9: permission denied");
}

#[test]
fn a_refused_datagram_does_not_stop_the_next_one() {
    for ip in families() {
        let open = bind(ip, &Options::default());
        let closed = closed_port(ip);
        let sender = bind(ip, &Options::default().errors(true));
        let mut batch = SendBatch::default();
        for number in 0..60 {
            let to = if number % 4 == 3 { open.local_address() } else { closed.local_addr().unwrap() };
            assert!(batch.push(&Transmit::to(to), &numbered(number, 50)));
        }
        let failures = sender.send(&mut batch);
        assert!(failures.is_empty(), "{failures:?}");
        let received = receive(&open, 15);
        assert!(received.iter().zip((3..).step_by(4)).all(|(one, number)| one.payload == numbered(number, 50)));
        // An error that waits when a call begins is that of an earlier datagram.
        for number in 0..60 {
            sender.send_to(&numbered(number, 50), closed.local_addr().unwrap()).expect("loopback takes it");
            sender.send_to(&numbered(number, 50), open.local_address()).expect("loopback takes it");
        }
        assert!(receive(&open, 60).iter().zip(0..).all(|(one, number)| one.payload == numbered(number, 50)));
        assert!(reports(&sender, 1).iter().all(|report| report.destination == closed.local_addr().unwrap()));
    }
}

/// The fields of a `Meta` that say something, by name.
fn told(meta: &Meta) -> Vec<&'static str> {
    let fields = [
        ("destination", meta.destination.is_some()),
        ("local", meta.local.is_some()),
        ("interface", meta.interface.is_some()),
        ("delivery", meta.delivery != Delivery::Unknown),
        ("received", meta.received.is_some()),
        ("hop_limit", meta.hop_limit.is_some()),
        ("traffic_class", meta.traffic_class.is_some()),
        ("dropped_before", meta.dropped_before.is_some()),
    ];
    fields.into_iter().filter_map(|(name, is_told)| is_told.then_some(name)).collect()
}

#[test]
fn a_datagram_has_the_traffic_class_that_it_was_given_or_fails() {
    for ip in families() {
        let receiver = bind(ip, &Options::default().traffic_classes(true));
        let to = Transmit::to(receiver.local_address());
        // The socket's own class is that of all datagrams without one; ECN is in the lower two bits.
        let sender = bind(ip, &Options::default().traffic_class(0x28));
        assert!(sender.capabilities().transmit_traffic_class);
        let classes = [None, Some(0), Some(0xb8), Some(0xb8), Some(0xb9), Some(0x03), Some(0xff), None];
        let mut batch = SendBatch::default();
        for class in classes {
            assert!(batch.push(&to.traffic_class(class).hop_limit(9).local(ip), b"x"));
        }
        assert!(sender.send(&mut batch).is_empty(), "{:?}", batch.failures());
        let received = receive(&receiver, classes.len());
        let arrived: Vec<_> = received.iter().map(|one| one.meta.traffic_class).collect();
        assert_eq!(arrived, classes.map(|class| class.or(Some(0x28))));

        let portable = bind(ip, &Options::default().portable(true));
        assert_eq!(portable.capabilities().transmit_traffic_class, ip.is_ipv6());
        if ip.is_ipv6() {
            assert!(batch.push(&to.traffic_class(0xb8), b"x"));
            assert!(portable.send(&mut batch).is_empty());
            assert_eq!(receive_one(&receiver).meta.traffic_class, Some(0xb8));
            continue;
        }
        assert!(batch.push(&to, b"sent") && batch.push(&to.traffic_class(0xb8), b"not sent"));
        let failures = portable.send(&mut batch);
        assert_eq!(failures.len(), 1);
        let failure = &failures[0];
        assert_eq!((failure.place, failure.count), (classes.len() as u64 + 1, 1));
        assert_eq!(failure.error.kind(), std::io::ErrorKind::Unsupported);
        assert_eq!(receive_one(&receiver).payload, b"sent");
    }
}

#[test]
fn datagrams_are_sent_singly_where_that_is_asked_for() {
    for ip in families() {
        for singly in [false, true] {
            let receiver = bind(ip, &Options::default().coalesce(true));
            let sender = bind(ip, &Options::default().singly(singly));
            assert_eq!(sender.capabilities().segmentation, !singly);
            let payloads: Vec<_> = (0..16).map(|number| numbered(number, 100)).collect();
            send_run(&sender, &Transmit::to(receiver.local_address()), &payloads);
            let received = receive(&receiver, 16);
            assert!(received.iter().map(|one| &one.payload).eq(&payloads));
            assert!(received.iter().all(|one| one.train == if singly { 1 } else { 16 }));
        }
    }
}

#[test]
fn nothing_is_told_or_switched_on_that_was_not_asked_for() {
    let off = Options::default;
    let nothing = Capabilities::default;
    // `Capabilities` cannot be made of fields out here; each row changes what it must.
    type Change = fn(&mut Capabilities);
    let rows: [(&str, Options, &[&str], Change); 10] = [
        ("nothing", off(), &[], |_| {}),
        ("destination", off().destination(true), &["destination", "local", "interface", "delivery"], |capabilities| {
            capabilities.destination = true
        }),
        ("timestamps", off().timestamps(true), &["received"], |c| c.timestamps = true),
        ("hop limits", off().hop_limits(true), &["hop_limit"], |c| c.hop_limits = true),
        ("classes", off().traffic_classes(true), &["traffic_class"], |c| c.traffic_classes = true),
        ("fragments", off().fragment_sizes(true), &[], |c| c.fragment_sizes = true),
        ("drops", off().drops(true), &[], |c| c.drops = true),
        ("errors", off().errors(true), &[], |c| c.errors = true),
        ("send times", off().send_timestamps(true), &[], |c| c.send_timestamps = true),
        ("coalesce", off().coalesce(true), &[], |c| c.coalesce = true),
    ];
    for ip in families() {
        for (name, options, fields, change) in rows.clone() {
            let receiver = bind(any_address(ip), &options);
            let mut expected = nothing();
            (expected.batches, expected.segmentation, expected.kernel_drops) = (true, true, true);
            (expected.true_length, expected.transmit_traffic_class) = (true, true);
            change(&mut expected);
            assert_eq!(receiver.capabilities(), expected, "{name}");
            let sender = bind(ip, &off());
            sender.send_to(b"x", SocketAddr::new(ip, receiver.local_address().port())).expect("loopback takes it");
            assert_eq!(told(&receive_one(&receiver).meta), fields, "{name}");
        }
        let receiver = bind(any_address(ip), &told_all().portable(true).coalesce(true));
        let mut expected = nothing();
        (expected.destination, expected.timestamps, expected.traffic_classes) = (true, true, true);
        (expected.hop_limits, expected.transmit_traffic_class) = (ip.is_ipv6(), ip.is_ipv6());
        assert_eq!(receiver.capabilities(), expected);
        assert_eq!(receiver.kernel_drops(), None);
        let receiver = bind(ip, &Options::default().portable(true));
        bind(ip, &off()).send_to(b"x", receiver.local_address()).expect("loopback takes it");
        let meta = receive_one(&receiver).meta;
        assert_eq!(told(&meta), ["destination", "local", "delivery"], "a socket at one address knows them");
        assert_eq!((meta.destination, meta.local, meta.delivery), (Some(ip), Some(ip), Delivery::Unicast));
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the kernel's clock is compared with ours")]
fn times_of_the_kernel_are_of_now_and_never_go_back() {
    const TOLERANCE: Duration = Duration::from_secs(1);
    for ip in families() {
        let receiver = bind(ip, &Options::default().timestamps(true));
        let silent = bind(ip, &Options::default());
        let sender = bind(ip, &Options::default());
        let mut batch = ReceiveBatch::default();
        let mut last = None;
        // One at a time: the kernel begins to take times some moments after it was first asked to, and until then
        // gives a datagram the time at which it is read.
        for _ in 0..500 {
            sender.send_to(b"tick", receiver.local_address()).expect("loopback takes it");
            let received = receive_through(&mut batch, &receiver, 1).remove(0).meta.received;
            assert!(received >= last, "{received:?} after {last:?}");
            last = received;
            let now = SystemTime::now();
            let time = received.expect("it was asked for");
            assert!(now - TOLERANCE < time && time < now + TOLERANCE, "{time:?} at {now:?}");
            let meta = *batch.datagrams().next().unwrap().meta;
            assert!(batch.arrival(&meta) <= std::time::Instant::now());
        }
        sender.send_to(b"tick", silent.local_address()).expect("loopback takes it");
        let meta = receive_through(&mut batch, &silent, 1).remove(0).meta;
        assert_eq!(meta.received, None);
        assert!(batch.arrival(&meta) <= std::time::Instant::now());
    }
}

#[test]
fn nothing_there_is_not_an_error() {
    for ip in families() {
        for portable in BACKENDS {
            let socket = bind(ip, &Options::default().portable(portable));
            assert_eq!(socket.receive(&mut ReceiveBatch::default(), Wait::No).unwrap(), 0);
            assert!(socket.send(&mut SendBatch::default()).is_empty());
        }
    }
}

#[test]
fn a_taken_port_is_refused_unless_both_share_it() {
    for ip in families() {
        for portable in BACKENDS {
            let alone = Options::default().portable(portable);
            let shared = alone.clone().reuse_address(true);
            for (first, second) in [(&alone, &alone), (&alone, &shared), (&shared, &alone)] {
                let first = bind(ip, first);
                let error = Socket::bind(first.local_address(), second).expect_err("the port is taken");
                assert_eq!(error.kind(), ErrorKind::AddressInUse, "{error:?}");
            }
            let first = bind(ip, &shared);
            bind_to(first.local_address(), &shared);
        }
    }
}

#[test]
fn receivers_that_share_a_port_all_get_a_broadcast() {
    for portable in BACKENDS {
        let options = Options::default().reuse_address(true).portable(portable);
        let first = bind(Ipv4Addr::UNSPECIFIED.into(), &options);
        let second = bind_to(first.local_address(), &options);
        let sender = bind(V4, &Options::default().broadcast(true).portable(portable));
        let everyone = SocketAddr::from(([127, 255, 255, 255], first.local_address().port()));
        sender.send_to(b"all", everyone).expect("broadcasts were allowed");
        for receiver in [&first, &second] {
            let received = receive_one(receiver);
            assert_eq!((received.payload.as_slice(), received.meta.source), (&b"all"[..], sender.local_address()));
        }
    }
}

#[test]
fn an_address_of_another_host_is_bound_to_where_that_is_asked_for_and_permitted() {
    for foreign in ["192.0.2.1:0", "[2001:db8::1]:0"].map(|address| address.parse::<SocketAddr>().unwrap()) {
        let bind = |options| Socket::bind(foreign, &options);
        let refused = bind(Options::default()).unwrap_err();
        if refused.kind() == ErrorKind::UnsupportedFamily {
            continue;
        }
        assert_eq!(refused.kind(), ErrorKind::AddressNotAvailable, "{refused:?}");
        let portable = bind(Options::default().transparent(true).portable(true)).unwrap_err();
        assert_eq!(portable.kind(), ErrorKind::Unsupported);
        match bind(Options::default().transparent(true)) {
            Ok(socket) => assert_eq!(socket.local_address().ip(), foreign.ip()),
            // Without the right to.
            Err(error) => {
                assert!(error.kind() == ErrorKind::PermissionDenied || !cfg!(target_os = "linux"), "{error:?}")
            }
        }
    }
}

/// Options that only inform, each with the field of `Capabilities` that says whether the system has it.
const INFORMING: [(&str, &str); 15] = [
    ("SO_TIMESTAMPNS", "timestamps"),
    ("SO_RXQ_OVFL", "drops"),
    ("SO_MEMINFO", "kernel_drops"),
    ("SO_RCVBUF", "receive_buffer"),
    ("IP_PKTINFO", "destination"),
    ("IP_RECVTTL", "hop_limits"),
    ("IP_RECVTOS", "traffic_classes"),
    ("IP_RECVFRAGSIZE", "fragment_sizes"),
    ("IP_RECVERR", "errors"),
    ("MSG_ERRQUEUE", "errors"),
    ("SO_TIMESTAMPING", "send_timestamps"),
    ("MSG_ERRQUEUE", "send_timestamps"),
    ("IP_MULTICAST_ALL", "only_joined_groups"),
    ("UDP_GRO", "coalesce"),
    ("UDP_SEGMENT", "segmentation"),
];

/// Runs tests of this program where the system refuses these.
fn refused(tests: &[&str], names: &str, error: i32) {
    let mut command = Command::new(std::env::current_exe().expect("this program has a file"));
    command.args(["--exact", "--test-threads=1"]).args(tests);
    refusal::refuse(&mut command, names, error);
    let output = command.output().expect("it can be run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{names}: {text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(&format!("{} passed", tests.len())), "{names}: {text}");
}

/// What the system refuses to this copy of the tests.
fn refused_here() -> String {
    std::env::var(refusal::REFUSED).unwrap_or_default()
}

#[test]
fn an_option_that_only_informs_is_a_capability_that_is_off_where_it_is_refused() {
    let refused_here = refused_here();
    if refused_here.is_empty() && refusal::is_possible() {
        for (name, _) in INFORMING {
            for error in [refusal::ENOPROTOOPT, refusal::EINVAL, refusal::EPERM] {
                refused(&["an_option_that_only_informs_is_a_capability_that_is_off_where_it_is_refused"], name, error);
            }
        }
        return;
    }
    let options = told_all().send_timestamps(true).coalesce(true).only_joined_groups(true).receive_buffer(100_000);
    for ip in families() {
        let (receiver, sender) = (bind(ip, &options), bind(ip, &Options::default()));
        let had = format!("{:?}", receiver.capabilities());
        for (name, field) in INFORMING {
            let is_here = !INFORMING.iter().any(|(name, other)| *other == field && refused_here == *name);
            assert!(had.contains(&format!(" {field}: {is_here}")), "{name}: {had}");
        }
        assert_eq!(
            receiver.missing().count(),
            INFORMING.iter().filter(|(name, _)| *name == refused_here).count(),
            "{:?}",
            receiver.missing().collect::<Vec<_>>()
        );
        for count in 0..3u8 {
            sender.send_to(&[count], receiver.local_address()).expect("loopback takes it");
            assert_eq!(receive_one(&receiver).payload, [count]);
        }
        let nobody = bind(ip, &Options::default()).local_address();
        receiver.send_to(b"x", nobody).expect("loopback takes it");
        if receiver.capabilities().errors {
            assert_eq!(reports(&receiver, 1)[0].destination, nobody);
        }
        receiver.errors(|report| panic!("{report:?}"));
        sender.send_to(b"x", receiver.local_address()).expect("loopback takes it");
        assert_eq!(receive_one(&receiver).payload, b"x", "what waits at the socket keeps nothing out");
    }
}

#[test]
fn where_batches_are_refused_datagrams_go_singly_and_all_else_is_the_same() {
    if !refused_here().is_empty() {
        assert!(!bind(V4, &Options::default()).capabilities().batches);
    } else if refusal::is_possible() {
        let tests = [
            "where_batches_are_refused_datagrams_go_singly_and_all_else_is_the_same",
            "a_hundred_thousand_datagrams_in_trains_and_singly_are_each_told_right",
            "a_closed_port_among_open_ones_is_reported_and_nothing_is_lost",
            "every_datagram_of_an_overrun_is_received_or_counted_as_dropped",
            "every_payload_from_empty_to_the_largest_arrives_whole",
            "a_train_longer_than_its_slot_is_told_datagram_by_datagram",
            "a_run_longer_than_any_train_arrives_once_and_in_order",
            "one_bad_destination_fails_alone_and_the_rest_is_sent_once",
            "a_refused_datagram_does_not_stop_the_next_one",
            "a_report_ends_the_wait_for_datagrams",
            "nothing_there_is_not_an_error",
        ];
        refused(&tests, "recvmmsg,sendmmsg", refusal::ENOSYS);
        refused(&tests[1..], "recvmmsg,sendmmsg,later", refusal::ENOSYS);
        for (name, error) in [("recvmmsg", refusal::EPERM), ("sendmmsg", refusal::EPERM), ("sendmmsg", refusal::EINVAL)]
        {
            refused(&[&tests[..1], &tests[2..]].concat(), name, error);
        }
    }
}

#[test]
fn a_truncated_datagram_is_told_as_such_where_the_system_does_not_return_true_lengths() {
    if refusal::is_possible() {
        refused(&["a_datagram_longer_than_its_slot_is_told_as_truncated"], "MSG_TRUNC", 0);
    }
}
