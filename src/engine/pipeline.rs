//! One job from recipe to picture.

use std::time::Instant;

use candle_core::Tensor;

use super::cache::Recent;
use super::device::{self, Place};
use super::embedding_cache::EmbeddingCache;
use super::encoding::{ensure_subtractable, subtraction};
use super::model::Model;
use super::networks::Networks;
use super::prefix::{Prefixes, SamplerState};
use super::references::KeyValues;
use super::sampling::{Sampling, steps_before_references};
use super::text::PromptEmbeds;
use super::{Compute, EngineError, Finished, JobEvent, JobSpec, Latents, ModelPaths, Timings, memory};
use crate::nn::cancel::Cancel;
use crate::nn::ip_adapter::ImageFeatures;
use crate::nn::schedulers::{self, Scheduler, img2img_start};
use crate::nn::torch_rng::TorchGenerator;
use crate::pixels::init_size;
use crate::recipe::{Crop, Injection, Lora, Recipe, RecipeError, Role};

/// Prompts and pictures whose encodings are kept: enough for a board of prompts by references.
const KEPT_ENCODINGS: usize = 32;

/// A model at work, with what has been computed for earlier jobs.
pub struct Session {
    paths: ModelPaths,
    compute: Compute,
    pub(super) model: Model,
    pub(super) place: Place,
    pub(super) networks: Networks,
    /// By text and number of chunks.
    pub(super) prompts: Recent<(String, usize), PromptEmbeds>,
    /// By words to subtract.
    pub(super) words: Recent<String, Tensor>,
    /// By picture and crop; None is the zero image.
    pub(super) features: Recent<Option<(String, Crop)>, ImageFeatures>,
    /// Keys and values of image tokens, by what they were made from.
    pub(super) key_values: KeyValues,
    /// Steps of earlier jobs in which no reference had entered yet.
    prefixes: Prefixes,
}

/// What is noted about a job while it runs.
pub(super) struct Journal {
    pub timings: Timings,
    pub notices: Vec<String>,
}

/// What a job says and asks while it runs.
pub struct JobContext<'a> {
    pub say: &'a mut dyn FnMut(JobEvent),
    pub cancel: Cancel<'a>,
    /// What earlier runs of the program have computed.
    pub embeddings: &'a EmbeddingCache,
}

impl Session {
    /// Opens a model by its headers; no weights are read yet.
    fn open(spec: &JobSpec, needs_image_prompt: bool) -> Result<Self, EngineError> {
        let place = device::open(spec.compute)?;
        Ok(Self {
            paths: spec.model.clone(),
            compute: spec.compute,
            model: Model::open(&spec.model, &spec.recipe.loras, needs_image_prompt)?,
            place,
            networks: Networks::default(),
            prompts: Recent::new(KEPT_ENCODINGS),
            words: Recent::new(KEPT_ENCODINGS),
            features: Recent::new(KEPT_ENCODINGS),
            key_values: KeyValues::default(),
            prefixes: Prefixes::default(),
        })
    }

