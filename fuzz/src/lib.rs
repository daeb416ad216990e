//! What the fuzz targets share: a bound on memory.

use cap::Cap;
use std::alloc::System;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// What a property may use whatever its input is: tables that are made once, buffers
/// of a fixed size.
const FIXED_BYTES: usize = 16 << 20;
/// What it may use for each byte of its input. Decoded entries of a few bytes take
/// more in memory than they do on disk, and some properties hold several copies.
const BYTES_PER_BYTE: usize = 1024;

/// Checks the property. Using far more memory than the input could explain aborts
/// the process, which the fuzzer takes for a finding: nobody may make a reader reserve
/// memory by writing a large number.
pub fn within_memory(data: &[u8], property: fn(&[u8]) -> bool) {
    let bound = MEMORY.allocated() + FIXED_BYTES + BYTES_PER_BYTE * data.len();
    MEMORY.set_limit(bound).expect("the bound lies above what is allocated");
    property(data);
    MEMORY.set_limit(usize::MAX).expect("nothing is above this");
}
