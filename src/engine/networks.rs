//! The networks of the open model, read when they are first needed and dropped when they only cost memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use super::device::Place;
use super::image_prompt_parts::ImagePromptParts;
use super::model::{Model, TextTower};
use super::{EngineError, device, memory};
use crate::nn::autoencoder_kl::AutoencoderKl;
use crate::nn::cancel::{Cancel, is_cancelled};
use crate::nn::clip_text::ClipTextModel;
use crate::nn::clip_vision::ClipVisionModelWithProjection;
use crate::nn::ip_adapter::{ImageKeyValue, ImageProjection};
use crate::nn::unet_2d_condition::UNet2DConditionModel;
use crate::weights::Weights;

/// Encoders of more weights than this are dropped after encoding: SDXL's towers would take 10 GB beside the UNet, a small
/// model's are worth keeping for the next prompt.
const LARGE_ENCODER: u64 = 100_000_000;

/// What an encoder needs beside its weights.
const SPARE: u64 = 512 << 20;

#[derive(Default)]
pub struct Networks {
    text: [Option<ClipTextModel>; 2],
    vision: Option<ClipVisionModelWithProjection>,
    projection: Option<ImageProjection>,
    key_values: BTreeMap<usize, ImageKeyValue>,
    unet: Option<UNet2DConditionModel>,
    vae: Option<(DType, AutoencoderKl)>,
}

/// Weights that are read until it is time to stop: a large network takes the better part of a minute.
struct Stoppable<'a> {
    weights: VarBuilder<'static>,
    cancel: Cancel<'a>,
}

impl SimpleBackend for Stoppable<'_> {
    fn get(&self, shape: Shape, name: &str, hint: Init, dtype: DType, _: &Device) -> candle_core::Result<Tensor> {
        self.cancel.check()?;
        self.weights.get_with_hints_dtype(shape, name, hint, dtype)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, _: &Device) -> candle_core::Result<Tensor> {
        self.cancel.check()?;
        self.weights.get_unchecked_dtype(name, dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.weights.contains_tensor(name)
    }
}

/// Reads a network's weights; a file that fails meanwhile is named rather than candle's own words given.
fn load<T>(
    weights: &Arc<Weights>,
    dtype: DType,
    place: &Place,
    cancel: Cancel,
    build: impl FnOnce(VarBuilder) -> candle_core::Result<T>,
) -> Result<T, EngineError> {
    let stoppable = Stoppable { weights: weights.var_builder(dtype, &place.device), cancel };
    build(VarBuilder::from_backend(Box::new(stoppable), dtype, place.device.clone())).map_err(|error| {
        match weights.failure() {
            Some(failure) if !is_cancelled(&error) => failure.clone().into(),
            _ => error.into(),
        }
    })
}

/// `slot`'s network, read if it is not there.
fn filled<T>(slot: &mut Option<T>, make: impl FnOnce() -> Result<T, EngineError>) -> Result<&T, EngineError> {
    match slot {
        Some(network) => Ok(network),
        None => Ok(slot.insert(make()?)),
    }
}

impl Networks {
    pub fn text(
        &mut self,
        towers: &[TextTower],
        is_second: bool,
        place: &Place,
        cancel: Cancel,
    ) -> Result<&ClipTextModel, EngineError> {
        let Some(tower) = towers.get(usize::from(is_second)) else {
            return Err(EngineError::Compute("the model has no second text tower".to_owned()));
        };
        if self.text.get(usize::from(is_second)).is_some_and(Option::is_none) {
            self.make_room(&tower.weights, place);
        }
        let [first, second] = &mut self.text;
        let slot = if is_second { second } else { first };
        filled(slot, || {
            load(&tower.weights, place.dtype, place, cancel, |vb| ClipTextModel::new(&tower.config, is_second, vb))
        })
    }

    pub fn vision(
        &mut self,
        parts: &ImagePromptParts,
        place: &Place,
        cancel: Cancel,
    ) -> Result<&ClipVisionModelWithProjection, EngineError> {
        if self.vision.is_none() {
            self.make_room(&parts.encoder, place);
        }
        filled(&mut self.vision, || {
            load(&parts.encoder, place.dtype, place, cancel, |vb| {
                ClipVisionModelWithProjection::new(&parts.encoder_config, vb)
            })
        })
    }

    pub fn projection(
        &mut self,
        parts: &ImagePromptParts,
        place: &Place,
        cancel: Cancel,
    ) -> Result<&ImageProjection, EngineError> {
        filled(&mut self.projection, || {
            load(&parts.adapter, place.dtype, place, cancel, |vb| ImageProjection::new(&parts.projection, vb))
        })
    }

