//! The syntax of JSON: finds where values end and checks every byte on the way.
//!
//! A scanner walks over a whole block, so that it can load eight or sixteen bytes at a
//! time without a look at each record's end; what lies behind the record cannot make a
//! bad record good, because the record must end exactly where its bytes end. Reading
//! behind the block gives zeros, which no JSON text may hold.

/// How deep objects and arrays may lie in each other, the record itself counted.
pub(super) const DEPTH_MAX: usize = 256;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Kind {
    /// There is no such field.
    Missing = 0,
    Null,
    True,
    False,
    /// A number without point and exponent.
    Integer,
    /// A number with a point or an exponent.
    Number,
    /// A string without escapes; the span leaves out its quotes.
    Text,
    /// A string with escapes; the span leaves out its quotes.
    EscapedText,
    Object,
    Array,
}

/// Where a value lies in the block, and what it is: eight bytes, so that the spans of
/// many records fit into the nearest cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    kind_and_len: u32,
}

impl Span {
    /// The span of a field that is not there.
    pub(super) const MISSING: Span = Span { start: 0, kind_and_len: 0 };
    const LEN_BITS: u32 = 28;

    /// The bytes from `start` to before `end`; a record is shorter than 2^28 bytes.
    #[inline]
    pub(super) fn new(kind: Kind, start: usize, end: usize) -> Span {
        let len = (end - start) as u32;
        debug_assert!(len >> Span::LEN_BITS == 0, "a record is shorter than 2^28 bytes");
        Span { start: start as u32, kind_and_len: (kind as u32) << Span::LEN_BITS | len }
    }

    #[inline]
    pub(super) fn kind(self) -> Kind {
        match self.kind_and_len >> Span::LEN_BITS {
            0 => Kind::Missing,
            1 => Kind::Null,
            2 => Kind::True,
            3 => Kind::False,
            4 => Kind::Integer,
            5 => Kind::Number,
            6 => Kind::Text,
            7 => Kind::EscapedText,
            8 => Kind::Object,
            _ => Kind::Array,
        }
    }

    #[inline]
    pub(super) fn is(self, kind: Kind) -> bool {
        self.kind_and_len >> Span::LEN_BITS == kind as u32
    }

    #[inline]
    pub(super) fn start(self) -> usize {
        self.start as usize
    }

    #[inline]
    pub(super) fn len(self) -> usize {
        (self.kind_and_len & ((1 << Span::LEN_BITS) - 1)) as usize
    }

    #[inline]
    pub(super) fn end(self) -> usize {
        self.start() + self.len()
    }
}

/// Where a text stops being JSON, and what should have stood there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) expected: &'static str,
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * LOW;

/// Reads the bytes of a block.
#[derive(Clone, Copy)]
pub(super) struct Scanner<'a> {
    pub(super) data: &'a [u8],
}

impl<'a> Scanner<'a> {
    /// The byte at this place; 0 behind the end.
    #[inline]
    pub(super) fn byte(self, at: usize) -> u8 {
        self.data.get(at).copied().unwrap_or(0)
    }

    /// Sixteen bytes from this place; zeros behind the end.
    #[inline]
    pub(super) fn sixteen(self, at: usize) -> [u8; 16] {
        match self.data.get(at..).and_then(|rest| rest.first_chunk()) {
            Some(bytes) => *bytes,
            None => self.last_sixteen(at),
        }
    }

