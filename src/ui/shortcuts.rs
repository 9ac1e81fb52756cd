//! Keys into commands, before any widget sees them.

use egui::{Context, KeyboardShortcut, Modifiers, Popup};

use super::commands::{CANCEL, Does, FLIP, TABLE, WindowCommand};
use crate::app::{AppState, Command};

/// What lies over the window and takes keys for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Nothing,
    /// The settings behind it still matter: everything but Esc goes on working.
    Editor,
    /// Nothing behind it matters, but what toggles a sheet.
    Sheet,
}

/// Reads the keys of this frame. `was_typing`: a field had the focus until now, and Esc only leaves it.
pub fn read(
    ctx: &Context,
    state: &AppState,
    over: Over,
    was_typing: bool,
    commands: &mut Vec<Command>,
) -> Option<WindowCommand> {
    let mut asked = None;
    // The next Esc cancels; this one closes a list or a menu, or ends typing.
    let esc_is_taken = was_typing || Popup::is_any_open(ctx);
    // A shortcut with fewer modifiers would match the keys of one with more, so that those come first.
    for count in (0..=3).rev() {
        let entries = TABLE.iter().flat_map(|entry| entry.keys.iter().map(move |keys| (entry, keys)));
        for (entry, keys) in entries.filter(|(_, keys)| modifiers(keys.modifiers) == count) {
            match (entry.does, over) {
                (Does::Elsewhere, _) => {}
                (Does::App(_), Over::Sheet) => {}
                (_, Over::Editor | Over::Sheet) if *keys == CANCEL => {}
                (Does::App(_), _) if *keys == CANCEL && esc_is_taken => {}
                (Does::App(command), _) => {
                    let command = command(state);
                    // Esc stays for the widgets where nothing runs; another key never means two things.
                    if (command.is_some() || *keys != CANCEL) && pressed(ctx, keys) {
                        commands.extend(command);
                    }
                }
                (Does::Window(command), _) => {
                    if pressed(ctx, keys) {
                        asked = Some(command);
                    }
                }
            }
        }
    }
    asked
}

/// The key that shows the other picture is down, and nobody is typing.
pub fn is_flipped(ctx: &Context, over: Over) -> bool {
    over == Over::Nothing
        && !ctx.text_edit_focused()
        && ctx.input(|input| input.key_down(FLIP) && input.modifiers.is_none())
}

fn pressed(ctx: &Context, keys: &KeyboardShortcut) -> bool {
    ctx.input_mut(|input| input.consume_shortcut(keys))
}

fn modifiers(modifiers: Modifiers) -> usize {
    [modifiers.alt, modifiers.shift, modifiers.ctrl || modifiers.command || modifiers.mac_cmd]
        .into_iter()
        .filter(|is_down| *is_down)
        .count()
}
