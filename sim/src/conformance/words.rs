//! How markers and generations are written in transcripts, of whatever service.

use super::{Phrase, Value};
use anabranch_engine::ids::{Epoch, Generation, Lineage};
use anabranch_engine::journal::hash::ChainHash;
use anabranch_engine::sink::Marker;

/// A generation or lineage: number and nonce, `2#a`.
fn numbered(text: &str) -> Option<(u64, u64)> {
    let (number, nonce) = text.split_once('#')?;
    Some((number.parse().ok()?, u64::from_str_radix(nonce, 16).ok()?))
}

/// The generation that is written so: number and nonce in hexadecimal, `2#a`.
///
/// # Errors
/// If the text is something else.
pub fn generation(text: &str) -> Result<Generation, String> {
    let (number, nonce) =
        numbered(text).ok_or_else(|| format!("`{text}` is no generation such as `2#a`"))?;
    Ok(Generation { number, nonce })
}

/// How a generation is written.
#[must_use]
pub fn generation_text(generation: Generation) -> String {
    format!("{}#{:x}", generation.number, generation.nonce)
}

/// The marker that is written so: lineage, epoch, chunk, a plus if the group goes on, and
/// the first bytes of the hash, of which the others are zero: `1#5:7.0+@ab12`.
///
/// # Errors
/// If the text is something else.
pub fn marker(text: &str) -> Result<Marker, String> {
    let parse = || {
        let (lineage, place) = text.split_once(':')?;
        let (number, nonce) = numbered(lineage)?;
        let (place, digits) = place.split_once('@')?;
        let (epoch, chunk) = place.split_once('.')?;
        let (chunk, last) = match chunk.strip_suffix('+') {
            Some(chunk) => (chunk, false),
            None => (chunk, true),
        };
        let mut hash = ChainHash::START;
        if digits.len() > 32 || digits.len() % 2 > 0 || !digits.is_ascii() {
            return None;
        }
        for (index, byte) in hash.0.iter_mut().enumerate().take(digits.len() / 2) {
            *byte = u8::from_str_radix(&digits[index * 2..index * 2 + 2], 16).ok()?;
        }
        Some(Marker {
            lineage: Lineage { number, nonce },
            epoch: Epoch(epoch.parse().ok()?),
            chunk: chunk.parse().ok()?,
            last,
            hash,
        })
    };
    parse().ok_or_else(|| format!("`{text}` is no marker such as `1#5:7.0@ab`"))
}

/// How a marker is written.
#[must_use]
pub fn marker_text(marker: &Marker) -> String {
    let Marker { lineage, epoch, chunk, last, hash } = marker;
    let end = if *last { "" } else { "+" };
    let digits = hash.to_string();
    let mut digits = digits.trim_end_matches('0');
    let all = hash.to_string();
    if digits.len() % 2 > 0 {
        digits = &all[..digits.len() + 1];
    }
    format!("{}#{:x}:{epoch}.{chunk}{end}@{digits}", lineage.number, lineage.nonce)
}

/// A marker, or `none`, as the value of an argument.
#[must_use]
pub fn optional_marker_value(marker: Option<&Marker>) -> Value {
    Value::optional(marker.map(marker_text))
}

impl Phrase {
    /// An argument that is a generation.
    ///
    /// # Errors
    /// If it is not there, or something else.
    pub fn generation(&self, key: &str) -> Result<Generation, String> {
        generation(&self.str(key)?)
    }

    /// An argument that is a marker.
    ///
    /// # Errors
    /// If it is not there, or something else.
    pub fn marker(&self, key: &str) -> Result<Marker, String> {
        marker(&self.str(key)?)
    }

    /// An argument that is a marker or `none`, and must be there.
    ///
    /// # Errors
    /// If it is not there, or something else.
    pub fn optional_marker(&self, key: &str) -> Result<Option<Marker>, String> {
        match self.value(key)? {
            Value::None => Ok(None),
            _ => self.marker(key).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_written_as_it_is_read() {
        for text in ["1#5:7.0@ab", "2#ffffffffffffffff:7.3+@0a0b", "1#0:1.0@", "1#0:1.0@10"] {
            assert_eq!(marker(text).map(|it| marker_text(&it)).as_deref(), Ok(text));
        }
        for text in ["", "1:7.0@ab", "1#5:7@ab", "1#5:7.0", "1#5:7.0@abc", "1#5:7.0@xy"] {
            assert!(marker(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_generation_is_written_as_it_is_read() {
        assert_eq!(generation("12#ab").map(generation_text).as_deref(), Ok("12#ab"));
        assert!(generation("12").is_err() && generation("12#x").is_err());
    }
}
