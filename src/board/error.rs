use super::Field;
use crate::recipe::RecipeError;

/// What is wrong with a board, in one sentence with the value and what is allowed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BoardError {
    #[error(
        "'{text}' is no axis; write it as AXIS=V1,V2,… or AXIS=FROM..TO step STEP, such as strength=0..1 step 0.25"
    )]
    NoAxis { text: String },
    #[error("there is no axis '{name}'; choose one of {}, or a block of the model: {}", Field::ALL.map(Field::name).join(", "), blocks.join(", "))]
    UnknownAxis { name: String, blocks: Vec<String> },
    #[error("the axis '{axis}' has no values; write it as {axis}=V1,V2,…")]
    NoValues { axis: String },
    #[error("the axis '{axis}' has an empty value; take out the comma too many, or write \"\" for an empty text")]
    EmptyValue { axis: String },
    #[error("the axis '{axis}' has the value '{value}', but must be {allowed}")]
    Value { axis: String, value: String, allowed: String },
    #[error("the axis '{axis}' has a quotation mark that does not end, in {value}; close it with \"")]
    OpenQuote { axis: String, value: String },
    #[error("the axis '{axis}' has the range '{value}', but must be {allowed}")]
    Range { axis: String, value: String, allowed: &'static str },
    #[error("the board has {cells} cells, but at most {most} are made; give fewer values")]
    TooManyCells { cells: usize, most: usize },
    #[error("both axes are '{axis}'; choose another for --y")]
    SameAxis { axis: String },
    /// `what` is "reference" or "LoRA".
    #[error("the axis '{axis}' is about {what}s, and there is none; add a {what}")]
    NothingToChange { axis: String, what: &'static str },
    #[error("the axis '{axis}' is about {what} {number}, and there are {count}; choose a number from 1 to {count}")]
    NoSuchNumber { axis: String, what: &'static str, number: usize, count: usize },
    #[error(
        "the axis '{axis}' has a number, but {field} belongs to no single reference or LoRA; write it without the number"
    )]
    NotNumbered { axis: String, field: String },
    /// The words go on from the axis.
    #[error("the axis '{axis}' {why}")]
    BlockScales { axis: String, why: String },
    #[error("the axis '{axis}' has no words to subtract; name what the reference shows with subtract")]
    NoWords { axis: String },
    #[error("the axis '{axis}' needs a picture to begin from; add one (init)")]
    NoInit { axis: String },
    #[error(
        "a block's scale cannot be set beside mode 'precise', which works on two sides; choose another mode for the axis '{axis}'"
    )]
    PreciseBlock { axis: String },
    #[error("there is no ready-made board '{name}'; choose one of {}", known.join(", "))]
    UnknownPreset { name: String, known: Vec<&'static str> },
    /// A cell that cannot be made, named by its place.
    #[error("the cell {cell}: {fault}")]
    Cell { cell: String, fault: RecipeError },
    #[error(transparent)]
    Recipe(#[from] RecipeError),
}
