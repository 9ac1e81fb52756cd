//! The words of `instantstyle models`, and what `--help` says about them.

use clap::builder::PathBufValueParser;
use clap::{Arg, Command};

use super::args::{path, switch};
use crate::models::CONVERT;

const MODELS_HELP: &str = "\
Examples:
  instantstyle models list
  instantstyle models get sdxl-base ip-adapter-sdxl clip-vit-bigg
  instantstyle models folders add ~/ComfyUI
  instantstyle models import ip-adapter_sdxl.bin --out ip-adapter_sdxl.safetensors

Models are looked for in the program's own store, in Hugging Face's cache, in
the folders that were added, and in those of INSTANTSTYLE_MODELS (separated as
in PATH). A file is known by its content, not by its name.
HF_ENDPOINT names a mirror, HF_TOKEN a login for files that want one.
A download that was stopped (Ctrl+C) goes on where it was when run again.";

/// `instantstyle models` and what belongs to it.
pub fn command() -> Command {
    let sub = |name: &'static str, about: &'static str| Command::new(name).about(about).max_term_width(110);
    let folder =
        || Arg::new("folder").value_name("FOLDER").required(true).num_args(1..).value_parser(PathBufValueParser::new());
    sub("models", "Find, fetch and convert model files")
        .override_usage("instantstyle models <COMMAND> …")
        .after_help(MODELS_HELP)
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommand(
            sub("list", "The models that there are: purpose, size, licence, and where they lie")
                .override_usage("instantstyle models list [--json]")
                .arg(switch("json", "Print one JSON line")),
        )
        .subcommand(
            sub("get", "Fetch models of the list; one that is on this computer already is not fetched again")
                .override_usage("instantstyle models get NAME… [--yes]")
                .arg(Arg::new("name").value_name("NAME").required(true).num_args(1..).help("Names of `models list`"))
                .arg(switch("yes", "Accept the licence without being asked")),
        )
        .subcommand(
            sub("import", "Convert a .bin of torch to safetensors, in a process of its own that runs nothing of it")
                .override_usage("instantstyle models import FILE.bin --out FILE.safetensors")
                .arg(
                    Arg::new("file")
                        .value_name("FILE.bin")
                        .required(true)
                        .value_parser(PathBufValueParser::new())
                        .help("A file that torch.save wrote, such as an IP-Adapter"),
                )
                .arg(
                    path("out", "FILE.safetensors", "Where the result goes; an existing file is replaced (required)")
                        .overrides_with("out"),
                ),
        )
        // What `import` starts: it is confined and then opens the file.
        .subcommand(
            Command::new(CONVERT)
                .hide(true)
                .arg(Arg::new("file").required(true).value_parser(PathBufValueParser::new()))
                .arg(Arg::new("out").required(true).value_parser(PathBufValueParser::new())),
        )
        .subcommand(
            sub("folders", "Show or change the folders that are searched for models")
                .override_usage("instantstyle models folders [list | add FOLDER… | remove FOLDER…]")
                .disable_help_subcommand(true)
                .subcommand(sub("list", "Show the folders"))
                .subcommand(sub("add", "Search these folders, too, such as that of ComfyUI or A1111").arg(folder()))
                .subcommand(sub("remove", "Search these folders no more").arg(folder())),
        )
}
