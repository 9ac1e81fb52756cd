//! Which linear factors turn latents into colours: the model's own, or, where it brings none, the first three channels
//! stretched over the range that they use.

use image::RgbImage;

use super::cpu;
use super::scene::{LatentScene, MAX_CHANNELS};
use crate::engine::{Latents, Preview};

/// What the preview shader is told about these latents; `None` where they are empty or not as large as they say.
#[must_use]
pub fn scene(preview: &Preview) -> Option<LatentScene> {
    let Latents { channels, height, width, values } = &preview.latents;
    let count = channels.checked_mul(*height)?.checked_mul(*width)?;
    if count == 0 || values.len() != count {
        return None;
    }
    let (factors, bias) = match preview.factors.as_deref() {
        Some(own) if own.factors.len() == *channels && *channels <= MAX_CHANNELS && finite(&own.factors, &own.bias) => {
            (own.factors.clone(), own.bias)
        }
        _ => stretched(&preview.latents),
    };
    Some(LatentScene { factors, bias, width: u32::try_from(*width).ok()?, height: u32::try_from(*height).ok()? })
}

/// The preview as a small picture, made on the CPU: for the many small ones of a board.
#[must_use]
pub fn preview_picture(preview: &Preview) -> Option<RgbImage> {
    scene(preview).map(|scene| cpu::latent_preview::picture(&scene, &preview.latents.values))
}

fn finite(factors: &[[f32; 3]], bias: &[f32; 3]) -> bool {
    factors.iter().chain([bias]).flatten().all(|n| n.is_finite())
}

/// Channel 0 to red, 1 to green, 2 to blue, each from its least to its greatest; fewer than three make a grey.
fn stretched(latents: &Latents) -> (Vec<[f32; 3]>, [f32; 3]) {
    let plane = (latents.width * latents.height).max(1);
    let mut planes = latents.values.chunks_exact(plane);
    let mut bias = [0.0; 3];
    if latents.channels < 3 {
        let (factor, middle) = planes.next().map_or((0.0, 0.0), range);
        return (vec![[factor; 3]], [middle; 3]);
    }
    let factors = (0..3)
        .map(|colour| {
            let (factor, middle) = planes.next().map_or((0.0, 0.0), range);
            bias[colour] = middle;
            let mut row = [0.0; 3];
            row[colour] = factor;
            row
        })
        .collect();
    (factors, bias)
}

/// The factor and the bias that bring the finite values to -1..1; a flat plane becomes 0.
fn range(plane: &[f32]) -> (f32, f32) {
    let finite = || plane.iter().filter(|n| n.is_finite()).map(|&n| f64::from(n));
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let span = high - low;
    if !span.is_finite() || span <= f64::from(f32::MIN_POSITIVE) {
        return (0.0, 0.0);
    }
    ((2.0 / span) as f32, (-(low + high) / span) as f32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;

    use super::*;
    use crate::engine::LatentRgb;

    fn preview(channels: usize, values: Vec<f32>, factors: Option<LatentRgb>) -> Preview {
        let width = values.len() / channels.max(1);
        Preview {
            latents: Latents { channels, height: 1, width, values },
            factors: factors.map(Arc::new),
            pixels_per_latent: 8,
        }
    }

    #[test]
    fn the_models_factors_are_used() {
        let own = LatentRgb { factors: vec![[0.1, 0.2, 0.3]; 4], bias: [0.4, 0.5, 0.6] };
        let scene = scene(&preview(4, vec![0.0; 8], Some(own.clone()))).unwrap();
        assert_eq!((scene.factors, scene.bias, scene.width, scene.height), (own.factors, own.bias, 2, 1));
    }

    #[test]
    fn factors_for_other_latents_are_not() {
        for (factors, bias) in [(vec![[1.0; 3]; 3], [0.0; 3]), (vec![[1.0; 3]; 4], [f32::NAN, 0.0, 0.0])] {
            let scene = scene(&preview(4, vec![0.0; 8], Some(LatentRgb { factors, bias }))).unwrap();
            assert_eq!((scene.factors, scene.bias), (vec![[0.0; 3]; 3], [0.0; 3]));
        }
    }

    #[test]
    fn without_factors_three_channels_are_stretched() {
        let values = vec![1.0, 3.0, f32::NAN, -2.0, 2.0, 0.0, 5.0, 5.0, 5.0, 9.0, 9.0, 9.0];
        let scene = scene(&preview(4, values, None)).unwrap();
        assert_eq!(scene.factors, [[1.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0; 3]]);
        assert_eq!(scene.bias, [-2.0, 0.0, 0.0]);
    }

    #[test]
    fn few_channels_make_a_grey_and_huge_values_do_no_harm() {
        let scene_of = |p: &Preview| scene(p).unwrap();
        assert_eq!(scene_of(&preview(1, vec![0.0, 4.0], None)).factors, [[0.5; 3]]);
        let scene = scene_of(&preview(3, vec![f32::MAX, f32::MIN, f32::INFINITY, f32::NAN, f32::NAN, 1.0], None));
        assert!(finite(&scene.factors, &scene.bias));
    }

    #[test]
    fn latents_that_are_not_as_large_as_they_say_are_refused() {
        let wrong = Latents { channels: 4, height: 2, width: 2, values: vec![0.0; 15] };
        assert_eq!(scene(&Preview { latents: wrong, factors: None, pixels_per_latent: 8 }), None);
        let huge = Latents { channels: usize::MAX, height: 2, width: 2, values: vec![] };
        assert_eq!(scene(&Preview { latents: huge, factors: None, pixels_per_latent: 8 }), None);
        assert_eq!(scene(&preview(0, vec![], None)), None);
    }
}
