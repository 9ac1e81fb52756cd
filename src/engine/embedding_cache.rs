//! Image embeddings on the disk, so that a picture that was looked at once needs no run of the image encoder again.
//!
//! One safetensors file each, named by everything that shapes it: the picture, its crop, the encoder's weights and
//! settings, dtype and device. A file that is damaged, or is another than its name says, is passed over; when all
//! together grow too large, those used longest ago go.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use candle_core::{DType, Tensor};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::device::Place;
use super::image_prompt_parts::ImagePromptParts;
use super::model::Model;
use crate::library::write_atomically;
use crate::nn::ip_adapter::{ImageFeatures, ProjectionShape};
use crate::nn::resampler::ResamplerShape;
use crate::recipe::{Crop, split_id};

/// To be counted up whenever the encoder gives other numbers than before (beyond rounding).
const COMPUTED: u32 = 2;
/// SDXL's Plus adapters take 1.3 MB a picture, the others 5 KB.
const MOST_BYTES: u64 = 256 << 20;
const TENSOR: &str = "features";
const ENDING: &str = "safetensors";

/// Where embeddings are kept; nowhere where there is no folder.
#[derive(Debug, Clone, Default)]
pub struct EmbeddingCache {
    folder: Option<PathBuf>,
}

/// All that an embedding depends on, in words.
#[derive(Debug, Clone, PartialEq)]
pub struct Key(String);

impl Key {
    /// `picture`: content hash and crop; `None` is the zero image.
    pub fn new(model: &Model, parts: &ImagePromptParts, place: &Place, picture: Option<(&str, Crop)>) -> Self {
        let kind = match parts.projection {
            ProjectionShape::Base { .. } => "image_embeds",
            ProjectionShape::Plus(_) | ProjectionShape::Full { .. } => "hidden_states[-2]",
        };
        // The name of the folder does not matter, its content does.
        let (name, content) = split_id(&model.files.image_encoder);
        let encoder = content.unwrap_or(name);
        let seen = match picture {
            Some((hash, crop)) => format!("{hash} {crop:?}"),
            None => "zeros".to_owned(),
        };
        Self(format!("{COMPUTED} | {seen} | {encoder} | {:?} | {kind} | {}", parts.processor, place.words))
    }

    fn file_name(&self) -> String {
        format!("{}.{ENDING}", blake3::hash(self.0.as_bytes()).to_hex())
    }
}

impl EmbeddingCache {
    pub fn in_folder(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// The embedding of `key`, exactly as it was computed.
    pub fn get(&self, key: &Key, parts: &ImagePromptParts, place: &Place) -> Option<ImageFeatures> {
        let path = self.folder.as_ref()?.join(key.file_name());
        let bytes = fs::read(&path).ok()?;
        let (shape, values) = decode(&bytes, key)?;
        let (is_base, expected) = match &parts.projection {
            ProjectionShape::Base { embedding_dim, .. } => (true, shape.as_slice() == [1, *embedding_dim]),
            ProjectionShape::Plus(ResamplerShape { embedding_dim, .. })
            | ProjectionShape::Full { embedding_dim, .. } => {
                (false, shape.len() == 3 && shape.last() == Some(embedding_dim))
            }
        };
        if !expected {
            return None;
        }
        let tensor = Tensor::from_vec(values, shape, &place.device).ok()?.to_dtype(place.dtype).ok()?;
        // What was used now goes last. Where the time cannot be set, it goes by when it was made.
        let _ = fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(if is_base { ImageFeatures::Embeds(tensor) } else { ImageFeatures::States(tensor) })
    }

    /// Keeps an embedding; where that fails, it is computed again next time.
    pub fn put(&self, key: &Key, features: &ImageFeatures) {
        let Some(folder) = &self.folder else { return };
        let (ImageFeatures::Embeds(tensor) | ImageFeatures::States(tensor)) = features;
        let Some(bytes) = encode(tensor, key) else { return };
        if fs::create_dir_all(folder).is_ok() && write_atomically(&folder.join(key.file_name()), &bytes).is_ok() {
            make_room(folder, MOST_BYTES);
        }
    }
}

/// f32 holds every dtype that is computed in, so nothing is lost.
fn encode(tensor: &Tensor, key: &Key) -> Option<Vec<u8>> {
    let values: Vec<f32> = tensor.to_dtype(DType::F32).ok()?.flatten_all().ok()?.to_vec1().ok()?;
    if !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, tensor.dims().to_vec(), &data).ok()?;
    let about = HashMap::from([
        ("key".to_owned(), key.0.clone()),
        ("blake3".to_owned(), blake3::hash(&data).to_hex().to_string()),
    ]);
    safetensors::serialize([(TENSOR, view)], Some(about)).ok()
}

