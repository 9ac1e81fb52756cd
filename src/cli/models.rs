//! `instantstyle models`: what there is, where it lies, fetching it, and where to look.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ArgMatches;
use serde::Serialize;

use super::console::{Console, duration};
use super::error::{CliError, one_line};
use super::{import, print_line};
use crate::models::{
    CONVERT, Event, Folders, Found, Getting, Hub, ModelEntry, ModelsError, Other, Part, Patience, Places, Search,
    State, find_entry, get, list, size,
};

/// Runs the command that `matches` hold.
///
/// # Errors
/// See the commands.
pub fn run(matches: &ArgMatches) -> Result<(), CliError> {
    match matches.subcommand() {
        Some(("get", matches)) => {
            let names: Vec<&String> = matches.get_many("name").into_iter().flatten().collect();
            fetch(&names, matches.get_flag("yes"))
        }
        Some(("import", matches)) => import::import(matches),
        Some((CONVERT, matches)) => import::convert(matches),
        Some(("folders", matches)) => match matches.subcommand() {
            Some(("add", matches)) => change_folders(matches, true),
            Some(("remove", matches)) => change_folders(matches, false),
            _ => show_folders(),
        },
        Some((_, matches)) => show(matches.get_flag("json")),
        None => show(false),
    }
}

/// The path of `--FLAG VALUE`: a path that is there, or where the model of that name in the list lies.
///
/// # Errors
/// A name of the list that belongs to another flag, or whose model is not on this computer.
pub fn resolve(flag: &str, value: PathBuf, part: Part) -> Result<PathBuf, CliError> {
    let Some(entry) = value.to_str().filter(|_| !value.exists()).and_then(find_entry) else { return Ok(value) };
    let name = &entry.name;
    if entry.part != part {
        let other = serde_json::to_value(entry.part).ok();
        let other = other.as_ref().and_then(|other| other.as_str()).unwrap_or("another flag");
        return Err(CliError::usage(format!("--{flag} is '{name}', which belongs to --{other}; see `models list`")));
    }
    let mut console = Console::stderr();
    let mut search = Search::new(Places::from_environment()?);
    match search.find(entry, &mut |event| progress(&mut console, &event), &|| false)? {
        State::Here(path) => Ok(path),
        _ => Err(CliError::usage(format!(
            "--{flag} is '{name}', which is not on this computer; fetch it with `instantstyle models get {name}`"
        ))),
    }
}

/// The one line of `models list --json`. Field names are part of the contract.
#[derive(Serialize)]
struct Report<'a> {
    models: Vec<Line<'a>>,
    others: Vec<OtherLine>,
    folders: &'a [PathBuf],
    store: Option<&'a Path>,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    title: &'a str,
    purpose: &'a str,
    part: Part,
    /// Of all files whose length the list knows.
    bytes: u64,
    licence: &'a str,
    licence_url: &'a str,
    repo: &'a str,
    revision: &'a str,
    needs: &'a [String],
    /// here, weights-only or missing.
    state: &'static str,
    path: Option<String>,
}

#[derive(Serialize)]
struct OtherLine {
    path: String,
    bytes: u64,
    what: Option<String>,
    wrong: Option<String>,
}

fn show(json: bool) -> Result<(), CliError> {
    let mut console = Console::stderr();
    let mut search = Search::new(Places::from_environment()?);
    let found = search.all(&mut |event| progress(&mut console, &event), &|| false)?;
    let others = search.others();
    console.wipe();
    if json {
        let models = found.iter().map(line).collect();
        let others = others.into_iter().map(other_line).collect();
        let places = search.places();
        let report = Report { models, others, folders: &places.named, store: places.store.as_deref() };
        let text = serde_json::to_string(&report)
            .map_err(|error| CliError::Machine(format!("the JSON line could not be made ({error})")))?;
        return print_line(&text);
    }
    for found in &found {
        let entry = found.entry;
        let state = match &found.state {
            State::Here(_) => "here",
            State::WeightsOnly(_) => "in part",
            State::Missing => "missing",
        };
        print_line(&format!(
            "{:<27}{:>9}  {:<8} {}: {}",
            entry.name,
            size(entry.bytes()),
            state,
            entry.title,
            entry.purpose
        ))?;
        print_line(&format!("    licence {}, {}", entry.licence, entry.licence_url))?;
        match &found.state {
            State::Here(path) => print_line(&format!("    {}", shown(path)))?,
            State::WeightsOnly(path) => {
                let get = format!("`instantstyle models get {}` adds what is missing", entry.name);
                print_line(&format!("    {} has the weights; {get}", shown(path)))?;
            }
            State::Missing => {}
        }
    }
    if !others.is_empty() {
        print_line("other files in the folders that you named:")?;
    }
    for other in others {
        let what = match &other.kind {
            Ok(kind) => format!("{}: {kind}, {}", shown(&other.path), size(other.bytes)),
            // The sentence names the file.
            Err(wrong) => one_line(wrong),
        };
        print_line(&format!("    {what}"))?;
    }
    Ok(())
}

