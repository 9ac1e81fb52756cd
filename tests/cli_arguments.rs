//! Bad arguments and bad input, through the real program: exit status 2, one line on stderr that names what is wrong,
//! nothing on stdout, and no file left behind. No model is needed, because all of this is found before one is opened.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder with a picture `a.png`, which is also the program's home and working folder.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        image::RgbImage::from_pixel(40, 30, image::Rgb([200, 10, 10])).save(folder.path().join("a.png")).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), content).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_instantstyle"))
            .args(arguments)
            .current_dir(self.path())
            .env("INSTANTSTYLE_HOME", self.path().join("home"))
            .output()
            .unwrap()
    }

    /// The one line of stderr.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.ends_with('\n'), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(!self.path().join("o.png").exists(), "{arguments:?}");
        stderr
    }

    /// `render` to o.png with more arguments is refused, and its line holds all of `words`.
    #[track_caller]
    fn render_refused(&self, arguments: &[&str], words: &[&str]) {
        let line = self.refused(&[&["render", "--out", "o.png"], arguments].concat());
        for word in words {
            assert!(line.contains(word), "{arguments:?}: '{word}' is not in: {line}");
        }
    }
}

#[test]
fn numbers_out_of_range_are_named_with_flag_value_and_range() {
    let place = Place::new();
    let no_numbers = ["", " ", "abc", "nan", "NaN", "inf", "-inf", "infinity", "1e999", "-1e999", "0x10", "1,5", "１"];
    let flags: [(&str, &str, &[&str]); 11] = [
        ("--steps", "1 to 1000", &["0", "-0", "-1", "1001", "1.5", "1e2", "4294967297", "99999999999999999999"]),
        ("--width", "multiple of 8", &["0", "-8", "4", "12", "513", "8193", "8200", "64.0", "4294967360"]),
        ("--height", "multiple of 8", &["0", "-8", "4", "12", "513", "8193", "8200", "64.0", "4294967360"]),
        ("--seed", "0 to 18446744073709551615", &["-1", "-0", "1.0", "18446744073709551616"]),
        ("--guidance", "0 to 100", &["-0.1", "100.1", "-1e300"]),
        ("--strength", "-1 to 5", &["-1.01", "5.01", "1e300"]),
        ("--layout-strength", "-1 to 5", &["-1.01", "5.01"]),
        ("--subtract-strength", "-1 to 5", &["-1.01", "5.01"]),
        ("--start", "0 to 1", &["-0.01", "1.01"]),
        ("--end", "0 to 1", &["-0.01", "1.01"]),
        ("--denoise", "0 to 1", &["-0.01", "1.01"]),
    ];
    for (flag, range, values) in flags {
        for value in no_numbers.iter().chain(values) {
            place.render_refused(&[flag, value], &[flag, &format!("'{value}'"), range]);
        }
        // The same after a reference, where a flag may belong to it.
        place.render_refused(&["--reference", "a.png", flag, "nan"], &[flag, "'nan'", range]);
    }
}

#[test]
fn a_start_after_the_end_is_refused() {
    Place::new().render_refused(&["--start", "0.6", "--end", "0.5"], &["start", "0.6", "end"]);
}

#[test]
fn unknown_words_list_the_known_ones() {
    let place = Place::new();
    for (flag, value, known) in [
        ("--mode", "Style", "style-layout"),
        ("--mode", "", "precise"),
        ("--scheduler", "heun", "dpmpp-2m-karras"),
        ("--device", "gpu", "metal"),
        ("--dtype", "f64", "bf16"),
        ("--crop", "centre", "stretch"),
        ("--crop", "1,2,3", "X,Y,W,H"),
        ("--crop", "0,0,0,5", "X,Y,W,H"),
        ("--crop", "-1,0,5,5", "X,Y,W,H"),
        ("--crop", "0,0,1e3,5", "X,Y,W,H"),
        ("--crop", "0,0,99999999999,5", "X,Y,W,H"),
    ] {
        place.render_refused(&[flag, value], &[flag, &format!("'{value}'"), known]);
    }
}

