//! Embeddings of references outlive the program: no encoder run the next time, and the same picture to the bit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::Path;

use common::{finished, golden, job, recipe, reference};
use instantstyle::engine::{CandleEngine, Finished, JobSpec};
use instantstyle::recipe::{Crop, Reference};

/// As after a new start of the program.
fn run(folder: &Path, spec: &JobSpec) -> Finished {
    finished(&CandleEngine::start_with_cache(None, Some(folder.to_owned())).unwrap(), spec.clone())
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// The prompt and the empty one, which is zeros with this model.
const PROMPT_RUNS: usize = 1;

#[test]
fn a_picture_that_was_encoded_once_is_never_encoded_again() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("cache/embeddings");
    let spec = job(recipe(vec![reference()]));
    let without = finished(&CandleEngine::start(None).unwrap(), spec.clone());
    assert!(files(home.path()).is_empty(), "nothing is kept where no folder was given");
    let first = run(&folder, &spec);
    assert_eq!(first.timings.encoder_runs, PROMPT_RUNS + 1);
    assert_eq!(files(&folder).len(), 1);
    let second = run(&folder, &spec);
    assert_eq!(second.timings.encoder_runs, PROMPT_RUNS);
    assert_eq!(second.latents, without.latents);
    assert_eq!((first.latents, first.image), (second.latents, second.image));

    // What is seen of the picture is part of the key.
    let cropped = job(recipe(vec![Reference { crop: Crop::Stretch, ..reference() }]));
    assert_eq!(run(&folder, &cropped).timings.encoder_runs, PROMPT_RUNS + 1);
    assert_eq!(files(&folder).len(), 2);

    // Damaged, cut or foreign files are passed over and written anew.
    for ruin in [b"".as_slice(), b"nonsense", &[0xff; 300]] {
        for path in files(&folder) {
            fs::write(path, ruin).unwrap();
        }
        let again = run(&folder, &spec);
        assert_eq!(again.timings.encoder_runs, PROMPT_RUNS + 1);
        assert_eq!(again.latents, without.latents);
        assert_eq!(run(&folder, &spec).timings.encoder_runs, PROMPT_RUNS);
    }
    // A place that takes nothing costs a run of the encoder and no picture.
    let blocked = home.path().join("file");
    fs::write(&blocked, b"").unwrap();
    assert_eq!(run(&blocked.join("cache"), &spec).latents, without.latents);
}

#[test]
fn a_plus_adapter_keeps_its_zero_picture_too() {
    let home = tempfile::tempdir().unwrap();
    let mut spec = job(recipe(vec![reference()]));
    spec.model.adapter = Some(golden().join("adapter_a_plus.safetensors"));
    let first = run(home.path(), &spec);
    assert_eq!(first.timings.encoder_runs, PROMPT_RUNS + 2);
    let second = run(home.path(), &spec);
    assert_eq!((second.timings.encoder_runs, files(home.path()).len()), (PROMPT_RUNS, 2));
    assert_eq!(first.latents, second.latents);
}
