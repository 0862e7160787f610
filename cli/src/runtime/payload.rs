//! What there is to send: payloads from the command line, a file or standard input.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use udpkit::Template;

use crate::args::PayloadArgs;
use crate::hint::Hint;
use crate::words::bytes::{hex, unescape};

/// What a verb has to send.
#[derive(Debug)]
pub(crate) enum Payloads {
    /// These, known before the run.
    List(Vec<Vec<u8>>),
    /// One that is filled in anew each time.
    Template(Template),
    /// The parts of a stream, read while they are sent.
    Input(Parts),
}

/// A stream of payloads, cut at a byte, which is left out.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) source: Source,
    pub(crate) delimiter: u8,
    /// The longest payload that can be sent, in bytes.
    pub(crate) limit: usize,
}

/// Where payloads are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    StandardInput,
    File(PathBuf),
}

impl Source {
    /// `-` is standard input.
    fn of(path: &Path) -> Self {
        if path == Path::new("-") { Self::StandardInput } else { Self::File(path.to_owned()) }
    }

    pub(crate) fn open(&self) -> Result<Box<dyn BufRead>> {
        Ok(match self {
            Self::StandardInput => Box::new(std::io::stdin().lock()),
            Self::File(path) => {
                let file = File::open(path);
                Box::new(BufReader::new(
                    file.map_err(|error| anyhow::anyhow!("cannot open {self}: {}", udpkit::reason(&error)))?,
                ))
            }
        })
    }

    /// Whether it can be opened, as far as that can be known without opening what can be opened once only.
    fn check(&self) -> Result<()> {
        match self {
            Self::File(path) if path.is_file() || !path.exists() => self.open().map(drop),
            Self::File(_) | Self::StandardInput => Ok(()),
        }
    }

    /// Whether it can be read more than once.
    pub(crate) fn is_repeatable(&self) -> bool {
        match self {
            Self::StandardInput => false,
            Self::File(path) => path.is_file(),
        }
    }

    /// Whether a person types it.
    pub(crate) fn is_typed(&self) -> bool {
        *self == Self::StandardInput && std::io::stdin().is_terminal()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StandardInput => f.write_str("standard input"),
            Self::File(path) => write!(f, "'{}'", path.display()),
        }
    }
}

impl Payloads {
    /// The stream, where one is sent.
    pub(crate) fn input(&self) -> Option<&Parts> {
        match self {
            Self::Input(parts) => Some(parts),
            Self::List(_) | Self::Template(_) => None,
        }
    }

    /// Whether there is one payload, and no more.
    pub(crate) fn is_one(&self) -> bool {
        match self {
            Self::List(list) => list.len() == 1,
            Self::Template(_) => true,
            Self::Input(_) => false,
        }
    }

