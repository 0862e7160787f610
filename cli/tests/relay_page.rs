//! The page of `udp relay --control`, in a real browser, with a real relay behind it.

#![cfg(feature = "http")]
#![cfg(target_os = "linux")]

#[path = "common/browser.rs"]
mod browser;
mod common;

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use browser::Browser;
use common::{Place, Process, Scratch, serve_at};
use serde_json::{Value, json};

/// A server, a relay before it, and the page of the relay.
struct Page {
    browser: Browser,
    relay: Process,
    _server: Process,
    /// Where peers send to.
    listen: String,
    /// Where the page is.
    control: String,
}

impl Page {
    /// Opens the page of a relay with these arguments; `None` where there is no browser.
    fn open(arguments: &[&str]) -> Option<Self> {
        Self::open_as(arguments, |_| ())
    }

    /// As `open`, in a browser that was made ready before.
    fn open_as(arguments: &[&str], ready: impl FnOnce(&mut Browser)) -> Option<Self> {
        let mut browser = Browser::start()?;
        browser.resize(1280, 900);
        ready(&mut browser);
        let (server, port) = serve_at("127.0.0.1", &["--echo"]);
        let (relay, listen, control) = relay("127.0.0.1:0", &port, arguments);
        browser.open(&format!("http://{control}/"));
        browser.until("document.getElementById('connection').dataset.state === 'connected'");
        browser.until("document.getElementById('seed').textContent === '7'");
        Some(Self { browser, relay, _server: server, listen, control })
    }

    /// An answer of the relay's API.
    fn get(&self, path: &str) -> Value {
        request(&self.control, "GET", path, None)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        request(&self.control, method, path, Some(body))
    }

    /// Waits until the relay's state is as it should be.
    fn until(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..500 {
            let state = self.get("/api/state");
            if holds(&state) {
                return state;
            }
            // The page is not waited for otherwise: it has sent its request, or will.
            self.browser.value("new Promise((done) => setTimeout(done, 20))");
        }
        panic!("not so: {what}\n{}\n{:?}", self.get("/api/state"), self.relay);
    }

    /// A peer that sends to the relay.
    #[expect(clippy::disallowed_methods, reason = "a peer is any program, not ours")]
    fn peer(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_secs(30))).expect("it can be set");
        socket.connect(&self.listen).expect("a route");
        socket
    }

    fn assert_clean(&mut self) {
        self.browser.assert_clean(&format!("http://{}/", self.control));
    }
}

/// A relay to this port, once it waits; where peers send to, and where it is controlled.
fn relay(control: &str, port: &str, arguments: &[&str]) -> (Process, String, String) {
    let target = format!("127.0.0.1:{port}");
    let mut all = vec!["relay", "127.0.0.1:0", &target, "--control", control, "--seed", "7"];
    all.extend(arguments);
    let mut relay = Place::Here.udp(&all);
    let listen = relay.until_told("relaying from ");
    let control = relay.until_told("control at http://");
    let word = |line: &str, at| line.split_whitespace().nth(at).expect("an address").to_owned();
    let control = word(&control, 2);
    (relay, word(&listen, 2), control.trim_start_matches("http://").trim_end_matches('/').to_owned())
}

fn request(address: &str, method: &str, path: &str, body: Option<&Value>) -> Value {
    let mut stream = TcpStream::connect(address).expect("it is served");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("it can be set");
    let body = body.map(Value::to_string).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    );
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
    if body.is_empty() { Value::Null } else { serde_json::from_str(body).expect("JSON") }
}

