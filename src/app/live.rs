//! Live mode: every change paints a new picture by itself. The newest wish wins; what it supersedes is cancelled.
//!
//! A live picture is a draft: the next one replaces it, unless it rested for a while or was put to use, which keeps it.

use std::sync::Arc;

use super::history::HistoryEntry;
use super::job::{Job, duration};
use super::notes::Place;
use super::session::Settings;
use super::state::{AppState, Shown};
use crate::engine::{self, ModelPaths};
use crate::recipe::Recipe;

/// Seconds without a change after which a picture is asked for: a part of what the picture will take, within this.
const GRACE_SECS: [f64; 2] = [0.05, 0.2];
const GRACE_PART: f64 = 0.15;
/// While changes go on and on, a picture is asked for at least this often, but not before the last one can be whole.
const LONGEST_WAIT_SECS: [f64; 2] = [0.3, 0.8];
const LONGEST_WAIT_PART: f64 = 1.5;
/// A live picture that was looked at this long is one to keep.
const REST_SECS: f64 = 4.0;
/// A picture that takes longer makes live mode a slow one, and the artist is told.
const SLOW_SECS: f64 = 5.0;
/// Beyond this it helps nobody.
const TOO_SLOW_SECS: f64 = 60.0;

/// What live mode has asked for, and what it is about to.
#[derive(Debug, Default)]
pub struct Live {
    /// What the newest live picture was asked with.
    asked: Option<(Recipe, ModelPaths)>,
    waiting: Option<Waiting>,
    /// The draft that lies on the canvas, and since when.
    resting: Option<(u64, f64)>,
}

/// Changes that no picture has been asked for yet.
#[derive(Debug)]
struct Waiting {
    recipe: Recipe,
    since: f64,
    changed_at: f64,
}

/// What can be said of live mode before it is switched on, from the measured pace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LivePace {
    /// Fast enough, or not measured yet.
    Fine,
    /// Seconds a picture.
    Slow(f64),
    TooSlow(f64),
}

/// How long to wait after a change, and how long at most while changes go on, for a picture of so many seconds.
fn patience(picture_secs: Option<f64>) -> [f64; 2] {
    let within =
        |part: f64, [least, most]: [f64; 2]| picture_secs.map_or(most, |secs| (secs * part).clamp(least, most));
    [within(GRACE_PART, GRACE_SECS), within(LONGEST_WAIT_PART, LONGEST_WAIT_SECS)]
}

impl AppState {
    pub fn live_pace(&self) -> LivePace {
        match self.picture_secs() {
            Some(secs) if secs > TOO_SLOW_SECS => LivePace::TooSlow(secs),
            Some(secs) if secs > SLOW_SECS => LivePace::Slow(secs),
            _ => LivePace::Fine,
        }
    }

    /// Seconds that one picture will take, where a pace has been measured.
    fn picture_secs(&self) -> Option<f64> {
        self.estimate_secs().map(|secs| secs / f64::from(self.settings.count.max(1)))
    }

    pub(super) fn toggle_live(&mut self) {
        if std::mem::take(&mut self.settings.is_live) {
            self.cancel_live();
            self.keep_draft();
            return;
        }
        match self.live_pace() {
            LivePace::TooSlow(secs) => {
                let said = "live mode is not for this model: a picture takes about";
                let said = format!("{said} {}; fewer steps or a smaller size would help", duration(secs));
                self.notes.failed(said);
                return;
            }
            LivePace::Slow(secs) => {
                let said = format!("Live mode will lag behind: a picture takes about {}", duration(secs));
                self.notes.info(Place::Picture, said);
            }
            LivePace::Fine => {}
        }
        self.settings.is_live = true;
        self.live = Live::default();
        // With another seed each time nobody could tell what a slider does.
        if self.recipe.seed.is_none() {
            self.recipe.seed = Some(self.last_seed.unwrap_or_else(engine::random_seed));
            self.undo.mark(&self.recipe);
        }
    }

    /// Called once a frame; returns the seconds after which to call again although nothing happens.
    pub(super) fn watch_live(&mut self, now: f64) -> Option<f64> {
        let rest = self.watch_draft(now);
        let Settings { is_live: true, .. } = self.settings else { return rest };
        // Pictures that were asked for by hand come first, and end with an event that brings us back here.
        if self.asked_model.is_some()
            || self.model_info().is_none()
            || self.jobs.iter().any(|job| !job.is_live)
            || !self.all_open()
        {
            return rest;
        }
        let paths = self.opened.clone();
        if self.live.asked.as_ref().is_some_and(|(recipe, model)| *recipe == self.recipe && *model == paths) {
            self.live.waiting = None;
            return rest;
        }
        let [grace, longest] = patience(self.picture_secs());
        let recipe = &self.recipe;
        let waiting =
            self.live.waiting.get_or_insert_with(|| Waiting { recipe: recipe.clone(), since: now, changed_at: now });
        if waiting.recipe != *recipe {
            recipe.clone_into(&mut waiting.recipe);
            waiting.changed_at = now;
        }
        let wait = (waiting.changed_at + grace).min(waiting.since + longest) - now;
        if wait > 0.0 {
            return Some(rest.map_or(wait, |rest| rest.min(wait)));
        }
        self.live.waiting = None;
        self.live.asked = Some((self.recipe.clone(), paths));
        self.paint_live();
        rest
    }

