//! `instantstyle styles`: the artist's own styles, and `--style NAME` in the place of a reference.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command};
use serde::Serialize;

use super::args::{self, path, switch};
use super::compose::{apply, file_name};
use super::error::{CliError, one_line};
use super::flags::{Scope, scopes};
use super::{print_line, recall};
use crate::library::{self, LibraryError, Style, Styles};
use crate::pixels::Picture;
use crate::recipe::Reference;

const EXAMPLES: &str = "\
Examples:
  instantstyle styles save Ink --reference ink.jpg --strength 0.8 --subtract \"a bridge\"
  instantstyle render --style Ink --prompt \"a castle\" --out castle.png
  instantstyle styles export Ink ink.instantstyle-style
  instantstyle styles import ink.instantstyle-style";

/// The words of this command.
pub fn command() -> Command {
    let command = |name: &'static str, about: &'static str| Command::new(name).about(about).max_term_width(110);
    let name = || Arg::new("name").value_name("NAME").help("The style's name, in whatever case");
    let file =
        |help: &'static str| Arg::new("file").value_name("FILE").value_parser(clap::value_parser!(PathBuf)).help(help);
    let save = command("save", "Keep a reference, and how it is used, as a style")
        .override_usage("instantstyle styles save NAME --reference PATH [--mode M] [--strength F] [--subtract TEXT] …")
        .arg(name())
        .arg(path("reference", "PATH", "The picture whose style it is"));
    let save = args::with_scoped(save);
    command("styles", "Keep styles under names, and exchange them as files")
        .override_usage("instantstyle styles <list | save | export | import | remove> …")
        .after_help(EXAMPLES)
        .disable_help_subcommand(true)
        .subcommand(
            command("list", "List the styles")
                .override_usage("instantstyle styles list [--json]")
                .arg(switch("json", "Print one JSON line for each style")),
        )
        .subcommand(save)
        .subcommand(
            command("export", "Write a style as one file, to be given to others")
                .override_usage("instantstyle styles export NAME FILE")
                .arg(name())
                .arg(file("Where to; an existing file is replaced")),
        )
        .subcommand(
            command("import", "Take in styles from files")
                .override_usage("instantstyle styles import FILE…")
                .arg(file("Files that `styles export` wrote").num_args(0..)),
        )
        .subcommand(command("remove", "Remove a style").override_usage("instantstyle styles remove NAME").arg(name()))
}

/// Does what `matches` say.
///
/// # Errors
/// A name or a file that is missing or no style's, or a home that takes nothing.
pub fn run(matches: &ArgMatches) -> Result<(), CliError> {
    let styles = styles()?;
    match matches.subcommand() {
        Some(("list", matches)) => list(&styles, matches.get_flag("json")),
        Some(("save", matches)) => save(&styles, matches),
        Some(("export", matches)) => {
            let to = matches.get_one::<PathBuf>("file");
            let to = to.ok_or_else(|| CliError::usage("name the file: styles export NAME FILE"))?;
            styles.export(name(matches)?, to).map_err(explain)
        }
        Some(("import", matches)) => {
            let files: Vec<&PathBuf> = matches.get_many("file").into_iter().flatten().collect();
            if files.is_empty() {
                return Err(CliError::usage("name at least one file: styles import FILE…"));
            }
            for file in files {
                print_line(&one_line(&styles.import(file).map_err(explain)?.name))?;
            }
            Ok(())
        }
        Some((_, matches)) => styles.remove(name(matches)?).map(drop).map_err(explain),
        None => Err(CliError::usage("say what to do: styles list, save, export, import or remove")),
    }
}

/// The reference that `--style NAME` stands for: its kept picture, and a scope that begins from the style.
///
/// # Errors
/// There is no such style, or it is damaged.
pub fn reference(name: &str) -> Result<(PathBuf, Scope), CliError> {
    let styles = styles()?;
    let style = styles.find(name).map_err(explain)?;
    let picture = styles.keep_reference(&style).map_err(explain)?;
    Ok((picture, Scope { style: Some(Box::new(style.reference)), ..Scope::default() }))
}

fn styles() -> Result<Styles, CliError> {
    library::home().map(|home| Styles::of(&home)).ok_or_else(|| explain(LibraryError::NoHome))
}

fn name(matches: &ArgMatches) -> Result<&str, CliError> {
    let name = matches.get_one::<String>("name").map(String::as_str);
    name.ok_or_else(|| CliError::usage("name the style; `instantstyle styles list` lists them"))
}

fn save(styles: &Styles, matches: &ArgMatches) -> Result<(), CliError> {
    let name = name(matches)?;
    let path = matches.get_one::<OsString>("reference").map(Path::new);
    let path = path.ok_or_else(|| CliError::usage("a style needs a picture; add --reference PATH"))?;
    if path.as_os_str().is_empty() {
        return Err(CliError::usage("--reference is empty; name the picture whose style it is"));
    }
    let picture = Picture::open(path)?;
    let mut reference = Reference { hash: picture.hash.clone(), name: file_name(path), ..Reference::default() };
    let starts: Vec<usize> = matches.indices_of("reference").into_iter().flatten().take(1).collect();
    let (before, after) = scopes(matches, &starts)?;
    apply(&after.first().cloned().unwrap_or_default().over(&before), &mut reference);
    recall::check_crop(reference.crop, &picture)?;
    let bytes = library::read_unchanged(path, &picture.hash).map_err(explain)?;
    styles.save(name, &reference, &bytes).map(drop).map_err(explain)
}

/// Field names are stable.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    file: String,
    reference: &'a Reference,
}

fn list(styles: &Styles, is_json: bool) -> Result<(), CliError> {
    let (found, wrong) = styles.list();
    for Style { name, reference, file } in &found {
        let line = if is_json {
            let line = Line { name, file: file.to_string_lossy().into_owned(), reference };
            serde_json::to_string(&line)
                .map_err(|error| CliError::Machine(format!("the JSON line could not be made ({error})")))?
        } else {
            format!("{}  {}  {}", one_line(name), reference.role.name(), one_line(&reference.name))
        };
        print_line(&line)?;
    }
    for sentence in wrong {
        super::console::write_stderr(&format!("notice: {}\n", one_line(&sentence)));
    }
    Ok(())
}

/// Names and files that do not fit are the artist's to mend; the rest is the machine's.
pub fn explain(error: LibraryError) -> CliError {
    let is_input = matches!(
        error,
        LibraryError::NoSuchStyle { .. }
            | LibraryError::StyleExists { .. }
            | LibraryError::StyleName { .. }
            | LibraryError::StyleTooLarge { .. }
            | LibraryError::NotAStyle { .. }
            | LibraryError::Newer { .. }
            | LibraryError::FolderMissing { .. }
            | LibraryError::NotAFolder { .. }
            | LibraryError::IsFolder { .. }
    );
    if is_input { CliError::usage(error.to_string()) } else { CliError::Machine(error.to_string()) }
}
