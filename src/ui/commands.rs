//! Every command with its name and its keys: the one table behind the shortcuts, the palette and the help sheet.

use egui::{Key, KeyboardShortcut, Modifiers};

use crate::app::{AppState, Command, ShelfCommand, Theme};

const CTRL: Modifiers = Modifiers::COMMAND;
const CTRL_SHIFT: Modifiers = Modifiers { shift: true, ..Modifiers::COMMAND };

const fn ctrl(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(CTRL, key)
}

const fn ctrl_shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(CTRL_SHIFT, key)
}

const fn alt(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::ALT, key)
}

const fn plain(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

/// Esc stops what runs, unless something lies over the window that it closes first.
pub const CANCEL: KeyboardShortcut = plain(Key::Escape);
/// macOS minimises a window by Cmd+M.
const MODELS: KeyboardShortcut = if cfg!(target_os = "macos") { ctrl_shift(Key::M) } else { ctrl(Key::M) };
/// Shows the other picture while it is held, unless someone is typing.
pub const FLIP: Key = Key::X;

/// Opens the menu of what has the focus, as a right click does.
pub const MENU: &[KeyboardShortcut] = &[KeyboardShortcut::new(Modifiers::SHIFT, Key::F10), plain(Key::Menu)];

/// Where a command stands in the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Painting,
    Editing,
    Pictures,
    View,
    Help,
}

impl Group {
    #[cfg(test)]
    pub const ALL: [Self; 5] = [Self::Painting, Self::Editing, Self::Pictures, Self::View, Self::Help];

    pub fn name(self) -> &'static str {
        match self {
            Self::Painting => "Painting",
            Self::Editing => "Editing",
            Self::Pictures => "Pictures",
            Self::View => "View",
            Self::Help => "Help",
        }
    }
}

/// What is asked of the window itself, not of what it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowCommand {
    Copy,
    Fit,
    ActualPixels,
    CropEditor,
    Board,
    ExportBoard,
    CompareCells,
    ExportPictures,
    Wipe,
    SideBySide,
    Difference,
    SaveStyle,
    /// A picture that is on the canvas, or about to be.
    ExportShown,
    Models,
    Palette,
    Library,
    Help,
}

/// How a command is done.
#[derive(Clone, Copy)]
pub enum Does {
    /// None while it cannot be done.
    App(fn(&AppState) -> Option<Command>),
    Window(WindowCommand),
    /// Its key is read where it matters; only the help sheet lists it.
    Elsewhere,
}

pub struct Entry {
    pub group: Group,
    pub name: &'static str,
    /// The first is the one that is shown.
    pub keys: &'static [KeyboardShortcut],
    pub does: Does,
}

impl Entry {
    /// Whether it would do anything now.
    pub fn is_possible(&self, state: &AppState) -> bool {
        match self.does {
            Does::App(command) => command(state).is_some(),
            Does::Window(WindowCommand::Copy) => state.shown_entry().is_some(),
            Does::Window(WindowCommand::ExportBoard) => state.board.as_ref().is_some_and(|open| open.done() > 0),
            Does::Window(WindowCommand::ExportPictures) => state.has_pictures_to_export(),
            Does::Window(WindowCommand::CompareCells) => state.shown_board().is_some(),
            Does::Window(WindowCommand::Wipe | WindowCommand::SideBySide | WindowCommand::Difference) => {
                state.comparison().is_some() || state.shown_board().is_some()
            }
            Does::Window(WindowCommand::CropEditor | WindowCommand::SaveStyle) => state.selected_reference().is_some(),
            Does::Window(_) => true,
            Does::Elsewhere => false,
        }
    }
}

const fn app(
    group: Group,
    name: &'static str,
    keys: &'static [KeyboardShortcut],
    command: fn(&AppState) -> Option<Command>,
) -> Entry {
    Entry { group, name, keys, does: Does::App(command) }
}

