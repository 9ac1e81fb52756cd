//! The artist's own styles: a reference with its role, strengths, crop and subtraction under a name, one file each.
//!
//! A kept style is the same file as an exported one ([`super::style_file`]), whole in itself: it does not break when
//! the folder of references is cleared.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use image::RgbImage;

use super::pictures::words_for_name;
use super::style_file::{self, ENDING, Manifest, StyleFile};
use super::{LibraryError, atomic_file, catalogue, keep_reference_in, write_atomically};
use crate::pixels::Picture;
use crate::recipe::Reference;

/// The styles of one home.
#[derive(Debug, Clone)]
pub struct Styles {
    home: PathBuf,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Style {
    pub name: String,
    /// How the reference enters the recipe.
    pub reference: Reference,
    pub file: PathBuf,
}

impl Styles {
    pub fn of(home: &Path) -> Self {
        Self { home: home.to_owned() }
    }

    fn folder(&self) -> PathBuf {
        self.home.join("styles")
    }

    /// All styles by name, and a sentence for each file that is none.
    pub fn list(&self) -> (Vec<Style>, Vec<String>) {
        let (mut styles, mut wrong) = (Vec::new(), Vec::new());
        let entries = fs::read_dir(self.folder()).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if path.extension().is_some_and(|ending| ending == ENDING) {
                match open(&path) {
                    Ok(file) => styles.push(style(file.manifest, path)),
                    Err(error) => wrong.push(error.to_string()),
                }
            }
        }
        styles.sort_by_cached_key(|style| (key(&style.name), style.file.clone()));
        (styles, wrong)
    }

    /// The style of this name, in whatever case it is written.
    ///
    /// # Errors
    /// There is none; the names that there are are told.
    pub fn find(&self, name: &str) -> Result<Style, LibraryError> {
        let (mut styles, _) = self.list();
        let wanted = key(name);
        match styles.iter().position(|style| key(&style.name) == wanted) {
            Some(index) => Ok(styles.swap_remove(index)),
            None => {
                let names: Vec<String> = styles.into_iter().map(|style| style.name).collect();
                let there = match names.as_slice() {
                    [] => "none is saved yet".to_owned(),
                    names => format!("there are: {}", names.join(", ")),
                };
                Err(LibraryError::NoSuchStyle { name: name.trim().to_owned(), there })
            }
        }
    }

    /// Keeps `reference`, whose picture's file has these bytes, as a style.
    ///
    /// # Errors
    /// A name that is none or taken, a picture of more than 64 MiB, or a disk that takes nothing.
    pub fn save(&self, name: &str, reference: &Reference, picture: &[u8]) -> Result<Style, LibraryError> {
        let name = style_file::checked_name(name)?;
        let _one_at_a_time = self.lock()?;
        if self.find(&name).is_ok() {
            return Err(LibraryError::StyleExists { name });
        }
        self.write(&name, reference, picture)
    }

    /// # Errors
    /// No such style, a name that is none or taken, or a disk that takes nothing.
    pub fn rename(&self, from: &str, to: &str) -> Result<Style, LibraryError> {
        let to = style_file::checked_name(to)?;
        let _one_at_a_time = self.lock()?;
        let old = self.find(from)?;
        if self.find(&to).is_ok_and(|other| other.file != old.file) {
            return Err(LibraryError::StyleExists { name: to });
        }
        let picture = open(&old.file)?.reference()?;
        let new = self.write(&to, &old.reference, &picture)?;
        remove(&old.file)?;
        Ok(new)
    }

    /// Takes a style out of the list; [`Styles::put_back`] brings it back, by the path that is returned.
    ///
    /// # Errors
    /// No such style, or a disk that takes nothing.
    pub fn remove(&self, name: &str) -> Result<PathBuf, LibraryError> {
        let _one_at_a_time = self.lock()?;
        let style = self.find(name)?;
        // Only the last one taken out can come back, so the place holds one.
        let aside = self.folder().join("removed");
        move_file(&style.file, &aside)?;
        Ok(aside)
    }

    /// # Errors
    /// The style has been taken out for good, or its name is taken.
    pub fn put_back(&self, removed: &Path) -> Result<Style, LibraryError> {
        let _one_at_a_time = self.lock()?;
        let manifest = open(removed)?.manifest;
        if self.find(&manifest.name).is_ok() {
            return Err(LibraryError::StyleExists { name: manifest.name });
        }
        let path = self.free_path(&manifest.name);
        move_file(removed, &path)?;
        Ok(style(manifest, path))
    }

    /// Takes in a style's file from anywhere. One that is here already stays as it is; another of the same name gets a
    /// number.
    ///
    /// # Errors
    /// A file that is no style, or a disk that takes nothing.
    pub fn import(&self, path: &Path) -> Result<Style, LibraryError> {
        let (Manifest { name, reference, .. }, picture) = read(path)?;
        let _one_at_a_time = self.lock()?;
        let (styles, _) = self.list();
        let is_same = |style: &&Style| key(&style.name) == key(&name) && style.reference == reference;
        if let Some(same) = styles.iter().find(is_same) {
            return Ok(same.clone());
        }
        let names = (1_u32..).map(|n| if n == 1 { name.clone() } else { format!("{name} {n}") });
        let mut free = names.filter(|name| !styles.iter().any(|style| key(&style.name) == key(name)));
        let name = free.next().unwrap_or(name);
        self.write(&name, &reference, &picture)
    }

