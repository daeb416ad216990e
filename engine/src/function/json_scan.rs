//! Finds a scalar in a JSON text without building its tree.
//!
//! The whole document is checked: a scalar of a text that is no JSON is no answer.
//! What follows the document is not looked at, as in Flink.

use super::json_path::{Path, Step};

/// How deep values may nest.
const DEPTH: usize = 512;

/// The scalar at the path; `None` if there is none, if it is NULL, an
/// object or an array, or if the text is no JSON.
pub(super) fn find<'a>(text: &'a str, path: &Path) -> Option<Scalar<'a>> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0, text };
    scanner.value(Some(&path.steps), DEPTH)?
}

/// A scalar at the end of the path.
#[derive(Debug)]
pub(super) enum Scalar<'a> {
    Boolean(bool),
    /// A number as it stands in the text.
    Number(&'a str),
    Text(String),
}

impl Scalar<'_> {
    /// The scalar as text.
    pub(super) fn into_text(self) -> String {
        match self {
            Scalar::Boolean(value) => value.to_string(),
            Scalar::Number(number) => plain_number(number),
            Scalar::Text(text) => text,
        }
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    text: &'a str,
}

impl<'a> Scanner<'a> {
    fn spaces(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    /// Reads a value; gives the scalar at the rest of the path in it. The outer
    /// `None` means that the text is no JSON. `steps` of `None` looks for nothing.
    fn value(&mut self, steps: Option<&[Step]>, depth: usize) -> Option<Option<Scalar<'a>>> {
        let depth = depth.checked_sub(1)?;
        self.spaces();
        let here = steps.is_some_and(<[Step]>::is_empty);
        match self.bytes.get(self.at)? {
            b'{' => self.object(steps, depth),
            b'[' => self.array(steps, depth),
            b'"' if here => self.string().map(|text| Some(Scalar::Text(text))),
            b'"' => self.skip_string().map(|_| None),
            b't' => self.word("true", here.then_some(Scalar::Boolean(true))),
            b'f' => self.word("false", here.then_some(Scalar::Boolean(false))),
            b'n' => self.word("null", None),
            _ => {
                let number = self.number()?;
                Some(here.then_some(Scalar::Number(number)))
            }
        }
    }

    fn word(&mut self, word: &str, found: Option<Scalar<'a>>) -> Option<Option<Scalar<'a>>> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return None;
        }
        self.at += word.len();
        match self.bytes.get(self.at) {
            Some(next) if next.is_ascii_alphanumeric() || *next == b'_' => None,
            _ => Some(found),
        }
    }

    fn object(&mut self, steps: Option<&[Step]>, depth: usize) -> Option<Option<Scalar<'a>>> {
        let wanted = match steps {
            Some([Step::Member(name), rest @ ..]) => Some((name, rest)),
            _ => None,
        };
        self.at += 1;
        let mut found = None;
        self.spaces();
        if self.eat(b'}') {
            return Some(None);
        }
        loop {
            self.spaces();
            if self.bytes.get(self.at) != Some(&b'"') {
                return None;
            }
            let here = match wanted {
                Some((name, _)) => self.string()? == *name,
                None => {
                    self.skip_string()?;
                    false
                }
            };
            self.spaces();
            if !self.eat(b':') {
                return None;
            }
            let inner = if here { wanted.map(|(_, rest)| rest) } else { None };
            let value = self.value(inner, depth)?;
            if here {
                // The last of equal names counts.
                found = value;
            }
            self.spaces();
            if self.eat(b'}') {
                return Some(found);
            }
            if !self.eat(b',') {
                return None;
            }
        }
    }

    fn array(&mut self, steps: Option<&[Step]>, depth: usize) -> Option<Option<Scalar<'a>>> {
        let wanted = match steps {
            Some([Step::Element(number), rest @ ..]) => Some((*number, rest)),
            _ => None,
        };
        self.at += 1;
        self.spaces();
        if self.eat(b']') {
            return Some(None);
        }
        // An element counted from the end is known only at the end.
        let mut starts = Vec::new();
        let mut found = None;
        for number in 0i64.. {
            starts.extend(wanted.filter(|(number, _)| *number < 0).map(|_| self.at));
            match wanted {
                Some((place, rest)) if place == number => found = self.value(Some(rest), depth)?,
                _ => {
                    self.value(None, depth)?;
                }
            }
            self.spaces();
            if self.eat(b']') {
                break;
            }
            if !self.eat(b',') {
                return None;
            }
        }
        if let Some((place, rest)) = wanted
            && place < 0
        {
            let back = usize::try_from(place.unsigned_abs()).ok()?;
            if let Some(start) = starts.len().checked_sub(back).map(|index| starts[index]) {
                let end = std::mem::replace(&mut self.at, start);
                found = self.value(Some(rest), depth)?;
                self.at = end;
            }
        }
        Some(found)
    }

    /// A number by JSON's grammar, as it stands in the text.
    fn number(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.eat(b'-');
        let whole = self.digits();
        let leading_zero = self.bytes.get(self.at - whole) == Some(&b'0');
        if whole == 0 || (whole > 1 && leading_zero) {
            return None;
        }
        if self.eat(b'.') && self.digits() == 0 {
            return None;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            if self.digits() == 0 {
                return None;
            }
        }
        Some(&self.text[start..self.at])
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - start
    }

    /// Moves behind a string and gives what stands between its quotes.
    fn skip_string(&mut self) -> Option<&'a str> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(&self.text[start..self.at - 1]);
                }
                b'\\' => {
                    let escaped = *self.bytes.get(self.at + 1)?;
                    if !b"\"\\/bfnrtu".contains(&escaped) {
                        return None;
                    }
                    self.at += 2;
                }
                // Control characters must be escaped.
                0..=0x1f => return None,
                _ => self.at += 1,
            }
        }
    }

    /// A string with its escapes resolved.
    fn string(&mut self) -> Option<String> {
        let raw = self.skip_string()?;
        if !raw.contains('\\') {
            return Some(raw.to_string());
        }
        let mut out = String::with_capacity(raw.len());
        let mut rest = raw.chars();
        while let Some(character) = rest.next() {
            if character != '\\' {
                out.push(character);
                continue;
            }
            match rest.next()? {
                'b' => out.push('\u{8}'),
                'f' => out.push('\u{c}'),
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                'u' => {
                    let unit = hex4(&mut rest)?;
                    out.push(code_point(unit, &mut rest)?);
                }
                other => out.push(other),
            }
        }
        Some(out)
    }
}

