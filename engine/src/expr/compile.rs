//! From the plan's expression to one that can be evaluated: functions and casts are
//! found, constants are computed once.

use super::cast::Cast;
use super::constant::{scalar_array, value_at};
use super::eval::Partial;
use super::{ContextValue, EvalInput, Evaluated, Expr, ExprKind, FunctionRef, RowError, RowErrors};
use crate::diagnostic::Span;
use crate::function::{self, Kernel};
use crate::time::Tick;
use crate::types::{DataType, SqlType, Value};
use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use chrono_tz::Tz;
use std::sync::Arc;

/// Why an expression cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The plan names a function that this binary does not have.
    #[error("there is no function {function}")]
    UnknownFunction {
        /// Which.
        function: FunctionRef,
        /// Where it stands.
        span: Span,
    },
    /// There is no cast between the types.
    #[error("{from} cannot be cast to {to}")]
    UnsupportedCast {
        /// The type of the input.
        from: Box<SqlType>,
        /// The wanted type.
        to: Box<SqlType>,
        /// Where the cast stands.
        span: Span,
    },
    /// A constant argument has no meaning, such as a pattern with look-around.
    #[error("{function}: {detail}")]
    InvalidArgument {
        /// The function.
        function: String,
        /// What is wrong.
        detail: String,
        /// Where the call stands.
        span: Span,
    },
}

/// An expression that can be evaluated over batches.
///
/// It is made once for a job; patterns and constants are prepared in it. It may be
/// used from several threads at a time.
#[derive(Clone, Debug)]
pub struct CompiledExpr {
    root: Node,
    ty: DataType,
}

/// A part of a compiled expression.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    /// The type of its values.
    pub(super) ty: DataType,
    /// Whether it has the same value for all rows of a batch.
    pub(super) constant: bool,
}

#[derive(Clone, Debug)]
pub(super) enum NodeKind {
    And(Vec<Node>),
    Or(Vec<Node>),
    Call {
        kernel: Arc<dyn Kernel>,
        args: Vec<Node>,
        arg_types: Vec<DataType>,
    },
    Case {
        branches: Vec<(Node, Node)>,
        otherwise: Option<Box<Node>>,
    },
    Cast {
        input: Box<Node>,
        cast: Cast,
    },
    Coalesce(Vec<Node>),
    Column(usize),
    Context(ContextValue),
    Element {
        array: Box<Node>,
        index: Box<Node>,
    },
    Field {
        input: Box<Node>,
        index: usize,
    },
    /// A computed constant; it may be a failure.
    Known(Partial),
}

impl CompiledExpr {
    /// Prepares an expression.
    ///
    /// # Errors
    /// It names a function or a cast that does not exist, or a constant argument
    /// has no meaning.
    pub fn compile(expr: &Expr) -> Result<CompiledExpr, CompileError> {
        let (root, _) = node(expr)?;
        Ok(CompiledExpr { root, ty: expr.ty.clone() })
    }

    /// The type of the result.
    #[must_use]
    pub fn ty(&self) -> &DataType {
        &self.ty
    }

    /// The column that the expression merely reads, if it is nothing more.
    #[must_use]
    pub fn as_column(&self) -> Option<usize> {
        match self.root.kind {
            NodeKind::Column(index) => Some(index),
            _ => None,
        }
    }

    /// Computes the expression for every row of the batch.
    ///
    /// # Panics
    /// If the batch does not have the columns, with their types, that the
    /// expression was made for.
    // spec: E-1
    #[must_use]
    pub fn evaluate(&self, input: &EvalInput<'_>) -> Evaluated {
        let rows = input.batch.num_rows();
        self.root.evaluate(input, rows).expand(rows)
    }

    /// The value of an expression without columns, in a given zone and at the tick
    /// 0: how the SQL front end computes literals, and how tests compare values.
    ///
    /// # Errors
    /// The computation fails, as a row would.
    ///
    /// # Panics
    /// If the expression reads a column.
    pub fn constant(&self, zone: Tz) -> Result<Value, RowError> {
        let evaluated = self.evaluate_once(zone)?;
        Ok(value_at(&evaluated.array, 0, &self.ty.sql))
    }

    /// The same as text, in the form of a cast to STRING; `None` is NULL.
    ///
    /// # Errors
    /// The computation fails, as a row would.
    ///
    /// # Panics
    /// If the expression reads a column.
    pub fn constant_text(&self, zone: Tz) -> Result<Option<String>, RowError> {
        let evaluated = self.evaluate_once(zone)?;
        Ok(super::cast::format_value(&evaluated.array, 0, &self.ty.sql, zone))
    }

    fn evaluate_once(&self, zone: Tz) -> Result<Evaluated, RowError> {
        let evaluated = self.evaluate(&once(&one_row(), zone));
        match evaluated.errors.of_row(0) {
            Some(error) => Err(error.clone()),
            None => Ok(evaluated),
        }
    }
}

/// A batch of one row without columns.
fn one_row() -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::new(arrow_schema::Schema::empty()), vec![], &options)
        .expect("a batch without columns may have any row count")
}

fn once(batch: &RecordBatch, zone: Tz) -> EvalInput<'_> {
    EvalInput { batch, column_errors: &[], tick: Tick(0), watermarks_before: None, zone }
}

/// Whether the value may be computed before the job's zone is known.
type Foldable = bool;

fn nodes(exprs: &[Expr]) -> Result<(Vec<Node>, Foldable), CompileError> {
    let mut all = true;
    let mut found = Vec::with_capacity(exprs.len());
    for expr in exprs {
        let (node, foldable) = node(expr)?;
        all &= foldable;
        found.push(node);
    }
    Ok((found, all))
}

