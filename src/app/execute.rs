//! Commands, done.

use std::sync::Arc;

use super::background::{Background, Done};
use super::command::Command;
use super::job::Job;
use super::notes::{Offer, Place};
use super::references::Dropped;
use super::state::{AppState, Shown};
use super::{dialogs, files};
use crate::engine::{self, JobSpec};
use crate::pixels::Picture;
use crate::recipe::Recipe;

impl AppState {
    pub fn execute(&mut self, command: Command) {
        match command {
            Command::Generate => self.generate(),
            Command::Cancel => self.cancel(),
            // Each in its turn: a removal is taken back where nothing was changed after it.
            Command::Undo if self.can_put_back() => self.put_back(),
            Command::Undo => self.travel(true),
            Command::Redo => self.travel(false),
            Command::OpenReferences => self.ask(Place::References, dialogs::open_references),
            Command::AddReferences(files) => self.add_references(files),
            Command::DropFiles(files) => self.drop_files(files),
            Command::RestoreDropped => self.restore_carried(),
            Command::LayOutDropped => self.lay_out_carried(),
            Command::UseDropped => self.use_carried(),
            Command::ForgetDropped => self.carried = None,
            Command::Shelf(command) => self.execute_shelf(command),
            Command::SelectReference(index) => self.settings.selected_reference = index,
            Command::RemoveReference(index) => self.remove_reference(index),
            Command::MoveReference(index, step) => self.move_reference(index, step),
            Command::ToggleReference(index) => self.toggle_reference(index),
            Command::OpenContent => self.ask(Place::Content, dialogs::open_content),
            Command::SetContent(file) => self.set_content(file),
            Command::UseAsContent(id) => self.use_as_content(id),
            Command::RemoveContent => self.remove_content(),
            Command::ToggleLive => self.toggle_live(),
            Command::LockSeed(lock) => {
                self.recipe.seed = lock.then(|| self.last_seed.unwrap_or_else(engine::random_seed));
            }
            Command::RollSeed => self.recipe.seed = Some(engine::random_seed()),
            Command::ResetSettings => self.reset_settings(),
            Command::Models(command) => self.execute_models(command),
            Command::Show(id) => {
                self.settings.is_board_shown = false;
                self.show(id);
            }
            Command::Load(id) => self.load(id),
            Command::ShowLive => self.shown = Shown::Live,
            Command::Compare(id) => {
                self.keep_if_draft(id);
                self.compared = Some(id);
                self.load(id);
            }
            Command::SwapCompared => {
                if let (Some(other), Shown::Entry(id)) = (self.compared, self.shown) {
                    self.show(other);
                    self.compared = Some(id);
                }
            }
            Command::StopComparing => self.compared = None,
            Command::ShowNeighbour(step) => self.show_neighbour(step),
            Command::RestoreSettings(id) => self.restore_settings(id),
            Command::UseAsReference(id) => self.use_as_reference(id),
            Command::RemoveFromHistory(id) => self.remove_from_history(id),
            Command::PutBackIntoHistory => self.put_back(),
            Command::SaveAs(id) => self.save_as(id),
            Command::ExportPictures(of) => self.export_pictures(of),
            Command::OpenPicturesFolder => {
                let folder = self.folder("pictures");
                if self.background.ask(move || files::open_folder(folder.as_deref()), Done::FolderOpened).is_err() {
                    self.notes.error(Place::Picture, "the folder could not be opened; try again");
                }
            }
            Command::OpenBoardPictures => self.ask(Place::Board, dialogs::open_board_pictures),
            Command::OpenBoard(wish) => self.open_board(&wish),
            Command::ShowBoard(is_shown) => self.settings.is_board_shown = is_shown,
            Command::CancelBoard => self.cancel_board(),
            Command::CloseBoard => self.close_board(),
            Command::RunCell(index) => self.run_cell(index),
            Command::RunRest => self.run_rest(),
            Command::CancelCell(index) => self.cancel_cell(index),
            Command::PromoteCell(index) => self.promote_cell(index),
            Command::StarCell(index) => self.star_cell(index),
            Command::HoldAgainst(against) => self.hold_against(against),
            Command::MeasureBoard => self.measure_board(),
            Command::ExportBoard(only) => self.export_board(&only),
            Command::ChooseExportFolder => {
                self.notes.clear(Place::Export);
                self.ask(Place::Export, dialogs::export_folder);
            }
            Command::DismissNote(id) => self.notes.dismiss(id),
            Command::SetTheme(theme) => self.settings.theme = theme,
            Command::Scale(step) => self.settings.scale(step),
            Command::ToggleAdvanced => self.settings.is_advanced_open = !self.settings.is_advanced_open,
        }
    }

