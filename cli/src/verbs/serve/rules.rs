//! Rules files for `serve --rules` (docs/rules.md): checked as a whole, each mistake told with its place.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use toml::de::{DeTable, DeValue};
use udpkit::verbs::Network;
use udpkit::{MAX_PAYLOAD_V4, MAX_PAYLOAD_V6, Rule, Rules, Template, TemplateError};

use crate::runtime::tables::{self, Checked, Mistake, Value, known_keys, seed, string, table};
use crate::words::bytes;
use crate::words::units;

/// Bytes of a rules file.
const MOST_BYTES: usize = 1 << 20;
/// Rules in a file; a datagram may be compared with each.
const MOST_RULES: usize = 10_000;

const FILE_KEYS: [&str; 2] = ["rule", "seed"];
const RULE_KEYS: [&str; 7] = ["match", "reply", "reply_hex", "echo", "nothing", "delay", "drop"];
const ACTIONS: [&str; 4] = ["reply", "reply_hex", "echo", "nothing"];
const MATCH_KEYS: [&str; 7] = ["text", "hex", "prefix", "prefix_hex", "regex", "length", "from"];
const PAYLOADS: [&str; 5] = ["text", "hex", "prefix", "prefix_hex", "regex"];

/// Reads a file of rules.
pub(crate) fn read(path: &Path) -> Result<Rules> {
    tables::read("rules", path, MOST_BYTES, parse)
}

/// The rules that a text says, or all that is wrong with it: the first mistake of each rule, and at least one.
pub(crate) fn parse(text: &str) -> Result<Rules, Vec<Mistake>> {
    let file = tables::document(text)?;
    let file = file.get_ref();
    known_keys(file, "a rules file", &FILE_KEYS).map_err(|mistake| vec![mistake])?;
    let values = rule_values(file, text.len()).map_err(|mistake| vec![mistake])?;
    let mut mistakes = Vec::new();
    let mut note = |mistake| mistakes.push(mistake);
    let seed = file.get("seed").and_then(|value| seed(value).map_err(&mut note).ok());
    let mut list = Vec::new();
    let mut catch_all = None;
    for (number, value) in (1..).zip(values) {
        if let Some(earlier) = catch_all {
            note(Mistake::of(
                value,
                format!("rule {number} can never match: rule {earlier} matches every datagram, so it must be the last"),
            ));
        } else if value.get_ref().as_table().is_some_and(|rule| !has_conditions(rule)) {
            catch_all = Some(number);
        }
        match rule(text, value) {
            Ok(rule) => list.push(rule),
            Err(mistake) => note(mistake),
        }
    }
    if !mistakes.is_empty() {
        mistakes.sort_by_key(|mistake| mistake.at);
        return Err(mistakes);
    }
    let rules = Rules::from_iter(list);
    Ok(match seed {
        Some(seed) => rules.seed(seed),
        None => rules,
    })
}

/// The tables of the rules; `end` is where one could be added.
fn rule_values<'a>(file: &'a DeTable<'a>, end: usize) -> Checked<&'a [Value<'a>]> {
    let Some(value) = file.get("rule") else {
        return Err(Mistake::new(end, "there is no [[rule]], so nothing would be answered (that is --sink)"));
    };
    let Some(list) = value.get_ref().as_array().filter(|list| !list.is_empty()) else {
        return Err(Mistake::of(value, "a rule begins with [[rule]], in double brackets"));
    };
    if list.len() > MOST_RULES {
        return Err(Mistake::of(&list[MOST_RULES], format!("there are more than {MOST_RULES} rules")));
    }
    Ok(list)
}

/// Whether a rule asks anything of a datagram.
fn has_conditions(rule: &DeTable<'_>) -> bool {
    rule.get("match").is_some_and(|value| value.get_ref().as_table().is_none_or(|table| !table.is_empty()))
}