/// Shape and values, if the file is whole and is of this key.
fn decode(bytes: &[u8], key: &Key) -> Option<(Vec<usize>, Vec<f32>)> {
    let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
    let about = header.metadata().as_ref()?;
    let file = SafeTensors::deserialize(bytes).ok()?;
    let tensor = file.tensor(TENSOR).ok()?;
    let is_whole = about.get("key") == Some(&key.0)
        && about.get("blake3").is_some_and(|hash| blake3::hash(tensor.data()).to_hex().as_str() == hash);
    if !is_whole || tensor.dtype() != Dtype::F32 {
        return None;
    }
    let (values, _) = tensor.data().as_chunks::<4>();
    Some((tensor.shape().to_vec(), values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()))
}

/// Removes what was used longest ago until the rest takes at most `most` bytes.
fn make_room(folder: &Path, most: u64) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|ending| ending == ENDING))
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .collect();
    files.sort();
    let mut total: u64 = files.iter().map(|(_, length, _)| length).sum();
    for (_, length, path) in files {
        if total <= most {
            return;
        }
        if fs::remove_file(path).is_ok() {
            total -= length;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;
    use std::time::Duration;

    fn key(name: &str) -> Key {
        Key(name.to_owned())
    }

    fn features() -> Tensor {
        Tensor::from_vec(vec![0.1_f32, -2.5, f32::MIN_POSITIVE, 3e30, 0.0, -0.0], (1, 6), &Device::Cpu).unwrap()
    }

    #[test]
    fn what_is_read_is_what_was_kept_to_the_bit() {
        let bytes = encode(&features(), &key("a")).unwrap();
        let (shape, values) = decode(&bytes, &key("a")).unwrap();
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(shape, [1, 6]);
        assert_eq!(bits(&values), bits(&features().flatten_all().unwrap().to_vec1().unwrap()));
        assert!(decode(&bytes, &key("b")).is_none(), "another picture's embedding");
        let nan = Tensor::new(&[[f32::NAN]], &Device::Cpu).unwrap();
        assert!(encode(&nan, &key("a")).is_none());
    }

    #[test]
    fn damage_anywhere_is_noticed() {
        let bytes = encode(&features(), &key("a")).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            if let Some((shape, _)) = decode(&damaged, &key("a")) {
                // Only names that nobody reads may change.
                assert_eq!(shape, [1, 6], "byte {at}");
                assert_eq!(&damaged[bytes.len() - 24..], &bytes[bytes.len() - 24..], "byte {at}");
            }
            assert!(decode(&bytes[..at], &key("a")).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn the_longest_unused_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        for (age, name) in ["new", "middle", "old"].into_iter().enumerate() {
            let path = folder.path().join(format!("{name}.{ENDING}"));
            fs::write(&path, [0; 100]).unwrap();
            let when = now - Duration::from_secs(100 * age as u64);
            fs::File::options().append(true).open(&path).unwrap().set_modified(when).unwrap();
        }
        fs::write(folder.path().join("stranger.txt"), [0; 1000]).unwrap();
        make_room(folder.path(), 200);
        let left = ["new", "middle", "old"].map(|name| folder.path().join(format!("{name}.{ENDING}")).exists());
        assert_eq!(left, [true, true, false]);
        assert!(folder.path().join("stranger.txt").exists());
    }
}
