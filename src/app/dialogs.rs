//! File dialogs of the desktop, on a thread of their own.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rfd::{AsyncFileDialog, FileHandle};

use super::background::{Background, Done, Picked};
use super::notes::Place;
use super::state::AppState;
use crate::library::STYLE_ENDING;
use crate::pixels::PictureFormat;

/// No person dismisses a dialog as fast as a desktop without one answers.
const TOO_FAST_FOR_A_PERSON: Duration = Duration::from_millis(250);
/// Those that cannot be used are told so, and what to get.
pub const WEIGHTS: &[&str] = &["safetensors", "sft", "ckpt", "pt", "pth", "bin", "gguf"];
const PICTURES: &[&str] = &["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff"];

pub fn open_references(background: &Background) -> std::io::Result<()> {
    let dialog = AsyncFileDialog::new().set_title("Open references").add_filter("Pictures", PICTURES).pick_files();
    ask(background, false, dialog, |files: Vec<FileHandle>| {
        Picked::References(files.iter().map(|file| file.path().to_owned()).collect())
    })
}

pub fn open_board_pictures(background: &Background) -> std::io::Result<()> {
    let dialog = AsyncFileDialog::new().set_title("Open pictures for a board").add_filter("Pictures", PICTURES);
    ask(background, false, dialog.pick_files(), |files: Vec<FileHandle>| {
        Picked::BoardPictures(files.iter().map(|file| file.path().to_owned()).collect())
    })
}

pub fn open_content(background: &Background) -> std::io::Result<()> {
    let dialog = AsyncFileDialog::new().set_title("Open a content picture").add_filter("Pictures", PICTURES);
    ask(background, false, dialog.pick_file(), |file: FileHandle| Picked::Content(file.path().to_owned()))
}

pub fn save_as(background: &Background, entry: u64, name: &str) -> std::io::Result<()> {
    let dialog = AsyncFileDialog::new()
        .set_title("Save picture as")
        .add_filter("Pictures", PictureFormat::ENDINGS)
        .set_file_name(name);
    ask(background, true, dialog.save_file(), move |file: FileHandle| {
        let mut path: PathBuf = file.path().to_owned();
        if PictureFormat::of(&path).is_none() {
            // Only added, never exchanged: "fox.v2" becomes "fox.v2.png".
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(".png");
            path.set_file_name(name);
        }
        Picked::SaveAs { entry, path }
    })
}

pub fn import_styles(background: &Background) -> std::io::Result<()> {
    let dialog = AsyncFileDialog::new().set_title("Take in styles").add_filter("Styles", &[STYLE_ENDING]).pick_files();
    ask(background, false, dialog, |files: Vec<FileHandle>| {
        Picked::Styles(files.iter().map(|file| file.path().to_owned()).collect())
    })
}

pub fn export_style(background: &Background, name: &str) -> std::io::Result<()> {
    // A name of any script is a file's name, but for the signs that separate folders.
    let file = name.replace(['/', '\\', ':'], "-");
    let dialog = AsyncFileDialog::new().set_title("Save style as").add_filter("Styles", &[STYLE_ENDING]);
    let dialog = dialog.set_file_name(format!("{file}.{STYLE_ENDING}")).save_file();
    let name = name.to_owned();
    ask(background, true, dialog, move |file: FileHandle| {
        let mut path: PathBuf = file.path().to_owned();
        if path.extension().is_none_or(|ending| ending != STYLE_ENDING) {
            let mut with_ending = path.file_name().unwrap_or_default().to_owned();
            with_ending.push(format!(".{STYLE_ENDING}"));
            path.set_file_name(with_ending);
        }
        Picked::ExportStyle { name, path }
    })
}

pub fn export_folder(background: &Background) -> std::io::Result<()> {
    let dialog = AsyncFileDialog::new().set_title("Export into a folder").pick_folder();
    ask(background, true, dialog, |file: FileHandle| Picked::ExportFolder(file.path().to_owned()))
}

