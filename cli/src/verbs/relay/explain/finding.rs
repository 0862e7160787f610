//! Finds what a truth file says of the datagrams of one number.

use std::collections::BTreeMap;
use std::io::BufRead;

use anyhow::{Result, bail};

use super::reading::{Header, Line, Lines, Record, Way, Words};
use crate::output::Remark;
use crate::words::units::counted;

/// Lines about datagrams of one number that are shown: there are a few of each link, and more after each reset.
const MOST_FOUND: usize = 256;
/// Links that are known at a time, and bytes of the words for what they do.
const MOST_LINKS: usize = 1024;
const MOST_WORDS: usize = 16 << 20;
/// The version that is understood.
const VERSION: u64 = 1;

/// Which link: of a network, or of all others.
type Whose = (Way, Option<String>);

/// What a link does.
#[derive(Clone, Debug, Default)]
pub(super) struct Doing {
    pub(super) words: Words,
    /// When that began, in nanoseconds since the start; `None`: at the start.
    pub(super) since_ns: Option<i64>,
    /// The first datagram that it was for.
    pub(super) from_number: u64,
}

/// What became of a datagram, and what the link was to do then.
pub(super) struct Found {
    pub(super) record: Record,
    pub(super) doing: Doing,
    pub(super) seed: u64,
}

/// What is found in a file.
pub(super) struct Finding {
    number: u64,
    header: Option<Header>,
    links: BTreeMap<Whose, Doing>,
    found: Vec<Found>,
    /// Lines about datagrams, and the last number of each direction.
    datagrams: u64,
    last: [u64; 2],
    /// Lines that the file itself says are missing.
    missing: u64,
    /// Whether the file has its last line.
    is_ended: bool,
}

impl Finding {
    pub(super) fn new(number: u64) -> Self {
        let (header, links, found) = (None, BTreeMap::new(), Vec::new());
        Self { number, header, links, found, datagrams: 0, last: [0; 2], missing: 0, is_ended: false }
    }

    pub(super) fn found(&self) -> &[Found] {
        &self.found
    }

    /// Reads a file to its end.
    ///
    /// # Errors
    ///
    /// The first line that cannot be one of a truth file, by its number.
    pub(super) fn read(&mut self, input: impl BufRead) -> Result<()> {
        let mut lines = Lines::new(input);
        while let Some(line) = lines.next()? {
            if let Err(error) = self.take(line) {
                bail!("line {}: {error}", lines.number);
            }
        }
        if self.header.is_none() {
            bail!("it is empty");
        }
        Ok(())
    }

    fn take(&mut self, line: Line) -> Result<()> {
        match (line, &self.header) {
            (Line::Relay(header), None) if header.v == VERSION => {
                self.header = Some(header);
                self.begin();
            }
            (Line::Relay(header), None) => bail!("this is version {} of truth files; {VERSION} is known", header.v),
            (Line::Relay(_), Some(_)) => bail!("another relay begins here: each has a file of its own"),
            (_, None) => bail!("a truth file begins with a line of the type relay"),
            (_, Some(_)) if self.is_ended => bail!("the file goes on after its end"),
            (Line::Datagram(record), Some(_)) => self.datagram(*record)?,
            (Line::Change(change), Some(_)) => {
                if change.reset && change.direction == Way::Up && change.network.is_none() {
                    // Numbers begin again, and so do all links: those that networks have for themselves follow.
                    self.links.clear();
                }
                if change.from_number <= self.number {
                    let whose = (change.direction, change.network);
                    let (at, from_number) = (Some(change.at_ns), change.from_number);
                    match change.impairments {
                        Some(words) => drop(self.links.insert(whose, Doing { words, since_ns: at, from_number })),
                        None => drop(self.links.remove(&whose)),
                    }
                }
            }
            (Line::Gap { count }, Some(_)) => self.missing = self.missing.saturating_add(count),
            (Line::End(end), Some(_)) => {
                if end.datagrams != self.datagrams {
                    bail!(
                        "its end is that of {}, and {} came before",
                        counted(end.datagrams, "datagram"),
                        self.datagrams
                    );
                }
                (self.missing, self.is_ended) = (end.not_written, true);
            }
            (Line::SendFailed(_) | Line::Unknown, Some(_)) => {}
        }
        let bytes: usize = self.links.values().map(|doing| doing.words.len()).sum();
        if self.links.len() > MOST_LINKS || bytes > MOST_WORDS {
            bail!("more links, or longer words for them, than a relay has");
        }
        Ok(())
    }

