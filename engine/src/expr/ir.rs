//! The expression tree: what the plan stores and hashes.

use crate::diagnostic::Span;
use crate::types::{DataType, Value};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An expression with its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expr {
    /// What is computed.
    pub kind: ExprKind,
    /// The type of the result, by Flink's rules.
    pub ty: DataType,
    /// Where it stands in the SQL text; no part of the plan's hash.
    #[serde(skip)]
    pub span: Span,
}

/// A function by its name and the version of its meaning: an upgrade that changes a
/// result changes the version, and with it the plan's hash. Operators are functions
/// too: `+`, `-`, `*`, `/`, `%`, `NEGATE`, `=`, `<>`, `<`, `<=`, `>`, `>=`, `NOT`,
/// `IS NULL`, `IS TRUE`, `IS FALSE`, `IS DISTINCT FROM`, `LIKE`, `||`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FunctionRef {
    /// The name in capitals.
    pub name: String,
    /// The version of its meaning, from 1.
    pub version: u16,
}

/// What a cast does with a value that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CastMode {
    /// `CAST`: the row fails.
    Strict,
    /// `TRY_CAST`: the value is NULL.
    Try,
}

/// A value that the epoch or the row's split decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContextValue {
    /// `CURRENT_WATERMARK(rowtime)`: the own split's watermark before the row; NULL
    /// while there is none.
    // spec: T-1
    CurrentWatermark,
    /// `NOW()`, `CURRENT_TIMESTAMP`, `PROCTIME()`: the epoch's tick.
    // spec: T-6
    Tick,
}

/// The kinds of expression.
///
/// Only the kinds that must not evaluate all of their parts, or that are no
/// function of values, stand here; all else is a [`ExprKind::Call`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExprKind {
    /// All are TRUE, by three-valued logic, from left to right: an error right of a
    /// FALSE is none.
    And(Vec<Expr>),
    /// The value of the first condition that is TRUE, else of `otherwise`, else
    /// NULL. Errors in branches that are not taken are none.
    Case {
        /// Pairs of (condition, value).
        branches: Vec<(Expr, Expr)>,
        /// `ELSE`.
        otherwise: Option<Box<Expr>>,
    },
    /// A function of the registry, which evaluates all its arguments.
    Call {
        /// Which.
        function: FunctionRef,
        /// Its arguments, cast to the types that the function asks for.
        args: Vec<Expr>,
    },
    /// A conversion to the expression's type.
    Cast {
        /// What is converted.
        input: Box<Expr>,
        /// What happens to a value that does not fit.
        mode: CastMode,
    },
    /// The first argument that is not NULL; later ones are then not evaluated.
    Coalesce(Vec<Expr>),
    /// A column of the input.
    Column(usize),
    /// A value that the epoch or the split decides.
    Context(ContextValue),
    /// An element of an array, counted from 1; NULL outside.
    Element {
        /// The array.
        array: Box<Expr>,
        /// Which element.
        index: Box<Expr>,
    },
    /// A field of a row.
    Field {
        /// The row.
        input: Box<Expr>,
        /// Which field, from 0.
        index: usize,
    },
    /// A constant.
    Literal(Value),
    /// One is TRUE, by three-valued logic, from left to right.
    Or(Vec<Expr>),
}

impl Expr {
    /// A column of the input.
    #[must_use]
    pub fn column(index: usize, ty: DataType) -> Expr {
        Expr { kind: ExprKind::Column(index), ty, span: Span::default() }
    }

    /// A constant.
    #[must_use]
    pub fn literal(value: Value, ty: DataType) -> Expr {
        Expr { kind: ExprKind::Literal(value), ty, span: Span::default() }
    }

    /// A call of the first version of a function.
    pub fn call(name: impl Into<String>, args: Vec<Expr>, ty: DataType) -> Expr {
        let function = FunctionRef { name: name.into(), version: 1 };
        Expr { kind: ExprKind::Call { function, args }, ty, span: Span::default() }
    }

    /// The same expression, standing at `span`.
    #[must_use]
    pub fn at(mut self, span: Span) -> Expr {
        self.span = span;
        self
    }

    /// The parts of the expression, left to right.
    #[must_use]
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::And(parts) | ExprKind::Or(parts) | ExprKind::Coalesce(parts) => {
                parts.iter().collect()
            }
            ExprKind::Call { args, .. } => args.iter().collect(),
            ExprKind::Case { branches, otherwise } => branches
                .iter()
                .flat_map(|(condition, value)| [condition, value])
                .chain(otherwise.as_deref())
                .collect(),
            ExprKind::Cast { input, .. } | ExprKind::Field { input, .. } => vec![input],
            ExprKind::Element { array, index } => vec![array, index],
            ExprKind::Column(_) | ExprKind::Context(_) | ExprKind::Literal(_) => Vec::new(),
        }
    }

    /// Puts another column in the place of each that the expression reads.
    pub fn map_columns(&mut self, to: &impl Fn(usize) -> usize) {
        match &mut self.kind {
            ExprKind::Column(index) => *index = to(*index),
            ExprKind::And(parts) | ExprKind::Or(parts) | ExprKind::Coalesce(parts) => {
                parts.iter_mut().for_each(|part| part.map_columns(to));
            }
            ExprKind::Call { args, .. } => args.iter_mut().for_each(|arg| arg.map_columns(to)),
            ExprKind::Case { branches, otherwise } => {
                for (condition, value) in branches {
                    condition.map_columns(to);
                    value.map_columns(to);
                }
                if let Some(otherwise) = otherwise {
                    otherwise.map_columns(to);
                }
            }
            ExprKind::Cast { input, .. } | ExprKind::Field { input, .. } => input.map_columns(to),
            ExprKind::Element { array, index } => {
                array.map_columns(to);
                index.map_columns(to);
            }
            ExprKind::Context(_) | ExprKind::Literal(_) => {}
        }
    }

    /// Calls `visit` with the index of every column that the expression reads, in
    /// the order of the text, repeats included.
    pub fn for_each_column(&self, visit: &mut impl FnMut(usize)) {
        if let ExprKind::Column(index) = self.kind {
            visit(index);
        }
        for child in self.children() {
            child.for_each_column(visit);
        }
    }
}

impl fmt::Display for FunctionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}
