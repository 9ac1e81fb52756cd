//! What survives the end of the program, wanted or not: the recipe, the references, the history, the settings.
//!
//! One small JSON file, replaced as a whole a moment after every change. The pictures themselves lie beside it.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};

use super::board_export::BoardExport;
use super::export::PictureExport;
use super::few_step::OwnSampling;
use crate::library::write_atomically;
use crate::recipe::{Recipe, Role};

const FILE: &str = "session.json";
/// A session file larger than this was not written by this program.
const LARGEST: u64 = 64 << 20;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    pub recipe: Recipe,
    pub settings: Settings,
    pub history: Vec<KeptPicture>,
}

/// How the window is set up: nothing of it shapes a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub theme: Theme,
    /// How large everything is, 1 being as the desktop says.
    pub ui_scale: f32,
    pub window: Option<WindowPlace>,
    /// Every change paints a picture by itself. A new start begins at rest.
    #[serde(skip)]
    pub is_live: bool,
    /// The board lies on the canvas; it ends with the window.
    #[serde(skip)]
    pub is_board_shown: bool,
    pub is_advanced_open: bool,
    pub selected_reference: usize,
    /// How many pictures one press of Generate makes.
    pub count: u32,
    pub model: Option<PathBuf>,
    pub adapter: Option<PathBuf>,
    pub image_encoder: Option<PathBuf>,
    pub board_export: BoardExport,
    pub picture_export: PictureExport,
    pub vae: Option<PathBuf>,
    /// Where weights lie that were open once, by what a recipe calls them.
    pub known_files: BTreeMap<String, PathBuf>,
    /// Strengths of LoRAs that are off, by their hash.
    pub resting_loras: BTreeMap<String, f64>,
    /// The artist's settings that stand back behind those of LoRAs for few steps, by their hash.
    pub own_sampling: BTreeMap<String, OwnSampling>,
    /// What references that are off were used for, by their hash.
    pub resting_roles: BTreeMap<String, Role>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: Theme::System,
            ui_scale: 1.0,
            window: None,
            is_live: false,
            is_board_shown: false,
            is_advanced_open: false,
            selected_reference: 0,
            count: 1,
            model: None,
            adapter: None,
            image_encoder: None,
            board_export: BoardExport::default(),
            picture_export: PictureExport::default(),
            vae: None,
            known_files: BTreeMap::new(),
            resting_loras: BTreeMap::new(),
            own_sampling: BTreeMap::new(),
            resting_roles: BTreeMap::new(),
        }
    }
}

const SCALES: [f32; 2] = [0.5, 3.0];

impl Settings {
    /// A step larger (1), smaller (-1), or as usual again (0).
    pub fn scale(&mut self, step: i8) {
        let scale = if step == 0 { 1.0 } else { self.sound_scale() + 0.1 * f32::from(step) };
        self.ui_scale = ((scale * 10.0).round() / 10.0).clamp(SCALES[0], SCALES[1]);
    }

    /// The scale, whatever a damaged file says.
    pub fn sound_scale(&self) -> f32 {
        if self.ui_scale.is_finite() { self.ui_scale.clamp(SCALES[0], SCALES[1]) } else { 1.0 }
    }
}

/// Where the window stood, in points of the desktop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WindowPlace {
    /// None where the desktop does not tell.
    pub position: Option<[f32; 2]>,
    pub size: [f32; 2],
    pub is_maximized: bool,
}

