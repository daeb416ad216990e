//! From a wide integer times a power of two to the nearest float.

/// A number that is not negative: an integer times `2^(base - 1075)`.
///
/// Invariant: either the integer is all of it, or there are at least 64 bits in it
/// and `more` says that a fraction, smaller than its lowest bit, follows.
pub(super) struct Magnitude {
    /// The integer, lowest word first.
    words: Words,
    base: u16,
    more: bool,
}

/// Most numbers need no allocation.
enum Words {
    Small(u128),
    Large(Vec<u64>),
}

/// Bits of a binary float.
#[derive(Clone, Copy)]
struct Format {
    /// Bits of the mantissa with the hidden one.
    precision: i32,
    /// The exponent of the lowest bit of the smallest number.
    exponent_min: i32,
    /// The biased exponent of infinity.
    exponent_infinite: i32,
}

const DOUBLE: Format = Format { precision: 53, exponent_min: -1074, exponent_infinite: 2047 };
const SINGLE: Format = Format { precision: 24, exponent_min: -149, exponent_infinite: 255 };

impl Magnitude {
    /// An integer of any size.
    pub(super) fn new(words: Vec<u64>, base: u16) -> Magnitude {
        Magnitude { words: Words::Large(words), base, more: false }
    }

    /// An integer of at most 128 bits.
    pub(super) fn small(integer: u128, base: u16) -> Magnitude {
        Magnitude { words: Words::Small(integer), base, more: false }
    }

    /// The number divided by `divisor`, with enough bits to be rounded.
    ///
    /// # Panics
    /// If the divisor is 0.
    pub(super) fn divide(self, divisor: u64) -> Divided {
        let (top, base, more) = self.top();
        if top == 0 {
            return Divided { quotient: 0, base, more: false };
        }
        // A dividend of 128 bits leaves a quotient of at least 64. The bits that
        // `top` cut off are less than one, so the floor of the quotient is right.
        let spare = top.leading_zeros();
        assert!(spare == 0 || !more, "bits were cut off only from a full word");
        let dividend = top << spare;
        let divisor = u128::from(divisor);
        Divided {
            quotient: dividend / divisor,
            base: base - spare as i32,
            more: more || dividend % divisor != 0,
        }
    }

    /// The nearest double, half to even; +∞ if the number is too large.
    pub(super) fn to_f64(&self) -> f64 {
        let (top, base, more) = self.top();
        f64::from_bits(round(top, base - 1075, more, DOUBLE))
    }

    /// The nearest float, half to even.
    pub(super) fn to_f32(&self) -> f32 {
        let (top, base, more) = self.top();
        f32::from_bits(round(top, base - 1075, more, SINGLE) as u32)
    }

    /// The highest 128 bits, the biased exponent of their lowest bit, and whether
    /// anything is below.
    fn top(&self) -> (u128, i32, bool) {
        let base = i32::from(self.base);
        let words = match &self.words {
            Words::Small(integer) => return (*integer, base, self.more),
            Words::Large(words) => words,
        };
        let Some(highest) = words.iter().rposition(|word| *word != 0) else {
            return (0, base, self.more);
        };
        let word = |index: usize| u128::from(words[index]);
        if highest < 2 {
            let integer = word(0) | if words.len() > 1 { word(1) << 64 } else { 0 };
            return (integer, base, self.more);
        }
        let spare = words[highest].leading_zeros();
        let mut top = word(highest) << 64 | word(highest - 1);
        let mut below = words[highest - 2];
        if spare > 0 {
            top = top << spare | word(highest - 2) >> (64 - spare);
            below <<= spare;
        }
        let more = self.more || below != 0 || words[..highest - 2].iter().any(|word| *word != 0);
        (top, base + 64 * (highest as i32 - 1) - spare as i32, more)
    }

    /// The integer without its trailing zero bits, as bytes, lowest first, and the
    /// biased exponent of its lowest bit; nothing and 0 for zero.
    pub(super) fn canonical(&self) -> (Vec<u8>, u16) {
        let mut words = match &self.words {
            Words::Small(integer) => vec![*integer as u64, (*integer >> 64) as u64],
            Words::Large(words) => words.clone(),
        };
        let Some(lowest) = words.iter().position(|word| *word != 0) else {
            return (Vec::new(), 0);
        };
        let shift = words[lowest].trailing_zeros();
        words.drain(..lowest);
        if shift > 0 {
            for index in 0..words.len() {
                let next = words.get(index + 1).map_or(0, |next| next << (64 - shift));
                words[index] = words[index] >> shift | next;
            }
        }
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        (bytes, self.base + 64 * lowest as u16 + shift as u16)
    }
}

/// A quotient before it is rounded.
pub(super) struct Divided {
    /// Of at least 64 bits, or 0.
    quotient: u128,
    base: i32,
    /// Whether there is a remainder.
    more: bool,
}

impl Divided {
    /// The nearest double, half to even.
    pub(super) fn to_f64(&self) -> f64 {
        f64::from_bits(round(self.quotient, self.base - 1075, self.more, DOUBLE))
    }

    /// The nearest float, half to even.
    pub(super) fn to_f32(&self) -> f32 {
        f32::from_bits(round(self.quotient, self.base - 1075, self.more, SINGLE) as u32)
    }
}

/// The bits of the float nearest to `integer * 2^exponent`, or a little more than
/// that if `more`, half to even. With `more`, the integer has at least 64 bits.
fn round(integer: u128, exponent: i32, more: bool, format: Format) -> u64 {
    if integer == 0 {
        return 0;
    }
    let length = 128 - integer.leading_zeros() as i32;
    assert!(!more || length >= 64, "a fraction below too short an integer");
    // The exponent of the result's lowest bit, and how many bits are below it.
    let mut lowest = (length + exponent - format.precision).max(format.exponent_min);
    let dropped = lowest - exponent;
    let mut mantissa = if dropped <= 0 {
        (integer << -dropped) as u64
    } else if dropped > 128 {
        0
    } else {
        let kept = integer.checked_shr(dropped as u32).unwrap_or(0) as u64;
        let half = 1_u128 << (dropped - 1);
        let rest = integer & (half | (half - 1));
        let up = rest > half || rest == half && (more || kept & 1 == 1);
        kept + u64::from(up)
    };
    let hidden = 1_u64 << (format.precision - 1);
    if mantissa == hidden << 1 {
        mantissa = hidden;
        lowest += 1;
    }
    if mantissa < hidden {
        // Subnormal: the hidden bit is absent and the biased exponent is 0.
        return mantissa;
    }
    let biased = lowest - format.exponent_min + 1;
    if biased >= format.exponent_infinite {
        return (format.exponent_infinite as u64) << (format.precision - 1);
    }
    (biased as u64) << (format.precision - 1) | (mantissa & (hidden - 1))
}
