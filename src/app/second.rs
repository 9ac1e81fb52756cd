//! A window that opened while another had the session: it takes the session over when the other has closed.

use std::path::PathBuf;

use crossbeam_channel::Receiver;

use super::notes::Place;
use super::session::{Saver, Session};
use super::state::AppState;
use crate::engine::Waker;
use crate::library::InstanceLock;

const SECOND: &str = "another window is open already: this one's pictures are kept, its settings and its history are not \
                      until that one has closed";

/// Whose the session is, as far as this window goes.
#[derive(Debug)]
pub(super) enum Turn {
    /// This window's, and nobody else's lock stands in the way.
    Own,
    /// Another window has it.
    Waits(Receiver<InstanceLock>),
    /// It was another window's before; held so that the next window finds this one.
    TakenOver { _lock: InstanceLock },
}

impl Turn {
    /// `is_second`: another window has the session of `home`.
    pub fn of(home: Option<&PathBuf>, is_second: bool, waker: Waker) -> std::io::Result<Self> {
        match home.filter(|_| is_second) {
            Some(home) => InstanceLock::awaited(home, move || waker()).map(Self::Waits),
            None => Ok(Self::Own),
        }
    }
}

impl AppState {
    pub(super) fn say_second(&mut self) {
        self.notes.error(Place::Picture, SECOND);
    }

    /// Called once a frame: the other window may have closed.
    pub(super) fn watch_turn(&mut self) {
        let Turn::Waits(waiting) = &self.turn else { return };
        let (Ok(lock), Some(home)) = (waiting.try_recv(), self.home.clone()) else { return };
        // What the other window has left, before anything of this one is written over it.
        let (left, notice) = Session::load(&home);
        match Saver::start(home) {
            Ok(saver) => self.saver = Some(saver),
            Err(error) => {
                self.notes.error(Place::Picture, format!("the session cannot be kept ({error}); start again"));
                return;
            }
        }
        self.turn = Turn::TakenOver { _lock: lock };
        self.notes.withdraw(Place::Picture, SECOND);
        let said = "The other window has closed: this one's settings and history are kept from now on";
        self.notes.info(Place::Picture, said);
        if let Some(notice) = notice {
            self.notes.error(Place::Picture, notice);
        }
        if let Some(left) = left {
            self.take_up(left);
        }
        // Written soon, changed or not.
        self.history.revision += 1;
    }

    /// Takes the other window's last pictures into the history, and its settings where nothing was done here yet.
    fn take_up(&mut self, left: Session) {
        let (recipe, _, revision) = &self.saved;
        let is_untouched = *recipe == self.recipe && *revision == self.history.revision;
        let is_left = |file: &PathBuf| left.history.iter().any(|picture| picture.file == *file);
        let entries = self.history.entries();
        let last_left = entries.iter().rposition(|entry| entry.file.as_ref().is_some_and(is_left));
        let own = entries.len() - last_left.map_or(0, |last| last + 1);
        let is_known = |file: &PathBuf| entries.iter().any(|entry| entry.file.as_ref() == Some(file));
        let new: Vec<_> = left.history.iter().filter(|picture| !is_known(&picture.file)).cloned().collect();
        // In their order, before what was made here. Each may push the oldest out, so that places count from the end.
        for picture in new {
            let entry = self.kept_entry(picture);
            let place = self.history.entries().len() - own;
            self.history.insert(place, entry);
        }
        self.want_thumbnails();
        if is_untouched {
            let before = std::mem::replace(&mut self.recipe, left.recipe).model;
            self.undo.mark(&self.recipe);
            self.follow_model(&before);
            self.find_pictures();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::app::session::KeptPicture;

    fn session(names: &[String]) -> Session {
        let picture = |name: &String| KeptPicture { file: name.into(), ..KeptPicture::default() };
        Session { history: names.iter().map(picture).collect(), ..Session::default() }
    }

    #[test]
    fn a_full_strip_takes_the_other_windows_last_pictures_in_and_lets_the_oldest_go() {
        let home = tempfile::tempdir().unwrap();
        let mut state = AppState::for_tests(home.path());
        let old: Vec<String> = (0..200).map(|number| format!("old {number}.png")).collect();
        let [left, own] = ["left", "own"].map(|whose| [1, 2, 3].map(|number| format!("{whose} {number}.png")));
        for picture in session(&[&old[..], &own[..]].concat()).history {
            let entry = state.kept_entry(picture);
            state.history.add(entry);
        }
        // The other strip was full, too, and one of its old pictures was taken out there.
        let others = [&old[3..50], &old[51..], &left[..]].concat();
        state.take_up(session(&others));
        let files = state.history.entries().iter().filter_map(|entry| entry.file.as_ref()?.to_str().map(str::to_owned));
        assert_eq!(files.collect::<Vec<_>>(), [&old[6..], &left[..], &own[..]].concat());
    }
}
