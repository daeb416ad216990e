//! Exact sums of doubles, rounded once at the end.
//!
//! A sum is an integer times a power of two. As long as the values lie within some
//! 120 binary digits of each other, which is nearly always, the integer fits an
//! `i128`, and adding a value is a shift and an addition; when the range demands it,
//! the sum spills into an array of limbs that covers all doubles. Either way it is
//! the sum of real numbers, so it does not depend on the order of additions, can be
//! merged and taken back, and overflows only when it is rounded.
//!
//! Source of the idea: R. M. Neal, "Fast exact summation using small and large
//! superaccumulators" (2015). The small window in front of it is ours.
// spec: E-6

use super::limbs::{LIMBS_LIMIT, Limbs};
use super::round::Magnitude;
use crate::state::codec::{Malformed, Reader, put_bytes, put_u64};

/// How far left of bit 0 a value's 53 bits may lie on the fast path. Up to there the
/// shift needs no test of which half of the `i128` the bits fall into.
const SHIFT_MAX: u32 = 63;
/// How many bits the integer may have between additions, so that one addition
/// cannot overflow.
const BITS_MAX: u32 = 126;
/// How much room is left below the first value for smaller ones: about as much as
/// above it.
const MARGIN: u32 = 32;
/// The base of a sum without a window: no exponent lies within `SHIFT_MAX` of it.
const NO_WINDOW: u16 = u16::MAX;
/// One value, in the packed count.
const ONE: u64 = 1 << 16;
/// A sum takes fewer values than this, which no stream reaches.
const COUNT_LIMIT: u64 = 1 << 48;
/// The biased exponent of infinities and NaN.
const EXPONENT_SPECIAL: u32 = 0x7ff;

/// A sum of doubles, as a real number, with infinities and NaN counted apart, and how
/// many values it is of.
///
/// Invariants: if the base is `NO_WINDOW`, `window` is 0; else the limbs are absent
/// and `-2^126 <= window < 2^126`. The finite part is `window * 2^(base - 1075)` plus
/// the limbs.
#[derive(Clone, Debug)]
pub(super) struct ExactSum {
    window: i128,
    rare: Option<Box<Rare>>,
    /// The base in the lowest 16 bits: the biased exponent of a double whose
    /// mantissa's lowest bit is bit 0 of the window. Above it the count of values.
    /// Packed, so that a sum takes half a cache line.
    count_and_base: u64,
}

const _: () = assert!(size_of::<ExactSum>() == 32);

/// What few sums need.
#[derive(Clone, Debug, Default)]
struct Rare {
    nan: u64,
    plus_infinity: u64,
    minus_infinity: u64,
    limbs: Option<Limbs>,
}

impl Default for ExactSum {
    fn default() -> Self {
        ExactSum { window: 0, rare: None, count_and_base: u64::from(NO_WINDOW) }
    }
}

