//! Files let go over the window, and pictures pasted into it.

use std::sync::Arc;

use egui::{Color32, ColorImage, Context, Rect};

use crate::app::{Command, Dropped};
use crate::pixels::{PngText, encode_png};

/// What was dropped or pasted in this frame. Over `content` a single picture becomes the content picture; what becomes of
/// everything else is for [`Command::DropFiles`] to find out.
pub fn dropped_files(ctx: &Context, content: Option<Rect>) -> Vec<Command> {
    let (dropped, pasted, pointer) = ctx.input(|input| {
        let pasted = input.events.iter().find_map(|event| match event {
            egui::Event::PasteImage(image) => Some(image.clone()),
            _ => None,
        });
        (input.raw.dropped_files.clone(), pasted, input.pointer.latest_pos())
    });
    let mut files: Vec<Dropped> = Vec::new();
    for file in dropped {
        let path = file.path().to_owned();
        if path.is_absolute() {
            files.push(Dropped::File(path));
        } else {
            let name =
                path.file_name().map_or_else(|| "dropped picture".to_owned(), |n| n.to_string_lossy().into_owned());
            files.push(Dropped::Bytes { name, read: Arc::new(move || file.bytes()) });
        }
    }
    if let Some(image) = pasted {
        let read = move || png_of(&image);
        files.push(Dropped::Bytes { name: "pasted picture".to_owned(), read: Arc::new(read) });
    }
    let is_content = content.zip(pointer).is_some_and(|(rect, pointer)| rect.contains(pointer));
    match files.len() {
        0 => Vec::new(),
        1 if is_content && files.iter().all(Dropped::may_be_picture) => {
            files.into_iter().map(Command::SetContent).collect()
        }
        _ => vec![Command::DropFiles(files)],
    }
}

/// Runs on the files' thread. What is transparent lies on white, as in every other picture.
fn png_of(image: &ColorImage) -> Result<Vec<u8>, String> {
    let [width, height] = image.size.map(|side| u32::try_from(side).unwrap_or(0));
    let on_white = |colour: &Color32| {
        let rest = 255 - colour.a();
        [colour.r().saturating_add(rest), colour.g().saturating_add(rest), colour.b().saturating_add(rest)]
    };
    let bytes: Vec<u8> = image.pixels.iter().flat_map(on_white).collect();
    let rgb = image::RgbImage::from_raw(width, height, bytes).ok_or("the clipboard holds no whole picture")?;
    encode_png(&rgb, &PngText::default()).map_err(|error| error.to_string())
}
