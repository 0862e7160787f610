//! The texts of all points: what is right, why it matters, what to change, and where the lesson explains it.

pub(super) mod client;
pub(super) mod receiver;
pub(super) mod sender;
mod sending;
pub(super) mod server;

use super::point::Section;

/// Sections of the lesson: chapters, and the places in them.
const SERVER: Section = Section::of("server", "");
const SOURCE_ADDRESS: Section = Section::of("server", "source-address");
const LOOP: Section = Section::of("server", "loop");
const PEERS: Section = Section::of("server", "peers");
const EMPTY: Section = Section::of("server", "empty");
const CUT_REQUESTS: Section = Section::of("server", "cut-requests");
const AMPLIFICATION: Section = Section::of("server", "amplification");
const REFUSED: Section = Section::of("server", "refused");
const CLIENT: Section = Section::of("client", "");
const SILENCE: Section = Section::of("client", "silence");
const REFUSAL: Section = Section::of("client", "refusal");
const CUT: Section = Section::of("client", "cut");
const STRANGERS: Section = Section::of("client", "strangers");
const RECEIVER: Section = Section::of("receiver", "");
const ESCAPES: Section = Section::of("receiver", "escapes");
const NOT_TEXT: Section = Section::of("receiver", "not-text");
const SENDER: Section = Section::of("sender", "");
const NETWORKS: Section = Section::of("sender", "networks");
const ANSWERS: Section = Section::of("sender", "answers");
const BOUNDARIES: Section = Section::of("udp", "boundaries");
const CONNECTION: Section = Section::of("udp", "connection");
const RELIABILITY: Section = Section::of("udp", "reliability");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lesson_has_each_section_in_both_languages() {
        let places = [
            SOURCE_ADDRESS,
            LOOP,
            PEERS,
            EMPTY,
            CUT_REQUESTS,
            AMPLIFICATION,
            REFUSED,
            SILENCE,
            REFUSAL,
            CUT,
            STRANGERS,
        ];
        let more = [
            ESCAPES,
            NOT_TEXT,
            NETWORKS,
            ANSWERS,
            BOUNDARIES,
            CONNECTION,
            RELIABILITY,
            SERVER,
            CLIENT,
            RECEIVER,
            SENDER,
        ];
        for section in places.into_iter().chain(more) {
            for link in [section.english(), section.indonesian()] {
                let (page, place) =
                    link.split_once('#').map_or((link.as_str(), None), |(page, place)| (page, Some(place)));
                let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
                let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{link}: {error}"));
                assert!(place.is_none_or(|place| text.contains(&format!("<a id=\"{place}\"></a>"))), "{link}");
            }
        }
    }
}
