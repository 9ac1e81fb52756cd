//! The history's pictures from the disk: the small copies of the strip behind all other work, and what cannot be read just
//! now, which stays in the history.

use std::sync::Arc;

use image::RgbImage;

use super::background::Done;
use super::files;
use super::history::HistoryEntry;
use super::session::KeptPicture;
use super::state::AppState;
use crate::library;

/// Small copies that are asked for at a time: whatever else the files' thread is asked for waits for no more than these.
const AT_A_TIME: usize = 2;

impl AppState {
    pub(super) fn bring_back_history(&mut self, kept: Vec<KeptPicture>) {
        for picture in kept {
            let entry = self.kept_entry(picture);
            self.history.add(entry);
        }
        self.saved.2 = self.history.revision;
        if let Some(id) = self.history.newest().map(|entry| entry.id) {
            self.show(id);
        }
        self.want_thumbnails();
    }

    /// A picture of a session, as it stands in the history.
    pub(super) fn kept_entry(&mut self, picture: KeptPicture) -> HistoryEntry {
        HistoryEntry {
            id: self.new_id(),
            recipe: picture.recipe,
            file: Some(picture.file),
            image: None,
            thumbnail: None,
            trouble: None,
            seconds: picture.seconds,
            device: picture.device,
            is_draft: false,
        }
    }

    /// Has small copies made of all that have none.
    pub(super) fn want_thumbnails(&mut self) {
        let entries = self.history.entries().iter();
        self.thumbnails_wanted = entries.filter(|entry| entry.thumbnail.is_none()).map(|entry| entry.id).collect();
    }

    /// Asks for the next small copies, the newest picture's first. Called once a frame.
    pub(super) fn make_thumbnails(&mut self) {
        while self.thumbnails_under_way.len() < AT_A_TIME
            && let Some(id) = self.thumbnails_wanted.pop()
        {
            let entry = self.history.get(id).filter(|entry| entry.thumbnail.is_none() && !self.loading.contains(&id));
            let (Some(file), Some(home)) = (entry.and_then(|entry| entry.file.clone()), self.home.clone()) else {
                continue;
            };
            let thumbnail =
                move || library::thumbnail_of(&home, &file).map(Arc::new).map_err(|error| error.to_string());
            if !self.background.submit(thumbnail, move |result| Done::Thumbnail { entry: id, result }) {
                // Too much is waiting; in a later frame.
                self.thumbnails_wanted.push(id);
                return;
            }
            self.thumbnails_under_way.insert(id);
        }
    }

    pub(super) fn take_thumbnail(&mut self, id: u64, result: Result<Arc<RgbImage>, String>) {
        self.thumbnails_under_way.remove(&id);
        let Some(entry) = self.history.get_mut(id) else { return };
        match result {
            Ok(thumbnail) => entry.thumbnail = Some(thumbnail),
            Err(why) => entry.trouble = Some(why),
        }
    }

    /// Reads a picture's pixels again where they are not in memory.
    pub(super) fn load(&mut self, id: u64) {
        let Some(entry) = self.history.get(id) else { return };
        let file = entry.file.clone();
        let needs_pixels = entry.image.is_none();
        if let Some(file) = file
            && needs_pixels
            && self.loading.insert(id)
            && !self.submit(move || files::load(&file), move |result| Done::Loaded { entry: id, result })
        {
            self.loading.remove(&id);
        }
    }

    /// A picture that cannot be read stays: its folder or its disk may only be away.
    pub(super) fn take_loaded(&mut self, id: u64, result: Result<Arc<RgbImage>, String>) {
        self.loading.remove(&id);
        let Some(entry) = self.history.get_mut(id) else { return };
        match result {
            Ok(image) => {
                entry.thumbnail.get_or_insert_with(|| Arc::new(library::thumbnail(&image)));
                entry.image = Some(image);
                entry.trouble = None;
            }
            Err(why) => entry.trouble = Some(why),
        }
    }
}