    /// `to_k_ip` and `to_v_ip` of one cross-attention.
    pub fn key_value(
        &mut self,
        parts: &ImagePromptParts,
        cross_attention: usize,
        inner_dim: usize,
        place: &Place,
        cancel: Cancel,
    ) -> Result<&ImageKeyValue, EngineError> {
        use std::collections::btree_map::Entry;
        match self.key_values.entry(cross_attention) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let width = parts.projection.cross_attention_dim();
                let pair = load(&parts.adapter, place.dtype, place, cancel, |vb| {
                    ImageKeyValue::new(cross_attention, width, inner_dim, &vb)
                })?;
                Ok(entry.insert(pair))
            }
        }
    }

    /// Keeps the key and value weights of the cross-attentions in use only.
    pub fn keep_key_values(&mut self, in_use: impl Fn(usize) -> bool) {
        self.key_values.retain(|index, _| in_use(*index));
    }

    pub fn unet(&mut self, model: &Model, place: &Place, cancel: Cancel) -> Result<&UNet2DConditionModel, EngineError> {
        filled(&mut self.unet, || {
            load(&model.unet, place.dtype, place, cancel, |vb| UNet2DConditionModel::new(&model.unet_config, vb))
        })
    }

    pub fn is_unet_loaded(&self) -> bool {
        self.unet.is_some()
    }

    pub fn vae(
        &mut self,
        model: &Model,
        dtype: DType,
        place: &Place,
        cancel: Cancel,
    ) -> Result<&AutoencoderKl, EngineError> {
        if self.vae.as_ref().is_some_and(|(loaded, _)| *loaded != dtype) {
            self.vae = None;
        }
        let entry = filled(&mut self.vae, || {
            Ok((dtype, load(&model.vae, dtype, place, cancel, |vb| AutoencoderKl::new(&model.vae_config, vb))?))
        })?;
        Ok(&entry.1)
    }

    /// Before a large encoder is read: where memory is short, everything else goes, and is read again when it is needed.
    fn make_room(&mut self, encoder: &Weights, place: &Place) {
        let needed = memory::held_bytes(encoder, place).saturating_add(SPARE);
        let is_short = || device::available_bytes(&place.device).is_some_and(|free| free < needed);
        if encoder.parameters() > LARGE_ENCODER && is_short() {
            *self = Self::default();
        }
    }

    /// Bytes of the weights in memory.
    pub fn held_bytes(&self, model: &Model, place: &Place) -> u64 {
        let held = |weights: &Weights| memory::held_bytes(weights, place);
        let text = self.text.iter().zip(&model.text).filter(|(slot, _)| slot.is_some());
        let text: u64 = text.map(|(_, tower)| held(&tower.weights)).sum();
        let vision = model.image_prompt.as_ref().filter(|_| self.vision.is_some());
        let unet = if self.unet.is_some() { held(&model.unet) } else { 0 };
        let vae = if self.vae.is_some() { held(&model.vae) } else { 0 };
        text + vision.map_or(0, |parts| held(&parts.encoder)) + unet + vae
    }

    /// Frees encoders that are large; called when everything has been encoded.
    pub fn drop_large_encoders(&mut self, model: &Model) {
        for (slot, tower) in self.text.iter_mut().zip(&model.text) {
            if tower.weights.parameters() > LARGE_ENCODER {
                *slot = None;
            }
        }
        if model.image_prompt.as_ref().is_some_and(|parts| parts.encoder.parameters() > LARGE_ENCODER) {
            self.vision = None;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::engine::Compute;
    use crate::weights::ModelFolder;

    #[test]
    fn reading_stops_before_any_tensor() {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/model_a");
        let folder = ModelFolder::open(&model).unwrap();
        let (weights, config) = (folder.weights("vae").unwrap(), folder.json("vae/config.json").unwrap());
        let place = device::open(Compute::default()).unwrap();
        let asked = AtomicUsize::new(0);
        let read = |stop_at: usize| {
            asked.store(0, Ordering::Relaxed);
            let asks = || asked.fetch_add(1, Ordering::Relaxed) >= stop_at;
            load(&weights, DType::F32, &place, Cancel::new(&asks), |vb| AutoencoderKl::new(&config, vb).map(drop))
        };
        read(usize::MAX).unwrap();
        let all = asked.load(Ordering::Relaxed);
        assert!(all >= weights.len(), "{all} questions for {} tensors", weights.len());
        for stop_at in [0, 1, all / 2, all - 1] {
            assert!(matches!(read(stop_at), Err(EngineError::Cancelled)));
            assert_eq!(asked.load(Ordering::Relaxed), stop_at + 1, "it went on after being told to stop");
        }
        read(usize::MAX).unwrap();
    }
}