fn hex4(rest: &mut std::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |value, _| Some(value * 16 + rest.next()?.to_digit(16)?))
}

/// The character of a UTF-16 unit, with the second half of a pair if it is a first.
/// A half alone has no character.
fn code_point(unit: u32, rest: &mut std::str::Chars<'_>) -> Option<char> {
    if !(0xd800..0xdc00).contains(&unit) {
        return Some(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    let mut ahead = rest.clone();
    if ahead.next() == Some('\\') && ahead.next() == Some('u') {
        let low = hex4(&mut ahead)?;
        if (0xdc00..0xe000).contains(&low) {
            *rest = ahead;
            return char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
        }
    }
    Some(char::REPLACEMENT_CHARACTER)
}

/// A number as Java's BigDecimal prints it: `1e3` is `1E+3`, `-0` is `0`.
fn plain_number(number: &str) -> String {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let Ok(exponent) = exponent.trim_start_matches('+').parse::<i64>() else {
        return number.to_string();
    };
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let sign = if negative && !digits.is_empty() { "-" } else { "" };
    let digits = if digits.is_empty() { "0" } else { digits };
    let scale = fraction.len() as i64 - exponent;
    let adjusted = digits.len() as i64 - 1 - scale;
    if scale >= 0 && adjusted >= -6 {
        let scale = scale as usize;
        if scale == 0 {
            return format!("{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        return format!("{sign}{whole}.{fraction}");
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{point}{rest}E{adjusted:+}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str, path: &str) -> Option<String> {
        find(text, &Path::parse(path).unwrap()).map(Scalar::into_text)
    }

    #[test]
    fn scalars_are_found_as_in_flink() {
        let some = |text: &str| Some(text.to_string());
        assert_eq!(value(r#"{"a": {"b": [1, {"c": "x\ty"}]}}"#, "$.a.b[1].c"), some("x\ty"));
        assert_eq!(value(r#"{"a": [1, 2]}"#, "$.a[-1]"), some("2"));
        assert_eq!(value(r#"{"a": [1, 2]}"#, "$.a[-3]"), None);
        assert_eq!(value(r#"{"a": 1, "a": 2}"#, "$.a"), some("2"));
        assert_eq!(value(r#"{"a": 1e3}"#, "$.a"), some("1E+3"));
        assert_eq!(value(r#"{"a": -0.0}"#, "$.a"), some("0.0"));
        assert_eq!(value(r#"{"a": 1E-7}"#, "$.a"), some("1E-7"));
        assert_eq!(value(r#"{"a": "\ud83d\ude00"}"#, "$.a"), some("😀"));
        assert_eq!(value(r#"{"a": 1} x"#, "$.a"), some("1"));
        for text in [
            "",
            "x",
            r#"{"a": 1"#,
            r#"{'a': 1}"#,
            r#"{"a": NaN}"#,
            r#"{"a": null}"#,
            r#"{"a": {}}"#,
            r#"{"a": 01}"#,
            r#"{"a": tru}"#,
        ] {
            assert_eq!(value(text, "$.a"), None, "{text}");
        }
        assert_eq!(value(&"[".repeat(100_000), "$"), None);
    }

    proptest! {
        #[test]
        fn the_scanner_accepts_what_serde_accepts(text in r#"[\[\]{}",:0-9aeE+.\-truefalsnl \\]{0,24}"#) {
            let wrapped = format!("[1,{text}]");
            let mut documents = serde_json::Deserializer::from_str(&wrapped)
                .into_iter::<serde_json::Value>();
            let valid = documents.next().expect("the text is not empty");
            // serde_json refuses numbers beyond a double, which are JSON all the same.
            let too_large = valid.as_ref().is_err_and(|e| e.to_string().contains("out of range"));
            prop_assert!(too_large || value(&wrapped, "$[0]").is_some() == valid.is_ok());
        }
    }
}