impl ExactSum {
    /// Adds a value.
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        let bits = value.to_bits();
        let exponent = (bits >> 52) as u32 & EXPONENT_SPECIAL;
        let shift = exponent.wrapping_sub(u32::from(self.base()));
        self.count_and_base += ONE;
        if shift > SHIFT_MAX || exponent == EXPONENT_SPECIAL {
            return self.add_slowly(value);
        }
        // The base is at least 1, so the value is normal and has its hidden bit.
        let mantissa = (bits & ((1 << 52) - 1) | 1 << 52) as i64;
        let negative = -((bits >> 63) as i64);
        let signed = (mantissa ^ negative) - negative;
        // Two shifts, because the halves move by 64 bits if `shift` is 0.
        let (high, low) = (signed >> 1 >> (63 - shift), (signed as u64) << shift);
        self.window += i128::from(high) << 64 | i128::from(low);
        if is_full(self.window) {
            self.leave_window();
        }
    }

    /// A planted bug: rounds after every value.
    pub(super) fn add_as_it_comes(&mut self, value: f64) {
        let mut rounded = ExactSum::default();
        rounded.add(if self.count() == 0 { value } else { self.to_f64() + value });
        rounded.count_and_base += self.count() * ONE;
        *self = rounded;
    }

    fn base(&self) -> u16 {
        self.count_and_base as u16
    }

    fn set_base(&mut self, base: u16) {
        self.count_and_base = self.count_and_base & !0xffff | u64::from(base);
    }

    /// How many values were added.
    pub(super) fn count(&self) -> u64 {
        self.count_and_base >> 16
    }

    #[inline(never)]
    fn add_slowly(&mut self, value: f64) {
        let bits = value.to_bits();
        if bits << 1 == 0 {
            return;
        }
        if value.is_finite() {
            let exponent = (bits >> 52) as u32 & EXPONENT_SPECIAL;
            let fraction = i128::from(bits & ((1 << 52) - 1));
            let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
            let signed = if value < 0.0 { -mantissa } else { mantissa };
            return self.add_scaled(signed, exponent.max(1) as u16);
        }
        let rare = self.rare.get_or_insert_default();
        if value.is_nan() {
            rare.nan += 1;
        } else if value > 0.0 {
            rare.plus_infinity += 1;
        } else {
            rare.minus_infinity += 1;
        }
    }

    /// Adds `value * 2^(base - 1075)`, where `|value| < 2^126`.
    fn add_scaled(&mut self, mut value: i128, mut base: u16) {
        if value == 0 {
            return;
        }
        if let Some(limbs) = self.limbs_mut() {
            limbs.add(value, base);
            return;
        }
        if self.window == 0 {
            let below = MARGIN.min(room(value)).min(u32::from(base) - 1);
            self.window = value << below;
            self.set_base(base - below as u16);
            return;
        }
        let (mut window, mut own) = (self.window, self.base());
        if base < own {
            raise(&mut value, &mut base, own);
            let below = MARGIN.min(u32::from(base) - 1) as u16;
            lower(&mut window, &mut own, base, below);
            // The window may have been lowered further than it had to be.
            lower(&mut value, &mut base, own, 0);
        } else {
            lower(&mut value, &mut base, own, 0);
            raise(&mut window, &mut own, base);
            // The window may have come up only part of the way.
            lower(&mut value, &mut base, own, 0);
        }
        if base == own {
            self.window = window + value;
            self.set_base(own);
            if is_full(self.window) {
                self.leave_window();
            }
        } else {
            self.leave_window();
            self.limbs_mut().expect("the sum has just left its window").add(value, base);
        }
    }

    /// Moves the window into limbs.
    #[cold]
    fn leave_window(&mut self) {
        let base = self.base();
        let limbs = self.rare.get_or_insert_default().limbs.get_or_insert_default();
        limbs.add(self.window, base);
        self.window = 0;
        self.set_base(NO_WINDOW);
    }

    fn limbs(&self) -> Option<&Limbs> {
        self.rare.as_ref()?.limbs.as_ref()
    }

    fn limbs_mut(&mut self) -> Option<&mut Limbs> {
        self.rare.as_mut()?.limbs.as_mut()
    }

    /// Adds another sum.
    pub(super) fn merge(&mut self, other: &ExactSum) {
        self.combine(other, 1);
    }

    /// Takes back a sum that was added, value by value or as a whole.
    pub(super) fn retract(&mut self, other: &ExactSum) {
        self.combine(other, -1);
    }

    fn combine(&mut self, other: &ExactSum, sign: i64) {
        let count = self.count().wrapping_add_signed(sign * other.count() as i64);
        self.count_and_base = count << 16 | u64::from(self.base());
        if other.window != 0 {
            self.add_scaled(other.window * i128::from(sign), other.base());
        }
        let Some(theirs) = &other.rare else {
            return;
        };
        if let Some(limbs) = &theirs.limbs {
            if self.limbs().is_none() {
                self.leave_window_or_empty();
            }
            self.limbs_mut().expect("there are limbs now").combine(limbs, sign);
        }
        let rare = self.rare.get_or_insert_default();
        rare.nan = rare.nan.wrapping_add_signed(sign * theirs.nan as i64);
        rare.plus_infinity =
            rare.plus_infinity.wrapping_add_signed(sign * theirs.plus_infinity as i64);
        rare.minus_infinity =
            rare.minus_infinity.wrapping_add_signed(sign * theirs.minus_infinity as i64);
    }

    fn leave_window_or_empty(&mut self) {
        if self.window == 0 {
            self.set_base(NO_WINDOW);
            self.rare.get_or_insert_default().limbs.get_or_insert_default();
        } else {
            self.leave_window();
        }
    }

    /// The value that infinities and NaN force, if there are any.
    fn special(&self) -> Option<f64> {
        let rare = self.rare.as_ref()?;
        match (rare.nan, rare.plus_infinity, rare.minus_infinity) {
            (0, 0, 0) => None,
            (0, _, 0) => Some(f64::INFINITY),
            (0, 0, _) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }

    /// The finite part: whether it is negative, and its magnitude.
    fn finite(&self) -> (bool, Magnitude) {
        match self.limbs() {
            Some(limbs) => limbs.magnitude(),
            None => {
                let base = if self.window == 0 { 1 } else { self.base() };
                (self.window < 0, Magnitude::small(self.window.unsigned_abs(), base))
            }
        }
    }

    /// The sum as a double: rounded once, half to even; ±∞ if it is too large.
    pub(super) fn to_f64(&self) -> f64 {
        self.special().unwrap_or_else(|| {
            let (negative, magnitude) = self.finite();
            signed(magnitude.to_f64(), negative)
        })
    }

    /// The sum as a float, rounded once.
    pub(super) fn to_f32(&self) -> f32 {
        self.special().map_or_else(
            || {
                let (negative, magnitude) = self.finite();
                signed(f64::from(magnitude.to_f32()), negative) as f32
            },
            |special| special as f32,
        )
    }

    /// The sum divided by the count, as a double: the true quotient, rounded once.
    ///
    /// # Panics
    /// If the count is 0.
    pub(super) fn average_f64(&self) -> f64 {
        self.special().unwrap_or_else(|| {
            let (negative, magnitude) = self.finite();
            signed(magnitude.divide(self.count()).to_f64(), negative)
        })
    }

    /// The sum divided by the count, as a float, rounded once.
    ///
    /// # Panics
    /// If the count is 0.
    pub(super) fn average_f32(&self) -> f32 {
        self.special().map_or_else(
            || {
                let (negative, magnitude) = self.finite();
                signed(f64::from(magnitude.divide(self.count()).to_f32()), negative) as f32
            },
            |special| special as f32,
        )
    }

    /// Appends the sum: a function of the values, not of how they came.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        put_u64(out, self.count());
        let (negative, magnitude) = self.finite();
        let rare = self.rare.as_ref();
        let counts =
            rare.map_or([0; 3], |rare| [rare.nan, rare.plus_infinity, rare.minus_infinity]);
        let has_specials = counts != [0; 3];
        out.push(u8::from(negative) | u8::from(has_specials) << 1);
        if has_specials {
            counts.iter().for_each(|count| put_u64(out, *count));
        }
        let (bytes, exponent) = magnitude.canonical();
        put_bytes(out, &bytes);
        put_u64(out, u64::from(exponent));
    }

    /// Reads what [`ExactSum::save`] wrote.
    pub(super) fn load(input: &mut Reader<'_>) -> Result<ExactSum, Malformed> {
        let count = input.u64()?;
        if count >= COUNT_LIMIT {
            return Err(Malformed("a sum of too many values"));
        }
        let flags = input.u8()?;
        if flags > 3 {
            return Err(Malformed("a sum has unknown flags"));
        }
        let mut sum = ExactSum::default();
        sum.count_and_base |= count << 16;
        if flags & 2 != 0 {
            let [nan, plus_infinity, minus_infinity] = [input.u64()?, input.u64()?, input.u64()?];
            sum.rare = Some(Box::new(Rare { nan, plus_infinity, minus_infinity, limbs: None }));
        }
        let bytes = input.bytes()?;
        let exponent = input.u64()?;
        let bits = 8 * bytes.len() as u64;
        if exponent > LIMBS_LIMIT || bits > LIMBS_LIMIT || exponent + bits > LIMBS_LIMIT {
            return Err(Malformed("a sum is out of range"));
        }
        if exponent == 0 && !bytes.is_empty() {
            return Err(Malformed("a sum has no exponent"));
        }
        // Eight bytes at a time, each at its place.
        for (index, chunk) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let word = i128::from(u64::from_le_bytes(word));
            let signed = if flags & 1 != 0 { -word } else { word };
            sum.add_scaled(signed, exponent as u16 + 64 * index as u16);
        }
        Ok(sum)
    }

    /// How many bytes this takes behind a pointer.
    pub(super) fn heap_bytes(&self) -> usize {
        let limbs = self.limbs().map_or(0, |_| size_of::<Limbs>());
        self.rare.as_ref().map_or(0, |_| size_of::<Rare>()) + limbs
    }
}

