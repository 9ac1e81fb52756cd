//! One job from recipe to picture.

use std::time::Instant;

use candle_core::{DType, Tensor};
use image::RgbImage;

use super::cache::Recent;
use super::device::{self, Place};
use super::model::{ImagePromptParts, Model};
use super::networks::Networks;
use super::references::{ActiveReference, ReferenceTokens, image_prompts};
use super::sampling::Sampling;
use super::text::{self, PromptEmbeds};
use super::{Compute, EngineError, Finished, JobEvent, JobSpec, Latents, ModelPaths, Timings, memory};
use crate::nn::cancel::Cancel;
use crate::nn::ip_adapter::{ImageFeatures, ProjectionShape};
use crate::nn::schedulers::{self, img2img_start};
use crate::nn::torch_rng::TorchGenerator;
use crate::pixels::{Picture, init_pixels, init_size};
use crate::recipe::{Crop, Injection, Recipe, RecipeError, Reference, Role, Subtraction};

/// Prompts and pictures whose encodings are kept: enough for a board of prompts by references.
const KEPT_ENCODINGS: usize = 32;

/// A model at work, with what has been computed for earlier jobs.
pub struct Session {
    paths: ModelPaths,
    compute: Compute,
    model: Model,
    place: Place,
    networks: Networks,
    /// By text and number of chunks.
    prompts: Recent<(String, usize), PromptEmbeds>,
    /// By words to subtract.
    words: Recent<String, Tensor>,
    /// By picture and crop; None is the zero image.
    features: Recent<Option<(String, Crop)>, ImageFeatures>,
}

/// What a job says and asks while it runs.
pub struct JobContext<'a> {
    pub say: &'a mut dyn FnMut(JobEvent),
    pub cancel: Cancel<'a>,
}

impl Session {
    /// Opens a model by its headers; no weights are read yet.
    fn open(paths: &ModelPaths, compute: Compute, needs_image_prompt: bool) -> Result<Self, EngineError> {
        let place = device::open(compute)?;
        Ok(Self {
            paths: paths.clone(),
            compute,
            model: Model::open(paths, needs_image_prompt)?,
            place,
            networks: Networks::default(),
            prompts: Recent::new(KEPT_ENCODINGS),
            words: Recent::new(KEPT_ENCODINGS),
            features: Recent::new(KEPT_ENCODINGS),
        })
    }

    fn serves(&self, spec: &JobSpec, needs_image_prompt: bool) -> bool {
        self.paths == spec.model
            && self.compute == spec.compute
            && (self.model.image_prompt.is_some() || !needs_image_prompt)
    }
}

/// Makes the picture of `spec`, with the open session if it serves, else with a new one left in its place.
pub fn run(session: &mut Option<Session>, spec: &JobSpec, context: &mut JobContext) -> Result<Finished, EngineError> {
    spec.recipe.validate()?;
    let needs_image_prompt = spec.recipe.references.iter().any(|r| r.role != Role::Off);
    let began = Instant::now();
    let session = match session {
        Some(open) if open.serves(spec, needs_image_prompt) => open,
        slot => {
            // The old model is dropped first, so that two are never held at once.
            *slot = None;
            (context.say)(JobEvent::Loading("model"));
            slot.insert(Session::open(&spec.model, spec.compute, needs_image_prompt)?)
        }
    };
    session.run(spec, context, began)
}