    /// The same as two words, the first byte lowest.
    #[inline(always)]
    pub(super) fn two_words(self, at: usize) -> [u64; 2] {
        let word = |half: &[u8]| u64::from_le_bytes(*half.first_chunk().expect("eight bytes"));
        match self.data.get(at..at + 16) {
            Some(bytes) => [word(&bytes[..8]), word(&bytes[8..])],
            None => {
                let bytes = self.last_sixteen(at);
                [word(&bytes[..8]), word(&bytes[8..])]
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn last_sixteen(self, at: usize) -> [u8; 16] {
        let rest = self.data.get(at..).unwrap_or(&[]);
        let mut bytes = [0; 16];
        bytes[..rest.len()].copy_from_slice(rest);
        bytes
    }

    #[inline]
    fn eight(self, at: usize) -> u64 {
        let word = |half: &[u8]| u64::from_le_bytes(*half.first_chunk().expect("eight bytes"));
        match self.data.get(at..at + 8) {
            Some(bytes) => word(bytes),
            None => word(&self.last_sixteen(at)),
        }
    }

    /// The first place from `at` on that is no white space.
    #[inline]
    pub(super) fn skip_space(self, mut at: usize) -> usize {
        while matches!(self.byte(at), b' ' | b'\n' | b'\r' | b'\t') {
            at += 1;
        }
        at
    }

    /// The value at `at`, or behind the white space there, and the place behind it.
    #[inline(always)]
    pub(super) fn value(self, at: usize) -> Result<(Span, usize), Fault> {
        match self.byte(at) {
            b'"' => {
                let (end, escaped) = self.string(at + 1)?;
                let kind = if escaped { Kind::EscapedText } else { Kind::Text };
                Ok((Span::new(kind, at + 1, end), end + 1))
            }
            b'0'..=b'9' => self.number(at, at),
            _ => self.rarer_value(at),
        }
    }

    #[inline(never)]
    fn rarer_value(self, at: usize) -> Result<(Span, usize), Fault> {
        let (kind, word) = match self.byte(at) {
            b'-' => return self.number(at, at + 1),
            b'{' | b'[' => return self.container(at),
            b't' => (Kind::True, &b"true"[..]),
            b'f' => (Kind::False, &b"false"[..]),
            b'n' => (Kind::Null, &b"null"[..]),
            b' ' | b'\n' | b'\r' | b'\t' => return self.value(self.skip_space(at)),
            _ => return Err(Fault { at, expected: "a value" }),
        };
        if self.sixteen(at).starts_with(word) {
            Ok((Span::new(kind, at, at + word.len()), at + word.len()))
        } else {
            Err(Fault { at, expected: "true, false or null" })
        }
    }

    /// The closing quote of the string whose first character is at `at`, and whether
    /// it holds escapes.
    #[inline]
    pub(super) fn string(self, at: usize) -> Result<(usize, bool), Fault> {
        let end = self.plain_end(at);
        if self.byte(end) == b'"' {
            return Ok((end, false));
        }
        self.string_with_escapes(end)
    }

    #[inline(never)]
    fn string_with_escapes(self, mut at: usize) -> Result<(usize, bool), Fault> {
        let mut escaped = false;
        loop {
            match self.byte(at) {
                b'"' => return Ok((at, escaped)),
                b'\\' => at = self.escape(at + 1)?,
                _ if at >= self.data.len() => {
                    return Err(Fault { at, expected: "a closing quote" });
                }
                _ => {
                    return Err(Fault {
                        at,
                        expected: "a closing quote before a control character",
                    });
                }
            }
            escaped = true;
            at = self.plain_end(at);
        }
    }

    /// The place behind the escape whose backslash is before `at`.
    fn escape(self, at: usize) -> Result<usize, Fault> {
        match self.byte(at) {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 1),
            b'u' if self.sixteen(at)[1..5].iter().all(u8::is_ascii_hexdigit) => Ok(at + 5),
            b'u' => Err(Fault { at, expected: "four hexadecimal digits behind \\u" }),
            _ => Err(Fault { at, expected: "an escape that JSON has" }),
        }
    }

    /// The first quote, backslash or control character from `at` on, or the end.
    #[inline]
    fn plain_end(self, mut at: usize) -> usize {
        while at < self.data.len() {
            let plain = plain_bytes(self.two_words(at));
            at += plain;
            if plain < 16 {
                return at;
            }
        }
        self.data.len()
    }

    /// The number that starts at `start`, its first digit at `at`.
    #[inline]
    fn number(self, start: usize, at: usize) -> Result<(Span, usize), Fault> {
        let end = self.digits_end(at);
        if end == at {
            return Err(Fault { at, expected: "a digit" });
        }
        if end > at + 1 && self.byte(at) == b'0' {
            return Err(Fault { at, expected: "a number without leading zeros" });
        }
        if matches!(self.byte(end), b'.' | b'e' | b'E') {
            return self.fraction_and_exponent(start, end);
        }
        Ok((Span::new(Kind::Integer, start, end), end))
    }

    fn fraction_and_exponent(self, start: usize, at: usize) -> Result<(Span, usize), Fault> {
        let mut end = at;
        if self.byte(end) == b'.' {
            end = self.some_digits(end + 1)?;
        }
        if matches!(self.byte(end), b'e' | b'E') {
            let sign = matches!(self.byte(end + 1), b'+' | b'-');
            end = self.some_digits(end + 1 + usize::from(sign))?;
        }
        Ok((Span::new(Kind::Number, start, end), end))
    }

    fn some_digits(self, at: usize) -> Result<usize, Fault> {
        let end = self.digits_end(at);
        if end == at { Err(Fault { at, expected: "a digit" }) } else { Ok(end) }
    }

    /// The first place from `at` on that is no digit.
    #[inline]
    fn digits_end(self, mut at: usize) -> usize {
        loop {
            // A digit leaves 0 to 9, which 0x76 does not lift over 0x7f. A carry out of
            // another byte only reaches bytes behind it.
            let rest = self.eight(at) ^ (0x30 * LOW);
            let other = (rest | rest.wrapping_add(0x76 * LOW)) & HIGH;
            if other != 0 {
                return at + (other.trailing_zeros() / 8) as usize;
            }
            at += 8;
        }
    }

    /// The object or array that starts at `at`, which lies one level deep in the
    /// record; a loop with a stack of bits, not a recursion.
    fn container(self, at: usize) -> Result<(Span, usize), Fault> {
        let kind = if self.byte(at) == b'{' { Kind::Object } else { Kind::Array };
        let mut open = Open::default();
        let mut next = at;
        'value: loop {
            // A value is due at `next`.
            match self.byte(next) {
                bracket @ (b'{' | b'[') => {
                    let is_object = bracket == b'{';
                    // The record's own object is the first level.
                    if open.depth + 1 >= DEPTH_MAX {
                        return Err(Fault { at: next, expected: "at most 256 levels" });
                    }
                    open.push(is_object);
                    next = self.skip_space(next + 1);
                    let close = if is_object { b'}' } else { b']' };
                    if self.byte(next) != close {
                        if is_object {
                            next = self.key_and_colon(next)?;
                        }
                        continue 'value;
                    }
                    next += 1;
                    open.pop();
                }
                _ => next = self.leaf(next)?,
            }
            // A value has ended before `next`.
            loop {
                let Some(is_object) = open.top() else {
                    return Ok((Span::new(kind, at, next), next));
                };
                next = self.skip_space(next);
                match (self.byte(next), is_object) {
                    (b',', false) => next = self.skip_space(next + 1),
                    (b',', true) => next = self.key_and_colon(self.skip_space(next + 1))?,
                    (b'}', true) | (b']', false) => {
                        next += 1;
                        open.pop();
                        continue;
                    }
                    (_, true) => return Err(Fault { at: next, expected: "',' or '}'" }),
                    (_, false) => return Err(Fault { at: next, expected: "',' or ']'" }),
                }
                continue 'value;
            }
        }
    }

    /// The place behind a value that is no container.
    fn leaf(self, at: usize) -> Result<usize, Fault> {
        match self.byte(at) {
            b'"' => Ok(self.string(at + 1)?.0 + 1),
            b'0'..=b'9' => Ok(self.number(at, at)?.1),
            _ => Ok(self.rarer_value(at)?.1),
        }
    }

    /// The place of the value behind the key at `at`.
    fn key_and_colon(self, at: usize) -> Result<usize, Fault> {
        Ok(self.key(at)?.1)
    }

    /// The key at `at` with its colon, and the place of the value behind it.
    pub(super) fn key(self, at: usize) -> Result<(Span, usize), Fault> {
        if self.byte(at) != b'"' {
            return Err(Fault { at, expected: "a key in quotes" });
        }
        let (end, escaped) = self.string(at + 1)?;
        let colon = self.skip_space(end + 1);
        if self.byte(colon) != b':' {
            return Err(Fault { at: colon, expected: "':'" });
        }
        let kind = if escaped { Kind::EscapedText } else { Kind::Text };
        Ok((Span::new(kind, at + 1, end), self.skip_space(colon + 1)))
    }
}

/// Which brackets are open: one bit a level, 1 for an object.
#[derive(Default)]
struct Open {
    bits: [u64; DEPTH_MAX / 64],
    depth: usize,
}

impl Open {
    fn push(&mut self, is_object: bool) {
        let (word, bit) = (self.depth / 64, self.depth % 64);
        self.bits[word] = self.bits[word] & !(1 << bit) | u64::from(is_object) << bit;
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
    }

