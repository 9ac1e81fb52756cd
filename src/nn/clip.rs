//! The transformer that CLIP's text and vision towers share (transformers `modeling_clip.py`: `CLIPEncoder`).

use candle_core::{Result, Tensor, bail};
use candle_nn::{Module, VarBuilder};

use super::activations::Activation;
use super::attention_processor::scaled_dot_product_attention;
use super::bounds::{self, within};
use super::cancel::Cancel;
use super::layers::Linear;
use super::normalization::{LayerNorm, layer_norm};

/// The sizes of one tower.
#[derive(Debug, Clone, Copy)]
pub struct TowerShape {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub layer_norm_eps: f64,
    pub activation: Activation,
}

#[derive(Debug, Clone)]
struct ClipEncoderLayer {
    layer_norm1: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    heads: usize,
    activation: Activation,
}

impl ClipEncoderLayer {
    fn new(shape: &TowerShape, vb: VarBuilder) -> Result<Self> {
        let (width, inner) = (shape.hidden_size, shape.intermediate_size);
        if shape.num_attention_heads == 0 || !width.is_multiple_of(shape.num_attention_heads) {
            bail!("a CLIP tower of width {width} cannot be split into {} heads", shape.num_attention_heads);
        }
        let (attention, mlp) = (vb.pp("self_attn"), vb.pp("mlp"));
        Ok(Self {
            layer_norm1: layer_norm(width, shape.layer_norm_eps, vb.pp("layer_norm1"))?,
            q_proj: Linear::new(width, width, attention.pp("q_proj"))?,
            k_proj: Linear::new(width, width, attention.pp("k_proj"))?,
            v_proj: Linear::new(width, width, attention.pp("v_proj"))?,
            out_proj: Linear::new(width, width, attention.pp("out_proj"))?,
            layer_norm2: layer_norm(width, shape.layer_norm_eps, vb.pp("layer_norm2"))?,
            fc1: Linear::new(width, inner, mlp.pp("fc1"))?,
            fc2: Linear::new(inner, width, mlp.pp("fc2"))?,
            heads: shape.num_attention_heads,
            activation: shape.activation,
        })
    }

    fn forward(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let h = self.layer_norm1.forward(x)?;
        let (q, k, v) = (self.q_proj.forward(&h)?, self.k_proj.forward(&h)?, self.v_proj.forward(&h)?);
        let attended = scaled_dot_product_attention(&q, &k, &v, self.heads, mask)?;
        let x = self.out_proj.forward_add(&attended, x)?;
        let h = self.activation.apply(&self.fc1.forward(&self.layer_norm2.forward(&x)?)?)?;
        self.fc2.forward_add(&h, &x)
    }
}

#[derive(Debug, Clone)]
pub struct ClipEncoder {
    layers: Vec<ClipEncoderLayer>,
}

/// What a tower's layers give.
#[derive(Debug, Clone)]
pub struct ClipStates {
    /// `hidden_states[-2]`: the input of the last layer, `[batch, tokens, hidden_size]`, no final norm.
    pub penultimate: Tensor,
    /// `hidden_states[-1]`: the output of the last layer, no final norm.
    pub last: Tensor,
}

impl ClipEncoder {
    /// `vb` stands at `…encoder`.
    pub fn new(shape: &TowerShape, vb: VarBuilder) -> Result<Self> {
        if shape.num_hidden_layers == 0 {
            bail!("a CLIP tower needs at least one layer");
        }
        within("its num_hidden_layers", shape.num_hidden_layers, bounds::LAYERS)?;
        let layers = vb.pp("layers");
        Ok(Self {
            layers: (0..shape.num_hidden_layers)
                .map(|i| ClipEncoderLayer::new(shape, layers.pp(i)))
                .collect::<Result<_>>()?,
        })
    }

    pub fn forward(&self, x: Tensor, mask: Option<&Tensor>, cancel: Cancel) -> Result<ClipStates> {
        let mut penultimate = x.clone();
        let mut last = x;
        for layer in &self.layers {
            cancel.check()?;
            penultimate = last;
            last = layer.forward(&penultimate, mask)?;
        }
        Ok(ClipStates { penultimate, last })
    }
}