    /// Bytes of the longest payload, where that is known.
    pub(crate) fn longest(&self) -> Option<usize> {
        match self {
            Self::List(list) => list.iter().map(Vec::len).max(),
            Self::Template(_) | Self::Input(_) => None,
        }
    }
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
    if let Some(size) = args.size {
        check(size, limit)?;
    }
    if let Some(template) = &args.template {
        return Ok(Payloads::Template(template.clone()));
    }
    let source = args.file.as_deref().map_or(Source::StandardInput, Source::of);
    let parts = |source: Source| {
        source.check()?;
        Ok(Payloads::Input(Parts { source, delimiter, limit }))
    };
    let list = if args.empty {
        vec![Vec::new()]
    } else if let Some(text) = &args.text {
        vec![if args.escapes { unescape(text).map_err(anyhow::Error::msg)? } else { text.clone().into_bytes() }]
    } else if let Some(text) = &args.hex {
        vec![hex(text).map_err(anyhow::Error::msg)?]
    } else {
        match args.payload.as_deref().filter(|text| *text != "-") {
            Some(text) if args.escapes => vec![unescape(text).map_err(anyhow::Error::msg)?],
            Some(text) => vec![text.as_bytes().to_vec()],
            None if cut => return parts(source),
            None if args.payload.is_none() && source.is_typed() => return parts(source),
            None => vec![whole(&source, limit, args.payload.is_none() && args.file.is_none())?],
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

/// All of a source as one payload; where nobody asked for standard input, it must not be empty.
fn whole(source: &Source, limit: usize, is_unasked: bool) -> Result<Vec<u8>> {
    let mut payload = Vec::new();
    // One byte more than fits is enough to know, and no more is kept in memory.
    let read = source.open()?.take(limit as u64 + 1).read_to_end(&mut payload);
    read.map_err(|error| anyhow::anyhow!("cannot read {source}: {}", udpkit::reason(&error)))?;
    if payload.len() > limit {
        return Err(Hint::on(
            format!("{source} has more than {limit} bytes, the most that one datagram carries"),
            "--lines or --nul make a datagram of each line or part",
        ));
    }
    if payload.is_empty() && is_unasked {
        return Err(Hint::on("nothing to send: standard input is empty", "--empty sends an empty datagram"));
    }
    Ok(payload)
}

/// Cuts a stream at a delimiter, which is left out; a line's carriage return before it too.
#[derive(Debug)]
pub(crate) struct Cutter {
    delimiter: u8,
    limit: usize,
    number: u64,
}

/// The bytes of one part, too long to be sent, after which its end is no longer looked for.
const MAX_SKIPPED: usize = 64 << 20;

impl Cutter {
    pub(crate) fn new(parts: &Parts) -> Self {
        Self { delimiter: parts.delimiter, limit: parts.limit, number: 0 }
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
            match skip_until(reader, self.delimiter)? {
                Some(skipped) => len += skipped,
                None => return Ok(Some(Err(self.endless()))),
            }
        }
        if len > self.limit {
            let (name, limit) = (self.name(), self.limit);
            return Ok(Some(Err(Hint::on(
                format!("{name} has {len} bytes; one datagram carries at most {limit}"),
                "it was not sent",
            ))));
        }
        Ok(Some(Ok(part)))
    }

    fn name(&self) -> String {
        let kind = if self.delimiter == b'\n' { "line" } else { "part" };
        format!("{kind} {} of the input", self.number)
    }

    /// No part ends: what follows is not read.
    fn endless(&self) -> anyhow::Error {
        anyhow::anyhow!("{} has no end within {} MiB: the rest is not read", self.name(), MAX_SKIPPED >> 20)
    }
}

/// Reads past the delimiter, keeping nothing; returns how many bytes there were before it, unless there are too many.
fn skip_until(reader: &mut dyn BufRead, delimiter: u8) -> std::io::Result<Option<usize>> {
    let mut skipped = 0;
    while skipped <= MAX_SKIPPED {
        let available = reader.fill_buf()?;
        if available.is_empty() {
            return Ok(Some(skipped));
        }
        let found = available.iter().position(|&byte| byte == delimiter);
        let used = found.map_or(available.len(), |place| place + 1);
        skipped += found.unwrap_or(used);
        reader.consume(used);
        if found.is_some() {
            return Ok(Some(skipped));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_an_overlong_one_is_named_and_not_split() {
        let text = b"one\r\n\n0123456789\nfour";
        let mut reader: &[u8] = text;
        let mut parts = Cutter::new(&Parts { source: Source::StandardInput, delimiter: b'\n', limit: 5 });
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

    #[test]
    fn a_line_without_an_end_is_given_up_and_costs_no_memory() {
        let mut reader = BufReader::new(std::io::repeat(0));
        let mut parts = Cutter::new(&Parts { source: Source::StandardInput, delimiter: b'\n', limit: 5 });
        let error = parts.next(&mut reader).unwrap().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "line 1 of the input has no end within 64 MiB: the rest is not read");
    }
}
