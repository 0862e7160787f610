//! A server for tests, seen by the programs that are tested and by those who read why they failed.

#![expect(clippy::disallowed_methods, reason = "the program under test has sockets of its own")]

use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use udpkit::{ErrorKind, Mock, Rule, Server, Template};

#[path = "../examples/mock.rs"]
mod example;

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that asks.
struct Client(UdpSocket);

impl Client {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback works");
        socket.set_read_timeout(Some(PATIENCE)).expect("loopback works");
        Self(socket)
    }

    fn tell(&self, mock: &Mock, question: &[u8]) {
        self.0.send_to(question, mock.address()).expect("loopback works");
    }

    fn ask(&self, mock: &Mock, question: &[u8]) -> Vec<u8> {
        self.tell(mock, question);
        self.answer()
    }

    fn answer(&self) -> Vec<u8> {
        let mut reply = vec![0; 65_536];
        let length = self.0.recv(&mut reply).expect("loopback works");
        reply.truncate(length);
        reply
    }

    fn name(&self) -> String {
        self.0.local_addr().expect("loopback works").to_string()
    }
}

/// What a panic says.
fn panic_of(run: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(run)).err()?;
    Some(panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "no text".to_owned()))
}

#[test]
fn replies_come_in_turn_and_the_last_one_stays() {
    let mock = Server::mock().unwrap();
    let asked = mock.expect(Rule::any().payload("next").replies(["1", "2", "{count}"])).times(5);
    let silent = mock.expect(Rule::any().payload("nothing").replies([""; 0])).times(1);
    let client = Client::new();
    let replies: Vec<_> = (0..5).map(|_| client.ask(&mock, b"next")).collect();
    assert_eq!(replies, [&b"1"[..], b"2", b"{count}", b"{count}", b"{count}"]);
    client.tell(&mock, b"nothing");
    assert!(silent.wait_for(1, PATIENCE));
    assert_eq!((asked.count(), silent.count(), mock.total()), (5, 1, 6));
    mock.verify();
}

#[test]
fn what_was_received_is_kept_whole_and_in_order() {
    let mock = Server::mock().unwrap();
    mock.expect(Rule::any().length(0..=1)).times(2);
    mock.expect(Rule::any()).times(1..);
    let (first, second) = (Client::new(), Client::new());
    let large = vec![7; 65_507];
    first.tell(&mock, b"");
    assert!(mock.wait_for(1, PATIENCE));
    second.tell(&mock, &large);
    assert!(mock.wait_for(2, PATIENCE));
    first.tell(&mock, &[0xff]);
    assert!(mock.wait_for(3, PATIENCE));
    let received: Vec<_> =
        mock.received().into_iter().map(|it| (it.source.to_string(), it.payload, it.expectation)).collect();
    let expected =
        [(first.name(), Vec::new(), Some(0)), (second.name(), large, Some(1)), (first.name(), vec![0xff], Some(0))];
    assert!(received == expected, "{received:?}");
    mock.verify();
}

#[test]
fn no_guard_is_on() {
    let mock = Server::mock().unwrap();
    // More than the rate limit of a second lets through, a reply three hundred times as long, and our own words.
    mock.expect(Rule::any().payload("flood").reply(Template::text("{payload}!").unwrap())).times(1_500);
    mock.expect(Rule::any().payload("large").replies([vec![b'x'; 9_000]])).times(1);
    mock.expect(Rule::any().payload("same").replies(["same"])).times(3);
    let client = Client::new();
    for _ in 0..1_500 {
        assert_eq!(client.ask(&mock, b"flood"), b"flood!");
    }
    assert_eq!(client.ask(&mock, b"large").len(), 9_000);
    for _ in 0..3 {
        assert_eq!(client.ask(&mock, b"same"), b"same");
    }
    assert_eq!(mock.report().own.answered, 1_504, "{:?}", mock.report().ignored);
    mock.verify();
}

#[test]
fn a_failure_names_what_was_expected_and_what_came_in_order() {
    let (mock, line) = (Server::mock().unwrap(), line!());
    mock.expect(Rule::any().payload("GET power").replies(["on"])).times(2);
    mock.expect(Rule::any().prefix([0x80, 0x01]).length(4..=8)).times(1..=3);
    mock.expect(Rule::any().payload("never")).times(0);
    mock.expect(Rule::any().from("127.0.0.0/8".parse().unwrap()).payload("fine")).times(..);
    let (client, address) = (Client::new(), mock.address());
    for question in ["GET power", "GET power", "GET power", "never", "fine", "\x1b[31mdance!", "and again"] {
        client.tell(&mock, question.as_bytes());
    }
    client.tell(&mock, &[b'x'; 300]);
    let said = panic_of(|| mock.verify()).expect("it was not asked what was expected");
    let name = client.name();
    let long = "x".repeat(100);
    let file = file!();
    let expected = format!(
        r#"the mock at {address} (started at {file}:{line}) did not receive what it expected:
  expected 2 times, received 3 times: payload "GET power"
  expected 1 to 3 times, never received: payload that begins with "\x80\x01", of 4 to 8 bytes
  expected never, received once: payload "never"
  not expected, in the order received:
    from {name}: "\x1b[31mdance!"
    from {name}: "and again"
    from {name}: "{long}"… (300 bytes)"#
    );
    assert_eq!(said, expected);
}

