//! Text. Characters are Unicode code points; texts compare by their bytes.

use super::kernel::{CallInput, RowResult, TEXT_LIMIT, primitive_rows, text_rows, too_long};
use super::registry::{Family, Function, RuleInput};
use super::typing::Ruled;
use crate::expr::Evaluated;
use crate::types::{LENGTH_MAX, SqlType};
use arrow_array::types::Int32Type;
use std::borrow::Cow;

pub(super) const TABLE: &[Function] = &[
    text_function(
        "UPPER",
        &["UPPER(STRING)"],
        "The text in capitals.",
        |input| {
            input.count(1, 1)?;
            let ty = input.text(0)?;
            Ok(input.typed(vec![ty.clone()], ty))
        },
        |input| change_case(input, str::to_uppercase, str::make_ascii_uppercase),
    ),
    text_function(
        "LOWER",
        &["LOWER(STRING)"],
        "The text in small letters.",
        |input| {
            input.count(1, 1)?;
            let ty = input.text(0)?;
            Ok(input.typed(vec![ty.clone()], ty))
        },
        |input| change_case(input, str::to_lowercase, str::make_ascii_lowercase),
    ),
    text_function(
        "TRIM",
        &["TRIM([[BOTH] [STRING] FROM] STRING)"],
        "The text without the characters (spaces, if none are given) at both ends.",
        |input| trim_rule(input, true),
        |input| trim(input, true, true),
    ),
    text_function(
        "LTRIM",
        &["LTRIM(STRING[, STRING])", "TRIM(LEADING [STRING] FROM STRING)"],
        "The text without the characters (spaces, if none are given) at its start.",
        |input| trim_rule(input, true),
        |input| trim(input, true, false),
    ),
    text_function(
        "RTRIM",
        &["RTRIM(STRING[, STRING])", "TRIM(TRAILING [STRING] FROM STRING)"],
        "The text without the characters (spaces, if none are given) at its end.",
        |input| trim_rule(input, true),
        |input| trim(input, false, true),
    ),
    text_function(
        "BTRIM",
        &["BTRIM(STRING[, STRING])"],
        "The text without the characters (spaces, if none are given) at both ends.",
        |input| trim_rule(input, false),
        |input| trim(input, true, true),
    ),
    text_function(
        "SUBSTRING",
        &["SUBSTRING(STRING, INT[, INT])", "SUBSTRING(STRING FROM INT [FOR INT])"],
        "The part from a place, counted from 1, or from the end if negative, of so many characters.",
        substring_rule,
        substring,
    )
    .also(&["SUBSTR"]),
    text_function(
        "CONCAT",
        &["CONCAT(STRING, ...)"],
        "The texts one after the other; NULL if one is.",
        |input| {
            input.count(1, usize::MAX)?;
            Ok(input.typed(texts(input, 0)?, SqlType::STRING))
        },
        concat,
    ),
    text_function(
        "||",
        &["STRING || STRING"],
        "The texts one after the other; NULL if one is.",
        concat_operator_rule,
        concat,
    ),
    text_function(
        "CONCAT_WS",
        &["CONCAT_WS(STRING, STRING, ...)"],
        "The texts from the second on with the first between them; NULLs are left out.",
        |input| {
            input.count(1, usize::MAX)?;
            Ok(input.typed(texts(input, 0)?, SqlType::STRING))
        },
        concat_ws,
    ),
    text_function(
        "REPLACE",
        &["REPLACE(STRING, STRING, STRING)"],
        "The text with every occurrence of the second text replaced by the third.",
        |input| {
            input.count(3, 3)?;
            Ok(input.typed(texts(input, 0)?, SqlType::STRING))
        },
        replace,
    ),
    text_function(
        "POSITION",
        &["POSITION(STRING IN STRING [FROM INT])", "LOCATE(STRING, STRING[, INT])"],
        "Where the first text stands in the second, counted from 1; 0 if nowhere.",
        position_rule,
        |input| position(input, 0, 1),
    )
    .also(&["LOCATE"]),
    text_function(
        "INSTR",
        &["INSTR(STRING, STRING)"],
        "Where the second text stands in the first, counted from 1; 0 if nowhere.",
        |input| {
            input.count(2, 2)?;
            Ok(input.typed(texts(input, 0)?, SqlType::Int))
        },
        |input| position(input, 1, 0),
    ),
    text_function(
        "CHAR_LENGTH",
        &["CHAR_LENGTH(STRING)"],
        "How many characters the text has.",
        |input| {
            input.count(1, 1)?;
            Ok(input.typed(texts(input, 0)?, SqlType::Int))
        },
        |input| {
            let texts = input.args[0].texts();
            primitive_rows::<Int32Type>(input.rows, &SqlType::Int, |row| {
                Ok(texts.get(row).map(|text| text.chars().count() as i32))
            })
        },
    )
    .also(&["CHARACTER_LENGTH"]),
    text_function(
        "LPAD",
        &["LPAD(STRING, INT, STRING)"],
        "The text filled up from the left to so many characters, or cut to them.",
        pad_rule,
        |input| pad(input, true),
    ),
    text_function(
        "RPAD",
        &["RPAD(STRING, INT, STRING)"],
        "The text filled up from the right to so many characters, or cut to them.",
        pad_rule,
        |input| pad(input, false),
    ),
    text_function(
        "SPLIT_INDEX",
        &["SPLIT_INDEX(STRING, STRING, INT)", "SPLIT_INDEX(STRING, INT, INT)"],
        "The part of this number, from 0, of a text that a separator splits.",
        split_index_rule,
        split_index,
    ),
];

