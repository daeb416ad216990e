//! Errors in the SQL text, drawn with the text, a caret and the place.

use crate::job::JobText;
use anabranch_engine::diagnostic::Diagnostic;
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Report, SourceSpan,
};
use std::fmt;
use std::io::IsTerminal;

/// How wide a message is at most.
const WIDTH: usize = 100;

/// All errors, one after the other.
#[must_use]
pub(crate) fn render(job: &JobText, diagnostics: &[Diagnostic]) -> String {
    let theme = match use_colour() {
        true => GraphicalTheme::unicode(),
        false => GraphicalTheme::unicode_nocolor(),
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(WIDTH)
        .with_context_lines(1);
    let mut text = String::new();
    for (index, diagnostic) in diagnostics.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        let shown = Report::new(Shown { diagnostic: diagnostic.clone() })
            .with_source_code(NamedSource::new(&job.origin, job.text.clone()));
        // Writing to a text cannot fail, and without a picture the words are enough.
        if handler.render_report(&mut text, shown.as_ref()).is_err() {
            text.push_str(&diagnostic.to_string());
        }
    }
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// Whether the standard error takes colours.
#[must_use]
pub(crate) fn use_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::io::stderr().is_terminal()
}

/// A diagnostic as the library that draws it wants it.
#[derive(Debug)]
struct Shown {
    diagnostic: Diagnostic,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Shown {}

impl miette::Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.diagnostic.help.as_ref()?;
        Some(Box::new(help))
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.diagnostic.span;
        if !span.is_somewhere() {
            return None;
        }
        let place = SourceSpan::from(span.start as usize..span.end as usize);
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, place))))
    }
}
