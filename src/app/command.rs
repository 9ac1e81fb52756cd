use super::board::BoardWish;
use super::export::ExportOf;
use super::models_command::ModelsCommand;
use super::references::Dropped;
use super::session::Theme;
use super::shelf::ShelfCommand;

/// Everything that can be asked of the window: by a button, a key or a test.
#[derive(Debug, Clone)]
pub enum Command {
    Generate,
    Cancel,
    Undo,
    Redo,

    OpenReferences,
    AddReferences(Vec<Dropped>),
    /// Files that were let go over the window.
    DropFiles(Vec<Dropped>),
    /// What becomes of a dropped picture that carries its settings.
    RestoreDropped,
    /// Restores the settings of a dropped sheet, and lays out its board.
    LayOutDropped,
    UseDropped,
    ForgetDropped,
    /// The library and the styles.
    Shelf(ShelfCommand),
    SelectReference(usize),
    RemoveReference(usize),
    /// Moves a reference one place to the front (-1) or the back (1).
    MoveReference(usize, i8),
    /// Off or on, with what is taken from it kept.
    ToggleReference(usize),

    /// Begins a picture from another one (image to image).
    OpenContent,
    SetContent(Dropped),
    UseAsContent(u64),
    RemoveContent,

    ToggleLive,
    LockSeed(bool),
    RollSeed,
    /// Takes every setting back to what the model brings; prompts and references stay.
    ResetSettings,

    /// The models, their parts and LoRAs.
    Models(ModelsCommand),

    Show(u64),
    ShowLive,
    /// Has a picture's pixels read, for a look at it.
    Load(u64),
    ShowNeighbour(i8),
    /// Holds the shown picture against another one.
    Compare(u64),
    SwapCompared,
    StopComparing,
    RestoreSettings(u64),
    UseAsReference(u64),
    RemoveFromHistory(u64),
    PutBackIntoHistory,
    SaveAs(u64),
    /// Writes pictures as the settings say.
    ExportPictures(ExportOf),
    OpenPicturesFolder,

    /// Has pictures chosen for an axis, which become no references.
    OpenBoardPictures,
    /// Lays out a board and paints it.
    OpenBoard(BoardWish),
    /// The board on the canvas, or the picture again.
    ShowBoard(bool),
    CancelBoard,
    CloseBoard,
    /// Paints a cell again, or for the first time.
    RunCell(usize),
    /// Paints what was stopped or has failed.
    RunRest,
    CancelCell(usize),
    /// Makes a picture of the history out of a cell, and goes on with its settings.
    PromoteCell(usize),
    StarCell(usize),
    /// Shows how the other cells differ from this one; None shows them as they are.
    HoldAgainst(Option<usize>),
    /// Works out numbers for the finished cells.
    MeasureBoard,
    /// Writes the board as the settings say; where each cell becomes a file, only these.
    ExportBoard(Vec<usize>),
    ChooseExportFolder,

    DismissNote(u64),
    SetTheme(Theme),
    /// Makes everything a step larger (1) or smaller (-1), or as usual again (0).
    Scale(i8),
    ToggleAdvanced,
}
