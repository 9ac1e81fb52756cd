//! Whole files against the reader of headers.
#![no_main]

#[path = "../../common/fuzz_checks.rs"]
#[allow(dead_code)]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    thread_local!(static FILE: tempfile::NamedTempFile = tempfile::NamedTempFile::new().expect("a temporary file"));
    FILE.with(|file| checks::header(bytes, file.path()));
});