const fn text_function(
    name: &'static str,
    signatures: &'static [&'static str],
    doc: &'static str,
    rule: super::registry::TypeRule,
    kernel: super::KernelFn,
) -> Function {
    Function::new(Family::Text, name, signatures, doc, rule, kernel)
}

/// The types of the arguments from `first` on, which must all be text.
pub(super) fn texts(input: &RuleInput<'_>, first: usize) -> Result<Vec<SqlType>, String> {
    (first..input.args.len()).map(|index| input.text(index)).collect()
}

/// The text type of at most as many characters as the argument's.
fn varying(ty: &SqlType) -> SqlType {
    match ty {
        SqlType::Char(length) => SqlType::VarChar(*length),
        other => other.clone(),
    }
}

fn change_case(
    input: &CallInput<'_>,
    change: fn(&str) -> String,
    change_ascii: fn(&mut str),
) -> Evaluated {
    let texts = input.args[0].texts();
    text_rows(input.rows, |row| {
        Ok(texts.get(row).map(|text| {
            if text.is_ascii() {
                let mut text = text.to_string();
                change_ascii(&mut text);
                Cow::Owned(text)
            } else {
                Cow::Owned(change(text))
            }
        }))
    })
}

fn trim_rule(input: &RuleInput<'_>, keeps_length: bool) -> Ruled {
    input.count(1, 2)?;
    let args = texts(input, 0)?;
    let result = if keeps_length { varying(&args[0]) } else { SqlType::STRING };
    Ok(input.typed(args, result))
}

fn trim(input: &CallInput<'_>, start: bool, end: bool) -> Evaluated {
    let texts = input.args[0].texts();
    let sets = input.args.get(1).map(|arg| arg.texts());
    text_rows(input.rows, |row| {
        let set = sets.as_ref().map_or(Some(" "), |sets| sets.get(row));
        let (Some(text), Some(set)) = (texts.get(row), set) else { return Ok(None) };
        let drop = |character: char| set.contains(character);
        let text = if start { text.trim_start_matches(drop) } else { text };
        let text = if end { text.trim_end_matches(drop) } else { text };
        Ok(Some(Cow::Borrowed(text)))
    })
}

fn substring_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(2, 3)?;
    let ty = input.text(0)?;
    let mut args = vec![ty.clone(), input.int(1)?];
    if input.args.len() == 3 {
        args.push(input.int(2)?);
    }
    let mut typed = input.typed(args, varying(&ty));
    // A negative length gives NULL.
    typed.result.nullable = true;
    Ok(typed)
}

