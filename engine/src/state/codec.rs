//! How values of state tables are written: variable-length integers and
//! length-prefixed bytes, each of which says itself where it ends.
//!
//! Reading is bounds-checked and never panics: the bytes may come from a damaged
//! snapshot.

use std::fmt;

/// Bytes that are not what they should be, with what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

impl From<Malformed> for String {
    fn from(malformed: Malformed) -> String {
        malformed.0.to_owned()
    }
}

/// Appends an unsigned number, seven bits a byte, lowest first (LEB128).
pub fn put_u128(out: &mut Vec<u8>, mut value: u128) {
    while value > u128::from(u64::MAX) {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    put_u64(out, value as u64);
}

/// Appends an unsigned number as [`put_u128`] does.
pub fn put_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number, its sign in the lowest bit (zigzag), so that numbers
/// near zero are short.
pub fn put_i128(out: &mut Vec<u8>, value: i128) {
    put_u128(out, ((value << 1) ^ (value >> 127)) as u128);
}

/// Appends a signed number as [`put_i128`] does.
pub fn put_i64(out: &mut Vec<u8>, value: i64) {
    put_i128(out, i128::from(value));
}

/// Appends bytes with their length before them.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend(bytes);
}

/// Reads what the functions of this module wrote.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// What was not read yet.
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next byte.
    ///
    /// # Errors
    /// If there is none.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or(Malformed("a value is cut off"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// A number that [`put_u128`] wrote.
    ///
    /// # Errors
    /// If the bytes end before it does, or it does not fit.
    pub fn u128(&mut self) -> Result<u128, Malformed> {
        let mut value = 0_u128;
        for shift in (0..128).step_by(7) {
            let byte = self.u8()?;
            let bits = u128::from(byte & 0x7f);
            if shift == 126 && bits > 3 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed("a number is too long"))
    }

    /// A number that [`put_u64`] wrote.
    ///
    /// # Errors
    /// As [`Reader::u128`].
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        u64::try_from(self.u128()?).map_err(|_| Malformed("a number does not fit 64 bits"))
    }

    /// A number that [`put_i128`] wrote.
    ///
    /// # Errors
    /// As [`Reader::u128`].
    pub fn i128(&mut self) -> Result<i128, Malformed> {
        let zigzag = self.u128()?;
        Ok((zigzag >> 1) as i128 ^ -((zigzag & 1) as i128))
    }

    /// A number that [`put_i64`] wrote.
    ///
    /// # Errors
    /// As [`Reader::u128`].
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        i64::try_from(self.i128()?).map_err(|_| Malformed("a number does not fit 64 bits"))
    }

    /// Bytes that [`put_bytes`] wrote.
    ///
    /// # Errors
    /// If there are fewer than their length says.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u64()?;
        self.take(usize::try_from(length).map_err(|_| Malformed("a length is too large"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bytes_come_back() {
        let mut out = Vec::new();
        for value in [0, 1, -1, 63, -64, 64, i64::MAX, i64::MIN] {
            put_i64(&mut out, value);
        }
        for value in [i128::MAX, i128::MIN, 0] {
            put_i128(&mut out, value);
        }
        put_u128(&mut out, u128::MAX);
        put_bytes(&mut out, b"abc");
        let mut reader = Reader::new(&out);
        for value in [0, 1, -1, 63, -64, 64, i64::MAX, i64::MIN] {
            assert_eq!(reader.i64(), Ok(value));
        }
        for value in [i128::MAX, i128::MIN, 0] {
            assert_eq!(reader.i128(), Ok(value));
        }
        assert_eq!(reader.u128(), Ok(u128::MAX));
        assert_eq!(reader.bytes(), Ok(b"abc".as_slice()));
        assert!(reader.is_empty());
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        assert!(Reader::new(&[]).u64().is_err());
        assert!(Reader::new(&[0x80]).u64().is_err());
        assert!(Reader::new(&[0xff; 19]).u128().is_err());
        assert!(Reader::new(&[0xff; 40]).u128().is_err());
        assert!(Reader::new(&[5, 1, 2]).bytes().is_err());
        let mut huge = Vec::new();
        put_u64(&mut huge, u64::MAX);
        assert!(Reader::new(&huge).bytes().is_err());
    }
}