/// What a peer receives next.
fn received(peer: &UdpSocket) -> String {
    let mut buffer = [0; 100];
    let len = peer.recv(&mut buffer).expect("a datagram arrives");
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

/// Gives an element a value, as who writes into it does.
fn fill(browser: &mut Browser, selector: &str, text: &str) {
    browser.focus(selector);
    browser.value(&format!("document.querySelector({selector:?}).select?.()"));
    browser.write(text);
    browser.press("Enter");
}

/// Chooses from a list.
fn choose(browser: &mut Browser, selector: &str, value: &str) {
    browser.value(&format!(
        "{{ const list = document.querySelector({selector:?}); list.value = {value:?}; list.dispatchEvent(new Event('change')); }}"
    ));
}

#[test]
fn what_is_set_on_the_page_is_set_in_the_relay() {
    let Some(mut page) = Page::open(&[]) else { return };
    let words = |state: &Value, direction: &str| state[direction]["impairments"].clone();
    // A field, for both directions; then a slider, for one of them.
    fill(&mut page.browser, "#field-loss", "5%");
    page.until("5 % loss", |state| words(state, "up")["loss"] == "5%" && words(state, "down")["loss"] == "5%");
    page.browser.click("input[name=scope][value=up]");
    page.browser.focus("[data-word=delay] input[type=range]");
    page.browser.press("End");
    let state = page.until("the longest delay", |state| {
        words(state, "up")["delay"] == "2000ms" || words(state, "up")["delay"] == "2s"
    });
    assert_eq!(words(&state, "down"), json!({"loss": "5%"}), "the other direction stays as it was");
    // A switch, an example, and what takes one away.
    page.browser.click("#field-allow-reorder");
    page.until("a switch", |state| words(state, "up")["allow-reorder"] == true);
    choose(&mut page.browser, "[data-word=jitter] .examples", "30ms:normal");
    page.until("an example", |state| words(state, "up")["jitter"] == "30ms:normal");
    fill(&mut page.browser, "#field-loss", "");
    page.until("no loss", |state| words(state, "up")["loss"].is_null() && words(state, "down")["loss"] == "5%");
    // All of a preset, and nothing else; then nothing at all.
    page.browser.click("input[name=scope][value=both]");
    let presets = page.get("/api/presets");
    let presets = presets.as_array().expect("a list");
    assert!(!presets.is_empty());
    page.browser.until(&format!("document.querySelectorAll('#preset option').length === {}", presets.len() + 1));
    for preset in presets {
        choose(&mut page.browser, "#preset", preset["name"].as_str().expect("a name"));
        page.browser.click("#preset-apply");
        let is_it = |state: &Value| ["up", "down"].iter().all(|one| words(state, one) == preset[*one]);
        page.until(&preset.to_string(), is_it);
    }
    page.browser.click("#clear");
    page.until("none", |state| words(state, "up") == json!({}) && words(state, "down") == json!({}));
    page.assert_clean();
}

#[test]
fn what_is_set_in_the_relay_is_shown_by_the_page() {
    let Some(mut page) = Page::open(&["--up-loss", "2%", "--delay", "30ms"]) else { return };
    page.browser.until("document.getElementById('field-delay').value === '30ms'");
    page.browser.until("document.getElementById('field-loss').placeholder.includes('2%')");
    page.send("PATCH", "/api/impairments/both", &json!({"loss": "burst:5%,4", "duplicate": "1%"}));
    page.browser.until("document.getElementById('field-loss').value === 'burst:5%,4'");
    page.browser.until("document.getElementById('field-duplicate').value === '1%'");
    page.browser.until(
        "document.querySelector('[data-word=loss] input[type=range]').getAttribute('aria-valuetext') === 'burst:5%,4'",
    );
    let command = page.get("/api/state")["command"].as_str().expect("a string").to_owned();
    page.browser.until(&format!("document.getElementById('command').textContent === {command:?}"));
    assert!(command.contains("--seed 7") && command.contains("burst:5%,4"), "{command}");
    // A slider keeps what it does not understand of a value.
    page.browser.focus("[data-word=loss] input[type=range]");
    page.browser.press("ArrowRight");
    page.until("a longer burst", |state| {
        let loss = state["up"]["impairments"]["loss"].as_str().unwrap_or_default();
        loss.starts_with("burst:5.") && loss.ends_with("%,4")
    });
    page.assert_clean();
}

#[test]
fn what_the_relay_refuses_is_said_at_the_field_and_changes_nothing() {
    let Some(mut page) = Page::open(&["--loss", "5%"]) else { return };
    fill(&mut page.browser, "#field-loss", "7");
    page.browser.until(
        "document.querySelector('#field-loss[aria-invalid]') && document.getElementById('error-loss').textContent",
    );
    let refused = page.browser.text("#error-loss");
    assert_eq!(page.browser.text("#problem"), refused, "it is announced");
    assert_eq!(page.get("/api/state")["up"]["impairments"], json!({"loss": "5%"}));
    fill(&mut page.browser, "#field-loss", "7%");
    page.until("7 %", |state| state["up"]["impairments"]["loss"] == "7%");
    page.browser.until("document.getElementById('error-loss').textContent === ''");
}

#[test]
fn what_happens_in_the_relay_is_seen_on_the_page() {
    let Some(mut page) = Page::open(&["--up-drop", "2", "--up-duplicate", "100%"]) else { return };
    let peer = page.peer();
    let payloads: [&[u8]; 3] = [b"<img src=x onerror=alert(1)>", b"never arrives", b"\x00\xff\x1b[31m"];
    for payload in payloads {
        peer.send(payload).unwrap();
    }
    // Two of them, each twice.
    (0..4).for_each(|_| drop(received(&peer)));
    let row = |number: &str, fate: &str| {
        format!(
            "[...document.querySelectorAll('#rows tr[data-direction=up]')].some((row) => \
             row.children[0].textContent === '{number}' && row.querySelector('.fate.{fate}'))"
        )
    };
    page.browser.until(&row("1", "doubled"));
    page.browser.until(&row("1 copy", "doubled"));
    page.browser.until(&row("2", "lost"));
    page.browser.until("document.querySelectorAll('#rows tr[data-direction=down]').length === 4");
    page.browser.until("document.querySelector('.lane[data-direction=up] .counters').textContent.startsWith('came 3 · left 4 · lost 1')");
    // Its bytes are text, whatever they are.
    page.browser.click("#rows tr[data-direction=up]:last-child button");
    page.browser.until("document.getElementById('hex').textContent.startsWith('0000  3c 69 6d 67 20 73 72 63  3d 78 20 6f 6e 65 72 72  <img src=x onerr')");
    assert_eq!(page.browser.value("document.querySelectorAll('main img').length"), 0);
    // The lanes showed each, lost ones and all.
    page.browser.until("document.querySelector('.lane[data-direction=up] .sent').textContent === '123'");
    page.browser.until("document.querySelector('.lane[data-direction=up] .sent .lost')?.textContent === '2'");
    page.browser.until("document.querySelector('.lane[data-direction=up] .arrived').textContent === '1133'");
    page.browser.until("document.querySelector('.lane[data-direction=down] .arrived').textContent === '1234'");
    peer.send(b"another").unwrap();
    page.browser.until("Number.parseFloat(document.querySelector('[data-chart=chartRate] .up').textContent) > 0");
    (0..2).for_each(|_| drop(received(&peer)));
    // Numbers begin again, and so does the list, however many come until the next state.
    request(&page.control, "POST", "/api/reset", None);
    for _ in 0..6 {
        peer.send(b"afresh").unwrap();
    }
    (0..10).for_each(|_| drop(received(&peer)));
    page.browser.until(&row("6 copy", "doubled"));
    page.browser.until("document.querySelectorAll('#rows tr[data-direction=up]').length === 11");
    page.browser.click("#rows tr[data-direction=up]:last-child button");
    page.browser.until("document.getElementById('hex').textContent.startsWith('0000  61 66 72 65 73 68')");
    page.assert_clean();
}

#[test]
fn fates_differ_by_shape_as_well_as_colour() {
    let Some(mut page) = Page::open(&[]) else { return };
    let peer = page.peer();
    // The next ones must not be set before this one came.
    let mut count = 0;
    let mut send = |page: &mut Page, words: Value, text: &str| {
        page.send("PUT", "/api/impairments/up", &words);
        peer.send(text.as_bytes()).unwrap();
        count += 1;
        page.until(text, |state| state["up"]["received"] == count);
    };
    for number in 0..4 {
        send(&mut page, json!({}), &format!("passes {number}"));
        received(&peer);
    }
    send(&mut page, json!({"corrupt": "100%"}), "is corrupted");
    received(&peer);
    send(&mut page, json!({"duplicate": "100%"}), "is doubled");
    (0..2).for_each(|_| drop(received(&peer)));
    send(&mut page, json!({"loss": "100%"}), "is lost");
    send(&mut page, json!({"delay": "300ms"}), "is late");
    received(&peer);
    send(&mut page, json!({"reorder": "100%,1,30s"}), "is overtaken");
    send(&mut page, json!({}), "overtakes");
    assert_eq!([received(&peer), received(&peer)], ["overtakes", "is overtaken"]);
    for (number, fate) in [(1, "passed"), (5, "corrupted"), (6, "doubled"), (7, "lost"), (8, "late"), (9, "overtaken")]
    {
        page.browser.until(&format!(
            "[...document.querySelectorAll('#rows tr[data-direction=up][data-fate={fate}]')].some((row) => \
             row.firstChild.textContent === '{number}' && row.querySelector('.shape[data-fate={fate}]'))"
        ));
    }
    let shapes = "new Set([...document.querySelectorAll('#legend .shape')].map((shape) => \
                  shape.getContext('2d').getImageData(0, 0, shape.width, shape.height).data.filter((_, at) => at % 4 === 3).join())).size";
    assert_eq!(page.browser.value(shapes), 6, "without their colours, they differ");
    page.assert_clean();
}

#[test]
fn slow_motion_stretches_what_is_too_short_to_be_seen() {
    let Some(mut page) = Page::open(&["--delay", "20ms"]) else { return };
    choose(&mut page.browser, "#motion", "10");
    page.browser
        .until("document.getElementById('motion-note').textContent === '× 10: 100 ms of the network take 1 s here.'");
    let peer = page.peer();
    peer.send(b"slow").unwrap();
    received(&peer);
    page.browser.until("document.querySelector('.lane[data-direction=up] .arrived').textContent === '1'");
    page.browser.until("document.querySelector('.lane[data-direction=down] .arrived').textContent === '1'");
    page.assert_clean();
}

#[test]
fn a_paused_direction_holds_datagrams_and_lets_them_go_one_by_one() {
    let Some(mut page) = Page::open(&[]) else { return };
    let peer = page.peer();
    let lane = ".lane[data-direction=up]";
    page.browser.click(&format!("{lane} .pause"));
    page.until("paused", |state| state["up"]["paused"] == true && state["down"]["paused"] == false);
    page.browser.until(&format!("document.querySelector('{lane} .pause').textContent === 'Resume'"));
    for payload in ["one", "two", "three"] {
        peer.send(payload.as_bytes()).unwrap();
    }
    page.until("three wait", |state| state["up"]["under_way"] == 3);
    page.browser.until(&format!("!document.querySelector('{lane} .step').disabled"));
    page.browser.click(&format!("{lane} .step"));
    assert_eq!(received(&peer), "one");
    page.until("two wait", |state| state["up"]["under_way"] == 2);
    page.browser.until(&format!("document.querySelector('{lane} .arrived').textContent === '1'"));
    page.browser.click(&format!("{lane} .pause"));
    assert_eq!([received(&peer), received(&peer)], ["two", "three"]);
    // A copy of the last one, at once.
    page.browser.until(&format!("!document.querySelector('{lane} .copy-last').disabled"));
    page.browser.click(&format!("{lane} .copy-last"));
    assert_eq!(received(&peer), "three");
    // One of one's own, to a peer.
    let address = peer.local_addr().unwrap().to_string();
    page.browser.value("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
    choose(&mut page.browser, "#inject-direction", "down");
    fill(&mut page.browser, "#inject-peer", &address);
    fill(&mut page.browser, "#inject-payload", "from the page");
    // Enter sends a form: without a payload, and with one.
    assert_eq!([received(&peer), received(&peer)], ["", "from the page"]);
    page.browser.click("#reset");
    page.until("reset", |state| state["up"]["received"] == 0);
    page.assert_clean();
}

#[test]
fn peers_can_have_impairments_of_their_own() {
    let Some(mut page) = Page::open(&["--loss", "5%"]) else { return };
    page.browser.value("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
    fill(&mut page.browser, "#peer-new", "10.0.0.0/8");
    page.browser.until("document.getElementById('peer-scope').value === '10.0.0.0/8'");
    fill(&mut page.browser, "#field-delay", "30ms");
    let state = page.until("its own", |state| state["peer_links"][0]["up"]["impairments"]["delay"] == "30ms");
    assert_eq!(state["up"]["impairments"], json!({"loss": "5%"}), "that of the others stays as it was");
    page.browser.click("#peer-end");
    page.until("none of its own", |state| state["peer_links"] == json!([]));
    page.browser.until("document.getElementById('field-loss').value === '5%'");
    page.send("PUT", "/api/impairments/up?peer=10.0.0.0/8", &json!({"loss": "20%"}));
    page.browser.until("document.getElementById('lacks').textContent.includes('(1)')");
    page.browser.click("#copy-scenario");
    page.browser.until("document.getElementById('scenario').textContent.includes('network = \"10.0.0.0/8\"')");
    page.assert_clean();
}

#[test]
fn a_flood_is_sampled_and_the_page_says_so() {
    let Some(mut page) = Page::open(&[]) else { return };
    let peer = page.peer();
    page.browser.until("document.querySelector('.lane[data-direction=up] .share').textContent === 'All are shown.'");
    for _ in 0..20 {
        for _ in 0..500 {
            // What the relay has no room for is lost.
            let _ = peer.send(b"one of many");
        }
        page.browser.value("1");
    }
    page.browser.until(
        "/^[\\d,]+ of [\\d,]+ shown$/.test(document.querySelector('.lane[data-direction=up] .share').textContent)",
    );
    assert!(page.browser.value("document.querySelectorAll('#rows tr').length").as_u64() <= Some(64));
    page.assert_clean();
}

#[test]
fn both_languages_have_every_text() {
    let Some(mut page) = Page::open(&["--loss", "5%"]) else { return };
    let texts = "[...document.querySelectorAll('[data-t]')].map((element) => element.textContent)";
    let labels =
        "[...document.querySelectorAll('[data-t-label]')].map((element) => element.getAttribute('aria-label'))";
    let mut seen = Vec::new();
    for language in ["en", "id"] {
        choose(&mut page.browser, "#language", language);
        assert_eq!(page.browser.value("document.documentElement.lang"), language);
        for list in [texts, labels] {
            let said = page.browser.value(list);
            let said: Vec<_> =
                said.as_array().expect("a list").iter().map(|text| text.as_str().unwrap_or_default()).collect();
            assert!(said.len() > 20 && said.iter().all(|text| !text.is_empty()), "{said:?}");
            seen.push(said.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        }
    }
    let same = seen[0].iter().zip(&seen[2]).filter(|(english, indonesian)| english == indonesian).count();
    assert!(same * 5 < seen[0].len(), "{same} of {} are the same in both: {:?}", seen[0].len(), seen[2]);
    // It is remembered.
    page.browser.open(&format!("http://{}/", page.control));
    page.browser.until("document.documentElement.lang === 'id' && document.getElementById('language').value === 'id'");
    page.browser.until("document.getElementById('connection').textContent === 'Terhubung'");
    page.assert_clean();
}

#[test]
fn it_fits_a_small_screen_and_a_large_one() {
    let Some(mut page) = Page::open(&["--loss", "5%", "--delay", "20ms", "--jitter", "10ms", "--rate", "1Mbit/s"])
    else {
        return;
    };
    page.peer().send(&[b'x'; 1000]).unwrap();
    page.browser.until("document.querySelectorAll('#rows tr').length > 0");
    page.browser.click("#rows button");
    page.browser.value("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
    for (width, height) in [(360, 740), (768, 1024), (1280, 900), (1920, 1080)] {
        page.browser.resize(width, height);
        for language in ["en", "id"] {
            choose(&mut page.browser, "#language", language);
            for _ in ["large", "as before"] {
                page.browser.click("#large");
                let wide = page.browser.value("document.documentElement.scrollWidth").as_u64();
                assert!(wide <= Some(width.into()), "{wide:?} in {width}, {language}");
                let cut = page.browser.value(
                    "[...document.querySelectorAll('.row label')].filter((label) => label.scrollWidth > label.clientWidth + 1)
                     .map((label) => label.textContent).join()",
                );
                assert_eq!(cut, "", "in {width}, {language}");
                let columns = page.browser.value(
                    "new Set([...document.querySelectorAll('#charts figure')].map((chart) => chart.offsetLeft)).size",
                );
                assert_ne!(columns, 3, "one of four charts is alone in {width}, {language}");
            }
        }
    }
    page.assert_clean();
}

/// Texts whose contrast with what is behind them is less than 4.5 to 1 (WCAG 2.2, 1.4.3), but for what cannot be used now.
const FAINT: &str = "
    (() => {
        const parts = (colour) => {
            const found = colour.match(/[\\d.]+/g).map(Number);
            return colour.startsWith('color(') ? found.map((part, at) => (at < 3 ? part * 255 : part)) : found;
        };
        const luminance = ([red, green, blue]) => {
            const line = (part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
            return 0.2126 * line(red) + 0.7152 * line(green) + 0.0722 * line(blue);
        };
        const behind = (element) => {
            for (let one = element; one; one = one.parentElement) {
                const colour = parts(getComputedStyle(one).backgroundColor);
                if ((colour[3] ?? 1) === 1) return colour;
            }
            return [255, 255, 255];
        };
        const faint = [];
        let seen = 0;
        for (const element of document.querySelectorAll('body *')) {
            const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
            if (!hasText || element.disabled || !element.getClientRects().length) continue;
            seen += 1;
            const [text, ground] = [parts(getComputedStyle(element).color), behind(element)].map(luminance);
            const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
            if (ratio < 4.5) faint.push(`${element.tagName} ${element.id} ${element.className} '${element.textContent}': ${ratio}`);
        }
        return seen > 50 ? faint : ['nothing was looked at'];
    })()";

#[test]
fn texts_are_seen_well_in_light_and_dark() {
    let Some(mut page) = Page::open(&["--up-drop", "1", "--delay", "20ms"]) else { return };
    let peer = page.peer();
    peer.send(b"lost").unwrap();
    peer.send(b"passed").unwrap();
    page.browser.until("document.querySelectorAll('#rows tr').length > 2");
    page.browser.click("#rows button");
    page.browser.value("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
    let ground = "getComputedStyle(document.body).backgroundColor";
    let mut grounds = Vec::new();
    for (system, chosen) in [("light", "auto"), ("dark", "auto"), ("light", "dark"), ("dark", "light")] {
        page.browser.prefer("prefers-color-scheme", system);
        choose(&mut page.browser, "#theme", chosen);
        assert_eq!(page.browser.value(FAINT), json!([]), "{system}, {chosen}");
        grounds.push(page.browser.value(ground));
    }
    assert_eq!((&grounds[0], &grounds[1]), (&grounds[3], &grounds[2]), "the switch wins over the system");
    assert_ne!(grounds[0], grounds[1]);
    page.assert_clean();
}

#[test]
fn everything_is_reached_by_keyboard_and_the_focus_is_seen() {
    let Some(mut page) = Page::open(&[]) else { return };
    let peer = page.peer();
    for payload in [b"first ", b"second"] {
        peer.send(payload).unwrap();
        received(&peer);
    }
    page.browser.until("document.querySelectorAll('#rows tr').length === 4");
    page.browser.value("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
    page.browser.value("document.activeElement?.blur()");
    // Every control that is not disabled, but for rows (arrow keys) and the other choices of a group (arrow keys, too).
    let wanted = page.browser.value(
        "window.wanted = new Set([...document.querySelectorAll('a, button, input, select, summary')].filter((element) => \
         !element.disabled && element.tabIndex >= 0 && element.getClientRects().length && \
         !(element.type === 'radio' && !element.checked))); window.wanted.size",
    );
    assert!(wanted.as_u64() > Some(50), "{wanted}");
    for _ in 0..200 {
        page.browser.press("Tab");
        let unseen = page.browser.value(
            "(() => { const one = document.activeElement; window.wanted.delete(one); const style = getComputedStyle(one); \
             return one === document.body || (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) ? '' : one.outerHTML; })()",
        );
        assert_eq!(unseen, "", "its focus is not seen");
    }
    let missed = page.browser.value("[...window.wanted].map((element) => element.outerHTML)");
    assert_eq!(missed, json!([]), "not reached");
    // Every control has a name.
    let nameless = page.browser.value(
        "[...document.querySelectorAll('button, input, select')].filter((element) => !(element.textContent.trim() && \
         element.tagName === 'BUTTON') && !element.labels?.length && !element.getAttribute('aria-label')).map((element) => element.outerHTML)",
    );
    assert_eq!(nameless, json!([]));
    // Rows: by arrow keys; meanwhile the list stays as it is.
    page.browser.focus("#rows button[tabindex='0']");
    page.browser.press("End");
    page.browser.until("document.activeElement.closest('tr') === document.querySelector('#rows tr:last-child')");
    page.browser.until("document.getElementById('hex').textContent.endsWith('first ')");
    page.browser.press("ArrowUp");
    page.browser.until("document.activeElement.closest('tr') === document.querySelector('#rows tr:nth-last-child(2)')");
    peer.send(b"third").unwrap();
    received(&peer);
    page.browser.until("document.querySelector('.lane[data-direction=up] .counters').textContent.startsWith('came 3')");
    assert_eq!(page.browser.value("document.querySelectorAll('#rows tr').length"), 4, "held while it has the focus");
    page.browser.focus("#reset");
    page.browser.until("document.querySelectorAll('#rows tr').length === 6");
    // A button by its key.
    page.browser.focus(".lane[data-direction=down] .pause");
    page.browser.press("Enter");
    page.until("paused", |state| state["down"]["paused"] == true);
    page.browser.until("document.getElementById('message').textContent === 'Down: paused'");
    page.assert_clean();
}

#[test]
fn who_asked_for_less_motion_gets_the_list() {
    let less = |browser: &mut Browser| browser.prefer("prefers-reduced-motion", "reduce");
    let Some(mut page) = Page::open_as(&[], less) else { return };
    let peer = page.peer();
    peer.send(b"still").unwrap();
    received(&peer);
    page.browser.until("document.querySelectorAll('#rows tr').length === 2");
    let shown = "document.querySelectorAll('.track').length + ' ' + \
                 [...document.querySelectorAll('.track')].filter((track) => track.getClientRects().length).length";
    assert_eq!(page.browser.value(shown), "2 0");
    assert!(page.browser.value("document.querySelector('.still-note').getClientRects().length").as_u64() > Some(0));
    // What is left out of the list is said there, too.
    assert!(page.browser.value("document.querySelector('.share').getClientRects().length").as_u64() > Some(0));
    page.browser.prefer("prefers-reduced-motion", "no-preference");
    page.browser.until("document.querySelector('.track').getClientRects().length > 0");
    assert_eq!(page.browser.value(shown), "2 2");
    page.assert_clean();
}

#[test]
fn a_relay_that_is_gone_is_missed_and_found_again() {
    let Some(page) = Page::open(&[]) else { return };
    let (_server, port) = serve_at("127.0.0.1", &["--echo"]);
    let control = page.control.clone();
    let listen = page.listen.clone();
    let Page { mut browser, relay: first, .. } = page;
    first.stop().assert_status(0);
    browser.until("document.getElementById('connection').dataset.state === 'lost'");
    assert!(browser.text("#connection").starts_with("Lost the connection to the relay. Next attempt in "));
    let (_second, other, _) = relay(&control, &port, &[]);
    assert_ne!(listen, other);
    browser.until("document.getElementById('connection').dataset.state === 'connected'");
    browser.until(&format!("document.getElementById('listen').textContent === {other:?}"));
}

#[test]
fn a_relay_with_a_token_is_asked_with_it() {
    let Some(mut browser) = Browser::start() else { return };
    let scratch = Scratch::new();
    let file = scratch.file("token", "0123456789abcdef\n");
    let (_server, port) = serve_at("127.0.0.1", &["--echo"]);
    let (_relay, _, control) = relay("127.0.0.1:0", &port, &["--control-token-file", &file]);
    browser.open(&format!("http://{control}/"));
    browser.until("document.getElementById('connection').dataset.state === 'unauthorised'");
    browser.until("document.activeElement.id === 'token'");
    browser.write("0123456789abcdef");
    browser.press("Enter");
    browser.until("document.getElementById('connection').dataset.state === 'connected'");
    assert_eq!(browser.value("document.getElementById('login').hidden"), true);
    // In the address, where it does not stay; in another tab, which knows nothing of it.
    let Some(mut other) = Browser::start() else { return };
    other.open(&format!("http://{control}/#token=0123456789abcdef"));
    other.until("document.getElementById('connection').dataset.state === 'connected'");
    other.until("document.getElementById('seed').textContent === '7'");
    assert_eq!(other.value("location.href"), format!("http://{control}/"));
    other.assert_clean(&format!("http://{control}/"));
}