fn substring(input: &CallInput<'_>) -> Evaluated {
    let texts = input.args[0].texts();
    let starts = input.args[1].primitives::<Int32Type>();
    let lengths = input.args.get(2).map(|arg| arg.primitives::<Int32Type>());
    text_rows(input.rows, |row| {
        let length = lengths.as_ref().map_or(Some(i32::MAX), |lengths| lengths.get(row));
        let (Some(text), Some(start), Some(length)) = (texts.get(row), starts.get(row), length)
        else {
            return Ok(None);
        };
        Ok(usize::try_from(length).ok().map(|length| Cow::Borrowed(part(text, start, length))))
    })
}

/// The part of a text from a place, counted from 1 or backwards from the end.
fn part(text: &str, start: i32, length: usize) -> &str {
    let skipped = if start > 0 {
        start as usize - 1
    } else if start < 0 {
        let count = text.chars().count();
        match count.checked_sub(start.unsigned_abs() as usize) {
            Some(skipped) => skipped,
            None => return "",
        }
    } else {
        0
    };
    let rest = &text[byte_of(text, skipped)..];
    &rest[..byte_of(rest, length)]
}

/// Where the character of this number begins; the end of the text beyond it.
fn byte_of(text: &str, character: usize) -> usize {
    if text.is_ascii() {
        return character.min(text.len());
    }
    text.char_indices().nth(character).map_or(text.len(), |(at, _)| at)
}

fn concat_operator_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(2, 2)?;
    let args = texts(input, 0)?;
    let length = |ty: &SqlType| match ty {
        SqlType::Char(length) | SqlType::VarChar(length) => *length,
        _ => LENGTH_MAX,
    };
    let sum = length(&args[0]).saturating_add(length(&args[1])).min(LENGTH_MAX);
    let fixed = args.iter().all(|ty| matches!(ty, SqlType::Char(_)));
    let result = if fixed { SqlType::Char(sum) } else { SqlType::VarChar(sum) };
    Ok(input.typed(args, result))
}

fn concat(input: &CallInput<'_>) -> Evaluated {
    let parts: Vec<_> = input.args.iter().map(|arg| arg.texts()).collect();
    text_rows(input.rows, |row| {
        let mut text = String::new();
        for part in &parts {
            let Some(part) = part.get(row) else { return Ok(None) };
            text.push_str(part);
        }
        Ok(Some(Cow::Owned(text)))
    })
}

fn concat_ws(input: &CallInput<'_>) -> Evaluated {
    let separators = input.args[0].texts();
    let parts: Vec<_> = input.args[1..].iter().map(|arg| arg.texts()).collect();
    text_rows(input.rows, |row| {
        let Some(separator) = separators.get(row) else { return Ok(None) };
        let present: Vec<&str> = parts.iter().filter_map(|part| part.get(row)).collect();
        Ok(Some(Cow::Owned(present.join(separator))))
    })
}

fn replace(input: &CallInput<'_>) -> Evaluated {
    let texts = input.args[0].texts();
    let (from, to) = (input.args[1].texts(), input.args[2].texts());
    text_rows(input.rows, |row| {
        let (Some(text), Some(from), Some(to)) = (texts.get(row), from.get(row), to.get(row))
        else {
            return Ok(None);
        };
        if !fits(text.len(), to.len(), || text.matches(from).count()) {
            return too_long();
        }
        Ok(Some(Cow::Owned(text.replace(from, to))))
    })
}

/// Whether a text with its matches replaced by so many bytes stays within the limit.
/// The matches are counted only if it could be exceeded.
pub(super) fn fits(text: usize, replacement: usize, matches: impl Fn() -> usize) -> bool {
    let most = (text + 1).saturating_mul(replacement.max(1)).saturating_add(text);
    most <= TEXT_LIMIT || matches().saturating_mul(replacement).saturating_add(text) <= TEXT_LIMIT
}

