//! The rows of the registry, and how a call finds its row.

use super::kernel::{Kernel, KernelFn, PlainKernel};
use super::typing::Typed;
use super::{Resolution, ResolveError};
use super::{
    arithmetic, comparison, conditional, datetime, instant, json, like, logic, math, regex, text,
    time_text, timespan,
};
use crate::expr::{CastMode, Expr, ExprKind, FunctionRef};
use crate::types::{DataType, Value};
use std::sync::Arc;

/// What a function's value depends on besides its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing.
    Pure,
    /// The zone in which texts and instants are converted, `table.local-time-zone`.
    Zone,
}

/// The chapter of the documentation in which a function stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Arithmetic operators.
    Arithmetic,
    /// Comparisons.
    Comparison,
    /// Truth values and NULL.
    Logic,
    /// Numeric functions.
    Math,
    /// Text.
    Text,
    /// Regular expressions and LIKE.
    Regex,
    /// Dates and times.
    DateTime,
    /// Choices among values.
    Conditional,
    /// JSON.
    Json,
}

impl Family {
    /// The heading of the chapter.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Family::Arithmetic => "Arithmetic",
            Family::Comparison => "Comparison",
            Family::Logic => "Truth values and NULL",
            Family::Math => "Numbers",
            Family::Text => "Text",
            Family::Regex => "Patterns",
            Family::DateTime => "Dates and times",
            Family::Conditional => "Choices",
            Family::Json => "JSON",
        }
    }
}

/// What a type rule decides from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuleInput<'a> {
    /// The types of the arguments.
    pub(crate) args: &'a [DataType],
    /// The arguments that are literals; as long as `args`.
    pub(crate) literals: &'a [Option<&'a Value>],
}

/// What a kernel may prepare itself with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PrepareInput<'a> {
    /// The arguments that are constant; as long as the arguments.
    pub(crate) constants: &'a [Option<Value>],
    /// The types of the arguments.
    pub(crate) arg_types: &'a [DataType],
}

/// Finds the types of the arguments and of the result, or says what is wrong.
pub(crate) type TypeRule = fn(&RuleInput<'_>) -> Result<Typed, String>;

/// Makes a kernel for constant arguments; `None` leaves it to the plain kernel, an
/// error refuses the expression.
pub(crate) type Prepare = fn(&PrepareInput<'_>) -> Result<Option<Box<dyn Kernel>>, String>;

/// One function or operator.
#[derive(Debug)]
pub struct Function {
    /// The name in capitals.
    pub name: &'static str,
    /// Other names of the same function.
    pub aliases: &'static [&'static str],
    /// Where it stands in the documentation.
    pub family: Family,
    /// The calls it has, such as `SUBSTRING(STRING, INT[, INT])`.
    pub signatures: &'static [&'static str],
    /// What it gives, in one line.
    pub doc: &'static str,
    /// The version of its meaning, from 1.
    pub version: u16,
    /// What it depends on.
    pub class: Class,
    pub(crate) rule: TypeRule,
    pub(crate) kernel: KernelFn,
    pub(crate) prepare: Option<Prepare>,
}

impl Function {
    /// A pure function of version 1 with a plain kernel.
    pub(crate) const fn new(
        family: Family,
        name: &'static str,
        signatures: &'static [&'static str],
        doc: &'static str,
        rule: TypeRule,
        kernel: KernelFn,
    ) -> Function {
        Function {
            name,
            aliases: &[],
            family,
            signatures,
            doc,
            version: 1,
            class: Class::Pure,
            rule,
            kernel,
            prepare: None,
        }
    }

    /// The same under other names too.
    pub(crate) const fn also(mut self, aliases: &'static [&'static str]) -> Function {
        self.aliases = aliases;
        self
    }

    /// The same, depending on the zone.
    pub(crate) const fn zoned(mut self) -> Function {
        self.class = Class::Zone;
        self
    }

    /// The same with a kernel that can be prepared from constant arguments.
    pub(crate) const fn prepared(mut self, prepare: Prepare) -> Function {
        self.prepare = Some(prepare);
        self
    }
}

/// The tables of all families.
static TABLES: &[&[Function]] = &[
    arithmetic::TABLE,
    comparison::TABLE,
    logic::TABLE,
    math::TABLE,
    text::TABLE,
    like::TABLE,
    regex::TABLE,
    datetime::TABLE,
    timespan::TABLE,
    time_text::TABLE,
    instant::TABLE,
    json::TABLE,
    conditional::TABLE,
];

/// All functions, by family.
pub fn all() -> impl Iterator<Item = &'static Function> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// The function of this name or alias, in whatever case it is written.
#[must_use]
pub fn find(name: &str) -> Option<&'static Function> {
    all().find(|function| {
        function.name.eq_ignore_ascii_case(name)
            || function.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    })
}

