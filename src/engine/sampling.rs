//! The denoising loop (diffusers `pipeline_stable_diffusion_xl.py` and `…_img2img.py`: `__call__`).

use std::sync::Arc;
use std::time::Instant;

use candle_core::{DType, Tensor};

use super::device::Place;
use super::prefix::SamplerState;
use super::text::PromptEmbeds;
use super::threads::awake;
use super::{EngineError, LatentRgb, Latents, Preview, Step};
use crate::nn::attention_processor::ImagePrompt;
use crate::nn::cancel::{Asks, Cancel};
use crate::nn::embeddings::guidance_scale_embedding;
use crate::nn::layers::uses_kernels;
use crate::nn::unet_2d_condition::{AddedConditioning, Conditioning, UNet2DConditionModel};

/// What a run of the sampler needs, ready to use: the same for all pictures that go through the network together.
pub struct Sampling<'a> {
    pub unet: &'a UNet2DConditionModel,
    pub place: &'a Place,
    pub guidance: f64,
    /// Width of the guidance embedding, for models that take guidance as an input.
    pub time_cond_proj_dim: Option<usize>,
    /// The first of the scheduler's steps that runs.
    pub begin: usize,
    /// Part of the steps in which image prompts enter.
    pub window: (f64, f64),
    pub width: u32,
    pub height: u32,
    pub latent_rgb: Option<Arc<LatentRgb>>,
    pub pixels_per_latent: usize,
}

/// What is one picture's own.
pub struct Sampled<'a> {
    pub prompt: &'a PromptEmbeds,
    /// None: no guidance, the unconditional pass is skipped. All of a batch have one, or none.
    pub negative: Option<&'a PromptEmbeds>,
    pub image_prompts: &'a [Vec<ImagePrompt>],
    pub state: &'a mut SamplerState,
    pub is_cancelled: Asks<'a>,
}

/// Whether step `index` of `count` lies in the window, by the rule of diffusers' `control_guidance_start` and `_end`.
pub fn is_in_window(index: usize, count: usize, (start, end): (f64, f64)) -> bool {
    let (begins, ends) = (index as f64 / count as f64, (index + 1) as f64 / count as f64);
    !(begins < start || ends > end)
}

/// How many of `count` steps run before references enter: all of them where none does.
pub fn steps_before_references(image_prompts: &[Vec<ImagePrompt>], count: usize, window: (f64, f64)) -> usize {
    match image_prompts.iter().all(Vec::is_empty) {
        true => count,
        false => (0..count).find(|i| is_in_window(*i, count, window)).unwrap_or(count),
    }
}

/// What a step gives: whose it is, what is shown of it, and the state after it.
pub type OnStep<'a> = dyn FnMut(usize, Step, &SamplerState) + 'a;

