//! One job from recipe to picture; [`super::together`] leads several through it at once.

use std::time::Instant;

use candle_core::Tensor;

use super::cache::Recent;
use super::decoding::tiling_notice;
use super::device::{self, Place};
use super::embedding_cache::EmbeddingCache;
use super::encoding::{ensure_subtractable, subtraction};
use super::memory::{Fitting, Wish};
use super::model::Model;
use super::networks::Networks;
use super::prefix::{Prefixes, SamplerState};
use super::references::KeyValues;
use super::sampling::{Sampled, Sampling, steps_before_references};
use super::settings::{Settings, random_seed};
use super::text::{PromptEmbeds, ensure_short};
use super::together::Together;
use super::{Compute, EngineError, Finished, JobEvent, JobSpec, Latents, ModelPaths, Timings, memory};
use crate::nn::attention_processor::ImagePrompt;
use crate::nn::autoencoder_kl::Cut;
use crate::nn::cancel::{Asks, Cancel};
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
    pub(super) fn open(spec: &JobSpec, needs_image_prompt: bool) -> Result<Self, EngineError> {
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

    pub(super) fn serves(&self, spec: &JobSpec, needs_image_prompt: bool) -> bool {
        // Names and hashes of LoRAs follow from their paths.
        let same = |(ours, theirs): (&Lora, &Lora)| (ours.strength, &ours.blocks) == (theirs.strength, &theirs.blocks);
        self.paths == spec.model
            && self.model.loras.len() == spec.recipe.loras.len()
            && self.model.loras.iter().zip(&spec.recipe.loras).all(same)
            && self.compute == spec.compute
            && (self.model.image_prompt.is_some() || !needs_image_prompt)
    }
}

/// A picture before its first step.
pub(super) struct Prepared {
    recipe: Recipe,
    settings: Settings,
    prompt: PromptEmbeds,
    negative: Option<PromptEmbeds>,
    image_prompts: Vec<Vec<ImagePrompt>>,
    state: SamplerState,
    /// The first of the scheduler's steps that runs.
    begin: usize,
    /// Steps before its references enter.
    pub(super) unshaped: usize,
    cut: Cut,
    journal: Journal,
}

impl Prepared {
    /// Whether their prompts are of one length, so that they can share a forward.
    pub(super) fn fits(&self, other: &Self) -> bool {
        self.prompt.embeds.dims() == other.prompt.embeds.dims()
    }
}

/// What is known of a picture before anything is computed for it.
struct Plan {
    recipe: Recipe,
    settings: Settings,
    guided: bool,
    injections: Vec<Vec<Injection>>,
    scheduler: Box<dyn Scheduler + Send>,
    begin: usize,
    /// Of the longer prompt.
    chunks: usize,
    fitting: Fitting,
}

impl Session {
    /// Refuses what cannot be made, as far as headers and configs tell it.
    pub(super) fn check(&self, spec: &JobSpec) -> Result<(), EngineError> {
        spec.recipe.validate()?;
        self.plan(spec).map(drop)
    }

    fn plan(&self, spec: &JobSpec) -> Result<Plan, EngineError> {
        let recipe = self.resolve(spec)?;
        let settings = Settings::of(&recipe)?;
        let guided = settings.guidance > 1.0 && self.model.unet_config.time_cond_proj_dim.is_none();
        let injections = self.injections(&recipe, guided)?;
        let scheduler = schedulers::new(settings.scheduler, &self.model.scheduler_config, settings.steps)?;
        let begin = match &recipe.init {
            Some(init) => img2img_start(settings.steps, init.denoise)?,
            None => 0,
        };
        let held = self.networks.held_bytes(&self.model, &self.place);
        let size = (settings.width, settings.height);
        let batch = if guided { 2 } else { 1 };
        let chunks = self.chunk_count(&recipe, guided)?;
        let wish = Wish { size, batch, chunks };
        let fitting = memory::ensure_fits(&self.model, &self.place, held, wish)?;
        Ok(Plan { recipe, settings, guided, injections, scheduler, begin, chunks, fitting })
    }

    /// Does what comes before the steps.
    pub(super) fn prepare(
        &mut self,
        spec: &JobSpec,
        context: &mut JobContext,
        began: Instant,
    ) -> Result<Prepared, EngineError> {
        let plan = self.plan(spec)?;
        let Plan { recipe, settings, guided, injections, scheduler, begin, chunks, fitting } = plan;
        let Fitting { bytes: estimated_bytes, cut } = fitting;
        let loading_secs = began.elapsed().as_secs_f64();
        let timings = Timings { loading_secs, estimated_bytes, ..Timings::default() };
        let mut journal = Journal { timings, notices: self.model.notices.clone() };

        let clock = Instant::now();
        let (prompt, negative) = self.encode_prompts(&recipe, guided, chunks, context, &mut journal)?;
        let image_prompts = self.encode_references(spec, &recipe, injections, guided, context, &mut journal)?;
        self.networks.drop_large_encoders(&self.model);
        journal.timings.encoding_secs = clock.elapsed().as_secs_f64();

        let count = scheduler.timesteps().len().saturating_sub(begin);
        let unshaped = steps_before_references(&image_prompts, count, (recipe.start, recipe.end));
        // A picture without references has nothing to share its way with.
        let shares = !recipe.references.is_empty();
        let state = match self.prefixes.find(&recipe, unshaped).filter(|_| shares) {
            Some(state) => state,
            None => self.first_state(spec, &recipe, &settings, (scheduler, begin), cut, context)?,
        };
        journal.timings.shared_steps = state.done;
        if recipe.init.is_some() {
            journal.notices.extend(tiling_notice("encoded", cut, (settings.width, settings.height)));
        }
        if !self.networks.is_unet_loaded() {
            let clock = Instant::now();
            (context.say)(JobEvent::Loading("UNet"));
            self.networks.unet(&self.model, &self.place, context.cancel)?;
            journal.timings.loading_secs += clock.elapsed().as_secs_f64();
        }
        Ok(Prepared { recipe, settings, prompt, negative, image_prompts, state, begin, unshaped, cut, journal })
    }

