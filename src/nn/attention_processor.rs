//! Attention, plain and with image prompts (diffusers `attention_processor.py`: `Attention`, `IPAdapterAttnProcessor2_0`).

use candle_core::{D, DType, Result, Tensor};
use candle_nn::VarBuilder;

use super::layers::Linear;
use crate::kernels::attention::{self as native, Keys};
use crate::kernels::meter::measured;

/// Scores of one chunk of queries hold at most this many numbers (64 MiB in f32), so that a large picture does not
/// need a score matrix of its size squared.
const MAX_SCORES: usize = 1 << 24;

/// One group of references in one cross-attention: keys and values of its image tokens, ready to attend to.
#[derive(Debug, Clone)]
pub struct ImagePrompt {
    /// `[rows, tokens, inner_dim]`: as many rows as the batch has, or those of one picture of several.
    pub key: Tensor,
    /// `[rows, tokens, inner_dim]`
    pub value: Tensor,
    pub scale: f64,
    /// The first of the batch's rows that it is for.
    pub first_row: usize,
    /// Added to the logits of each token, `[tokens]`: ln(w / w_max) of the reference that it belongs to.
    pub logit_bias: Option<Tensor>,
}

/// What a cross-attention attends to, ready: it depends on the text alone, so one projection serves all steps.
#[derive(Debug, Clone)]
pub struct KeyValue {
    /// `[batch, tokens, inner_dim]`
    pub key: Tensor,
    /// `[batch, tokens, inner_dim]`
    pub value: Tensor,
}

/// `to_q`, `to_k`, `to_v`, `to_out.0`: self-attention when the context is the input, else cross-attention.
#[derive(Debug, Clone)]
pub struct Attention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: usize,
}

impl Attention {
    pub fn new(query_dim: usize, context_dim: usize, heads: usize, vb: VarBuilder) -> Result<Self> {
        if heads == 0 || !query_dim.is_multiple_of(heads) {
            candle_core::bail!("attention of width {query_dim} cannot be split into {heads} heads");
        }
        Ok(Self {
            to_q: Linear::no_bias(query_dim, query_dim, vb.pp("to_q"))?,
            to_k: Linear::no_bias(context_dim, query_dim, vb.pp("to_k"))?,
            to_v: Linear::no_bias(context_dim, query_dim, vb.pp("to_v"))?,
            to_out: Linear::new(query_dim, query_dim, vb.pp("to_out").pp("0"))?,
            heads,
        })
    }

    /// Keys and values of `context` `[batch, m, context_dim]`.
    pub fn key_value(&self, context: &Tensor) -> Result<KeyValue> {
        Ok(KeyValue { key: self.to_k.forward(context)?, value: self.to_v.forward(context)? })
    }

    /// `x` `[batch, n, query_dim]` attends to `context`, or else to itself; each image prompt adds its own attention with
    /// the same queries, times its scale, before `to_out`. `residual`, of the shape of `x`, is added to the result.
    pub fn forward(
        &self,
        x: &Tensor,
        context: Option<&KeyValue>,
        image_prompts: &[ImagePrompt],
        residual: &Tensor,
    ) -> Result<Tensor> {
        let query = self.to_q.forward(x)?;
        let own = context.is_none().then(|| self.key_value(x)).transpose()?;
        let Some(KeyValue { key, value }) = context.or(own.as_ref()) else {
            candle_core::bail!("nothing to attend to")
        };
        let batch = query.dim(0)?;
        let rows = image_prompts.iter().map(|prompt| prompt.key.dim(0)).collect::<Result<Vec<_>>>()?;
        let out = match rows.first() {
            // Each picture of the batch has image prompts of its own, as many rows each.
            Some(rows) if *rows > 0 && *rows < batch => {
                let mut parts = Vec::with_capacity(batch.div_ceil(*rows));
                for first in (0..batch).step_by(*rows) {
                    let part = |x: &Tensor| x.narrow(0, first, (*rows).min(batch - first))?.contiguous();
                    let own = image_prompts.iter().filter(|prompt| prompt.first_row == first);
                    parts.push(self.attend(&part(&query)?, &part(key)?, &part(value)?, own)?);
                }
                Tensor::cat(&parts, 0)?
            }
            _ => self.attend(&query, key, value, image_prompts)?,
        };
        self.to_out.forward_add(&out, residual)
    }

