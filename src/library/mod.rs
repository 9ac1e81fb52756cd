//! The disk: what the program keeps and how it writes without losing anything.

mod atomic_file;
mod error;
mod paths;
mod references;

pub use atomic_file::{check_target, write_atomically};
pub use error::LibraryError;
pub use paths::{HOME_VARIABLE, home, references_folder};
pub use references::{find_reference, keep_reference};
