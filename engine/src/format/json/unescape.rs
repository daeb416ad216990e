//! Escapes of JSON strings.

/// What Java writes for half of a surrogate pair when it encodes a string as UTF-8.
const LONE_SURROGATE: u8 = b'?';

/// Appends the text that the inside of a JSON string stands for. The escapes must have
/// been checked; the text is UTF-8 if `raw` is.
///
/// A surrogate without its other half becomes `?`, as in Flink, whose JSON reader lets
/// it through and whose strings are then encoded by Java.
pub(super) fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let escape = &rest[at + 1..];
        let mut used = 1;
        match escape.first() {
            Some(b'b') => out.push(0x08),
            Some(b'f') => out.push(0x0c),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'u') => used = unicode(escape, out),
            Some(&other) => out.push(other),
            None => used = 0,
        }
        rest = &escape[used.min(escape.len())..];
    }
    out.extend_from_slice(rest);
}

/// Appends the character of `uXXXX`, or of two such that are a surrogate pair, and
/// gives how many bytes of `escape` it took.
fn unicode(escape: &[u8], out: &mut Vec<u8>) -> usize {
    let first = unit(escape);
    let (code, used) = match (first, escape.get(5..)) {
        (0xd800..=0xdbff, Some([b'\\', low @ ..])) if (0xdc00..=0xdfff).contains(&unit(low)) => {
            (0x1_0000 + ((first - 0xd800) << 10) + (unit(low) - 0xdc00), 11)
        }
        _ => (first, 5),
    };
    match char::from_u32(code) {
        Some(character) => {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        None => out.push(LONE_SURROGATE),
    }
    used
}

/// The number of `uXXXX`; 0 if that is not what stands there.
fn unit(escape: &[u8]) -> u32 {
    let [b'u', digits @ ..] = escape else { return 0 };
    let digit = |&byte: &u8| char::from(byte).to_digit(16);
    digits.iter().take(4).filter_map(digit).fold(0, |value, digit| value * 16 + digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &str) -> String {
        let mut out = Vec::new();
        unescape(raw.as_bytes(), &mut out);
        String::from_utf8(out).expect("valid UTF-8")
    }

    #[test]
    fn every_escape_is_read() {
        assert_eq!(text(r#"a\"\\\/\b\f\n\r\tz"#), "a\"\\/\u{8}\u{c}\n\r\tz");
        assert_eq!(text(r"\u0041\u00e9\u20AC\u0000"), "Aé€\0");
        assert_eq!(text(r"\ud83d\ude00!"), "😀!");
        assert_eq!(text("é plain 😀"), "é plain 😀");
    }

    #[test]
    fn half_a_surrogate_pair_is_a_question_mark() {
        assert_eq!(text(r"\ud83d"), "?");
        assert_eq!(text(r"\ude00x"), "?x");
        assert_eq!(text(r"\ud83d\n"), "?\n");
        assert_eq!(text(r"\ud83d\u0041"), "?A");
        assert_eq!(text(r"\ud83d\ud83d\ude00"), "?😀");
    }
}