    /// The attention to the text, and to each of the image prompts.
    fn attend<'a>(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        image_prompts: impl IntoIterator<Item = &'a ImagePrompt>,
    ) -> Result<Tensor> {
        let text = Keys { key, value, bias: None, scale: 1.0 };
        let images = image_prompts.into_iter().map(|prompt| Keys {
            key: &prompt.key,
            value: &prompt.value,
            bias: prompt.logit_bias.as_ref(),
            scale: prompt.scale,
        });
        let keys: Vec<Keys> = std::iter::once(text).chain(images).collect();
        attention_sum(query, &keys, self.heads)
    }
}

/// softmax(q kᵀ / √d + bias) v over `heads`, in f32; `q` `[batch, n, heads*d]`, `k` and `v` `[batch, m, heads*d]`, `bias`
/// broadcast over `[batch, heads, n, m]` from its last axes. Returns `[batch, n, heads*d]` in the dtype of `q`.
pub fn scaled_dot_product_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    attention_sum(q, &[Keys { key: k, value: v, bias, scale: 1.0 }], heads)
}

/// The attentions to each of `keys` apart, times their scales, summed.
fn attention_sum(q: &Tensor, keys: &[Keys], heads: usize) -> Result<Tensor> {
    let (batch, n, inner) = q.dims3()?;
    let counts = keys.iter().map(|keys| keys.key.dim(1)).collect::<Result<Vec<_>>>()?;
    let about = || {
        let products = 4.0 * (batch * n * inner * counts.iter().sum::<usize>()) as f64;
        let counts = counts.iter().map(usize::to_string).collect::<Vec<_>>().join(" + ");
        (format!("{batch} x {n} x {inner}, {heads} heads, {counts} keys"), products)
    };
    let sum = || {
        if native::takes(q, keys) {
            return native::attention(q, keys, heads);
        }
        let mut sum: Option<Tensor> = None;
        for Keys { key, value, bias, scale } in keys {
            let part = attend(q, key, value, heads, *bias)?;
            let part = if *scale == 1.0 { part } else { (part * *scale)? };
            sum = Some(sum.map_or(Ok(part.clone()), |sum| sum + &part)?);
        }
        sum.ok_or_else(|| candle_core::Error::Msg("attention to nothing".to_owned()))
    };
    measured("attention", about, sum)
}

fn attend(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, bias: Option<&Tensor>) -> Result<Tensor> {
    let (batch, n, inner) = q.dims3()?;
    let m = k.dim(1)?;
    let split = |x: &Tensor, len: usize| x.reshape((batch, len, heads, inner / heads))?.transpose(1, 2)?.contiguous();
    let q = (split(q, n)? * (1.0 / ((inner / heads) as f64).sqrt()))?;
    let (k, v) = (split(k, m)?.transpose(2, 3)?.contiguous()?, split(v, m)?);
    let bias = bias.map(|b| b.to_dtype(DType::F32)).transpose()?;

    let rows = (MAX_SCORES / (batch * heads * m).max(1)).clamp(1, n.max(1));
    let mut chunks = Vec::with_capacity(n.div_ceil(rows));
    for start in (0..n).step_by(rows) {
        let q = q.narrow(2, start, rows.min(n - start))?.contiguous()?;
        let mut scores = q.matmul(&k)?.to_dtype(DType::F32)?;
        if let Some(bias) = &bias {
            // A bias of one row a query is cut like the queries; one of a single row serves them all.
            let cut = bias.rank() > 1 && bias.dim(D::Minus2)? == n;
            let bias = if cut { bias.narrow(D::Minus2, start, rows.min(n - start))? } else { bias.clone() };
            scores = scores.broadcast_add(&bias)?;
        }
        let weights = candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(v.dtype())?;
        chunks.push(weights.matmul(&v)?);
    }
    let out = if chunks.len() == 1 { chunks.remove(0) } else { Tensor::cat(&chunks, D::Minus2)? };
    out.transpose(1, 2)?.contiguous()?.reshape((batch, n, inner))
}