/// What a call with arguments of these types comes to. None of the arguments is
/// taken for a literal: a rule that needs one (`FLOOR(ts TO unit)`, the digits of
/// ROUND) then falls back or refuses; [`resolve_call`] knows the literals.
///
/// # Errors
/// The name is unknown, or the function takes other arguments.
pub fn resolve(name: &str, args: &[DataType]) -> Result<Resolution, ResolveError> {
    resolve_with(name, args, &vec![None; args.len()])
}

/// What a call with these arguments comes to.
///
/// # Errors
/// The name is unknown, or the function takes other arguments.
pub fn resolve_call(name: &str, args: &[Expr]) -> Result<Resolution, ResolveError> {
    let types: Vec<DataType> = args.iter().map(|arg| arg.ty.clone()).collect();
    let literals: Vec<Option<&Value>> = args.iter().map(literal).collect();
    resolve_with(name, &types, &literals)
}

/// The call of a function with the casts that its arguments need. The casts stand
/// where their arguments do; the call itself has no span yet.
///
/// # Errors
/// The name is unknown, or the function takes other arguments.
pub fn call(name: &str, args: Vec<Expr>) -> Result<Expr, ResolveError> {
    let found = resolve_call(name, &args)?;
    let args = args.into_iter().zip(&found.arg_types).map(|(arg, ty)| {
        if arg.ty.sql == ty.sql {
            return arg;
        }
        let span = arg.span;
        let kind = ExprKind::Cast { input: Box::new(arg), mode: CastMode::Strict };
        Expr { kind, ty: ty.clone(), span }
    });
    let kind = ExprKind::Call { function: found.function, args: args.collect() };
    Ok(Expr { kind, ty: found.result, span: crate::diagnostic::Span::default() })
}

/// The kernel of a function for these arguments; `None` if there is no function of
/// this name and version.
///
/// `constants` holds the value of every argument that is constant, from which a
/// kernel may prepare itself (a pattern is compiled once).
///
/// # Errors
/// A constant argument has no meaning, such as a pattern that cannot be compiled.
pub fn kernel(
    function: &FunctionRef,
    constants: &[Option<Value>],
    arg_types: &[DataType],
) -> Option<Result<Arc<dyn Kernel>, String>> {
    let row = all().find(|row| row.name == function.name && row.version == function.version)?;
    let prepared = match row.prepare {
        Some(prepare) => prepare(&PrepareInput { constants, arg_types }),
        None => Ok(None),
    };
    Some(prepared.map(|prepared| match prepared {
        Some(kernel) => Arc::from(kernel),
        None => Arc::new(PlainKernel(row.kernel)) as Arc<dyn Kernel>,
    }))
}

fn resolve_with(
    name: &str,
    args: &[DataType],
    literals: &[Option<&Value>],
) -> Result<Resolution, ResolveError> {
    let Some(row) = find(name) else {
        return Err(ResolveError::UnknownFunction { nearest: nearest(name) });
    };
    let typed = (row.rule)(&RuleInput { args, literals }).map_err(|detail| {
        let signatures = row.signatures.iter().map(ToString::to_string).collect();
        ResolveError::WrongArguments { signatures, detail }
    })?;
    let arg_types = typed
        .args
        .into_iter()
        .zip(args)
        .map(|(sql, arg)| DataType { sql, nullable: arg.nullable })
        .collect();
    let function = FunctionRef { name: row.name.to_string(), version: row.version };
    Ok(Resolution { function, arg_types, result: typed.result })
}

fn literal(expr: &Expr) -> Option<&Value> {
    match &expr.kind {
        ExprKind::Literal(value) => Some(value),
        _ => None,
    }
}

/// At most three names of functions that differ from `name` in few letters.
fn nearest(name: &str) -> Vec<String> {
    let name = name.to_ascii_uppercase();
    let limit = (name.chars().count() / 3).max(1);
    let mut found: Vec<(usize, &'static str)> = all()
        .flat_map(|row| std::iter::once(&row.name).chain(row.aliases))
        .map(|candidate| (edits(&name, candidate), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    found.sort_unstable();
    found.into_iter().take(3).map(|(_, name)| name.to_string()).collect()
}

/// How many letters must be put in, taken out or changed to make one name of the
/// other.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SqlType;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique() {
        let mut seen = BTreeSet::new();
        for row in all() {
            for name in std::iter::once(&row.name).chain(row.aliases) {
                assert!(seen.insert(*name), "{name} stands twice");
                assert_eq!(*name, name.to_ascii_uppercase());
            }
            assert!(!row.signatures.is_empty() && row.doc.ends_with('.'), "{}", row.name);
        }
    }

    #[test]
    fn an_unknown_name_has_neighbours() {
        let Err(ResolveError::UnknownFunction { nearest }) = resolve("NEGTE", &[]) else {
            panic!("known");
        };
        assert_eq!(nearest, ["NEGATE"]);
    }

    #[test]
    fn wrong_arguments_name_the_signatures() {
        let found = resolve("+", &[SqlType::STRING.nullable(), SqlType::Int.nullable()]);
        let Err(ResolveError::WrongArguments { signatures, .. }) = found else {
            panic!("{found:?}");
        };
        assert!(!signatures.is_empty());
    }
}
