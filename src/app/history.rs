//! The pictures made so far.

use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;

use crate::recipe::Recipe;

/// Pictures whose pixels stay in memory; others are read again when they are looked at.
const IN_MEMORY: usize = 16;
/// Older pictures leave the strip (never the disk).
const LONGEST: usize = 200;
/// Removals that can be taken back.
const MOST_REMOVED: usize = 50;

/// A finished picture.
#[derive(Debug, Clone)]
pub struct HistoryEntry {
    pub id: u64,
    /// With nothing left open.
    pub recipe: Recipe,
    /// Where it is kept; None until it has been written.
    pub file: Option<PathBuf>,
    /// Its pixels, while they are in memory.
    pub image: Option<Arc<RgbImage>>,
    pub thumbnail: Option<Arc<RgbImage>>,
    /// Why its file could not be read when it was tried last.
    pub trouble: Option<String>,
    pub seconds: f64,
    /// The device and dtype in words.
    pub device: String,
    /// Made by live mode, and replaced by its next picture until it is kept.
    pub is_draft: bool,
}

impl HistoryEntry {
    pub fn size(&self) -> (u32, u32) {
        (self.recipe.width.unwrap_or_default(), self.recipe.height.unwrap_or_default())
    }
}

/// A picture that was taken out, and where it was.
#[derive(Debug)]
struct Removal {
    index: usize,
    entry: HistoryEntry,
    /// The settings at that time, which place it among the changes that undo takes back.
    settings: Recipe,
}

/// Newest last.
#[derive(Debug, Default)]
pub struct History {
    entries: Vec<HistoryEntry>,
    removed: Vec<Removal>,
    /// Counts up with every change that the session must keep.
    pub revision: u64,
}

impl History {
    pub fn entries(&self) -> &[HistoryEntry] {
        &self.entries
    }

    pub fn get(&self, id: u64) -> Option<&HistoryEntry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    pub fn get_mut(&mut self, id: u64) -> Option<&mut HistoryEntry> {
        self.entries.iter_mut().find(|entry| entry.id == id)
    }

    pub fn newest(&self) -> Option<&HistoryEntry> {
        self.entries.last()
    }

    pub fn add(&mut self, entry: HistoryEntry) {
        self.insert(self.entries.len(), entry);
    }

    /// Before the picture that stands at `index`.
    pub fn insert(&mut self, index: usize, entry: HistoryEntry) {
        self.entries.insert(index.min(self.entries.len()), entry);
        self.entries.drain(..self.entries.len().saturating_sub(LONGEST));
        self.revision += 1;
    }

    /// The one before (-1) or after (1).
    pub fn neighbour(&self, id: u64, step: i8) -> Option<u64> {
        let index = self.entries.iter().position(|entry| entry.id == id)?;
        let index = index.checked_add_signed(isize::from(step))?;
        self.entries.get(index).map(|entry| entry.id)
    }

    pub fn kept(&mut self, id: u64, file: PathBuf) {
        if let Some(entry) = self.get_mut(id) {
            entry.file = Some(file.clone());
            self.revision += 1;
        }
        if let Some(removal) = self.removed.iter_mut().find(|removal| removal.entry.id == id) {
            removal.entry.file = Some(file);
        }
    }

    /// Takes a picture out; `settings` are those of now.
    pub fn remove(&mut self, id: u64, settings: &Recipe) -> bool {
        let Some(index) = self.entries.iter().position(|entry| entry.id == id) else { return false };
        let mut entry = self.entries.remove(index);
        if entry.file.is_some() && entry.thumbnail.is_some() {
            entry.image = None;
        }
        self.removed.push(Removal { index, entry, settings: settings.clone() });
        self.removed.drain(..self.removed.len().saturating_sub(MOST_REMOVED));
        self.revision += 1;
        true
    }

    /// The settings when the last picture was taken out that is not back yet.
    pub fn settings_of_removal(&self) -> Option<&Recipe> {
        self.removed.last().map(|removal| &removal.settings)
    }

    pub fn draft(&self) -> Option<&HistoryEntry> {
        self.entries.iter().rev().find(|entry| entry.is_draft)
    }

    /// Lets go of drafts; nothing offers to bring them back.
    pub fn drop_drafts(&mut self) {
        self.entries.retain(|entry| !entry.is_draft);
    }

    /// Takes the last removal back; returns what came back.
    pub fn put_back(&mut self) -> Option<u64> {
        let Removal { index, entry, .. } = self.removed.pop()?;
        let id = entry.id;
        // Where the strip is full, the oldest makes room, and that must not be this one.
        let is_full = self.entries.len() >= LONGEST;
        self.insert(if is_full { index.max(1) } else { index }, entry);
        Some(id)
    }

    /// Lets go of pixels that can be read again, except of `shown`.
    pub fn free_memory(&mut self, shown: &[Option<u64>]) {
        let in_memory = self.entries.iter().filter(|entry| entry.image.is_some()).count();
        let mut too_many = in_memory.saturating_sub(IN_MEMORY);
        for entry in &mut self.entries {
            if too_many == 0 {
                return;
            }
            if entry.image.is_some()
                && entry.file.is_some()
                && entry.thumbnail.is_some()
                && !shown.contains(&Some(entry.id))
            {
                entry.image = None;
                too_many -= 1;
            }
        }
    }
}
