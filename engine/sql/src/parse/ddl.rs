//! CREATE TABLE: columns, watermark, key and options, as Flink writes them.

use super::error::raise;
use super::types::parse_type;
use crate::codes;
use anabranch_engine::types::DataType;
use sqlparser::ast::{Expr, Ident};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token};

/// `CREATE [TEMPORARY] TABLE [IF NOT EXISTS] name (…) WITH (…)`.
#[derive(Clone, Debug)]
pub(crate) struct CreateTable {
    pub(crate) name: Ident,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<ColumnSyntax>,
    pub(crate) watermarks: Vec<Watermark>,
    pub(crate) keys: Vec<PrimaryKey>,
    pub(crate) options: Vec<OptionSyntax>,
    /// Where `WITH` stands, or the name if there is none.
    pub(crate) options_span: Span,
}

/// A column with its source.
#[derive(Clone, Debug)]
pub(crate) struct ColumnSyntax {
    pub(crate) name: Ident,
    pub(crate) source: ColumnSource,
}

/// Where a column's values come from.
#[derive(Clone, Debug)]
pub(crate) enum ColumnSource {
    /// `name AS expression`.
    Computed(Box<Expr>),
    /// `name TYPE METADATA [FROM 'key'] [VIRTUAL]`.
    Metadata { ty: DataType, key: Option<(String, Span)> },
    /// `name TYPE`.
    Physical(DataType),
}

/// `WATERMARK FOR column AS expression`.
#[derive(Clone, Debug)]
pub(crate) struct Watermark {
    pub(crate) column: Ident,
    pub(crate) expression: Expr,
    pub(crate) span: Span,
}

/// `PRIMARY KEY (a, b) NOT ENFORCED`.
#[derive(Clone, Debug)]
pub(crate) struct PrimaryKey {
    pub(crate) columns: Vec<Ident>,
    pub(crate) span: Span,
}

/// `'key' = 'value'`.
#[derive(Clone, Debug)]
pub(crate) struct OptionSyntax {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: String,
    pub(crate) value_span: Span,
}

/// Parses what follows `CREATE [TEMPORARY] TABLE`.
pub(super) fn create_table(parser: &mut Parser<'_>) -> Result<CreateTable, ParserError> {
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = single_name(parser, "table")?;
    let mut table = CreateTable {
        options_span: name.span,
        name,
        if_not_exists,
        columns: Vec::new(),
        watermarks: Vec::new(),
        keys: Vec::new(),
        options: Vec::new(),
    };
    refuse_copies(parser)?;
    parser.expect_token(&Token::LParen)?;
    loop {
        item(parser, &mut table)?;
        if !parser.consume_token(&Token::Comma) {
            break;
        }
    }
    parser.expect_token(&Token::RParen)?;
    if parser.parse_keyword(Keyword::COMMENT) {
        parser.parse_literal_string()?;
    }
    refuse_copies(parser)?;
    if parser.parse_keyword(Keyword::WITH) {
        table.options_span = parser.get_current_token().span;
        table.options = options(parser)?;
    }
    refuse_copies(parser)?;
    Ok(table)
}

/// Refuses the clauses that take a table's definition from somewhere else.
fn refuse_copies(parser: &Parser<'_>) -> Result<(), ParserError> {
    let token = parser.peek_token();
    let Token::Word(word) = &token.token else { return Ok(()) };
    let (what, help) = match word.keyword {
        Keyword::AS => {
            ("CREATE TABLE … AS SELECT", "declare the columns, then INSERT INTO the table")
        }
        Keyword::LIKE => ("CREATE TABLE … LIKE", "write the columns and options out"),
        Keyword::PARTITIONED => ("PARTITIONED BY", "leave it out: files are not split by value"),
        _ => return Ok(()),
    };
    let message = format!("{what} is not supported");
    Err(raise(codes::UNSUPPORTED, token.span, &message, help))
}

/// A name without a catalog or database before it.
pub(super) fn single_name(parser: &mut Parser<'_>, what: &str) -> Result<Ident, ParserError> {
    let start = parser.peek_token_ref().span;
    let name = parser.parse_object_name(false)?;
    let mut parts: Vec<Ident> =
        name.0.into_iter().filter_map(|part| part.as_ident().cloned()).collect();
    match (parts.pop(), parts.is_empty()) {
        (Some(name), true) => Ok(name),
        (Some(name), false) => {
            let message = format!("the {what} name has a catalog or database before it");
            let help = format!("there is only one catalog: write `{}`", name.value);
            Err(raise(codes::UNSUPPORTED, start.union(&name.span), &message, &help))
        }
        (None, _) => {
            let token = parser.peek_token();
            parser.expected("a name", token)
        }
    }
}

/// A column, the watermark or a constraint.
fn item(parser: &mut Parser<'_>, table: &mut CreateTable) -> Result<(), ParserError> {
    let start = parser.peek_token();
    let [_, second, ..] = parser.peek_tokens::<2>();
    let plain_word = match &start.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word),
        _ => None,
    };
    let is = |text: &str| plain_word.is_some_and(|word| word.value.eq_ignore_ascii_case(text));
    let second_is = |keyword: Keyword| matches!(&second, Token::Word(w) if w.keyword == keyword);
    if is("WATERMARK") && second_is(Keyword::FOR) {
        parser.next_token();
        parser.next_token();
        let column = watermark_column(parser)?;
        parser.expect_keyword_is(Keyword::AS)?;
        let expression = parser.parse_expr()?;
        let span = start.span.union(&parser.get_current_token().span);
        table.watermarks.push(Watermark { column, expression, span });
        return Ok(());
    }
    if is("CONSTRAINT") && !second_is(Keyword::AS) {
        parser.next_token();
        parser.parse_identifier()?;
        parser.expect_keyword_is(Keyword::PRIMARY)?;
        table.keys.push(primary_key(parser, start.span)?);
        return Ok(());
    }
    if is("PRIMARY") && second_is(Keyword::KEY) {
        parser.next_token();
        table.keys.push(primary_key(parser, start.span)?);
        return Ok(());
    }
    if is("UNIQUE") && second == Token::LParen {
        let help = "write PRIMARY KEY (…) NOT ENFORCED";
        return Err(raise(codes::UNSUPPORTED, start.span, "UNIQUE is not supported", help));
    }
    if is("LIKE") && matches!(second, Token::Word(_)) {
        return refuse_copies(parser);
    }
    column(parser, table)
}

