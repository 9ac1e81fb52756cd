//! The words of the command line: which commands and flags there are, and what `--help` says about them.
//!
//! The contract is product.md, "The command line". Values are taken as plain text here and read in `flags`, because
//! one sentence that names the flag, the value and the range says more than a parser's message.

use std::ffi::OsString;

use clap::builder::{OsStringValueParser, PathBufValueParser};
use clap::{Arg, ArgAction, Command};

use super::evaluate::DEFAULT_PICTURES;
use crate::board::{Field, MOST_CELLS, Preset};
use crate::recipe::{Role, SchedulerName};

/// The commands: a word of this list is never a picture.
pub const COMMANDS: &[&str] = &["render", "board", "evaluate", "inspect", "bench", "models", "library", "styles"];

/// Flags that, after a `--reference`, belong to that reference; before the first they are for all.
pub const SCOPED: &[&str] = &["mode", "blocks", "strength", "layout-strength", "crop", "subtract", "subtract-strength"];

const ABOUT: &str = "Paint a prompt in the style of a reference picture (InstantStyle on SDXL with an IP-Adapter)";

const RENDER_EXAMPLES: &str = "\
Examples:
  instantstyle render --reference sea.jpg --prompt \"a fish\" --out fish.png
  instantstyle render --reference rabbit.png --subtract \"a rabbit\" \\
    --prompt \"a castle\" --seed 7 --out castle.png
  instantstyle render --reference paint.jpg --strength 0.8 \\
    --reference plan.jpg --mode layout --prompt \"a harbour\" --out harbour.png
  instantstyle render --from castle.png --steps 40 --out finer.png

--crop, --mode, --strength, --layout-strength, --blocks, --subtract and
--subtract-strength after a --reference belong to that reference; before the
first --reference they are for all. --style NAME counts as a reference.
In the same way --lora-strength and --lora-blocks belong to a --lora.";

const BOARD_EXAMPLES: &str = "\
Examples:
  instantstyle board --preset which-mode --reference sea.jpg \\
    --prompt \"a fish\" --out modes.png
  instantstyle board --x \"strength=0..2 step 0.5\" --y mode=style,everything \\
    --reference sea.jpg --prompt \"a fish\" --html strengths --out strengths.png
  instantstyle board --x reference=sea.jpg,rabbit.png --y \"prompt=a fish,\\\"a cat, red\\\"\" \\
    --out references.png

An AXIS is a field of the recipe by its flag's name, or a block of the model:
  strength, layout-strength, subtract-strength, lora-strength, start, end, denoise,
  guidance, steps, seed, width, height and a block (such as
  up_blocks.0.attentions.1) take numbers or ranges: 0,0.5,1 or 0..1 step 0.25
  (whole numbers: 1..4)
  mode, scheduler, crop, blocks, lora-blocks take the words of their flags
  prompt, negative, subtract take texts; reference, init take pictures; size
  takes WIDTHxHEIGHT
A value that holds a comma stands in quotation marks, and \"\" inside them is one
mark. AXIS@2 changes the second reference (or LoRA) only. A block's axis leaves the
other blocks as the mode sets them. All cells share the model's files, the LoRAs'
files, --style, --device and --dtype. At most 400 cells.";

/// The whole command line.
pub fn command() -> Command {
    Command::new("instantstyle")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .override_usage("instantstyle [PICTURE…]\n       instantstyle <COMMAND> …")
        .after_help("See `instantstyle render --help` for the flags of a command.")
        .subcommand_precedence_over_arg(true)
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .max_term_width(110)
        .arg(
            Arg::new("picture")
                .value_name("PICTURE")
                .num_args(0..)
                .value_parser(PathBufValueParser::new())
                .help("Open the window with these pictures as references"),
        )
        .subcommand(render())
        .subcommand(board())
        .subcommand(evaluate())
        .subcommand(inspect())
        .subcommand(super::bench::command())
        .subcommand(super::library::command())
        .subcommand(super::styles::command())
        .subcommand(super::models_command::command())
}

fn render() -> Command {
    painting("render", false)
        .about("Make one picture")
        .override_usage("instantstyle render [--recipe FILE.json | --from PICTURE.png] [FLAGS] --out FILE.png")
        .after_help(RENDER_EXAMPLES)
        .next_help_heading("Output")
        .arg(path(
            "out",
            "FILE.png",
            "Where the picture goes: .png, .jpg, .webp or .tif, each with its recipe inside; an existing file is replaced \
             (required)",
        ))
        .arg(path("save-latents", "FILE", "Also save the final latents (safetensors, one f32 tensor `latents`)"))
        .arg(switch("json", "Print one JSON line: seconds per stage and per step, peak memory, device, seed"))
}

