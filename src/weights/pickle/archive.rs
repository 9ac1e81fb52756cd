//! The zip around a pickle: torch's layout, `NAME/data.pkl` and `NAME/data/0`, `NAME/data/1`, …, nothing compressed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::{Refusal, bad};
use crate::weights::error::{shown, shown_path};
use crate::weights::{Impostor, WeightsError};

/// SDXL's pickles are under 2 MB.
const LONGEST_PICKLE: u64 = 64 << 20;
const MOST_ENTRIES: usize = 100_000;
/// How a file of torch before version 1.6 begins: a pickle of its magic number.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

pub(super) struct Archive {
    zip: ZipArchive<File>,
    len: u64,
    /// Numbers in the zip by storage key: entry and length.
    storages: HashMap<String, (usize, u64)>,
    pickle: usize,
}

impl Archive {
    /// Opens a regular file and looks at the table of its zip.
    pub(super) fn open(path: &Path) -> Result<Self, WeightsError> {
        let name = shown_path(path);
        let io = |error: std::io::Error| WeightsError::io(&name, &error);
        let about = std::fs::metadata(path).map_err(io)?;
        if !about.is_file() {
            return Err(WeightsError::IsFolder { file: name });
        }
        let mut file = File::open(path).map_err(io)?;
        let mut first = Vec::new();
        file.by_ref().take(64).read_to_end(&mut first).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        if first.starts_with(LEGACY) {
            let why = "it was written by torch before version 1.6, whose format is not read".to_owned();
            return Err(WeightsError::BadPickle { file: name, why });
        }
        if !first.starts_with(b"PK\x03\x04") {
            return match Impostor::of(&first) {
                Impostor::Pickle => {
                    let why = "it is a bare pickle and no file of torch.save".to_owned();
                    Err(WeightsError::BadPickle { file: name, why })
                }
                what => Err(WeightsError::NotPickle { file: name, what }),
            };
        }
        Self::read(file, about.len()).map_err(|refusal| refusal.about(name))
    }

    fn read(file: File, len: u64) -> Result<Self, Refusal> {
        let damaged =
            |error: zip::result::ZipError| Refusal::Bad(format!("its zip is damaged: {}", shown(&error.to_string())));
        let mut zip = ZipArchive::new(file).map_err(damaged)?;
        if zip.len() > MOST_ENTRIES {
            return bad(format!("its zip has {} entries", zip.len()));
        }
        // The same bytes under two names multiply what a file seems to hold.
        if zip.has_overlapping_files().map_err(damaged)? {
            return bad("the entries of its zip overlap");
        }
        let mut found: Option<(usize, String)> = None;
        let mut entries = Vec::new();
        for index in 0..zip.len() {
            let entry = zip.by_index_raw(index).map_err(damaged)?;
            let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
            let plain = entry.compression() == CompressionMethod::Stored && !entry.encrypted();
            if !plain || entry.size() != entry.compressed_size() {
                return bad("its zip is compressed, which torch never does");
            }
            if let Some(folder) = name.strip_suffix("/data.pkl")
                && found.replace((index, folder.to_owned())).is_some()
            {
                return bad("its zip has two pickles");
            }
            entries.push((name, index, entry.size()));
        }
        let Some((pickle, folder)) = found else {
            return bad("its zip has no data.pkl, so torch.save did not write it");
        };
        let prefix = format!("{folder}/data/");
        let mut storages = HashMap::new();
        for (name, index, size) in entries {
            if name == format!("{folder}/byteorder") && size > 0 {
                let mut order = Vec::new();
                let mut entry = zip.by_index(index).map_err(damaged)?;
                let _ = entry.by_ref().take(16).read_to_end(&mut order);
                if order != b"little" {
                    return bad("its numbers are big-endian");
                }
            } else if let Some(key) = name.strip_prefix(&prefix)
                && storages.insert(key.to_owned(), (index, size)).is_some()
            {
                return bad("a storage stands twice in its zip");
            }
        }
        Ok(Self { zip, len, storages, pickle })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn pickle(&mut self) -> Result<Vec<u8>, Refusal> {
        self.entry(self.pickle, LONGEST_PICKLE)
    }

    pub(super) fn storage_bytes(&self, key: &str) -> Option<u64> {
        self.storages.get(key).map(|(_, size)| *size)
    }

    /// The bytes of a storage, checked by the zip's own checksum.
    pub(super) fn storage(&mut self, key: &str) -> Result<Vec<u8>, Refusal> {
        match self.storages.get(key) {
            Some((index, size)) => self.entry(*index, *size),
            None => bad("a storage is missing"),
        }
    }

    fn entry(&mut self, index: usize, most: u64) -> Result<Vec<u8>, Refusal> {
        let damaged =
            |error: &dyn std::fmt::Display| Refusal::Bad(format!("its zip is damaged: {}", shown(&error.to_string())));
        let entry = self.zip.by_index(index).map_err(|error| damaged(&error))?;
        let size = entry.size();
        if size > most || size > self.len {
            return bad(format!("an entry of its zip claims {size} bytes"));
        }
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(size as usize).is_err() {
            return bad(format!("an entry of {size} bytes is more than the memory of a conversion"));
        }
        // One byte more: the checksum is compared where the entry ends.
        entry.take(size + 1).read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
        if bytes.len() as u64 != size {
            return bad("its zip is cut short");
        }
        Ok(bytes)
    }
}
