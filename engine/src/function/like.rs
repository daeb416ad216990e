//! LIKE patterns.

use super::kernel::{Argument, CallInput, Failure, Kernel, boolean_rows};
use super::registry::{Family, Function, PrepareInput, RuleInput};
use super::text::texts;
use super::typing::Ruled;
use crate::expr::{ErrorKind, Evaluated};
use crate::types::{SqlType, Value};
use memchr::memmem;

pub(super) const TABLE: &[Function] = &[Function::new(
    Family::Regex,
    "LIKE",
    &["STRING LIKE STRING [ESCAPE STRING]"],
    "Whether the text has the pattern: % is any text, _ any character.",
    rule,
    by_row,
)
.prepared(prepare)];

fn rule(input: &RuleInput<'_>) -> Ruled {
    input.count(2, 3)?;
    Ok(input.typed(texts(input, 0)?, SqlType::Boolean))
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `%`
    Any,
    /// `_`
    One,
    /// Text as it stands.
    Text(String),
}

/// A pattern ready for matching.
#[derive(Clone, Debug)]
struct Pattern {
    shape: Shape,
}

/// The common forms of patterns, each with its fastest way.
#[derive(Clone, Debug)]
enum Shape {
    /// `abc`
    Equal(String),
    /// `abc%`
    Starts(String),
    /// `%abc`
    Ends(String),
    /// `%abc%`
    Contains(Box<memmem::Finder<'static>>),
    /// Any other.
    Mixed(Vec<Part>),
}

impl Pattern {
    fn parse(pattern: &str, escape: Option<&str>) -> Result<Pattern, String> {
        let escape = match escape {
            None => None,
            Some(text) => {
                let mut characters = text.chars();
                match (characters.next(), characters.next()) {
                    (Some(one), None) => Some(one),
                    _ => return Err(format!("the escape must be one character, not '{text}'")),
                }
            }
        };
        let parts = parts(pattern, escape)?;
        let shape = match parts.as_slice() {
            [] => Shape::Equal(String::new()),
            [Part::Text(text)] => Shape::Equal(text.clone()),
            [Part::Any] => Shape::Starts(String::new()),
            [Part::Text(text), Part::Any] => Shape::Starts(text.clone()),
            [Part::Any, Part::Text(text)] => Shape::Ends(text.clone()),
            [Part::Any, Part::Text(text), Part::Any] => {
                Shape::Contains(Box::new(memmem::Finder::new(text).into_owned()))
            }
            _ => Shape::Mixed(parts),
        };
        Ok(Pattern { shape })
    }

    fn matches(&self, text: &str) -> bool {
        match &self.shape {
            Shape::Equal(whole) => text == whole,
            Shape::Starts(start) => text.starts_with(start.as_str()),
            Shape::Ends(end) => text.ends_with(end.as_str()),
            Shape::Contains(finder) => finder.find(text.as_bytes()).is_some(),
            Shape::Mixed(parts) => match_parts(parts, text),
        }
    }
}

fn parts(pattern: &str, escape: Option<char>) -> Result<Vec<Part>, String> {
    let mut found: Vec<Part> = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let literal = if Some(character) == escape {
            match characters.next() {
                Some(next) if next == '%' || next == '_' || Some(next) == escape => next,
                _ => return Err(format!("'{pattern}' ends or goes on wrongly after its escape")),
            }
        } else if character == '%' {
            if found.last() != Some(&Part::Any) {
                found.push(Part::Any);
            }
            continue;
        } else if character == '_' {
            found.push(Part::One);
            continue;
        } else {
            character
        };
        match found.last_mut() {
            Some(Part::Text(text)) => text.push(literal),
            _ => found.push(Part::Text(literal.to_string())),
        }
    }
    Ok(found)
}

