//! Types in Flink's spellings.

use super::dialect::FlinkDialect;
use super::error::raise;
use crate::codes;
use crate::nearest::nearest;
use anabranch_engine::types::{DECIMAL_PRECISION_MAX, DataType, Field, LENGTH_MAX, SqlType};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, Tokenizer};

/// How deep ROW and ARRAY may nest.
const DEPTH_MAX: usize = 16;

/// The names of the types that can be written.
const NAMES: &[&str] = &[
    "ARRAY",
    "BIGINT",
    "BINARY",
    "BOOLEAN",
    "BYTES",
    "CHAR",
    "DATE",
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
    "INT",
    "INTEGER",
    "NUMERIC",
    "ROW",
    "SMALLINT",
    "STRING",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "TINYINT",
    "VARBINARY",
    "VARCHAR",
];

/// Flink's types that this version does not have.
const LATER: &[&str] =
    &["BITMAP", "DESCRIPTOR", "MAP", "MULTISET", "RAW", "STRUCTURED", "VARIANT", "INTERVAL"];

/// Parses a type with its nullability.
pub(super) fn parse_type(parser: &mut Parser<'_>) -> Result<DataType, ParserError> {
    nested(parser, &mut Closing(0), 0)
}

/// Parses a type that [`DataType`] printed.
pub(crate) fn type_from_text(text: &str) -> Option<DataType> {
    let tokens = Tokenizer::new(&FlinkDialect, text).tokenize_with_location().ok()?;
    let mut parser = Parser::new(&FlinkDialect).with_tokens_with_locations(tokens);
    parse_type(&mut parser).ok()
}

/// How many `>` of a `>>` or `>>=` token are still to be used.
struct Closing(usize);

fn nested(
    parser: &mut Parser<'_>,
    closing: &mut Closing,
    depth: usize,
) -> Result<DataType, ParserError> {
    let token = parser.next_token();
    let Token::Word(word) = &token.token else {
        return parser.expected("a type", token);
    };
    if depth > DEPTH_MAX {
        return Err(raise(codes::TOO_DEEP, token.span, "the type is nested too deeply", ""));
    }
    let name = word.value.to_ascii_uppercase();
    let sql = match name.as_str() {
        "ROW" => row(parser, closing, depth, token.span)?,
        "ARRAY" => {
            open(parser, "ARRAY<INT>", token.span)?;
            let element = nested(parser, closing, depth + 1)?;
            close(parser, closing)?;
            SqlType::Array(Box::new(element))
        }
        _ => plain(parser, &name, token.span)?,
    };
    let nullable = if closing.0 > 0 {
        true
    } else if parser.parse_keywords(&[Keyword::NOT, Keyword::NULL]) {
        false
    } else {
        let _explicit = parser.parse_keyword(Keyword::NULL);
        true
    };
    Ok(DataType { sql, nullable })
}

/// A type without parts.
fn plain(parser: &mut Parser<'_>, name: &str, span: Span) -> Result<SqlType, ParserError> {
    Ok(match name {
        "BOOLEAN" => SqlType::Boolean,
        "TINYINT" => SqlType::TinyInt,
        "SMALLINT" => SqlType::SmallInt,
        "INT" | "INTEGER" => SqlType::Int,
        "BIGINT" => SqlType::BigInt,
        "FLOAT" => SqlType::Float,
        "DOUBLE" => {
            let _precision = parser.parse_keyword(Keyword::PRECISION);
            SqlType::Double
        }
        "DECIMAL" | "DEC" | "NUMERIC" => decimal(parser, span)?,
        "CHAR" => SqlType::Char(length(parser, name, 1, span)?),
        "VARCHAR" => SqlType::VarChar(length(parser, name, 1, span)?),
        "STRING" => SqlType::STRING,
        "BINARY" => SqlType::Binary(length(parser, name, 1, span)?),
        "VARBINARY" => SqlType::VarBinary(length(parser, name, 1, span)?),
        "BYTES" => SqlType::BYTES,
        "DATE" => SqlType::Date,
        "TIME" => {
            let precision = precision(parser, name, 0, span)?;
            zone(parser, span, false)?;
            SqlType::Time(precision)
        }
        "TIMESTAMP" => {
            let precision = precision(parser, name, 6, span)?;
            match zone(parser, span, true)? {
                true => SqlType::TimestampLtz(precision),
                false => SqlType::Timestamp(precision),
            }
        }
        "TIMESTAMP_LTZ" => SqlType::TimestampLtz(precision(parser, name, 6, span)?),
        _ => return Err(unknown(name, span)),
    })
}

/// The error for a name that is no type.
fn unknown(name: &str, span: Span) -> ParserError {
    if LATER.contains(&name) {
        let message = format!("the type {name} is not supported here");
        return raise(codes::UNKNOWN_TYPE, span, &message, "use STRING, ROW or ARRAY");
    }
    let help = match name {
        "TEXT" | "NVARCHAR" | "CLOB" => "write STRING".to_owned(),
        "REAL" | "FLOAT4" => "write FLOAT".to_owned(),
        "FLOAT8" => "write DOUBLE".to_owned(),
        "DATETIME" | "TIMESTAMPTZ" => "write TIMESTAMP(3) or TIMESTAMP_LTZ(3)".to_owned(),
        "BOOL" => "write BOOLEAN".to_owned(),
        "BLOB" | "BYTEA" => "write BYTES".to_owned(),
        "INT8" | "LONG" => "write BIGINT".to_owned(),
        _ => match nearest(name, NAMES.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the types are {}", NAMES.join(", ")),
        },
    };
    raise(codes::UNKNOWN_TYPE, span, &format!("unknown type {name}"), &help)
}

