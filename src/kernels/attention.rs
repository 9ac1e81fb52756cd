//! Scaled dot product attention over all heads at once, for f32 on the CPU.

use candle_core::{CpuStorage, DType, Device, Layout, Result, Storage, Tensor, bail};
use rayon::prelude::*;

use super::Isa;
use super::attention_tile::{QUERY_VECTORS, Tile, TileKeys, run, scratch_len};
use super::simd::lanes;

/// What the queries attend to; several are attended to apart and summed.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// `[batch, m, heads * d]`
    pub key: &'a Tensor,
    /// `[batch, m, heads * d]`
    pub value: &'a Tensor,
    /// Added to the logits: `[m]`, `[1, m]` or `[n, m]`.
    pub bias: Option<&'a Tensor>,
    /// The attention is multiplied by it.
    pub scale: f64,
}

/// Whether [`attention`] takes these tensors: f32 on the CPU, rows without gaps, a bias of at most two axes.
pub fn takes(q: &Tensor, keys: &[Keys]) -> bool {
    let plain = |x: &Tensor| {
        x.dtype() == DType::F32
            && matches!(x.device(), Device::Cpu)
            && x.rank() == 3
            && (x.layout().stride().last() == Some(&1) || x.dims().last() == Some(&1))
    };
    let bias = |bias: Option<&Tensor>| bias.is_none_or(|bias| matches!(bias.rank(), 1 | 2));
    plain(q) && keys.iter().all(|keys| plain(keys.key) && plain(keys.value) && bias(keys.bias))
}

/// The sum over `keys` of scale * softmax(q kᵀ / √d + bias) v; `q` `[batch, n, heads * d]`, and so is what returns.
pub fn attention(q: &Tensor, keys: &[Keys], heads: usize) -> Result<Tensor> {
    attention_with(Isa::best(), q, keys, heads)
}

/// Rows of numbers somewhere in a tensor.
#[derive(Clone, Copy)]
struct Rows {
    start: *const f32,
    batch_stride: usize,
    stride: usize,
}

/// Pointers go to several threads, which only read through them.
struct Shared<T>(T);
// SAFETY: the pointers inside are read from while the tensors behind them are borrowed, and written to at places that
// no two tasks share.
unsafe impl<T> Sync for Shared<T> {}

fn attention_with(isa: Isa, q: &Tensor, keys: &[Keys], heads: usize) -> Result<Tensor> {
    let (batch, n, inner) = q.dims3()?;
    if heads == 0 || !inner.is_multiple_of(heads) || !takes(q, keys) || keys.is_empty() {
        bail!("the attention kernel cannot split {:?} into {heads} heads", q.dims());
    }
    let head_dim = inner / heads;
    for Keys { key, value, .. } in keys {
        let count = key.dim(1)?;
        if key.dims() != [batch, count, inner] || value.dims() != key.dims() || count == 0 {
            bail!("queries {:?} cannot attend to keys {:?} and values {:?}", q.dims(), key.dims(), value.dims());
        }
    }
    let biases = keys.iter().map(|keys| prepared_bias(keys, n)).collect::<Result<Vec<_>>>()?;
    // The locks are held until the end: nothing is freed under the pointers.
    let (q_storage, q_layout) = q.storage_and_layout();
    let query = rows(&q_storage, q_layout)?;
    let locks: Vec<_> =
        keys.iter().map(|keys| (keys.key.storage_and_layout(), keys.value.storage_and_layout())).collect();
    let mut prepared = Vec::with_capacity(keys.len());
    for ((((key, key_layout), (value, value_layout)), keys), bias) in locks.iter().zip(keys).zip(&biases) {
        let (key, value) = (rows(key, key_layout)?, rows(value, value_layout)?);
        let count = keys.key.dim(1)?;
        let (bias, bias_stride) = match bias {
            Some(bias) => (bias.as_ptr(), if bias.len() == count { 0 } else { count }),
            None => (std::ptr::null(), 0),
        };
        prepared.push((key, value, count, bias, bias_stride, keys.scale as f32));
    }

    let mut out: Vec<f32> = Vec::with_capacity(batch * n * inner);
    let shared = Shared((query, prepared, out.as_mut_ptr()));
    let rows_of_tile = QUERY_VECTORS * lanes(isa);
    let tiles = n.div_ceil(rows_of_tile);
    (0..batch * heads * tiles).into_par_iter().for_each_init(
        || vec![0f32; scratch_len(head_dim) + 16],
        |scratch, task| {
            let Shared((query, prepared, out)) = &shared;
            let (tile, head, item) = (task % tiles, task / tiles % heads, task / tiles / heads);
            let first = tile * rows_of_tile;
            let across = head * head_dim;
            // SAFETY: `rows` has checked that every row of every item lies inside its tensor, and a head inside a row;
            // each task writes its own rows and columns of `out`, which has room for all.
            unsafe {
                let heads_keys: Vec<TileKeys> = prepared
                    .iter()
                    .map(|(key, value, count, bias, bias_stride, scale)| TileKeys {
                        key: key.start.add(item * key.batch_stride + across),
                        key_stride: key.stride,
                        value: value.start.add(item * value.batch_stride + across),
                        value_stride: value.stride,
                        count: *count,
                        bias: if bias.is_null() { *bias } else { bias.add(first * bias_stride) },
                        bias_stride: *bias_stride,
                        scale: *scale,
                    })
                    .collect();
                let tile = Tile {
                    query: query.start.add(item * query.batch_stride + first * query.stride + across),
                    query_stride: query.stride,
                    queries: rows_of_tile.min(n - first),
                    head_dim,
                    out: out.add((item * n + first) * inner + across),
                    out_stride: inner,
                };
                let aligned = scratch.as_mut_ptr().add(scratch.as_ptr().align_offset(64).min(16));
                run(isa, &tile, &heads_keys, aligned);
            }
        },
    );
    // SAFETY: the tasks have written every head of every row.
    unsafe { out.set_len(batch * n * inner) };
    Tensor::from_vec(out, (batch, n, inner), q.device())
}

