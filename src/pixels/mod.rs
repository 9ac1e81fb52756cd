//! Pictures in and out: files to upright sRGB pixels, pixels to what a network takes, pictures to PNG files,
//! and to other formats for others.
//!
//! This room knows no network and no window, and recipes and boards only as what a picture carries.

mod base64;
mod carried;
mod clip_image;
mod colour;
mod contact_sheet;
mod decode;
mod encode;
mod error;
mod exif;
mod export;
mod init_image;
mod lettering;
mod picture;
mod png_text;
mod resample;
mod sniff;
mod xmp;

pub use carried::{Carried, carried, carried_by, recipe_json};
pub use clip_image::{ClipImageProcessor, Resize};
pub use contact_sheet::ContactSheet;
pub use decode::DECODER_THREAD;
pub use encode::{PngText, encode_png};
pub use error::{DecodeError, PixelsError};
pub use export::{CarriedReference, PictureFormat, ensure_room, export, export_sheet};
pub use init_image::{init_pixels, init_size};
pub use picture::{MOST_FILE_BYTES, Picture};
pub use png_text::{BOARD_KEYWORD, RECIPE_KEYWORD, REFERENCES_KEYWORD, read_png_text};
pub use resample::{Filter, Region, Window, resize, resize_region, shrunk};
