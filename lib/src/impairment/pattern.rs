//! Losses written down one by one.

use std::sync::Arc;

use super::text::{TextError, shown};

/// The longest pattern.
const LONGEST: usize = 1 << 20;

/// Which datagrams are lost, one after another, and then again from the first.
///
/// ```
/// use udpkit::impairment::Pattern;
///
/// # fn main() -> Result<(), udpkit::impairment::TextError> {
/// let pattern = Pattern::parse("..x  # every third\n..xx")?;
/// assert_eq!(pattern.lost(), [false, false, true, false, false, true, true]);
/// let error = Pattern::parse("..x\n.?").unwrap_err();
/// assert_eq!(error.to_string(), "line 2, column 2: '?' is neither '.' (passes) nor 'x' (lost)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// At least one.
    lost: Arc<[bool]>,
    name: Option<Arc<str>>,
}

impl Pattern {
    /// Reads a pattern: `.` or `0` for each datagram that passes, `x` or `1` for each that is lost. White space is left out, and so
    /// is what follows a `#` on its line.
    ///
    /// # Errors
    ///
    /// Another character, none of these at all, or more than 1,048,576.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let mut lost = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let pattern = text.split('#').next().unwrap_or_default();
            for (column, mark) in (1..).zip(pattern.chars()).filter(|(_, mark)| !mark.is_whitespace()) {
                let wrong = |message: String| Err(TextError::new(line, column, message));
                let is_lost = match mark {
                    '.' | '0' => false,
                    'x' | 'X' | '1' => true,
                    other => {
                        let other = shown(&other.to_string());
                        return wrong(format!("{other} is neither '.' (passes) nor 'x' (lost)"));
                    }
                };
                if lost.len() == LONGEST {
                    return wrong(format!("{LONGEST} datagrams are the longest pattern"));
                }
                lost.push(is_lost);
            }
        }
        if lost.is_empty() {
            return Err(TextError::new(1, 1, "there is no '.' (passes) and no 'x' (lost)"));
        }
        Ok(Self { lost: lost.into(), name: None })
    }

    /// Notes what it is called: its file, most often.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether each datagram is lost, of those after which it begins again; at least one.
    #[must_use]
    pub fn lost(&self) -> &[bool] {
        &self.lost
    }

    /// Whether the datagram at this place is lost, from 0.
    pub(super) fn is_lost(&self, place: u64) -> bool {
        let place = usize::try_from(place % self.lost.len() as u64).expect("it is below a length");
        self.lost[place]
    }
}
