//! A fixed-point number wide enough for every sum of doubles.

use super::round::Magnitude;

/// How many limbs there are: the bits of all doubles, of 2^64 of the largest, and of
/// one addend of 127 bits beyond.
const LIMBS: usize = 74;

/// Exponent plus bits of any sum of at most 2^64 doubles stay below this.
pub(super) const LIMBS_LIMIT: u64 = 2046 + 53 + 64 + 8;

/// How many additions may pass before the carries are taken along: each changes a
/// limb by less than 2^32.
const PENDING_MAX: u32 = 1 << 30;

const _: () = assert!(LIMBS_LIMIT as usize + 127 + 32 <= 32 * LIMBS);

/// A number as limbs of 32 bits, each held in 64 so that carries can wait.
///
/// Invariants: limb `i` has the weight `2^(32 i)` times that of the lowest bit of the
/// smallest double; no limb's magnitude exceeds `2^33 * (pending + 1)`.
#[derive(Clone, Debug)]
pub(super) struct Limbs {
    limbs: Box<[i64; LIMBS]>,
    pending: u32,
}

impl Default for Limbs {
    fn default() -> Self {
        Limbs { limbs: Box::new([0; LIMBS]), pending: 0 }
    }
}

impl Limbs {
    /// Adds `value` with its lowest bit at this biased exponent.
    pub(super) fn add(&mut self, value: i128, base: u16) {
        if value == 0 {
            return;
        }
        let position = usize::from(base) - 1;
        let sign = if value < 0 { -1 } else { 1 };
        let mut rest = value.unsigned_abs();
        let mut limb = position / 32;
        let offset = position % 32;
        let first = 32 - offset;
        let low = rest as u64 & ((1 << first) - 1);
        self.limbs[limb] += sign * (low << offset) as i64;
        rest >>= first;
        while rest != 0 {
            limb += 1;
            self.limbs[limb] += sign * (rest as u32 as i64);
            rest >>= 32;
        }
        self.pended(1);
    }

    /// Adds or takes off another number.
    pub(super) fn combine(&mut self, other: &Limbs, sign: i64) {
        // Both sides' limbs must be small for the invariant to hold afterwards.
        let mut other = other.clone();
        other.carry();
        for (limb, theirs) in self.limbs.iter_mut().zip(other.limbs.iter()) {
            *limb += sign * theirs;
        }
        self.pended(1);
    }

    fn pended(&mut self, additions: u32) {
        self.pending += additions;
        if self.pending >= PENDING_MAX {
            self.carry();
        }
    }

    /// Brings every limb but the last into 0..2^32; the last one has the sign.
    fn carry(&mut self) {
        let mut carry = 0;
        let (last, others) = self.limbs.split_last_mut().expect("there are limbs");
        for limb in others {
            let value = *limb + carry;
            *limb = value & 0xffff_ffff;
            carry = value >> 32;
        }
        *last += carry;
        self.pending = 0;
    }

    /// Whether the number is negative, and its magnitude.
    pub(super) fn magnitude(&self) -> (bool, Magnitude) {
        let mut limbs = self.clone();
        limbs.carry();
        let negative = limbs.limbs[LIMBS - 1] < 0;
        if negative {
            limbs.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            limbs.carry();
        }
        let words = limbs.limbs.chunks(2).map(|pair| pair[0] as u64 | (pair[1] as u64) << 32);
        (negative, Magnitude::new(words.collect(), 1))
    }
}
