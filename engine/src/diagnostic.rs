//! Errors that point into the SQL text.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A range of bytes in the job's SQL text; `start == end == 0` stands for "nowhere".
///
/// Spans never take part in the plan's hash or in equality of plan nodes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl PartialEq for Span {
    /// All spans are equal: where a text stands does not change what it means.
    fn eq(&self, _: &Span) -> bool {
        true
    }
}

impl Eq for Span {}

impl Span {
    /// The range from `start` up to, not including, `end`.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    /// Whether it points anywhere.
    #[must_use]
    pub fn is_somewhere(self) -> bool {
        self.end > self.start
    }

    /// The smallest range that holds both.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        match (self.is_somewhere(), other.is_somewhere()) {
            (true, true) => {
                Span { start: self.start.min(other.start), end: self.end.max(other.end) }
            }
            (true, false) => self,
            _ => other,
        }
    }
}

/// One thing that is wrong with the SQL text, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable code such as `SQL012`, with a section in `docs/ERRORS.md`.
    pub code: &'static str,
    /// Where.
    pub span: Span,
    /// What: names the thing and its value; lower case, no full stop.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at this place.
    pub fn new(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { code, span, message: message.into(), help: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Diagnostic {}
