//! Planted bugs: one known mistake each, switched on at the place where it would be made.
//!
//! They exist so that the simulator can be asked whether it would have found them. Only
//! the feature `plants` compiles them in; without it every switch is the constant
//! `false`, and nothing of them is left in a binary.

/// Whether a planted bug is switched on: `planted!(W1)`.
#[macro_export]
macro_rules! planted {
    ($name:ident) => {
        $crate::plant::is_on($crate::plant::Plant::$name)
    };
}

macro_rules! plants {
    ($($name:ident $oracle:literal $mistake:literal)*) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Plant {
            $(#[doc = $mistake] $name,)*
        }

        /// All planted bugs.
        #[cfg(feature = "plants")]
        pub const ALL: &[Plant] = &[$(Plant::$name),*];

        #[cfg(feature = "plants")]
        impl Plant {
            /// Its name, such as `W1`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Plant::$name => stringify!($name),)* }
            }

            /// The oracle that is expected to find it, such as `S1`.
            #[must_use]
            pub fn oracle(self) -> &'static str {
                match self { $(Plant::$name => $oracle,)* }
            }

            /// The mistake, in words.
            #[must_use]
            pub fn mistake(self) -> &'static str {
                match self { $(Plant::$name => $mistake,)* }
            }
        }
    };
}

plants! {
    W1 "S1" "the maximum over the splits is taken for the minimum"
    W2 "L3" "an idle split is never advanced"
    W3 "S1" "a split is called idle while fetched records wait"
    W4 "S1" "the watermark is missing from the snapshot"
    W5 "S1" "`<=` stands for `<` where lateness is judged at a window's end"
    W6 "S1" "a session ends by the clock instead of the watermark"
    W7 "S8" "an idle mark is not journaled"
    W8 "S8" "a replay reads the tick from the clock"
    W9 "S1" "an idle split is advanced one split's watermark too high"
    W10 "S1" "an idle split is left out of the minimum"
    W11 "S1" "an ended beside an idle split gives +∞"
    W12 "S7" "a new split starts below all watermarks"
    W13 "S1" "a filtered row does not move the watermark"
    W14 "S7" "the tick goes back after a restart"
    W15 "S1" "a row is judged late by the operator's watermark instead of its split's"
    D1 "S1" "a merged session loses its end"
    D2 "S7" "a merged session fires twice"
    D3 "S1" "state is dropped before the last row that is allowed"
    D5 "S2" "the border of a key group is off by one"
    D7 "S2" "a late row is counted and aggregated, too"
    D9 "S1" "a HOP row that is late for one window counts there through a shared pane"
    D10 "S1" "rows exactly a gap apart are apart on one path"
    D11 "S1" "sums of doubles are added in the order of arrival"
    D12 "S1" "FIRST_VALUE is the first to arrive"
    D13 "S1" "an inner window's output watermark is one window too high"
    D14 "S1" "a sum that overflows on its way stays infinite"
    J1 "S1" "a sink gets a chunk before the record is durable"
    J2 "S6" "an append does not check the generation"
    J3 "S8" "a torn tail is accepted"
    J4 "S2" "the journal is cut below what a lagging sink needs"
    J5 "S2" "an end offset is written as inclusive and read as exclusive"
    J6 "S8" "slices are replayed in another order"
    J7 "S2" "an append of unknown outcome is taken for failed and written again"
    J8 "S2" "a replay reads past the recorded range"
    J10 "S5" "a checksum is not looked at"
    J11 "S2" "damage below a known-durable record is cut as a tail"
    J12 "S2" "the acknowledged marker of a dead sink is not journaled"
    J13 "S8" "the checksum of a slice is not compared"
    P1 "S5" "a manifest is visible before all parts are durable"
    P2 "S5" "the newest listed snapshot is taken for complete"
    P3 "S5" "a part that the newest snapshot shares is deleted"
    P4 "S5" "a snapshot is taken inside of an epoch"
    P5 "S1" "one operator's state is left out"
    P6 "S6" "two incarnations replace the pointer without comparing"
    P7 "S5" "a rotten part is accepted"
    K1 "S2" "an unknown outcome is taken for failure, and the chunk written again"
    K2 "S2" "an unknown outcome is taken for success"
    K3 "S6" "the marker is read before older generations are fenced"
    K4 "S2" "the marker is written outside of the transaction"
    K5 "S3" "a later flush group is applied after an earlier one failed"
    K6 "S6" "the check and the write are two commands"
    K7 "S1" "a relative write stands in a script that is retried"
    K8 "S2" "a deduplication token lacks the chunk's number"
    K9 "S2" "a group is cut into other chunks when it is replayed"
    K10 "L1" "the last group is not flushed at the end"
    K11 "L4" "a fenced sink is retried for ever"
    K12 "S4" "a sink that lost acknowledged writes is not noticed"
    K13 "S2" "an expired marker is taken for never written"
    K14 "S3" "a producer is used again after an outcome that is not known"
    K15 "L4" "producer epochs are used up"
    K16 "S2" "a snapshot counts as usable although a group was open"
    K17 "S2" "the second chunk of a group is taken for a duplicate"
    K18 "S6" "the same generation number with another nonce is accepted"
    K19 "S1" "a duplicate is reported without comparing hashes"
    K20 "L4" "a zombie renews its producer and fences its successor"
    K21 "S6" "a dead sink is not fenced when it comes back"
    R1 "S2" "a snapshot above the smallest marker is chosen"
    R2 "S1" "the late answer to an older request is accepted"
    R3 "S2" "an offset out of range is reset silently"
    R4 "S5" "an operator is renamed and its state dropped"
    R5 "L1" "a full pipeline and its sink wait for each other"
    R6 "S6" "a zombie's buffered write leaves after its successor started"
    R7 "L4" "a wake-up forgets an output that waits"
    R8 "L4" "a poisoned epoch is started for ever"
    R9 "L1" "one dead sink stops the healthy ones within its lag budget"
}

#[cfg(feature = "plants")]
mod switch {
    use super::Plant;
    use std::cell::Cell;

    // A simulated world runs on one thread, and several may run beside each other.
    std::thread_local! {
        static ON: Cell<Option<Plant>> = const { Cell::new(None) };
    }

    /// Switches one planted bug on for worlds of this thread, or all off.
    pub fn switch(plant: Option<Plant>) {
        ON.set(plant);
    }

    /// Whether it is switched on, on this thread.
    #[must_use]
    pub fn is_on(plant: Plant) -> bool {
        ON.get() == Some(plant)
    }
}

#[cfg(feature = "plants")]
pub use switch::{is_on, switch};

/// Whether it is switched on: never, without the feature `plants`.
#[cfg(not(feature = "plants"))]
#[must_use]
#[inline(always)]
pub const fn is_on(_: Plant) -> bool {
    false
}

// Without the feature there is no way to switch one on.
#[cfg(not(feature = "plants"))]
const _: () = assert!(!is_on(Plant::W1));
