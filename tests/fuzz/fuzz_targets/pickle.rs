//! Programs against the machine that reads pickles without running anything.
#![no_main]

#[path = "../../common/fuzz_checks.rs"]
#[allow(dead_code)]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::pickle(bytes);
});
