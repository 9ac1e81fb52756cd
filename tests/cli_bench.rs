//! `instantstyle bench` on the built-in model's sizes: what its line holds, and what it refuses. Nothing is compared with a
//! clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_instantstyle")).arg("bench").args(arguments).output().unwrap()
}

#[track_caller]
fn is_refused(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(output.stdout.is_empty());
    for word in words {
        assert!(stderr.contains(word), "'{word}' is not in: {stderr}");
    }
}

#[track_caller]
fn line(arguments: &[&str]) -> Value {
    let output = bench(arguments);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn one_line_with_the_keys_of_its_counterpart() {
    let small = ["--model-config", "mini", "--size", "64", "--threads", "1", "--repeat", "2"];
    let line = line(&small);
    assert_eq!(line["all"].as_array().unwrap().len(), 2);
    let (seconds, all) = (line["seconds"].as_f64().unwrap(), &line["all"]);
    assert!((seconds - (all[0].as_f64().unwrap() + all[1].as_f64().unwrap()) / 2.0).abs() < 1e-9);
    assert!(line["peak_rss_mb"].is_null() || line["peak_rss_mb"].as_f64().unwrap() > 1.0);
    for (key, value) in [
        ("size", Value::from(64)),
        ("batch", Value::from(2)),
        ("threads", Value::from(1)),
        ("dtype", Value::from("f32")),
        ("device", Value::from("cpu")),
        ("weights", Value::from("f16")),
        ("model_config", Value::from("mini")),
        ("network", Value::from("unet")),
        ("version", Value::from(env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(line[key], value, "{key}");
    }
    assert!(line.get("parts").is_none());
}

#[test]
fn parts_are_a_table_and_a_list_that_agree() {
    let output = bench(&["--model-config", "mini", "--network", "vae", "--size", "64", "--repeat", "1", "--parts"]);
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    let parts = line["parts"].as_array().unwrap();
    assert!(parts.iter().any(|part| part["op"] == "attention"), "{parts:?}");
    let share: f64 = parts.iter().map(|part| part["share"].as_f64().unwrap()).sum();
    assert!(share > 0.0 && share <= 1.0, "{share}");
    let table = String::from_utf8(output.stderr).unwrap();
    // A heading, the parts, the rest, the sum and the peak.
    assert_eq!(table.lines().count(), parts.len() + 4, "{table}");
}

#[test]
fn bad_values_are_refused_in_one_line() {
    for (arguments, words) in [
        (&["--model-config", "sd15"][..], &["--model-config", "'sd15'", "mini"][..]),
        (&["--network", "clip"], &["--network", "'clip'", "vae"]),
        (&["--size", "100"], &["--size", "'100'", "multiple of 8"]),
        (&["--size", "0"], &["--size", "8 to 8192"]),
        (&["--batch", "0"], &["--batch", "1 to 64"]),
        (&["--repeat", "0"], &["--repeat", "1 to 1000"]),
        (&["--repeat", "-1"], &["--repeat", "'-1'"]),
        (&["--threads", "0"], &["--threads", "1 to 1024"]),
        (&["--weights", "int8"], &["--weights", "f16"]),
        (&["--dtype", "f64"], &["--dtype", "bf16"]),
        (&["--dtype", "bf16", "--threads", "1"], &["bf16", "f32"]),
        (&["--device", "gpu"], &["--device", "cuda"]),
        (&["--weight", "f16"], &["--weight"]),
        (&["a.png"], &["a.png"]),
    ] {
        is_refused(&bench(arguments), words);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_the_timing_process_has_said_is_not_said_again() {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_instantstyle"));
    bench.args(["bench", "--model-config", "mini", "--size", "64", "--repeat", "1", "--threads", "1"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = bench.stdout(full).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("output"), "{said}");
}

#[test]
#[cfg(target_os = "linux")]
fn what_fits_into_no_memory_is_refused() {
    // 64 pictures of 8192 pixels in SDXL's UNet, wherever this runs.
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -v 16000000; exec \"$0\" bench --size 8192 --batch 64"]);
    limited.arg(env!("CARGO_BIN_EXE_instantstyle")).env("RAYON_NUM_THREADS", "2");
    is_refused(&limited.output().unwrap(), &["8192", "GiB", "--size"]);
}
