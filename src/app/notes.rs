//! Short messages to the artist, shown where their cause lies.

use super::words::sentence;

/// Seconds that a message which asks for nothing stays.
const INFO_SECS: f64 = 6.0;
/// More messages than this at one place push out the oldest.
const MOST_AT_A_PLACE: usize = 4;

/// One sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    pub id: u64,
    pub kind: NoteKind,
    pub place: Place,
    pub text: String,
    pub offer: Option<Offer>,
    /// Says why the settings of then could not be painted; other settings make it untrue.
    is_of_settings: bool,
    /// Filled in by the first look at the clock.
    shown_at: Option<f64>,
}

/// What a message offers to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// To take the last removal back.
    PutBack,
    /// To switch the references off, or to get an IP-Adapter for them.
    References,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// Stays until it is dismissed.
    Error,
    /// Goes by itself.
    Info,
}

/// Where a message belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    References,
    Content,
    Board,
    Picture,
    Model,
    Styles,
    Library,
    /// The sheets that ask how to export.
    Export,
}

/// The messages that are open.
#[derive(Debug, Default)]
pub struct Notes {
    list: Vec<Note>,
    last_id: u64,
}

impl Notes {
    pub fn error(&mut self, place: Place, text: impl Into<String>) {
        let text = text.into();
        tracing::warn!("told at {place:?}: {text}");
        self.add(NoteKind::Error, place, text, None);
    }

    pub fn info(&mut self, place: Place, text: impl Into<String>) {
        self.add(NoteKind::Info, place, text.into(), None);
    }

    pub fn removed(&mut self, text: impl Into<String>) {
        self.add(NoteKind::Info, Place::Picture, text.into(), Some(Offer::PutBack));
    }

    /// That references cannot be used, with what helps; said at one place at a time.
    pub fn references(&mut self, kind: NoteKind, place: Place, text: impl Into<String>) {
        self.clear_offer(Offer::References);
        self.add(kind, place, text.into(), Some(Offer::References));
    }

    /// An error of the picture that goes with the settings that have caused it.
    pub fn failed(&mut self, text: impl Into<String>) {
        self.error(Place::Picture, text);
        if let Some(note) = self.list.last_mut() {
            note.is_of_settings = true;
        }
    }

    pub fn clear_failed(&mut self) {
        self.list.retain(|note| !note.is_of_settings);
    }

    /// Takes back what was said at `place`, since it is true no more.
    pub fn withdraw(&mut self, place: Place, text: &str) {
        let text = sentence(text);
        self.list.retain(|note| note.text != text || note.place != place);
    }

    fn add(&mut self, kind: NoteKind, place: Place, text: String, offer: Option<Offer>) {
        let text = sentence(&text);
        self.list.retain(|note| note.text != text || note.place != place);
        self.last_id += 1;
        let id = self.last_id;
        self.list.push(Note { id, kind, place, text, offer, is_of_settings: false, shown_at: None });
        let here = self.list.iter().filter(|note| note.place == place).count();
        if here > MOST_AT_A_PLACE
            && let Some(oldest) = self.list.iter().position(|note| note.place == place)
        {
            self.list.remove(oldest);
        }
    }

    pub fn dismiss(&mut self, id: u64) {
        self.list.retain(|note| note.id != id);
    }

    pub fn clear(&mut self, place: Place) {
        self.list.retain(|note| note.place != place);
    }

    pub fn clear_errors(&mut self, place: Place) {
        self.list.retain(|note| note.place != place || note.kind != NoteKind::Error);
    }

    pub fn clear_offer(&mut self, offer: Offer) {
        self.list.retain(|note| note.offer != Some(offer));
    }

    pub fn at(&self, place: Place) -> impl Iterator<Item = &Note> {
        self.list.iter().filter(move |note| note.place == place)
    }

    /// Drops what has been shown long enough; returns the seconds until the next one goes.
    pub fn tick(&mut self, now: f64) -> Option<f64> {
        for note in &mut self.list {
            note.shown_at.get_or_insert(now);
        }
        let left = |note: &Note| INFO_SECS - (now - note.shown_at.unwrap_or(now));
        // That of the references goes with its cause.
        let stays = |note: &Note| note.kind == NoteKind::Error || note.offer == Some(Offer::References);
        self.list.retain(|note| stays(note) || left(note) > 0.0);
        self.list.iter().filter(|note| !stays(note)).map(left).reduce(f64::min)
    }
}