/// `WITHOUT TIME ZONE`, or `WITH LOCAL TIME ZONE`, which is true.
fn zone(parser: &mut Parser<'_>, span: Span, local: bool) -> Result<bool, ParserError> {
    if parser.parse_keywords(&[Keyword::WITHOUT, Keyword::TIME, Keyword::ZONE]) {
        return Ok(false);
    }
    if local
        && parser.parse_keywords(&[Keyword::WITH, Keyword::LOCAL, Keyword::TIME, Keyword::ZONE])
    {
        return Ok(true);
    }
    if parser.parse_keywords(&[Keyword::WITH, Keyword::TIME, Keyword::ZONE]) {
        let help = "write TIMESTAMP(3) WITH LOCAL TIME ZONE, or TIMESTAMP_LTZ(3)";
        return Err(raise(
            codes::UNKNOWN_TYPE,
            span,
            "the type has a time zone in each value",
            help,
        ));
    }
    Ok(false)
}

/// A number in parentheses, if one stands there.
fn number(parser: &mut Parser<'_>) -> Result<Option<u64>, ParserError> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(None);
    }
    let number = parser.parse_literal_uint()?;
    parser.expect_token(&Token::RParen)?;
    Ok(Some(number))
}

fn length(
    parser: &mut Parser<'_>,
    name: &str,
    default: u32,
    span: Span,
) -> Result<u32, ParserError> {
    match number(parser)? {
        None => Ok(default),
        Some(n) if (1..=u64::from(LENGTH_MAX)).contains(&n) => Ok(n as u32),
        Some(n) => {
            let message = format!("the length of {name}({n}) is out of range");
            Err(raise(codes::UNKNOWN_TYPE, span, &message, "lengths go from 1 to 2147483647"))
        }
    }
}

fn precision(
    parser: &mut Parser<'_>,
    name: &str,
    default: u8,
    span: Span,
) -> Result<u8, ParserError> {
    match number(parser)? {
        None => Ok(default),
        Some(n) if n <= 9 => Ok(n as u8),
        Some(n) => {
            let message = format!("the precision of {name}({n}) is out of range");
            Err(raise(codes::UNKNOWN_TYPE, span, &message, "precisions go from 0 to 9"))
        }
    }
}

fn decimal(parser: &mut Parser<'_>, span: Span) -> Result<SqlType, ParserError> {
    let (mut precision, mut scale) = (10, 0);
    if parser.consume_token(&Token::LParen) {
        precision = parser.parse_literal_uint()?;
        if parser.consume_token(&Token::Comma) {
            scale = parser.parse_literal_uint()?;
        }
        parser.expect_token(&Token::RParen)?;
    }
    if !(1..=u64::from(DECIMAL_PRECISION_MAX)).contains(&precision) || scale > precision {
        let message = format!("DECIMAL({precision}, {scale}) is out of range");
        let help = "the precision goes from 1 to 38 and the scale from 0 to the precision";
        return Err(raise(codes::UNKNOWN_TYPE, span, &message, help));
    }
    Ok(SqlType::Decimal { precision: precision as u8, scale: scale as u8 })
}

/// `ROW<a INT, b STRING>` or `ROW(a INT, b STRING)`, comments allowed.
fn row(
    parser: &mut Parser<'_>,
    closing: &mut Closing,
    depth: usize,
    span: Span,
) -> Result<SqlType, ParserError> {
    let round = parser.consume_token(&Token::LParen);
    if !round {
        open(parser, "ROW<a INT, b STRING>", span)?;
    }
    let mut fields = Vec::new();
    loop {
        let name = parser.parse_identifier()?;
        let ty = nested(parser, closing, depth + 1)?;
        fields.push(Field::new(name.value, ty));
        if let Token::SingleQuotedString(_) = parser.peek_token_ref().token {
            parser.next_token();
        }
        if closing.0 > 0 || !parser.consume_token(&Token::Comma) {
            break;
        }
    }
    if round {
        parser.expect_token(&Token::RParen)?;
    } else {
        close(parser, closing)?;
    }
    Ok(SqlType::Row(fields))
}

/// The `<` of a type with parts.
fn open(parser: &mut Parser<'_>, example: &str, span: Span) -> Result<(), ParserError> {
    if parser.consume_token(&Token::Lt) {
        return Ok(());
    }
    let help = format!("write for example {example}");
    Err(raise(codes::UNKNOWN_TYPE, span, "the type needs its parts in angle brackets", &help))
}

/// The `>` of a type with parts; `>>` closes two.
fn close(parser: &mut Parser<'_>, closing: &mut Closing) -> Result<(), ParserError> {
    if closing.0 > 0 {
        closing.0 -= 1;
        return Ok(());
    }
    let token = parser.next_token();
    match token.token {
        Token::Gt => Ok(()),
        Token::ShiftRight => {
            closing.0 = 1;
            Ok(())
        }
        _ => parser.expected("`>`", token),
    }
}