fn board() -> Command {
    let presets = Preset::ALL.map(|preset| format!("{} ({})", preset.name(), preset.question())).join(", ");
    painting("board", true)
        .about("Make a grid of pictures over one or two settings, as one contact sheet")
        .override_usage("instantstyle board [FLAGS OF RENDER] --x AXIS=V1,V2,… [--y AXIS=…] --out FILE.png")
        .after_help(BOARD_EXAMPLES)
        .next_help_heading("Output")
        .arg(path("out", "FILE.png", "Where the contact sheet goes (.png, .jpg, .webp, .tif); an existing file is replaced (required)"))
        .arg(path("cells", "FOLDER", "Also write every cell as a picture of its own"))
        .arg(path("html", "FOLDER", "Also write a page for a browser, index.html with its cells, that zooms all of them at once"))
        .arg(switch(
            "numbers",
            "Measure each cell with the model's CLIP towers: match with the prompt, match with the reference, leak of the \
             words to subtract",
        ))
        .arg(switch("json", "Print one JSON line: cells, seconds per cell and per stage, encoder runs, shared steps"))
        .mut_arg("x", |arg| arg.help(format!("The columns: {} or a block's name; at most {MOST_CELLS} cells", Field::ALL.map(Field::name).join(", "))))
        .mut_arg("preset", |arg| arg.help(format!("Ready-made columns: {presets}")))
}

/// A command with everything that shapes a picture.
fn painting(name: &'static str, with_axes: bool) -> Command {
    let command = Command::new(name).args_override_self(true).max_term_width(110);
    let command = match with_axes {
        true => command
            .next_help_heading("Axes")
            .arg(text("x", "AXIS=V1,V2,…", ""))
            .arg(text("y", "AXIS=V1,V2,…", "The rows, in the same way; without it there is one row"))
            .arg(text("preset", "NAME", "")),
        false => command,
    };
    let command = command
        .next_help_heading("What to paint")
        .arg(text("prompt", "TEXT", "What to paint"))
        .arg(text("negative", "TEXT", "What to keep out of the picture"))
        .arg(path("recipe", "FILE.json", "Begin from a recipe; flags beside it override its fields"))
        .arg(path("from", "PICTURE.png", "Begin from the recipe inside a picture that this program made; flags override it"))
        .next_help_heading("References")
        .arg(
            path("reference", "PATH", "A picture whose style or layout is taken; give the flag again for more pictures")
                .action(ArgAction::Append),
        )
        .arg(
            text("style", "NAME", "A style that was saved, in the place of a reference; flags after it override it")
                .action(ArgAction::Append),
        )
        .arg(scoped("mode", "MODE", format!("What is taken from a reference: {} [default: style]", Role::MODES.join(", "))))
        .arg(scoped("strength", "F", "Style strength, -1 to 5 [default: 1]"))
        .arg(scoped("layout-strength", "F", "Layout strength, -1 to 5 [default: 1]"))
        .arg(scoped(
            "blocks",
            "NAME=SCALE,…",
            "Scales by block, such as up_blocks.0.attentions.1=1.0; a block not named is 0; overrides --mode",
        ))
        .arg(scoped(
            "crop",
            "CROP",
            "Which part of a reference is looked at: fill (the centre square), fit (all, on white), stretch, or X,Y,W,H in \
             pixels [default: fill]",
        ))
        .arg(scoped("subtract", "TEXT", "Words for what a reference shows, taken out so that its style is what is left"))
        .arg(scoped("subtract-strength", "F", "How strongly the words of --subtract are taken out, -1 to 5 [default: 0.5]"))
        .arg(text("start", "F", "References enter from this part of the steps on, 0 to 1 [default: 0]"))
        .arg(text("end", "F", "References enter up to this part of the steps, 0 to 1 [default: 1]"))
        .next_help_heading("Image to image")
        .arg(path("init", "PATH", "A picture to begin from"))
        .arg(text("denoise", "F", "How much of it is repainted, 0 to 1 [default: 0.6]"))
        .next_help_heading("Sampling")
        .arg(text("steps", "N", "1 to 1000 [default: the model's]"))
        .arg(text("guidance", "F", "How closely the prompt is followed, 0 to 100 [default: the model's]"))
        .arg(text("scheduler", "NAME", format!("{} [default: the model's]", SchedulerName::NAMES.join(", "))))
        .arg(text("seed", "N", "0 to 18446744073709551615 [default: random, and printed]"))
        .arg(text("width", "N", "8 to 8192 pixels, a multiple of 8 [default: the model's]"))
        .arg(text("height", "N", "8 to 8192 pixels, a multiple of 8 [default: the model's]"));
    with_loras(with_model(command))
}

/// The flags of LoRAs.
fn with_loras(command: Command) -> Command {
    command
        .next_help_heading("LoRAs")
        .arg(
            path("lora", "PATH", "A LoRA that is merged into the model; give the flag again for more")
                .action(ArgAction::Append),
        )
        .arg(scoped("lora-strength", "F", "Strength of a LoRA, -1 to 5 [default: 1]"))
        .arg(scoped(
            "lora-blocks",
            "NAME,…",
            "Keep a LoRA to these blocks, such as up_blocks.0.attentions.1; content and style are the halves of a B-LoRA",
        ))
}

