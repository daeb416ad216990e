//! JSON_VALUE with its clauses.

use super::{Binder, Bound, Scope};
use crate::codes;
use crate::parse::{DEFAULT_ON, ERROR_ON, RETURNING};
use crate::typing::{cast, coerce};
use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::{CastMode, Expr, is_castable};
use anabranch_engine::types::{SqlType, Value};
use sqlparser::ast::{Function, FunctionArg, FunctionArgExpr, FunctionArguments};

/// What the clauses of a call say, each of EMPTY and ERROR.
#[derive(Default)]
struct Clauses {
    returning: Option<SqlType>,
    defaults: [Option<Expr>; 2],
    fails: [bool; 2],
}

impl Binder<'_> {
    /// `JSON_VALUE(text, path …)`. The registry's function gives a text; what it is to do
    /// stands in a constant behind the path, and defaults behind that.
    pub(super) fn json_value(
        &mut self,
        scope: &mut Scope,
        function: &Function,
        span: Span,
    ) -> Bound<Expr> {
        let mut clauses = Clauses::default();
        let mut plain = function.clone();
        if let FunctionArguments::List(list) = &mut plain.args {
            let args = std::mem::take(&mut list.args);
            for arg in args {
                match &arg {
                    FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => {
                        let expr = self.expr(scope, expr)?;
                        clauses.take(&name.value, expr);
                    }
                    _ => list.args.push(arg),
                }
            }
        }
        let args = self.plain_args(&plain, "JSON_VALUE", span)?;
        if args.len() != 2 {
            let help = "it takes JSON_VALUE(text, path)";
            let message = "wrong number of arguments of JSON_VALUE";
            return Err(self.error_help(codes::WRONG_ARGUMENTS, span, message, help));
        }
        let mut args = self.exprs(scope, &args)?;
        // A text is not cut, as in Flink, so it is not called shorter than it is.
        let result = match clauses.returning.take() {
            None | Some(SqlType::VarChar(_)) => SqlType::STRING,
            Some(other) => other,
        };
        let kind = match &result {
            SqlType::VarChar(_) => "text",
            SqlType::Int => "int",
            SqlType::Double => "double",
            SqlType::Boolean => "boolean",
            other => {
                let message = format!("JSON_VALUE cannot return {other}");
                let help = format!(
                    "it returns STRING, INT, DOUBLE and BOOLEAN: write CAST(JSON_VALUE(…) AS {other})"
                );
                return Err(self.error_help(codes::WRONG_ARGUMENTS, span, message, help));
            }
        };
        let words = [0, 1].map(|case| clauses.word(case));
        if kind == "text" && words == ["null", "null"] {
            let value = self.call("JSON_VALUE", args, span)?;
            return Ok(coerce(value, &result));
        }
        let what = format!("{kind} {} {}", words[0], words[1]);
        let ty = SqlType::Char(what.chars().count() as u32).not_null();
        args.push(Expr::literal(Value::Text(what), ty).at(span));
        for default in clauses.defaults {
            let null = || Expr::literal(Value::Null, SqlType::STRING.nullable()).at(span);
            let default = default.unwrap_or_else(null);
            if !is_castable(&default.ty.sql, &result) && default.ty.sql != SqlType::Null {
                let message = format!("the default is {}, not {result}", default.ty.sql);
                let help = "write a constant of the type that is returned";
                return Err(self.error_help(codes::WRONG_ARGUMENTS, default.span, message, help));
            }
            args.push(coerce(default, &SqlType::STRING));
        }
        let value = self.call("JSON_VALUE", args, span)?;
        match value.ty.sql == result {
            true => Ok(value),
            false => Ok(cast(value, result, CastMode::Strict).at(span)),
        }
    }
}

impl Clauses {
    fn take(&mut self, name: &str, expr: Expr) {
        if name == RETURNING {
            self.returning = Some(expr.ty.sql.clone());
        }
        for case in [0, 1] {
            if name == DEFAULT_ON[case] {
                self.defaults[case] = Some(expr.clone());
            }
            self.fails[case] |= name == ERROR_ON[case];
        }
    }

    fn word(&self, case: usize) -> &'static str {
        match (&self.defaults[case], self.fails[case]) {
            (Some(_), _) => "default",
            (None, true) => "error",
            (None, false) => "null",
        }
    }
}
