//! The page of `udp measure --report`, of a real measurement, in a real browser.
#![cfg(target_os = "linux")]

#[path = "common/browser.rs"]
#[allow(dead_code, reason = "nothing is typed into this page")]
mod browser;
mod common;

use std::path::Path;
use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use browser::Browser;
use common::{Place, Scratch};
use regex::Regex;
use serde_json::{Value, json};

/// Measures through a relay that loses, doubles and delays, into a page of this language.
fn measure(folder: &Scratch, language: &str) -> (Output, String) {
    let (_reflector, reflecting) = Place::Here.waiting(&["reflect", "127.0.0.1:0"]);
    let target = reflecting[0].to_string();
    let options =
        ["--loss", "5%", "--duplicate", "3%", "--delay", "2ms", "--jitter", "1ms", "--allow-reorder", "--seed", "7"];
    let mut relay = Place::Here.udp(&[&["relay", "127.0.0.1:0", target.as_str()][..], &options[..]].concat());
    let told = relay.until_told("relaying from ");
    let to = told.split_whitespace().nth(2).expect("where it listens");
    let page = folder.path().join(format!("{language}.html")).to_string_lossy().into_owned();
    let arguments = ["measure", to, "--count", "400", "--rate", "800/s", "--wait", "300ms", "--report", &page];
    let measured = udp(&[&arguments[..], &["--language", language, "--json"]].concat());
    assert!(measured.status.success(), "{measured:?}");
    (measured, page)
}

/// The same beside a load, through a link with a queue before it.
fn measure_under_load(folder: &Scratch, language: &str) -> (Output, String) {
    let (_reflector, reflecting) = Place::Here.waiting(&["reflect", "127.0.0.1:0"]);
    let target = reflecting[0].to_string();
    let options = ["--up-rate", "5Mbit/s", "--up-queue", "60KiB", "--delay", "2ms"];
    let mut relay = Place::Here.udp(&[&["relay", "127.0.0.1:0", target.as_str()][..], &options[..]].concat());
    let told = relay.until_told("relaying from ");
    let to = told.split_whitespace().nth(2).expect("where it listens");
    let page = folder.path().join(format!("load-{language}.html")).to_string_lossy().into_owned();
    let arguments = ["measure", to, "--load", "12Mbit/s", "--for", "2s", "--wait", "1s", "--report", &page];
    let measured = udp(&[&arguments[..], &["--language", language, "--json"]].concat());
    assert!(measured.status.success(), "{measured:?}");
    (measured, page)
}

/// What a run of `udp` says.
fn udp(arguments: &[&str]) -> Output {
    Place::Here.udp_command(arguments).output().expect("it is run")
}

/// The last object.
fn summary_of(measured: &Output) -> Value {
    let text = String::from_utf8_lossy(&measured.stdout);
    let summary: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    assert_eq!(summary["type"], "summary", "{text}");
    summary
}