    fn serves(&self, spec: &JobSpec, needs_image_prompt: bool) -> bool {
        // Names and hashes of LoRAs follow from their paths.
        let same = |(ours, theirs): (&Lora, &Lora)| (ours.strength, &ours.blocks) == (theirs.strength, &theirs.blocks);
        self.paths == spec.model
            && self.model.loras.len() == spec.recipe.loras.len()
            && self.model.loras.iter().zip(&spec.recipe.loras).all(same)
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
            slot.insert(Session::open(spec, needs_image_prompt)?)
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
        let scheduler = schedulers::new(settings.scheduler, &self.model.scheduler_config, settings.steps)?;
        let begin = match &recipe.init {
            Some(init) => img2img_start(settings.steps, init.denoise)?,
            None => 0,
        };
        let held = self.networks.held_bytes(&self.model);
        let size = (settings.width, settings.height);
        memory::ensure_fits(&self.model, &self.place, held, size, if guided { 2 } else { 1 })?;
        let timings = Timings { loading_secs: began.elapsed().as_secs_f64(), ..Timings::default() };
        let mut journal = Journal { timings, notices: self.model.notices.clone() };

        let clock = Instant::now();
        let (prompt, negative) = self.encode_prompts(&recipe, guided, context, &mut journal)?;
        let image_prompts = self.encode_references(spec, &recipe, injections, guided, context, &mut journal)?;
        self.networks.drop_large_encoders(&self.model);
        journal.timings.encoding_secs = clock.elapsed().as_secs_f64();

        let count = scheduler.timesteps().len().saturating_sub(begin);
        let window = (recipe.start, recipe.end);
        let unshaped = steps_before_references(&image_prompts, count, window);
        // A picture without references has nothing to share its way with.
        let shares = !recipe.references.is_empty();
        let mut state = match self.prefixes.find(&recipe, unshaped).filter(|_| shares) {
            Some(state) => state,
            None => self.first_state(spec, &recipe, &settings, scheduler, begin, context)?,
        };
        journal.timings.shared_steps = state.done;

        if !self.networks.is_unet_loaded() {
            let clock = Instant::now();
            (context.say)(JobEvent::Loading("UNet"));
            self.networks.unet(&self.model, &self.place)?;
            journal.timings.loading_secs += clock.elapsed().as_secs_f64();
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
            window,
            width: settings.width,
            height: settings.height,
            latent_rgb: self.model.latent_rgb.clone(),
            pixels_per_latent: self.model.vae_config.scale_factor(),
            cancel: context.cancel,
        };
        let (say, prefixes) = (&mut *context.say, &mut self.prefixes);
        journal.timings.step_secs = sampling.run(&mut state, begin, &mut |step, state| {
            if shares && state.done <= unshaped {
                prefixes.keep(&recipe, state);
            }
            say(JobEvent::Step(step));
        })?;
        journal.timings.sampling_secs = clock.elapsed().as_secs_f64();
        let latents = state.latents;

        let clock = Instant::now();
        (context.say)(JobEvent::Decoding);
        let image = self.decode(&latents, context.cancel, &mut journal.notices)?;
        journal.timings.decoding_secs = clock.elapsed().as_secs_f64();
        let Journal { timings, notices } = journal;
        Ok(Finished { image, recipe, latents, timings, notices, device: self.place.words.clone() })
    }

    /// The sampler before its first step: the seed's noise, or the content picture with that noise over it.
    fn first_state(
        &mut self,
        spec: &JobSpec,
        recipe: &Recipe,
        settings: &Settings,
        scheduler: Box<dyn Scheduler + Send>,
        begin: usize,
        context: &mut JobContext,
    ) -> Result<SamplerState, EngineError> {
        let mut generator = TorchGenerator::manual_seed(settings.seed);
        let factor = self.model.vae_config.scale_factor();
        let (width, height) = (settings.width as usize / factor, settings.height as usize / factor);
        let channels = self.model.vae_config.latent_channels;
        let count = channels * height * width;
        let values = match &spec.init {
            Some(picture) if recipe.init.is_some() => {
                (context.say)(JobEvent::Encoding("content picture"));
                let original =
                    self.encode_init(picture, (settings.width, settings.height), &mut generator, context.cancel)?;
                scheduler.add_noise(&original, &generator.randn(count), begin)
            }
            _ => {
                let sigma = scheduler.init_noise_sigma() as f32;
                generator.randn(count).into_iter().map(|x| x * sigma).collect()
            }
        };
        Ok(SamplerState { scheduler, generator, latents: Latents { channels, height, width, values }, done: 0 })
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
        recipe.loras.clone_from(&self.model.loras);
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

/// A seed from the system's randomness.
pub fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // 32 bits: torch's generator uses no more, and short seeds are easier to write down.
    std::collections::hash_map::RandomState::new().build_hasher().finish() & 0xffff_ffff
}
