//! Why a model could not be found or fetched, each in one line that says what to do.

use crate::library::LibraryError;
use crate::weights::WeightsError;

/// The errors of this room.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    #[error("there is no model '{name}' in the list; the names are {known}")]
    Unknown { name: String, known: String },
    #[error("there is no home folder for models; set {} to a folder", crate::library::HOME_VARIABLE)]
    NoHome,
    #[error("{file} cannot be used ({why}); {advice}")]
    Disk { file: String, why: String, advice: &'static str },
    #[error(
        "{folder} has {free} free, and {file} needs {needed} more; free some space or move the program's files with {}",
        crate::library::HOME_VARIABLE
    )]
    NoSpace { folder: String, file: String, free: String, needed: String },
    #[error("{host} cannot be reached ({why}); check the connection and try again, what is there is kept")]
    Unreachable { host: String, why: String },
    #[error("the download of {file} broke off ({why}); run it again to go on where it stopped")]
    Interrupted { file: String, why: String },
    #[error(
        "{host} wants a login for {file}; accept its licence on the site, make a token there and set HF_TOKEN to it"
    )]
    Gated { host: String, file: String },
    #[error(
        "{host} refuses the token in HF_TOKEN for {file}; accept the licence on the site with that account, or unset HF_TOKEN"
    )]
    TokenRefused { host: String, file: String },
    #[error("{host} does not have {file} (status {status}); {advice}")]
    NotThere { host: String, file: String, status: u16, advice: &'static str },
    #[error(
        "{host} sends {file} on in a circle ({hops} redirects); check {} or try again later",
        super::http::ENDPOINT_VARIABLE
    )]
    RedirectLoop { host: String, file: String, hops: usize },
    #[error(
        "{host} sends {file} on to an address that is not followed ({why}); check {} or try again later",
        super::http::ENDPOINT_VARIABLE
    )]
    BadRedirect { host: String, file: String, why: String },
    #[error(
        "{host} offers {found} bytes for {file}, but it has {wanted}; this is another file, check {} or try again later",
        super::http::ENDPOINT_VARIABLE
    )]
    WrongLength { host: String, file: String, wanted: u64, found: u64 },
    #[error(
        "{host} says neither how long {file} is nor what its sha256 is, so it cannot be checked; use another mirror"
    )]
    Unchecked { host: String, file: String },
    #[error(
        "{file} arrived damaged (sha256 {found} where {wanted} is wanted) and was removed; try again, or another mirror"
    )]
    WrongHash { file: String, wanted: String, found: String },
    #[error("{file} could not be written ({why}); free some space and run it again to go on where it stopped")]
    CannotWrite { file: String, why: String },
    #[error("{variable} is '{value}', which is no address; write it as https://HOST")]
    BadEndpoint { variable: &'static str, value: String },
    #[error("HF_HUB_OFFLINE is set, so nothing is downloaded; unset it first")]
    Offline,
    /// What the converting process says of the file.
    #[error("{0}")]
    ImportRefused(String),
    #[error("{0}")]
    ImportFailed(String),
    #[error("{file} takes more than {minutes} minutes to convert; get its .safetensors file")]
    SlowImport { file: String, minutes: u64 },
    #[error(
        "{file} could not be converted within the memory and time that a conversion may take; get its .safetensors file"
    )]
    LargeImport { file: String },
    #[error("cancelled; run it again to go on where it stopped")]
    Cancelled,
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

impl ModelsError {
    /// Whether what was asked for is at fault (exit status 2) rather than the machine or the network (1).
    pub fn is_bad_input(&self) -> bool {
        matches!(
            self,
            Self::Unknown { .. } | Self::NoHome | Self::BadEndpoint { .. } | Self::Offline | Self::Weights(_)
        ) || matches!(self, Self::Disk { .. } | Self::Gated { .. } | Self::TokenRefused { .. })
            || matches!(self, Self::ImportRefused(_) | Self::SlowImport { .. } | Self::LargeImport { .. })
    }
}

/// Bytes as a person says them.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}
