//! Calls with words between their arguments, where the parser's own version takes less
//! than Flink does.

use super::types;
use sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, TrimWhereField, Value,
};
use sqlparser::dialect::{Dialect as _, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token};

/// The names under which the clauses of JSON_VALUE stand among its arguments.
pub(crate) const RETURNING: &str = "RETURNING";
/// What to give where there is nothing.
pub(crate) const DEFAULT_ON: [&str; 2] = ["DEFAULT ON EMPTY", "DEFAULT ON ERROR"];
/// That the row fails where there is nothing.
pub(crate) const ERROR_ON: [&str; 2] = ["ERROR ON EMPTY", "ERROR ON ERROR"];

/// `TRIM([[BOTH | LEADING | TRAILING] [characters] FROM] text)`, behind the name.
pub(super) fn trim(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.expect_token(&Token::LParen)?;
    let trim_where =
        match parser.parse_one_of_keywords(&[Keyword::BOTH, Keyword::LEADING, Keyword::TRAILING]) {
            Some(Keyword::LEADING) => Some(TrimWhereField::Leading),
            Some(Keyword::TRAILING) => Some(TrimWhereField::Trailing),
            Some(_) => Some(TrimWhereField::Both),
            None => None,
        };
    let is_plain = trim_where.is_some() && parser.parse_keyword(Keyword::FROM);
    let mut expr = parser.parse_expr()?;
    let mut trim_what = None;
    if !is_plain && (trim_where.is_some() || parser.peek_keyword(Keyword::FROM)) {
        parser.expect_keyword_is(Keyword::FROM)?;
        trim_what = Some(Box::new(std::mem::replace(&mut expr, parser.parse_expr()?)));
    }
    parser.expect_token(&Token::RParen)?;
    let expr = Box::new(expr);
    Ok(Expr::Trim { expr, trim_where, trim_what, trim_characters: None })
}

/// `POSITION(part IN text [FROM place])`, behind the name.
pub(super) fn position(parser: &mut Parser<'_>, span: Span) -> Result<Expr, ParserError> {
    parser.expect_token(&Token::LParen)?;
    let between = super::dialect::FlinkDialect.prec_value(Precedence::Between);
    let expr = parser.parse_subexpr(between)?;
    parser.expect_keyword_is(Keyword::IN)?;
    let text = parser.parse_expr()?;
    let from = match parser.parse_keyword(Keyword::FROM) {
        true => Some(parser.parse_expr()?),
        false => None,
    };
    parser.expect_token(&Token::RParen)?;
    Ok(match from {
        None => Expr::Position { expr: Box::new(expr), r#in: Box::new(text) },
        Some(from) => {
            let args = [expr, text, from].map(unnamed).to_vec();
            function(Ident { value: "LOCATE".to_owned(), quote_style: None, span }, args)
        }
    })
}

/// `JSON_VALUE(text, path [RETURNING type] [NULL | ERROR | DEFAULT x ON EMPTY | ERROR])`,
/// with the name. The clauses travel as named arguments.
pub(super) fn json_value(parser: &mut Parser<'_>, name: Ident) -> Result<Expr, ParserError> {
    parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let mut args = Vec::new();
    if parser.peek_token_ref().token != Token::RParen {
        args = parser.parse_comma_separated(Parser::parse_expr)?.into_iter().map(unnamed).collect();
    }
    if parser.parse_keyword(Keyword::RETURNING) {
        let start = parser.peek_token_ref().span;
        let ty = types::parse_type(parser)?;
        let is_null = matches!(&parser.get_current_token().token,
            Token::Word(word) if word.keyword == Keyword::NULL);
        if is_null && parser.peek_keyword(Keyword::ON) {
            // Not the type's nullability, but what EMPTY or ERROR gives.
            parser.prev_token();
        }
        let span = start.union(&parser.get_current_token().span);
        let ty = Ident { value: ty.to_string(), quote_style: None, span };
        args.push(named(
            RETURNING,
            Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(Expr::Value(Value::Null.with_span(span))),
                data_type: DataType::Custom(ObjectName::from(vec![ty]), Vec::new()),
                array: false,
                format: None,
            },
            span,
        ));
    }
    // ON EMPTY stands before ON ERROR, each at most once.
    for (index, case) in [Keyword::EMPTY, Keyword::ERROR].into_iter().enumerate() {
        let [first, second, third] = parser.peek_tokens::<3>();
        let is = |token: &Token, keyword: Keyword| match token {
            Token::Word(word) => word.quote_style.is_none() && word.keyword == keyword,
            _ => false,
        };
        let span = parser.peek_token_ref().span;
        let is_plain =
            |first_word| is(&first, first_word) && is(&second, Keyword::ON) && is(&third, case);
        if is_plain(Keyword::NULL) || is_plain(Keyword::ERROR) {
            if is_plain(Keyword::ERROR) {
                let null = Expr::Value(Value::Null.with_span(span));
                args.push(named(ERROR_ON[index], null, span));
            }
            for _ in 0..3 {
                parser.next_token();
            }
        } else if is(&first, Keyword::DEFAULT) {
            parser.next_token();
            let value = parser.parse_expr()?;
            parser.expect_keyword_is(Keyword::ON)?;
            if index == 0 && parser.parse_keyword(Keyword::ERROR) {
                args.push(named(DEFAULT_ON[1], value, span));
                break;
            }
            parser.expect_keyword_is(case)?;
            args.push(named(DEFAULT_ON[index], value, span));
        }
    }
    parser.expect_token(&Token::RParen)?;
    Ok(function(name, args))
}

fn unnamed(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

fn named(name: &str, expr: Expr, span: Span) -> FunctionArg {
    FunctionArg::Named {
        name: Ident { value: name.to_owned(), quote_style: None, span },
        arg: FunctionArgExpr::Expr(expr),
        operator: FunctionArgOperator::Value,
    }
}

fn function(name: Ident, args: Vec<FunctionArg>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![name]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