/// Whether a text has the parts. After a mismatch only the last `%` takes one more
/// character: earlier ones need not be looked at again.
fn match_parts(parts: &[Part], text: &str) -> bool {
    let (mut part, mut rest) = (0, text);
    let mut retry: Option<(usize, &str)> = None;
    loop {
        let advanced = match parts.get(part) {
            None if rest.is_empty() => return true,
            None => None,
            Some(Part::Any) => {
                retry = Some((part + 1, rest));
                Some(rest)
            }
            Some(Part::One) => {
                let mut characters = rest.chars();
                // As the dot of a Java expression, `_` is no end of a line.
                characters.next().filter(|c| !is_line_end(*c)).map(|_| characters.as_str())
            }
            Some(Part::Text(wanted)) => rest.strip_prefix(wanted.as_str()),
        };
        if let Some(next) = advanced {
            part += 1;
            rest = next;
            continue;
        }
        let Some((after, from)) = retry else { return false };
        let mut characters = from.chars();
        if characters.next().is_none() {
            return false;
        }
        retry = Some((after, characters.as_str()));
        (part, rest) = (after, characters.as_str());
    }
}

fn is_line_end(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// LIKE with a pattern that is the same for all rows.
#[derive(Debug)]
struct Prepared(Pattern);

impl Kernel for Prepared {
    fn evaluate(&self, input: &CallInput<'_>) -> Evaluated {
        let texts = input.args[0].texts();
        boolean_rows(input.rows, |row| Ok(texts.get(row).map(|text| self.0.matches(text))))
    }
}

fn prepare(input: &PrepareInput<'_>) -> Result<Option<Box<dyn Kernel>>, String> {
    let Some(Value::Text(pattern)) = &input.constants[1] else { return Ok(None) };
    let escape = match input.constants.get(2) {
        None => None,
        Some(Some(Value::Text(escape))) => Some(escape.as_str()),
        Some(_) => return Ok(None),
    };
    Ok(Some(Box::new(Prepared(Pattern::parse(pattern, escape)?))))
}

/// LIKE with a pattern in each row; equal neighbours share theirs.
fn by_row(input: &CallInput<'_>) -> Evaluated {
    let (texts, patterns) = (input.args[0].texts(), input.args[1].texts());
    let escapes = input.args.get(2).map(Argument::texts);
    let mut last: Option<(&str, Option<&str>, Result<Pattern, String>)> = None;
    boolean_rows(input.rows, |row| {
        let (Some(text), Some(pattern)) = (texts.get(row), patterns.get(row)) else {
            return Ok(None);
        };
        let escape = match &escapes {
            None => None,
            Some(escapes) => match escapes.get(row) {
                Some(escape) => Some(escape),
                None => return Ok(None),
            },
        };
        let known = matches!(&last, Some((p, e, _)) if *p == pattern && *e == escape);
        if !known {
            last = Some((pattern, escape, Pattern::parse(pattern, escape)));
        }
        match &last {
            Some((_, _, Ok(pattern))) => Ok(Some(pattern.matches(text))),
            Some((_, _, Err(detail))) => {
                Err(Failure { kind: ErrorKind::InvalidArgument, detail: detail.clone() })
            }
            None => Ok(None),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn like(text: &str, pattern: &str) -> bool {
        Pattern::parse(pattern, None).unwrap().matches(text)
    }

    /// The definition, without any cleverness.
    fn model(text: &[char], pattern: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|skip| model(&text[skip..], rest)),
            Some((one, rest)) => {
                text.first().is_some_and(|c| *one == '_' || c == one) && model(&text[1..], rest)
            }
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_defined(text in "[abä]{0,8}", pattern in "[abä%_]{0,8}") {
            let characters: Vec<char> = text.chars().collect();
            let wanted: Vec<char> = pattern.chars().collect();
            prop_assert_eq!(like(&text, &pattern), model(&characters, &wanted));
        }
    }

    #[test]
    fn escapes_take_the_next_character_as_it_is() {
        let like = |text: &str, pattern: &str| {
            Pattern::parse(pattern, Some("!")).map(|pattern| pattern.matches(text))
        };
        assert_eq!(like("a%b", "a!%b"), Ok(true));
        assert_eq!(like("axb", "a!%b"), Ok(false));
        assert_eq!(like("a!b", "a!!b"), Ok(true));
        assert!(like("a!b", "a!b").is_err());
        assert!(like("ab", "ab!").is_err());
        assert!(Pattern::parse("ab", Some("xy")).is_err());
    }
}