const fn window(group: Group, name: &'static str, keys: &'static [KeyboardShortcut], command: WindowCommand) -> Entry {
    Entry { group, name, keys, does: Does::Window(command) }
}

fn shown(state: &AppState) -> Option<u64> {
    state.shown_entry().map(|entry| entry.id)
}

/// The picture that a comparison begins with: the one made before the shown one, else the one after.
pub fn other(state: &AppState) -> Option<u64> {
    let id = shown(state)?;
    state.history.neighbour(id, -1).or_else(|| state.history.neighbour(id, 1))
}

use Group::{Editing, Help, Painting, Pictures, View};

/// In the order of the lists.
pub const TABLE: &[Entry] = &[
    app(Painting, "Generate", &[ctrl(Key::Enter)], |_| Some(Command::Generate)),
    app(Painting, "Cancel everything that runs or waits", &[CANCEL], |state| {
        state.is_at_work().then_some(Command::Cancel)
    }),
    window(Painting, "Paint a board…", &[ctrl(Key::B)], WindowCommand::Board),
    window(Painting, "Models…", &[MODELS], WindowCommand::Models),
    app(Painting, "Live mode on or off", &[ctrl(Key::L)], |_| Some(Command::ToggleLive)),
    app(Painting, "Roll a new seed and lock it", &[ctrl(Key::D)], |_| Some(Command::RollSeed)),
    app(Painting, "Lock the seed or let it vary", &[], |state| Some(Command::LockSeed(state.recipe.seed.is_none()))),
    app(Painting, "Reset to the model's settings", &[], |_| Some(Command::ResetSettings)),
    app(Painting, "Show or hide advanced settings", &[ctrl(Key::E)], |_| Some(Command::ToggleAdvanced)),
    app(Editing, "Undo", &[ctrl(Key::Z)], |state| state.can_undo().then_some(Command::Undo)),
    app(Editing, "Redo", &[ctrl_shift(Key::Z), ctrl(Key::Y)], |state| state.can_redo().then_some(Command::Redo)),
    app(Editing, "Open references…", &[ctrl(Key::O)], |_| Some(Command::OpenReferences)),
    Entry { group: Editing, name: "Paste a picture as reference", keys: &[ctrl(Key::V)], does: Does::Elsewhere },
    window(Editing, "Save as style…", &[], WindowCommand::SaveStyle),
    app(Editing, "Import styles…", &[], |_| Some(Command::Shelf(ShelfCommand::ImportStyles))),
    app(Editing, "Open a content picture…", &[], |_| Some(Command::OpenContent)),
    app(Editing, "Remove the content picture", &[], |state| {
        state.recipe.init.is_some().then_some(Command::RemoveContent)
    }),
    window(Editing, "Choose what is seen of a reference…", &[alt(Key::C)], WindowCommand::CropEditor),
    app(Pictures, "Save picture as…", &[ctrl(Key::S)], |state| shown(state).map(Command::SaveAs)),
    window(Pictures, "Export pictures…", &[ctrl_shift(Key::E)], WindowCommand::ExportPictures),
    window(Pictures, "Copy picture", &[ctrl_shift(Key::C)], WindowCommand::Copy),
    app(Pictures, "Restore the picture's settings", &[ctrl(Key::R)], |state| {
        shown(state).map(Command::RestoreSettings)
    }),
    app(Pictures, "Use the picture as reference", &[], |state| shown(state).map(Command::UseAsReference)),
    app(Pictures, "Use the picture as content", &[], |state| shown(state).map(Command::UseAsContent)),
    app(Pictures, "Remove the picture from the history", &[], |state| shown(state).map(Command::RemoveFromHistory)),
    app(Pictures, "Picture before", &[alt(Key::ArrowLeft)], |_| Some(Command::ShowNeighbour(-1))),
    app(Pictures, "Picture after", &[alt(Key::ArrowRight)], |_| Some(Command::ShowNeighbour(1))),
    window(Pictures, "All pictures…", &[ctrl_shift(Key::L)], WindowCommand::Library),
    app(Pictures, "Open the pictures folder", &[ctrl_shift(Key::O)], |_| Some(Command::OpenPicturesFolder)),
    app(View, "Board or picture", &[ctrl_shift(Key::B)], |state| {
        state.board.as_ref().map(|_| Command::ShowBoard(!state.settings.is_board_shown))
    }),
    app(View, "Close the board", &[], |state| state.board.as_ref().map(|_| Command::CloseBoard)),
    window(View, "Export the board…", &[ctrl_shift(Key::S)], WindowCommand::ExportBoard),
    window(View, "Compare the picked cells, or show all", &[ctrl_shift(Key::X)], WindowCommand::CompareCells),
    app(View, "Compare with the picture before", &[], |state| {
        state.comparison().is_none().then(|| other(state)).flatten().map(Command::Compare)
    }),
    app(View, "Stop comparing", &[], |state| state.compared.map(|_| Command::StopComparing)),
    app(View, "Swap the two compared pictures", &[alt(Key::X)], |state| {
        state.comparison().map(|_| Command::SwapCompared)
    }),
    Entry { group: View, name: "Show the other picture while held", keys: &[plain(FLIP)], does: Does::Elsewhere },
    window(View, "Compare by a wipe", &[], WindowCommand::Wipe),
    window(View, "Compare side by side", &[], WindowCommand::SideBySide),
    window(View, "Compare by the difference", &[], WindowCommand::Difference),
    window(View, "Fit the picture", &[ctrl(Key::Num2)], WindowCommand::Fit),
    window(View, "Actual pixels", &[ctrl(Key::Num1)], WindowCommand::ActualPixels),
    app(View, "Make everything larger", &[ctrl(Key::Plus), ctrl(Key::Equals)], |_| Some(Command::Scale(1))),
    app(View, "Make everything smaller", &[ctrl(Key::Minus)], |_| Some(Command::Scale(-1))),
    app(View, "Usual size of everything", &[ctrl(Key::Num0)], |_| Some(Command::Scale(0))),
    app(View, "Theme of the system", &[], |_| Some(Command::SetTheme(Theme::System))),
    app(View, "Light theme", &[], |_| Some(Command::SetTheme(Theme::Light))),
    app(View, "Dark theme", &[], |_| Some(Command::SetTheme(Theme::Dark))),
    window(Help, "All commands…", &[ctrl_shift(Key::P), ctrl(Key::K)], WindowCommand::Palette),
    Entry { group: Help, name: "Menu of what has the focus", keys: MENU, does: Does::Elsewhere },
    window(Help, "Keyboard shortcuts", &[plain(Key::F1)], WindowCommand::Help),
];

/// The keys of a command as text, such as "Ctrl+Enter".
pub fn keys_of(ctx: &egui::Context, name: &str) -> String {
    let keys = TABLE.iter().find(|entry| entry.name == name).and_then(|entry| entry.keys.first());
    keys.map(|keys| ctx.format_shortcut(keys)).unwrap_or_default()
}

/// What the key beside a click or the wheel is called here: "Ctrl", on macOS "⌘".
pub fn ctrl_key(ctx: &egui::Context) -> String {
    ctx.format_modifiers(Modifiers::COMMAND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_commands_share_a_name_or_a_key() {
        let mut names: Vec<&str> = TABLE.iter().map(|entry| entry.name).collect();
        let mut keys: Vec<String> = TABLE.iter().flat_map(|e| e.keys).map(|key| format!("{key:?}")).collect();
        for list in [names.len(), keys.len()] {
            assert!(list > 20);
        }
        names.sort_unstable();
        keys.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "{keys:?}");
    }

    #[test]
    fn the_lists_run_group_by_group() {
        let groups: Vec<usize> =
            TABLE.iter().filter_map(|entry| Group::ALL.iter().position(|group| *group == entry.group)).collect();
        assert!(groups.is_sorted() && groups.len() == TABLE.len());
    }
}
