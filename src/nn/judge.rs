//! A judge of made pictures: says which subject and which style a picture shows, and is never used for conditioning.
//!
//! The network of the recipe (`assets/builtin/train/judge.py`), with its batch norms folded into the convolutions: 3x3
//! convolutions and ReLU down to a small grid, then two linear layers.

use candle_core::{Result, Tensor, bail};
use candle_nn::{Conv2d, Conv2dConfig, Linear, Module, VarBuilder};
use serde::Deserialize;

/// `config.json` beside the judge's weights.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct JudgeConfig {
    /// Pictures are squares of this many pixels.
    pub side: usize,
    /// Output channels and stride of each convolution.
    pub convolutions: Vec<(usize, usize)>,
    /// Width of the hidden linear layer.
    pub hidden: usize,
    pub subjects: Vec<String>,
    pub styles: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Judge {
    convolutions: Vec<Conv2d>,
    linear1: Linear,
    linear2: Linear,
    side: usize,
    subjects: usize,
    styles: usize,
}

impl Judge {
    pub fn new(config: &JudgeConfig, vb: VarBuilder) -> Result<Self> {
        let (mut channels, mut side) = (3, config.side);
        let mut convolutions = Vec::with_capacity(config.convolutions.len());
        for (i, &(out, stride)) in config.convolutions.iter().enumerate() {
            if stride == 0 || side == 0 {
                bail!("the judge's convolutions do not fit pictures of {} pixels", config.side);
            }
            let strided = Conv2dConfig { stride, padding: 1, ..Default::default() };
            convolutions.push(candle_nn::conv2d(channels, out, 3, strided, vb.pp("convolutions").pp(i))?);
            channels = out;
            side = side.div_ceil(stride);
        }
        let (subjects, styles) = (config.subjects.len(), config.styles.len());
        Ok(Self {
            convolutions,
            linear1: candle_nn::linear(channels * side * side, config.hidden, vb.pp("linear1"))?,
            linear2: candle_nn::linear(config.hidden, subjects + styles, vb.pp("linear2"))?,
            side: config.side,
            subjects,
            styles,
        })
    }

    /// Pixels `[batch, 3, side, side]` in -1..1 to logits: `[batch, subjects]` and `[batch, styles]`.
    pub fn forward(&self, pixels: &Tensor) -> Result<(Tensor, Tensor)> {
        let (_, _, height, width) = pixels.dims4()?;
        if height != self.side || width != self.side {
            bail!("the judge takes pictures of {0} x {0}, and got {width} x {height}", self.side);
        }
        let mut x = pixels.clone();
        for convolution in &self.convolutions {
            x = convolution.forward(&x)?.relu()?;
        }
        let x = self.linear2.forward(&self.linear1.forward(&x.flatten_from(1)?)?.relu()?)?;
        Ok((x.narrow(1, 0, self.subjects)?, x.narrow(1, self.subjects, self.styles)?))
    }
}
