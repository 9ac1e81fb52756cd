//! What several tests of the engine share: jobs on the small golden models.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use instantstyle::engine::{Compute, DeviceChoice, Engine, Finished, JobEvent, JobHandle, JobSpec, ModelPaths};
use instantstyle::pixels::Picture;
use instantstyle::recipe::{Recipe, Reference};

pub fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

pub fn reference() -> Reference {
    Reference::default()
}

/// A small picture with the model whose blocks are SDXL's.
pub fn recipe(references: Vec<Reference>) -> Recipe {
    Recipe {
        prompt: "a quiet house".to_owned(),
        references,
        steps: Some(2),
        guidance: Some(4.0),
        seed: Some(7),
        width: Some(64),
        height: Some(48),
        ..Recipe::default()
    }
}

pub fn job(recipe: Recipe) -> JobSpec {
    let pictures = ["ref1.png", "ref2.png"].map(|name| Arc::new(Picture::open(&golden().join(name)).unwrap()));
    JobSpec {
        references: pictures.iter().cycle().take(recipe.references.len()).cloned().collect(),
        recipe: Arc::new(recipe),
        init: None,
        model: ModelPaths {
            model: Some(golden().join("model_a")),
            adapter: Some(golden().join("adapter_a.safetensors")),
            image_encoder: Some(golden().join("vision_a")),
            ..ModelPaths::default()
        },
        compute: Compute { device: DeviceChoice::Cpu, ..Compute::default() },
    }
}

/// All events of a job, to its end.
pub fn events(handle: &JobHandle) -> Vec<JobEvent> {
    handle.events.iter().collect()
}

pub fn finished(engine: &dyn Engine, spec: JobSpec) -> Finished {
    match events(&engine.submit(spec).unwrap()).pop() {
        Some(JobEvent::Finished(finished)) => *finished,
        other => panic!("no picture, but {other:?}"),
    }
}