/// The rowtime column; only a column by itself can be one.
fn watermark_column(parser: &mut Parser<'_>) -> Result<Ident, ParserError> {
    let column = parser.parse_identifier()?;
    if parser.peek_token_ref().token == Token::Period {
        let help = "add a computed column for the field and name that";
        let message = "the rowtime is a field of a row";
        return Err(raise(codes::WATERMARK_COLUMN, column.span, message, help));
    }
    Ok(column)
}

/// What follows `PRIMARY`.
fn primary_key(parser: &mut Parser<'_>, start: Span) -> Result<PrimaryKey, ParserError> {
    parser.expect_keyword_is(Keyword::KEY)?;
    parser.expect_token(&Token::LParen)?;
    let columns = parser.parse_comma_separated(Parser::parse_identifier)?;
    parser.expect_token(&Token::RParen)?;
    let span = start.union(&parser.get_current_token().span);
    not_enforced(parser, span)?;
    Ok(PrimaryKey { columns, span })
}

fn not_enforced(parser: &mut Parser<'_>, span: Span) -> Result<(), ParserError> {
    if parser.parse_keywords(&[Keyword::NOT, Keyword::ENFORCED]) {
        return Ok(());
    }
    let message = "the primary key is not declared as NOT ENFORCED";
    let help = "write PRIMARY KEY (…) NOT ENFORCED: the engine does not own the data";
    Err(raise(codes::PRIMARY_KEY, span, message, help))
}

fn column(parser: &mut Parser<'_>, table: &mut CreateTable) -> Result<(), ParserError> {
    let name = parser.parse_identifier()?;
    if parser.parse_keyword(Keyword::AS) {
        let source = ColumnSource::Computed(Box::new(parser.parse_expr()?));
        comment(parser)?;
        table.columns.push(ColumnSyntax { name, source });
        return Ok(());
    }
    let ty = parse_type(parser)?;
    let source = if word(parser, "METADATA") {
        let key = if parser.parse_keyword(Keyword::FROM) {
            let span = parser.peek_token_ref().span;
            Some((parser.parse_literal_string()?, span))
        } else {
            None
        };
        word(parser, "VIRTUAL");
        ColumnSource::Metadata { ty, key }
    } else {
        ColumnSource::Physical(ty)
    };
    if parser.parse_keywords(&[Keyword::PRIMARY, Keyword::KEY]) {
        let span = parser.get_current_token().span;
        not_enforced(parser, span)?;
        table.keys.push(PrimaryKey { columns: vec![name.clone()], span });
    }
    comment(parser)?;
    refuse_constraint(parser)?;
    table.columns.push(ColumnSyntax { name, source });
    Ok(())
}

/// Refuses what other dialects allow behind a column's type.
fn refuse_constraint(parser: &Parser<'_>) -> Result<(), ParserError> {
    let token = parser.peek_token();
    let Token::Word(word) = &token.token else { return Ok(()) };
    let name = word.value.to_ascii_uppercase();
    let known =
        ["AUTO_INCREMENT", "CHECK", "COLLATE", "DEFAULT", "GENERATED", "REFERENCES", "UNIQUE"];
    if !known.contains(&name.as_str()) {
        return Ok(());
    }
    let message = format!("{name} is not supported");
    Err(raise(codes::UNSUPPORTED, token.span, &message, "leave it out"))
}

fn comment(parser: &mut Parser<'_>) -> Result<(), ParserError> {
    if parser.parse_keyword(Keyword::COMMENT) {
        parser.parse_literal_string()?;
    }
    Ok(())
}

/// Takes a word that the parser may not know as a keyword.
pub(super) fn word(parser: &mut Parser<'_>, text: &str) -> bool {
    let found = match &parser.peek_token_ref().token {
        Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text),
        _ => false,
    };
    if found {
        parser.next_token();
    }
    found
}

/// `('key' = 'value', …)`.
pub(super) fn options(parser: &mut Parser<'_>) -> Result<Vec<OptionSyntax>, ParserError> {
    parser.expect_token(&Token::LParen)?;
    let mut options = Vec::new();
    if parser.consume_token(&Token::RParen) {
        return Ok(options);
    }
    loop {
        let (key, key_span) = quoted(parser, "an option's name")?;
        parser.expect_token(&Token::Eq)?;
        let (value, value_span) = quoted(parser, "an option's value")?;
        options.push(OptionSyntax { key, key_span, value, value_span });
        if !parser.consume_token(&Token::Comma) {
            break;
        }
    }
    parser.expect_token(&Token::RParen)?;
    Ok(options)
}

/// A text in single quotes.
pub(super) fn quoted(parser: &mut Parser<'_>, what: &str) -> Result<(String, Span), ParserError> {
    let token = parser.next_token();
    match token.token {
        Token::SingleQuotedString(text) => Ok((text, token.span)),
        _ => parser.expected(&format!("{what} in single quotes"), token),
    }
}
