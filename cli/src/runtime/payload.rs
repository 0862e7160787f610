//! What there is to send: payloads from the command line, a file or standard input.

use std::io::{BufRead, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
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
    /// What comes in from standard input, cut at this byte.
    Input(u8),
}

impl Payloads {
    /// At which byte standard input is cut, and how long a part may be, where that is what is sent.
    pub(crate) fn input(&self, limit: usize) -> Option<(u8, usize)> {
        match self {
            Self::Input(delimiter) => Some((*delimiter, limit)),
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
    let list = if args.empty {
        vec![Vec::new()]
    } else if let Some(text) = &args.text {
        vec![if args.escapes { unescape(text).map_err(anyhow::Error::msg)? } else { text.clone().into_bytes() }]
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

#[cfg(test)]
mod tests {
    use super::*;

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