impl WindowPlace {
    /// False for what no window can have been: a new one then opens as if nothing were known.
    pub fn is_sound(&self) -> bool {
        const FARTHEST: f32 = 32_768.0;
        let is_size = |side: f32| (200.0..FARTHEST).contains(&side);
        let is_place = |at: f32| at.abs() < FARTHEST;
        self.size.into_iter().all(is_size) && self.position.is_none_or(|at| at.into_iter().all(is_place))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

/// A picture of the history, by its file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptPicture {
    pub file: PathBuf,
    pub recipe: Recipe,
    pub seconds: f64,
    pub device: String,
}

impl Session {
    /// The session that `home` holds, if any; and what to tell the artist where it cannot be read.
    pub fn load(home: &Path) -> (Option<Self>, Option<String>) {
        let path = home.join(FILE);
        match read(&path) {
            Ok(session) => (session, None),
            Err(why) => {
                let aside = home.join("session.broken.json");
                let kept = match fs::rename(&path, &aside) {
                    Ok(()) => format!("it was kept as {}", aside.display()),
                    Err(_) => "it will be replaced".to_owned(),
                };
                (
                    None,
                    Some(format!(
                        "the last session could not be read ({why}); {kept}, and all pictures are still there"
                    )),
                )
            }
        }
    }
}

/// The session in this file; None only where there is no file: what cannot be read must not be written over.
fn read(path: &Path) -> Result<Option<Session>, String> {
    let length = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if length > LARGEST {
        return Err(format!("it is larger than {} MiB", LARGEST >> 20));
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| error.to_string())
}

/// Writes sessions on a thread of its own; of several that wait only the newest is written.
pub struct Saver {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

/// Where sessions are handed over.
#[derive(Default)]
struct Desk {
    work: Mutex<Work>,
    changed: Condvar,
}

#[derive(Default)]
struct Work {
    newest: Option<Session>,
    is_writing: bool,
    is_closed: bool,
}

impl Desk {
    fn change(&self, change: impl FnOnce(&mut Work)) {
        change(&mut self.work.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn wait_while(&self, is_so: impl Fn(&Work) -> bool) -> MutexGuard<'_, Work> {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        self.changed.wait_while(work, |work| is_so(work)).unwrap_or_else(PoisonError::into_inner)
    }

    /// The next session to write; None when there will be no more, and all are written.
    fn next(&self) -> Option<Session> {
        let mut work = self.wait_while(|work| work.newest.is_none() && !work.is_closed);
        work.is_writing = work.newest.is_some();
        work.newest.take()
    }
}

impl Saver {
    pub fn start(home: PathBuf) -> std::io::Result<Self> {
        let desk = Arc::<Desk>::default();
        let of_thread = desk.clone();
        let thread = std::thread::Builder::new().name("session".to_owned()).spawn(move || {
            while let Some(session) = of_thread.next() {
                write(&home, &session);
                of_thread.change(|work| work.is_writing = false);
            }
        })?;
        Ok(Self { desk, thread: Some(thread) })
    }

    pub fn save(&self, session: Session) {
        self.desk.change(|work| work.newest = Some(session));
    }

    /// Returns when everything that was handed over is on the disk, or could not be written.
    pub fn finish(&self) {
        drop(self.desk.wait_while(|work| work.newest.is_some() || work.is_writing));
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        self.desk.change(|work| work.is_closed = true);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn write(home: &Path, session: &Session) {
    let written = fs::create_dir_all(home).map_err(|error| error.to_string()).and_then(|()| {
        let json = serde_json::to_vec(session).map_err(|error| error.to_string())?;
        write_atomically(&home.join(FILE), &json).map_err(|error| error.to_string())
    });
    if let Err(why) = written {
        tracing::error!("the session could not be saved: {why}");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_newest_session_is_on_the_disk_when_the_saver_has_finished_or_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().join("home");
        let saver = Saver::start(home.clone()).unwrap();
        let mut session = Session::default();
        for prompt in ["one", "two", "three"] {
            session.recipe.prompt = prompt.to_owned();
            saver.save(session.clone());
        }
        saver.finish();
        assert_eq!(Session::load(&home), (Some(session.clone()), None));
        session.recipe.prompt = "four".to_owned();
        saver.save(session.clone());
        drop(saver);
        assert_eq!(Session::load(&home), (Some(session), None));
    }

    #[test]
    fn a_broken_session_is_kept_aside() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(FILE), b"{ \"recipe\": 7 }").unwrap();
        let (session, said) = Session::load(home.path());
        assert!(session.is_none() && said.unwrap().contains("session.broken.json"));
        assert!(home.path().join("session.broken.json").exists());
        assert_eq!(Session::load(home.path()), (None, None));
    }

    #[test]
    fn a_session_that_cannot_be_read_or_is_too_large_is_kept_aside_too() {
        let too_large = |path: &Path| fs::File::create(path).unwrap().set_len(LARGEST + 1).unwrap();
        let not_a_file = |path: &Path| fs::create_dir(path).unwrap();
        for make in [&too_large as &dyn Fn(&Path), &not_a_file] {
            let home = tempfile::tempdir().unwrap();
            make(&home.path().join(FILE));
            let (session, said) = Session::load(home.path());
            assert!(session.is_none() && said.unwrap().contains("session.broken.json"));
            assert!(home.path().join("session.broken.json").exists() && !home.path().join(FILE).exists());
        }
    }
}