    /// Writes a style's file where others find it.
    ///
    /// # Errors
    /// No such style, or a place that takes nothing.
    pub fn export(&self, name: &str, to: &Path) -> Result<(), LibraryError> {
        let style = self.find(name)?;
        let bytes = fs::read(&style.file).map_err(|error| unreadable(&error, &style.file))?;
        write_atomically(to, &bytes)
    }

    /// Puts the style's picture among the references, so that a recipe finds it by its hash, and returns its path.
    ///
    /// # Errors
    /// A damaged style, or a disk that takes nothing.
    pub fn keep_reference(&self, style: &Style) -> Result<PathBuf, LibraryError> {
        let folder = self.home.join("references");
        let hash = &style.reference.hash;
        if let Some(kept) = super::find_reference_in(&folder, hash) {
            return Ok(kept);
        }
        keep_reference_in(&folder, &open(&style.file)?.reference()?, hash)?;
        Ok(folder.join(hash))
    }

    /// # Errors
    /// A damaged style.
    pub fn thumbnail(&self, style: &Style) -> Result<RgbImage, LibraryError> {
        let bytes = open(&style.file)?.thumbnail()?;
        let wrong = |why: String| LibraryError::NotAStyle { why, path: style.file.display().to_string() };
        let picture = Picture::from_bytes(&bytes, style.name.as_str()).map_err(|error| wrong(error.to_string()))?;
        Ok(super::thumbnail(&picture.rgb))
    }

    fn write(&self, name: &str, reference: &Reference, picture: &[u8]) -> Result<Style, LibraryError> {
        let manifest = Manifest::new(name, reference.clone());
        let bytes = style_file::write(&manifest, picture)?;
        let path = self.free_path(name);
        write_atomically(&path, &bytes)?;
        Ok(style(manifest, path))
    }

    fn free_path(&self, name: &str) -> PathBuf {
        let words = words_for_name(name);
        let names =
            (1_u32..).map(|n| if n == 1 { format!("{words}.{ENDING}") } else { format!("{words}-{n}.{ENDING}") });
        let mut paths = names.map(|name| self.folder().join(name));
        paths.find(|path| fs::symlink_metadata(path).is_err()).unwrap_or_else(|| self.folder().join(ENDING))
    }

    /// Two programs never choose the same place.
    fn lock(&self) -> Result<File, LibraryError> {
        let folder = self.folder();
        fs::create_dir_all(&folder).map_err(|error| atomic_file::explain(&error, &self.home, &folder))?;
        let lock = catalogue::lock(&self.home)?;
        let _ = lock.lock();
        Ok(lock)
    }
}

fn style(manifest: Manifest, file: PathBuf) -> Style {
    Style { name: manifest.name, reference: manifest.reference, file }
}

/// Names are the same whatever their case.
fn key(name: &str) -> String {
    name.trim().to_lowercase()
}

/// The style in a file anywhere, if it is whole.
///
/// # Errors
/// A file that is no style.
pub fn look_at_style(path: &Path) -> Result<Style, LibraryError> {
    read(path).map(|(manifest, _)| style(manifest, path.to_owned()))
}

/// What a file holds, and that its picture is one.
fn read(path: &Path) -> Result<(Manifest, Vec<u8>), LibraryError> {
    let mut file = open(path)?;
    let picture = file.reference()?;
    let wrong = |why: String| LibraryError::NotAStyle { why, path: path.display().to_string() };
    let name = file.manifest.reference.name.as_str();
    Picture::from_bytes(&picture, name).map_err(|error| wrong(error.to_string()))?;
    Ok((file.manifest, picture))
}

fn open(path: &Path) -> Result<StyleFile<BufReader<File>>, LibraryError> {
    let shown = path.display().to_string();
    let metadata = fs::metadata(path).map_err(|error| unreadable(&error, path))?;
    if !metadata.is_file() || metadata.len() > style_file::LARGEST {
        let why = if metadata.is_file() { "it is too large" } else { "it is no file" };
        return Err(LibraryError::NotAStyle { why: why.to_owned(), path: shown });
    }
    let file = File::open(path).map_err(|error| unreadable(&error, path))?;
    StyleFile::open(BufReader::new(file), &shown)
}

fn unreadable(error: &std::io::Error, path: &Path) -> LibraryError {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    };
    LibraryError::NotAStyle { why, path: path.display().to_string() }
}

fn move_file(from: &Path, to: &Path) -> Result<(), LibraryError> {
    fs::rename(from, to).map_err(|error| atomic_file::explain(&error, to.parent().unwrap_or(to), to))
}

fn remove(path: &Path) -> Result<(), LibraryError> {
    fs::remove_file(path).map_err(|error| atomic_file::explain(&error, path.parent().unwrap_or(path), path))
}
