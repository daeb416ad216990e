//! Regular expressions in Java's dialect.

use super::java_regex::translate;
use super::kernel::{
    Argument, CallInput, Cells, Failure, Kernel, RowResult, boolean_rows, text_rows, too_long,
};
use super::registry::{Family, Function, PrepareInput, RuleInput};
use super::text::{fits, texts};
use super::typing::Ruled;
use crate::expr::{ErrorKind, Evaluated};
use crate::types::{SqlType, Value};
use ::regex::{NoExpand, Regex};
use arrow_array::StringArray;
use arrow_array::types::Int32Type;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

pub(super) const TABLE: &[Function] = &[
    Function::new(
        Family::Regex,
        "REGEXP_EXTRACT",
        &["REGEXP_EXTRACT(STRING, STRING[, INT])"],
        "What a group of the expression (0, the default, is all of it) first matched in the text.",
        extract_rule,
        |input| extract(input, &Patterns::of(input)),
    )
    .prepared(|input| prepare(input, extract)),
    Function::new(
        Family::Regex,
        "REGEXP_REPLACE",
        &["REGEXP_REPLACE(STRING, STRING, STRING)"],
        "The text with every match of the expression replaced by the third text as it stands.",
        |input| {
            input.count(3, 3)?;
            Ok(input.typed(texts(input, 0)?, SqlType::STRING))
        },
        |input| replace(input, &Patterns::of(input)),
    )
    .prepared(|input| prepare(input, replace)),
    Function::new(
        Family::Regex,
        "REGEXP",
        &["REGEXP(STRING, STRING)"],
        "Whether the expression matches somewhere in the text; neither may be empty.",
        |input| {
            input.count(2, 2)?;
            Ok(input.typed(texts(input, 0)?, SqlType::Boolean))
        },
        |input| is_match(input, &Patterns::of(input)),
    )
    .prepared(|input| prepare(input, is_match)),
];

/// Where the expression of a row comes from.
enum Patterns<'a> {
    /// It is the same for all rows.
    One(&'a Regex),
    /// Each row brings its own; equal ones are compiled once a batch.
    Each(BTreeMap<&'a str, Result<Regex, String>>, Cells<&'a StringArray>),
}

impl<'a> Patterns<'a> {
    fn of(input: &CallInput<'a>) -> Patterns<'a> {
        let patterns = input.args[1].texts();
        let mut compiled = BTreeMap::new();
        for row in 0..input.rows {
            if let Some(pattern) = patterns.get(row) {
                compiled.entry(pattern).or_insert_with(|| compile(pattern));
            }
        }
        Patterns::Each(compiled, patterns)
    }

    fn get(&self, row: usize) -> RowResult<&Regex> {
        match self {
            Patterns::One(regex) => Ok(Some(regex)),
            Patterns::Each(compiled, patterns) => {
                match patterns.get(row).and_then(|pattern| compiled.get(pattern)) {
                    None => Ok(None),
                    Some(Ok(regex)) => Ok(Some(regex)),
                    Some(Err(detail)) => {
                        Err(Failure { kind: ErrorKind::InvalidArgument, detail: detail.clone() })
                    }
                }
            }
        }
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern)?;
    Regex::new(&translated).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("'{pattern}' is no regular expression: {reason}")
    })
}

/// What a kernel computes once the expression is known.
type Operation = fn(&CallInput<'_>, &Patterns<'_>) -> Evaluated;

/// A kernel whose expression is the same for all rows.
struct Prepared {
    regex: Regex,
    operation: Operation,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prepared({})", self.regex)
    }
}

impl Kernel for Prepared {
    fn evaluate(&self, input: &CallInput<'_>) -> Evaluated {
        (self.operation)(input, &Patterns::One(&self.regex))
    }
}

fn prepare(
    input: &PrepareInput<'_>,
    operation: Operation,
) -> Result<Option<Box<dyn Kernel>>, String> {
    match &input.constants[1] {
        Some(Value::Text(pattern)) => {
            Ok(Some(Box::new(Prepared { regex: compile(pattern)?, operation })))
        }
        _ => Ok(None),
    }
}

fn extract_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(2, 3)?;
    let mut args = vec![input.text(0)?, input.text(1)?];
    if input.args.len() == 3 {
        args.push(input.int(2)?);
    }
    let mut typed = input.typed(args, SqlType::STRING);
    typed.result.nullable = true;
    Ok(typed)
}

fn extract(input: &CallInput<'_>, patterns: &Patterns<'_>) -> Evaluated {
    let texts = input.args[0].texts();
    let groups = input.args.get(2).map(Argument::primitives::<Int32Type>);
    text_rows(input.rows, |row| {
        let group = groups.as_ref().map_or(Some(0), |groups| groups.get(row));
        let (Some(text), Some(regex), Some(group)) = (texts.get(row), patterns.get(row)?, group)
        else {
            return Ok(None);
        };
        let Ok(group) = usize::try_from(group) else { return Ok(None) };
        if group == 0 {
            return Ok(regex.find(text).map(|found| Cow::Borrowed(found.as_str())));
        }
        let found = regex.captures(text).and_then(|captures| captures.get(group));
        Ok(found.map(|found| Cow::Borrowed(found.as_str())))
    })
}

fn replace(input: &CallInput<'_>, patterns: &Patterns<'_>) -> Evaluated {
    let (texts, replacements) = (input.args[0].texts(), input.args[2].texts());
    text_rows(input.rows, |row| {
        let (Some(text), Some(regex), Some(replacement)) =
            (texts.get(row), patterns.get(row)?, replacements.get(row))
        else {
            return Ok(None);
        };
        if !fits(text.len(), replacement.len(), || regex.find_iter(text).count()) {
            return too_long();
        }
        Ok(Some(regex.replace_all(text, NoExpand(replacement))))
    })
}

fn is_match(input: &CallInput<'_>, patterns: &Patterns<'_>) -> Evaluated {
    let texts = input.args[0].texts();
    boolean_rows(input.rows, |row| {
        let (Some(text), Some(regex)) = (texts.get(row), patterns.get(row)?) else {
            return Ok(None);
        };
        let empty = text.is_empty() || regex.as_str().is_empty();
        Ok(Some(!empty && regex.is_match(text)))
    })
}