impl Session {
    fn run(&mut self, spec: &JobSpec, context: &mut JobContext, began: Instant) -> Result<Finished, EngineError> {
        let recipe = self.resolve(spec)?;
        let settings = Settings::of(&recipe)?;
        let guided = settings.guidance > 1.0 && self.model.unet_config.time_cond_proj_dim.is_none();
        let injections = self.injections(&recipe, guided)?;
        let mut scheduler = schedulers::new(settings.scheduler, &self.model.scheduler_config, settings.steps)?;
        let begin = match &recipe.init {
            Some(init) => img2img_start(settings.steps, init.denoise)?,
            None => 0,
        };
        memory::ensure_fits(&self.model, settings.width, settings.height, if guided { 2 } else { 1 })?;
        let mut notices = self.model.notices.clone();
        let mut timings = Timings { loading_secs: began.elapsed().as_secs_f64(), ..Timings::default() };

        let clock = Instant::now();
        let (prompt, negative) = self.encode_prompts(&recipe, guided, context, &mut timings)?;
        let image_prompts =
            self.encode_references(spec, &recipe, injections, guided, context, &mut timings, &mut notices)?;
        self.networks.drop_large_encoders(&self.model);
        timings.encoding_secs = clock.elapsed().as_secs_f64();

        let mut generator = TorchGenerator::manual_seed(settings.seed);
        let factor = self.model.vae_config.scale_factor();
        let (width, height) = (settings.width as usize / factor, settings.height as usize / factor);
        let channels = self.model.vae_config.latent_channels;
        let count = channels * height * width;
        let latents = |values| Latents { channels, height, width, values };
        let start = match &spec.init {
            Some(picture) if recipe.init.is_some() => {
                (context.say)(JobEvent::Encoding("content picture"));
                let original = self.encode_init(picture, &settings, &mut generator, context.cancel)?;
                latents(scheduler.add_noise(&original, &generator.randn(count), begin))
            }
            _ => {
                let sigma = scheduler.init_noise_sigma() as f32;
                latents(generator.randn(count).into_iter().map(|x| x * sigma).collect())
            }
        };

        if !self.networks.is_unet_loaded() {
            let clock = Instant::now();
            (context.say)(JobEvent::Loading("UNet"));
            self.networks.unet(&self.model, &self.place)?;
            timings.loading_secs += clock.elapsed().as_secs_f64();
        }
        let clock = Instant::now();
        let sampling = Sampling {
            unet: self.networks.unet(&self.model, &self.place)?,
            place: &self.place,
            prompt: &prompt,
            negative: negative.as_ref(),
            guidance: settings.guidance,
            time_cond_proj_dim: self.model.unet_config.time_cond_proj_dim,
            image_prompts: &image_prompts,
            window: (recipe.start, recipe.end),
            width: settings.width,
            height: settings.height,
            latent_rgb: self.model.latent_rgb.clone(),
            cancel: context.cancel,
        };
        let say = &mut *context.say;
        let (latents, step_secs) =
            sampling.run(scheduler.as_mut(), begin, start, &mut generator, &mut |step| say(JobEvent::Step(step)))?;
        timings.sampling_secs = clock.elapsed().as_secs_f64();
        timings.step_secs = step_secs;

        let clock = Instant::now();
        (context.say)(JobEvent::Decoding);
        let image = self.decode(&latents, context.cancel, &mut notices)?;
        timings.decoding_secs = clock.elapsed().as_secs_f64();
        Ok(Finished { image, recipe, latents, timings, notices, device: self.place.words.clone() })
    }

    /// Fills in what the recipe leaves open, and checks the result as a whole.
    fn resolve(&self, spec: &JobSpec) -> Result<Recipe, EngineError> {
        if spec.references.len() != spec.recipe.references.len() {
            return Err(EngineError::Input(format!(
                "the recipe has {} references, and {} pictures were given",
                spec.recipe.references.len(),
                spec.references.len()
            )));
        }
        let mut defaults = self.model.defaults.clone();
        if spec.recipe.init.is_some() {
            let Some(picture) = &spec.init else {
                return Err(EngineError::Input("the recipe begins from a picture, and none was given".to_owned()));
            };
            (defaults.width, defaults.height) = init_size(&picture.rgb, defaults.width.max(defaults.height));
        }
        let mut recipe = spec.recipe.resolved(&defaults, random_seed());
        recipe.model = self.model.files.clone();
        for (reference, picture) in recipe.references.iter_mut().zip(&spec.references) {
            reference.hash.clone_from(&picture.hash);
            reference.name.clone_from(&picture.name);
        }
        if let (Some(init), Some(picture)) = (&mut recipe.init, &spec.init) {
            init.hash.clone_from(&picture.hash);
            init.name.clone_from(&picture.name);
        }
        recipe.validate()?;
        let factor = self.model.vae_config.scale_factor() as u32;
        for (what, size) in [("width", recipe.width), ("height", recipe.height)] {
            if let Some(size) = size
                && size % factor != 0
            {
                return Err(EngineError::Input(format!(
                    "{what} {size} does not suit this model; it must be a multiple of {factor}"
                )));
            }
        }
        Ok(recipe)
    }

    /// How each reference enters each block; refuses what cannot work before anything is computed.
    fn injections(&self, recipe: &Recipe, guided: bool) -> Result<Vec<Vec<Injection>>, EngineError> {
        recipe
            .references
            .iter()
            .map(|reference| {
                if reference.role == Role::Precise && !guided {
                    return Err(
                        RecipeError::PreciseNeedsGuidance { guidance: recipe.guidance.unwrap_or_default() }.into()
                    );
                }
                if let (Some(_), Some(parts)) = (subtraction(reference), &self.model.image_prompt)
                    && reference.role != Role::Off
                {
                    ensure_subtractable(parts, &self.model)?;
                }
                Ok(self.model.blocks.injections(reference)?)
            })
            .collect()
    }