    /// Begins with what the links do at the start.
    fn begin(&mut self) {
        let Some(header) = &self.header else { return };
        let own = header.peers.iter().flat_map(|peers| {
            let network = Some(peers.network.clone());
            [((Way::Up, network.clone()), &peers.up), ((Way::Down, network), &peers.down)]
        });
        let all = [((Way::Up, None), &header.up), ((Way::Down, None), &header.down)];
        let doing = |words: &Words| Doing { words: words.clone(), since_ns: None, from_number: 1 };
        self.links = all.into_iter().chain(own).map(|(whose, words)| (whose, doing(words))).collect();
    }

    fn datagram(&mut self, record: Record) -> Result<()> {
        self.datagrams += 1;
        let last = &mut self.last[record.direction as usize];
        *last = record.number.max(*last);
        if record.number != self.number {
            return Ok(());
        }
        if self.found.len() >= MOST_FOUND {
            bail!("datagram {} came more than {MOST_FOUND} times", self.number);
        }
        let whose = (record.direction, record.network.clone());
        let doing = self.links.get(&whose).cloned().unwrap_or_default();
        let seed = self.header.as_ref().map_or(0, |header| header.seed);
        self.found.push(Found { record, doing, seed });
        Ok(())
    }

    /// What is to be known of the file, besides.
    pub(super) fn note(&self, path: &str) -> Option<Remark> {
        if !self.is_ended {
            let words =
                format!("'{path}' has no end yet: the relay still runs, or was ended before it could write one");
            return Some(Remark::complaint(words));
        }
        (self.missing > 0).then(|| {
            Remark::complaint(format!("'{path}' lacks {} that could not be written", counted(self.missing, "line")))
        })
    }

    /// That there is nothing, and what there is.
    pub(super) fn nothing(&self) -> String {
        let direction = |way, last| match last {
            0 => format!("none went {way}"),
            last => format!("{way}, the last is {last}"),
        };
        let [up, down] = self.last;
        format!("there is no datagram {}: {}; {}", self.number, direction(Way::Up, up), direction(Way::Down, down))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"type":"relay","v":1,"seed":7,"up":{"loss":"5%"},"down":{}}"#;
    const DATAGRAM: &str = r#"{"type":"datagram","direction":"up","number":1,"copy":false,"peer":"192.0.2.1:7","length":5,"entered_ns":1,"fate":"lost","by":"chance","draws":{"loss":0.01}}"#;
    const END: &str = r#"{"type":"end","at_ns":9,"datagrams":1,"not_written":0}"#;

    fn read(number: u64, file: &[u8]) -> (Finding, Result<()>) {
        let mut finding = Finding::new(number);
        let read = finding.read(file);
        (finding, read)
    }

    /// A file of these lines.
    fn file(lines: &[&str]) -> Vec<u8> {
        lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
    }