fn rule(text: &str, value: &Value<'_>) -> Checked<Rule> {
    let table = table(value, "a rule", &RULE_KEYS)?;
    let rule = table.get("match").map_or_else(|| Ok(Rule::any()), conditions)?;
    let Some((action, reply)) = only_one(table, "a rule", &ACTIONS)? else {
        let message = format!("this rule does not say what to do: it needs one of {}", ACTIONS.join(", "));
        return Err(Mistake::of(value, message));
    };
    let mut rule = match action {
        "reply" => rule.reply(template(text, reply, action, Template::text)?),
        "reply_hex" => rule.reply(template(text, reply, action, Template::bytes)?),
        "echo" => yes(reply, action).map(|()| rule.echo())?,
        _ => {
            yes(reply, action)?;
            let idle = table.keys().find(|key| ["delay", "drop"].contains(&key.get_ref().as_ref()));
            let message = |key| format!("'{key}' changes a reply, and this rule has none");
            return idle.map_or(Ok(rule), |key| Err(Mistake::new(key.span().start, message(key.get_ref()))));
        }
    };
    if let Some(value) = table.get("delay") {
        rule = rule.delay(delay(value)?);
    }
    if let Some(value) = table.get("drop") {
        rule = rule.loses(chance(value)?);
    }
    Ok(rule)
}

/// A rule that matches what the table asks for.
fn conditions(value: &Value<'_>) -> Checked<Rule> {
    let table = table(value, "a match", &MATCH_KEYS)?;
    let mut rule = Rule::any();
    let mut possible = 0..=MAX_PAYLOAD_V6;
    if let Some((key, value)) = only_one(table, "a match", &PAYLOADS)? {
        let text = string(value, key)?;
        let bytes = match key {
            "hex" | "prefix_hex" => bytes::hex(text).map_err(|message| Mistake::of(value, message))?,
            _ => text.as_bytes().to_vec(),
        };
        let len = bytes.len();
        (rule, possible) = match key {
            "regex" => (regex(value, text).map(|regex| rule.test(move |it| regex.is_match(it)))?, possible),
            _ if len > MAX_PAYLOAD_V6 => return Err(too_long(value)),
            "text" | "hex" => (rule.payload(bytes), len..=len),
            _ if len == 0 => {
                return Err(Mistake::of(value, "every datagram begins with nothing: leave this condition out"));
            }
            _ => (rule.prefix(bytes), len..=MAX_PAYLOAD_V6),
        };
    }
    if let Some(value) = table.get("length") {
        let length = length(value)?;
        if length.start() > possible.end() || length.end() < possible.start() {
            return Err(Mistake::of(value, "this rule can never match: its payload has another length"));
        }
        rule = rule.length(length);
    }
    let networks = table.get("from").map_or_else(|| Ok(Vec::new()), networks)?;
    Ok(networks.into_iter().fold(rule, Rule::from))
}

fn too_long(value: &Value<'_>) -> Mistake {
    Mistake::of(value, format!("no datagram has more than {MAX_PAYLOAD_V6} bytes"))
}

fn regex(value: &Value<'_>, text: &str) -> Checked<regex::bytes::Regex> {
    bytes::regex_or_why(text).map_err(|message| Mistake::of(value, message))
}

/// Bytes of payload: a number, or a range with both ends in it.
fn length(value: &Value<'_>) -> Checked<RangeInclusive<usize>> {
    let wrong = || Mistake::of(value, "a length is 4, \"4-64\" (both included), \"4-\" or \"-64\"");
    let number = |text: &str, default| match text {
        "" => Ok(default),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    };
    let (least, most) = match value.get_ref() {
        DeValue::Integer(it) => {
            let length = usize::from_str_radix(it.as_str(), it.radix()).map_err(|_| wrong())?;
            (length, length)
        }
        DeValue::String(text) => match text.split_once('-') {
            Some(("", "")) | None => return Err(wrong()),
            Some((least, most)) => (number(least, 0)?, number(most, MAX_PAYLOAD_V6)?),
        },
        _ => return Err(wrong()),
    };
    if least.max(most) > MAX_PAYLOAD_V6 {
        return Err(too_long(value));
    }
    if least > most {
        return Err(ends_early(value));
    }
    Ok(least..=most)
}

fn networks(value: &Value<'_>) -> Checked<Vec<Network>> {
    let list = match value.get_ref() {
        DeValue::Array(list) => list.as_ref(),
        _ => std::slice::from_ref(value),
    };
    if list.is_empty() {
        return Err(Mistake::of(value, "'from' names no network, so nothing matches"));
    }
    let network = |it| string(it, "from")?.parse().map_err(|message: String| Mistake::of(it, message));
    list.iter().map(network).collect()
}

/// A time, or two between which each is as likely as the other.
fn delay(value: &Value<'_>) -> Checked<RangeInclusive<Duration>> {
    units::delay(string(value, "delay")?).map_err(|message| Mistake::of(value, message))
}

