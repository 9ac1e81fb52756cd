//! `instantstyle evaluate` through the real program, and its judge against PyTorch (`golden/judge.json`, made by
//! `golden/make_judge.py`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use candle_core::{Device, Tensor};
use instantstyle::engine::{
    BuiltInJudge, CancelToken, Compute, Engine, EngineError, Finished, JobEvent, JobHandle, JobSpec, Latents,
    ModelPaths, Timings,
};
use instantstyle::evaluation::{Order, evaluate as measure};
use instantstyle::pixels::Picture;
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn golden(name: &str) -> String {
    root().join("tests/golden").join(name).to_str().unwrap().to_owned()
}

fn evaluate(folder: &Path, flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_instantstyle"))
        .args(["evaluate", "--device", "cpu"])
        .args(flags)
        .current_dir(folder)
        .env("INSTANTSTYLE_HOME", folder.join("home"))
        .output()
        .unwrap()
}

/// Runs with `flags` and one picture a mode; gives stdout, stderr and the JSON.
fn evaluated(flags: &[&str]) -> (String, String, Value) {
    let folder = tempfile::tempdir().unwrap();
    let output = evaluate(folder.path(), &[flags, &["--pictures", "1", "--json", "figures.json"]].concat());
    let (out, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{said}");
    let json = std::fs::read(folder.path().join("figures.json")).unwrap();
    (out, said, serde_json::from_slice(&json).unwrap())
}

fn modes(json: &Value) -> Vec<&str> {
    json["modes"].as_array().unwrap().iter().map(|row| row["mode"].as_str().unwrap()).collect()
}

#[test]
fn the_built_in_model_has_every_mode_with_rates_from_0_to_1() {
    let (markdown, said, json) = evaluated(&[]);
    assert_eq!(said, "", "nothing is left out, and there is no terminal for progress");
    let modes = modes(&json);
    assert_eq!(modes.iter().collect::<BTreeSet<_>>().len(), modes.len(), "unique: {modes:?}");
    for mode in [
        "off",
        "everything",
        "everything-0.5",
        "style",
        "layout",
        "style-layout",
        "precise",
        "everything+subtract",
        "style+subtract",
    ] {
        assert!(modes.contains(&mode), "{mode} is not in {modes:?}");
    }
    let blocks = instantstyle::engine::describe(&Default::default()).unwrap().blocks.names;
    for block in &blocks {
        assert!(modes.contains(&format!("block:{block}").as_str()), "{block} is not in {modes:?}");
    }
    assert_eq!(modes.len(), 9 + blocks.len());
    for row in json["modes"].as_array().unwrap() {
        assert_eq!(row["n"], 1, "{row}");
        for rate in ["style_kept", "prompt_followed", "leak", "palette_distance"] {
            let value = row[rate].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&value), "{row}");
            let interval: Vec<f64> =
                row[format!("{rate}_95")].as_array().unwrap().iter().map(|end| end.as_f64().unwrap()).collect();
            assert!(interval[0] <= value && value <= interval[1] && interval[0] >= 0.0 && interval[1] <= 1.0, "{row}");
        }
        assert!(markdown.contains(&format!("| {} |", row["mode"].as_str().unwrap())), "{markdown}");
    }
    let of = |mode: &str| json["modes"].as_array().unwrap().iter().find(|row| row["mode"] == mode).unwrap();
    assert_eq!(of("style")["palette_distance"], of(&format!("block:{STYLE}"))["palette_distance"], "one and the same");
    assert_ne!(of("style")["palette_distance"], of("off")["palette_distance"], "the reference enters");
    assert_ne!(of("everything")["palette_distance"], of("everything-0.5")["palette_distance"], "by its strength");
    assert!(json["model"].as_str().unwrap().starts_with("built-in@"), "{json}");
    assert!(json["judge"].as_str().unwrap().contains("network"), "{json}");
    assert_eq!((&json["device"], &json["dtype"]), (&"cpu".into(), &"f32".into()));
    assert!(markdown.contains(" on cpu in f32;"), "{markdown}");
    assert_eq!(json["text_to_image"]["n"], 1);
}

/// The built-in model's own word for it.
const STYLE: &str = "up_blocks.0.attentions.1";