    fn encode_prompts(
        &mut self,
        recipe: &Recipe,
        guided: bool,
        context: &mut JobContext,
        timings: &mut Timings,
    ) -> Result<(PromptEmbeds, Option<PromptEmbeds>), EngineError> {
        (context.say)(JobEvent::Encoding("prompt"));
        let negative = recipe.negative_prompt.as_str();
        let is_zeros = negative.is_empty() && self.model.force_zeros_for_empty_prompt;
        let encodes_negative = guided && !is_zeros;
        let mut chunks = text::chunk_count(&self.model, &recipe.prompt)?;
        if encodes_negative {
            chunks = chunks.max(text::chunk_count(&self.model, negative)?);
        }
        let mut encode = |prompt: &str| {
            let Self { model, place, networks, prompts, .. } = self;
            prompts.get_or_try((prompt.to_owned(), chunks), || {
                timings.encoder_runs += 1;
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

    #[allow(clippy::too_many_arguments)] // each is a different thing that only this stage joins
    fn encode_references(
        &mut self,
        spec: &JobSpec,
        recipe: &Recipe,
        injections: Vec<Vec<Injection>>,
        guided: bool,
        context: &mut JobContext,
        timings: &mut Timings,
        notices: &mut Vec<String>,
    ) -> Result<Vec<Vec<crate::nn::attention_processor::ImagePrompt>>, EngineError> {
        let mut active = Vec::new();
        for ((reference, picture), injections) in recipe.references.iter().zip(&spec.references).zip(injections) {
            if injections.iter().all(|injection| injection.scale == 0.0) {
                continue;
            }
            if active.is_empty() {
                (context.say)(JobEvent::Encoding("references"));
            }
            let tokens = self.reference_tokens(reference, picture, context.cancel, timings, notices)?;
            active.push(ActiveReference { reference, injections, tokens });
        }
        image_prompts(&mut self.networks, &self.model, &self.place, &active, guided)
    }

    fn reference_tokens(
        &mut self,
        reference: &Reference,
        picture: &Picture,
        cancel: Cancel,
        timings: &mut Timings,
        notices: &mut Vec<String>,
    ) -> Result<ReferenceTokens, EngineError> {
        let Self { model, place, networks, features, words, .. } = self;
        let Some(parts) = &model.image_prompt else {
            return Err(EngineError::Compute("a reference without an adapter".to_owned()));
        };
        let key = Some((picture.hash.clone(), reference.crop));
        let image = features.get_or_try(key, || {
            timings.encoder_runs += 1;
            encode_image(networks, parts, place, Some((picture, reference.crop)), cancel)
        })?;
        let zero = match &image {
            // As upstream: base adapters project an embedding of zeros, Plus ones the states of a zero tensor.
            ImageFeatures::Embeds(embeds) => ImageFeatures::Embeds(embeds.zeros_like()?),
            ImageFeatures::States(_) => features.get_or_try(None, || {
                timings.encoder_runs += 1;
                encode_image(networks, parts, place, None, cancel)
            })?,
        };
        let image = match (image, subtraction(reference)) {
            (ImageFeatures::Embeds(embeds), Some(subtract)) => {
                if model.text[1].tokenizer.chunks(&subtract.words).is_ok_and(|chunks| chunks.len() > 1) {
                    notices.push("only the first 75 tokens of the words to subtract are used".to_owned());
                }
                let pooled = words.get_or_try(subtract.words.clone(), || {
                    timings.encoder_runs += 1;
                    text::encode_words(networks, model, place, &subtract.words, cancel)
                })?;
                // Before the projection and without normalisation, as upstream.
                ImageFeatures::Embeds((embeds - (pooled * subtract.strength)?)?)
            }
            (image, _) => image,
        };
        let projection = networks.projection(parts, place)?;
        Ok(ReferenceTokens { image: projection.forward(&image)?, zero: projection.forward(&zero)? })
    }

    /// The content picture's latents, scaled for the UNet: a sample of the posterior, as diffusers draws it.
    fn encode_init(
        &mut self,
        picture: &Picture,
        settings: &Settings,
        generator: &mut TorchGenerator,
        cancel: Cancel,
    ) -> Result<Vec<f32>, EngineError> {
        let (width, height) = (settings.width, settings.height);
        let pixels = init_pixels(&picture.rgb, width, height);
        let device = &self.place.device;
        // f32 whatever the dtype: SDXL's own VAE overflows in f16 (its config says force_upcast).
        let pixels = Tensor::from_vec(pixels, (1, 3, height as usize, width as usize), device)?;
        let vae = self.networks.vae(&self.model, DType::F32, &self.place)?;
        let posterior = vae.encode(&pixels, cancel)?;
        let noise = generator.randn(posterior.mean.elem_count());
        let noise = Tensor::from_vec(noise, posterior.mean.shape(), device)?;
        let latents = vae.scale(&posterior.sample(&noise)?)?;
        Ok(latents.flatten_all()?.to_vec1()?)
    }

    fn decode(
        &mut self,
        latents: &Latents,
        cancel: Cancel,
        notices: &mut Vec<String>,
    ) -> Result<RgbImage, EngineError> {
        let shape = (1, latents.channels, latents.height, latents.width);
        let z = Tensor::from_vec(latents.values.clone(), shape, &self.place.device)?;
        let mut dtypes = vec![self.place.dtype];
        if self.place.dtype != DType::F32 {
            dtypes.push(DType::F32);
        }
        for dtype in dtypes {
            let vae = self.networks.vae(&self.model, dtype, &self.place)?;
            let pixels = vae.decode(&vae.unscale(&z)?.to_dtype(dtype)?, cancel)?.to_dtype(DType::F32)?;
            if let Some(image) = to_image(&pixels)? {
                if dtype != self.place.dtype {
                    notices.push(format!(
                        "the VAE overflowed in {}, so the picture was decoded in f32",
                        self.place.dtype.as_str()
                    ));
                }
                return Ok(image);
            }
        }
        Err(EngineError::NotFinite("the VAE gave no finite picture; the model's files are damaged".to_owned()))
    }
}

/// The settings of a resolved recipe, without options.
struct Settings {
    scheduler: crate::recipe::SchedulerName,
    steps: usize,
    guidance: f64,
    seed: u64,
    width: u32,
    height: u32,
}

impl Settings {
    fn of(recipe: &Recipe) -> Result<Self, EngineError> {
        let open = || EngineError::Input("the recipe leaves a setting open that the model does not fill in".to_owned());
        Ok(Self {
            scheduler: recipe.scheduler.ok_or_else(open)?,
            steps: recipe.steps.ok_or_else(open)? as usize,
            guidance: recipe.guidance.ok_or_else(open)?,
            seed: recipe.seed.ok_or_else(open)?,
            width: recipe.width.ok_or_else(open)?,
            height: recipe.height.ok_or_else(open)?,
        })
    }
}

fn subtraction(reference: &Reference) -> Option<&Subtraction> {
    reference.subtract.as_ref().filter(|subtract| !subtract.is_nothing())
}

/// Subtraction works where image and text embeddings live in one space, and before a projection of global embeddings.
fn ensure_subtractable(parts: &ImagePromptParts, model: &Model) -> Result<(), EngineError> {
    let ProjectionShape::Base { embedding_dim, .. } = parts.projection else {
        return Err(EngineError::Input(format!(
            "words cannot be subtracted with the Plus adapter {}, which works on patches and not on one embedding; use a base adapter such as ip-adapter_sdxl, or leave the words out",
            parts.info.file
        )));
    };
    let text = model.text[1].config.projection_dim;
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
    let encoding = networks.vision(parts, place)?.forward(&pixels, cancel)?;
    Ok(match parts.projection {
        ProjectionShape::Base { .. } => ImageFeatures::Embeds(encoding.image_embeds),
        ProjectionShape::Plus(_) => ImageFeatures::States(encoding.penultimate),
    })
}

/// `[1, 3, height, width]` in -1..1 to 8 bits, as diffusers rounds; None if a number is not finite.
fn to_image(pixels: &Tensor) -> Result<Option<RgbImage>, EngineError> {
    let (_, _, height, width) = pixels.dims4()?;
    let values = pixels.squeeze(0)?.permute((1, 2, 0))?.flatten_all()?.to_vec1::<f32>()?;
    if !values.iter().all(|x| x.is_finite()) {
        return Ok(None);
    }
    let bytes = values.iter().map(|x| ((x / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8).collect();
    let image = RgbImage::from_raw(width as u32, height as u32, bytes);
    image.map(Some).ok_or_else(|| EngineError::Compute("the VAE gave a picture of the wrong size".to_owned()))
}

/// A seed for recipes that name none, from the system's own source of hash keys.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // 32 bits: torch's generator uses no more, and short seeds are easier to write down.
    std::collections::hash_map::RandomState::new().build_hasher().finish() & 0xffff_ffff
}