fn ends_early(value: &Value<'_>) -> Mistake {
    Mistake::of(value, "this range ends before it begins")
}

/// A probability, from 0 to 1.
fn chance(value: &Value<'_>) -> Checked<f64> {
    let chance = match value.get_ref() {
        DeValue::String(text) if text.ends_with('%') => units::chance(text).ok(),
        DeValue::Float(number) => units::chance(number.as_str()).ok(),
        _ => None,
    };
    chance.ok_or_else(|| Mistake::of(value, "a chance is written as \"5%\" or 0.05, from 0.0 to 1.0"))
}

/// A template of a reply, whose mistakes are told at their own place where that is certain.
fn template(
    text: &str,
    value: &Value<'_>,
    key: &str,
    read: impl Fn(&str) -> Result<Template, TemplateError>,
) -> Checked<Template> {
    let words = string(value, key)?;
    let template = read(words).map_err(|error| {
        let inside = inner_start(&text[value.span()], words).map_or(0, |start| start + error.at());
        Mistake::new(value.span().start + inside, error.to_string())
    })?;
    match template.as_fixed().map(<[u8]>::len) {
        Some(len) if len > MAX_PAYLOAD_V4 => {
            let message =
                format!("the reply has {len} bytes; a UDP datagram over IPv4 carries at most {MAX_PAYLOAD_V4}");
            Err(Mistake::of(value, message))
        }
        _ => Ok(template),
    }
}

/// Where the words of a string in quotes begin, if they stand there as they are, without escapes.
fn inner_start(quoted: &str, words: &str) -> Option<usize> {
    let quotes = if quoted.starts_with("\"\"\"") || quoted.starts_with("'''") { 3 } else { 1 };
    let inner = quoted.get(quotes..quoted.len().checked_sub(quotes)?)?;
    // A line end after three quotes is no part of the string.
    let start = inner.len().checked_sub(words.len())?;
    (inner.ends_with(words) && inner[..start].trim().is_empty()).then_some(quotes + start)
}

/// The one of these keys that a table has; a second one is a mistake.
fn only_one<'a>(
    table: &'a DeTable<'a>,
    what: &str,
    keys: &[&'static str],
) -> Checked<Option<(&'static str, &'a Value<'a>)>> {
    let mut found: Vec<_> = keys.iter().filter_map(|key| Some((*key, table.get_key_value(*key)?))).collect();
    found.sort_by_key(|(_, (key, _))| key.span().start);
    match found.as_slice() {
        [] => Ok(None),
        [(key, (_, value))] => Ok(Some((*key, value))),
        [(first, _), (_, (key, _)), ..] => {
            let message = format!("{what} has only one of {}; this one has '{first}' already", keys.join(", "));
            Err(Mistake::new(key.span().start, message))
        }
    }
}

