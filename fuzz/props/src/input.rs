//! Takes the bytes of a fuzzer apart.

/// Bytes from which small numbers and pieces are taken, one after the other. When they
/// are used up there are zeros and empty pieces; so every input means something.
#[derive(Clone, Debug)]
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    /// The next piece: two bytes say how long it is, low byte first; a piece that is
    /// said to be longer than what is left takes all of that.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let length = u16::from_le_bytes([self.byte(), self.byte()]);
        let (piece, rest) = self.rest.split_at(self.rest.len().min(length.into()));
        self.rest = rest;
        piece
    }

    /// Everything that is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// Appends a piece as [`Input::piece`] reads it.
pub(crate) fn put_piece(out: &mut Vec<u8>, piece: &[u8]) {
    let length = u16::try_from(piece.len()).expect("a seed is short");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(piece);
}
