//! See `anabranch_fuzz_props::journal_entry`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    anabranch_fuzz::within_memory(data, anabranch_fuzz_props::journal_entry);
});
