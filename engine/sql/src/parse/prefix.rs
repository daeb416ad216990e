//! How an expression may begin.
//!
//! The parser's own version tries several readings one after the other and goes back,
//! which takes exponential time on nested mistakes and loses the place of the first
//! one. This one decides by the next tokens and never goes back. It also knows what
//! the parser does not: `TABLE t PARTITION BY k` as an argument, and Flink's types
//! behind CAST.

use super::error::raise;
use super::{call, types};
use crate::codes;
use sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, TypedString, UnaryOperator,
};
use sqlparser::dialect::Precedence;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, Word};

/// The name under which `TABLE t` stands in the tree: no name that a user can write.
pub(crate) const TABLE_ARGUMENT: &str = "TABLE argument";

/// Parses the beginning of an expression.
pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    let next = parser.peek_token();
    match &next.token {
        Token::Word(word) if word.quote_style.is_none() => keyword(parser, word, next.span),
        Token::Word(word) => name(parser, word, next.span),
        Token::Number(..) | Token::SingleQuotedString(_) | Token::HexStringLiteral(_) => {
            Ok(Expr::Value(parser.parse_value()?))
        }
        Token::Minus => sign(parser, UnaryOperator::Minus),
        Token::Plus => sign(parser, UnaryOperator::Plus),
        Token::LParen => parenthesis(parser),
        Token::NationalStringLiteral(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_) => Err(raise(
            codes::UNSUPPORTED,
            next.span,
            "a text with a prefix letter",
            "write the text in plain single quotes",
        )),
        Token::Placeholder(_) | Token::AtSign | Token::Colon => Err(raise(
            codes::UNSUPPORTED,
            next.span,
            "a parameter in the SQL text",
            "write the value itself",
        )),
        _ => parser.expected("an expression", next),
    }
}

/// A word without quotes: a keyword with a grammar of its own, or a name.
fn keyword(parser: &mut Parser<'_>, word: &Word, span: Span) -> Result<Expr, ParserError> {
    let [_, after, ..] = parser.peek_tokens::<2>();
    let call = after == Token::LParen;
    let text = matches!(after, Token::SingleQuotedString(_));
    match word.keyword {
        Keyword::CASE => {
            parser.next_token();
            parser.parse_case_expr()
        }
        Keyword::CAST if call => cast(parser, CastKind::Cast),
        Keyword::TRY_CAST if call => cast(parser, CastKind::TryCast),
        rounding @ (Keyword::CEIL | Keyword::FLOOR) if call => {
            parser.next_token();
            parser.parse_ceil_floor_expr(rounding == Keyword::CEIL)
        }
        Keyword::CURRENT_DATE
        | Keyword::CURRENT_TIME
        | Keyword::CURRENT_TIMESTAMP
        | Keyword::LOCALTIME
        | Keyword::LOCALTIMESTAMP => {
            parser.next_token();
            parser.parse_time_functions(ObjectName::from(vec![ident(word, span)]))
        }
        Keyword::DATE | Keyword::TIME | Keyword::TIMESTAMP if text => typed_text(parser, word),
        Keyword::EXISTS if call => {
            parser.next_token();
            parser.parse_exists_expr(false)
        }
        Keyword::EXTRACT if call => {
            parser.next_token();
            parser.parse_extract_expr()
        }
        Keyword::FALSE | Keyword::NULL | Keyword::TRUE => Ok(Expr::Value(parser.parse_value()?)),
        Keyword::INTERVAL if text || matches!(after, Token::Minus | Token::Number(..)) => {
            parser.next_token();
            parser.parse_interval()
        }
        Keyword::NOT => {
            parser.next_token();
            parser.parse_not()
        }
        Keyword::OVERLAY if call => {
            parser.next_token();
            parser.parse_overlay_expr()
        }
        Keyword::POSITION if call => {
            parser.next_token();
            call::position(parser, span)
        }
        Keyword::SUBSTR | Keyword::SUBSTRING if call => parser.parse_substring(),
        Keyword::TABLE => table_argument(parser, span),
        Keyword::TRIM if call => {
            parser.next_token();
            call::trim(parser)
        }
        Keyword::ARRAY if after == Token::LBracket => {
            parser.next_token();
            parser.next_token();
            parser.parse_array_expr(true)
        }
        _ if call && word.value.eq_ignore_ascii_case("JSON_VALUE") => {
            call::json_value(parser, ident(word, span))
        }
        reserved if is_reserved(reserved) && !call => {
            let found = parser.peek_token();
            parser.expected("an expression", found)
        }
        _ => name(parser, word, span),
    }
}

/// Words that cannot begin an expression: one of them in its place means that the
/// expression is missing.
fn is_reserved(word: Keyword) -> bool {
    matches!(
        word,
        Keyword::AND
            | Keyword::AS
            | Keyword::BETWEEN
            | Keyword::BY
            | Keyword::CREATE
            | Keyword::ELSE
            | Keyword::END
            | Keyword::FROM
            | Keyword::GROUP
            | Keyword::HAVING
            | Keyword::IN
            | Keyword::INSERT
            | Keyword::INTO
            | Keyword::IS
            | Keyword::JOIN
            | Keyword::LIKE
            | Keyword::LIMIT
            | Keyword::ON
            | Keyword::OR
            | Keyword::ORDER
            | Keyword::SELECT
            | Keyword::THEN
            | Keyword::UNION
            | Keyword::VALUES
            | Keyword::WHEN
            | Keyword::WHERE
            | Keyword::WITH
    )
}