/// An engine that copies: with a reference it gives that back, without one a grey picture.
struct Copyist;

impl Engine for Copyist {
    fn submit(&self, spec: JobSpec) -> Result<JobHandle, EngineError> {
        let (sender, events) = crossbeam_channel::bounded(1);
        let grey = || image::RgbImage::from_pixel(64, 64, image::Rgb([128; 3]));
        let finished = Finished {
            image: spec.references.first().map_or_else(grey, |picture| picture.rgb.clone()),
            recipe: spec.recipe.as_ref().clone(),
            latents: Latents { channels: 0, height: 0, width: 0, values: Vec::new() },
            timings: Timings::default(),
            notices: Vec::new(),
            device: "paper".to_owned(),
        };
        sender.send(JobEvent::Finished(Box::new(finished))).unwrap();
        Ok(JobHandle { id: 1, events, cancel: CancelToken::default() })
    }
}

#[test]
fn a_copied_reference_keeps_its_style_and_leaks_its_subject() {
    let order = Order { model: ModelPaths::default(), compute: Compute::default(), pictures: 42 };
    let mut heard = Vec::new();
    let evaluation = measure(&order, &[Box::new(Copyist) as Box<dyn Engine>, Box::new(Copyist)], &mut |done, total| {
        heard.push((done, total))
    })
    .unwrap();
    let references = evaluation.judge_on_references.unwrap();
    for row in &evaluation.modes {
        assert_eq!(row.n, 42);
        assert_eq!((row.style_kept, row.leak), (Some(references.style), Some(references.subject)), "{row:?}");
        assert!(row.prompt_followed.unwrap() <= 1.0 - references.subject && row.palette_distance == 0.0, "{row:?}");
    }
    assert!(evaluation.text_to_image.prompt_followed.unwrap() < 0.5, "{:?}", evaluation.text_to_image);
    let ratios: Vec<_> = evaluation.claims.iter().map(|claim| claim.ratio).collect();
    assert_eq!((ratios[0], ratios[1], ratios[3]), (Some(1.0), Some(1.0), Some(1.0)));
    let total = evaluation.painted();
    assert_eq!(heard, (0..total).map(|done| (done, total)).collect::<Vec<_>>());
}

#[test]
fn another_model_is_judged_by_its_own_towers() {
    let (model, adapter, vision) = (golden("model_a"), golden("adapter_a.safetensors"), golden("vision_a"));
    let (_, said, json) = evaluated(&["--model", &model, "--adapter", &adapter, "--image-encoder", &vision]);
    assert_eq!(said, "");
    assert!(json["judge"].as_str().unwrap().contains("CLIP"), "{json}");
    assert!(modes(&json).contains(&"style+subtract"));
    assert!(json["modes"][0]["style_kept"].is_f64(), "{json}");
}

#[test]
fn without_a_joint_space_only_palettes_are_measured_and_it_says_so() {
    // The image encoder of model a with its projection cut short; the Plus adapter takes the states before it.
    let folder = tempfile::tempdir().unwrap();
    let source = PathBuf::from(golden("vision_a"));
    let config = std::fs::read_to_string(source.join("config.json")).unwrap();
    assert!(config.contains("\"projection_dim\": 24"));
    let config = config.replace("\"projection_dim\": 24", "\"projection_dim\": 20");
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let mut tensors: HashMap<String, Tensor> =
        candle_core::safetensors::load(source.join("model.safetensors"), &Device::Cpu).unwrap();
    let projection = tensors.get_mut("visual_projection.weight").unwrap();
    *projection = projection.narrow(0, 0, 20).unwrap().contiguous().unwrap();
    candle_core::safetensors::save(&tensors, folder.path().join("model.safetensors")).unwrap();

    let (model, adapter) = (golden("model_a"), golden("adapter_a_plus.safetensors"));
    let vision = folder.path().to_str().unwrap();
    let (_, said, json) = evaluated(&["--model", &model, "--adapter", &adapter, "--image-encoder", vision]);
    assert!(said.contains("no space in common") && said.contains("+subtract are left out"), "{said}");
    assert_eq!(json["judge"], "none");
    assert!(!modes(&json).iter().any(|mode| mode.contains("+subtract")));
    assert!(json["modes"][0]["style_kept"].is_null() && json["modes"][0]["palette_distance"].is_f64(), "{json}");
}

