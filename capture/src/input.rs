//! Input whose end and error are remembered, whatever reads it.

use std::io::{self, ErrorKind, Read};

/// Why no more can be read.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The input's own error.
    Input(io::Error),
    /// What is compressed ends too soon.
    Cut,
    /// What is compressed is not right; these words say how.
    #[cfg_attr(not(feature = "compression"), expect(dead_code, reason = "of what is unpacked alone"))]
    Corrupt(&'static str),
}

/// Input of which the first bytes may be looked at, and which knows how it ended: a decoder tells that of its own errors
/// only by words.
#[derive(Debug)]
pub(crate) struct Watched<R> {
    /// Bytes that were looked at, and are to be read yet.
    start: Vec<u8>,
    input: R,
    is_over: bool,
    error: Option<io::Error>,
}

impl<R: Read> Watched<R> {
    /// Input of which nothing was read.
    pub(crate) fn new(input: R) -> Self {
        Self { start: Vec::new(), input, is_over: false, error: None }
    }

    /// Reads some bytes; none at the end.
    pub(crate) fn fill(&mut self, out: &mut [u8]) -> Result<usize, Trouble> {
        self.read(out).map_err(|error| self.trouble().unwrap_or(Trouble::Input(error)))
    }

    #[cfg_attr(not(feature = "compression"), expect(dead_code, reason = "of what is unpacked alone"))]
    /// The first bytes, which are read after that as if nobody had looked; `None` if there are fewer.
    pub(crate) fn peek<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Trouble> {
        let mut start = [0; N];
        let mut len = 0;
        while len < N {
            match self.fill(&mut start[len..])? {
                0 => break,
                count => len += count,
            }
        }
        self.start = start[..len].to_vec();
        Ok((len == N).then_some(start))
    }
}

impl<R> Watched<R> {
    /// What ended it, if anything did: its error, or that there is no more.
    pub(crate) fn trouble(&mut self) -> Option<Trouble> {
        let error = self.error.take().map(Trouble::Input);
        error.or_else(|| self.is_over.then_some(Trouble::Cut))
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if !self.start.is_empty() {
            let len = self.start.len().min(out.len());
            out[..len].copy_from_slice(&self.start[..len]);
            self.start.drain(..len);
            return Ok(len);
        }
        loop {
            match self.input.read(out) {
                Ok(count) => {
                    self.is_over = count == 0 && !out.is_empty();
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = error.kind();
                    self.error = Some(error);
                    return Err(kind.into());
                }
            }
        }
    }
}
