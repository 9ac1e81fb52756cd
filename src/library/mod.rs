//! The disk: what the program keeps and how it writes without losing anything.

mod atomic_file;
mod error;
mod paths;
mod pictures;
mod references;

pub use atomic_file::{check_target, write_atomically};
pub use error::LibraryError;
pub use paths::{HOME_VARIABLE, home, pictures_folder, references_folder};
pub use pictures::keep_picture_in;
pub use references::{find_reference, find_reference_in, keep_reference, keep_reference_in, read_unchanged};
