//! The syntax of transcripts: phrases and values, read and printed.

use bytes::Bytes;
use std::fmt;

/// A word and arguments: a request, an answer, an act or a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phrase {
    /// What it is.
    pub word: String,
    /// Its arguments, in order.
    pub arguments: Vec<Argument>,
    /// Whether it ends in `..`: as an expectation, it leaves other arguments open.
    pub open: bool,
}

/// One argument of a phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Value,
}

/// The value of an argument, or an element of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `*`: whatever it is.
    Any,
    /// Values in order.
    List(Vec<Value>),
    /// `none`: nothing is there. The text in quotes is another value.
    None,
    /// A phrase, always with arguments when it stands in a list.
    Phrase(Phrase),
    /// Bytes, mostly text.
    Text(Bytes),
    /// What a name was bound to, plus a number.
    Variable {
        /// The name, without the `$`.
        name: String,
        /// What is added to it; 0 for texts that are no numbers.
        plus: i64,
    },
}

impl Value {
    /// A text.
    #[must_use]
    pub fn text(text: impl fmt::Display) -> Value {
        Value::Text(Bytes::from(text.to_string()))
    }

    /// A text, or `none`.
    #[must_use]
    pub fn optional(text: Option<impl fmt::Display>) -> Value {
        text.map_or(Value::None, Value::text)
    }
}

impl Phrase {
    /// A phrase without arguments.
    #[must_use]
    pub fn new(word: &str) -> Phrase {
        Phrase { word: word.into(), ..Phrase::default() }
    }

    /// The phrase with one more argument.
    #[must_use]
    pub fn with(mut self, key: &str, value: Value) -> Phrase {
        self.arguments.push(Argument { key: key.into(), value });
        self
    }

    /// The phrase with one more argument, a text.
    #[must_use]
    pub fn with_text(self, key: &str, text: impl fmt::Display) -> Phrase {
        self.with(key, Value::text(text))
    }

    /// The phrase with one more argument, bytes.
    #[must_use]
    pub fn with_bytes(self, key: &str, bytes: &Bytes) -> Phrase {
        self.with(key, Value::Text(bytes.clone()))
    }

    /// Says so if there is an argument that is not among these: a misspelt one must not
    /// pass for one that was left out.
    ///
    /// # Errors
    /// Names the argument.
    pub fn only(&self, keys: &[&str]) -> Result<(), String> {
        match self.arguments.iter().find(|it| !keys.contains(&it.key.as_str())) {
            Some(stranger) => Err(format!("`{}` knows no argument `{}`", self.word, stranger.key)),
            None => Ok(()),
        }
    }

    /// The value of an argument, if it is there.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&Value> {
        self.arguments.iter().find(|it| it.key == key).map(|it| &it.value)
    }

    /// The value of an argument.
    ///
    /// # Errors
    /// If it is not there.
    pub fn value(&self, key: &str) -> Result<&Value, String> {
        self.find(key).ok_or_else(|| format!("`{}` needs `{key}=`", self.word))
    }

    /// An argument that is bytes.
    ///
    /// # Errors
    /// If it is not there, or something else.
    pub fn bytes(&self, key: &str) -> Result<Bytes, String> {
        match self.value(key)? {
            Value::Text(bytes) => Ok(bytes.clone()),
            other => Err(format!("`{key}={other}` must be a text")),
        }
    }

    /// An argument that is bytes or `none`; one that is left out is `none`.
    ///
    /// # Errors
    /// If it is something else.
    pub fn optional_bytes(&self, key: &str) -> Result<Option<Bytes>, String> {
        match self.find(key) {
            None | Some(Value::None) => Ok(None),
            Some(_) => self.bytes(key).map(Some),
        }
    }

    /// An argument that is UTF-8 text.
    ///
    /// # Errors
    /// If it is not there, or something else.
    pub fn str(&self, key: &str) -> Result<String, String> {
        String::from_utf8(self.bytes(key)?.to_vec()).map_err(|_| format!("`{key}=` must be UTF-8"))
    }

    /// An argument that is a text or `none`; one that is left out is `none`.
    ///
    /// # Errors
    /// If it is something else.
    pub fn optional_str(&self, key: &str) -> Result<Option<String>, String> {
        match self.find(key) {
            None | Some(Value::None) => Ok(None),
            Some(_) => self.str(key).map(Some),
        }
    }

    /// An argument that can be read from a text, such as a number or `true`.
    ///
    /// # Errors
    /// If it is not there, or something else.
    pub fn parsed<T: std::str::FromStr>(&self, key: &str) -> Result<T, String> {
        let text = self.str(key)?;
        text.parse().map_err(|_| format!("`{key}={text}` is not of the right kind"))
    }

    /// An argument that is a list; one that is left out is empty.
    ///
    /// # Errors
    /// If it is something else.
    pub fn list(&self, key: &str) -> Result<&[Value], String> {
        match self.find(key) {
            None => Ok(&[]),
            Some(Value::List(values)) => Ok(values),
            Some(other) => Err(format!("`{key}={other}` must be a list")),
        }
    }

    /// An argument that is a list of phrases; one that is left out is empty.
    ///
    /// # Errors
    /// If it is something else.
    pub fn phrases(&self, key: &str) -> Result<Vec<Phrase>, String> {
        let phrase = |value: &Value| match value {
            Value::Phrase(phrase) => Ok(phrase.clone()),
            Value::Text(word) => Ok(Phrase::new(&String::from_utf8_lossy(word))),
            other => Err(format!("`{other}` in `{key}=` must be a phrase")),
        };
        self.list(key)?.iter().map(phrase).collect()
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word)?;
        for Argument { key, value } in &self.arguments {
            write!(f, " {key}={value}")?;
        }
        if self.open { f.write_str(" ..") } else { Ok(()) }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Any => f.write_str("*"),
            Value::List(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    f.write_str(if index > 0 { ", " } else { "" })?;
                    match value {
                        Value::Phrase(phrase) if !phrase.arguments.is_empty() => {
                            write!(f, "{phrase}")?;
                        }
                        _ => write!(f, "{value}")?,
                    }
                }
                f.write_str("]")
            }
            Value::None => f.write_str("none"),
            Value::Phrase(phrase) => write!(f, "({phrase})"),
            Value::Text(bytes) => write_text(f, bytes),
            Value::Variable { name, plus: 0 } => write!(f, "${name}"),
            Value::Variable { name, plus } => write!(f, "${name}{plus:+}"),
        }
    }
}

