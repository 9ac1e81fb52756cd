//! A model that takes no references, because no IP-Adapter goes with it: what is said of it, and the ways out.

use super::notes::{NoteKind, Offer, Place};
use super::state::AppState;
use crate::models::Part;
use crate::recipe::{Recipe, Role};

/// Said wherever it matters, beside the two ways out.
pub(super) const NO_REFERENCES: &str = "references cannot be used with this model yet, because it needs an IP-Adapter for \
                                        them; switch the references off, or get an IP-Adapter";

pub(super) fn uses_references(recipe: &Recipe) -> bool {
    recipe.references.iter().any(|reference| reference.role != Role::Off)
}

impl AppState {
    /// The open model takes references, as far as is known.
    pub fn takes_references(&self) -> bool {
        self.model_info().is_none_or(|info| info.image_processor.is_some())
    }

    /// Why nothing is painted; where the references are the reason, with what helps.
    pub(super) fn tell_refusal(&mut self, place: Place, why: String) {
        match why == NO_REFERENCES && self.references_are_stuck() {
            true => self.notes.references(NoteKind::Error, place, why),
            false if place == Place::Picture => self.notes.failed(why),
            false => self.notes.error(place, why),
        }
    }

    fn references_are_stuck(&self) -> bool {
        !self.takes_references() && uses_references(&self.recipe)
    }

    /// Another model was chosen: that the references cannot be used with it is said before anybody paints.
    pub(super) fn tell_of_references(&mut self) {
        if self.references_are_stuck() {
            self.notes.references(NoteKind::Info, Place::Model, NO_REFERENCES);
        }
    }

    /// Called once a frame: they may be removed, or switched off, in many ways.
    pub(super) fn forget_told_references(&mut self) {
        if !self.references_are_stuck() {
            self.notes.clear_offer(Offer::References);
        }
    }

    /// All of them, with what each was used for kept.
    pub(super) fn switch_references_off(&mut self) {
        for reference in self.recipe.references.iter_mut().filter(|reference| reference.role != Role::Off) {
            let role = std::mem::replace(&mut reference.role, Role::Off);
            self.settings.resting_roles.insert(reference.hash.clone(), role);
        }
        self.undo.mark(&self.recipe);
    }

    /// Shows those that are here where one of them fits, else what can be downloaded.
    pub(super) fn show_adapters(&mut self) {
        let model = self.coming_model().model.as_deref().and_then(|path| self.models.item(path));
        let fits = self.models.of_part(Part::Adapter).any(|adapter| adapter.adapter_fits(model, None).is_ok());
        (self.models.wants_panel, self.models.wants_downloads) = (true, !fits);
    }
}
