//! What the engine and the background threads say, taken in between two frames.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::TryRecvError;

use super::background::{Done, Picked};
use super::files;
use super::history::HistoryEntry;
use super::job::Job;
use super::notes::Place;
use super::references::{self, Opened};
use super::session::{KeptPicture, Session};
use super::shelf::ShelfCommand;
use super::state::{AppState, Shown};
use crate::engine::{EngineError, Finished, JobEvent};
use crate::pixels::CarriedReference;
use crate::recipe::Recipe;

/// Seconds between two writings of the session.
const SAVE_SECS: f64 = 1.0;

/// How a job ended.
enum End {
    Finished(Box<Finished>),
    Failed(EngineError),
    Cancelled,
}

impl AppState {
    /// Called once a frame, and when the window sleeps and something was said. `is_busy`: a mouse button is down.
    ///
    /// Returns the seconds after which to call again although nothing happens.
    pub fn logic(&mut self, now: f64, is_busy: bool) -> Option<f64> {
        let next = |state: &Self| {
            let files = state.background.next().or_else(|| state.exports.next());
            files.or_else(|| state.shelf.next()).or_else(|| state.models.next())
        };
        while let Some(done) = next(self) {
            self.take_in(done);
        }
        self.make_thumbnails();
        self.watch_turn();
        self.try_loras();
        self.follow_few_step();
        self.forget_told_references();
        self.free_pictures();
        self.hear_jobs();
        self.pump_board();
        self.count_prompts();
        let wakes = [
            self.undo.watch(&self.recipe, now, is_busy),
            self.watch_live(now),
            self.notes.tick(now),
            self.save_session(now, is_busy),
        ];
        wakes.into_iter().flatten().reduce(f64::min)
    }

    fn take_in(&mut self, done: Done) {
        match done {
            Done::Added(result) => {
                self.opening = self.opening.saturating_sub(1);
                match result {
                    Ok(opened) => self.add_reference(*opened),
                    Err(why) => self.notes.error(Place::References, why),
                }
            }
            Done::ForBoard(result) => self.take_board_picture(result),
            Done::Content(result) => self.take_content(result),
            Done::Difference { board, cell, against, result } => self.take_difference(board, cell, against, result),
            Done::Measured { board, result } => self.take_numbers(board, result),
            Done::Seen { asked, square } => self.seen.answer(asked, square),
            Done::Counted { prompt, text, count } => self.take_count(prompt, text, count),
            Done::Found { hash, result } => {
                self.asked_for.remove(&hash);
                match result {
                    Ok(opened) => self.take_picture(*opened),
                    Err(why) => {
                        self.pictures.forget(&hash);
                        self.notes.error(Place::References, why);
                    }
                }
                self.go_on();
            }
            Done::Described(described) => self.take_described(described),
            Done::Kept { entry, result: Ok(file) } => {
                self.history.kept(entry, file.clone());
                if let Some(recipe) = self.history.get(entry).map(|entry| entry.recipe.clone()) {
                    self.enter_into_library(file, recipe);
                }
            }
            Done::Kept { result: Err(why), .. } => {
                self.notes.error(Place::Picture, format!("the picture was not kept by itself, so save it now: {why}"));
            }
            Done::CellKept { asked, recipe, result } => self.take_cell_kept(&asked, *recipe, result),
            Done::Thumbnail { entry, result } => self.take_thumbnail(entry, result),
            Done::Loaded { entry, result } => self.take_loaded(entry, result),
            Done::Exported(Ok(said)) => self.notes.info(Place::Picture, said),
            Done::Exported(Err(why)) | Done::FolderOpened(Err(why)) => self.notes.error(Place::Picture, why),
            Done::BoardExported(Ok(said)) => self.notes.info(Place::Board, said),
            Done::BoardExported(Err(why)) => self.notes.error(Place::Board, why),
            Done::FolderOpened(Ok(())) => {}
            Done::Picked(picked) => self.take_picked(picked),
            Done::Looked { dropped, carried } => self.take_looked(dropped, carried),
            Done::Shelf(done) => self.take_shelf(done),
            Done::Models(done) => self.take_models(done),
        }
    }

