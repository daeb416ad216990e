//! Values out of JSON texts.

use super::json_path::Path;
use super::json_scan::{Scalar, find};
use super::kernel::{CallInput, Cells, Failure, Kernel, RowResult, fail, text_rows};
use super::registry::{Family, Function, PrepareInput, RuleInput};
use super::typing::Ruled;
use crate::expr::{ErrorKind, Evaluated};
use crate::types::{SqlType, Value};
use arrow_array::StringArray;
use std::borrow::Cow;
use std::collections::BTreeMap;

pub(super) const TABLE: &[Function] = &[Function::new(
    Family::Json,
    "JSON_VALUE",
    &[
        "JSON_VALUE(STRING, STRING [RETURNING type] [{NULL | ERROR | DEFAULT value} ON EMPTY] [{NULL | ERROR | DEFAULT value} ON ERROR])",
    ],
    "The scalar at a path such as '$.a.b[0]', as text; NULL if there is none or the text is no JSON. Where there is none is EMPTY behind a path with lax, and otherwise ERROR. It can return STRING, INT, DOUBLE and BOOLEAN.",
    rule,
    by_row,
)
.prepared(prepare)];

/// Text and path; then what to do, and the two defaults, if a clause asks for anything.
fn rule(input: &RuleInput<'_>) -> Ruled {
    if input.args.len() != 2 {
        input.count(5, 5)?;
        let what = input.literal_text(2).ok_or("what to do is a constant")?;
        What::parse(what)?;
    }
    let mut typed = input.typed(super::text::texts(input, 0)?, SqlType::STRING);
    typed.result.nullable = true;
    Ok(typed)
}

/// What a value has to be to be returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Boolean,
    Double,
    Int,
    Text,
}

/// What to give where there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Otherwise {
    Default,
    Fail,
    Null,
}

/// What the clauses of a call say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct What {
    kind: Kind,
    on_empty: Otherwise,
    on_error: Otherwise,
}

impl What {
    const PLAIN: What =
        What { kind: Kind::Text, on_empty: Otherwise::Null, on_error: Otherwise::Null };

    /// Reads `int default null`: the type, then what EMPTY and what ERROR give.
    fn parse(text: &str) -> Result<What, String> {
        let wrong = || format!("'{text}' does not say what to do");
        let words: Vec<&str> = text.split(' ').collect();
        let [kind, on_empty, on_error] = words[..] else { return Err(wrong()) };
        let kind = match kind {
            "boolean" => Kind::Boolean,
            "double" => Kind::Double,
            "int" => Kind::Int,
            "text" => Kind::Text,
            _ => return Err(wrong()),
        };
        let otherwise = |word: &str| match word {
            "default" => Ok(Otherwise::Default),
            "error" => Ok(Otherwise::Fail),
            "null" => Ok(Otherwise::Null),
            _ => Err(wrong()),
        };
        Ok(What { kind, on_empty: otherwise(on_empty)?, on_error: otherwise(on_error)? })
    }

    fn of(literal: Option<&str>) -> What {
        // The type rule has read it before.
        literal.and_then(|text| What::parse(text).ok()).unwrap_or(What::PLAIN)
    }
}

/// The arguments by row.
struct Args<'a> {
    texts: Cells<&'a StringArray>,
    /// The defaults of EMPTY and of ERROR, if there are any.
    defaults: Option<[Cells<&'a StringArray>; 2]>,
    what: What,
}

impl<'a> Args<'a> {
    fn of(input: &CallInput<'a>) -> Args<'a> {
        let texts = |index: usize| input.args[index].texts();
        let has_clauses = input.args.len() == 5;
        Args {
            texts: texts(0),
            defaults: has_clauses.then(|| [texts(3), texts(4)]),
            what: What::of(has_clauses.then(|| texts(2).get(0)).flatten()),
        }
    }

    /// The value of a row at a path.
    fn value(&self, row: usize, path: &Path) -> RowResult<Cow<'a, str>> {
        let Some(text) = self.texts.get(row) else { return Ok(None) };
        match find(text, path) {
            Some(found) if found.is(self.what.kind) => Ok(Some(Cow::Owned(found.into_text()))),
            // Flink fails here, too, and ON ERROR does not help.
            Some(found) => fail(
                ErrorKind::Cast,
                format!("{} is not {}", found.into_text(), self.what.kind.name()),
            ),
            None => self.otherwise(row, path),
        }
    }

    /// What a row gives where there is nothing: a path with `lax` calls everything
    /// EMPTY, also a text that is no JSON, and any other path ERROR, as in Flink.
    fn otherwise(&self, row: usize, path: &Path) -> RowResult<Cow<'a, str>> {
        let (otherwise, case) = match path.lax {
            true => (self.what.on_empty, 0),
            false => (self.what.on_error, 1),
        };
        match (otherwise, &self.defaults) {
            (Otherwise::Default, Some(defaults)) => Ok(defaults[case].get(row).map(Cow::Borrowed)),
            (Otherwise::Fail, _) => {
                fail(ErrorKind::InvalidArgument, "there is no scalar at the path")
            }
            (Otherwise::Default | Otherwise::Null, _) => Ok(None),
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Boolean => "BOOLEAN",
            Kind::Double => "a number",
            Kind::Int => "INT",
            Kind::Text => "STRING",
        }
    }
}

impl Scalar<'_> {
    /// Whether the value can be returned as such without a conversion.
    fn is(&self, kind: Kind) -> bool {
        match (kind, self) {
            (Kind::Text, _)
            | (Kind::Boolean, Scalar::Boolean(_))
            | (Kind::Double, Scalar::Number(_)) => true,
            (Kind::Int, Scalar::Number(number)) => number.parse::<i32>().is_ok(),
            (Kind::Boolean | Kind::Double | Kind::Int, _) => false,
        }
    }
}

/// JSON_VALUE with a path that is the same for all rows.
#[derive(Debug)]
struct Prepared(Path);

impl Kernel for Prepared {
    fn evaluate(&self, input: &CallInput<'_>) -> Evaluated {
        let args = Args::of(input);
        text_rows(input.rows, |row| args.value(row, &self.0))
    }
}

fn prepare(input: &PrepareInput<'_>) -> Result<Option<Box<dyn Kernel>>, String> {
    match &input.constants[1] {
        Some(Value::Text(path)) => Ok(Some(Box::new(Prepared(Path::parse(path)?)))),
        _ => Ok(None),
    }
}

fn by_row(input: &CallInput<'_>) -> Evaluated {
    let (args, paths) = (Args::of(input), input.args[1].texts());
    let mut known: BTreeMap<&str, Result<Path, String>> = BTreeMap::new();
    text_rows(input.rows, |row| {
        let Some(path) = paths.get(row) else { return Ok(None) };
        match known.entry(path).or_insert_with(|| Path::parse(path)) {
            Ok(path) => args.value(row, path),
            Err(_) if args.texts.get(row).is_none() => Ok(None),
            Err(detail) => {
                Err(Failure { kind: ErrorKind::InvalidArgument, detail: detail.clone() })
            }
        }
    })
}
