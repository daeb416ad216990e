//! Java's regular expressions in the words of the `regex` crate.
//!
//! Where the two read the same signs differently the expression is rewritten (`\w`
//! and `.` know only ASCII letters and all line ends in Java); what needs
//! backtracking is refused by its name.

use std::iter::Peekable;
use std::str::Chars;

/// Rewrites an expression.
///
/// # Errors
/// It uses something that the engine does not have.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut translator = Translator {
        rest: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len() + 8),
        // With (?s) a dot is any character, and rewriting it would be wrong.
        plain_dot: has_dotall(pattern),
    };
    translator.run().map_err(|what| format!("'{pattern}' uses {what}, which is not supported"))?;
    Ok(translator.out)
}

/// Whether a flag group of the expression turns on `s`.
fn has_dotall(pattern: &str) -> bool {
    pattern.split("(?").skip(1).any(|group| {
        let flags = group.split(['-', ')', ':']).next().unwrap_or_default();
        flags.chars().all(|flag| flag.is_ascii_alphabetic()) && flags.contains('s')
    })
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    plain_dot: bool,
}

/// The ASCII classes of Java.
const DIGIT: &str = "0-9";
const WORD: &str = "a-zA-Z0-9_";
const SPACE: &str = r" \t\n\x0B\f\r";
const HORIZONTAL: &str = r" \t\u00A0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000";
const LINE_END: &str = r"\n\r\u0085\u2028\u2029";