    pub(super) fn take_picked(&mut self, picked: Picked) {
        let place = self.dialog_place.take().unwrap_or(Place::Picture);
        match picked {
            Picked::References(paths) => {
                self.add_references(paths.into_iter().map(references::Dropped::File).collect());
            }
            Picked::BoardPictures(paths) => self.add_board_pictures(paths),
            Picked::Content(path) => self.set_content(references::Dropped::File(path)),
            Picked::SaveAs { entry, path } => self.save_to(entry, path),
            Picked::ExportFolder(path) => self.settings.board_export.folder = Some(path),
            Picked::Models(paths) => self.identify(paths),
            Picked::ModelsFolder(folder) => self.add_models_folder(folder),
            Picked::Styles(paths) => self.execute_shelf(ShelfCommand::ImportStyleFiles(paths)),
            Picked::ExportStyle { name, path } => self.export_style(name, path),
            Picked::Nothing => {}
            Picked::NoDialog { is_save } => {
                let way_out = self.way_without_dialog(place, is_save);
                self.notes.error(place, format!("no file dialog answers on this desktop; {way_out}"));
            }
        }
    }

    /// Writes a picture of the history to `path`, in the format that its name asks for.
    pub fn save_to(&mut self, entry: u64, path: PathBuf) {
        let Some(entry) = self.history.get(entry) else {
            let said = "nothing was saved: the picture has left the history meanwhile; look for it under All pictures";
            return self.notes.error(Place::Picture, said);
        };
        let (image, file, recipe) = (entry.image.clone(), entry.file.clone(), entry.recipe.clone());
        let small = self.small_copies(&recipe);
        let save = move || {
            let export = |image: Arc<_>| files::export(&path, &image, &recipe, small, file.as_deref());
            let saved = files::pixels_of(image.as_ref(), file.as_deref()).and_then(export);
            saved.map(|path| format!("Saved as {}", path.display()))
        };
        self.submit(save, Done::Exported);
    }

    /// Small copies of a recipe's references, as far as they have been open.
    pub(super) fn small_copies(&self, recipe: &Recipe) -> Vec<CarriedReference> {
        recipe.references.iter().filter_map(|reference| self.pictures.small(&reference.hash)).cloned().collect()
    }

    /// Writes a picture of the history into the pictures folder.
    pub(super) fn keep_picture(&mut self, entry: u64, image: Arc<image::RgbImage>, recipe: Recipe) {
        let (folder, small) = (self.folder("pictures"), self.small_copies(&recipe));
        let keep = move || files::keep_picture(folder.as_deref(), &image, &recipe, &small);
        self.submit(keep, move |result| Done::Kept { entry, result });
    }

    pub(super) fn take_picture(&mut self, opened: Opened) {
        for notice in opened.picture.notices.iter().chain(&opened.not_kept) {
            self.notes.info(Place::References, notice.clone());
        }
        self.pictures.insert(opened.picture.hash.clone(), opened);
    }

    /// Opens what the recipe names and is not open yet, from the library.
    pub(super) fn find_pictures(&mut self) {
        let Recipe { references, init, .. } = &self.recipe;
        let references = references.iter().map(|reference| (&reference.hash, &reference.name));
        let init = init.iter().map(|init| (&init.hash, &init.name));
        self.find_named(references.chain(init).map(|(hash, name)| (hash.clone(), name.clone())).collect());
    }

    /// Opens those of these pictures, by hash and name, that are not open yet.
    pub(super) fn find_named(&mut self, wanted: Vec<(String, String)>) {
        for (hash, name) in wanted {
            if !self.pictures.contains_key(&hash) && self.asked_for.insert(hash.clone()) {
                let (folder, wanted, asked) = (self.folder("references"), hash.clone(), hash.clone());
                let find = move || references::find(&wanted, &name, folder.as_deref());
                if !self.submit_from(Place::References, find, move |result| Done::Found { hash, result }) {
                    self.asked_for.remove(&asked);
                }
            }
        }
    }