/// Whether a byte may stand in a bare word.
fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:#/@+{}<>|".contains(&byte)
}

fn write_text(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let is_plain =
        bytes.first().is_some_and(|byte| *byte != b'#') && bytes.iter().all(|it| is_bare(*it));
    let means_something = [&b"none"[..], b".."].contains(&bytes);
    if is_plain && !means_something {
        return f.write_str(&String::from_utf8_lossy(bytes));
    }
    f.write_str("\"")?;
    for byte in bytes {
        match byte {
            b'\n' => f.write_str("\\n")?,
            b'\t' => f.write_str("\\t")?,
            b'"' => f.write_str("\\\"")?,
            b'\\' => f.write_str("\\\\")?,
            b' '..=b'~' => write!(f, "{}", char::from(*byte))?,
            _ => write!(f, "\\x{byte:02x}")?,
        }
    }
    f.write_str("\"")
}

/// Reads a phrase.
///
/// # Errors
/// Says what was expected, and behind what.
pub fn parse_phrase(text: &str) -> Result<Phrase, String> {
    let mut parser = Parser { text: text.as_bytes(), at: 0 };
    let phrase = parser.phrase()?;
    parser.blanks();
    if parser.at < parser.text.len() {
        return Err(parser.expected("an argument `key=value`"));
    }
    Ok(phrase)
}

/// Whether brackets or quotes of a text are open at its end. A text that is wrong
/// otherwise may have any answer.
pub(super) fn is_unfinished(text: &str) -> bool {
    let mut depth = 0u32;
    let mut quoted = false;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if quoted => {
                bytes.next();
            }
            b'"' => quoted = !quoted,
            b'[' | b'(' if !quoted => depth += 1,
            b']' | b')' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth > 0 && !quoted
}

