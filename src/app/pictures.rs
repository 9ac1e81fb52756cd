//! The opened pictures: those in use, and of the others the last ones. All of them lie on the disk, in the folder of
//! references, from where undo and boards have them back.

use std::collections::{HashMap, HashSet};

use super::references::Opened;
use super::state::AppState;
use crate::board::{Axis, PictureName};
use crate::pixels::CarriedReference;

/// Bytes of pixels that are kept of pictures that nothing uses just now.
const SPARE: usize = 192 << 20;

/// Pictures by their hash.
pub struct Pictures {
    open: HashMap<String, Kept>,
    /// Small copies of all that were open: they travel with pictures that were begun with them.
    small: HashMap<String, CarriedReference>,
    /// Name and hash of all that are or were open, in the order in which they were opened first.
    order: Vec<(String, String)>,
    /// Counts up with every look at which of them are in use.
    look: u64,
    spare: usize,
}

struct Kept {
    opened: Opened,
    /// The last look at which it was in use.
    used: u64,
}

impl Default for Pictures {
    fn default() -> Self {
        Self { open: HashMap::new(), small: HashMap::new(), order: Vec::new(), look: 0, spare: SPARE }
    }
}

impl Pictures {
    pub fn get(&self, hash: &str) -> Option<&Opened> {
        self.open.get(hash).map(|kept| &kept.opened)
    }

    pub fn contains_key(&self, hash: &str) -> bool {
        self.open.contains_key(hash)
    }

    pub fn insert(&mut self, hash: String, opened: Opened) {
        self.small.extend(opened.small.clone().map(|small| (hash.clone(), small)));
        let name = opened.picture.name.clone();
        match self.order.iter_mut().find(|(_, known)| *known == hash) {
            Some(known) => known.0 = name,
            None => self.order.push((name, hash.clone())),
        }
        self.open.insert(hash, Kept { opened, used: self.look });
    }

    pub fn small(&self, hash: &str) -> Option<&CarriedReference> {
        self.small.get(hash)
    }

    /// It cannot be opened any more.
    pub fn forget(&mut self, hash: &str) {
        self.order.retain(|(_, known)| known != hash);
    }

    /// By name and hash, open or not, in the order in which they were opened first.
    pub fn all_known(&self) -> impl Iterator<Item = (&str, &str)> {
        self.order.iter().map(|(name, hash)| (name.as_str(), hash.as_str()))
    }

    /// A picture that is open, or was.
    pub fn known(&self, hash: &str) -> Option<PictureName> {
        let (name, hash) = self.all_known().find(|(_, known)| *known == hash)?;
        Some(PictureName { hash: hash.to_owned(), name: name.to_owned() })
    }

    /// Lets pixels go that nothing uses, the longest unused first. What was not kept on the disk stays.
    fn free(&mut self, is_used: impl Fn(&str) -> bool) {
        self.look += 1;
        let mut spare = Vec::new();
        for (hash, kept) in &mut self.open {
            if is_used(hash) {
                kept.used = self.look;
            } else if kept.opened.not_kept.is_none() {
                spare.push((kept.used, hash.clone(), kept.opened.picture.rgb.as_raw().len()));
            }
        }
        spare.sort_unstable();
        let mut room = self.spare;
        for (_, hash, bytes) in spare.into_iter().rev() {
            match room.checked_sub(bytes) {
                Some(left) => room = left,
                None => drop(self.open.remove(&hash)),
            }
        }
    }
}

impl AppState {
    /// Called once a frame. While pictures are being opened, somebody waits for all of them.
    pub(super) fn free_pictures(&mut self) {
        let waits = self.opening > 0 || !self.asked_for.is_empty() || self.wants_board.is_some();
        if waits || self.home.is_none() {
            return;
        }
        let own = std::iter::once(&self.recipe);
        let cells = self.board.iter().flat_map(|open| open.cells.iter().map(|cell| &cell.recipe));
        let used: HashSet<&str> = own
            .chain(cells)
            .flat_map(|recipe| {
                let references = recipe.references.iter().map(|reference| reference.hash.as_str());
                references.chain(recipe.init.iter().map(|init| init.hash.as_str()))
            })
            .collect();
        self.pictures.free(|hash| used.contains(hash));
    }

