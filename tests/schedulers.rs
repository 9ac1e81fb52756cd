//! The samplers against diffusers 0.42.1 (tests/golden/make_schedulers.py): schedules and whole paths of a toy network.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use instantstyle::nn::schedulers::{self, SchedulerConfig};
use instantstyle::nn::torch_rng::TorchGenerator;
use instantstyle::recipe::SchedulerName;
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    label: String,
    config: serde_json::Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    steps: usize,
    begin: usize,
    start: Vec<f32>,
    path: BTreeMap<usize, Vec<f32>>,
    timesteps: Option<Vec<f64>>,
    sigmas: Option<Vec<f64>>,
    init_noise_sigma: Option<f64>,
}

/// The largest difference, relative to the largest value of the reference.
fn difference(ours: &[f32], theirs: &[f32]) -> f64 {
    assert!(ours.len() >= theirs.len());
    let scale = theirs.iter().fold(1e-6f64, |m, v| m.max(f64::from(v.abs())));
    let worst = ours.iter().zip(theirs).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
    worst / scale
}

#[test]
fn schedules_and_paths_match_diffusers() {
    let text = include_str!("golden/schedulers.json");
    let files: Vec<File> = serde_json::from_str(text).unwrap();
    let (mut cases, mut worst_path, mut worst_sigma) = (0, (0.0, String::new()), 0.0f64);
    for file in &files {
        let config = SchedulerConfig::from_json(&file.config.to_string()).unwrap();
        for case in &file.cases {
            let label = format!("{} {} {} from {}", file.label, case.name, case.steps, case.begin);
            let name: SchedulerName = case.name.parse().unwrap();
            let mut scheduler = schedulers::new(name, &config, case.steps).unwrap_or_else(|e| panic!("{label}: {e}"));
            cases += 1;
            if let Some(timesteps) = &case.timesteps {
                assert_eq!(scheduler.timesteps().len(), timesteps.len(), "{label}");
                for (ours, theirs) in scheduler.timesteps().iter().zip(timesteps) {
                    assert!((ours - theirs).abs() <= 1e-4, "{label}: timestep {ours} is not {theirs}");
                }
            }
            if let Some(sigmas) = &case.sigmas {
                assert_eq!(scheduler.sigmas().len(), sigmas.len(), "{label}");
                for (ours, theirs) in scheduler.sigmas().iter().zip(sigmas) {
                    let off = (ours - theirs).abs() / theirs.max(1e-6);
                    assert!(off <= 1e-6, "{label}: sigma {ours} is not {theirs}");
                    worst_sigma = worst_sigma.max(off);
                }
            }
            if let Some(init) = case.init_noise_sigma {
                assert!((scheduler.init_noise_sigma() - init).abs() <= 1e-6 * init, "{label}");
            }
            let noise: Vec<f32> = (0..20).map(|i| (f64::from(i) * 1.3).cos() as f32).collect();
            let clean: Vec<f32> = (0..20).map(|i| (f64::from(i) * 0.9).sin() as f32).collect();
            let mut sample: Vec<f32> = if case.begin == 0 {
                let scale = scheduler.init_noise_sigma() as f32;
                noise.iter().map(|n| n * scale).collect()
            } else {
                scheduler.add_noise(&clean, &noise, case.begin)
            };
            assert!(difference(&sample, &case.start) <= 1e-6, "{label}: the start differs");
            let mut generator = TorchGenerator::manual_seed(7);
            for index in case.begin..scheduler.timesteps().len() {
                let t = scheduler.timesteps()[index];
                let shown = scheduler.scale_model_input(&sample, index);
                let output: Vec<f32> = shown.iter().map(|x| (f64::from(*x) * 0.7 + t / 500.0).sin() as f32).collect();
                sample = scheduler.step(&output, index, &sample, &mut |n| generator.randn(n)).prev_sample;
                if let Some(theirs) = case.path.get(&index) {
                    let off = difference(&sample, theirs);
                    assert!(off <= 2e-6, "{label}: step {index} is off by {off:e}");
                    if off > worst_path.0 {
                        worst_path = (off, label.clone());
                    }
                }
            }
        }
    }
    assert!(cases > 300, "only {cases} cases");
    println!("{cases} cases; sigmas within {worst_sigma:e}, paths within {:e} ({})", worst_path.0, worst_path.1);
}

#[test]
fn sdxl_has_the_timesteps_everyone_knows() {
    let config = SchedulerConfig::from_json(
        r#"{"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "timestep_spacing": "leading",
            "steps_offset": 1}"#,
    )
    .unwrap();
    let euler = schedulers::new(SchedulerName::Euler, &config, 30).unwrap();
    assert_eq!(euler.timesteps()[..3], [958.0, 925.0, 892.0]);
    assert!((euler.sigmas()[0] - 11.477).abs() < 1e-3);
    let lightning = schedulers::new(SchedulerName::EulerTrailing, &config, 4).unwrap();
    assert_eq!(lightning.timesteps(), [999.0, 749.0, 499.0, 249.0]);
}

#[test]
fn ddim_refuses_the_counts_that_arange_does_not_spread_evenly() {
    let config = SchedulerConfig::from_json(r#"{"timestep_spacing": "trailing"}"#).unwrap();
    for (steps, instead) in [(61, "60"), (122, "120")] {
        let said = schedulers::new(SchedulerName::Ddim, &config, steps).err().unwrap().to_string();
        assert!(said.contains(&format!("{steps} steps")) && said.ends_with(instead), "{said}");
    }
    assert_eq!(schedulers::new(SchedulerName::Ddim, &config, 60).unwrap().timesteps().len(), 60);
}