impl Translator<'_> {
    fn run(&mut self) -> Result<(), &'static str> {
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '(' => self.group()?,
                '.' if !self.plain_dot => {
                    self.out.push_str(&format!("[^{LINE_END}]"));
                }
                '*' | '+' | '?' | '}' => {
                    self.out.push(character);
                    if self.rest.peek() == Some(&'+') {
                        return Err("a possessive quantifier");
                    }
                    if self.rest.peek() == Some(&'?') {
                        self.rest.next();
                        self.out.push('?');
                    }
                }
                other => self.out.push(other),
            }
        }
        Ok(())
    }

    fn group(&mut self) -> Result<(), &'static str> {
        self.out.push('(');
        if self.rest.peek() != Some(&'?') {
            return Ok(());
        }
        self.rest.next();
        self.out.push('?');
        match self.rest.peek() {
            Some('=' | '!') => Err("look-ahead"),
            Some('>') => Err("an atomic group"),
            Some('<') => {
                self.rest.next();
                self.out.push('<');
                match self.rest.peek() {
                    Some('=' | '!') => Err("look-behind"),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, in_class: bool) -> Result<(), &'static str> {
        let Some(character) = self.rest.next() else {
            self.out.push('\\');
            return Ok(());
        };
        let class = match character {
            'd' => Some((DIGIT, false)),
            'D' => Some((DIGIT, true)),
            'w' => Some((WORD, false)),
            'W' => Some((WORD, true)),
            's' => Some((SPACE, false)),
            'S' => Some((SPACE, true)),
            'h' => Some((HORIZONTAL, false)),
            'H' => Some((HORIZONTAL, true)),
            'v' => Some((r"\n\x0B\f\r\u0085\u2028\u2029", false)),
            'V' => Some((r"\n\x0B\f\r\u0085\u2028\u2029", true)),
            _ => None,
        };
        if let Some((set, negated)) = class {
            let hat = if negated { "^" } else { "" };
            if in_class && !negated {
                self.out.push_str(set);
            } else {
                self.out.push_str(&format!("[{hat}{set}]"));
            }
            return Ok(());
        }
        match character {
            '1'..='9' | 'k' => Err("a back reference"),
            'G' => Err(r"\G"),
            'Z' => Err(r"\Z"),
            'R' => Err(r"\R"),
            'X' => Err(r"\X"),
            'Q' => {
                self.quoted();
                Ok(())
            }
            'E' => Ok(()),
            'e' => {
                self.out.push_str(r"\x1B");
                Ok(())
            }
            'c' => Err("a control character"),
            '0' => Err("an octal character"),
            'p' | 'P' => {
                self.property(character);
                Ok(())
            }
            other => {
                self.out.push('\\');
                self.out.push(other);
                Ok(())
            }
        }
    }

    /// Text between `\Q` and `\E`.
    fn quoted(&mut self) {
        while let Some(character) = self.rest.next() {
            if character == '\\' && self.rest.peek() == Some(&'E') {
                self.rest.next();
                return;
            }
            let mut buffer = [0; 4];
            self.out.push_str(&regex::escape(character.encode_utf8(&mut buffer)));
        }
    }

    /// `\p{...}`: Java's ASCII classes have other names here.
    fn property(&mut self, letter: char) {
        if self.rest.peek() != Some(&'{') {
            self.out.push('\\');
            self.out.push(letter);
            return;
        }
        self.rest.next();
        let name: String = self.rest.by_ref().take_while(|c| *c != '}').collect();
        let posix = match name.as_str() {
            "Lower" => "lower",
            "Upper" => "upper",
            "ASCII" => "ascii",
            "Alpha" => "alpha",
            "Digit" => "digit",
            "Alnum" => "alnum",
            "Punct" => "punct",
            "Graph" => "graph",
            "Print" => "print",
            "Blank" => "blank",
            "Cntrl" => "cntrl",
            "XDigit" => "xdigit",
            "Space" => "space",
            _ => {
                self.out.push_str(&format!("\\{letter}{{{name}}}"));
                return;
            }
        };
        let hat = if letter == 'P' { "^" } else { "" };
        self.out.push_str(&format!("[[:{hat}{posix}:]]"));
    }

    /// A class up to its closing bracket; classes may stand in classes.
    fn class(&mut self) -> Result<(), &'static str> {
        self.out.push('[');
        if self.rest.peek() == Some(&'^') {
            self.rest.next();
            self.out.push('^');
        }
        while let Some(character) = self.rest.next() {
            match character {
                ']' => {
                    self.out.push(']');
                    return Ok(());
                }
                '[' => self.class()?,
                '\\' => self.escape(true)?,
                // These are operators here, but plain characters in Java.
                ':' | '~' => {
                    self.out.push('\\');
                    self.out.push(character);
                }
                '-' if self.rest.peek() == Some(&'-') => self.out.push_str(r"\-"),
                other => self.out.push(other),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn finds(pattern: &str, text: &str) -> Option<String> {
        let regex = regex::Regex::new(&translate(pattern).unwrap()).unwrap();
        regex.find(text).map(|found| found.as_str().to_string())
    }

    #[test]
    fn classes_are_ascii_as_in_java() {
        assert_eq!(finds(r"\w+", "äöü"), None);
        assert_eq!(finds(r"[\w-]+", "ä a-b"), Some("a-b".into()));
        assert_eq!(finds(r"[^\W\d]+", "1ab2"), Some("ab".into()));
        assert_eq!(finds(r"\p{L}+", "äöü"), Some("äöü".into()));
        assert_eq!(finds(r"\p{Alpha}+", "äb"), Some("b".into()));
        assert_eq!(finds("[[:alpha:]]+", "xyz"), None);
        assert_eq!(finds("a.b", "a\rb"), None);
        assert_eq!(finds("(?s)a.b", "a\nb"), Some("a\nb".into()));
        assert_eq!(finds(r"\Qa.b\E+", "axb a.bb"), Some("a.bb".into()));
        assert_eq!(finds("a.*?b", "axbxb"), Some("axb".into()));
    }

    #[test]
    fn what_needs_backtracking_is_refused_by_name() {
        for (pattern, name) in [
            ("a(?=b)", "look-ahead"),
            ("a(?!b)", "look-ahead"),
            ("(?<=a)b", "look-behind"),
            ("(?<!a)b", "look-behind"),
            (r"(a)\1", "a back reference"),
            (r"(?<x>a)\k<x>", "a back reference"),
            ("a++b", "a possessive quantifier"),
            ("a{2}+b", "a possessive quantifier"),
            ("(?>a)b", "an atomic group"),
        ] {
            let refused = translate(pattern).unwrap_err();
            assert!(refused.contains(name), "{pattern}: {refused}");
        }
        assert!(translate(r"\+\+ [++] (?<name>x)").is_ok());
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in r"[\\\[\](){}?+*.:^\-a-cQEdDwWpPk0-9<>=!&~|$]{0,20}") {
            if let Ok(translated) = translate(&pattern) {
                let _ = regex::Regex::new(&translated);
            }
        }
    }
}