    /// Hands work to the files' thread, as [`Background::submit`] does.
    pub(super) fn submit<T: 'static>(
        &mut self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
        answer: impl FnOnce(Result<T, String>) -> Done + Send + 'static,
    ) -> bool {
        self.submit_from(Place::Picture, work, answer)
    }

    /// As [`AppState::submit`]; a refusal is told at `place`, where the work was asked for.
    pub(super) fn submit_from<T: 'static>(
        &mut self,
        place: Place,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
        answer: impl FnOnce(Result<T, String>) -> Done + Send + 'static,
    ) -> bool {
        let taken = self.background.submit(work, answer);
        if !taken {
            self.notes.error(place, "too many files are waiting; try again in a moment");
        }
        taken
    }

    /// Opens a file dialog; that there is none is told at `place`, where it was asked for.
    pub(super) fn ask(&mut self, place: Place, dialog: impl FnOnce(&Background) -> std::io::Result<()>) {
        // A second dialog over the first only confuses.
        if self.dialog_place.is_some() {
            return;
        }
        match dialog(&self.background) {
            Ok(()) => self.dialog_place = Some(place),
            Err(error) => self.notes.error(place, format!("the file dialog does not open ({error})")),
        }
    }

    fn generate(&mut self) {
        self.notes.clear(Place::Picture);
        if self.asked_model.is_some() {
            self.wants_picture = true;
            return;
        }
        if self.settings.count == 1 && self.is_draft_wanted() {
            self.keep_draft();
            self.notes.info(Place::Picture, "Kept");
            return;
        }
        let Some(references) = self.open_references().filter(|_| self.all_open()) else {
            self.picture_is_missing();
            return;
        };
        if let Err(error) = self.recipe.validate() {
            self.notes.failed(error.to_string());
            return;
        }
        let first = self.recipe.seed.unwrap_or_else(engine::random_seed);
        self.cancel_live();
        for index in 0..u64::from(self.settings.count) {
            if !self.submit_job(first.wrapping_add(index), references.clone(), false) {
                break;
            }
        }
        self.last_seed = Some(first);
        if !self.jobs.is_empty() {
            self.shown = Shown::Live;
            self.settings.is_board_shown = false;
        }
        self.undo.mark(&self.recipe);
    }

    /// Pictures are still being opened, and Generate goes on by itself; or one is gone, and that is said.
    fn picture_is_missing(&mut self) {
        let Recipe { references, init, .. } = &self.recipe;
        let references = references.iter().map(|r| (Place::References, &r.hash, &r.name));
        let content = init.iter().map(|init| (Place::Content, &init.hash, &init.name));
        let missing: Vec<_> =
            references.chain(content).filter(|(_, hash, _)| !self.pictures.contains_key(hash)).collect();
        if missing.iter().any(|(_, hash, _)| self.asked_for.contains(*hash)) {
            self.wants_picture = true;
        } else if let Some((place, _, name)) = missing.first() {
            let (place, what) = (*place, if *place == Place::Content { "content picture" } else { "reference" });
            let said = format!("the {what} '{name}' is not open; drop its file again or remove it");
            self.notes.error(place, said);
        }
    }

    /// Queues one picture; false when the engine does not take it.
    pub(super) fn submit_job(&mut self, seed: u64, references: Vec<Arc<Picture>>, is_live: bool) -> bool {
        let defaults = self.model_info().map(|info| info.defaults.steps);
        let steps = self.recipe.steps.or(defaults).unwrap_or(1) as usize;
        let (recipe, model) = match self.job_parts(Recipe { seed: Some(seed), ..self.recipe.clone() }) {
            Ok(parts) => parts,
            Err(why) => {
                self.tell_refusal(Place::Picture, why);
                return false;
            }
        };
        let spec = JobSpec {
            recipe: Arc::new(recipe),
            references,
            init: self.content_picture().map(|opened| Arc::clone(&opened.picture)),
            model,
            compute: self.compute,
        };
        match self.engine.submit(spec) {
            Ok(handle) => {
                self.jobs.push_back(Job::new(handle, seed, is_live, steps, self.opened.clone()));
                true
            }
            Err(error) => {
                self.notes.failed(error.to_string());
                false
            }
        }
    }

    /// Everything that runs or waits ends; the window does not wait for it.
    fn cancel(&mut self) {
        self.cancel_board();
        let has_waited = self.stop_waiting();
        if self.jobs.is_empty() && !has_waited {
            return;
        }
        for job in self.jobs.drain(..) {
            job.handle.cancel.cancel();
        }
        self.notes.info(Place::Picture, "Cancelled");
        self.leave_live();
    }

    /// Shows something finished where nothing forms any more.
    pub(super) fn leave_live(&mut self) {
        if self.shown == Shown::Live && self.jobs.is_empty() {
            match self.history.newest().map(|entry| entry.id) {
                Some(id) => self.show(id),
                None => self.shown = Shown::Nothing,
            }
        }
    }

    fn travel(&mut self, back: bool) {
        let there = if back { self.undo.undo(&self.recipe) } else { self.undo.redo(&self.recipe) };
        if let Some(recipe) = there {
            self.notes.clear_failed();
            let before = std::mem::replace(&mut self.recipe, recipe).model;
            self.follow_model(&before);
            self.find_pictures();
        }
    }

    fn reset_settings(&mut self) {
        let Recipe { prompt, negative_prompt, references, model, loras, init, .. } = std::mem::take(&mut self.recipe);
        self.recipe = Recipe { prompt, negative_prompt, references, model, loras, init, ..Recipe::default() };
        self.undo.mark(&self.recipe);
    }

    pub(super) fn show(&mut self, id: u64) {
        if self.history.get(id).is_some() {
            self.shown = Shown::Entry(id);
            self.load(id);
            self.history.free_memory(&[Some(id), self.compared]);
        }
    }

    fn show_neighbour(&mut self, step: i8) {
        let neighbour = match self.shown {
            Shown::Entry(id) => self.history.neighbour(id, step),
            Shown::Live | Shown::Nothing => self.history.newest().map(|entry| entry.id),
        };
        if let Some(id) = neighbour {
            self.show(id);
        }
    }

    fn restore_settings(&mut self, id: u64) {
        let Some(entry) = self.history.get(id) else { return };
        let recipe = entry.recipe.clone();
        self.restore(recipe, &[]);
    }

    fn use_as_reference(&mut self, id: u64) {
        self.keep_if_draft(id);
        match self.history.get(id).and_then(|entry| entry.file.clone()) {
            Some(file) => self.add_references(vec![Dropped::File(file)]),
            None => self.notes.info(Place::Picture, "The picture is still being kept; try again in a moment"),
        }
    }

    fn remove_from_history(&mut self, id: u64) {
        let next = self.history.neighbour(id, 1).or_else(|| self.history.neighbour(id, -1));
        if !self.history.remove(id, &self.recipe) {
            return;
        }
        self.undo.mark(&self.recipe);
        if self.shown == Shown::Entry(id) {
            match next {
                Some(next) => self.show(next),
                None => self.shown = Shown::Nothing,
            }
        }
        self.notes.removed("Removed from the history; its file stays in the pictures folder");
    }

    /// The last thing that undo would take back is a removal from the history.
    pub(super) fn can_put_back(&self) -> bool {
        self.history.settings_of_removal() == Some(&self.recipe)
    }

    fn put_back(&mut self) {
        self.notes.clear_offer(Offer::PutBack);
        if let Some(id) = self.history.put_back() {
            self.show(id);
        }
    }

    fn save_as(&mut self, id: u64) {
        // The next live picture must not replace it while the dialog is open.
        self.keep_if_draft(id);
        let Some(entry) = self.history.get(id) else { return };
        let name = self.settings.picture_export.name_of(&entry.recipe, 1);
        let name = name.unwrap_or_else(|_| format!("picture-{}.png", entry.recipe.seed.unwrap_or_default()));
        self.ask(Place::Picture, move |background| dialogs::save_as(background, id, &name));
    }
}