/// The bias of one group of keys as plain numbers, one row or one a query.
fn prepared_bias(keys: &Keys, n: usize) -> Result<Option<Vec<f32>>> {
    let Some(bias) = keys.bias else { return Ok(None) };
    let count = keys.key.dim(1)?;
    let fits = match bias.dims() {
        [m] => *m == count,
        [rows, m] => *m == count && (*rows == 1 || *rows == n),
        _ => false,
    };
    if !fits {
        bail!("a bias of shape {:?} cannot be added to {n} queries by {count} keys", bias.dims());
    }
    Ok(Some(bias.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?))
}

/// The rows of a tensor of three axes, checked to lie inside its storage.
fn rows(storage: &Storage, layout: &Layout) -> Result<Rows> {
    let Storage::Cpu(CpuStorage::F32(numbers)) = storage else { bail!("the attention kernel takes f32 on the CPU") };
    let (&[batch, rows, width], &[batch_stride, stride, _]) = (layout.dims(), layout.stride()) else {
        bail!("the attention kernel takes three axes, and got {:?}", layout.shape())
    };
    let start = layout.start_offset();
    let last = start + batch.saturating_sub(1) * batch_stride + rows.saturating_sub(1) * stride + width;
    match numbers.get(start..) {
        Some(rest) if last <= numbers.len() => Ok(Rows { start: rest.as_ptr(), batch_stride, stride }),
        _ => bail!("a tensor of shape {:?} does not lie as its layout says", layout.shape()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use candle_core::D;

    use super::*;

    /// Step by step, in f64.
    fn plain(q: &Tensor, keys: &[Keys], heads: usize) -> Tensor {
        let (batch, n, inner) = q.dims3().unwrap();
        let split = |x: &Tensor| {
            let x = x.to_dtype(DType::F64).unwrap();
            let len = x.dim(1).unwrap();
            x.reshape((batch, len, heads, inner / heads)).unwrap().transpose(1, 2).unwrap().contiguous().unwrap()
        };
        let mut out: Option<Tensor> = None;
        for Keys { key, value, bias, scale } in keys {
            let scores = split(q).matmul(&split(key).t().unwrap().contiguous().unwrap()).unwrap();
            let mut scores = (scores / ((inner / heads) as f64).sqrt()).unwrap();
            if let Some(bias) = bias {
                scores = scores.broadcast_add(&bias.to_dtype(DType::F64).unwrap()).unwrap();
            }
            let scores = scores.broadcast_sub(&scores.max_keepdim(D::Minus1).unwrap()).unwrap().exp().unwrap();
            let weights = scores.broadcast_div(&scores.sum_keepdim(D::Minus1).unwrap()).unwrap();
            let part = (weights.matmul(&split(value)).unwrap() * *scale).unwrap();
            out = Some(out.map_or(part.clone(), |out| (out + &part).unwrap()));
        }
        out.unwrap().transpose(1, 2).unwrap().contiguous().unwrap().reshape((batch, n, inner)).unwrap()
    }

    fn randn(dims: &[usize], spread: f32) -> Tensor {
        Tensor::randn(0f32, spread, dims, &Device::Cpu).unwrap()
    }

    #[track_caller]
    fn assert_close(q: &Tensor, keys: &[Keys], heads: usize) {
        let wanted = plain(q, keys, heads);
        for isa in Isa::available() {
            let found = attention_with(isa, q, keys, heads).unwrap().to_dtype(DType::F64).unwrap();
            let off = (found - &wanted).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
            assert!(off < 1e-5, "{isa:?} is {off:e} off for {:?} to {:?}", q.dims(), keys[0].key.dims());
        }
    }

    #[test]
    fn odd_shapes() {
        let sizes = [
            // batch, queries, keys, heads, width of a head
            (1, 1, 1, 1, 1),
            (2, 3, 5, 2, 4),
            (1, 47, 77, 3, 7),
            (2, 49, 64, 2, 64),
            (1, 97, 65, 1, 40),
            (1, 33, 130, 2, 80),
            (1, 16, 257, 2, 104),
            (1, 5, 9, 1, 160),
            (1, 20, 70, 1, 512),
            (3, 130, 4, 5, 28),
        ];
        for (batch, n, m, heads, d) in sizes {
            let inner = heads * d;
            let (q, key) = (randn(&[batch, n, inner], 1.5), randn(&[batch, m, inner], 1.5));
            let value = randn(&[batch, m, inner], 1.0);
            assert_close(&q, &[Keys { key: &key, value: &value, bias: None, scale: 1.0 }], heads);
        }
    }

    #[test]
    fn biases_and_groups_of_keys() {
        // More than one tile of keys, so that a query meets a tile in which every key is masked.
        let (n, heads, inner) = (150, 2, 32);
        let q = randn(&[2, n, inner], 1.0);
        let tensors: Vec<Tensor> = [n, n, 4, 4, 70, 70].iter().map(|m| randn(&[2, *m, inner], 1.0)).collect();
        let mask: Vec<f32> = (0..n * n).map(|at| if at % n > at / n { f32::NEG_INFINITY } else { 0.0 }).collect();
        let mask = Tensor::from_vec(mask, (n, n), &Device::Cpu).unwrap();
        let one_row = randn(&[1, 70], 2.0);
        let a_key = Tensor::new(&[0.0, -1.5, f32::NEG_INFINITY, 0.5], &Device::Cpu).unwrap();
        let causal = Keys { key: &tensors[0], value: &tensors[1], bias: Some(&mask), scale: 1.0 };
        let image = Keys { key: &tensors[2], value: &tensors[3], bias: Some(&a_key), scale: 0.7 };
        let other = Keys { key: &tensors[4], value: &tensors[5], bias: Some(&one_row), scale: -2.0 };
        for keys in [&[causal][..], &[image], &[other], &[causal, image, other]] {
            assert_close(&q, keys, heads);
        }
    }

    #[test]
    fn views_are_read_where_they_lie() {
        // Queries, keys and values side by side, as one wide layer makes them; and a batch cut out of a larger one.
        let all = randn(&[3, 21, 3 * 24], 1.0).narrow(0, 1, 2).unwrap();
        let part = |i: usize| all.narrow(2, i * 24, 24).unwrap();
        let (q, key, value) = (part(0), part(1), part(2));
        assert!(!q.is_contiguous());
        assert_close(&q, &[Keys { key: &key, value: &value, bias: None, scale: 1.0 }], 3);
        let one = part(1).narrow(0, 0, 1).unwrap().broadcast_as((2, 21, 24)).unwrap();
        assert_close(&q, &[Keys { key: &one, value: &value, bias: None, scale: 1.0 }], 3);
    }

    #[test]
    fn large_scores_do_not_overflow_and_no_number_stays_none() {
        let (q, value) = (randn(&[1, 20, 16], 40.0), randn(&[1, 80, 16], 1.0));
        let key = randn(&[1, 80, 16], 40.0);
        let keys = [Keys { key: &key, value: &value, bias: None, scale: 1.0 }];
        for isa in Isa::available() {
            let out = attention_with(isa, &q, &keys, 1).unwrap().abs().unwrap().max_all().unwrap();
            assert!(out.to_scalar::<f32>().unwrap() < 10.0);
        }
        let bad = Tensor::full(f32::NAN, (1, 20, 16), &Device::Cpu).unwrap();
        for isa in Isa::available() {
            let out = attention_with(isa, &bad, &keys, 1).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(out.iter().all(|x| x.is_nan()), "{isa:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let x = |dims: &[usize]| randn(dims, 1.0);
        let (q, key, value) = (x(&[1, 4, 8]), x(&[1, 5, 8]), x(&[1, 6, 8]));
        fn keys<'a>(key: &'a Tensor, value: &'a Tensor, bias: Option<&'a Tensor>) -> [Keys<'a>; 1] {
            [Keys { key, value, bias, scale: 1.0 }]
        }
        assert!(attention(&q, &keys(&key, &value, None), 2).is_err());
        assert!(attention(&q, &keys(&key, &key, None), 3).is_err());
        for bias in [x(&[4]), x(&[3, 5]), x(&[1, 4, 5])] {
            assert!(attention(&q, &keys(&key, &key, Some(&bias)), 2).is_err());
        }
        assert!(!takes(&q.to_dtype(DType::F16).unwrap(), &keys(&key, &key, None)));
        assert!(!takes(&q.transpose(1, 2).unwrap(), &keys(&key, &key, None)));
    }
}