/// A place in a text.
struct Parser<'a> {
    text: &'a [u8],
    /// The next byte. Invariant: at most the length of the text.
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        let takes = self.peek() == Some(byte);
        self.at += usize::from(takes);
        takes
    }

    fn expected(&self, what: &str) -> String {
        let before = String::from_utf8_lossy(&self.text[..self.at]);
        match self.peek() {
            Some(byte) => format!("expected {what} at `{}` behind `{before}`", char::from(byte)),
            None => format!("expected {what} behind `{before}`"),
        }
    }

    fn bare(&mut self) -> &str {
        let start = self.at;
        while self.peek().is_some_and(is_bare) {
            self.at += 1;
        }
        std::str::from_utf8(&self.text[start..self.at]).expect("bare words are ASCII")
    }

    fn phrase(&mut self) -> Result<Phrase, String> {
        self.blanks();
        let word = self.bare().to_owned();
        if word.is_empty() {
            return Err(self.expected("a word"));
        }
        self.arguments(word)
    }

    /// The arguments behind the word of a phrase.
    fn arguments(&mut self, word: String) -> Result<Phrase, String> {
        let mut phrase = Phrase::new(&word);
        loop {
            self.blanks();
            if matches!(self.peek(), None | Some(b',' | b']' | b')')) {
                return Ok(phrase);
            }
            let key = self.bare().to_owned();
            if key == ".." {
                phrase.open = true;
                return Ok(phrase);
            }
            if key.is_empty() || !self.takes(b'=') {
                return Err(self.expected("`key=value`"));
            }
            if phrase.find(&key).is_some() {
                return Err(format!("`{key}=` stands twice in `{word}`"));
            }
            let value = self.value(false)?;
            phrase.arguments.push(Argument { key, value });
        }
    }

    /// A value; an element of a list may be a phrase with arguments.
    fn value(&mut self, is_element: bool) -> Result<Value, String> {
        match self.peek() {
            Some(b'*') => {
                self.at += 1;
                Ok(Value::Any)
            }
            Some(b'$') => self.variable(),
            Some(b'"') => self.quoted().map(Value::Text),
            Some(b'[') => self.elements(),
            Some(b'(') => {
                self.at += 1;
                let phrase = self.phrase()?;
                self.blanks();
                if self.takes(b')') { Ok(Value::Phrase(phrase)) } else { Err(self.expected("`)`")) }
            }
            _ => {
                let word = self.bare().to_owned();
                if word.is_empty() {
                    return Err(self.expected("a value"));
                }
                if is_element {
                    self.blanks();
                }
                if is_element && !matches!(self.peek(), None | Some(b',' | b']')) {
                    return self.arguments(word).map(Value::Phrase);
                }
                Ok(if word == "none" { Value::None } else { Value::Text(Bytes::from(word)) })
            }
        }
    }

    fn variable(&mut self) -> Result<Value, String> {
        self.at += 1;
        let word = self.bare().to_owned();
        // A sign starts what is added; names have none.
        let end = word.find(['+', '-']).unwrap_or(word.len());
        let (name, plus) = word.split_at(end);
        if name.is_empty() {
            return Err(self.expected("the name of a variable"));
        }
        let plus = if plus.is_empty() { Ok(0) } else { plus.parse() };
        let plus = plus.map_err(|_| self.expected("a number behind the variable"))?;
        Ok(Value::Variable { name: name.into(), plus })
    }

    fn elements(&mut self) -> Result<Value, String> {
        self.at += 1;
        let mut values = Vec::new();
        loop {
            self.blanks();
            if self.takes(b']') {
                return Ok(Value::List(values));
            }
            values.push(self.value(true)?);
            self.blanks();
            if !self.takes(b',') && self.peek() != Some(b']') {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    fn quoted(&mut self) -> Result<Bytes, String> {
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            let Some(byte) = self.peek() else { return Err(self.expected("`\"`")) };
            self.at += 1;
            match byte {
                b'"' => return Ok(bytes.into()),
                b'\\' => bytes.push(self.escaped()?),
                _ => bytes.push(byte),
            }
        }
    }

    fn escaped(&mut self) -> Result<u8, String> {
        let wrong = self.expected("one of n t \" \\ x00");
        let byte = self.peek().ok_or_else(|| wrong.clone())?;
        self.at += 1;
        match byte {
            b'n' => Ok(b'\n'),
            b't' => Ok(b'\t'),
            b'"' | b'\\' => Ok(byte),
            b'x' => {
                let digits = self.text.get(self.at..self.at + 2).ok_or_else(|| wrong.clone())?;
                let digits = std::str::from_utf8(digits).map_err(|_| wrong.clone())?;
                let byte = u8::from_str_radix(digits, 16).map_err(|_| wrong)?;
                self.at += 2;
                Ok(byte)
            }
            _ => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_prints_as_it_was_read() {
        for text in [
            "claimed marker=none",
            "apply key=m generation=2#a writes=[set key=k value=\"a b\", delete key=k2]",
            "records found=[[0, \"\"], [$o+3, \"\\x00\\n\\\"\\\\\"], none, *] ..",
            "set value=\"none\" key=\"#m\" who=(producer id=$p epoch=0) empty=[]",
        ] {
            assert_eq!(parse_phrase(text).map(|it| it.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (text, complaint) in [
            ("", "expected a word behind ``"),
            ("set key", "expected `key=value` behind `set key`"),
            ("set key= x", "expected a value at ` ` behind `set key=`"),
            ("set key=a key=b", "`key=` stands twice in `set`"),
            ("set list=[a b", "expected `key=value` behind `set list=[a b`"),
            ("set list=[\"a\" b]", "expected `,` or `]` at `b` behind `set list=[\"a\" `"),
            ("set x=\"a", "expected `\"` behind `set x=\"a`"),
            ("set x=\"\\q\"", "expected one of n t \" \\ x00 at `q` behind `set x=\"\\`"),
            ("set x=$", "expected the name of a variable behind `set x=$`"),
        ] {
            assert_eq!(parse_phrase(text), Err(complaint.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_bracket_that_is_open_goes_on_in_the_next_line() {
        assert!(is_unfinished("set list=[a,") && is_unfinished("x y=(z list=[]"));
        assert!(!is_unfinished("set list=[a]") && !is_unfinished("set x=\"[\""));
        assert!(!is_unfinished(r#"set x="\"[""#));
    }

    #[test]
    fn a_misspelt_argument_is_no_missing_one() {
        let phrase = parse_phrase("claim key=m generatoin=1#a").expect("it can be read");
        let complaint = "`claim` knows no argument `generatoin`".to_owned();
        assert_eq!(phrase.only(&["key", "generation"]), Err(complaint));
        assert_eq!(phrase.bytes("generation"), Err("`claim` needs `generation=`".to_owned()));
    }
}
