//! The slides of the lesson: the same in both languages, turned by keys, and never wider than a phone.
#![cfg(target_os = "linux")]

#[path = "common/browser.rs"]
#[allow(dead_code, reason = "the tests of other pages use the rest")]
mod browser;
mod common;

use browser::Browser;
use common::pages::{path, read};
use regex::Regex;
use serde_json::json;

const DECKS: [&str; 2] = ["slides.html", "salindia.html"];

/// The slides that a page of paper does not hold.
const CUT: &str = "[...document.querySelectorAll('section')].filter((slide) => {
    const page = slide.getBoundingClientRect();
    const parts = [...slide.children].map((part) => part.getBoundingClientRect());
    return parts.some((part) => part.top < page.top + 8 || part.bottom > page.bottom - 8);
}).map((slide) => slide.id)";

/// What a deck consists of: slides, pictures (without their language), programs, items.
fn structure(deck: &str) -> Vec<String> {
    let parts = Regex::new(r#"<section id="([^"]+)">|<img src="([^"]+?)(?:\.id)?\.svg"|<(pre|li|blockquote)>"#);
    let parts = parts.expect("it is one");
    let of = |found: regex::Captures<'_>| found.iter().skip(1).flatten().map(|part| part.as_str().to_owned()).collect();
    parts.captures_iter(deck).flat_map(|found| -> Vec<String> { of(found) }).collect()
}

#[test]
fn both_languages_have_the_same_slides() {
    let [english, indonesian] = DECKS.map(|deck| structure(&read(deck)));
    assert!(english.len() > 50, "{english:?}");
    assert_eq!(english, indonesian);
}

#[test]
fn keys_turn_the_slides_and_none_is_wider_than_a_phone() {
    let Some(mut browser) = Browser::start() else { return };
    for deck in DECKS {
        browser.resize(1280, 720);
        let address = format!("file://{}", path(deck).canonicalize().expect("it is there").display());
        browser.open(&address);
        for (key, shown) in
            [("ArrowRight", "statements"), (" ", "datagrams"), ("ArrowLeft", "statements"), ("End", "yours")]
        {
            browser.press(key);
            browser.until(&format!("location.hash === '#{shown}'"));
            browser.until(&format!("Math.abs(document.getElementById('{shown}').getBoundingClientRect().top) < 2"));
        }
        browser.resize(360, 640);
        let width = browser.value("document.documentElement.scrollWidth");
        assert_eq!(width, 360, "{deck}");
        // A printed slide is a page.
        browser.resize(1122, 631);
        browser.ask("Emulation.setEmulatedMedia", json!({"media": "print"}));
        assert_eq!(browser.value(CUT), json!([]), "{deck}");
        browser.ask("Emulation.setEmulatedMedia", json!({"media": ""}));
        let broken =
            browser.value("[...document.images].filter((image) => !image.naturalWidth).map((image) => image.src)");
        assert_eq!(broken, json!([]), "{deck}");
    }
    browser.assert_clean("file://");
}
