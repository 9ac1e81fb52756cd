//! Attention of a few dozen queries of one head to any number of keys, without ever holding all their scores.
//!
//! Queries lie side by side in a vector: a score is then the sum of a key's numbers, each spread over a vector, times
//! rows of the transposed queries, and neither keys nor values are rearranged. The softmax goes over keys, that is over
//! rows of vectors, so it needs no sum within a vector. Keys come in tiles; what has been added up is rescaled whenever
//! a larger score turns up (M. Milakov, N. Gimelshein, "Online normalizer calculation for softmax", 2018; T. Dao et al.,
//! "FlashAttention", 2022, algorithm 1).

// A row or vector number counts through several arrays at once.
#![allow(clippy::needless_range_loop)]

use super::math::exp2_of_negative;
use super::simd::{Simd, simd_dispatch};

/// Keys of one tile: their scores stay in the first cache.
const KEYS: usize = 64;
/// Vectors of queries that one call takes at most.
pub(super) const QUERY_VECTORS: usize = 3;
/// The widest vector.
const MAX_LANES: usize = 16;
/// Where the search for the largest score begins: finite, so that a masked score stays below it.
const LOWEST: f32 = -1e30;

/// The keys and values of one head, and how they enter.
#[derive(Clone, Copy)]
pub(super) struct TileKeys {
    pub key: *const f32,
    pub key_stride: usize,
    pub value: *const f32,
    pub value_stride: usize,
    pub count: usize,
    /// Added to the scores: of query i and key j at `i * bias_stride + j`; null for none.
    pub bias: *const f32,
    pub bias_stride: usize,
    /// The attention is multiplied by it.
    pub scale: f32,
}

/// `queries` rows of `head_dim` at `query_stride`, and where as many rows of results go.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub query: *const f32,
    pub query_stride: usize,
    pub queries: usize,
    pub head_dim: usize,
    pub out: *mut f32,
    pub out_stride: usize,
}

/// Numbers of working memory that a tile needs.
pub(super) fn scratch_len(head_dim: usize) -> usize {
    (3 * head_dim + KEYS) * QUERY_VECTORS * MAX_LANES
}

simd_dispatch! {
    /// Writes the sum over `keys` of scale * softmax(query · key / √head_dim + bias) value.
    ///
    /// # Safety
    /// The machine has `isa`; the pointers of `tile` and `keys` reach as far as their counts and strides say, and nothing
    /// else uses the rows of `out`; `1 <= queries <= QUERY_VECTORS` vectors of `isa`; `scratch` holds `scratch_len`.
    pub(super) unsafe fn run = attend(tile: &Tile, keys: &[TileKeys], scratch: *mut f32)
}

#[inline(always)]
unsafe fn attend<S: Simd>(tile: &Tile, keys: &[TileKeys], scratch: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        match tile.queries.div_ceil(S::LANES) {
            1 => attend_vectors::<S, 1>(tile, keys, scratch),
            2 => attend_vectors::<S, 2>(tile, keys, scratch),
            _ => attend_vectors::<S, QUERY_VECTORS>(tile, keys, scratch),
        }
    }
}