/// A key that stands for itself.
fn yes(value: &Value<'_>, key: &str) -> Checked<()> {
    match value.get_ref().as_bool() {
        Some(true) => Ok(()),
        _ => Err(Mistake::of(value, format!("'{key}' can only be true; leave it out where it is not"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use udpkit::verbs::{Serve, ServeOptions};
    use udpkit::{Answer, Conduct, Datagram, Engine, Event, Meta, Outbox, Transmit};

    const GOOD: &str = r#"
# Every key at least once.
seed = 7

[[rule]]
match = { text = "GET temperature", from = "10.0.0.0/8" }
reply = "21.5 at {time}"
delay = "20ms"

[[rule]]
match = { prefix_hex = "ff 01", length = "4-64", from = ["10.0.0.0/8", "fd00::/8"] }
reply_hex = "{payload[0..2]} 81 80"
delay = "20ms..80ms"
drop = "5%"

[[rule]]
match = { regex = '^[0-9]+$' }
echo = true
drop = 0.25

[[rule]]
match = { hex = "01 02", length = 2 }
nothing = true

[[rule]]
match = { prefix = "SET " }
reply = """
OK {payload[4..]}"""

[[rule]]
reply = "what is '{payload}'?"
"#;

    /// The replies that an engine sends.
    struct Sent(Vec<Vec<u8>>);

    impl Outbox for Sent {
        fn clock(&self) -> udpkit::Moment {
            udpkit::Moment::now()
        }

        fn send(&mut self, _via: udpkit::SocketId, _transmit: &Transmit, payload: &[u8]) {
            self.0.push(payload.to_vec());
        }

        fn emit(&mut self, _event: Event<'_>) {}
    }

    fn rules(text: &str) -> Rules {
        parse(text).unwrap_or_else(|mistakes| panic!("{text}\n{mistakes:?}"))
    }

    /// The reply of a server with these rules, if there is one at once.
    fn reply(rules: &Rules, source: &str, payload: &[u8]) -> Option<Vec<u8>> {
        let conduct = Conduct::default().max_amplification(None);
        let options = ServeOptions::new(Answer::from(rules.clone()), Vec::new()).conduct(conduct);
        let mut sent = Sent(Vec::new());
        let meta = Meta::new(format!("{source}:40000").parse().unwrap());
        let datagram = Datagram::new(payload, &meta);
        #[expect(clippy::disallowed_methods, reason = "some moment; no time passes")]
        Serve::new(options).receive(Instant::now(), udpkit::SocketId::first(0), &datagram, &mut sent);
        sent.0.pop()
    }

    fn mistakes(text: &str) -> Vec<String> {
        parse(text).expect_err(text).iter().map(|mistake| mistake.tell(text)).collect()
    }

    #[test]
    fn each_condition_matches_what_it_says() {
        let long = "x".repeat(65_507);
        let cases: [(&str, &[&str], &[&str]); 14] = [
            (r#"text = "ping""#, &["ping"], &["", "pin", "ping ", "Ping"]),
            (r#"text = """#, &[""], &["\0"]),
            (r#"hex = "70:69 6e67""#, &["ping"], &["pin"]),
            (r#"prefix = "SET ""#, &["SET ", "SET x"], &["SET", " SET "]),
            (r#"prefix_hex = "53""#, &["SET"], &["set", ""]),
            (r"regex = '^[0-9]+$'", &["0", "123"], &["", "12a", "1\n"]),
            (r"regex = 'b'", &["abc"], &["ac"]),
            (r"regex = '^.$'", &["a"], &["ä"]),
            ("length = 4", &["ping"], &["pin", "pings"]),
            ("length = 0", &[""], &["x"]),
            (r#"length = "2-4""#, &["ab", "abc", "abcd"], &["a", "abcde"]),
            (r#"length = "2-""#, &["ab", &long], &["a", ""]),
            (r#"length = "-2""#, &["", "ab"], &["abc"]),
            (r#"prefix = "a", length = 2"#, &["ab"], &["a", "bb"]),
        ];
        for (condition, yes, no) in cases {
            let rules = rules(&format!("[[rule]]\nmatch = {{ {condition} }}\nreply = '!'"));
            for payload in yes {
                assert_eq!(reply(&rules, "10.0.0.1", payload.as_bytes()).as_deref(), Some(&b"!"[..]), "{condition}");
            }
            for payload in no {
                assert_eq!(reply(&rules, "10.0.0.1", payload.as_bytes()), None, "{condition}: {payload}");
            }
        }
    }

    #[test]
    fn sources_are_in_one_of_the_networks() {
        let one = rules("[[rule]]\nmatch = { from = '10.1.0.0/16' }\necho = true");
        let two = rules("[[rule]]\nmatch.from = ['10.1.0.0/16', 'fd00::/8']\necho = true");
        for (source, in_one, in_two) in [
            ("10.1.2.3", true, true),
            ("10.2.0.1", false, false),
            ("[fd01::1]", false, true),
            ("[fe80::1]", false, false),
        ] {
            assert_eq!(reply(&one, source, b"x").is_some(), in_one, "{source}");
            assert_eq!(reply(&two, source, b"x").is_some(), in_two, "{source}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let rules = rules(GOOD);
        assert_eq!(rules.len(), 6);
        let cases: [(&[u8], Option<&[u8]>); 5] = [
            (b"\x01\x02", None),
            (b"\x01\x02\x03", Some(b"what is '\x01\x02\x03'?")),
            (b"SET 19", Some(b"OK 19")),
            (b"SET ", Some(b"OK ")),
            (b"GET temperature", Some(b"what is 'GET temperature'?")),
        ];
        for (payload, expected) in cases {
            assert_eq!(reply(&rules, "192.0.2.1", payload).as_deref(), expected, "{payload:?}");
        }
    }

    #[test]
    fn replies_are_text_bytes_echoes_or_nothing() {
        let cases: [(&str, Option<&[u8]>); 6] = [
            ("reply = '{length}'", Some(b"3")),
            ("reply = ''", Some(b"")),
            ("reply_hex = '00 {payload[1..]} ff'", Some(b"\0bc\xff")),
            ("echo = true", Some(b"abc")),
            ("nothing = true", None),
            ("echo = true\ndrop = '100%'", None),
        ];
        for (action, expected) in cases {
            assert_eq!(
                reply(&rules(&format!("[[rule]]\n{action}")), "10.0.0.1", b"abc").as_deref(),
                expected,
                "{action}"
            );
        }
    }

    #[test]
    fn delays_chances_and_seeds_are_kept() {
        let shown = format!("{:?}", rules(GOOD));
        for words in [
            "delay: 20ms..=20ms, loss: None }",
            "delay: 20ms..=80ms, loss: Independent(0.05) }",
            "loss: Independent(0.25) }",
            "seed: Some(7)",
        ] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
        let cases = [("0.0", 0.0), ("1.0", 1.0), ("1e-3", 0.001), ("'0%'", 0.0), ("'100%'", 1.0), ("'2.5%'", 0.025)];
        for (chance, loss) in cases {
            let loss = udpkit::impairment::Loss::from(loss);
            let shown = format!("{:?}", rules(&format!("[[rule]]\necho = true\ndrop = {chance}")));
            assert!(shown.contains(&format!("loss: {loss:?} }}")), "{chance}: {shown}");
        }
        for seed in ["0", "0xff", "1_000", "18446744073709551615"] {
            rules(&format!("seed = {seed}\n[[rule]]\necho = true"));
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_place_and_what_is_allowed() {
        let fields = "{source} {payload} {payload_hex} {length} {count} {time} {interface}";
        let unknown = format!("'{{sorce}}' is not known; there are {fields}, and {{{{ is a plain brace");
        let cases = [
            ("", "line 1, column 1: there is no [[rule]], so nothing would be answered (that is --sink)"),
            ("seed = 7\n# ä", "line 2, column 4: there is no [[rule]], so nothing would be answered (that is --sink)"),
            ("rule = []", "line 1, column 8: a rule begins with [[rule]], in double brackets"),
            ("[rule]\necho = true", "line 1, column 1: a rule begins with [[rule]], in double brackets"),
            ("rule = [7]", "line 1, column 9: a rule is a table, as in { match = ... }"),
            ("sed = 7", "line 1, column 1: a rules file has no 'sed'; did you mean seed?"),
            ("seed = -1\n[[rule]]\necho = true", "line 1, column 8: a seed is a whole number from 0 on, such as 7"),
            ("seed = 'x'\n[[rule]]\necho = true", "line 1, column 8: a seed is a whole number from 0 on, such as 7"),
            ("[[rule]]\nreply = abc", "line 2, column 9: string values must be quoted, expected literal string"),
            ("[[rule]]\nreply = 'ä' 'b'", "line 2, column 13: unexpected key or value, expected newline, `#`"),
            ("[[rule]]\necho = true\necho = true", "line 3, column 1: duplicate key"),
        ];
        for (text, expected) in cases {
            assert_eq!(mistakes(text), [expected], "{text}");
        }
        let in_a_rule = [
            ("mach = { text = 'a' }", "1: a rule has no 'mach'; did you mean match?"),
            ("match = 'GET'", "9: a match is a table, as in { text = ... }"),
            ("match = { txt = 'a' }", "11: a match has no 'txt'; did you mean text?"),
            (
                "match = { text = 'a', regex = 'b' }",
                "23: a match has only one of text, hex, prefix, prefix_hex, regex; this one has 'text' already",
            ),
            ("match = { text = 7 }", "18: 'text' is a text in quotes"),
            ("match = { hex = '0 1' }", "17: '0' has an odd number of hex digits; a byte has two, as in '0a'"),
            ("match = { prefix_hex = 'zz' }", "24: 'z' is not a hex digit; write bytes as '01 0a ff'"),
            ("match = { prefix = '' }", "20: every datagram begins with nothing: leave this condition out"),
            ("match = { regex = '[0-9' }", "19: '[0-9' is not a regular expression: unclosed character class"),
            (
                "match = { regex = '(?:a{1000}){1000}' }",
                "19: '(?:a{1000}){1000}' is not a regular expression: compiled it takes more than 1048576 bytes",
            ),
            ("match = { text = 'ab', length = 3 }", "33: this rule can never match: its payload has another length"),
            ("match = { prefix = 'ab', length = 1 }", "35: this rule can never match: its payload has another length"),
            ("match = { length = 65528 }", "20: no datagram has more than 65527 bytes"),
            ("match = { length = '5-65528' }", "20: no datagram has more than 65527 bytes"),
            ("match = { length = '5-4' }", "20: this range ends before it begins"),
            (
                "match = { from = 'home' }",
                "18: 'home' is not a network; write one as 10.1.0.0/16, 2001:db8::/32 or 10.1.2.3",
            ),
            (
                "match = { from = ['10.0.0.0/8', '::/129'] }",
                "33: '::/129' is not a network; write one as 10.1.0.0/16, 2001:db8::/32 or 10.1.2.3",
            ),
            ("match = { from = [7] }", "19: 'from' is a text in quotes"),
            ("match = { from = [] }", "18: 'from' names no network, so nothing matches"),
            ("reply = '{sorce}'", &format!("10: {unknown}")),
            ("reply = 'ä {sorce}'", &format!("12: {unknown}")),
            (r#"reply = "\t{sorce}""#, &format!("9: {unknown}")),
            ("reply_hex = '00 0'", "17: '0' is no pair of hex digits"),
            ("reply = true", "9: 'reply' is a text in quotes"),
            (
                "reply = 'a'\necho = true",
                "1: a rule has only one of reply, reply_hex, echo, nothing; this one has 'reply' already",
            ),
            ("echo = false", "8: 'echo' can only be true; leave it out where it is not"),
            ("nothing = 1", "11: 'nothing' can only be true; leave it out where it is not"),
            ("delay = 20", "9: 'delay' is a text in quotes"),
            (
                "delay = '20'",
                "9: '20' has no unit, as in 20s; write one as 500us, 20ms, 1s or 1m30s, or a range as 20ms..80ms",
            ),
            ("delay = '80ms..20ms'", "9: this range ends before it begins"),
            (
                "delay = '20ms..'",
                "9: '' is not a duration; write one as 500us, 20ms, 1s or 1m30s, or a range as 20ms..80ms",
            ),
        ];
        for (lines, expected) in in_a_rule {
            let (line, action) = match lines.split('\n').count() {
                2 => (3, ""),
                _ if lines.starts_with("reply") || lines.starts_with("echo") || lines.starts_with("nothing") => (2, ""),
                _ => (2, "\necho = true"),
            };
            let text = format!("[[rule]]\n{lines}{action}");
            assert_eq!(mistakes(&text), [format!("line {line}, column {expected}")], "{text}");
        }
    }

    #[test]
    fn lengths_and_chances_have_few_forms() {
        for length in
            ["'4'", "'-'", "''", "'4..64'", "'4 - 5'", "'a-'", "'--4'", "-4", "4.0", "true", "'99999999999999999999-'"]
        {
            let told = mistakes(&format!("[[rule]]\nmatch = {{ length = {length} }}\necho = true"));
            assert_eq!(
                told,
                ["line 2, column 20: a length is 4, \"4-64\" (both included), \"4-\" or \"-64\""],
                "{length}"
            );
        }
        for chance in
            ["0", "1", "5", "-0.1", "1.1", "nan", "inf", "'5'", "'0.05'", "'101%'", "'-1%'", "'nan%'", "'%'", "true"]
        {
            let told = mistakes(&format!("[[rule]]\necho = true\ndrop = {chance}"));
            assert_eq!(told, ["line 3, column 8: a chance is written as \"5%\" or 0.05, from 0.0 to 1.0"], "{chance}");
        }
    }

    #[test]
    fn a_rule_says_what_to_do_and_only_what_it_can() {
        assert_eq!(
            mistakes("\n[[rule]]\nmatch = { text = 'a' }"),
            ["line 2, column 1: this rule does not say what to do: it needs one of reply, reply_hex, echo, nothing"]
        );
        for key in ["delay = '1s'", "drop = 0.5"] {
            let name = key.split(' ').next().unwrap();
            let expected = format!("line 3, column 1: '{name}' changes a reply, and this rule has none");
            assert_eq!(mistakes(&format!("[[rule]]\nnothing = true\n{key}")), [expected]);
        }
    }

    #[test]
    fn nothing_follows_a_rule_that_matches_everything() {
        let words = "can never match: rule 2 matches every datagram, so it must be the last";
        for condition in ["", "match = {}\n"] {
            let text = format!(
                "[[rule]]\nmatch = {{ text = 'a' }}\necho = true\n[[rule]]\n{condition}echo = true\n\
                 [[rule]]\nreply = ''\n[[rule]]\nmatch = {{ text = 'b' }}\nreply = ''"
            );
            let line = 6 + condition.lines().count();
            let expected = [
                format!("line {line}, column 1: rule 3 {words}"),
                format!("line {}, column 1: rule 4 {words}", line + 2),
            ];
            assert_eq!(mistakes(&text), expected);
        }
    }

    #[test]
    fn the_first_mistake_of_each_rule_is_told_in_order() {
        let text = "seed = 'x'\n[[rule]]\nmatch = { txt = '' }\nreply = 7\n[[rule]]\necho = true\ndrop = 2.0";
        let places: Vec<_> = mistakes(text).iter().map(|told| told.split(':').next().unwrap().to_owned()).collect();
        assert_eq!(places, ["line 1, column 8", "line 3, column 11", "line 7, column 8"]);
    }

    #[test]
    fn bounds_hold() {
        let rule = "[[rule]]\nmatch = { text = 'a' }\necho = true\n";
        assert_eq!(rules(&rule.repeat(MOST_RULES)).len(), MOST_RULES);
        assert_eq!(mistakes(&rule.repeat(MOST_RULES + 1)), ["line 30001, column 1: there are more than 10000 rules"]);

        rules(&format!("[[rule]]\nreply = '{}'", "x".repeat(MAX_PAYLOAD_V4)));
        assert_eq!(
            mistakes(&format!("[[rule]]\nreply = '{}'", "x".repeat(MAX_PAYLOAD_V4 + 1))),
            ["line 2, column 9: the reply has 65508 bytes; a UDP datagram over IPv4 carries at most 65507"]
        );
        let told =
            mistakes(&format!("[[rule]]\nmatch = {{ text = '{}' }}\necho = true", "x".repeat(MAX_PAYLOAD_V6 + 1)));
        assert_eq!(told, ["line 2, column 18: no datagram has more than 65527 bytes"]);
        assert!(parse(&format!("a = {}", "[".repeat(100_000))).is_err());
        assert!(parse(&"a.".repeat(100_000)).is_err());
    }

    #[test]
    fn a_template_mistake_is_told_at_its_own_place_in_every_kind_of_quotes() {
        let cases = [
            ("'''{x}'''", "line 2, column 12"),
            ("'''\n\n {x}'''", "line 4, column 2"),
            ("\"\"\"\r\na\r\n{x}\"\"\"", "line 4, column 1"),
            ("\"\"\"a\n{x}\"\"\"\"", "line 3, column 1"),
            ("\"\"\"\\\n  {x}\"\"\"", "line 2, column 9"),
        ];
        for (quoted, place) in cases {
            let told = mistakes(&format!("[[rule]]\nreply = {quoted}"));
            assert!(told[0].starts_with(&format!("{place}: '{{x}}' is not known")), "{quoted}: {told:?}");
        }
    }

    #[test]
    fn any_text_is_rules_or_a_mistake_inside_it() {
        let check = |bytes: &[u8]| {
            let Ok(text) = str::from_utf8(bytes) else { return };
            let Err(mistakes) = parse(text) else { return };
            assert!(!mistakes.is_empty(), "{text}");
            assert!(mistakes.iter().all(|mistake| mistake.at <= text.len() && !mistake.message.is_empty()), "{text}");
        };
        let good = GOOD.as_bytes();
        for at in 0..good.len() {
            check(&good[..at]);
            check(&good[at..]);
            for byte in *b"\0\n \"'{}[]=.,-#0a%\\" {
                let mut changed = good.to_vec();
                changed[at] = byte;
                check(&changed);
                changed.insert(at, good[at]);
                check(&changed);
            }
            for bit in 0..8 {
                let mut changed = good.to_vec();
                changed[at] ^= 1 << bit;
                check(&changed);
            }
        }
    }
}