fn boxed(expr: &Expr) -> Result<(Box<Node>, Foldable), CompileError> {
    let (node, foldable) = node(expr)?;
    Ok((Box::new(node), foldable))
}

fn node(expr: &Expr) -> Result<(Node, Foldable), CompileError> {
    let (kind, foldable) = kind(expr)?;
    let constant = match &kind {
        NodeKind::Column(_) | NodeKind::Context(ContextValue::CurrentWatermark) => false,
        NodeKind::Context(ContextValue::Tick) | NodeKind::Known(_) => true,
        NodeKind::And(parts) | NodeKind::Or(parts) | NodeKind::Coalesce(parts) => {
            parts.iter().all(|part| part.constant)
        }
        NodeKind::Call { args, .. } => args.iter().all(|arg| arg.constant),
        NodeKind::Case { branches, otherwise } => {
            branches.iter().all(|(condition, value)| condition.constant && value.constant)
                && otherwise.as_ref().is_none_or(|value| value.constant)
        }
        NodeKind::Cast { input, .. } | NodeKind::Field { input, .. } => input.constant,
        NodeKind::Element { array, index } => array.constant && index.constant,
    };
    let made = Node { kind, ty: expr.ty.clone(), constant };
    if !foldable || matches!(made.kind, NodeKind::Known(_)) {
        return Ok((made, foldable));
    }
    let known = made.evaluate(&once(&one_row(), Tz::UTC), 1);
    Ok((Node { kind: NodeKind::Known(known), constant: true, ty: expr.ty.clone() }, true))
}

fn kind(expr: &Expr) -> Result<(NodeKind, Foldable), CompileError> {
    Ok(match &expr.kind {
        ExprKind::And(parts) => {
            let (parts, foldable) = nodes(parts)?;
            (NodeKind::And(parts), foldable)
        }
        ExprKind::Or(parts) => {
            let (parts, foldable) = nodes(parts)?;
            (NodeKind::Or(parts), foldable)
        }
        ExprKind::Coalesce(parts) => {
            let (parts, foldable) = nodes(parts)?;
            (NodeKind::Coalesce(parts), foldable)
        }
        ExprKind::Case { branches, otherwise } => case(branches, otherwise.as_deref())?,
        ExprKind::Call { function, args } => call(expr, function, args)?,
        ExprKind::Cast { input, mode } => {
            let (input, foldable) = boxed(input)?;
            let Some(cast) = Cast::new(&input.ty.sql, &expr.ty.sql, *mode) else {
                return Err(CompileError::UnsupportedCast {
                    from: Box::new(input.ty.sql.clone()),
                    to: Box::new(expr.ty.sql.clone()),
                    span: expr.span,
                });
            };
            let foldable = foldable && !cast.needs_zone();
            (NodeKind::Cast { input, cast }, foldable)
        }
        ExprKind::Column(index) => (NodeKind::Column(*index), false),
        ExprKind::Context(value) => (NodeKind::Context(*value), false),
        ExprKind::Element { array, index } => {
            let ((array, a), (index, b)) = (boxed(array)?, boxed(index)?);
            (NodeKind::Element { array, index }, a && b)
        }
        ExprKind::Field { input, index } => {
            let (input, foldable) = boxed(input)?;
            (NodeKind::Field { input, index: *index }, foldable)
        }
        ExprKind::Literal(value) => {
            let array = scalar_array(value, &expr.ty.sql);
            let known = Partial { array, constant: true, errors: RowErrors::NONE };
            (NodeKind::Known(known), true)
        }
    })
}

fn case(
    branches: &[(Expr, Expr)],
    otherwise: Option<&Expr>,
) -> Result<(NodeKind, Foldable), CompileError> {
    let mut all = true;
    let mut found = Vec::with_capacity(branches.len());
    for (condition, value) in branches {
        let ((condition, a), (value, b)) = (node(condition)?, node(value)?);
        all &= a && b;
        found.push((condition, value));
    }
    let otherwise = match otherwise {
        Some(value) => {
            let (value, foldable) = boxed(value)?;
            all &= foldable;
            Some(value)
        }
        None => None,
    };
    Ok((NodeKind::Case { branches: found, otherwise }, all))
}

fn call(
    expr: &Expr,
    function: &FunctionRef,
    args: &[Expr],
) -> Result<(NodeKind, Foldable), CompileError> {
    let (args, foldable) = nodes(args)?;
    let constants: Vec<Option<Value>> = args.iter().map(Node::known).collect();
    let arg_types: Vec<DataType> = args.iter().map(|arg| arg.ty.clone()).collect();
    let Some(kernel) = function::kernel(function, &constants, &arg_types) else {
        return Err(CompileError::UnknownFunction { function: function.clone(), span: expr.span });
    };
    let kernel = kernel.map_err(|detail| CompileError::InvalidArgument {
        function: function.name.clone(),
        detail,
        span: expr.span,
    })?;
    // An instant has a calendar only in a zone, which is not known yet.
    let zoned = function::find(&function.name)
        .is_some_and(|row| row.class == function::Class::Zone)
        || arg_types.iter().chain([&expr.ty]).any(|ty| matches!(ty.sql, SqlType::TimestampLtz(_)));
    Ok((NodeKind::Call { kernel, args, arg_types }, foldable && !zoned))
}

impl Node {
    /// The value, if it is known and no failure.
    fn known(&self) -> Option<Value> {
        match &self.kind {
            NodeKind::Known(known) if known.errors.is_empty() => {
                Some(value_at(&known.array, 0, &self.ty.sql))
            }
            _ => None,
        }
    }
}