#[inline(always)]
unsafe fn attend_vectors<S: Simd, const NV: usize>(tile: &Tile, keys: &[TileKeys], scratch: *mut f32) {
    let width = NV * S::LANES;
    let d = tile.head_dim;
    // SAFETY: `scratch_len` covers these parts; all else is the caller's promise.
    unsafe {
        let query = scratch;
        let sum = query.add(d * width);
        let total = sum.add(d * width);
        let scores = total.add(d * width);
        // exp(x) is computed as 2^(x / ln 2); the division is done here, once.
        let factor = std::f32::consts::LOG2_E / (d as f32).sqrt();
        for first in (0..width).step_by(S::LANES) {
            let whole = if first + S::LANES <= tile.queries { d / S::LANES * S::LANES } else { 0 };
            let rows = tile.query.wrapping_add(first * tile.query_stride);
            for i in (0..whole).step_by(S::LANES) {
                S::transpose(rows.add(i), tile.query_stride, query.add(i * width + first), width);
            }
            for row in first..first + S::LANES {
                for i in whole..d {
                    let inside = row < tile.queries;
                    *query.add(i * width + row) =
                        if inside { *tile.query.add(row * tile.query_stride + i) } else { 0.0 };
                }
            }
        }
        for i in 0..d * NV {
            let at = query.add(i * S::LANES);
            S::store(at, S::mul(S::load(at), S::splat(factor)));
        }
        for (i, keys) in keys.iter().enumerate() {
            let weight = add_up::<S, NV>(query, keys, d, tile.queries, sum, scores);
            for row in 0..d {
                for v in 0..NV {
                    let at = row * width + v * S::LANES;
                    let part = S::mul(S::load(sum.add(at)), weight[v]);
                    let part = if i == 0 { part } else { S::add(S::load(total.add(at)), part) };
                    S::store(total.add(at), part);
                }
            }
        }
        for first in (0..tile.queries).step_by(S::LANES) {
            let whole = if first + S::LANES <= tile.queries { d / S::LANES * S::LANES } else { 0 };
            let rows = tile.out.add(first * tile.out_stride);
            for i in (0..whole).step_by(S::LANES) {
                S::transpose(total.add(i * width + first), width, rows.add(i), tile.out_stride);
            }
            for row in first..tile.queries.min(first + S::LANES) {
                for i in whole..d {
                    *tile.out.add(row * tile.out_stride + i) = *total.add(i * width + row);
                }
            }
        }
    }
}

/// Adds exp(score) value up over all keys into `sum`; returns what each query's sum is to be multiplied by.
#[inline(always)]
unsafe fn add_up<S: Simd, const NV: usize>(
    query: *const f32,
    keys: &TileKeys,
    d: usize,
    queries: usize,
    sum: *mut f32,
    scores: *mut f32,
) -> [S::V; NV] {
    let width = NV * S::LANES;
    // SAFETY: the caller's promise.
    unsafe {
        let zero = S::splat(0.0);
        for i in 0..d * NV {
            S::store(sum.add(i * S::LANES), zero);
        }
        let mut largest = [S::splat(LOWEST); NV];
        let mut weights = [zero; NV];
        let mut first = 0;
        while first < keys.count {
            let count = KEYS.min(keys.count - first);
            let mut seen = largest;
            score_tile::<S, NV>(query, keys, first, count, d, queries, scores, &mut seen);
            let mut faded = [zero; NV];
            let mut added = [zero; NV];
            for v in 0..NV {
                faded[v] = exp2_of_negative::<S>(S::sub(largest[v], seen[v]));
            }
            for key in 0..count {
                for v in 0..NV {
                    let at = scores.add(key * width + v * S::LANES);
                    let weight = exp2_of_negative::<S>(S::sub(S::load(at), seen[v]));
                    added[v] = S::add(added[v], weight);
                    S::store(at, weight);
                }
            }
            for v in 0..NV {
                weights[v] = S::fma(weights[v], faded[v], added[v]);
            }
            largest = seen;
            let value = keys.value.add(first * keys.value_stride);
            let mut i = 0;
            while S::TILE_ROWS >= 8 && i + 8 <= d {
                add_values::<S, 8, NV>(scores, value.add(i), keys.value_stride, count, &faded, sum.add(i * width));
                i += 8;
            }
            while i + 4 <= d {
                add_values::<S, 4, NV>(scores, value.add(i), keys.value_stride, count, &faded, sum.add(i * width));
                i += 4;
            }
            while i < d {
                add_values::<S, 1, NV>(scores, value.add(i), keys.value_stride, count, &faded, sum.add(i * width));
                i += 1;
            }
            first += count;
        }
        let mut out = weights;
        for out in &mut out {
            *out = S::div(S::splat(keys.scale), *out);
        }
        out
    }
}

