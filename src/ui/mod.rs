//! The window: panels that show [`crate::app::AppState`] and send it commands. One panel a file.

mod advanced_panel;
mod canvas_panel;
mod help_sheet;
mod history_strip;
mod notes_ui;
mod prompt_panel;
mod references_panel;
mod shortcuts;
mod style_panel;
mod textures;
mod theme;
mod tokens;
mod top_bar;
mod widgets;
mod window;
mod words;

pub use window::{StudioApp, open};
