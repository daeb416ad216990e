//! The fields of a hash as the value of a record.

use crate::codec::{DecodeError, Reader, put_bytes};
use bytes::Bytes;

/// Appends one field to the value of a record that becomes a Redis hash.
pub fn put_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    put_bytes(out, name);
    put_bytes(out, value);
}

/// Reads all fields that [`put_field`] wrote, in order.
///
/// # Errors
/// If the bytes are something else.
pub fn read_fields(bytes: &[u8]) -> Result<Vec<(Bytes, Bytes)>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let mut fields = Vec::new();
    while reader.remaining() > 0 {
        let name = Bytes::copy_from_slice(reader.bytes()?);
        fields.push((name, Bytes::copy_from_slice(reader.bytes()?)));
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_as_they_were_put() {
        let mut value = Vec::new();
        put_field(&mut value, b"name", b"");
        put_field(&mut value, b"", b"\0\xff");
        let expected = [("name".into(), Bytes::new()), (Bytes::new(), Bytes::from(&b"\0\xff"[..]))];
        assert_eq!(read_fields(&value).expect("they are fields"), expected);
        assert_eq!(read_fields(b"").expect("no fields"), []);
        assert!(read_fields(&value[..value.len() - 1]).is_err());
    }
}
