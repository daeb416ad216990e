//! Chance, by identity.
//!
//! A decision depends on the seed and on what it is about, never on how many others were
//! made before it: taking one fault or one record away leaves all other draws as they
//! were, and so a failing run can be shrunk.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use xxhash_rust::xxh3::Xxh3;

/// A stream of draws for one concern of one entity.
///
/// The key is a hash of (seed, concern, entity); the position is the ordinal of the
/// decision, so that decision 7 is the same whether or not decision 6 was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draws {
    rng: ChaCha8Rng,
}

impl Draws {
    /// The stream of a concern, such as `link-delay`, of an entity, such as `redis/2`.
    #[must_use]
    pub fn new(seed: u64, concern: &str, entity: &str) -> Draws {
        let mut key = [0; 32];
        for (half, part) in key.chunks_exact_mut(16).enumerate() {
            let mut state = Xxh3::with_seed(seed ^ half as u64);
            state.update(&(concern.len() as u64).to_le_bytes());
            state.update(concern.as_bytes());
            state.update(entity.as_bytes());
            part.copy_from_slice(&state.digest128().to_le_bytes());
        }
        Draws { rng: ChaCha8Rng::from_seed(key) }
    }

    /// The draw for the decision of this ordinal.
    pub fn at(&mut self, ordinal: u64) -> u64 {
        // To go on where the last draw ended costs no new block.
        let place = u128::from(ordinal) * 2;
        if self.rng.get_word_pos() != place {
            self.rng.set_word_pos(place);
        }
        self.rng.next_u64()
    }

    /// The next draw in order.
    pub fn number(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A number below `limit`, which must not be 0, by the next draw. The bias is below
    /// 2⁻³² for limits below 2³².
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(limit)) >> 64) as u64
    }

    /// Whether something happens that does so `share` times in a million, by the next draw.
    pub fn happens(&mut self, share: u32) -> bool {
        self.below(1_000_000) < u64::from(share)
    }

    /// One of the choices, by the next draw.
    ///
    /// # Panics
    /// If there is none.
    pub fn choose<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_does_not_depend_on_those_before_it() {
        let mut all = Draws::new(7, "delay", "redis");
        let drawn: Vec<u64> = (0..20).map(|ordinal| all.at(ordinal)).collect();
        let mut some = Draws::new(7, "delay", "redis");
        assert_eq!(some.at(13), drawn[13]);
        assert_eq!(some.at(4), drawn[4]);
        let mut in_order = Draws::new(7, "delay", "redis");
        assert!(drawn.iter().all(|draw| *draw == in_order.number()));
    }

    #[test]
    fn seed_concern_and_entity_make_a_stream_of_its_own() {
        let first = |seed, concern, entity| Draws::new(seed, concern, entity).at(0);
        let drawn = [
            first(1, "delay", "a"),
            first(2, "delay", "a"),
            first(1, "loss", "a"),
            first(1, "delay", "b"),
            first(1, "dela", "ya"),
        ];
        for (index, draw) in drawn.iter().enumerate() {
            assert!(!drawn[..index].contains(draw));
        }
    }

    #[test]
    fn shares_are_kept() {
        let mut draws = Draws::new(3, "share", "x");
        let hits = (0..100_000).filter(|_| draws.happens(250_000)).count();
        assert!((24_000..26_000).contains(&hits), "{hits}");
    }
}