    /// Pictures of these axes that were open once and are not now, by hash and name.
    pub(super) fn pictures_to_open(&self, axes: [Option<&Axis>; 2]) -> Vec<(String, String)> {
        let pictures = axes.into_iter().flatten().flat_map(Axis::pictures);
        let closed = pictures.filter(|picture| !self.pictures.contains_key(&picture.hash));
        closed.map(|picture| (picture.hash.clone(), picture.name.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::app::board::BoardWish;
    use crate::app::board_values::listed;
    use crate::app::command::Command;
    use crate::app::references::Dropped;
    use crate::app::sample;

    fn until(state: &mut AppState, done: impl Fn(&AppState) -> bool) {
        let began = Instant::now();
        state.logic(0.0, false);
        while !done(state) {
            assert!(began.elapsed() < Duration::from_secs(600), "waited too long");
            std::thread::sleep(Duration::from_millis(4));
            state.logic(0.0, false);
        }
    }

    #[test]
    fn a_picture_that_nothing_uses_is_let_go_and_comes_back_when_it_is_wanted() {
        let home = tempfile::tempdir().unwrap();
        let mut state = AppState::for_tests(home.path());
        state.pictures.spare = 0;
        let files = [("a.png", 10), ("b.png", 200)].map(|(name, grey)| {
            let path = home.path().join(name);
            image::RgbImage::from_pixel(9, 9, image::Rgb([grey; 3])).save(&path).unwrap();
            Dropped::File(path)
        });
        state.execute(Command::AddReferences(files.to_vec()));
        until(&mut state, |state| {
            state.recipe.references.len() == 3 && state.all_open() && state.model_info().is_some()
        });
        let [_, a, b] = [0, 1, 2].map(|index| state.recipe.references[index].hash.clone());

        state.execute(Command::RemoveReference(1));
        state.logic(0.0, false);
        assert!(!state.pictures.contains_key(&a) && state.pictures.contains_key(&b));
        assert!(!state.example_values("reference").contains("a.png"));
        state.execute(Command::Undo);
        until(&mut state, AppState::all_open);
        assert!(state.pictures.contains_key(&a), "undo has it back");

        // A board may name it, and needs it for as long as it lies open.
        state.execute(Command::Redo);
        state.logic(0.0, false);
        assert!(!state.pictures.contains_key(&a));
        let x = format!("reference={}", listed(["a.png", sample::NAME]));
        state.execute(Command::OpenBoard(BoardWish::Axes { x, y: String::new() }));
        until(&mut state, |state| state.board.is_some());
        state.logic(0.0, false);
        assert!(state.pictures.contains_key(&a));
        state.execute(Command::CloseBoard);
        state.logic(0.0, false);
        assert!(!state.pictures.contains_key(&a));
    }

    #[test]
    fn the_last_ones_stay_while_there_is_room() {
        let opened = |hash: &str, side: u32| Opened {
            picture: Arc::new(crate::pixels::Picture {
                rgb: image::RgbImage::new(side, side),
                hash: hash.to_owned(),
                name: hash.to_owned(),
                notices: Vec::new(),
            }),
            thumbnail: Arc::default(),
            small: None,
            not_kept: (hash == "lost").then(|| "a full disk".to_owned()),
        };
        let mut pictures = Pictures { spare: 700, ..Pictures::default() };
        for hash in ["first", "second", "lost"] {
            pictures.insert(hash.to_owned(), opened(hash, 10));
            pictures.free(|used| used == hash);
        }
        pictures.free(|_| false);
        assert_eq!(["first", "second", "lost"].map(|hash| pictures.contains_key(hash)), [true, true, true]);
        pictures.insert("third".to_owned(), opened("third", 10));
        pictures.free(|_| false);
        let is_open = ["first", "second", "third", "lost"].map(|hash| pictures.contains_key(hash));
        assert_eq!(is_open, [false, true, true, true], "what lies on no disk stays");
    }
}
