//! Models that an artist needs: the list of them, where they lie already, and fetching those that do not.
//!
//! Nothing here computes. A file is trusted for its bytes (sha256) or its header, never for its name, and a download
//! gets its final name only when it is whole and checked.

mod cache;
mod checksum;
mod download;
mod error;
mod find;
mod folders;
mod get;
mod http;
mod import;
mod item;
mod known;
mod list;
mod listing;
mod part;
mod progress;
mod walk;

pub use download::{Patience, Source, download};
pub use error::{ModelsError, size};
pub use find::{Found, Other, Search, State};
pub use folders::{FOLDERS_VARIABLE, Folders, Places};
pub use get::{Getting, ensure_space, get, unfinished_bytes};
pub use http::{ENDPOINT_VARIABLE, Hub, Token};
pub use import::{CONVERT, Imported, LONGEST as LONGEST_IMPORT, Twin, begin_copy, import, import_new, is_pickle};
pub use item::{Item, name_of};
pub use list::{ModelEntry, ModelFile, Part, find_entry, list};
pub use listing::Listing;
pub use progress::{Event, Pace, Progress};
