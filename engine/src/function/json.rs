//! Values out of JSON texts.

use super::json_path::Path;
use super::json_scan::find;
use super::kernel::{CallInput, Failure, Kernel, text_rows};
use super::registry::{Family, Function, PrepareInput, RuleInput};
use super::typing::Ruled;
use crate::expr::{ErrorKind, Evaluated};
use crate::types::{SqlType, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

pub(super) const TABLE: &[Function] = &[Function::new(
    Family::Json,
    "JSON_VALUE",
    &["JSON_VALUE(STRING, STRING)"],
    "The scalar at a path such as '$.a.b[0]', as text; NULL if there is none or the text is no JSON.",
    rule,
    by_row,
)
.prepared(prepare)];

fn rule(input: &RuleInput<'_>) -> Ruled {
    input.count(2, 2)?;
    let mut typed = input.typed(super::text::texts(input, 0)?, SqlType::STRING);
    typed.result.nullable = true;
    Ok(typed)
}

/// JSON_VALUE with a path that is the same for all rows.
#[derive(Debug)]
struct Prepared(Path);

impl Kernel for Prepared {
    fn evaluate(&self, input: &CallInput<'_>) -> Evaluated {
        let texts = input.args[0].texts();
        text_rows(input.rows, |row| {
            Ok(texts.get(row).and_then(|text| find(text, &self.0)).map(Cow::Owned))
        })
    }
}

fn prepare(input: &PrepareInput<'_>) -> Result<Option<Box<dyn Kernel>>, String> {
    match &input.constants[1] {
        Some(Value::Text(path)) => Ok(Some(Box::new(Prepared(Path::parse(path)?)))),
        _ => Ok(None),
    }
}

fn by_row(input: &CallInput<'_>) -> Evaluated {
    let (texts, paths) = (input.args[0].texts(), input.args[1].texts());
    let mut known: BTreeMap<&str, Result<Path, String>> = BTreeMap::new();
    text_rows(input.rows, |row| {
        let (Some(text), Some(path)) = (texts.get(row), paths.get(row)) else { return Ok(None) };
        match known.entry(path).or_insert_with(|| Path::parse(path)) {
            Ok(path) => Ok(find(text, path).map(Cow::Owned)),
            Err(detail) => {
                Err(Failure { kind: ErrorKind::InvalidArgument, detail: detail.clone() })
            }
        }
    })
}
