//! What can be wrong with a picture, in one line that says what to do, with the file last.

/// The errors of this room.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PixelsError {
    #[error("there is no such picture; check the path: {path}")]
    Missing { path: String },
    #[error("a folder is no picture; name a file in it: {path}")]
    Folder { path: String },
    #[error("this is a device or a pipe, not a picture; give a file: {path}")]
    NotAFile { path: String },
    #[error("the picture cannot be read ({why}); check its permissions and its disk: {path}")]
    Unreadable { why: String, path: String },
    #[error("the file is empty; export or download the picture again: {path}")]
    Empty { path: String },
    #[error("this is {looks_like}, not a picture; give a PNG, JPEG, WebP, GIF, BMP or TIFF: {path}")]
    NotAPicture { looks_like: &'static str, path: String },
    #[error("{format} pictures are not supported; save it as PNG or JPEG: {path}")]
    Unsupported { format: &'static str, path: String },
    #[error("the picture breaks off before its end; copy or download it again: {path}")]
    Truncated { path: String },
    #[error(
        "the picture is {width} x {height} pixels, but at most 16384 a side and 100 megapixels are taken; make it smaller first: {path}"
    )]
    TooManyPixels { width: u32, height: u32, path: String },
    #[error("the file has {mib} MiB, but at most 512 MiB are read; make the picture smaller first: {path}")]
    FileTooLarge { mib: u64, path: String },
    #[error("decoding the picture takes more than 512 MiB; make it smaller or save it with 8 bits a channel: {path}")]
    TooMuchMemory { path: String },
    #[error(
        "there is not enough memory for the picture, which is {width} x {height} pixels; end other programs or make it smaller: {path}"
    )]
    NoMemory { width: u32, height: u32, path: String },
    #[error("the picture is damaged ({why}); open it in another program and save it anew: {path}")]
    Damaged { why: String, path: String },

    #[error(
        "crop {x},{y},{width},{height} reaches outside of the picture, which is {picture_width} x {picture_height} pixels; choose a rectangle within it"
    )]
    CropOutside { x: u32, y: u32, width: u32, height: u32, picture_width: u32, picture_height: u32 },
    #[error(
        "there is not enough memory to resize the picture, which is {width} x {height} pixels; end other programs or make it smaller"
    )]
    NoMemoryToResize { width: u32, height: u32 },
    #[error("the picture has no pixels; choose another")]
    NoPixels,
    #[error("preprocessor_config.json is not understood ({why}); take the file that came with the image encoder")]
    Preprocessor { why: String },

    #[error("the picture cannot be written ({why})")]
    Encode { why: String },

    #[error("this is no PNG; give a PNG: {path}")]
    NotAPng { path: String },
    #[error("the picture holds no recipe; take one that this program made, as it was saved: {path}")]
    NoRecipe { path: String },
    #[error("the PNG's text cannot be read ({why}); take the picture as it was saved: {path}")]
    Text { why: String, path: String },
}

impl PixelsError {
    pub(super) fn no_memory_to_resize(picture: &image::RgbImage) -> Self {
        let (width, height) = picture.dimensions();
        Self::NoMemoryToResize { width, height }
    }
}

/// The name under which other rooms know the errors of opening a picture.
pub type DecodeError = PixelsError;

/// Text from elsewhere (a decoder's message, a file name) made fit for one line.
pub(super) fn one_line(text: &str) -> String {
    const LONGEST: usize = 300;
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

/// A path for a message, never cut.
pub(super) fn shown(path: &str) -> String {
    path.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