    fn paint_live(&mut self) {
        self.notes.clear_errors(Place::Picture);
        if let Err(error) = self.recipe.validate() {
            self.notes.failed(error.to_string());
            return;
        }
        let Some(references) = self.open_references() else { return };
        self.cancel_live();
        let seed = self.recipe.seed.or(self.last_seed).unwrap_or_else(engine::random_seed);
        self.last_seed = Some(seed);
        self.submit_job(seed, references, true);
        if !self.jobs.is_empty() {
            self.shown = Shown::Live;
        }
    }

    /// The live picture at work is not wanted any more.
    pub(super) fn cancel_live(&mut self) {
        self.jobs.retain(|job| {
            if job.is_live {
                job.handle.cancel.cancel();
            }
            !job.is_live
        });
        self.leave_live();
    }

    /// Where live mode turns out to be far too slow, it ends, and the picture at work becomes a usual one.
    pub(super) fn measure_live(&mut self) {
        let job = self.jobs.iter_mut().find(|job| job.is_live);
        let Some((job, secs)) = job.and_then(|job| job.picture_secs().map(|secs| (job, secs))) else { return };
        if secs > TOO_SLOW_SECS {
            job.is_live = false;
            self.end_slow_live(secs);
        }
    }

    /// As [`Self::measure_live`], for a live picture that is finished.
    pub(super) fn measure_finished(&mut self, job: &Job) {
        if let Some(secs) = job.picture_secs().filter(|secs| *secs > TOO_SLOW_SECS) {
            self.end_slow_live(secs);
            self.keep_draft();
        }
    }

    fn end_slow_live(&mut self, secs: f64) {
        self.settings.is_live = false;
        self.notes.failed(format!("live mode is off again: with this model a picture takes about {}", duration(secs)));
    }

    /// True where the newest live picture shows just what the settings say now, so that it need not be made again.
    pub(super) fn is_draft_wanted(&self) -> bool {
        let asked = self.live.asked.as_ref().is_some_and(|(recipe, _)| *recipe == self.recipe);
        let is_whole = self.jobs.is_empty() && self.live.waiting.is_none();
        self.settings.is_live && asked && is_whole && self.history.draft().is_some()
    }

    /// Makes a picture of the history out of the draft.
    pub(super) fn keep_draft(&mut self) {
        let Some(id) = self.history.draft().map(|entry| entry.id) else { return };
        let Some(entry) = self.history.get_mut(id) else { return };
        entry.is_draft = false;
        let Some(image) = entry.image.clone() else { return };
        let recipe = entry.recipe.clone();
        self.history.revision += 1;
        self.keep_picture(id, image, recipe);
    }

    /// Keeps the draft if this is it: something was begun with it.
    pub(super) fn keep_if_draft(&mut self, id: u64) {
        if self.history.draft().is_some_and(|entry| entry.id == id) {
            self.keep_draft();
        }
    }

    fn watch_draft(&mut self, now: f64) -> Option<f64> {
        let Some(id) = self.history.draft().map(|entry| entry.id) else {
            self.live.resting = None;
            return None;
        };
        let is_disturbed = self.live.waiting.is_some() || self.jobs.iter().any(|job| job.is_live);
        let since = match self.live.resting {
            Some((resting, since)) if resting == id && !is_disturbed => since,
            _ => {
                self.live.resting = Some((id, now));
                now
            }
        };
        let left = since + REST_SECS - now;
        if left <= 0.0 {
            self.keep_draft();
            return None;
        }
        Some(left)
    }

    /// The draft, for the canvas while the next live picture has little to show.
    pub fn draft(&self) -> Option<&HistoryEntry> {
        self.history.draft()
    }

    /// Every picture that the recipe names is open.
    pub(super) fn all_open(&self) -> bool {
        let hashes = self.recipe.references.iter().map(|reference| &reference.hash);
        hashes.chain(self.recipe.init.iter().map(|init| &init.hash)).all(|hash| self.pictures.contains_key(hash))
    }

    pub(super) fn open_references(&self) -> Option<Vec<Arc<crate::pixels::Picture>>> {
        let opened = |hash: &String| self.pictures.get(hash).map(|opened| Arc::clone(&opened.picture));
        self.recipe.references.iter().map(|reference| opened(&reference.hash)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::app::command::Command;
    use crate::app::session::KeptPicture;

    #[test]
    fn a_draft_that_is_to_be_saved_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let mut state = AppState::for_tests(home.path());
        let image = Some(Arc::new(image::RgbImage::new(1, 1)));
        let entry = state.kept_entry(KeptPicture::default());
        let id = entry.id;
        state.history.add(HistoryEntry { file: None, image, is_draft: true, ..entry });
        // As if a dialog were open: a test opens none.
        state.dialog_place = Some(Place::Picture);
        state.execute(Command::SaveAs(id));
        assert!(!state.history.get(id).unwrap().is_draft);
    }

    #[test]
    fn a_fast_model_waits_for_less() {
        assert_eq!(patience(None), [0.2, 0.8]);
        assert_eq!(patience(Some(30.0)), [0.2, 0.8]);
        assert_eq!(patience(Some(0.0)), [0.05, 0.3]);
        let [grace, longest] = patience(Some(0.4));
        assert!(grace < 0.1 && longest > 0.4, "a drag lets pictures of 0.4 s come out");
    }
}
