//! The fields of the recipe that an axis may be about, and how their values are written.

/// A field, beside the model's blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Mode,
    Blocks,
    Strength,
    LayoutStrength,
    Crop,
    Subtract,
    SubtractStrength,
    Reference,
    LoraStrength,
    LoraBlocks,
    Prompt,
    Negative,
    Start,
    End,
    Init,
    Denoise,
    Steps,
    Guidance,
    Scheduler,
    Seed,
    Width,
    Height,
    Size,
}

// A field that `ALL` leaves out would be read nowhere.
const _: () = assert!(Field::ALL.len() == Field::Size as usize + 1);

/// Which ranges a field takes beside single values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Decimal,
    Whole,
    /// None: its values are words.
    Other,
}

impl Field {
    pub const ALL: [Self; 23] = [
        Self::Mode,
        Self::Blocks,
        Self::Strength,
        Self::LayoutStrength,
        Self::Crop,
        Self::Subtract,
        Self::SubtractStrength,
        Self::Reference,
        Self::LoraStrength,
        Self::LoraBlocks,
        Self::Prompt,
        Self::Negative,
        Self::Start,
        Self::End,
        Self::Init,
        Self::Denoise,
        Self::Steps,
        Self::Guidance,
        Self::Scheduler,
        Self::Seed,
        Self::Width,
        Self::Height,
        Self::Size,
    ];

    /// What the command line's flag is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Blocks => "blocks",
            Self::Strength => "strength",
            Self::LayoutStrength => "layout-strength",
            Self::Crop => "crop",
            Self::Subtract => "subtract",
            Self::SubtractStrength => "subtract-strength",
            Self::Reference => "reference",
            Self::LoraStrength => "lora-strength",
            Self::LoraBlocks => "lora-blocks",
            Self::Prompt => "prompt",
            Self::Negative => "negative",
            Self::Start => "start",
            Self::End => "end",
            Self::Init => "init",
            Self::Denoise => "denoise",
            Self::Steps => "steps",
            Self::Guidance => "guidance",
            Self::Scheduler => "scheduler",
            Self::Seed => "seed",
            Self::Width => "width",
            Self::Height => "height",
            Self::Size => "size",
        }
    }

    /// The field of this name; a block's name is none.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// It belongs to a LoRA.
    pub fn is_of_loras(self) -> bool {
        self.belongs_to() == Owner::Lora
    }

    /// It belongs to one reference or one LoRA, so that `@2` says which.
    pub(super) fn is_numbered(self) -> bool {
        self.belongs_to() != Owner::Picture
    }

    /// Its values name pictures.
    pub fn is_of_pictures(self) -> bool {
        matches!(self, Self::Reference | Self::Init)
    }

    fn belongs_to(self) -> Owner {
        match self {
            Self::Mode
            | Self::Blocks
            | Self::Strength
            | Self::LayoutStrength
            | Self::Crop
            | Self::Subtract
            | Self::SubtractStrength
            | Self::Reference => Owner::Reference,
            Self::LoraStrength | Self::LoraBlocks => Owner::Lora,
            Self::Prompt
            | Self::Negative
            | Self::Start
            | Self::End
            | Self::Init
            | Self::Denoise
            | Self::Steps
            | Self::Guidance
            | Self::Scheduler
            | Self::Seed
            | Self::Width
            | Self::Height
            | Self::Size => Owner::Picture,
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Strength
            | Self::LayoutStrength
            | Self::SubtractStrength
            | Self::LoraStrength
            | Self::Start
            | Self::End
            | Self::Denoise
            | Self::Guidance => Kind::Decimal,
            Self::Steps | Self::Seed | Self::Width | Self::Height => Kind::Whole,
            Self::Mode
            | Self::Blocks
            | Self::Crop
            | Self::Subtract
            | Self::Reference
            | Self::LoraBlocks
            | Self::Prompt
            | Self::Negative
            | Self::Init
            | Self::Scheduler
            | Self::Size => Kind::Other,
        }
    }
}

/// What a field belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Picture,
    Reference,
    Lora,
}
