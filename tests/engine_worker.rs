//! The worker: events, cancelling, panics, memory, and what is not computed twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use candle_core::{DType, Device, Tensor};
use common::{events, finished, golden, job, recipe, reference};
use instantstyle::engine::{CandleEngine, Engine, EngineError, FakeEngine, JobEvent, Script};
use instantstyle::nn::autoencoder_kl::{AutoencoderKl, AutoencoderKlConfig, Cut};
use instantstyle::nn::cancel::{Cancel, is_cancelled};
use instantstyle::nn::unet_2d_condition::{AddedConditioning, Conditioning, UNet2DConditionModel};
use instantstyle::nn::unet_config::UNet2DConditionConfig;
use instantstyle::recipe::{Recipe, Reference, Role, Subtraction};
use instantstyle::weights::ModelFolder;

#[test]
fn events_come_in_order_and_end_once() {
    let engine = CandleEngine::start(None).unwrap();
    let handle = engine.submit(job(recipe(vec![reference()]))).unwrap();
    let names: Vec<String> = events(&handle)
        .into_iter()
        .map(|event| match event {
            JobEvent::Queued => "queued".to_owned(),
            JobEvent::Loading(what) => format!("loading {what}"),
            JobEvent::Encoding(what) => format!("encoding {what}"),
            JobEvent::Step(step) => format!("step {}/{}", step.index, step.count),
            JobEvent::Decoding => "decoding".to_owned(),
            JobEvent::Finished(_) => "finished".to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    let wanted = [
        "queued",
        "loading model",
        "encoding prompt",
        "encoding references",
        "loading UNet",
        "step 1/2",
        "step 2/2",
        "decoding",
        "finished",
    ];
    assert_eq!(names, wanted);
}

/// Runs `forward` with a token that stops it at each of its questions in turn; how many there are.
fn stops_at_each_question(forward: impl Fn(Cancel) -> candle_core::Result<()>) -> usize {
    let asked = AtomicUsize::new(0);
    let run = |stop_at: usize| {
        asked.store(0, Ordering::Relaxed);
        let asks = || asked.fetch_add(1, Ordering::Relaxed) >= stop_at;
        forward(Cancel::new(&asks))
    };
    run(usize::MAX).unwrap();
    let all = asked.load(Ordering::Relaxed);
    for stop_at in 0..all {
        let error = run(stop_at).unwrap_err();
        assert!(is_cancelled(&error), "{error}");
        assert_eq!(asked.load(Ordering::Relaxed), stop_at + 1, "it went on after being told to stop");
    }
    all
}

#[test]
fn the_vae_stops_at_whichever_block_it_is_asked_to() {
    let folder = ModelFolder::open(&golden().join("model_a")).unwrap();
    let config: AutoencoderKlConfig = folder.json("vae/config.json").unwrap();
    let vb = folder.weights("vae").unwrap().var_builder(DType::F32, &Device::Cpu);
    let vae = AutoencoderKl::new(&config, vb).unwrap();
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let (pixels, latents) = (zeros(&[1, 3, 32, 32]), zeros(&[1, config.latent_channels, 8, 8]));
    let (levels, layers) = (config.block_out_channels.len(), config.layers_per_block);
    // Every residual layer, both of the middle, and the last convolution.
    let encoding = stops_at_each_question(|cancel| vae.encode(&pixels, Cut::Whole, cancel).map(drop));
    assert!(encoding >= levels * layers + 3, "{encoding} questions");
    let decoding = stops_at_each_question(|cancel| vae.decode(&latents, Cut::Whole, cancel).map(drop));
    assert!(decoding >= levels * (layers + 1) + 3, "{decoding} questions");
}

#[test]
fn the_unet_stops_at_whichever_block_it_is_asked_to() {
    let folder = ModelFolder::open(&golden().join("model_a")).unwrap();
    let config: UNet2DConditionConfig = folder.json("unet/config.json").unwrap();
    let vb = folder.weights("unet").unwrap().var_builder(DType::F32, &Device::Cpu);
    let unet = UNet2DConditionModel::new(&config, vb).unwrap();
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let (sample, text, pooled) = (zeros(&[1, 4, 8, 8]), zeros(&[1, 77, 48]), zeros(&[1, 24]));
    let text = unet.text_key_values(&text, Cancel::never()).unwrap();
    let all = stops_at_each_question(|cancel| {
        let conditioning = Conditioning {
            text: &text,
            added: Some(AddedConditioning { text_embeds: &pooled, time_ids: [64.0, 64.0, 0.0, 0.0, 64.0, 64.0] }),
            image_prompts: &[],
            cancel,
        };
        unet.forward(&sample, 500.0, None, &conditioning).map(drop)
    });
    let transformers: usize = unet.blocks().iter().map(|block| block.cross_attentions.len()).sum();
    // One question before every transformer block and every residual layer of the way down and up, and in the middle.
    let layers = config.block_out_channels.len() * 2 + config.block_out_channels.len() * 3 + 1;
    assert!(all >= transformers + layers, "{all} questions for {transformers} transformer blocks and {layers} layers");
}

#[test]
fn a_job_cancelled_in_the_queue_never_begins() {
    let engine = FakeEngine::start(None).unwrap();
    engine.next(Script::Paint { steps: 1_000_000, step: Duration::from_millis(1) });
    let first = engine.submit(job(recipe(vec![]))).unwrap();
    let second = engine.submit(job(recipe(vec![]))).unwrap();
    second.cancel.cancel();
    assert!(first.events.iter().any(|event| matches!(event, JobEvent::Step(_))));
    first.cancel.cancel();
    assert!(matches!(events(&first).pop(), Some(JobEvent::Cancelled)));
    assert!(matches!(events(&second)[..], [JobEvent::Queued, JobEvent::Cancelled]));
    assert_eq!(engine.seen().len(), 1);
}

#[test]
fn a_panic_becomes_an_error_and_the_worker_lives() {
    let engine = FakeEngine::start(None).unwrap();
    engine.next(Script::Panic);
    let last = events(&engine.submit(job(recipe(vec![]))).unwrap()).pop();
    assert!(
        matches!(&last, Some(JobEvent::Failed(EngineError::Panicked(text))) if text.contains("script")),
        "{last:?}"
    );
    engine.next(Script::Fail(EngineError::OutOfMemory("too little".to_owned())));
    assert!(matches!(
        events(&engine.submit(job(recipe(vec![]))).unwrap()).pop(),
        Some(JobEvent::Failed(EngineError::OutOfMemory(_)))
    ));
    finished(&engine, job(recipe(vec![])));
}

#[test]
fn a_reader_who_sleeps_gets_the_newest_step_and_the_end() {
    let engine = FakeEngine::start(None).unwrap();
    engine.next(Script::Paint { steps: 5000, step: Duration::ZERO });
    let handle = engine.submit(job(recipe(vec![]))).unwrap();
    // Reads nothing until another job, queued behind, is done.
    finished(&engine, job(recipe(vec![])));
    let all = events(&handle);
    assert!(all.len() < 32, "{} events were kept", all.len());
    let steps: Vec<usize> =
        all.iter().filter_map(|e| if let JobEvent::Step(s) = e { Some(s.index) } else { None }).collect();
    assert!(steps.is_sorted(), "{steps:?}");
    assert_eq!(steps.last(), Some(&5000));
    assert!(matches!(all.last(), Some(JobEvent::Finished(_))));
}

#[test]
fn moving_a_strength_encodes_nothing_again() {
    let engine = CandleEngine::start(None).unwrap();
    let subtracting = |strength: f64, subtract: f64, role: Role| {
        let subtract = Some(Subtraction { words: "a rabbit".to_owned(), strength: subtract });
        job(recipe(vec![Reference { strength, subtract, role, ..reference() }]))
    };
    // The prompt, the picture and the words; an empty negative prompt is zeros with this model.
    let first = finished(&engine, subtracting(1.0, 0.5, Role::Style));
    assert_eq!(first.timings.encoder_runs, 3);
    for (strength, subtract, role) in [(0.4, 0.5, Role::Style), (1.0, 0.9, Role::Style), (1.0, 0.5, Role::Everything)] {
        let next = finished(&engine, subtracting(strength, subtract, role));
        assert_eq!(next.timings.encoder_runs, 0);
        assert_ne!(next.latents, first.latents);
    }
    let other = Recipe { prompt: "another".to_owned(), ..recipe(vec![]) };
    assert_eq!(finished(&engine, job(other)).timings.encoder_runs, 1);
}

#[test]
fn the_same_recipe_gives_the_same_picture_twice() {
    let spec = || job(recipe(vec![reference(), Reference { strength: 0.5, ..reference() }]));
    let (first, second) = (CandleEngine::start(None).unwrap(), CandleEngine::start(None).unwrap());
    let one = finished(&first, spec());
    let again = finished(&first, spec());
    let elsewhere = finished(&second, spec());
    assert_eq!(one.latents, again.latents);
    assert_eq!(one.latents, elsewhere.latents);
    assert_eq!(one.image, elsewhere.image);
    // What a picture carries makes it again.
    let stored = job(one.recipe.clone());
    assert_eq!(finished(&second, stored).recipe, one.recipe);
}

#[test]
fn off_is_plain_sdxl_and_scale_zero_is_muted() {
    let engine = CandleEngine::start(None).unwrap();
    let latents = |references: Vec<Reference>| finished(&engine, job(recipe(references))).latents;
    let plain = latents(vec![]);
    let with = |role: Role, strength: f64| vec![Reference { role, strength, ..reference() }];
    assert_eq!(latents(with(Role::Off, 1.0)), plain);
    assert_eq!(latents(with(Role::Style, 0.0)), plain);
    assert_eq!(latents(with(Role::Everything, 0.0)), plain);
    let one_block = |others: f64| {
        let mut scales = std::collections::BTreeMap::from([("up_blocks.0.attentions.1".to_owned(), 0.8)]);
        if others == 0.0 {
            scales.insert("mid_block.attentions.0".to_owned(), 0.0);
        }
        vec![Reference { role: Role::Custom(scales), ..reference() }]
    };
    assert_eq!(latents(one_block(0.0)), latents(one_block(1.0)));
    assert_eq!(latents(one_block(1.0)), latents(with(Role::Style, 0.8)));
    assert_ne!(latents(with(Role::Style, 0.8)), plain);
    // A window without steps is off, too.
    let outside = Recipe { start: 0.9, ..recipe(with(Role::Everything, 1.0)) };
    assert_eq!(finished(&engine, job(outside)).latents, plain);
}