#[test]
fn what_was_sent_before_the_end_counts_and_a_mock_that_is_dropped_verifies() {
    let client = Client::new();
    let asked_nothing = panic_of(|| {
        let mock = Server::mock().unwrap();
        let _ = mock.expect(Rule::any());
    });
    assert!(asked_nothing.is_some_and(|said| said.ends_with("expected at least once, never received: any payload")));
    let surprised = panic_of(|| client.tell(&Server::mock().unwrap(), b"boo"));
    assert!(surprised.is_some_and(|said| said.ends_with(": \"boo\"")));
    let content = panic_of(|| {
        let mock = Server::mock().unwrap();
        mock.expect(Rule::any()).times(20);
        (0..20).for_each(|_| client.tell(&mock, b"once more"));
    });
    assert_eq!(content, None);
}

#[test]
fn a_test_that_fails_anyway_is_not_ended_by_its_mock() {
    let said = panic_of(|| {
        let mock = Server::mock().unwrap();
        let _ = mock.expect(Rule::any());
        std::panic::panic_any("the test's own failure".to_owned());
    });
    assert_eq!(said.as_deref(), Some("the test's own failure"));
}

#[test]
fn a_check_on_the_way_ends_nothing() {
    let mock = Server::mock().unwrap();
    let asked = mock.expect(Rule::any().replies(["yes"]));
    assert!(mock.check().is_err_and(|unmet| unmet.to_string().contains("never received: any payload")));
    assert_eq!((Client::new().ask(&mock, b"?"), asked.count()), (b"yes".to_vec(), 1));
    mock.check().unwrap();
}

#[test]
fn an_expectation_holds_for_what_is_sent_after_it() {
    let mock = Server::mock().unwrap();
    let client = Client::new();
    for number in 0..100_u32 {
        let question = number.to_be_bytes();
        mock.expect(Rule::any().payload(question).replies([question])).times(1);
        assert_eq!(client.ask(&mock, &question), question);
    }
    mock.verify();
}

#[test]
fn threads_may_expect_and_ask_at_once() {
    let mock = Server::mock().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let mock = &mock;
            scope.spawn(move || {
                let client = Client::new();
                for number in 0..50_u8 {
                    let expectation = mock.expect(Rule::any().payload([thread, number]).echo()).times(1);
                    assert_eq!(client.ask(mock, &[thread, number]), [thread, number]);
                    assert_eq!(expectation.count(), 1);
                }
            });
        }
    });
    mock.verify();
}

#[test]
fn of_a_flood_the_first_are_kept_and_all_counted() {
    let mock = Server::mock().unwrap();
    let echo = mock.expect(Rule::any().echo()).times(10_100);
    let client = Client::new();
    for number in 0..10_100_u32 {
        client.ask(&mock, &number.to_be_bytes());
    }
    let received = mock.received();
    assert_eq!((received.len(), mock.total(), echo.count()), (10_000, 10_100, 10_100));
    assert_eq!(received.last().unwrap().payload, 9_999_u32.to_be_bytes());
    mock.verify();
}

#[test]
fn unexpected_datagrams_are_listed_up_to_ten() {
    let mock = Server::mock().unwrap();
    let client = Client::new();
    (0..25).for_each(|_| client.tell(&mock, b"who is there"));
    let said = panic_of(|| mock.verify()).unwrap();
    assert_eq!(said.matches("who is there").count(), 10);
    assert!(said.ends_with("\n    and 15 more"), "{said}");
}

#[test]
fn replies_are_lost_and_late_as_rules_say() {
    let mock = Server::mock().unwrap();
    let lost = mock.expect(Rule::any().payload("lost").replies(["never"]).loses(1.0)).times(1);
    let delay = Duration::from_millis(30);
    mock.expect(Rule::any().payload("late").replies(["late"]).delay(delay..=delay)).times(1);
    mock.expect(Rule::any().payload("now").replies(["now"])).times(1);
    let client = Client::new();
    client.tell(&mock, b"lost");
    client.tell(&mock, b"late");
    // Whatever is asked later is answered before.
    assert_eq!([client.ask(&mock, b"now"), client.answer()], [b"now".to_vec(), b"late".to_vec()]);
    assert_eq!(lost.count(), 1);
    mock.verify();
}

#[test]
fn a_rule_that_panics_is_named() {
    let mock = Server::mock().unwrap();
    mock.expect(Rule::any().test(|payload| payload[0] == 0)).times(..);
    Client::new().tell(&mock, b"");
    let said = panic_of(|| mock.verify()).expect("its rule panicked");
    assert!(said.ends_with("  the test of a rule panicked, and from then on nothing was received"), "{said}");
}

#[test]
fn the_example_is_asked_what_it_expects() {
    example::main().unwrap();
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let mock = Server::mock().unwrap();
    assert_eq!(Mock::start(mock.address()).unwrap_err().kind(), ErrorKind::AddressInUse);
}