fn ident(word: &Word, span: Span) -> Ident {
    Ident { value: word.value.clone(), quote_style: word.quote_style, span }
}

/// A column or a function.
fn name(parser: &mut Parser<'_>, word: &Word, span: Span) -> Result<Expr, ParserError> {
    parser.next_token();
    let name = ident(word, span);
    if parser.peek_token_ref().token == Token::LParen {
        parser.parse_function(ObjectName::from(vec![name]))
    } else {
        Ok(Expr::Identifier(name))
    }
}

fn sign(parser: &mut Parser<'_>, op: UnaryOperator) -> Result<Expr, ParserError> {
    parser.next_token();
    let precedence = FlinkPrecedence::of(parser, Precedence::MulDivModOp);
    Ok(Expr::UnaryOp { op, expr: Box::new(parser.parse_subexpr(precedence)?) })
}

/// Looks precedences up.
struct FlinkPrecedence;

impl FlinkPrecedence {
    fn of(_: &Parser<'_>, precedence: Precedence) -> u8 {
        use sqlparser::dialect::Dialect as _;
        super::dialect::FlinkDialect.prec_value(precedence)
    }
}

/// A sub-query, a nested expression, or a tuple.
fn parenthesis(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.expect_token(&Token::LParen)?;
    let query = [Keyword::SELECT, Keyword::WITH, Keyword::VALUES];
    let expr = if parser.peek_one_of_keywords(&query).is_some() {
        Expr::Subquery(parser.parse_query()?)
    } else {
        let mut parts = parser.parse_comma_separated(Parser::parse_expr)?;
        match (parts.pop(), parts.is_empty()) {
            (Some(only), true) => Expr::Nested(Box::new(only)),
            (last, _) => Expr::Tuple(parts.into_iter().chain(last).collect()),
        }
    };
    parser.expect_token(&Token::RParen)?;
    Ok(expr)
}

/// `CAST(x AS type)`; the type travels as text in our own spelling.
fn cast(parser: &mut Parser<'_>, kind: CastKind) -> Result<Expr, ParserError> {
    parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let expr = parser.parse_expr()?;
    parser.expect_keyword_is(Keyword::AS)?;
    let start = parser.peek_token_ref().span;
    let ty = types::parse_type(parser)?;
    let span = start.union(&parser.get_current_token().span);
    parser.expect_token(&Token::RParen)?;
    let name = Ident { value: ty.to_string(), quote_style: None, span };
    let data_type = DataType::Custom(ObjectName::from(vec![name]), Vec::new());
    Ok(Expr::Cast { kind, expr: Box::new(expr), data_type, array: false, format: None })
}

/// `DATE '2020-01-01'` and its like.
fn typed_text(parser: &mut Parser<'_>, word: &Word) -> Result<Expr, ParserError> {
    parser.next_token();
    let data_type = match word.keyword {
        Keyword::DATE => DataType::Date,
        Keyword::TIME => DataType::Time(None, sqlparser::ast::TimezoneInfo::None),
        _ => DataType::Timestamp(None, sqlparser::ast::TimezoneInfo::None),
    };
    let value = parser.parse_value()?;
    Ok(Expr::TypedString(TypedString { data_type, value, uses_odbc_syntax: false }))
}

/// `TABLE t [PARTITION BY a, b] [ORDER BY c]`, the argument of a window function; the
/// clauses travel as the parameters and the order of a function.
fn table_argument(parser: &mut Parser<'_>, span: Span) -> Result<Expr, ParserError> {
    parser.next_token();
    let table = if parser.peek_token_ref().token == Token::LParen {
        parenthesis(parser)?
    } else {
        let name = parser.parse_object_name(false)?;
        let parts = name.0.into_iter().filter_map(|part| part.as_ident().cloned()).collect();
        Expr::CompoundIdentifier(parts)
    };
    let mut partition = Vec::new();
    if parser.parse_keywords(&[Keyword::PARTITION, Keyword::BY]) {
        let wrapped = parser.consume_token(&Token::LParen);
        // The list shares its commas with the arguments behind it, so it ends where
        // a name is not followed by another plain name.
        loop {
            partition.push(parser.parse_identifier()?);
            if !continues_partition(parser, wrapped) {
                break;
            }
            parser.expect_token(&Token::Comma)?;
        }
        if wrapped {
            parser.expect_token(&Token::RParen)?;
        }
    }
    let order = if parser.parse_keywords(&[Keyword::ORDER, Keyword::BY]) {
        vec![parser.parse_order_by_expr()?]
    } else {
        Vec::new()
    };
    let list = |args: Vec<Expr>| {
        FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args
                .into_iter()
                .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
                .collect(),
            clauses: Vec::new(),
        })
    };
    let name = Ident { value: TABLE_ARGUMENT.to_owned(), quote_style: None, span };
    Ok(Expr::Function(Function {
        name: ObjectName::from(vec![name]),
        uses_odbc_syntax: false,
        parameters: list(partition.into_iter().map(Expr::Identifier).collect()),
        args: list(vec![table]),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: order,
    }))
}

/// Whether the comma that may come next belongs to the list of PARTITION BY.
fn continues_partition(parser: &Parser<'_>, wrapped: bool) -> bool {
    let [comma, word, after] = parser.peek_tokens::<3>();
    if comma != Token::Comma {
        return false;
    }
    wrapped
        || (matches!(word, Token::Word(_))
            && !matches!(after, Token::LParen | Token::RArrow | Token::SingleQuotedString(_)))
}
