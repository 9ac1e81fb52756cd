//! The parser's complaints, each as one sentence that says what to do.

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use super::error::{CliError, one_line, shown};

/// The error behind a refused command line. `--help` and `--version` are no errors and must not come here.
pub fn explain(error: &Error) -> CliError {
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
        ErrorKind::UnknownArgument => {
            let advice = match context(ContextKind::SuggestedArg) {
                Some(known) => format!("did you mean {known}?"),
                None => "see `instantstyle render --help` for the flags that there are".to_owned(),
            };
            let what = if flag.starts_with('-') { "there is no flag" } else { "nothing is expected at the word" };
            format!("{what} '{}'; {advice}", shown(&flag))
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("{flag_name} has no value; write it as {flag}"),
        ErrorKind::InvalidValue => format!("{flag_name} cannot be '{}'", shown(&value)),
        ErrorKind::TooManyValues if flag_name == "--json" => {
            format!("--json takes no value, but has '{}'", shown(&value))
        }
        ErrorKind::TooManyValues => format!("{flag_name} takes no value '{}'", shown(&value)),
        ErrorKind::MissingRequiredArgument => match flag_name.as_str() {
            "<NAME>..." => "name at least one model of `instantstyle models list`".to_owned(),
            "<FILE.bin>" => "name the file to convert: models import FILE.bin --out FILE.safetensors".to_owned(),
            "<FOLDER>..." => "name at least one folder".to_owned(),
            _ => "name at least one file: instantstyle inspect FILE…".to_owned(),
        },
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "say what to do: models list, get, import or folders".to_owned()
        }
        ErrorKind::InvalidSubcommand => {
            format!(
                "there is no command '{}' here; see `instantstyle models --help`",
                shown(&context(ContextKind::InvalidSubcommand).unwrap_or_default())
            )
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