pub fn open_model_file(background: &Background) -> std::io::Result<()> {
    let dialog = AsyncFileDialog::new().set_title("Open a model, an IP-Adapter, a VAE or a LoRA");
    ask(background, false, dialog.add_filter("Weights", WEIGHTS).pick_files(), |files: Vec<FileHandle>| {
        Picked::Models(files.iter().map(|file| file.path().to_owned()).collect())
    })
}

pub fn open_model_folder(background: &Background) -> std::io::Result<()> {
    let dialog =
        AsyncFileDialog::new().set_title("Open the folder of a model, or one in which models lie").pick_folder();
    ask(background, false, dialog, |folder: FileHandle| Picked::Models(vec![folder.path().to_owned()]))
}

pub fn add_models_folder(background: &Background) -> std::io::Result<()> {
    let dialog = AsyncFileDialog::new().set_title("A folder in which models lie").pick_folder();
    ask(background, false, dialog, |folder: FileHandle| Picked::ModelsFolder(folder.path().to_owned()))
}

impl AppState {
    /// What to do where no dialog opens.
    pub(super) fn way_without_dialog(&self, place: Place, is_save: bool) -> String {
        let kept = |what: &str, folder: Option<PathBuf>| format!("{what} {}", folder.unwrap_or_default().display());
        match (place, is_save) {
            (Place::Export, true) => kept("what is exported goes into", self.export_folder()),
            (Place::Styles, true) => kept("the style is kept in", self.folder("styles")),
            (_, true) => kept("the picture is kept in", self.folder("pictures")),
            (Place::Board, false) => "add the pictures as references first, and type their names".to_owned(),
            (Place::Content, false) => "drop the picture here".to_owned(),
            (Place::Model, false) => "type the path below, or drop the file or the folder on the window".to_owned(),
            (Place::Styles, false) => "drop the file of the style on the window".to_owned(),
            (_, false) => "drop files on the window, or name them on the command line".to_owned(),
        }
    }
}

/// The dialog is made here, where macOS wants it, and waited for elsewhere.
fn ask<T: 'static>(
    background: &Background,
    is_save: bool,
    dialog: impl Future<Output = Option<T>> + Send + 'static,
    picked: impl FnOnce(T) -> Picked + Send + 'static,
) -> std::io::Result<()> {
    let began = Instant::now();
    let ask = move || {
        Ok(match block_on(dialog) {
            Some(answer) => picked(answer),
            None if began.elapsed() < TOO_FAST_FOR_A_PERSON => Picked::NoDialog { is_save },
            None => Picked::Nothing,
        })
    };
    background.ask(ask, move |answer| Done::Picked(answer.unwrap_or(Picked::NoDialog { is_save })))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_desktop_without_dialogs_is_told_where_one_was_asked_for() {
        let home = tempfile::tempdir().unwrap();
        let mut state = AppState::for_tests(home.path());
        for (place, is_save, way_out) in [
            (Place::References, false, "drop files on the window"),
            (Place::Content, false, "drop the picture here"),
            (Place::Model, false, "type the path below"),
            (Place::Styles, true, "styles"),
            (Place::Picture, true, "pictures"),
            (Place::Export, true, "exports"),
        ] {
            state.dialog_place = Some(place);
            state.take_picked(Picked::NoDialog { is_save });
            let said: Vec<&str> = state.notes.at(place).map(|note| note.text.as_str()).collect();
            assert!(said.len() == 1 && said[0].contains(way_out), "{place:?}: {said:?}");
        }
        assert!(state.dialog_place.is_none(), "the next dialog may open");
    }

    #[test]
    fn a_future_that_another_thread_finishes_is_waited_for() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut waker_sent = false;
        let future = std::future::poll_fn(move |context| match receiver.try_recv() {
            Ok(value) => Poll::Ready(value),
            Err(_) => {
                if !std::mem::replace(&mut waker_sent, true) {
                    let (waker, sender): (_, std::sync::mpsc::Sender<u32>) = (context.waker().clone(), sender.clone());
                    drop(std::thread::spawn(move || {
                        sender.send(7).unwrap();
                        waker.wake();
                    }));
                }
                Poll::Pending
            }
        });
        assert_eq!(block_on(future), 7);
    }
}