fn position_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(2, 3)?;
    let mut args = vec![input.text(0)?, input.text(1)?];
    if input.args.len() == 3 {
        args.push(input.int(2)?);
    }
    Ok(input.typed(args, SqlType::Int))
}

fn position(input: &CallInput<'_>, needle: usize, hay: usize) -> Evaluated {
    let (needles, hays) = (input.args[needle].texts(), input.args[hay].texts());
    let starts = input.args.get(2).map(|arg| arg.primitives::<Int32Type>());
    primitive_rows::<Int32Type>(input.rows, &SqlType::Int, |row| -> RowResult<i32> {
        let start = starts.as_ref().map_or(Some(1), |starts| starts.get(row));
        let (Some(needle), Some(hay), Some(start)) = (needles.get(row), hays.get(row), start)
        else {
            return Ok(None);
        };
        if needle.is_empty() {
            return Ok(Some(1));
        }
        let from = byte_of(hay, start.max(1) as usize - 1);
        let found = hay[from..].find(needle).map(|at| hay[..from + at].chars().count() + 1);
        Ok(Some(found.unwrap_or(0) as i32))
    })
}

fn pad_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(3, 3)?;
    let args = vec![input.text(0)?, input.int(1)?, input.text(2)?];
    Ok(input.typed(args, SqlType::STRING))
}

fn pad(input: &CallInput<'_>, left: bool) -> Evaluated {
    let (texts, fills) = (input.args[0].texts(), input.args[2].texts());
    let lengths = input.args[1].primitives::<Int32Type>();
    text_rows(input.rows, |row| {
        let (Some(text), Some(length), Some(fill)) =
            (texts.get(row), lengths.get(row), fills.get(row))
        else {
            return Ok(None);
        };
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        if fill.is_empty() {
            return Ok(None);
        }
        let count = text.chars().count();
        if count >= length {
            return Ok(Some(Cow::Borrowed(&text[..byte_of(text, length)])));
        }
        // No character has more than four bytes.
        if length > TEXT_LIMIT / 4 {
            return too_long();
        }
        let filling: String = fill.chars().cycle().take(length - count).collect();
        Ok(Some(Cow::Owned(if left { filling + text } else { format!("{text}{filling}") })))
    })
}

fn split_index_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(3, 3)?;
    let separator = if input.sql(1).is_integer() { SqlType::Int } else { input.text(1)? };
    let args = vec![input.text(0)?, separator, input.int(2)?];
    let mut typed = input.typed(args, SqlType::STRING);
    typed.result.nullable = true;
    Ok(typed)
}

fn split_index(input: &CallInput<'_>) -> Evaluated {
    let texts = input.args[0].texts();
    let numbers = input.args[2].primitives::<Int32Type>();
    if *input.arg_type(1) == SqlType::Int {
        let codes = input.args[1].primitives::<Int32Type>();
        return text_rows(input.rows, |row| {
            let (Some(text), Some(code), Some(number)) =
                (texts.get(row), codes.get(row), numbers.get(row))
            else {
                return Ok(None);
            };
            let separator = u32::try_from(code).ok().and_then(char::from_u32);
            let Some(separator) = separator else { return Ok(None) };
            let mut buffer = [0; 4];
            Ok(nth_part(text, separator.encode_utf8(&mut buffer), number).map(Cow::Borrowed))
        });
    }
    let separators = input.args[1].texts();
    text_rows(input.rows, |row| {
        let (Some(text), Some(separator), Some(number)) =
            (texts.get(row), separators.get(row), numbers.get(row))
        else {
            return Ok(None);
        };
        Ok(nth_part(text, separator, number).map(Cow::Borrowed))
    })
}

/// The part of this number, from 0. An empty text has no parts; an empty separator
/// does not split.
fn nth_part<'a>(text: &'a str, separator: &str, number: i32) -> Option<&'a str> {
    let number = usize::try_from(number).ok()?;
    if text.is_empty() {
        return None;
    }
    if separator.is_empty() {
        // Whitespace splits here in Java, but an empty text never does.
        return (number == 0).then_some(text);
    }
    text.split(separator).nth(number)
}