#[test]
fn blocks_are_pairs_of_a_name_and_a_scale() {
    let place = Place::new();
    for (value, word) in [
        ("", "NAME=SCALE"),
        ("up_blocks.0", "NAME=SCALE"),
        ("a=1,", "NAME=SCALE"),
        ("=1", "empty"),
        ("a=", "'a'"),
        ("a=nan", "'nan'"),
        ("a=inf", "'inf'"),
        ("a=6", "-1 to 5"),
        ("a=1,a=2", "twice"),
    ] {
        place.render_refused(&["--blocks", value], &["--blocks", word]);
    }
}

#[test]
fn precise_without_an_unconditional_side_is_refused() {
    let place = Place::new();
    place.render_refused(&["--reference", "a.png", "--mode", "precise", "--guidance", "1"], &["precise", "guidance"]);
}

#[test]
fn a_device_that_is_not_built_in_names_its_feature() {
    let place = Place::new();
    if !cfg!(feature = "cuda") {
        place.render_refused(&["--device", "cuda"], &["'cuda'", "--features cuda"]);
    }
    if !cfg!(feature = "metal") {
        place.render_refused(&["--device", "metal"], &["'metal'", "--features metal"]);
    }
}

#[test]
fn the_target_is_checked_before_any_work() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("folder.png")).unwrap();
    for (arguments, word) in [
        (&["render", "--out", "missing/o.png"][..], "--out"),
        (&["render", "--out", "folder.png"], "folder"),
        (&["render", "--out", "a.png/o.png"], "--out"),
        (&["render", "--out", ""], "--out"),
        (&["render", "--out", "o.gif"], ".png"),
        (&["render", "--out", "o"], ".png"),
        (&["render", "--out", "o.png", "--save-latents", "missing/l.safetensors"], "--save-latents"),
        (&["render", "--out", "o.png", "--save-latents", "folder.png"], "--save-latents"),
        (&["render", "--out", "o.png", "--save-latents", "./o.png"], "same file"),
        (&["render", "--out", "./a.png", "--reference", "a.png"], "--reference"),
        (&["render", "--out", "a.png", "--init", "a.png"], "--init"),
        // The target comes first: the reference is missing too, and is not looked at.
        (&["render", "--out", "missing/o.png", "--reference", "missing.jpg"], "--out"),
    ] {
        let line = place.refused(arguments);
        assert!(line.contains(word), "{arguments:?}: {line}");
    }
}

#[test]
fn a_recipe_that_a_jpeg_has_no_room_for_is_refused_before_the_work() {
    let place = Place::new();
    // Spaces cost no tokens.
    let prompt = format!("a{}b", " ".repeat(70_000));
    for command in [&["render"][..], &["board", "--x", "seed=1,2"]] {
        let line = place.refused(&[command, &["--prompt", &prompt, "--out", "o.jpg"]].concat());
        assert!(line.contains("o.jpg") && line.contains("64 KiB") && line.contains("PNG"), "{line}");
        assert!(!place.path().join("o.jpg").exists());
    }
}

#[test]
fn nothing_that_is_read_is_replaced() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().join("model/unet")).unwrap();
    std::fs::create_dir(place.path().join("vision")).unwrap();
    place.write("model/unet/weights.safetensors", "w");
    place.write("file.safetensors", "f");
    for (flag, read, latents) in [
        ("--model", "model", "model/unet/weights.safetensors"),
        ("--model", "model", "model/new.safetensors"),
        ("--vae", "model/unet", "model/unet/weights.safetensors"),
        ("--image-encoder", "vision", "vision/new.safetensors"),
        ("--model", "file.safetensors", "file.safetensors"),
        ("--vae", "file.safetensors", "./file.safetensors"),
        ("--lora", "file.safetensors", "file.safetensors"),
        ("--adapter", "file.safetensors", "model/../file.safetensors"),
        // `--out` may take the place of the picture that it is made from; latents may not.
        ("--from", "a.png", "./a.png"),
    ] {
        place.render_refused(&[flag, read, "--save-latents", latents], &["--save-latents", flag, "another place"]);
    }
    #[cfg(unix)]
    {
        // Also where a link leads out of the model's folder.
        std::os::unix::fs::symlink("../file.safetensors", place.path().join("model/linked")).unwrap();
        place.render_refused(&["--model", "model", "--save-latents", "model/linked"], &["--save-latents", "--model"]);
    }
    assert_eq!(std::fs::read(place.path().join("file.safetensors")).unwrap(), b"f");
}

