//! See `anabranch_fuzz_props::json_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    anabranch_fuzz::within_memory(data, anabranch_fuzz_props::json_decode);
});