    fn top(&self) -> Option<bool> {
        let below = self.depth.checked_sub(1)?;
        Some(self.bits[below / 64] >> (below % 64) & 1 == 1)
    }
}

/// How many of the sixteen bytes stand before the first quote, backslash or control
/// character.
#[inline(always)]
fn plain_bytes(words: [u64; 2]) -> usize {
    let (low, high) = (special_bytes(words[0]), special_bytes(words[1]));
    if low != 0 {
        low.trailing_zeros() as usize / 8
    } else {
        8 + high.trailing_zeros() as usize / 8
    }
}

/// The high bit of each byte that is a quote, a backslash or a control character;
/// behind the first such byte some others may be set.
#[inline(always)]
fn special_bytes(word: u64) -> u64 {
    // Turning this bit puts the quote right above the control characters, so that one
    // subtraction finds both: a byte below the subtrahend borrows.
    let turned = word ^ (0x02 * LOW);
    let quote_or_control = turned.wrapping_sub(0x21 * LOW) & !turned;
    let turned = word ^ (0x5c * LOW);
    let backslash = turned.wrapping_sub(LOW) & !turned;
    (quote_or_control | backslash) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scanned(text: &str) -> Result<usize, &'static str> {
        let scanner = Scanner { data: text.as_bytes() };
        scanner.value(0).map(|(_, end)| end).map_err(|fault| fault.expected)
    }

