//! Keys, what they do, and the list of them.

use egui::{Key, KeyboardShortcut, Modifiers};

use crate::app::{AppState, Command};

const CTRL: Modifiers = Modifiers::COMMAND;
const CTRL_SHIFT: Modifiers = Modifiers { shift: true, ..Modifiers::COMMAND };

pub const GENERATE: KeyboardShortcut = KeyboardShortcut::new(CTRL, Key::Enter);
pub const CANCEL: KeyboardShortcut = KeyboardShortcut::new(Modifiers::NONE, Key::Escape);
pub const UNDO: KeyboardShortcut = KeyboardShortcut::new(CTRL, Key::Z);
pub const REDO: KeyboardShortcut = KeyboardShortcut::new(CTRL_SHIFT, Key::Z);
const REDO_TOO: KeyboardShortcut = KeyboardShortcut::new(CTRL, Key::Y);
pub const OPEN: KeyboardShortcut = KeyboardShortcut::new(CTRL, Key::O);
pub const SAVE: KeyboardShortcut = KeyboardShortcut::new(CTRL, Key::S);
pub const COPY: KeyboardShortcut = KeyboardShortcut::new(CTRL_SHIFT, Key::C);
pub const FIT: KeyboardShortcut = KeyboardShortcut::new(CTRL, Key::Num0);
pub const ACTUAL: KeyboardShortcut = KeyboardShortcut::new(CTRL, Key::Num1);
pub const BEFORE: KeyboardShortcut = KeyboardShortcut::new(Modifiers::ALT, Key::ArrowLeft);
pub const AFTER: KeyboardShortcut = KeyboardShortcut::new(Modifiers::ALT, Key::ArrowRight);
pub const RESTORE: KeyboardShortcut = KeyboardShortcut::new(CTRL, Key::R);
pub const ROLL: KeyboardShortcut = KeyboardShortcut::new(CTRL, Key::D);
pub const ADVANCED: KeyboardShortcut = KeyboardShortcut::new(CTRL, Key::E);
pub const SWAP: KeyboardShortcut = KeyboardShortcut::new(Modifiers::ALT, Key::X);
pub const FOLDER: KeyboardShortcut = KeyboardShortcut::new(CTRL_SHIFT, Key::O);
pub const HELP: KeyboardShortcut = KeyboardShortcut::new(Modifiers::NONE, Key::F1);

/// What the help sheet lists.
pub const LIST: &[(&str, &[(KeyboardShortcut, &str)])] = &[
    (
        "Painting",
        &[
            (GENERATE, "Generate"),
            (CANCEL, "Cancel everything that runs or waits"),
            (ROLL, "Roll a new seed and lock it"),
            (ADVANCED, "Show or hide advanced settings"),
        ],
    ),
    ("Editing", &[(UNDO, "Undo"), (REDO, "Redo"), (OPEN, "Open references…")]),
    (
        "Pictures",
        &[
            (SAVE, "Save picture as…"),
            (COPY, "Copy picture"),
            (RESTORE, "Restore the picture's settings"),
            (BEFORE, "Picture before"),
            (AFTER, "Picture after"),
            (SWAP, "Swap the two compared pictures"),
            (FIT, "Fit the picture"),
            (ACTUAL, "Actual pixels"),
            (FOLDER, "Open the pictures folder"),
        ],
    ),
    ("Help", &[(HELP, "This list")]),
];

/// What a key asks of the window itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowCommand {
    Copy,
    Fit,
    ActualPixels,
    ToggleHelp,
    CloseHelp,
}

/// Reads the keys of this frame, before any widget sees them.
pub fn read(
    ctx: &egui::Context,
    state: &AppState,
    is_help_open: bool,
    commands: &mut Vec<Command>,
) -> Option<WindowCommand> {
    let pressed = |shortcut: &KeyboardShortcut| ctx.input_mut(|input| input.consume_shortcut(shortcut));
    let shown = state.shown_entry().map(|entry| entry.id);
    // Shortcuts with more modifiers come first, because the shorter ones would match them too.
    if pressed(&REDO) || pressed(&REDO_TOO) {
        commands.push(Command::Redo);
    }
    if pressed(&UNDO) {
        commands.push(Command::Undo);
    }
    if pressed(&FOLDER) {
        commands.push(Command::OpenPicturesFolder);
    }
    if pressed(&OPEN) {
        commands.push(Command::OpenReferences);
    }
    if pressed(&GENERATE) {
        commands.push(Command::Generate);
    }
    if pressed(&ROLL) {
        commands.push(Command::RollSeed);
    }
    if pressed(&ADVANCED) {
        commands.push(Command::ToggleAdvanced);
    }
    if pressed(&BEFORE) {
        commands.push(Command::ShowNeighbour(-1));
    }
    if pressed(&AFTER) {
        commands.push(Command::ShowNeighbour(1));
    }
    if pressed(&SWAP) {
        commands.push(Command::SwapCompared);
    }
    if let Some(id) = shown {
        if pressed(&SAVE) {
            commands.push(Command::SaveAs(id));
        }
        if pressed(&RESTORE) {
            commands.push(Command::RestoreSettings(id));
        }
    }
    // With help open or an entry in work, Esc belongs to them.
    if is_help_open && pressed(&CANCEL) {
        return Some(WindowCommand::CloseHelp);
    }
    if !state.jobs.is_empty() && pressed(&CANCEL) {
        commands.push(Command::Cancel);
    }
    let own = [
        (COPY, WindowCommand::Copy),
        (FIT, WindowCommand::Fit),
        (ACTUAL, WindowCommand::ActualPixels),
        (HELP, WindowCommand::ToggleHelp),
    ];
    own.into_iter().find(|(shortcut, _)| pressed(shortcut)).map(|(_, command)| command)
}
