//! Lists of names and shapes against everything that tells what a file is.
#![no_main]

#[path = "../../common/fuzz_checks.rs"]
#[allow(dead_code)]
mod checks;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    checks::names(text);
});
