//! Scripts that the bundled fonts lack (Chinese, Arabic, Thai…), out of the fonts that are installed on the machine.
//!
//! A character without a glyph is looked for on a thread of its own, and its font joins egui's a moment later; until
//! then, and where no font has it, a box stands in its place. Whoever writes in Latin letters pays nothing.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use super::theme::strong;
use ab_glyph::{Font as _, FontRef};
use crossbeam_channel::{Receiver, Sender, bounded};
use egui::{Context, FallbackRequest, FontData, FontFamily, FontInsert, FontPriority, FontProvider, InsertFontFamily};
use fontdb::{Database, FaceInfo, ID, Style};

/// Characters that may wait; a page in another script asks for each of its characters once.
const WAITING: usize = 4096;
const MOST_FONTS: usize = 16;
const LARGEST_FILE: usize = 64 << 20;
const LARGEST_TOTAL: usize = 160 << 20;

/// Lets `ctx` use the machine's fonts. Where the thread does not start, everything stays as it is.
pub fn install(ctx: &Context) {
    let (wanted, characters) = bounded::<char>(WAITING);
    let to = ctx.clone();
    let started = std::thread::Builder::new().name("fonts".to_owned()).spawn(move || {
        serve(&characters, load_machine, &mut |font| {
            to.add_font(font);
            to.request_repaint();
        });
    });
    if started.is_ok() {
        ctx.add_font_provider(Arc::new(Asker { wanted }));
    }
}

/// Passes on what has no glyph, and never waits for the answer.
struct Asker {
    wanted: Sender<char>,
}

impl FontProvider for Asker {
    fn font_for(&self, request: &FallbackRequest<'_>) -> Option<FontInsert> {
        // What does not fit is asked for again with the next font.
        let _ = request.cluster.chars().next().map(|character| self.wanted.try_send(character));
        None
    }
}

fn load_machine() -> Database {
    let mut database = Database::new();
    database.load_system_fonts();
    database
}

/// Answers until nobody asks any more; the database is read when the first question comes.
fn serve(characters: &Receiver<char>, load: impl FnOnce() -> Database, found: &mut dyn FnMut(FontInsert)) {
    let Ok(first) = characters.recv() else { return };
    let mut fonts = Fonts::new(load());
    for character in std::iter::once(first).chain(characters.iter()) {
        if let Some(font) = fonts.for_character(character) {
            found(font);
        }
    }
}

/// The machine's fonts, and which of them have been handed out.
struct Fonts {
    database: Database,
    /// The ones that read well in a window first.
    order: Vec<ID>,
    asked: HashSet<char>,
    given: Vec<ID>,
    bytes: usize,
}

impl Fonts {
    fn new(database: Database) -> Self {
        let mut faces: Vec<&FaceInfo> = database.faces().collect();
        faces.sort_by_key(|face| {
            let named = |word: &str| face.families.iter().any(|(name, _)| name.contains(word));
            let is_plain = face.style == Style::Normal && !face.monospaced;
            (Reverse((is_plain, named("Sans"), named("Noto"))), face.weight.0.abs_diff(400))
        });
        let order = faces.into_iter().map(|face| face.id).collect();
        Self { database, order, asked: HashSet::new(), given: Vec::new(), bytes: 0 }
    }

    /// A font with this character that has not been given yet.
    fn for_character(&mut self, character: char) -> Option<FontInsert> {
        if !self.asked.insert(character) || self.given.len() >= MOST_FONTS {
            return None;
        }
        // A font given a moment ago may have it; the window just has not drawn with it yet.
        if self.given.iter().any(|id| self.has(*id, character)) {
            return None;
        }
        let id = self.order.iter().copied().find(|id| !self.given.contains(id) && self.has(*id, character))?;
        let (bytes, index) = self.database.with_face_data(id, |data, index| (data.to_vec(), index))?;
        self.given.push(id);
        self.bytes += bytes.len();
        let name = self.database.face(id).map_or_else(String::new, |face| face.post_script_name.clone());
        tracing::info!("the font {name} is used for U+{:04X}", u32::from(character));
        let family = |family| InsertFontFamily { family, priority: FontPriority::Lowest };
        let data = FontData { index, ..FontData::from_owned(bytes) };
        let families = [FontFamily::Proportional, FontFamily::Monospace, strong()].map(family).to_vec();
        Some(FontInsert { name: format!("machine: {name} {index}"), data, families })
    }

    fn has(&self, id: ID, character: char) -> bool {
        let has = |data: &[u8], index| {
            data.len() <= LARGEST_FILE
                && self.bytes + data.len() <= LARGEST_TOTAL
                && FontRef::try_from_slice_and_index(data, index).is_ok_and(|font| font.glyph_id(character).0 != 0)
        };
        self.database.with_face_data(id, has).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn bundled() -> Database {
        let mut database = Database::new();
        database.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
        database.load_font_data(epaint_default_fonts::HACK_REGULAR.to_vec());
        database
    }

    #[test]
    fn each_font_is_given_once_and_for_what_it_has() {
        let mut fonts = Fonts::new(bundled());
        let font = fonts.for_character('Ж').unwrap();
        assert!(font.name.contains("Ubuntu") && font.families.len() == 3, "{}", font.name);
        assert!(fonts.for_character('Ж').is_none() && fonts.for_character('Щ').is_none());
        assert!(fonts.for_character('中').is_none());
    }

    #[test]
    fn questions_are_answered_in_turn_until_nobody_asks() {
        let (wanted, characters) = bounded(8);
        for character in ['中', 'Ω', 'α'] {
            wanted.send(character).unwrap();
        }
        drop(wanted);
        let mut given = Vec::new();
        serve(&characters, bundled, &mut |font| given.push(font.name));
        assert_eq!(given.len(), 1);
        // Without a question nothing is loaded.
        let (wanted, characters) = bounded::<char>(1);
        drop(wanted);
        serve(&characters, || unreachable!(), &mut |_| unreachable!());
    }
}