    #[test]
    fn what_is_wrong_has_the_number_of_its_line() {
        let later = HEADER.replace("\"v\":1", "\"v\":2");
        let odd = DATAGRAM.replace("\"up\"", "\"left\"");
        let deep = format!("{{\"type\":\"new\",\"a\":{}", "[".repeat(10_000));
        let words: Vec<_> = (0..100).map(|name| format!("\"{name}\":\"\"")).collect();
        let words = HEADER.replace("\"down\":{}", &format!("\"down\":{{{}}}", words.join(",")));
        let long = "x".repeat(5 << 20);
        for (lines, expected) in [
            (&[][..], "it is empty"),
            (&[DATAGRAM], "line 1: a truth file begins with a line of the type relay"),
            (&["hello"], "line 1, column 1: expected value"),
            (&[&later], "line 1: this is version 2 of truth files; 1 is known"),
            (&[&words], "more impairments than there are"),
            (&[HEADER, HEADER], "line 2: another relay begins here: each has a file of its own"),
            (&[HEADER, DATAGRAM, &odd], "line 3: unknown variant `left`, expected `up` or `down`"),
            (&[HEADER, "{}"], "line 2, column 2: missing field `type`"),
            (&[HEADER, &deep], "line 2, column"),
            (&[HEADER, END], "line 2: its end is that of 1 datagram, and 0 came before"),
            (&[HEADER, DATAGRAM, END, DATAGRAM], "line 4: the file goes on after its end"),
            (&[HEADER, &long], "line 2 is longer than 4 MiB: that is no truth file"),
        ] {
            let error = read(1, &file(lines)).1.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}\n{expected}");
        }
        let cut = file(&[HEADER, DATAGRAM]);
        for len in 1..cut.len() {
            let (finding, read) = read(1, &cut[..len]);
            if len != HEADER.len() + 1 {
                let line = if len <= HEADER.len() { 1 } else { 2 };
                let expected =
                    format!("line {line} is not whole: the file was cut off there, or the relay is writing it");
                assert_eq!(read.unwrap_err().to_string(), expected);
            }
            assert!(finding.found().is_empty());
        }
        let (finding, read) = read(1, &[&cut[..], b"{\"type\":\"data"].concat());
        assert!(read.is_err() && finding.found().len() == 1, "what was found stands");
    }

    #[test]
    fn what_a_hostile_file_makes_it_keep_has_a_bound() {
        let many = [HEADER].into_iter().chain(std::iter::repeat_n(DATAGRAM, 300)).collect::<Vec<_>>();
        let error = read(1, &file(&many)).1.unwrap_err().to_string();
        assert_eq!(error, "line 258: datagram 1 came more than 256 times");
        let change = |network, words: &str| {
            format!(
                r#"{{"type":"change","at_ns":1,"direction":"up","network":"{network}","from_number":1,"impairments":{{"match":"{words}"}}}}"#
            )
        };
        let links: Vec<_> = (0..2000).map(|network| change(network, "x")).collect();
        let words = "x".repeat(1 << 20);
        let long: Vec<_> = (0..20).map(|network| change(network, &words)).collect();
        for changes in [links, long] {
            let lines: Vec<_> = [HEADER].into_iter().chain(changes.iter().map(String::as_str)).collect();
            let error = read(1, &file(&lines)).1.unwrap_err().to_string();
            assert!(error.ends_with("more links, or longer words for them, than a relay has"), "{error}");
        }
    }

    #[test]
    fn a_datagram_has_the_impairments_of_its_time() {
        let change = |number, direction, words| {
            format!(
                r#"{{"type":"change","at_ns":5,"direction":"{direction}","from_number":{number},"impairments":{words}}}"#
            )
        };
        let of = |number: u64| DATAGRAM.replace("\"number\":1", &format!("\"number\":{number}"));
        let reset = change(1, "up", r#"{"loss":"5%"},"reset":true"#);
        let lines = [
            HEADER.to_owned(),
            change(2, "up", r#"{"loss":"50%"}"#),
            change(2, "down", r#"{"loss":"99%"}"#),
            of(1),
            change(4, "up", "{}"),
            of(3),
            of(4),
            reset,
            r#"{"type":"change","at_ns":6,"direction":"up","network":"10.0.0.0/8","from_number":1,"impairments":{"mtu":"500"}}"#.to_owned(),
            of(3),
            DATAGRAM.replace("\"up\",", "\"up\",\"network\":\"10.0.0.0/8\",").replace("\"number\":1", "\"number\":3"),
            r#"{"type":"news","of":["a later version"]}"#.to_owned(),
        ];
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let words = |number| {
            let (finding, read) = read(number, &file(&lines));
            read.unwrap();
            let words =
                |found: &Found| found.doing.words.iter().map(|(name, value)| format!("{name} {value}")).collect();
            finding.found().iter().map(words).collect::<Vec<Vec<_>>>()
        };
        assert_eq!(words(1), [["loss 5%"]]);
        assert_eq!(words(3), [["loss 50%"], ["loss 5%"], ["mtu 500"]]);
        assert_eq!(words(4), [Vec::<String>::new()]);
    }
}
