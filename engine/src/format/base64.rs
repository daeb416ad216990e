//! Base64 with the standard alphabet and padding, as JSON and CSV carry BYTES.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What each byte stands for; 255 for none.
const VALUES: [u8; 256] = {
    let mut values = [255; 256];
    let mut index = 0;
    while index < 64 {
        values[ALPHABET[index] as usize] = index as u8;
        index += 1;
    }
    values
};

/// Appends the text for these bytes.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for group in bytes.chunks(3) {
        let mut word = [0; 4];
        word[1..=group.len()].copy_from_slice(group);
        let word = u32::from_be_bytes(word);
        for place in 0..4 {
            let six_bits = (word >> (18 - 6 * place)) & 63;
            out.push(if place <= group.len() { ALPHABET[six_bits as usize] } else { b'=' });
        }
    }
}

/// Appends the bytes that the text stands for; white space in it is passed over, as
/// Jackson does. `None`, with part of the bytes perhaps appended, if it is no Base64
/// or lacks its padding.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (mut word, mut count, mut padding) = (0_u32, 0, 0);
    for &byte in text.iter().filter(|&&byte| byte > b' ') {
        if byte == b'=' {
            padding += 1;
            continue;
        }
        let value = VALUES[usize::from(byte)];
        if value == 255 || padding > 0 {
            return None;
        }
        word = word << 6 | u32::from(value);
        count += 1;
        if count == 4 {
            out.extend_from_slice(&word.to_be_bytes()[1..]);
            (word, count) = (0, 0);
        }
    }
    match (count, padding) {
        (0, 0) => {}
        (2, 2) => out.push((word >> 4) as u8),
        (3, 1) => out.extend_from_slice(&[(word >> 10) as u8, (word >> 2) as u8]),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(text.as_bytes(), &mut out).map(|()| out)
    }

    #[test]
    fn the_vectors_of_rfc_4648() {
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (bytes, text) in vectors {
            let mut out = Vec::new();
            encode(bytes.as_bytes(), &mut out);
            assert_eq!(out, text.as_bytes());
            assert_eq!(decoded(text), Some(bytes.as_bytes().to_vec()));
        }
    }

    #[test]
    fn what_is_not_base64_is_none() {
        for text in ["Z", "Zg", "Zg=", "Zg===", "Zm8", "=Zg=", "Zg=a", "Zm9v=", "Zm9*", "Zm9vé"] {
            assert_eq!(decoded(text), None, "{text:?}");
        }
        assert_eq!(decoded(" Zm\n9v\t"), Some(b"foo".to_vec()));
    }

    proptest! {
        #[test]
        fn bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut text = Vec::new();
            encode(&bytes, &mut text);
            let mut out = Vec::new();
            prop_assert_eq!(decode(&text, &mut out), Some(()));
            prop_assert_eq!(out, bytes);
        }
    }
}