    /// Does the steps of a batch, and makes pictures of what comes out. `batch` holds places in `jobs`.
    pub(super) fn complete(
        &mut self,
        mut batch: Vec<(usize, Prepared)>,
        jobs: &[Together],
        say: &mut dyn FnMut(usize, JobEvent),
    ) -> Vec<(usize, Result<Finished, EngineError>)> {
        let clock = Instant::now();
        let sampled = match self.sample(&mut batch, jobs, say) {
            Ok(sampled) => sampled,
            Err(error) => batch.iter().map(|_| Err(error.clone())).collect(),
        };
        let together = batch.len();
        let sampling_secs = clock.elapsed().as_secs_f64() / together.max(1) as f64;
        let mut out = Vec::new();
        for ((index, mut prepared), sampled) in batch.into_iter().zip(sampled) {
            let finished = sampled.and_then(|step_secs| {
                prepared.journal.timings.step_secs = step_secs;
                prepared.journal.timings.sampling_secs = sampling_secs;
                prepared.journal.timings.together = together;
                say(index, JobEvent::Decoding);
                let never = || false;
                let is_cancelled = jobs.get(index).map_or(&never as Asks, |job| job.is_cancelled);
                self.finish(prepared, Cancel::new(is_cancelled))
            });
            out.push((index, finished));
        }
        out
    }

    /// The seconds of each picture's steps.
    fn sample(
        &mut self,
        batch: &mut [(usize, Prepared)],
        jobs: &[Together],
        say: &mut dyn FnMut(usize, JobEvent),
    ) -> Result<Vec<Result<Vec<f64>, EngineError>>, EngineError> {
        let Some((_, first)) = batch.first() else { return Ok(Vec::new()) };
        // Where the encoders of a later one had it dropped, it is read again.
        let askers: Vec<Asks> =
            batch.iter().filter_map(|(index, _)| jobs.get(*index)).map(|job| job.is_cancelled).collect();
        let nobody_waits = || askers.iter().all(|is_cancelled| is_cancelled());
        let sampling = Sampling {
            unet: self.networks.unet(&self.model, &self.place, Cancel::new(&nobody_waits))?,
            place: &self.place,
            guidance: first.settings.guidance,
            time_cond_proj_dim: self.model.unet_config.time_cond_proj_dim,
            begin: first.begin,
            window: (first.recipe.start, first.recipe.end),
            width: first.settings.width,
            height: first.settings.height,
            latent_rgb: self.model.latent_rgb.clone(),
            pixels_per_latent: self.model.vae_config.scale_factor(),
        };
        let never = || false;
        let (mut pictures, mut ways) = (Vec::new(), Vec::new());
        for (index, prepared) in batch {
            let Prepared { recipe, prompt, negative, image_prompts, state, unshaped, .. } = prepared;
            ways.push((*index, &*recipe, *unshaped));
            pictures.push(Sampled {
                prompt,
                negative: negative.as_ref(),
                image_prompts,
                state,
                is_cancelled: jobs.get(*index).map_or(&never as Asks, |job| job.is_cancelled),
            });
        }
        let prefixes = &mut self.prefixes;
        Ok(sampling.run(&mut pictures, &mut |place, step, state| {
            let Some((index, recipe, unshaped)) = ways.get(place) else { return };
            if !recipe.references.is_empty() && state.done <= *unshaped {
                prefixes.keep(recipe, state);
            }
            say(*index, JobEvent::Step(step));
        }))
    }

    fn finish(&mut self, prepared: Prepared, cancel: Cancel) -> Result<Finished, EngineError> {
        let Prepared { mut recipe, state, cut, journal: Journal { mut timings, mut notices }, .. } = prepared;
        // The model may have been opened with its adapter for another picture; one is recorded as if it were made alone.
        if !recipe.takes_references() && self.paths.adapter.is_none() && self.paths.image_encoder.is_none() {
            recipe.model.adapter.clear();
            recipe.model.image_encoder.clear();
        }
        let latents = state.latents;
        let clock = Instant::now();
        let image = self.decode(&latents, cut, cancel, &mut notices)?;
        notices.extend(tiling_notice("decoded", cut, image.dimensions()));
        timings.decoding_secs = clock.elapsed().as_secs_f64();
        Ok(Finished { image, recipe, latents, timings, notices, device: self.place.words.clone() })
    }

    /// The sampler before its first step: the seed's noise, or the content picture with that noise over it.
    fn first_state(
        &mut self,
        spec: &JobSpec,
        recipe: &Recipe,
        settings: &Settings,
        (scheduler, begin): (Box<dyn Scheduler + Send>, usize),
        cut: Cut,
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
                    self.encode_init(picture, (settings.width, settings.height), &mut generator, cut, context.cancel)?;
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
                if let (Some(subtract), Some(parts)) = (subtraction(reference), &self.model.image_prompt)
                    && reference.role != Role::Off
                {
                    ensure_short("the text to subtract", &subtract.words)?;
                    ensure_subtractable(parts, &self.model)?;
                }
                Ok(self.model.blocks.injections(reference)?)
            })
            .collect()
    }
}
