//! The parser's complaints, each as one sentence that says what to do.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use super::args;
use super::error::{CliError, one_line, shown};

/// The error behind the refused `words`. `--help` and `--version` are no errors and must not come here.
pub fn explain(error: &Error, words: &[OsString]) -> CliError {
    let whole = args::command();
    let (_, path) = args::named(&whole, words);
    // `instantstyle`, or a command of it as one types it.
    let command = std::iter::once("instantstyle").chain(path.iter().copied()).collect::<Vec<_>>().join(" ");
    let help = format!("see `{command} --help`");
    let context = |kind| {
        error.get(kind).and_then(|value| match value {
            ContextValue::String(text) => Some(text.clone()),
            ContextValue::Strings(texts) => texts.first().cloned(),
            _ => None,
        })
    };
    // The parser shows a flag with its value's name: "--out <FILE.png>".
    let flag = context(ContextKind::InvalidArg).unwrap_or_default();
    let flag_name = flag.split([' ', '=']).next().unwrap_or(&flag).to_owned();
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    let sentence = match error.kind() {
        ErrorKind::UnknownArgument if flag.starts_with('-') => {
            let advice = match context(ContextKind::SuggestedArg) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("{}{help}", whose(&whole, &flag)),
            };
            format!("`{command}` has no flag '{}'; {advice}", shown(&flag))
        }
        ErrorKind::UnknownArgument => format!("nothing is expected at the word '{}'; {help}", shown(&flag)),
        ErrorKind::InvalidValue if value.is_empty() && flag.starts_with('-') => {
            format!("{flag_name} has no value; write it as {flag}")
        }
        // A path without a letter, as a script gives it whose variable is not set.
        ErrorKind::InvalidValue if value.is_empty() => {
            let what = match flag_name.contains("FOLDER") {
                true => "a folder",
                false if flag_name.contains("PICTURE") => "a picture",
                false => "a file",
            };
            format!("one of the words is empty where {what} is to be named; name it or leave the word out")
        }
        ErrorKind::InvalidValue => format!("{flag_name} cannot be '{}'", shown(&value)),
        ErrorKind::TooManyValues if flag_name == "--json" => {
            format!("--json takes no value, but has '{}'", shown(&value))
        }
        ErrorKind::TooManyValues => format!("{flag_name} takes no value '{}'", shown(&value)),
        ErrorKind::MissingRequiredArgument => match flag_name.as_str() {
            "<NAME>..." => "name at least one model of `instantstyle models list`".to_owned(),
            "<FILE.bin>" => "name the file to convert: models import FILE.bin --out FILE.safetensors".to_owned(),
            "<FOLDER>..." => "name at least one folder".to_owned(),
            _ => format!("name at least one file: {command} FILE…"),
        },
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "say what to do: models list, get, import or folders".to_owned()
        }
        ErrorKind::InvalidSubcommand => format!(
            "`{command}` has no command '{}'; {help}",
            shown(&context(ContextKind::InvalidSubcommand).unwrap_or_default())
        ),
        ErrorKind::ArgumentConflict if flag.starts_with('-') => {
            format!("{flag_name} is given more than once; give it once")
        }
        ErrorKind::ArgumentConflict => {
            "a picture and a command cannot stand side by side; begin with the command, such as `instantstyle render`"
                .to_owned()
        }
        ErrorKind::InvalidUtf8 => "a text on the command line is not valid UTF-8; type it again".to_owned(),
        _ => {
            let text = error.to_string();
            one_line(text.lines().next().unwrap_or_default().trim_start_matches("error: "))
        }
    };
    CliError::usage(sentence)
}

/// Which commands have the flag, where they are few: "it belongs to styles save; ".
fn whose(whole: &clap::Command, flag: &str) -> String {
    const MOST: usize = 3;
    let name = flag.strip_prefix("--").and_then(|flag| flag.split('=').next()).unwrap_or_default();
    let commands = args::commands_with(whole, name);
    match commands.is_empty() || commands.len() > MOST {
        true => String::new(),
        false => format!("it belongs to {}; ", commands.join(", ")),
    }
}