fn line(found: &Found) -> Line<'_> {
    let entry = found.entry;
    let (state, path) = match &found.state {
        State::Here(path) => ("here", Some(path)),
        State::WeightsOnly(path) => ("weights-only", Some(path)),
        State::Missing => ("missing", None),
    };
    Line {
        name: &entry.name,
        title: &entry.title,
        purpose: &entry.purpose,
        part: entry.part,
        bytes: entry.bytes(),
        licence: &entry.licence,
        licence_url: &entry.licence_url,
        repo: &entry.repo,
        revision: &entry.revision,
        needs: &entry.needs,
        state,
        path: path.map(|path| path.to_string_lossy().into_owned()),
    }
}

fn other_line(other: Other) -> OtherLine {
    let (what, wrong) = match other.kind {
        Ok(kind) => (Some(kind.to_string()), None),
        Err(wrong) => (None, Some(wrong)),
    };
    OtherLine { path: other.path.to_string_lossy().into_owned(), bytes: other.bytes, what, wrong }
}

/// Fetches the models called `names`, each after its licence has been accepted.
fn fetch(names: &[&String], yes: bool) -> Result<(), CliError> {
    let entry = |name: &&String| {
        find_entry(name).ok_or_else(|| ModelsError::Unknown {
            name: super::error::shown(name),
            known: list().iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    };
    let entries: Vec<&ModelEntry> = names.iter().map(entry).collect::<Result<_, _>>()?;
    let mut search = Search::new(Places::from_environment()?);
    for entry in &entries {
        let mut console = Console::stderr();
        let state = search.find(entry, &mut |event| progress(&mut console, &event), &|| false)?;
        console.wipe();
        if let State::Here(path) = state {
            print_line(&format!("{} is here: {}", entry.name, shown(&path)))?;
            continue;
        }
        accept(entry, &state, yes)?;
        let hub = Hub::from_environment(|name| std::env::var_os(name))?;
        let mut last: Option<Instant> = None;
        let mut say = |event: Event| {
            // A terminal is slower than a disk.
            let is_number = matches!(event, Event::Data { .. } | Event::Checking { .. });
            if !is_number || last.is_none_or(|at| at.elapsed() > Duration::from_millis(100)) {
                last = is_number.then(Instant::now);
                progress(&mut console, &event);
            }
        };
        let patience = Patience::default();
        let mut work = Getting { hub: &hub, patience: &patience, say: &mut say, cancelled: &|| false };
        let path = get(entry, &mut search, &mut work)?;
        console.wipe();
        print_line(&format!("{} is here: {}", entry.name, shown(&path)))?;
        let missing: Vec<&str> =
            entry.needs.iter().map(String::as_str).filter(|need| !names.iter().any(|name| name == need)).collect();
        for need in missing {
            print_line(&format!("it works with {need} only; `instantstyle models get {need}` fetches that"))?;
        }
    }
    Ok(())
}

/// Shows what is to come and under which licence; without --yes it is asked for.
fn accept(entry: &ModelEntry, state: &State, yes: bool) -> Result<(), CliError> {
    let bytes = match state {
        State::WeightsOnly(_) => entry.files.iter().skip(1).filter_map(|file| file.bytes).sum(),
        _ => entry.bytes(),
    };
    print_line(&format!("{}: {} from {}", entry.name, size(bytes), entry.repo))?;
    print_line(&format!("licence {}: {}", entry.licence, entry.licence_url))?;
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(CliError::usage(format!("the licence of {} must be accepted; add --yes to do so", entry.name)));
    }
    super::console::write_stderr("Accept the licence and download? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    match read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        true => Ok(()),
        false => Err(CliError::usage("nothing was downloaded, because the licence was not accepted")),
    }
}

fn progress(console: &mut Console, event: &Event) {
    match event {
        Event::Waiting => console.progress("another process fetches this; waiting"),
        Event::Checking { file, progress } => console.progress(&format!("checking {file}: {}", progress.words())),
        Event::Reused { file, from } => console.notice(&format!("{file} is taken from {from}")),
        Event::Data { file, progress } => {
            let left = progress.seconds_left.map_or(String::new(), |left| format!(", {} left", duration(left)));
            console.progress(&format!("{file}: {}{left}", progress.words()));
        }
        Event::Retrying { file, why, after } => {
            console.progress(&format!("{file}: {why}; trying again in {}", duration(after.as_secs_f64())));
        }
    }
}

fn show_folders() -> Result<(), CliError> {
    let places = Places::from_environment()?;
    if let Some(store) = &places.store {
        print_line(&format!("downloads go to {}", shown(store)))?;
    }
    if let Some(cache) = &places.hub_cache {
        print_line(&format!("Hugging Face's cache: {}", shown(cache)))?;
    }
    for folder in &places.named {
        let missing = if folder.is_dir() { "" } else { " (not there)" };
        print_line(&format!("{}{missing}", shown(folder)))?;
    }
    Ok(())
}

fn change_folders(matches: &ArgMatches, add: bool) -> Result<(), CliError> {
    let places = Places::from_environment()?;
    let store = places.store()?;
    let mut folders = Folders::load(store)?;
    for folder in matches.get_many::<PathBuf>("folder").into_iter().flatten() {
        if !add {
            if !folders.remove(folder) {
                return Err(CliError::usage(format!(
                    "{} is not among the folders; see `models folders`",
                    shown(folder)
                )));
            }
            continue;
        }
        if !folder.is_dir() {
            return Err(CliError::usage(format!("{} is no folder; name one that is there", shown(folder))));
        }
        folders.add(folder);
    }
    folders.save(store)?;
    show_folders()
}

fn shown(path: &Path) -> String {
    one_line(&path.display().to_string())
}