/// The flags that name a model and where it computes.
fn with_model(command: Command) -> Command {
    command
        .next_help_heading("Model")
        .arg(path(
            "model",
            "PATH",
            "Diffusers folder or single .safetensors file, or a name of `models list` [default: the built-in model]",
        ))
        .arg(path("vae", "PATH", "Another VAE than the model's: its folder or a .safetensors file, or a name"))
        .arg(path("adapter", "PATH", "IP-Adapter weights, .safetensors, or a name"))
        .arg(path("image-encoder", "PATH", "CLIP vision folder (config.json and model.safetensors), or a name"))
        .arg(text("device", "NAME", "auto, cpu, cuda or metal [default: auto]"))
        .arg(text("dtype", "NAME", "auto, f32, f16 or bf16 [default: auto]"))
}

fn evaluate() -> Command {
    let command = Command::new("evaluate")
        .about("Say how well each mode keeps style, follows the prompt and avoids leaks, on the loaded model")
        .override_usage("instantstyle evaluate [FLAGS] [--json FILE]")
        .after_help("Example:\n  instantstyle evaluate --pictures 40 --json evaluation.json")
        .args_override_self(true)
        .max_term_width(110)
        .arg(text(
            "pictures",
            "N",
            format!("Pictures for each mode; more of them narrow the intervals [default: {DEFAULT_PICTURES}]"),
        ))
        .arg(path("json", "FILE", "Also write the figures as JSON; an existing file is replaced"));
    with_model(command)
}

fn inspect() -> Command {
    Command::new("inspect")
        .about("Say what a file is (from its header), what it needs, and what is wrong with it")
        .override_usage("instantstyle inspect FILE…")
        .after_help("Example:\n  instantstyle inspect sd_xl_base_1.0 ip-adapter_sdxl.safetensors castle.png")
        .max_term_width(110)
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .num_args(1..)
                .required(true)
                .value_parser(PathBufValueParser::new())
                .help("Weights, a model folder, a picture, a recipe or a style"),
        )
}

/// `command` with the flags of [`SCOPED`].
pub fn with_scoped(command: Command) -> Command {
    command.args(render().get_arguments().filter(|arg| SCOPED.contains(&arg.get_id().as_str())).cloned())
}

/// A flag with one value, the last one given winning. A value may begin with a dash ("-1").
pub fn text(name: &'static str, value: &'static str, help: impl Into<String>) -> Arg {
    Arg::new(name).long(name).value_name(value).allow_hyphen_values(true).help(help.into())
}

/// A flag without a value; giving it twice is no fault.
pub fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).overrides_with(name).help(help)
}

pub fn path(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).value_parser(OsStringValueParser::new()).help(help)
}

/// A flag of [`SCOPED`]: every occurrence is kept, with its place on the line.
fn scoped(name: &'static str, value: &'static str, help: impl Into<String>) -> Arg {
    text(name, value, help).action(ArgAction::Append)
}

/// The command that `words` begin with, however deep it lies, and its words: `styles save`.
pub fn named<'a>(whole: &'a Command, words: &[OsString]) -> (&'a Command, Vec<&'a str>) {
    let mut found = (whole, Vec::new());
    for word in words {
        let Some(inner) = word.to_str().and_then(|word| found.0.find_subcommand(word)) else { break };
        found.0 = inner;
        found.1.push(inner.get_name());
    }
    found
}

/// The commands that have the flag `--name`, by their words.
pub fn commands_with(whole: &Command, name: &str) -> Vec<String> {
    let inner = |command: &Command| {
        let above = command.get_name().to_owned();
        commands_with(command, name).into_iter().map(move |below| format!("{above} {below}")).collect::<Vec<_>>()
    };
    let mut out = Vec::new();
    for command in whole.get_subcommands().filter(|command| !command.is_hide_set()) {
        if command.get_arguments().any(|arg| arg.get_long() == Some(name)) {
            out.push(command.get_name().to_owned());
        }
        out.extend(inner(command));
    }
    out
}

/// The first flag in `words` whose value was forgotten, so that the next flag of their command stands in its place.
///
/// The parser cannot tell, because a prompt may begin with dashes; `--prompt=--out` says that it does.
pub fn forgotten_value(words: &[OsString]) -> Option<(String, String)> {
    let whole = command();
    let (command, path) = named(&whole, words);
    let known = |word: &str| {
        let name = word.strip_prefix("--")?;
        let name = name.split_once('=').map_or(name, |(name, _)| name);
        if name == "help" {
            return Some(false);
        }
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name))?;
        Some(arg.get_action().takes_values())
    };
    let mut words = words.iter().skip(path.len()).map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        if known(&word) == Some(true) && !word.contains('=') {
            let value = words.next()?;
            if known(&value).is_some() {
                return Some((word.into_owned(), value.into_owned()));
            }
        }
    }
    None
}
