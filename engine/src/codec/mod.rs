//! Bytes in and out: the few primitive encodings that the journal, the snapshots
//! and the sinks' manifests are made of.
//!
//! Every value has exactly one encoding, and the reader refuses all others; so what
//! was read encodes back to the same bytes. The reader never trusts a length: it
//! asks for no more memory than the bytes that are left could fill.

pub mod frame;

/// Why bytes cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct DecodeError {
    /// The byte at which the value that cannot be read starts.
    pub at: usize,
    /// What is wrong there; lower case, no full stop.
    pub what: &'static str,
}

/// Appends an unsigned number: seven bits a byte, low bits first.
pub fn put_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends an unsigned number of 32 bits, as [`put_u64`].
pub fn put_u32(out: &mut Vec<u8>, value: u32) {
    put_u64(out, u64::from(value));
}

/// Appends a signed number in zigzag form, so that small ones of both signs are short.
pub fn put_i64(out: &mut Vec<u8>, value: i64) {
    put_u64(out, zigzag(value));
}

/// Appends one byte, 0 or 1.
pub fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(u8::from(value));
}

/// Appends a length and the bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a length and the text.
pub fn put_str(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

/// Maps signed to unsigned numbers: 0, −1, 1, −2 become 0, 1, 2, 3.
#[must_use]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
#[must_use]
pub fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

/// Reads values from bytes, one after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// The next byte to read. Invariant: at most `bytes.len()`.
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// The next byte to be read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// An error about the value that starts at the current byte.
    #[must_use]
    pub fn error(&self, what: &'static str) -> DecodeError {
        DecodeError { at: self.at, what }
    }

    /// The next `count` bytes as they are.
    ///
    /// # Errors
    /// If fewer are left.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        if count > self.remaining() {
            return Err(self.error("the bytes end too early"));
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    /// The next `N` bytes as they are.
    ///
    /// # Errors
    /// If fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let taken = self.take(N)?;
        Ok(taken.try_into().expect("take gives as many bytes as were asked for"))
    }

    /// One byte.
    ///
    /// # Errors
    /// If none is left.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    /// What [`put_u64`] wrote.
    ///
    /// # Errors
    /// If the bytes end, the number is too large or not written in the shortest form.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        let start = self.at;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError { at: start, what: "a number of more than 64 bits" });
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(DecodeError { at: start, what: "a number with a zero too many" });
                }
                return Ok(value);
            }
        }
        Err(DecodeError { at: start, what: "a number of more than 64 bits" })
    }

    /// What [`put_u32`] wrote.
    ///
    /// # Errors
    /// As [`Reader::u64`], and if the number has more than 32 bits.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        let start = self.at;
        let value = self.u64()?;
        u32::try_from(value)
            .map_err(|_| DecodeError { at: start, what: "a number of more than 32 bits" })
    }

    /// What [`put_i64`] wrote.
    ///
    /// # Errors
    /// As [`Reader::u64`].
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(unzigzag(self.u64()?))
    }

    /// What [`put_bool`] wrote.
    ///
    /// # Errors
    /// If the bytes end or the byte is neither 0 nor 1.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        let start = self.at;
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError { at: start, what: "a truth value that is neither 0 nor 1" }),
        }
    }

    /// What [`put_bytes`] wrote.
    ///
    /// # Errors
    /// If the bytes end before the length says so.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.count(1)?;
        self.take(length)
    }

    /// What [`put_str`] wrote.
    ///
    /// # Errors
    /// If the bytes end before the length says so, or are not UTF-8.
    pub fn str(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.at;
        std::str::from_utf8(self.bytes()?)
            .map_err(|_| DecodeError { at: start, what: "a text that is not UTF-8" })
    }

    /// How many items follow, each of which takes at least `item_bytes_min` bytes.
    ///
    /// # Errors
    /// If the bytes that are left cannot hold so many: nobody may make this process
    /// reserve memory by writing a large number.
    pub fn count(&mut self, item_bytes_min: usize) -> Result<usize, DecodeError> {
        let start = self.at;
        let count = self.u64()?;
        let fits = (self.remaining() / item_bytes_min.max(1)) as u64;
        if count > fits {
            return Err(DecodeError { at: start, what: "a count beyond the end of the bytes" });
        }
        Ok(count as usize)
    }

    /// A list that was written as its length and its items.
    ///
    /// # Errors
    /// If the length does not fit, or as `item` says.
    pub fn list<T>(
        &mut self,
        item_bytes_min: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.count(item_bytes_min)?;
        (0..count).map(|_| item(self)).collect()
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// If something is.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.remaining() > 0 {
            return Err(self.error("bytes after the last value"));
        }
        Ok(())
    }
}

/// Appends the length of a list and its items.
pub fn put_list<T>(out: &mut Vec<u8>, items: &[T], mut item: impl FnMut(&mut Vec<u8>, &T)) {
    put_u64(out, items.len() as u64);
    for one in items {
        item(out, one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(a in any::<u64>(), b in any::<i64>(), text in ".{0,9}") {
            let mut out = Vec::new();
            put_u64(&mut out, a);
            put_i64(&mut out, b);
            put_str(&mut out, &text);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.u64().unwrap(), a);
            prop_assert_eq!(reader.i64().unwrap(), b);
            prop_assert_eq!(reader.str().unwrap(), text);
            prop_assert!(reader.finish().is_ok());
        }

        #[test]
        fn whatever_is_read_has_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.u64() {
                let mut out = Vec::new();
                put_u64(&mut out, value);
                prop_assert_eq!(&out[..], &bytes[..reader.position()]);
            }
        }
    }

    #[test]
    fn a_count_reserves_no_more_than_the_bytes_could_hold() {
        let mut out = Vec::new();
        put_u64(&mut out, u64::MAX);
        let error = Reader::new(&out).list(1, |r| r.u8()).unwrap_err();
        assert_eq!(error.what, "a count beyond the end of the bytes");
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        let bytes = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert!(Reader::new(&bytes).u64().is_err());
    }
}