impl Sampling<'_> {
    /// Runs the steps that the pictures have before them, all at once, and returns for each the seconds of its steps: its
    /// share of the batch's. All have done as many steps. One that is cancelled or fails leaves the batch.
    pub fn run(&self, pictures: &mut [Sampled], on_step: &mut OnStep) -> Vec<Result<Vec<f64>, EngineError>> {
        let mut results: Vec<Result<Vec<f64>, EngineError>> = pictures.iter().map(|_| Ok(Vec::new())).collect();
        loop {
            let active: Vec<usize> = (0..pictures.len()).filter(|at| matches!(results.get(*at), Some(Ok(_)))).collect();
            if active.is_empty() {
                return results;
            }
            match self.run_active(pictures, &active, &mut results, on_step) {
                // One has left, and the others go on without it.
                Ok(false) => {}
                Ok(true) => return results,
                Err(error) => {
                    for at in active {
                        if let Some(result) = results.get_mut(at) {
                            *result = Err(error.clone());
                        }
                    }
                }
            }
        }
    }

    /// True when every step is done; false when a picture has left the batch.
    fn run_active(
        &self,
        pictures: &mut [Sampled],
        active: &[usize],
        results: &mut [Result<Vec<f64>, EngineError>],
        on_step: &mut OnStep,
    ) -> Result<bool, EngineError> {
        let Batch { embeds, pooled, image_prompts, is_guided } = Batch::of(pictures, active)?;
        let Some(first) = active.first().and_then(|at| pictures.get(*at)) else { return Ok(true) };
        let timesteps: Vec<f64> = first.state.scheduler.timesteps().get(self.begin..).unwrap_or_default().to_vec();
        let (count, done) = (timesteps.len(), first.state.done);
        let device = &self.place.device;
        let latents = &first.state.latents;
        let shape = (active.len(), latents.channels, latents.height, latents.width);
        let guidance_embedding = match self.time_cond_proj_dim {
            Some(dim) => {
                let embedding = guidance_scale_embedding(self.guidance, dim, device)?;
                Some(embedding.to_dtype(self.place.dtype)?.repeat((embeds.dim(0)?, 1))?)
            }
            None => None,
        };
        let (width, height) = (f64::from(self.width), f64::from(self.height));
        // A batch that nobody waits for any more stops between two blocks.
        let askers: Vec<Asks> =
            active.iter().filter_map(|at| pictures.get(*at)).map(|picture| picture.is_cancelled).collect();
        let nobody_waits = || askers.iter().all(|is_cancelled| is_cancelled());
        let cancel = Cancel::new(&nobody_waits);
        let text = self.unet.text_key_values(&embeds, cancel)?;

        for (i, timestep) in timesteps.into_iter().enumerate().skip(done) {
            let began = Instant::now();
            cancel.check()?;
            let mut input = Vec::new();
            for picture in active.iter().filter_map(|at| pictures.get(*at)) {
                let state = &picture.state;
                let scaled = state.scheduler.scale_model_input(&state.latents.values, self.begin + i);
                let scaled = Tensor::from_vec(scaled, (1, shape.1, shape.2, shape.3), device)?;
                input.extend(std::iter::repeat_n(scaled, if is_guided { 2 } else { 1 }));
            }
            let input = Tensor::cat(&input, 0)?;
            let conditioning = Conditioning {
                text: &text,
                added: pooled.as_ref().map(|text_embeds| AddedConditioning {
                    text_embeds,
                    time_ids: [height, width, 0.0, 0.0, height, width],
                }),
                image_prompts: if is_in_window(i, count, self.window) { &image_prompts } else { &[] },
                cancel,
            };
            let forward = || self.unet.forward(&input, timestep, guidance_embedding.as_ref(), &conditioning);
            let output = if uses_kernels(device, self.place.dtype) { awake(forward) } else { forward() }?;
            let output = output.to_dtype(DType::F32)?;
            let rows = if is_guided { 2 } else { 1 };
            let mut has_left = false;
            for (place, at) in active.iter().enumerate() {
                let (Some(picture), Some(result)) = (pictures.get_mut(*at), results.get_mut(*at)) else { continue };
                let own = output.narrow(0, place * rows, rows)?;
                let guided = match is_guided {
                    true => {
                        let (unconditional, conditional) = (own.narrow(0, 0, 1)?, own.narrow(0, 1, 1)?);
                        (&unconditional + ((conditional - &unconditional)? * self.guidance)?)?
                    }
                    false => own,
                };
                let guided = guided.flatten_all()?.to_vec1::<f32>()?;
                let SamplerState { scheduler, generator, latents, done } = &mut *picture.state;
                let step = scheduler.step(&guided, self.begin + i, &latents.values, &mut |n| generator.randn(n));
                if !step.prev_sample.iter().all(|x| x.is_finite()) {
                    // Wider numbers are no help where they are the widest already.
                    let advice = match self.place.dtype {
                        DType::F32 => "if that does not help, a LoRA or the model is damaged",
                        _ => "or use --dtype f32",
                    };
                    *result = Err(EngineError::NotFinite(format!(
                        "step {} gave numbers that are not finite; lower guidance and strengths, {advice}",
                        i + 1
                    )));
                    has_left = true;
                    continue;
                }
                latents.values = step.prev_sample;
                *done = i + 1;
                let seconds = began.elapsed().as_secs_f64() / active.len() as f64;
                if let Ok(seconds_of_steps) = result {
                    seconds_of_steps.push(seconds);
                }
                // Who has left a batch says no more; alone, the next block finds it out.
                if active.len() > 1 && i + 1 < count && (picture.is_cancelled)() {
                    *result = Err(EngineError::Cancelled);
                    has_left = true;
                    continue;
                }
                let preview = Preview {
                    latents: Latents { values: step.pred_original_sample, ..*latents },
                    factors: self.latent_rgb.clone(),
                    pixels_per_latent: self.pixels_per_latent,
                };
                on_step(*at, Step { index: i + 1, count, seconds, preview: Arc::new(preview) }, picture.state);
            }
            if has_left {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The pictures of a batch put together; each has its rows, unconditional before conditional.
struct Batch {
    embeds: Tensor,
    pooled: Option<Tensor>,
    image_prompts: Vec<Vec<ImagePrompt>>,
    is_guided: bool,
}

impl Batch {
    fn of(pictures: &[Sampled], active: &[usize]) -> Result<Self, EngineError> {
        let (mut embeds, mut pooled, mut image_prompts) = (Vec::new(), Vec::new(), Vec::<Vec<ImagePrompt>>::new());
        let mut is_guided = false;
        for picture in active.iter().filter_map(|at| pictures.get(*at)) {
            let first_row = embeds.len();
            is_guided = picture.negative.is_some();
            for side in picture.negative.into_iter().chain([picture.prompt]) {
                embeds.push(side.embeds.clone());
                pooled.push(side.pooled.clone());
            }
            for (index, prompts) in picture.image_prompts.iter().enumerate() {
                if image_prompts.len() <= index {
                    image_prompts.push(Vec::new());
                }
                if let Some(slot) = image_prompts.get_mut(index) {
                    slot.extend(prompts.iter().map(|prompt| ImagePrompt { first_row, ..prompt.clone() }));
                }
            }
        }
        let pooled: Option<Vec<Tensor>> = pooled.into_iter().collect();
        let pooled = pooled.map(|pooled| Tensor::cat(&pooled, 0)).transpose()?;
        Ok(Self { embeds: Tensor::cat(&embeds, 0)?, pooled, image_prompts, is_guided })
    }
}

#[cfg(test)]
mod tests {
    use super::is_in_window;

    fn steps(count: usize, window: (f64, f64)) -> Vec<usize> {
        (0..count).filter(|i| is_in_window(*i, count, window)).collect()
    }

    #[test]
    fn the_window_is_diffusers_control_guidance() {
        assert_eq!(steps(4, (0.0, 1.0)), [0, 1, 2, 3]);
        assert_eq!(steps(4, (0.25, 0.75)), [1, 2]);
        assert_eq!(steps(10, (0.0, 0.7)), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(steps(4, (0.0, 0.6)), [0, 1]);
        assert_eq!(steps(4, (0.9, 1.0)), [] as [usize; 0]);
        assert_eq!(steps(4, (0.0, 0.0)), [] as [usize; 0]);
    }
}
