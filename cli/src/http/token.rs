//! The token that clients must know.

use std::fmt;
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};

use crate::hint::Hint;

/// Bytes that a token has at least: 16 of base64 are 96 bits.
const SHORTEST: usize = 16;
/// Bytes that a token has at most.
const LONGEST: usize = 512;

/// A secret that a client must know. It is printed nowhere.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    /// The token in the first line of a file; a pipe is one, too.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let failed = || format!("cannot read the token in '{}'", path.display());
        let mut text = Vec::new();
        // Its end of line, and one byte more than fits.
        let most = LONGEST as u64 + 3;
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut text)).with_context(failed)?;
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Self::new(line.trim_ascii()).map_err(|why| Hint::on(format!("{}: {why}", failed()), ADVICE))
    }

    /// The token in this variable of the environment, where it is set.
    pub(crate) fn of_environment(variable: &str) -> Result<Option<Self>> {
        let Some(value) = std::env::var_os(variable) else { return Ok(None) };
        let token = Self::new(value.as_encoded_bytes().trim_ascii());
        token.map(Some).map_err(|why| Hint::on(format!("cannot use the token in {variable}: {why}"), ADVICE))
    }

    /// A token of these bytes; an error in words where they cannot be one.
    pub(super) fn new(token: &[u8]) -> Result<Self, String> {
        if !(SHORTEST..=LONGEST).contains(&token.len()) {
            return Err(format!("it has {} bytes, not {SHORTEST} to {LONGEST}", token.len()));
        }
        let is_graphic = token.iter().all(u8::is_ascii_graphic);
        let token = str::from_utf8(token).ok().filter(|_| is_graphic);
        token.map(|token| Self(token.to_owned())).ok_or_else(|| "it has bytes that are not printable ASCII".to_owned())
    }

    /// Whether these bytes are the token; how long that takes says nothing about it but its length.
    pub(super) fn is(&self, given: &[u8]) -> bool {
        let token = self.0.as_bytes();
        let differences = token.iter().zip(given).fold(0, |all, (ours, theirs)| black_box(all | (ours ^ theirs)));
        token.len() == given.len() && differences == 0
    }
}

/// How to make one.
const ADVICE: &str = "make one with: head -c 24 /dev/urandom | base64";

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_and_printable() {
        let most = "x".repeat(LONGEST);
        for good in ["0123456789abcdef", "a+token/of24characters==", &most] {
            let token = Token::new(good.as_bytes()).unwrap();
            assert!(token.is(good.as_bytes()) && !token.is(b"") && !token.is(&good.as_bytes()[1..]), "{good}");
        }
        let more = most + "x";
        for wrong in
            ["", "0123456789abcde", "0123456789 abcdef", "0123456789abcdef\x1b", "0123456789abcdef\u{e9}", &more]
        {
            Token::new(wrong.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        assert_eq!(format!("{:?}", Token::new(b"0123456789abcdef").unwrap()), "Token(..)");
    }

    #[test]
    fn the_token_of_a_file_is_its_first_line() {
        let directory = std::env::temp_dir().join(format!("udp-token-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let file = directory.join("token");
        let read = |text: &[u8]| {
            std::fs::write(&file, text).unwrap();
            Token::read(&file)
        };
        let endless = [b'x'; 4096];
        let outcomes =
            [&b"0123456789abcdef"[..], b"0123456789abcdef\r\nmore\n", b"\n0123456789abcdef", &endless].map(read);
        std::fs::remove_dir_all(&directory).unwrap();
        let is_right = |token: &Result<Token>| token.as_ref().is_ok_and(|token| token.is(b"0123456789abcdef"));
        assert_eq!(outcomes.each_ref().map(is_right), [true, true, false, false]);
        for outcome in &outcomes[2..] {
            let error = outcome.as_ref().unwrap_err();
            assert!(error.to_string().contains("/token': it has "), "{error}");
            assert!(crate::hint::hint(error).unwrap().contains("/dev/urandom"));
        }
        let missing = Token::read(Path::new("/no/such/token")).unwrap_err();
        assert_eq!(missing.to_string(), "cannot read the token in '/no/such/token'");
    }
}
