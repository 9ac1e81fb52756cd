//! The disk: what the program keeps and how it writes without losing anything.
//!
//! Of the rest of the program it knows recipes and the pictures that carry them.

mod atomic_file;
mod catalogue;
mod error;
mod file_name;
mod instance_lock;
mod journal;
mod leftovers;
mod log_file;
mod paths;
mod pictures;
mod references;
mod style_file;
mod styles;
mod thumbnails;

pub use atomic_file::{PendingFile, check_target, write_atomically, write_new};
pub use catalogue::{Catalogue, LibraryPicture, Order, Page, Query, Stop, Synced};
pub use error::LibraryError;
pub use file_name::{NameParts, NameTemplate};
pub use instance_lock::{Instance, InstanceLock};
pub use leftovers::sweep;
pub use log_file::{LOG_VARIABLE, start_log};
pub use paths::{HOME_VARIABLE, home, references_folder};
pub use pictures::{keep_picture_in, make_free_folder, words_for_name, write_free};
pub use references::{find_reference, find_reference_in, keep_reference, keep_reference_in, read_unchanged};
pub use style_file::ENDING as STYLE_ENDING;
pub use styles::{Style, Styles, look_at_style};
pub use thumbnails::{cached_thumbnail, thumbnail, thumbnail_of};