/// Scores of the keys `first .. first + count`, with the bias; `seen` grows to the largest of each query.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn score_tile<S: Simd, const NV: usize>(
    query: *const f32,
    keys: &TileKeys,
    first: usize,
    count: usize,
    d: usize,
    queries: usize,
    scores: *mut f32,
    seen: &mut [S::V; NV],
) {
    let width = NV * S::LANES;
    // SAFETY: the caller's promise.
    unsafe {
        let before = *seen;
        let key = keys.key.add(first * keys.key_stride);
        let mut j = 0;
        while S::TILE_ROWS >= 8 && j + 8 <= count {
            score_rows::<S, 8, NV>(
                query,
                key.add(j * keys.key_stride),
                keys.key_stride,
                d,
                scores.add(j * width),
                seen,
            );
            j += 8;
        }
        while j + 4 <= count {
            score_rows::<S, 4, NV>(
                query,
                key.add(j * keys.key_stride),
                keys.key_stride,
                d,
                scores.add(j * width),
                seen,
            );
            j += 4;
        }
        while j < count {
            score_rows::<S, 1, NV>(
                query,
                key.add(j * keys.key_stride),
                keys.key_stride,
                d,
                scores.add(j * width),
                seen,
            );
            j += 1;
        }
        if keys.bias.is_null() {
            return;
        }
        *seen = before;
        let mut row = [0f32; QUERY_VECTORS * MAX_LANES];
        for j in 0..count {
            for (i, slot) in row.iter_mut().enumerate().take(queries) {
                *slot = *keys.bias.add(i * keys.bias_stride + first + j) * std::f32::consts::LOG2_E;
            }
            for v in 0..NV {
                let at = scores.add(j * width + v * S::LANES);
                let score = S::add(S::load(at), S::load(row.as_ptr().add(v * S::LANES)));
                seen[v] = S::max(seen[v], score);
                S::store(at, score);
            }
        }
    }
}

/// `M` keys' scores in registers.
#[inline(always)]
unsafe fn score_rows<S: Simd, const M: usize, const NV: usize>(
    query: *const f32,
    key: *const f32,
    key_stride: usize,
    d: usize,
    scores: *mut f32,
    seen: &mut [S::V; NV],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[S::splat(0.0); NV]; M];
        for i in 0..d {
            let mut columns = [S::splat(0.0); NV];
            for v in 0..NV {
                columns[v] = S::load(query.add((i * NV + v) * S::LANES));
            }
            for m in 0..M {
                let number = S::splat(*key.add(m * key_stride + i));
                for v in 0..NV {
                    sums[m][v] = S::fma(number, columns[v], sums[m][v]);
                }
            }
        }
        for m in 0..M {
            for v in 0..NV {
                seen[v] = S::max(seen[v], sums[m][v]);
                S::store(scores.add((m * NV + v) * S::LANES), sums[m][v]);
            }
        }
    }
}

/// `M` numbers of each value, times the keys' weights, onto what has been added up before, faded.
#[inline(always)]
unsafe fn add_values<S: Simd, const M: usize, const NV: usize>(
    weights: *const f32,
    value: *const f32,
    value_stride: usize,
    count: usize,
    faded: &[S::V; NV],
    sum: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[S::splat(0.0); NV]; M];
        for m in 0..M {
            for v in 0..NV {
                sums[m][v] = S::mul(S::load(sum.add((m * NV + v) * S::LANES)), faded[v]);
            }
        }
        for j in 0..count {
            let mut columns = [S::splat(0.0); NV];
            for v in 0..NV {
                columns[v] = S::load(weights.add((j * NV + v) * S::LANES));
            }
            for m in 0..M {
                let number = S::splat(*value.add(j * value_stride + m));
                for v in 0..NV {
                    sums[m][v] = S::fma(number, columns[v], sums[m][v]);
                }
            }
        }
        for m in 0..M {
            for v in 0..NV {
                S::store(sum.add((m * NV + v) * S::LANES), sums[m][v]);
            }
        }
    }
}
