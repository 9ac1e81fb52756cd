//! The seeds of `tests/fuzz_seeds` and thousands of mutations of them against what reads foreign bytes: the safetensors
//! header, the naming of what it holds, and the pickle machine. Whatever comes, it is taken or refused in one line.
//!
//! The mutations follow from fixed numbers, so a failure is the same on every machine. `FUZZ_ROUNDS` asks for more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

#[path = "common/fuzz_checks.rs"]
mod checks;

/// xorshift64*
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

fn seeds(kind: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz_seeds").join(kind);
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut seeds: Vec<_> = entries
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    seeds.sort();
    assert!(seeds.len() >= 10);
    seeds
}

fn rounds(usual: usize) -> usize {
    std::env::var("FUZZ_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// One to four changes: a byte, a bit, a run repeated, removed or taken from another seed, a number made extreme.
fn mutated(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(out.len());
        let end = (at + 1 + random.below(24)).min(out.len());
        match random.below(8) {
            0 if !out.is_empty() => out[at] = random.next() as u8,
            1 if !out.is_empty() => out[at] ^= 1 << random.below(8),
            2 => out.truncate(at),
            3 if !out.is_empty() => {
                let run = out[at..end].to_vec();
                let at = random.below(out.len());
                out.splice(at..at, run);
            }
            4 if !out.is_empty() => drop(out.drain(at..end)),
            5 => {
                let from = random.below(other.len());
                let to = (from + random.below(64)).min(other.len());
                let at = at.min(out.len());
                out.splice(at..at, other[from..to].iter().copied());
            }
            6 => {
                // A number in a header: digits become many.
                if let Some(digit) = out.iter().skip(at).position(u8::is_ascii_digit) {
                    out.splice(at + digit..=at + digit, b"9223372036854775807".iter().copied());
                }
            }
            _ if !out.is_empty() => out[at..end].fill(0xff),
            _ => {}
        }
    }
    out
}

/// Every seed, then mutations of them; the name of the one at work is told if a check fails. Returns the seeds taken.
fn replay(kind: &str, usual: usize, random: u64, mut taken: impl FnMut(&[u8]) -> bool) -> Vec<String> {
    let seeds = seeds(kind);
    let mut tried = |name: &str, bytes: &[u8]| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| taken(bytes)))
            .unwrap_or_else(|_| panic!("{kind} {name}"))
    };
    let taken = seeds.iter().filter(|(name, bytes)| tried(name, bytes)).map(|(name, _)| name.clone()).collect();
    let mut random = Random(random);
    for round in 0..rounds(usual) {
        let (name, bytes) = &seeds[random.below(seeds.len())];
        let (_, other) = &seeds[random.below(seeds.len())];
        tried(&format!("{name}, round {round}"), &mutated(bytes, other, &mut random));
    }
    taken
}

/// Seeds that were written to be taken or not, without those that a fuzzer found.
fn written(names: Vec<String>) -> Vec<String> {
    names.into_iter().filter(|name| !name.starts_with("found_")).collect()
}

#[test]
fn headers_are_named_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let taken = written(replay("header", 3_000, 0x5EED, |bytes| checks::header(bytes, &path)));
    let all = written(seeds("header").into_iter().map(|(name, _)| name).collect());
    assert!((10..all.len()).contains(&taken.len()), "{taken:?}");
}

#[test]
fn names_are_told_or_refused() {
    let taken = written(replay("identify", 5_000, 0x1DEA, checks::names));
    assert_eq!(taken, written(seeds("identify").into_iter().map(|(name, _)| name).collect()));
}

#[test]
fn pickles_are_read_or_refused() {
    let taken = written(replay("pickle", 100_000, 0xFEED, checks::pickle));
    assert_eq!(taken, ["adapter", "parameters", "state_dict"]);
}
