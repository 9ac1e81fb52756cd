//! The built-in judge: its files lie in the program, like the built-in model's.

use candle_core::{DType, Device, Tensor};
use image::RgbImage;

use super::EngineError;
use crate::nn::judge::{Judge, JudgeConfig};
use crate::pixels::{Filter, resize};
use crate::weights::ModelFolder;

static FILES: &[(&str, &[u8])] = &[
    ("config.json", include_bytes!("../../assets/builtin/judge/config.json")),
    ("model.safetensors", include_bytes!("../../assets/builtin/judge/model.safetensors")),
];

/// The judge with the names that it knows.
pub struct BuiltInJudge {
    judge: Judge,
    config: JudgeConfig,
}

/// What the judge sees in a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// One number a name; the largest is what it sees.
    pub subject_logits: Vec<f32>,
    pub style_logits: Vec<f32>,
}

impl BuiltInJudge {
    pub fn open() -> Result<Self, EngineError> {
        let folder = ModelFolder::built_in("the built-in judge", FILES);
        let config: JudgeConfig = folder.json("config.json")?;
        let judge = Judge::new(&config, folder.weights("")?.var_builder(DType::F32, &Device::Cpu))?;
        Ok(Self { judge, config })
    }

    pub fn subjects(&self) -> &[String] {
        &self.config.subjects
    }

    pub fn styles(&self) -> &[String] {
        &self.config.styles
    }

    /// Looks at a picture of any size, squeezed to the judge's own as Pillow's bicubic filter does it.
    pub fn look(&self, picture: &RgbImage) -> Result<Verdict, EngineError> {
        let side = self.config.side;
        let small = match picture.dimensions() == (side as u32, side as u32) {
            true => picture.clone(),
            false => resize(picture, side as u32, side as u32, Filter::Bicubic),
        };
        let pixels = Tensor::from_vec(small.into_raw(), (1, side, side, 3), &Device::Cpu)?;
        let pixels = ((pixels.to_dtype(DType::F32)?.permute((0, 3, 1, 2))?.contiguous()? / 127.5)? - 1.0)?;
        let (subjects, styles) = self.judge.forward(&pixels)?;
        let values = |logits: Tensor| logits.flatten_all()?.to_vec1::<f32>();
        Ok(Verdict { subject_logits: values(subjects)?, style_logits: values(styles)? })
    }
}