#[test]
fn forgotten_and_unknown_words_are_told_in_one_line() {
    let place = Place::new();
    for (arguments, words) in [
        (&["render"][..], &["--out"][..]),
        (&["render", "--out"], &["--out", "no value"]),
        (&["render", "--out", "--json"], &["--out", "no value"]),
        (&["render", "--prompt", "--out", "o.png"], &["--prompt", "no value"]),
        (&["render", "--steps", "--out=o.png"], &["--steps", "no value"]),
        (&["render", "--out", "o.png", "--stepz", "3"], &["--stepz", "--steps"]),
        (&["render", "--out", "o.png", "a.png"], &["a.png"]),
        (&["render", "--out", "o.png", "-x"], &["-x"]),
        (&["render", "--out", "o.png", "--json=yes"], &["--json", "yes"]),
        (&["render", "--out", "o.png", "--recipe", "a.json", "--from", "a.png"], &["--recipe", "--from"]),
        (&["inspect"], &["FILE"]),
        (&["inspect", "--deep", "a.png"], &["--deep"]),
        (&["--fullscreen"], &["--fullscreen", "`instantstyle --help`"]),
        // The help that is named is that of the command which was meant, however deep.
        (&["bench", "--foo"], &["--foo", "`instantstyle bench --help`"]),
        (&["inspect", "--json", "a.png"], &["--json", "`instantstyle inspect --help`"]),
        (&["models", "list", "--foo"], &["--foo", "`instantstyle models list --help`"]),
        (&["models", "folders", "foo"], &["'foo'", "`instantstyle models folders --help`"]),
        (&["library", "foo"], &["'foo'", "`instantstyle library --help`"]),
        (&["styles", "list", "foo"], &["'foo'", "`instantstyle styles list --help`"]),
        (&["board", "--save-latents", "x"], &["--save-latents", "belongs to render", "`instantstyle board --help`"]),
        (&["library", "list", "--search", "--stars"], &["--search", "no value", "--stars"]),
        (&["styles", "save", "Z", "--reference", "a.png", "--subtract", "--strength"], &["--subtract", "no value"]),
        (&["styles", "save", "Z", "--reference", "a.png", "--reference", "a.png"], &["--reference", "more than once"]),
        (&["styles", "save", "Z", "--reference", ""], &["--reference", "empty"]),
        (&["inspect", "a.png", ""], &["empty", "a file"]),
        (&["models", "folders", "add", ""], &["empty", "a folder"]),
        (&["models", "import", "a.png", "--out", "a.bin", "--out", "o.safetensors"], &["a.png is a picture"]),
    ] {
        let line = place.refused(arguments);
        for word in words {
            assert!(line.contains(word), "{arguments:?}: '{word}' is not in: {line}");
        }
    }
}

