//! The window: panels that show [`crate::app::AppState`] and send it commands. One panel a file.

mod advanced_panel;
mod board_cell;
mod board_chooser;
mod board_exporter;
mod board_panel;
mod canvas_panel;
mod commands;
mod content_panel;
mod crop_editor;
mod dragging;
mod dropping;
mod focus;
mod fonts;
mod fuzzy;
mod help_sheet;
mod history_strip;
mod import_question;
mod library_browser;
mod notes_ui;
mod open;
mod palette;
mod prompt_panel;
mod references_panel;
mod shortcuts;
mod style_panel;
mod styles_panel;
mod textures;
mod theme;
mod tokens;
mod top_bar;
mod widgets;
mod window;
mod words;

pub use open::{open, waker};
pub use window::StudioApp;
