//! Payloads as people give them: text, hex, escapes, a file, standard input.

use std::io::{BufRead, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::args::PayloadArgs;
use crate::hint::Hint;

/// What a verb has to send.
#[derive(Debug)]
pub(crate) enum Payloads {
    /// These, known before the run.
    List(Vec<Vec<u8>>),
    /// What comes in from standard input, cut at this byte.
    Input(u8),
}

/// The payloads that the arguments ask for, none over the limit.
pub(crate) fn payloads(args: &PayloadArgs, limit: usize) -> Result<Payloads> {
    let delimiter = if args.nul { b'\0' } else { b'\n' };
    let cut = args.lines || args.nul;
    match args.payload.as_deref() {
        Some("-") if args.escapes => bail!("--escapes reads PAYLOAD, and '-' takes standard input as it is"),
        Some(text) if text != "-" && cut => {
            bail!("--lines and --nul cut a file or standard input: PAYLOAD is one datagram")
        }
        _ => {}
    }
    let list = if args.empty {
        vec![Vec::new()]
    } else if let Some(text) = &args.hex {
        vec![hex(text).map_err(anyhow::Error::msg)?]
    } else if let Some(path) = &args.file {
        from_reader(&mut open(path)?, &format!("'{}'", path.display()), cut.then_some(delimiter), limit)?
    } else {
        match args.payload.as_deref() {
            None => return Ok(Payloads::Input(delimiter)),
            Some("-") if cut => return Ok(Payloads::Input(delimiter)),
            Some("-") => from_reader(&mut std::io::stdin().lock(), "standard input", None, limit)?,
            Some(text) if args.escapes => vec![unescape(text).map_err(anyhow::Error::msg)?],
            Some(text) => vec![text.as_bytes().to_vec()],
        }
    };
    for payload in &list {
        check(payload.len(), limit)?;
    }
    Ok(Payloads::List(list))
}

/// An error for a payload that no datagram can carry.
pub(crate) fn check(len: usize, limit: usize) -> Result<()> {
    if len <= limit {
        return Ok(());
    }
    let family = if limit == udpkit::MAX_PAYLOAD_V4 { "IPv4" } else { "IPv6" };
    Err(Hint::on(
        format!("the payload has {len} bytes; a UDP datagram over {family} carries at most {limit}"),
        "nothing was sent, and nothing is ever split: send less, or cut it with --lines or --nul",
    ))
}

fn open(path: &Path) -> Result<std::io::BufReader<std::fs::File>> {
    let file = std::fs::File::open(path)
        .map_err(|error| anyhow::anyhow!("cannot open '{}': {}", path.display(), udpkit::reason(&error)))?;
    Ok(std::io::BufReader::new(file))
}

/// All of a reader as one payload, or as one for each part that ends with the delimiter.
fn from_reader(reader: &mut dyn BufRead, name: &str, delimiter: Option<u8>, limit: usize) -> Result<Vec<Vec<u8>>> {
    let Some(delimiter) = delimiter else {
        let mut payload = Vec::new();
        // One byte more than fits is enough to know, and no more is kept in memory.
        reader.take(limit as u64 + 1).read_to_end(&mut payload).with_context(|| format!("cannot read {name}"))?;
        if payload.len() > limit {
            return Err(Hint::on(
                format!("{name} has more than {limit} bytes, the most that one datagram carries"),
                "--lines or --nul make a datagram of each line or part",
            ));
        }
        return Ok(vec![payload]);
    };
    let mut parts = Parts::new(delimiter, limit);
    let mut list = Vec::new();
    while let Some(part) = parts.next(reader).with_context(|| format!("cannot read {name}"))? {
        list.push(part?);
    }
    if list.is_empty() {
        bail!("{name} is empty: there is nothing to send (an empty datagram is --empty)");
    }
    Ok(list)
}

/// Cuts a stream at a delimiter, which is left out; a line's carriage return before it too.
#[derive(Debug)]
pub(crate) struct Parts {
    delimiter: u8,
    limit: usize,
    number: u64,
}

impl Parts {
    pub(crate) fn new(delimiter: u8, limit: usize) -> Self {
        Self { delimiter, limit, number: 0 }
    }

    /// The next part; an error in it if it is over the limit. What follows it is not lost.
    pub(crate) fn next(&mut self, reader: &mut dyn BufRead) -> std::io::Result<Option<Result<Vec<u8>>>> {
        let mut part = Vec::new();
        // Room for the delimiter and a carriage return.
        let most = self.limit as u64 + 2;
        if reader.take(most).read_until(self.delimiter, &mut part)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let mut len = part.len();
        if part.last() == Some(&self.delimiter) {
            part.pop();
            if self.delimiter == b'\n' && part.last() == Some(&b'\r') {
                part.pop();
            }
            len = part.len();
        } else if len as u64 == most {
            len += skip_until(reader, self.delimiter)?;
        }
        if len > self.limit {
            let (number, limit) = (self.number, self.limit);
            let kind = if self.delimiter == b'\n' { "line" } else { "part" };
            return Ok(Some(Err(Hint::on(
                format!("{kind} {number} of the input has {len} bytes; one datagram carries at most {limit}"),
                "it was not sent",
            ))));
        }
        Ok(Some(Ok(part)))
    }
}

/// Reads past the delimiter, keeping nothing; returns how many bytes there were before it.
fn skip_until(reader: &mut dyn BufRead, delimiter: u8) -> std::io::Result<usize> {
    let mut skipped = 0;
    loop {
        let available = reader.fill_buf()?;
        if available.is_empty() {
            return Ok(skipped);
        }
        let found = available.iter().position(|&byte| byte == delimiter);
        let used = found.map_or(available.len(), |place| place + 1);
        skipped += found.unwrap_or(used);
        reader.consume(used);
        if found.is_some() {
            return Ok(skipped);
        }
    }
}

/// Parses `01 0a ff`, `010aff`, `01:0a:ff`, `0x01 0x0a`.
pub(crate) fn hex(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for word in text.split(|letter: char| letter.is_whitespace() || matches!(letter, ':' | ',' | '-')) {
        let digits = word.strip_prefix("0x").unwrap_or(word);
        if digits.is_empty() && !word.is_empty() {
            return Err(format!("'{word}' has no hex digits; a byte has two, as in '0x0a'"));
        }
        if let Some(wrong) = digits.chars().find(|letter| !letter.is_ascii_hexdigit()) {
            return Err(format!("'{wrong}' is not a hex digit; write bytes as '01 0a ff'"));
        }
        if digits.len() % 2 == 1 {
            return Err(format!("'{digits}' has an odd number of hex digits; a byte has two, as in '0a'"));
        }
        let pairs = (0..digits.len()).step_by(2).filter_map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok());
        bytes.extend(pairs);
    }
    Ok(bytes)
}