#[test]
fn a_flag_that_is_given_again_is_no_fault() {
    let place = Place::new();
    for arguments in [
        &["library", "list", "--limit", "1", "--limit", "2", "--json", "--json"][..],
        &["styles", "list", "--json", "--json"],
        &["models", "list", "--json", "--json"],
    ] {
        let output = place.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_command_is_never_a_picture() {
    let place = Place::new();
    for command in ["board", "evaluate", "inspect", "bench", "models"] {
        // Even where a file has that name.
        place.write(command, "x");
        let line = place.refused(&[command, "--nothing"]);
        assert!(line.contains("--nothing"), "{command}: {line}");
        let line = place.refused(&["a.png", command]);
        assert!(line.contains(&format!("'{command}' must be the first word")), "{line}");
    }
    let line = place.refused(&["a.png", "render"]);
    assert!(line.contains("'render'"), "{line}");
}

#[test]
fn bad_pictures_are_named() {
    let place = Place::new();
    place.write("empty.png", "");
    place.write("text.png", "no picture at all");
    place.write("new\nline.png", "no picture");
    let whole = std::fs::read(place.path().join("a.png")).unwrap();
    place.write("cut.png", &whole[..whole.len() / 2]);
    for name in ["missing.png", "empty.png", "text.png", "cut.png", "."] {
        place.render_refused(&["--reference", name], &[name]);
        place.render_refused(&["--init", name], &[name]);
    }
    place.render_refused(&["--reference", "new\nline.png"], &["line.png"]);
    place.render_refused(&["--reference", ""], &["--reference"]);
    place.render_refused(&["--reference", "a.png", "--crop", "30,0,11,10"], &["30,0,11,10", "40 x 30"]);
    place.render_refused(&["--reference", "a.png", "--crop", "4294967295,0,4294967295,10"], &["40 x 30"]);
}

#[test]
fn bad_recipes_are_named() {
    let place = Place::new();
    let nested = "[".repeat(100_000);
    let hash = "0".repeat(64);
    let unknown = format!(r#"{{"references": [{{"hash": "{hash}", "name": "sea.jpg"}}]}}"#);
    for (name, content, words) in [
        ("empty.json", "", &["recipe"][..]),
        ("list.json", "[]", &["recipe"]),
        ("nested.json", &nested, &["recipe"]),
        ("field.json", r#"{"stepz": 3}"#, &["stepz"]),
        ("type.json", r#"{"steps": "three"}"#, &["three", "line 1"]),
        ("null.json", r#"{"start": null}"#, &["recipe"]),
        ("huge.json", r#"{"start": 1e999}"#, &["recipe"]),
        ("newer.json", r#"{"version": 99, "dreams": 1}"#, &["version 99", "update"]),
        ("steps.json", r#"{"steps": 0}"#, &["steps", "1 to 1000"]),
        ("strength.json", r#"{"references": [{"strength": 6}]}"#, &["strength", "-1 to 5"]),
        ("unnamed.json", r#"{"references": [{}]}"#, &["reference 1", "--reference"]),
        ("unknown.json", &unknown, &["reference 1", "sea.jpg", "--reference"]),
        ("path.json", r#"{"references": [{"hash": "../../a.png", "name": "sea.jpg"}]}"#, &["sea.jpg", "library"]),
        ("init.json", r#"{"init": {"hash": "abc", "name": "plan.png"}}"#, &["plan.png", "--init"]),
    ] {
        place.write(name, content);
        place.render_refused(&["--recipe", name], words);
    }
    place.render_refused(&["--recipe", "steps.json"], &["steps.json"]);
    place.render_refused(&["--recipe", "missing.json"], &["missing.json"]);
    place.render_refused(&["--recipe", "."], &["folder"]);
    place.render_refused(&["--recipe", "a.png"], &["--from"]);
    place.render_refused(&["--from", "a.png"], &["a.png", "no recipe"]);
    place.render_refused(&["--from", "steps.json"], &["steps.json"]);
    place.render_refused(&["--from", "missing.png"], &["missing.png"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_recipe_may_come_through_a_pipe_that_ends() {
    let place = Place::new();
    place.render_refused(&["--recipe", "/dev/zero"], &["/dev/zero", "too large"]);
    let mut render = Command::new(env!("CARGO_BIN_EXE_instantstyle"))
        .args(["render", "--recipe", "/dev/stdin", "--out", "o.png"])
        .current_dir(place.path())
        .env("INSTANTSTYLE_HOME", place.path().join("home"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    render.stdin.take().unwrap().write_all(br#"{"steps": 0}"#).unwrap();
    let output = render.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("steps is 0"), "{said}");
}

#[test]
fn inspect_reports_every_file_and_fails_if_one_is_bad() {
    let place = Place::new();
    place.write("text.safetensors", "no weights at all");
    place.write("recipe.json", r#"{"prompt": "a fish"}"#);
    let output = place.run(&["inspect", "missing.safetensors", "a.png", "text.safetensors", "recipe.json"]);
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout.contains("a.png: a picture, 40 x 30 pixels") && stdout.contains("a fish"), "{stdout}");
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(lines[0].contains("missing.safetensors") && lines[1].contains("text.safetensors"), "{stderr}");

    let output = place.run(&["inspect", "a.png", "recipe.json"]);
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn inspect_names_every_file_and_what_it_is() {
    let place = Place::new();
    place.write("steps.json", r#"{"steps": 0}"#);
    place.write("list.json", "[1]");
    place.write("empty.json", "");
    place.write("cut.json", r#"{"prompt": "a fi"#);
    place.write("answer.json", r#"{"error": "no such model"}"#);
    place.write("model_index.json", r#"{"_class_name": "StableDiffusionXLPipeline"}"#);
    place.write("unet.json", r#"{"_class_name": "UNet2DConditionModel", "sample_size": 128}"#);
    place.write("config.json", r#"{"architectures": ["CLIPTextModel"]}"#);
    place.write("m.safetensors.index.json", r#"{"weight_map": {"a": "gone.safetensors"}}"#);
    place.write("marked.json", "\u{feff}{\"prompt\": \"a fish\"}");
    assert!(place.run(&["styles", "save", "Ink", "--reference", "a.png"]).status.success());
    assert!(place.run(&["styles", "export", "Ink", "ink.zip"]).status.success());
    place.write("bad.instantstyle-style", "PK");
    std::fs::create_dir(place.path().join("nothing")).unwrap();
    for (name, status, words) in [
        ("steps.json", 2, "steps is 0"),
        ("list.json", 2, "neither a recipe"),
        ("empty.json", 2, "is empty"),
        ("cut.json", 2, "no whole JSON"),
        ("answer.json", 2, "'error'"),
        ("model_index.json", 0, "the index of a model in diffusers format (StableDiffusionXLPipeline)"),
        ("unet.json", 0, "the settings of a part of a model (UNet2DConditionModel)"),
        ("config.json", 0, "CLIPTextModel"),
        ("m.safetensors.index.json", 2, "'gone.safetensors' is not beside it"),
        ("marked.json", 0, "a recipe"),
        ("ink.zip", 0, "a style, 'Ink'"),
        ("bad.instantstyle-style", 2, "no style"),
        ("nothing", 2, "model_index.json or config.json"),
    ] {
        let output = place.run(&["inspect", name]);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(status), "{name}: {said}");
        assert!(said.contains(name) && said.contains(words), "{name}: {said}");
    }
    // A mark at the beginning is no fault for `render` either: the recipe is read, and then lacks nothing but a model.
    place.render_refused(&["--recipe", "marked.json", "--model", "nowhere"], &["nowhere"]);
}

#[test]
fn help_and_version_are_no_errors() {
    let place = Place::new();
    for arguments in [&["--help"][..], &["-h"], &["--version"], &["render", "--help"], &["inspect", "--help"]] {
        let output = place.run(arguments);
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{arguments:?}");
        assert!(!output.stdout.is_empty(), "{arguments:?}");
    }
    let help = String::from_utf8(place.run(&["render", "--help"]).stdout).unwrap();
    let flags = "model adapter image-encoder reference crop prompt negative mode strength layout-strength blocks subtract \
        subtract-strength start end init denoise steps guidance scheduler seed width height device dtype save-latents json \
        recipe from out";
    for flag in flags.split_whitespace() {
        assert!(help.contains(&format!("--{flag} ")), "--{flag} is not in the help");
    }
}
