//! Activation functions by the names that config files give them (transformers `activations.py`, diffusers `activations.py`).

use candle_core::{Result, Tensor, bail};

use crate::kernels::activation::{Function, activate};
use crate::kernels::dense::is_native;
use crate::kernels::meter::{measured, shape_words};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x * sigmoid(1.702 x), the one of OpenAI's CLIP.
    QuickGelu,
    /// The exact GELU, through erf.
    Gelu,
    /// The GELU's tanh approximation.
    GeluTanh,
    Silu,
    Relu,
    Mish,
}

impl Activation {
    /// Finds an activation by its name in a config file; an unknown name is an error that lists the known ones.
    pub fn from_name(name: &str) -> Result<Self> {
        Ok(match name {
            "quick_gelu" => Self::QuickGelu,
            "gelu" => Self::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" => Self::GeluTanh,
            "silu" | "swish" => Self::Silu,
            "relu" => Self::Relu,
            "mish" => Self::Mish,
            _ => bail!("activation '{name}' is not known; known are quick_gelu, gelu, gelu_new, silu, relu and mish"),
        })
    }

    /// Elementwise; keeps shape and dtype.
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        measured("activation", || (shape_words(x.dims()), 0.0), || self.computed(x))
    }

    fn computed(self, x: &Tensor) -> Result<Tensor> {
        let native = match self {
            Self::QuickGelu => Some(Function::QuickGelu),
            Self::Gelu => Some(Function::Gelu),
            Self::Silu => Some(Function::Silu),
            Self::GeluTanh | Self::Relu | Self::Mish => None,
        };
        if let Some(function) = native.filter(|_| is_native(x)) {
            return activate(function, x);
        }
        match self {
            Self::QuickGelu => x * candle_nn::ops::sigmoid(&(x * 1.702)?)?,
            Self::Gelu => x.gelu_erf(),
            Self::GeluTanh => x.gelu(),
            Self::Silu => x.silu(),
            Self::Relu => x.relu(),
            // x * tanh(ln(1 + e^x)); the larger branch is taken apart so that e^x cannot overflow.
            Self::Mish => {
                let softplus = (x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
                x * softplus.tanh()?
            }
        }
    }
}
