//! The list of references: added, removed, moved, switched off and on.

use super::background::Done;
use super::notes::Place;
use super::references::{Dropped, Opened, open};
use super::state::AppState;
use crate::recipe::{Reference, Role};

impl AppState {
    pub(super) fn add_references(&mut self, dropped: Vec<Dropped>) {
        self.notes.clear(Place::References);
        for file in dropped {
            let folder = self.folder("references");
            if self.submit_from(Place::References, move || open(&file, folder.as_deref()), Done::Added) {
                self.opening += 1;
            }
        }
    }

    pub(super) fn remove_reference(&mut self, index: usize) {
        if index < self.recipe.references.len() {
            self.recipe.references.remove(index);
            self.undo.mark(&self.recipe);
        }
    }

    pub(super) fn move_reference(&mut self, index: usize, step: i8) {
        let Some(to) = index.checked_add_signed(isize::from(step)) else { return };
        if index < self.recipe.references.len() && to < self.recipe.references.len() {
            self.recipe.references.swap(index, to);
            self.settings.selected_reference = to;
            self.undo.mark(&self.recipe);
        }
    }

    pub(super) fn add_reference(&mut self, opened: Opened) {
        let (hash, name) = (opened.picture.hash.clone(), opened.picture.name.clone());
        self.take_picture(opened);
        if self.recipe.references.iter().any(|reference| reference.hash == hash) {
            self.notes.info(Place::References, format!("'{name}' is a reference already"));
            return;
        }
        self.recipe.references.push(Reference { hash, name, ..Reference::default() });
        self.settings.selected_reference = self.recipe.references.len() - 1;
        self.undo.mark(&self.recipe);
    }

    /// In a recipe a reference that is off has the role Off; the session keeps the one to go back to, and goes on keeping
    /// it: an undo switches off again, and knows of the recipe alone.
    pub(super) fn toggle_reference(&mut self, index: usize) {
        let Some(reference) = self.recipe.references.get_mut(index) else { return };
        let resting = &mut self.settings.resting_roles;
        if reference.role == Role::Off {
            reference.role = resting.get(&reference.hash).cloned().unwrap_or_default();
        } else {
            resting.insert(reference.hash.clone(), std::mem::replace(&mut reference.role, Role::Off));
        }
        self.undo.mark(&self.recipe);
    }

    /// What a reference that is off was used for, and will be again.
    pub fn resting_role(&self, reference: &Reference) -> Role {
        self.settings.resting_roles.get(&reference.hash).cloned().unwrap_or_default()
    }
}
