//! Reading transcripts: from text to steps with line numbers.

use super::phrase::{Phrase, is_unfinished, parse_phrase};
use std::fmt;

/// A whole transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// Where it came from, for messages.
    pub origin: String,
    /// What it shows.
    pub title: String,
    /// How the service must be set up: the arguments of all `given:` lines, as one phrase
    /// of the word `given`.
    pub given: Phrase,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The line on which it starts, from 1.
    pub line: usize,
    /// What happens.
    pub kind: StepKind,
}

/// What happens in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// Something is done to the service from outside.
    Act {
        /// What.
        act: Phrase,
        /// What may come of it.
        expected: Expected,
    },
    /// A client asks.
    Request {
        /// Its name.
        client: String,
        /// What it asks.
        request: Phrase,
        /// What may come of it.
        expected: Expected,
    },
    /// Time passes.
    Sleep {
        /// How much.
        ms: u64,
    },
}

/// What may come of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Answers that may come first; then the step is repeated.
    pub passing: Vec<Phrase>,
    /// The answers of which one must come; none: any may.
    pub answers: Vec<Phrase>,
}

/// Why a text is no transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptError {
    /// Where the text came from.
    pub origin: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for TranscriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.origin, self.line, self.message)
    }
}

impl std::error::Error for TranscriptError {}

impl Transcript {
    /// Reads a transcript.
    ///
    /// # Errors
    /// Names the line and what is wrong with it.
    pub fn parse(origin: &str, text: &str) -> Result<Transcript, TranscriptError> {
        let mut transcript = Transcript {
            origin: origin.into(),
            title: String::new(),
            given: Phrase::new("given"),
            steps: Vec::new(),
        };
        let mut last_line = 1;
        for (line, statement) in statements(text) {
            last_line = line;
            transcript.take(line, &statement).map_err(|message| TranscriptError {
                origin: origin.into(),
                line,
                message,
            })?;
        }
        if transcript.steps.is_empty() {
            let (origin, message) = (origin.into(), "nothing happens in it".into());
            return Err(TranscriptError { origin, line: last_line, message });
        }
        Ok(transcript)
    }

    fn take(&mut self, line: usize, statement: &str) -> Result<(), String> {
        if let Some(title) = statement.strip_prefix("title:") {
            if !self.title.is_empty() {
                return Err("it has a title already".into());
            }
            self.title = title.trim().into();
            return if self.title.is_empty() { Err("the title is empty".into()) } else { Ok(()) };
        }
        if self.title.is_empty() {
            return Err("it must begin with `title: …`".into());
        }
        if let Some(given) = statement.strip_prefix("given:") {
            let given = parse_phrase(&format!("given {given}"))?;
            self.given.arguments.extend(given.arguments);
            return if self.steps.is_empty() { Ok(()) } else { Err("it comes too late".into()) };
        }
        if let Some(answer) = statement.strip_prefix("->") {
            self.expected()?.answers.push(parse_phrase(answer)?);
            return Ok(());
        }
        if let Some(answer) = statement.strip_prefix("~>") {
            self.expected()?.passing.push(parse_phrase(answer)?);
            return Ok(());
        }
        let kind = step(statement)?;
        self.steps.push(Step { line, kind });
        Ok(())
    }

    /// What the last step expects.
    fn expected(&mut self) -> Result<&mut Expected, String> {
        match self.steps.last_mut().map(|step| &mut step.kind) {
            Some(StepKind::Act { expected, .. } | StepKind::Request { expected, .. }) => {
                Ok(expected)
            }
            Some(StepKind::Sleep { .. }) | None => Err("nobody asked anything above it".into()),
        }
    }
}

/// A step without what is expected of it.
fn step(statement: &str) -> Result<StepKind, String> {
    if let Some(time) = statement.strip_prefix("sleep ") {
        let ms = duration_ms(time.trim()).ok_or("a time is written as `500ms` or `2s`")?;
        return Ok(StepKind::Sleep { ms });
    }
    let expected = Expected::default();
    if let Some(act) = statement.strip_prefix('!') {
        return Ok(StepKind::Act { act: parse_phrase(act)?, expected });
    }
    let (client, request) = statement
        .split_once(": ")
        .filter(|(client, _)| client.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-'))
        .ok_or("a line is `client: request`, `! act`, `-> answer`, `~> answer` or `sleep 5ms`")?;
    Ok(StepKind::Request { client: client.into(), request: parse_phrase(request)?, expected })
}

fn duration_ms(text: &str) -> Option<u64> {
    if let Some(ms) = text.strip_suffix("ms") {
        return ms.parse().ok();
    }
    text.strip_suffix('s')?.parse::<u64>().ok()?.checked_mul(1_000)
}

/// The statements of a text with the lines on which they start: no comments, no empty
/// lines, and what is in brackets on one line.
fn statements(text: &str) -> Vec<(usize, String)> {
    let mut statements: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        let line = without_comment(line).trim();
        if line.is_empty() {
            continue;
        }
        match statements.last_mut() {
            Some((_, statement)) if open => {
                statement.push(' ');
                statement.push_str(line);
            }
            _ => statements.push((index + 1, line.into())),
        }
        // A title is prose, in which a bracket means nothing.
        open = statements.last().is_some_and(|(_, statement)| {
            !statement.starts_with("title:") && is_unfinished(statement)
        });
    }
    statements
}

fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let mut before = b' ';
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'"' if before != b'\\' => quoted = !quoted,
            b'#' if !quoted && before == b' ' => return &line[..at],
            _ => {}
        }
        before = byte;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> String {
        Transcript::parse("x", text).expect_err("it is wrong").to_string()
    }

    #[test]
    fn a_transcript_has_steps_with_lines() {
        let text = "# about\ntitle: it is (so\n\ngiven: a=1 # why\nann: set list=[\n  a,\n  b]\n\
                    ~> busy\n-> done\n! look\nsleep 2s\n";
        let transcript = Transcript::parse("x", text).expect("it is right");
        assert_eq!(transcript.title, "it is (so");
        assert_eq!(transcript.given.to_string(), "given a=1");
        let lines: Vec<usize> = transcript.steps.iter().map(|step| step.line).collect();
        assert_eq!(lines, [5, 10, 11]);
        let StepKind::Request { client, request, expected } = &transcript.steps[0].kind else {
            panic!("the first step is a request")
        };
        assert_eq!((client.as_str(), request.to_string()), ("ann", "set list=[a, b]".into()));
        assert_eq!((expected.passing.len(), expected.answers.len()), (1, 1));
        assert_eq!(transcript.steps[2].kind, StepKind::Sleep { ms: 2_000 });
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        assert_eq!(complaint("ann: go"), "x:1: it must begin with `title: …`");
        assert_eq!(complaint("title: t\n"), "x:1: nothing happens in it");
        assert_eq!(complaint("title: t\n-> done"), "x:2: nobody asked anything above it");
        assert_eq!(complaint("title: t\n\nsleep 5\n"), "x:3: a time is written as `500ms` or `2s`");
        assert_eq!(complaint("title: t\na: go\ngiven: b=1"), "x:3: it comes too late");
        assert!(complaint("title: t\nhow are you").contains("a line is `client: request`"));
    }
}
