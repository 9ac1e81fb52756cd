//! The denoising loop (diffusers `pipeline_stable_diffusion_xl.py` and `…_img2img.py`: `__call__`).

use std::sync::Arc;
use std::time::Instant;

use candle_core::{DType, Tensor};

use super::device::Place;
use super::prefix::SamplerState;
use super::text::PromptEmbeds;
use super::{EngineError, LatentRgb, Latents, Preview, Step};
use crate::nn::attention_processor::ImagePrompt;
use crate::nn::cancel::Cancel;
use crate::nn::embeddings::guidance_scale_embedding;
use crate::nn::unet_2d_condition::{AddedConditioning, Conditioning, UNet2DConditionModel};

/// Everything that one run of the sampler needs, ready to use.
pub struct Sampling<'a> {
    pub unet: &'a UNet2DConditionModel,
    pub place: &'a Place,
    pub prompt: &'a PromptEmbeds,
    /// None: no guidance, the unconditional pass is skipped.
    pub negative: Option<&'a PromptEmbeds>,
    pub guidance: f64,
    /// Width of the guidance embedding, for models that take guidance as an input.
    pub time_cond_proj_dim: Option<usize>,
    pub image_prompts: &'a [Vec<ImagePrompt>],
    /// Part of the steps in which image prompts enter.
    pub window: (f64, f64),
    pub width: u32,
    pub height: u32,
    pub latent_rgb: Option<Arc<LatentRgb>>,
    pub pixels_per_latent: usize,
    pub cancel: Cancel<'a>,
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

impl Sampling<'_> {
    /// Runs the steps that `state` has before it, of those from `begin` on, and returns the seconds of each. `on_step` gets the
    /// state after each step too.
    pub fn run(
        &self,
        state: &mut SamplerState,
        begin: usize,
        on_step: &mut dyn FnMut(Step, &SamplerState),
    ) -> Result<Vec<f64>, EngineError> {
        let timesteps: Vec<f64> = state.scheduler.timesteps().get(begin..).unwrap_or_default().to_vec();
        let count = timesteps.len();
        let device = &self.place.device;
        let shape = (1, state.latents.channels, state.latents.height, state.latents.width);
        let (embeds, pooled) = match self.negative {
            Some(negative) => (
                Tensor::cat(&[&negative.embeds, &self.prompt.embeds], 0)?,
                match (&negative.pooled, &self.prompt.pooled) {
                    (Some(negative), Some(prompt)) => Some(Tensor::cat(&[negative, prompt], 0)?),
                    _ => None,
                },
            ),
            None => (self.prompt.embeds.clone(), self.prompt.pooled.clone()),
        };
        let text = self.unet.text_key_values(&embeds, self.cancel)?;
        let guidance_embedding = match self.time_cond_proj_dim {
            Some(dim) => {
                let embedding = guidance_scale_embedding(self.guidance, dim, device)?;
                Some(embedding.to_dtype(self.place.dtype)?.repeat((embeds.dim(0)?, 1))?)
            }
            None => None,
        };
        let (width, height) = (f64::from(self.width), f64::from(self.height));

        let mut step_secs = Vec::with_capacity(count);
        for (i, timestep) in timesteps.into_iter().enumerate().skip(state.done) {
            let began = Instant::now();
            self.cancel.check()?;
            let input = state.scheduler.scale_model_input(&state.latents.values, begin + i);
            let input = Tensor::from_vec(input, shape, device)?;
            let input = if self.negative.is_some() { Tensor::cat(&[&input, &input], 0)? } else { input };
            let image_prompts = if is_in_window(i, count, self.window) { self.image_prompts } else { &[] };
            let conditioning = Conditioning {
                text: &text,
                added: pooled.as_ref().map(|text_embeds| AddedConditioning {
                    text_embeds,
                    time_ids: [height, width, 0.0, 0.0, height, width],
                }),
                image_prompts,
                cancel: self.cancel,
            };
            let output = self.unet.forward(&input, timestep, guidance_embedding.as_ref(), &conditioning)?;
            let output = output.to_dtype(DType::F32)?;
            let guided = match self.negative {
                Some(_) => {
                    let (unconditional, conditional) = (output.narrow(0, 0, 1)?, output.narrow(0, 1, 1)?);
                    (&unconditional + ((conditional - &unconditional)? * self.guidance)?)?
                }
                None => output,
            };
            let guided = guided.flatten_all()?.to_vec1::<f32>()?;
            let SamplerState { scheduler, generator, latents, done } = state;
            let step = scheduler.step(&guided, begin + i, &latents.values, &mut |n| generator.randn(n));
            if !step.prev_sample.iter().all(|x| x.is_finite()) {
                return Err(EngineError::NotFinite(format!(
                    "step {} gave numbers that are not finite; lower guidance and strengths, or use --dtype f32",
                    i + 1
                )));
            }
            latents.values = step.prev_sample;
            *done = i + 1;
            let seconds = began.elapsed().as_secs_f64();
            step_secs.push(seconds);
            let preview = Preview {
                latents: Latents { values: step.pred_original_sample, ..*latents },
                factors: self.latent_rgb.clone(),
                pixels_per_latent: self.pixels_per_latent,
            };
            on_step(Step { index: i + 1, count, seconds, preview: Arc::new(preview) }, state);
        }
        Ok(step_secs)
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