fn signed(magnitude: f64, negative: bool) -> f64 {
    if negative && magnitude != 0.0 { -magnitude } else { magnitude }
}

/// Whether another addition could overflow: the two highest bits differ.
#[inline]
fn is_full(window: i128) -> bool {
    let high = (window >> 64) as i64;
    (high ^ (high << 1)) < 0
}

/// How many bits the number can be shifted to the left.
fn room(value: i128) -> u32 {
    value.unsigned_abs().leading_zeros().saturating_sub(128 - BITS_MAX)
}

/// Brings a number up to the base `to` if its low bits are zero, or as near as can
/// be.
fn raise(value: &mut i128, base: &mut u16, to: u16) {
    let by = value.trailing_zeros().min(u32::from(to.saturating_sub(*base)));
    if *value != 0 {
        *value >>= by;
        *base += by as u16;
    }
}

/// Brings a number down to the base `to` if it has room for that, and up to `more`
/// further.
fn lower(value: &mut i128, base: &mut u16, to: u16, more: u16) {
    let by = u32::from(base.saturating_sub(to));
    let room = room(*value);
    if by <= room {
        let by = if by == 0 { 0 } else { room.min(by + u32::from(more)) };
        *value <<= by;
        *base -= by as u16;
    }
}

#[cfg(test)]
#[path = "exact_tests.rs"]
mod tests;
