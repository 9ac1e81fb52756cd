//! The encoding stage: prompts, references and the content picture, each encoded once and remembered by content.

use candle_core::{DType, Tensor};

use super::device::Place;
use super::embedding_cache::Key;
use super::image_prompt_parts::ImagePromptParts;
use super::model::Model;
use super::networks::Networks;
use super::pipeline::{JobContext, Journal, Session};
use super::references::{ActiveReference, ReferenceTokens, image_prompts};
use super::text::{self, PromptEmbeds};
use super::{EngineError, JobEvent, JobSpec};
use crate::nn::attention_processor::ImagePrompt;
use crate::nn::autoencoder_kl::Cut;
use crate::nn::cancel::Cancel;
use crate::nn::ip_adapter::{ImageFeatures, ProjectionShape};
use crate::nn::torch_rng::TorchGenerator;
use crate::pixels::{Picture, init_pixels};
use crate::recipe::{Crop, Injection, Recipe, Reference, Subtraction};

impl Session {
    /// Whether a negative prompt is zeros rather than encoded.
    fn is_zeros(&self, negative: &str) -> bool {
        negative.is_empty() && self.model.force_zeros_for_empty_prompt
    }

    /// How many chunks both prompts are encoded as.
    pub(super) fn chunk_count(&self, recipe: &Recipe, guided: bool) -> Result<usize, EngineError> {
        let chunks = text::chunk_count(&self.model, "the prompt", &recipe.prompt)?;
        let negative = recipe.negative_prompt.as_str();
        Ok(match guided && !self.is_zeros(negative) {
            true => chunks.max(text::chunk_count(&self.model, "the negative prompt", negative)?),
            false => chunks,
        })
    }

    pub(super) fn encode_prompts(
        &mut self,
        recipe: &Recipe,
        guided: bool,
        chunks: usize,
        context: &mut JobContext,
        journal: &mut Journal,
    ) -> Result<(PromptEmbeds, Option<PromptEmbeds>), EngineError> {
        (context.say)(JobEvent::Encoding("prompt"));
        let negative = recipe.negative_prompt.as_str();
        let encodes_negative = guided && !self.is_zeros(negative);
        let mut encode = |prompt: &str| {
            let Self { model, place, networks, prompts, .. } = self;
            prompts.get_or_try((prompt.to_owned(), chunks), || {
                journal.timings.encoder_runs += 1;
                text::encode(networks, model, place, prompt, chunks, context.cancel)
            })
        };
        let prompt = encode(&recipe.prompt)?;
        let negative = match (guided, encodes_negative) {
            (false, _) => None,
            (true, true) => Some(encode(negative)?),
            (true, false) => Some(prompt.zeros_like()?),
        };
        Ok((prompt, negative))
    }

    /// Keys and values of the references' image tokens for every cross-attention that they enter.
    pub(super) fn encode_references(
        &mut self,
        spec: &JobSpec,
        recipe: &Recipe,
        injections: Vec<Vec<Injection>>,
        guided: bool,
        context: &mut JobContext,
        journal: &mut Journal,
    ) -> Result<Vec<Vec<ImagePrompt>>, EngineError> {
        let mut active = Vec::new();
        for ((reference, picture), injections) in recipe.references.iter().zip(&spec.references).zip(injections) {
            if injections.iter().all(|injection| injection.scale == 0.0) {
                continue;
            }
            if active.is_empty() {
                (context.say)(JobEvent::Encoding("references"));
            }
            let tokens = self.reference_tokens(reference, picture, context, journal)?;
            active.push(ActiveReference { reference, injections, tokens });
        }
        let Self { model, place, networks, key_values, .. } = self;
        let (prompts, runs) = image_prompts(networks, model, place, &active, guided, key_values, context.cancel)?;
        journal.timings.key_value_runs += runs;
        Ok(prompts)
    }