    #[test]
    fn values_end_where_they_should() {
        for text in [
            "0",
            "-0",
            "12345678",
            "123456789012345678901",
            "-1.5e+10",
            "0.1",
            "1E5",
            "true",
            "false",
            "null",
            "\"\"",
            "\"abc\"",
            "\"sixteen letters!\"",
            "\"a\\\"b\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
            "[]",
            "{}",
            "[ ]",
            "{ }",
            "[1, [2, {\"a\" : [true , null]}], \"]\"]",
            "{\"a\":{\"b\":{}}}",
        ] {
            assert_eq!(scanned(text), Ok(text.len()), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_a_fault() {
        for text in [
            "",
            "-",
            "01",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "+1",
            "tru",
            "nul",
            "True",
            "\"",
            "\"a",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u12",
            "\"\t\"",
            "\"\n\"",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "[1 2]",
            "[1}",
            "{\"a\":1]",
            "'a'",
            "NaN",
            "[1,,2]",
            "{,}",
            "{\"a\":1 \"b\":2}",
        ] {
            assert!(scanned(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(scanned(&nested(DEPTH_MAX - 1)), Ok(2 * (DEPTH_MAX - 1)));
        assert!(scanned(&nested(DEPTH_MAX)).is_err());
        assert!(scanned(&"[{\"a\":".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn the_first_special_byte_is_found(bytes in proptest::array::uniform16(
            prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), 0x1e_u8..0x25],
        )) {
            let is_special = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < b' ';
            let expected = bytes.iter().position(is_special).unwrap_or(16);
            let words = Scanner { data: &bytes }.two_words(0);
            prop_assert_eq!(plain_bytes(words), expected);
        }
    }
}