/// The value of each figure of the page.
fn values(html: &str) -> Vec<(String, String)> {
    let value = Regex::new(r#"<data id="([^"]+)" value="([^"]+)">"#).expect("it is one");
    value.captures_iter(html).map(|found| (found[1].to_owned(), found[2].to_owned())).collect()
}

/// The tags of a page, each closed where it must be.
fn assert_well_formed(html: &str) {
    let tag =
        Regex::new(r#"<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:\s+[a-zA-Z:-]+(?:="[^"<]*")?)*)\s*(/?)>"#).expect("it is one");
    let mut open = Vec::new();
    for found in tag.captures_iter(html) {
        match (&found[1], &found[4]) {
            ("/", _) => assert_eq!(open.pop(), Some(found[2].to_owned()), "{}", &found[0]),
            (_, "/") => {}
            _ => open.push(found[2].to_owned()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    let rest = tag.replace_all(html, "");
    let (_, body) = rest.split_once("</style>").unwrap_or(("", &rest));
    let stray = body.lines().find(|line| line.contains('<') && !line.starts_with("<!DOCTYPE"));
    assert_eq!(stray, None, "a sign that is no tag");
}

#[test]
fn the_page_has_the_figures_of_the_summary_and_loads_nothing() {
    let folder = Scratch::new();
    let (measured, page) = measure(&folder, "en");
    let summary = summary_of(&measured);
    let html = std::fs::read_to_string(&page).expect("it was written");
    assert_well_formed(&html);
    for load in ["http://", "https://", "<script", "<iframe", "src=", "url(", "@import"] {
        assert!(!html.contains(load), "{load}");
    }
    let values = values(&html);
    let value = |name: &str| {
        let found = values.iter().find(|(id, _)| id == name).unwrap_or_else(|| panic!("no {name}: {values:?}"));
        found.1.parse::<f64>().expect("a number")
    };
    for (name, pointer) in [
        ("sent", "/sent"),
        ("answered", "/round_trip/answered"),
        ("lost", "/round_trip/lost"),
        ("duplicates", "/round_trip/duplicates"),
        ("forward.lost", "/forward/lost"),
        ("forward.duplicates", "/forward/duplicates"),
        ("forward.reordered", "/forward/reordered"),
        ("reverse.lost", "/reverse/lost"),
        ("reverse.duplicates", "/reverse/duplicates"),
        ("reverse.reordered", "/reverse/reordered"),
        ("rtt.min", "/round_trip/rtt/min_ns"),
        ("rtt.p50", "/round_trip/rtt/p50_ns"),
        ("rtt.p999", "/round_trip/rtt/p999_ns"),
        ("response.p99", "/round_trip/response/p99_ns"),
        ("residence.max", "/residence/max_ns"),
        ("lateness.p90", "/lateness/p90_ns"),
        ("forward.delay.min", "/forward/delay/min_ns"),
        ("reverse.variation.p99", "/reverse/variation/p99_ns"),
        ("clock.offset", "/clock/offset_ns"),
    ] {
        let expected =
            summary.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer}: {summary}"));
        assert_eq!(value(name), expected, "{name}");
    }
    assert!(value("lost") > 0.0, "{summary}");
    let verdict = summary["verdict"].as_array().expect("a list");
    assert!(
        verdict.iter().all(|line| html.contains(&format!("<li>{}</li>", line.as_str().expect("words")))),
        "{verdict:?}"
    );
    assert!(html.contains("--rate 800/s --wait 300ms"), "the command is in it");
    // Each of these is drawn.
    for class in [
        "mark lost",
        "mark reordered",
        "range rtt",
        "line rtt",
        "line response",
        "line residence",
        "range forward",
        "line reverse",
        "line lateness",
        "bars rtt",
    ] {
        assert!(html.contains(&format!("<path class=\"{class}\" d=\"M")), "{class}");
    }
}

#[test]
fn the_page_of_a_load_has_both_halves_and_its_verdict_is_in_its_language() {
    let folder = Scratch::new();
    let (measured, page) = measure_under_load(&folder, "id");
    let summary = summary_of(&measured);
    let html = std::fs::read_to_string(&page).expect("it was written");
    assert_well_formed(&html);
    for class in ["band under-load", "line idle", "line loaded", "bars idle"] {
        assert!(html.contains(&format!("<path class=\"{class}\" d=\"M")), "{class}");
    }
    let values = values(&html);
    for name in ["added-delay.p50", "forward.added-delay.p99", "load-arrived"] {
        assert!(values.iter().any(|(id, _)| id == name), "no {name}: {values:?}");
    }
    let grade = summary["load"]["grade"].as_str().expect("a grade");
    assert!(html.contains(&format!(" · {grade}</dd>")), "{grade}");
    // The summary is for programs, and stays in English.
    let verdict = summary["verdict"].as_array().expect("a list");
    assert!(
        verdict
            .iter()
            .any(|line| line.as_str().is_some_and(|line| line.starts_with("under load the round trip grows by "))),
        "{verdict:?}"
    );
    let said = html
        .split_once("<section id=\"verdict\">")
        .and_then(|(_, rest)| rest.split_once("</section>"))
        .expect("it is there")
        .0;
    assert!(
        said.contains("<li>di bawah beban waktu pulang-pergi bertambah ") && !said.contains("the round trip"),
        "{said}"
    );
    assert_eq!(said.matches("<li>").count(), verdict.len(), "{said}");
}

/// Looks at a page as it is now: nothing is wider than the window, and what is written lies on nothing else.
fn look(browser: &mut Browser, name: &str) {
    let wider = "[...document.querySelectorAll('body *')].filter((it) => !it.closest('thead') && it.getBoundingClientRect().right > innerWidth + 0.5).map((it) => it.outerHTML.slice(0, 80))";
    assert_eq!(browser.value(wider), json!([]), "{name}: beyond the window");
    assert_eq!(browser.value("document.documentElement.scrollWidth <= innerWidth"), json!(true), "{name}");
    let covered = "[...document.querySelectorAll('.frame')].flatMap((frame) => ['.x', '.y, .lane-name'].flatMap((kind) => { const all = [...frame.querySelectorAll(kind)].map((it) => [it.textContent, it.getBoundingClientRect()]); return all.flatMap(([a, one], at) => all.slice(at + 1).filter(([, other]) => one.left < other.right && other.left < one.right && one.top < other.bottom - 2 && other.top < one.bottom - 2).map(([b]) => a + ' on ' + b)); }))";
    assert_eq!(browser.value(covered), json!([]), "{name}: words on words");
    if let Some(folder) = std::env::var_os("UDP_PICTURES") {
        let picture = browser.ask("Page.captureScreenshot", json!({"captureBeyondViewport": true}));
        write(&Path::new(&folder).join(format!("{name}.png")), &picture);
    }
}

/// Writes what a browser made.
fn write(path: &Path, made: &Value) -> Vec<u8> {
    let bytes = STANDARD.decode(made["data"].as_str().expect("data")).expect("base64");
    std::fs::write(path, &bytes).expect("it can be written");
    bytes
}

#[test]
fn the_page_is_as_wide_as_any_window_in_both_languages_and_themes_and_prints() {
    let Some(mut browser) = Browser::start() else { return };
    let folder = Scratch::new();
    for (kind, language) in [("", "en"), ("", "id"), ("load-", "en"), ("load-", "id")] {
        let (_, page) =
            if kind.is_empty() { measure(&folder, language) } else { measure_under_load(&folder, language) };
        let address = format!("file://{page}");
        for width in [360, 1440] {
            browser.resize(width, 900);
            for theme in ["light", "dark"] {
                browser.prefer("prefers-color-scheme", theme);
                browser.open(&address);
                assert_eq!(browser.value("document.documentElement.lang"), json!(language));
                let ground = browser.value("getComputedStyle(document.body).backgroundColor");
                assert_eq!(ground, if theme == "light" { "rgb(243, 245, 246)" } else { "rgb(16, 20, 23)" });
                look(&mut browser, &format!("{kind}{language}-{width}-{theme}"));
            }
        }
        let printed = browser.ask("Page.printToPDF", json!({"preferCSSPageSize": true, "printBackground": false}));
        let pdf = write(&folder.path().join("page.pdf"), &printed);
        if let Some(pictures) = std::env::var_os("UDP_PICTURES") {
            write(&Path::new(&pictures).join(format!("{kind}{language}.pdf")), &printed);
        }
        let pages = pdf.windows(12).filter(|it| *it == b"/Type /Page\n" || it.starts_with(b"/Type /Page/")).count();
        assert!((1..=6).contains(&pages), "{pages} pages");
    }
    // No other page, and no other file.
    browser.assert_clean(&format!("file://{}/", folder.path().display()));
}

#[test]
fn a_page_that_cannot_be_written_is_known_before_anything_is_measured() {
    let there = "/no/such/folder/page.html";
    let outcome = Place::Here.run(&["measure", "127.0.0.1", "--report", there]);
    outcome.assert_status(2);
    outcome.assert_told(&["cannot create '/no/such/folder/page.html'"]);
    let outcome = Place::Here.run(&["measure", "127.0.0.1", "--report", "-"]);
    outcome.assert_status(2);
    outcome.assert_told(&["the report '-' is standard output", "name a file"]);
}

#[test]
fn a_page_that_does_not_fit_is_a_failure_and_the_summary_is_printed() {
    let (_reflector, reflecting) = Place::Here.waiting(&["reflect", "127.0.0.1:0"]);
    let target = reflecting[0].to_string();
    let outcome = udp(&["measure", &target, "--count", "3", "--wait", "300ms", "--json", "--report", "/dev/full"]);
    assert_eq!(outcome.status.code(), Some(2), "{outcome:?}");
    assert!(String::from_utf8_lossy(&outcome.stdout).contains("cannot write '/dev/full'"), "{outcome:?}");
    assert_eq!(summary_of(&outcome)["sent"], 3);
}
