//! Numbers under a picture, from the CLIP towers that the model brings: how well it matches the prompt and the reference,
//! and how much of the reference's subject shows.
//!
//! Cosines of projected embeddings, as CLIP compares them (Radford et al. 2021, arXiv 2103.00020, figure 3). They mean
//! something only where the image encoder and the second text encoder share one space, which is where their widths are
//! equal; elsewhere there is no [`ClipMeasure`].

use candle_core::{DType, Tensor};
use image::RgbImage;

use super::cache::Recent;
use super::device::{self, Place};
use super::model::Model;
use super::networks::Networks;
use super::text;
use super::{Compute, EngineError, ModelPaths};
use crate::nn::cancel::Cancel;
use crate::pixels::Picture;
use crate::recipe::Crop;

/// Texts and references whose embeddings are kept.
const KEPT: usize = 256;

/// A direction in CLIP's joint space: an embedding of length 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// -1 to 1.
    pub fn cosine(&self, other: &Self) -> f64 {
        self.0.iter().zip(&other.0).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }
}

/// Cosines of one picture; all from -1 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Picture and prompt.
    pub prompt: f64,
    /// Picture and reference: style, and whatever else of the reference shows.
    pub reference: Option<f64>,
    /// Picture and the words for what the reference shows: what has leaked.
    pub leak: Option<f64>,
}

impl Match {
    /// What the numbers are called where there is room.
    pub const LONG_NAMES: [&str; 3] = ["prompt match", "reference match", "leak"];

    /// The numbers that there are, each with its name out of `names`: for the prompt, the reference and the leak.
    pub fn named(&self, names: [&str; 3]) -> Vec<(String, f64)> {
        let numbers = [Some(self.prompt), self.reference, self.leak];
        names.into_iter().zip(numbers).filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    /// In one line, such as "prompt 0.31  reference 0.72".
    pub fn in_one_line(&self) -> String {
        let numbers = self.named(["prompt", "reference", "leak"]);
        numbers.iter().map(|(name, value)| format!("{name} {value:.2}")).collect::<Vec<_>>().join("  ")
    }
}

/// The two towers of the joint space, on the caller's thread.
///
/// It opens the model anew and reads the towers when they are first needed; for SDXL that is 10 GB in f32 beside what an
/// engine holds, so there it is for when the pictures are done.
pub struct ClipMeasure {
    model: Model,
    place: Place,
    networks: Networks,
    texts: Recent<String, Embedding>,
    pictures: Recent<(String, Crop), Embedding>,
}

impl ClipMeasure {
    /// Opens the model by its headers. `None` where picture and text have no space in common, or where the model brings
    /// no image encoder.
    ///
    /// # Errors
    /// A model that is missing, damaged, or whose parts do not fit together.
    pub fn open(paths: &ModelPaths, compute: Compute) -> Result<Option<Self>, EngineError> {
        if !Model::brings_image_prompt(paths)? {
            return Ok(None);
        }
        let model = Model::without_loras(paths, true)?;
        let image = model.image_prompt.as_ref().map(|parts| parts.encoder_config.projection_dim);
        if image.is_none() || image != model.pooling_tower().map(|tower| tower.config.projection_dim) {
            return Ok(None);
        }
        let place = device::open(compute)?;
        let networks = Networks::default();
        Ok(Some(Self { model, place, networks, texts: Recent::new(KEPT), pictures: Recent::new(KEPT) }))
    }

    /// The embedding of a text's first 75 tokens.
    pub fn text(&mut self, text: &str) -> Result<Embedding, EngineError> {
        let Self { model, place, networks, texts, .. } = self;
        texts.get_or_try(text.to_owned(), || {
            normalised(&text::encode_words(networks, model, place, text, Cancel::never())?)
        })
    }

    /// The embedding of a picture that was just made; not remembered.
    pub fn image(&mut self, rgb: &RgbImage, crop: Crop) -> Result<Embedding, EngineError> {
        let Self { model, place, networks, .. } = self;
        encode(model, place, networks, rgb, crop)
    }

    /// The embedding of a reference as `crop` shows it, remembered by content.
    pub fn picture(&mut self, picture: &Picture, crop: Crop) -> Result<Embedding, EngineError> {
        let Self { model, place, networks, pictures, .. } = self;
        pictures.get_or_try((picture.hash.clone(), crop), || encode(model, place, networks, &picture.rgb, crop))
    }

    /// All numbers of one picture. `words` say what the reference shows.
    pub fn compare(
        &mut self,
        made: &RgbImage,
        prompt: &str,
        reference: Option<(&Picture, Crop)>,
        words: Option<&str>,
    ) -> Result<Match, EngineError> {
        let made = self.image(made, Crop::Fill)?;
        let reference = reference.map(|(picture, crop)| self.picture(picture, crop)).transpose()?;
        let words = words.filter(|words| !words.trim().is_empty()).map(|words| self.text(words)).transpose()?;
        Ok(Match {
            prompt: made.cosine(&self.text(prompt)?),
            reference: reference.map(|reference| made.cosine(&reference)),
            leak: words.map(|words| made.cosine(&words)),
        })
    }
}

fn encode(
    model: &Model,
    place: &Place,
    networks: &mut Networks,
    rgb: &RgbImage,
    crop: Crop,
) -> Result<Embedding, EngineError> {
    let Some(parts) = &model.image_prompt else {
        return Err(EngineError::Compute("a picture is measured without an image encoder".to_owned()));
    };
    let side = parts.encoder_config.image_size;
    let values = parts.processor.pixel_values(rgb, crop)?;
    let pixels = Tensor::from_vec(values, (1, 3, side, side), &place.device)?;
    let never = Cancel::never();
    normalised(&networks.vision(parts, place, never)?.forward(&pixels, never)?.image_embeds)
}

/// `[1, projection_dim]` to length 1.
fn normalised(embeds: &Tensor) -> Result<Embedding, EngineError> {
    let values = embeds.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    let length = values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    // Written so that a NaN fails.
    if length > 0.0 && length.is_finite() {
        return Ok(Embedding(values.into_iter().map(|x| (f64::from(x) / length) as f32).collect()));
    }
    Err(EngineError::NotFinite("CLIP gave an embedding without direction; the model's files are damaged".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn cosines_see_what_a_picture_shows() {
        let mut clip = ClipMeasure::open(&ModelPaths::default(), Compute::default()).unwrap().unwrap();
        let sample =
            Picture::from_bytes(include_bytes!("../../assets/builtin/sample_reference.png"), "sample").unwrap();
        let house = clip.compare(&sample.rgb, "a house", Some((&sample, Crop::Fill)), Some("a boat")).unwrap();
        assert!((house.reference.unwrap() - 1.0).abs() < 1e-5, "{house:?}");
        assert!(house.prompt > house.leak.unwrap() + 0.1, "{house:?}");
        assert_eq!(clip.compare(&sample.rgb, "a house", None, Some(" ")).unwrap().leak, None);
    }

    #[test]
    fn a_model_without_image_encoder_has_no_numbers() {
        let golden = |name: &str| Some(format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR")).into());
        let mut paths = ModelPaths { model: golden("model_a"), ..ModelPaths::default() };
        assert!(ClipMeasure::open(&paths, Compute::default()).unwrap().is_none());
        (paths.adapter, paths.image_encoder) = (golden("adapter_a.safetensors"), golden("vision_a"));
        assert!(ClipMeasure::open(&paths, Compute::default()).unwrap().is_some());
    }
}