    fn hear_jobs(&mut self) {
        self.measure_live();
        let mut index = 0;
        while let Some(mut job) = self.jobs.remove(index) {
            match self.hear(&mut job) {
                None => {
                    self.jobs.insert(index, job);
                    index += 1;
                }
                Some(End::Finished(finished)) => self.finish(&job, *finished),
                Some(End::Failed(error)) => {
                    self.notes.failed(error.to_string());
                    self.leave_live();
                }
                Some(End::Cancelled) => self.leave_live(),
            }
        }
    }

    fn hear(&mut self, job: &mut Job) -> Option<End> {
        loop {
            match job.handle.events.try_recv() {
                Ok(JobEvent::Finished(finished)) => return Some(End::Finished(finished)),
                Ok(JobEvent::Failed(error)) => return Some(End::Failed(error)),
                Ok(JobEvent::Cancelled) => return Some(End::Cancelled),
                Ok(event) => {
                    let preview_id = self.new_id();
                    job.hear(event, preview_id);
                }
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => {
                    return Some(End::Failed(EngineError::Panicked("it ended without a word".to_owned())));
                }
            }
        }
    }

    fn finish(&mut self, job: &Job, finished: Finished) {
        let id = self.new_id();
        let image = Arc::new(finished.image);
        let recipe = finished.recipe;
        let pixels = f64::from(image.width()) * f64::from(image.height());
        // The pace of a model that was open before says nothing about this one.
        if let Some(step_secs) = job.step_secs().filter(|_| job.model == self.opened) {
            self.pace = Some(step_secs * 1000.0 / pixels.max(1.0));
        }
        for notice in finished.notices {
            self.notes.info(Place::Picture, notice);
        }
        let timings = &finished.timings;
        let seconds = timings.total();
        self.device = Some(finished.device.clone());
        let (width, height) = image.dimensions();
        tracing::info!(
            "a picture of {width} x {height} on {}: {seconds:.2} s, {} steps",
            finished.device,
            timings.step_secs.len()
        );
        let draft = self.history.draft().map(|draft| Shown::Entry(draft.id));
        let replaces_shown = job.is_live && draft == Some(self.shown);
        if job.is_live {
            self.history.drop_drafts();
        }
        self.history.add(HistoryEntry {
            id,
            recipe: recipe.clone(),
            file: None,
            image: Some(image.clone()),
            thumbnail: None,
            trouble: None,
            seconds,
            device: finished.device,
            is_draft: job.is_live,
        });
        let small = image.clone();
        let thumbnail = move || Ok(Arc::new(crate::library::thumbnail(&small)));
        let _ = self.background.submit(thumbnail, move |result| Done::Thumbnail { entry: id, result });
        if !job.is_live {
            self.keep_picture(id, image, recipe);
        }
        if replaces_shown || (self.shown == Shown::Live && self.jobs.is_empty()) {
            self.shown = Shown::Entry(id);
        }
        if job.is_live {
            self.measure_finished(job);
        }
        self.history.free_memory(&[Some(id), self.compared]);
    }

    fn save_session(&mut self, now: f64, is_busy: bool) -> Option<f64> {
        let (recipe, settings, revision) = &self.saved;
        let same = *recipe == self.recipe && *settings == self.settings && *revision == self.history.revision;
        if same || self.saver.is_none() {
            return None;
        }
        let wait = self.saved_at + SAVE_SECS - now;
        if is_busy || (wait > 0.0 && *revision == self.history.revision) {
            return Some(wait.max(0.1));
        }
        self.saved_at = now;
        self.save_now();
        None
    }

    /// Hands the session to the thread that writes it.
    pub fn save_now(&mut self) {
        self.saved = (self.recipe.clone(), self.settings.clone(), self.history.revision);
        let history = self.history.entries().iter().filter_map(|entry| {
            let recipe = entry.recipe.clone();
            Some(KeptPicture {
                file: entry.file.clone()?,
                recipe,
                seconds: entry.seconds,
                device: entry.device.clone(),
            })
        });
        let session =
            Session { recipe: self.recipe.clone(), settings: self.settings.clone(), history: history.collect() };
        if let Some(saver) = &self.saver {
            saver.save(session);
        }
    }

    /// As [`Self::save_now`], and waits until it is on the disk: for when something may end the program any moment.
    pub fn save_before_the_end(&mut self) {
        self.save_now();
        if let Some(saver) = &self.saver {
            saver.finish();
        }
    }
}