    fn reference_tokens(
        &mut self,
        reference: &Reference,
        picture: &Picture,
        context: &JobContext,
        journal: &mut Journal,
    ) -> Result<ReferenceTokens, EngineError> {
        let Self { model, place, networks, features, words, .. } = self;
        let Some(parts) = &model.image_prompt else {
            return Err(EngineError::Compute("a reference without an adapter".to_owned()));
        };
        let cancel = context.cancel;
        let encode = |networks: &mut Networks, journal: &mut Journal, picture: Option<(&Picture, Crop)>| {
            let key = Key::new(model, parts, place, picture.map(|(picture, crop)| (picture.hash.as_str(), crop)));
            if let Some(kept) = context.embeddings.get(&key, parts, place) {
                return Ok(kept);
            }
            journal.timings.encoder_runs += 1;
            let features = encode_image(networks, parts, place, picture, cancel)?;
            context.embeddings.put(&key, &features);
            Ok::<_, EngineError>(features)
        };
        let key = Some((picture.hash.clone(), reference.crop));
        let image = features.get_or_try(key, || encode(networks, journal, Some((picture, reference.crop))))?;
        let zero = match &image {
            // As upstream: base adapters project an embedding of zeros, Plus ones the states of a zero tensor.
            ImageFeatures::Embeds(embeds) => ImageFeatures::Embeds(embeds.zeros_like()?),
            ImageFeatures::States(_) => features.get_or_try(None, || encode(networks, journal, None))?,
        };
        let image = match (image, subtraction(reference)) {
            (ImageFeatures::Embeds(embeds), Some(subtract)) => {
                let chunks = model.pooling_tower().map(|tower| tower.tokenizer.chunks(&subtract.words));
                if matches!(chunks, Some(Ok(chunks)) if chunks.len() > 1) {
                    journal.notices.push("only the first 75 tokens of the words to subtract are used".to_owned());
                }
                let pooled = words.get_or_try(subtract.words.clone(), || {
                    journal.timings.encoder_runs += 1;
                    text::encode_words(networks, model, place, &subtract.words, cancel)
                })?;
                // Before the projection and without normalisation, as upstream.
                ImageFeatures::Embeds((embeds - (pooled * subtract.strength)?)?)
            }
            (image, _) => image,
        };
        let projection = networks.projection(parts, place, cancel)?;
        Ok(ReferenceTokens { image: projection.forward(&image)?, zero: projection.forward(&zero)? })
    }

    /// The content picture's latents, scaled for the UNet: a sample of the posterior, as diffusers draws it.
    pub(super) fn encode_init(
        &mut self,
        picture: &Picture,
        (width, height): (u32, u32),
        generator: &mut TorchGenerator,
        cut: Cut,
        cancel: Cancel,
    ) -> Result<Vec<f32>, EngineError> {
        let pixels = init_pixels(&picture.rgb, width, height)?;
        let device = &self.place.device;
        // f32 whatever the dtype: SDXL's own VAE overflows in f16 (its config says force_upcast).
        let pixels = Tensor::from_vec(pixels, (1, 3, height as usize, width as usize), device)?;
        let vae = self.networks.vae(&self.model, DType::F32, &self.place, cancel)?;
        let posterior = vae.encode(&pixels, cut, cancel)?;
        let noise = generator.randn(posterior.mean.elem_count());
        let noise = Tensor::from_vec(noise, posterior.mean.shape(), device)?;
        let latents = vae.scale(&posterior.sample(&noise)?)?;
        Ok(latents.flatten_all()?.to_vec1()?)
    }
}

/// What is subtracted from a reference, if anything is.
pub(super) fn subtraction(reference: &Reference) -> Option<&Subtraction> {
    reference.subtract.as_ref().filter(|subtract| !subtract.is_nothing())
}

/// Subtraction works where image and text embeddings live in one space, and before a projection of global embeddings.
pub(super) fn ensure_subtractable(parts: &ImagePromptParts, model: &Model) -> Result<(), EngineError> {
    let ProjectionShape::Base { embedding_dim, .. } = parts.projection else {
        return Err(EngineError::Input(format!(
            "words cannot be subtracted with the {} adapter {}, which works on patches and not on one embedding; use a base adapter such as ip-adapter_sdxl, or leave the words out",
            parts.info.kind, parts.info.file
        )));
    };
    let Some(tower) = model.pooling_tower() else {
        return Err(EngineError::Input(format!(
            "words cannot be subtracted with {}: it has no text encoder in the space of the image encoder; use an SDXL model, or leave the words out",
            model.files.model
        )));
    };
    let text = tower.config.projection_dim;
    if text == embedding_dim {
        return Ok(());
    }
    Err(EngineError::Input(format!(
        "words cannot be subtracted with the adapter {}: its image embedding has {embedding_dim} numbers and the text encoder's {text}, so they are of different CLIP models; use ip-adapter_sdxl with its bigG image encoder, or leave the words out",
        parts.info.file
    )))
}

/// Runs the image encoder on a picture as `crop` shows it, or on the zero tensor.
fn encode_image(
    networks: &mut Networks,
    parts: &ImagePromptParts,
    place: &Place,
    picture: Option<(&Picture, Crop)>,
    cancel: Cancel,
) -> Result<ImageFeatures, EngineError> {
    let side = parts.encoder_config.image_size;
    let values = match picture {
        Some((picture, crop)) => parts.processor.pixel_values(&picture.rgb, crop)?,
        None => vec![0.0; 3 * side * side],
    };
    let pixels = Tensor::from_vec(values, (1, 3, side, side), &place.device)?;
    let encoding = networks.vision(parts, place, cancel)?.forward(&pixels, cancel)?;
    Ok(match parts.projection {
        ProjectionShape::Base { .. } => ImageFeatures::Embeds(encoding.image_embeds),
        ProjectionShape::Plus(_) | ProjectionShape::Full { .. } => ImageFeatures::States(encoding.penultimate),
    })
}