/// Parses `\n \r \t \0 \\ \xNN`; everything else stands for itself.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let (byte, used) = match escape.as_bytes() {
            [b'n', ..] => (b'\n', 1),
            [b'r', ..] => (b'\r', 1),
            [b't', ..] => (b'\t', 1),
            [b'0', ..] => (0, 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', ..] => match escape.get(1..3).map(|digits| u8::from_str_radix(digits, 16)) {
                Some(Ok(byte)) if escape.as_bytes()[1] != b'+' => (byte, 3),
                _ => return Err("'\\x' wants two hex digits, as in '\\x0a'".to_owned()),
            },
            _ => {
                let wrong: String = escape.chars().take(1).collect();
                return Err(format!("'\\{wrong}' is no escape; there are \\n \\r \\t \\0 \\\\ \\xNN"));
            }
        };
        bytes.push(byte);
        rest = &escape[used..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// The most memory that a compiled regular expression may take, in bytes, and as much again in each thread that uses it; a
/// rules file holds many.
const MAX_REGEX: usize = 1 << 20;

/// A regular expression on payloads. They are bytes: without `(?u)` a dot is any byte.
pub(crate) fn regex(text: &str) -> Result<regex::bytes::Regex, regex::Error> {
    regex::bytes::RegexBuilder::new(text).unicode(false).size_limit(MAX_REGEX).dfa_size_limit(MAX_REGEX).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_forms() {
        for text in ["01 0a ff", "010aff", "01:0A:FF", "0x01 0x0a 0xff", "01-0a-ff", " 01,0a , ff "] {
            assert_eq!(hex(text).unwrap(), [1, 10, 255], "{text}");
        }
        assert_eq!(hex("").unwrap(), Vec::<u8>::new());
        for wrong in ["0", "0 1", "gg", "0x", "0x01 0x", "0x0x01", "01 0a f", "é"] {
            assert!(hex(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape(r"a\n\r\t\0\\\x41é").unwrap(), "a\n\r\t\0\\Aé".as_bytes());
        assert_eq!(unescape(r"\xff").unwrap(), [255]);
        for wrong in [r"\", r"\q", r"\x", r"\x4", r"\xzz", r"\x+1", r"\xé"] {
            assert!(unescape(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lines_are_cut_and_an_overlong_one_is_named_and_not_split() {
        let text = b"one\r\n\n0123456789\nfour";
        let mut reader: &[u8] = text;
        let mut parts = Parts::new(b'\n', 5);
        let mut seen = Vec::new();
        while let Some(part) = parts.next(&mut reader).unwrap() {
            seen.push(part.map_err(|error| error.to_string()));
        }
        assert_eq!(seen.len(), 4);
        assert_eq!(seen[0].as_deref(), Ok(&b"one"[..]));
        assert_eq!(seen[1].as_deref(), Ok(&b""[..]));
        assert_eq!(seen[2].as_ref().unwrap_err(), "line 3 of the input has 10 bytes; one datagram carries at most 5");
        assert_eq!(seen[3].as_deref(), Ok(&b"four"[..]));
    }
}
