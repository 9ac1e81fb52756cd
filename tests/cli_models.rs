//! `instantstyle models`: the list, licences, folders, downloads that are killed, and names in the place of paths.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/server.rs"]
mod server;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use server::{Server, serve};

const TAG: &str = "\"v1\"";

/// The program with nothing of the machine's own models in sight.
fn instantstyle(home: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_instantstyle"));
    program.env("INSTANTSTYLE_HOME", home).env("HF_HOME", home.join("hf"));
    for name in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "INSTANTSTYLE_MODELS"] {
        program.env_remove(name);
    }
    program
}

fn program(home: &Path, arguments: &[&str], endpoint: &str) -> std::process::Output {
    let mut program = instantstyle(home);
    program.arg("models").args(arguments).env("HF_ENDPOINT", endpoint).env("HF_TOKEN", "hf_secret");
    program.output().unwrap()
}

#[test]
fn the_command_line_lists_asks_for_the_licence_and_says_what_went_wrong() {
    let home = tempfile::tempdir().unwrap();
    let asked = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&asked);
    let server = Server::start(move |_, request, to| {
        flag.store(true, Ordering::Relaxed);
        serve(to, request, b"<html>no model</html>", TAG);
    });
    let run = |arguments: &[&str]| {
        let output = program(home.path(), arguments, &server.address);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let (status, said, _) = run(&["list"]);
    assert_eq!(status, 0);
    for word in ["sdxl-base", "6.94 GB", "missing", "CreativeML Open RAIL++-M", "clip-vit-bigg"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let (status, said, _) = run(&["list", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((status, json["models"][0]["bytes"].as_u64()), (0, Some(6_938_078_334)));
    assert_eq!(
        (json["models"][0]["state"].as_str(), json["others"].as_array().map(Vec::len)),
        (Some("missing"), Some(0))
    );

    let (status, said, error) = run(&["get", "taesdxl"]);
    assert_eq!(status, 2, "{error}");
    assert!(said.contains("licence MIT") && error.contains("--yes") && error.lines().count() == 1, "{said}{error}");
    assert!(!asked.load(Ordering::Relaxed), "the server was asked before the licence was accepted");

    let (status, _, error) = run(&["get", "taesdxl", "--yes"]);
    assert_eq!((status, error.lines().count()), (1, 1), "{error}");
    assert!(error.contains("offers 21 bytes") && !error.contains("secret"), "{error}");
    let (status, _, error) = run(&["get", "nothing"]);
    assert!(status == 2 && error.contains("'nothing'") && error.contains("sdxl-base"), "{error}");
    for (arguments, word) in [(&["get"][..], "models list"), (&[], "models list"), (&["fetch"], "'fetch'")] {
        let (status, _, error) = run(arguments);
        assert!(status == 2 && error.contains(word) && error.lines().count() == 1, "{arguments:?}: {error}");
    }
}

#[test]
fn folders_are_added_and_their_files_named() {
    let home = tempfile::tempdir().unwrap();
    let art = home.path().canonicalize().unwrap().join("art");
    std::fs::create_dir_all(&art).unwrap();
    std::fs::copy("tests/golden/adapter_a.safetensors", art.join("x.safetensors")).unwrap();
    std::fs::write(art.join("y.safetensors"), "version https://git-lfs.github.com/spec/v1\n").unwrap();
    let run = |arguments: &[&str]| {
        let output = program(home.path(), arguments, "http://127.0.0.1:9");
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, said, error) = run(&["folders", "add", art.to_str().unwrap()]);
    assert_eq!((status, error.as_str()), (Some(0), ""));
    assert!(said.contains(art.to_str().unwrap()), "{said}");
    let (_, said, _) = run(&["list"]);
    assert!(said.contains("x.safetensors: an IP-Adapter (base"), "{said}");
    assert!(said.contains("y.safetensors is a git-LFS pointer"), "{said}");
    let (status, _, error) = run(&["folders", "add", "/nowhere/at/all"]);
    assert!(status == Some(2) && error.contains("no folder"), "{error}");
    let (_, said, _) = run(&["folders", "remove", art.to_str().unwrap()]);
    assert!(!said.contains(art.to_str().unwrap()), "{said}");
    assert_eq!(run(&["folders", "remove", art.to_str().unwrap()]).0, Some(2));

    // A folder that is gone is removed by the name that it was added by.
    let gone =
        |arguments: &[&str]| instantstyle(home.path()).current_dir(home.path()).args(arguments).output().unwrap();
    std::fs::create_dir(home.path().join("gone")).unwrap();
    assert!(gone(&["models", "folders", "add", "gone"]).status.success());
    std::fs::remove_dir(home.path().join("gone")).unwrap();
    let output = gone(&["models", "folders", "remove", "gone"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn render_takes_names_of_the_list() {
    let home = tempfile::tempdir().unwrap();
    let render = |flags: &[&str]| {
        let output = instantstyle(home.path())
            .args(["render", "--prompt", "x", "--out", "o.png"])
            .args(flags)
            .current_dir(home.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let said = render(&["--model", "sdxl-base"]);
    assert!(said.contains("'sdxl-base'") && said.contains("models get sdxl-base"), "{said}");
    let said = render(&["--model", "ip-adapter-sdxl"]);
    assert!(said.contains("belongs to --adapter"), "{said}");
    // A path wins over a name.
    std::fs::write(home.path().join("sdxl-base"), "no model").unwrap();
    let said = render(&["--model", "sdxl-base"]);
    assert!(!said.contains("models get"), "{said}");
}

/// A process that is killed in the middle (as by Ctrl+C) has lost nothing.
#[test]
fn a_killed_download_goes_on_where_it_was() {
    let home = tempfile::tempdir().unwrap();
    let length = 9_793_292_usize;
    let server = Server::start(move |number, request, to| match number {
        0 => {
            server::serve_half(to, &vec![0; length], TAG, 1_000_000);
            // Nothing more until the client is gone.
            let _ = std::io::Read::read(to, &mut [0; 1]);
        }
        _ => serve(to, request, &vec![0; length], TAG),
    });
    let part = home.path().join("models/taesdxl/diffusion_pytorch_model.safetensors.part");
    let mut child = instantstyle(home.path())
        .args(["models", "get", "taesdxl", "--yes"])
        .env("HF_ENDPOINT", &server.address)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while std::fs::metadata(&part).map_or(0, |about| about.len()) < 1_000_000 {
        assert!(child.try_wait().unwrap().is_none(), "the download ended by itself");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(std::fs::metadata(&part).unwrap().len(), 1_000_000);

    // The lock died with the process. The rest is fetched, and found to be other bytes than the list's.
    let output = program(home.path(), &["get", "taesdxl", "--yes"], &server.address);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("arrived damaged") && said.contains("removed"), "{said}");
    assert_eq!(server.requests()[1].header("range"), Some("bytes=1000000-"));
    assert!(!part.exists() && !part.with_extension("").exists());
}