#[test]
fn bad_input_is_told_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(golden("adapter_a.safetensors"), folder.path().join("adapter.safetensors")).unwrap();
    std::fs::create_dir(folder.path().join("vision")).unwrap();
    let model = golden("model_a");
    for (flags, words) in [
        (&["--pictures", "0"][..], &["--pictures", "1 to"][..]),
        (&["--pictures", "-3"], &["--pictures"]),
        (&["--pictures", "2.5"], &["--pictures"]),
        (&["--pictures"], &["--pictures", "no value"]),
        (&["--pictures", "--json", "a.json"], &["--pictures", "no value"]),
        (&["--json", "missing/a.json"], &["--json", "missing"]),
        (&["--json", "."], &["--json"]),
        (&["--json", "adapter.safetensors", "--adapter", "adapter.safetensors"], &["--json", "replace", "--adapter"]),
        (&["--json", "adapter.safetensors", "--vae", "adapter.safetensors"], &["--json", "replace", "--vae"]),
        (&["--json", "vision/a.json", "--image-encoder", "vision"], &["--json", "folder", "--image-encoder"]),
        (&["--model", "missing"], &["missing"]),
        (&["--model", &model], &["IP-Adapter", "--adapter"]),
        (&["--device", "tpu"], &["--device"]),
        (&["--out", "a.png"], &["--out"]),
        (&["a.png"], &["a.png"]),
    ] {
        let output = evaluate(folder.path(), flags);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{flags:?}: {said}");
        assert!(said.starts_with("error: ") && output.stdout.is_empty(), "{flags:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{flags:?}: no '{word}' in: {said}");
        }
        assert!(!folder.path().join("a.json").exists());
    }
}

#[test]
fn the_judge_says_what_pytorch_says() {
    let judge = BuiltInJudge::open().unwrap();
    let golden: Value = serde_json::from_slice(&std::fs::read(golden("judge.json")).unwrap()).unwrap();
    let rows = golden["pictures"].as_array().unwrap();
    assert_eq!(rows.len(), 12);
    for row in rows {
        let file = row["file"].as_str().unwrap();
        let picture = Picture::open(&root().join("assets/builtin/evaluation").join(file)).unwrap();
        let verdict = judge.look(&picture.rgb).unwrap();
        for (what, ours) in [("subjects", verdict.subject_logits), ("styles", verdict.style_logits)] {
            let theirs: Vec<f64> = row[what].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
            assert_eq!(ours.len(), theirs.len());
            let norm = theirs.iter().map(|x| x * x).sum::<f64>().sqrt();
            let error = ours.iter().zip(&theirs).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>().sqrt() / norm;
            println!("{file} {what}: {error:.1e}");
            // Written so that a NaN fails.
            assert!(error < 1e-5, "{file} {what}: relative error {error:.2e}");
        }
    }
}

#[test]
fn the_judge_knows_the_references() {
    let judge = BuiltInJudge::open().unwrap();
    let list = std::fs::read(root().join("assets/builtin/evaluation/references.json")).unwrap();
    let list: Value = serde_json::from_slice(&list).unwrap();
    let rows = list["references"].as_array().unwrap();
    let (mut subjects, mut styles) = (0, 0);
    for row in rows {
        let file = row["file"].as_str().unwrap();
        let picture = Picture::open(&root().join("assets/builtin/evaluation").join(file)).unwrap();
        let verdict = judge.look(&picture.rgb).unwrap();
        let is = |names: &[String], logits: &[f32], name: &Value| {
            let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap();
            usize::from(*name == names[best])
        };
        subjects += is(judge.subjects(), &verdict.subject_logits, &row["subject"]);
        styles += is(judge.styles(), &verdict.style_logits, &row["style"]);
    }
    println!("subjects {subjects}, styles {styles} of {}", rows.len());
    // Of fresh pictures it knows 0.97 and more; of forty, one or two may be missed.
    let least = rows.len() - 2;
    assert!(subjects >= least && styles >= least, "subjects {subjects}, styles {styles} of {}", rows.len());
}
