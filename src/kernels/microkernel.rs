//! The innermost loop of every product: a tile of a few rows by one panel of columns, held in registers.
//!
//! A row of the left side is read one number at a time and spread over a vector; a row of the panel is read as two
//! vectors. With 14 rows of two AVX-512 vectors, 28 of the 32 registers accumulate, and each number read is used 14 or 2
//! times, so that the multipliers and not the loads set the pace (K. Goto, R. van de Geijn, "Anatomy of High-Performance
//! Matrix Multiplication", ACM TOMS 34, 2008, section 5; tile shapes as in BLIS).

use half::f16;

use super::Isa;

/// Most depth that one call goes through; also the distance between two rows of the left side, so that their addresses
/// are constants. 20 cache lines: rows of one tile fall into different cache sets.
pub(super) const DEPTH: usize = 320;
/// Steps of depth in which a row of the left side passes through one cache line.
const STEPS: usize = 16;
/// Vectors side by side in a panel.
pub(super) const VECTORS: usize = 2;
/// The most columns of a panel, and rows of a tile, of any instruction set.
pub(super) const MAX_COLUMNS: usize = 32;
pub(super) const MAX_ROWS: usize = 14;

/// What one call works on. `rows` by `columns` numbers are `out = start + left · panel + (row_add + full_add)`.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub rows: usize,
    /// How many of the panel's columns count; the tile computes a whole number of vectors.
    pub columns: usize,
    pub depth: usize,
    /// `rows` rows of `depth`, `DEPTH` apart.
    pub left: *const f32,
    /// `depth` rows of the panel's width.
    pub panel: *const f32,
    /// The same rows in f16 where `panel` does not hold them yet: this call widens them, writes them there and saves the
    /// others the work. Null where it does. Only sets that [`widens`] says.
    pub half: *const f16,
    pub start: *const f32,
    pub start_stride: usize,
    /// One row for all.
    pub row_add: *const f32,
    pub full_add: *const f32,
    pub full_stride: usize,
    pub out: *mut f32,
    pub out_stride: usize,
    /// What is needed soon: a cache line is asked for with each step of depth, this many bytes after the one before. It is
    /// never read, so it may point anywhere.
    pub ahead: *const u8,
    pub ahead_step: usize,
}

/// Numbers in a vector.
pub(super) fn lanes(isa: Isa) -> usize {
    match isa {
        Isa::Portable | Isa::Neon => 4,
        Isa::Avx2Fma => 8,
        Isa::Avx512 => 16,
    }
}

/// Columns of a panel.
pub(super) fn panel_columns(isa: Isa) -> usize {
    VECTORS * lanes(isa)
}

/// Rows of a full tile.
pub(super) fn tile_rows(isa: Isa) -> usize {
    match isa {
        Isa::Portable => 4,
        Isa::Neon => 8,
        Isa::Avx2Fma => 6,
        Isa::Avx512 => 14,
    }
}

/// Whether a call can widen f16 on its way: conversions cost little between the products, and much before them.
pub(super) fn widens(isa: Isa) -> bool {
    matches!(isa, Isa::Avx2Fma | Isa::Avx512)
}

/// # Safety
/// The machine has `isa`; `1 <= rows <= tile_rows(isa)`, `1 <= columns <= panel_columns(isa)`, `depth <= DEPTH`; every
/// pointer reaches as far as [`Tile`] says, for `columns` rounded up to whole vectors; nothing else writes there; `panel`
/// may be written to where `half` is not null, and then the set is one that [`widens`].
pub(super) unsafe fn run(isa: Isa, tile: &Tile) {
    let whole = tile.columns > lanes(isa);
    // SAFETY: the caller's promise.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::run(tile, whole),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2Fma => avx2::run(tile, whole),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => neon::run(tile, whole),
            _ => portable::run(tile, whole),
        }
    }
}

/// One instruction set's kernel, from its vector operations: `zero()`, `load(ptr)`, `store(ptr, v)`, `spread(ptr)` of one
/// number, `widen(ptr)` of f16, `add(a, b)`, `multiply_add(a, b, sum)`; `soon(ptr)` asks for a cache line, `later(ptr)` for one in the second
/// cache.
macro_rules! microkernel {
    ($(#[$feature:meta])* $lanes:literal, widens: $widens:literal, [$($rows:literal)*]) => {
        const LANES: usize = $lanes;

        $(#[$feature])*
        unsafe fn tile<const ROWS: usize, const WIDE: usize, const WIDEN: bool>(t: &Tile) {
            // SAFETY: the promise of `super::run`; with constant bounds the loops unroll and `sum` stays in registers.
            unsafe {
                // What is added or overwritten at the end is far away, and would be waited for then.
                for r in 0..ROWS {
                    for v in 0..WIDE {
                        soon(t.full_add.wrapping_add(r * t.full_stride + v * LANES).cast());
                        soon(t.out.wrapping_add(r * t.out_stride + v * LANES).cast_const().cast());
                    }
                }
                let mut sum = [[zero(); WIDE]; ROWS];
                let (mut left, mut panel, mut half, mut ahead) = (t.left, t.panel, t.half, t.ahead);
                let mut near = left;
                for done in 0..t.depth {
                    // Rows lie apart, too many of them for the machine's own prediction: each step asks for one row's
                    // numbers of the next cache line but one, or of the next tile. (One loop: of two, the compiler does
                    // not keep the sums in registers.)
                    if done % STEPS == 0 {
                        let later_on = done + 2 * STEPS;
                        near = match later_on < t.depth {
                            true => t.left.wrapping_add(later_on),
                            false => t.left.wrapping_add(ROWS * DEPTH + (later_on - t.depth) / STEPS * STEPS),
                        };
                    }
                    soon(near.cast());
                    near = near.wrapping_add(DEPTH);
                    later(ahead);
                    ahead = ahead.wrapping_add(t.ahead_step);
                    let mut row = [zero(); WIDE];
                    for v in 0..WIDE {
                        if WIDEN {
                            row[v] = widen(half.add(v * LANES));
                            store(panel.cast_mut().add(v * LANES), row[v]);
                        } else {
                            row[v] = load(panel.add(v * LANES));
                        }
                    }
                    for r in 0..ROWS {
                        let x = spread(left.add(r * DEPTH));
                        for v in 0..WIDE {
                            sum[r][v] = multiply_add(x, row[v], sum[r][v]);
                        }
                    }
                    left = left.add(1);
                    panel = panel.add(VECTORS * LANES);
                    if WIDEN {
                        half = half.add(VECTORS * LANES);
                    }
                }
                for r in 0..ROWS {
                    for v in 0..WIDE {
                        let full = load(t.full_add.add(r * t.full_stride + v * LANES));
                        let extra = add(load(t.row_add.add(v * LANES)), full);
                        let before = load(t.start.add(r * t.start_stride + v * LANES));
                        store(t.out.add(r * t.out_stride + v * LANES), add(add(sum[r][v], before), extra));
                    }
                }
            }
        }

        pub(super) unsafe fn run(t: &Tile, whole: bool) {
            // SAFETY: the promise of `super::run`.
            unsafe {
                match (t.rows, whole, $widens && !t.half.is_null()) {
                    $(($rows, true, false) => tile::<$rows, 2, false>(t),
                    ($rows, false, false) => tile::<$rows, 1, false>(t),
                    ($rows, true, true) => tile::<$rows, 2, $widens>(t),
                    ($rows, false, true) => tile::<$rows, 1, $widens>(t),)*
                    _ => debug_assert!(false, "a tile of {} rows", t.rows),
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        _MM_HINT_T0, _MM_HINT_T1, _mm_prefetch, _mm256_loadu_si256, _mm512_add_ps as add, _mm512_cvtph_ps,
        _mm512_fmadd_ps as multiply_add, _mm512_loadu_ps as load, _mm512_set1_ps, _mm512_setzero_ps as zero,
        _mm512_storeu_ps as store,
    };

    use half::f16;

    use super::{DEPTH, STEPS, Tile, VECTORS};

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn spread(at: *const f32) -> std::arch::x86_64::__m512 {
        // SAFETY: the caller's pointer is good for one number.
        _mm512_set1_ps(unsafe { *at })
    }

    #[inline(always)]
    unsafe fn soon(at: *const u8) {
        // SAFETY: a hint may name any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }

    #[inline(always)]
    unsafe fn later(at: *const u8) {
        // SAFETY: a hint may name any address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) };
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn widen(at: *const f16) -> std::arch::x86_64::__m512 {
        // SAFETY: the caller's pointer is good for 16 numbers.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(at.cast()) })
    }

    microkernel!(#[target_feature(enable = "avx512f")] 16, widens: true, [1 2 3 4 5 6 7 8 9 10 11 12 13 14]);
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        _MM_HINT_T0, _MM_HINT_T1, _mm_loadu_si128, _mm_prefetch, _mm256_add_ps as add, _mm256_cvtph_ps,
        _mm256_fmadd_ps as multiply_add, _mm256_loadu_ps as load, _mm256_set1_ps, _mm256_setzero_ps as zero,
        _mm256_storeu_ps as store,
    };

    use half::f16;

    use super::{DEPTH, STEPS, Tile, VECTORS};

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn spread(at: *const f32) -> std::arch::x86_64::__m256 {
        // SAFETY: the caller's pointer is good for one number.
        _mm256_set1_ps(unsafe { *at })
    }

    #[inline(always)]
    unsafe fn soon(at: *const u8) {
        // SAFETY: a hint may name any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }

    #[inline(always)]
    unsafe fn later(at: *const u8) {
        // SAFETY: a hint may name any address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) };
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn widen(at: *const f16) -> std::arch::x86_64::__m256 {
        // SAFETY: the caller's pointer is good for 8 numbers.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(at.cast()) })
    }

    microkernel!(#[target_feature(enable = "avx2,fma,f16c")] 8, widens: true, [1 2 3 4 5 6]);
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::{
        float32x4_t, vaddq_f32 as add, vdupq_n_f32, vfmaq_f32, vld1q_dup_f32 as spread, vld1q_f32 as load,
        vst1q_f32 as store,
    };

    use half::f16;

    use super::{DEPTH, STEPS, Tile, VECTORS};

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn multiply_add(a: float32x4_t, b: float32x4_t, sum: float32x4_t) -> float32x4_t {
        vfmaq_f32(sum, a, b)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn zero() -> float32x4_t {
        vdupq_n_f32(0.0)
    }

    #[inline]
    unsafe fn widen(_: *const f16) -> float32x4_t {
        unreachable!("not a set that widens")
    }

    // Left to the machine's own prediction.
    #[inline(always)]
    unsafe fn soon(_: *const u8) {}

    #[inline(always)]
    unsafe fn later(_: *const u8) {}

    microkernel!(#[target_feature(enable = "neon")] 4, widens: false, [1 2 3 4 5 6 7 8]);
}

mod portable {
    use half::f16;

    use super::{DEPTH, STEPS, Tile, VECTORS};

    type Four = [f32; 4];

    #[inline(always)]
    unsafe fn load(at: *const f32) -> Four {
        // SAFETY: the caller's pointer is good for four numbers, at any alignment.
        unsafe { at.cast::<Four>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(at: *mut f32, v: Four) {
        // SAFETY: as in `load`.
        unsafe { at.cast::<Four>().write_unaligned(v) }
    }

    #[inline(always)]
    unsafe fn spread(at: *const f32) -> Four {
        // SAFETY: the caller's pointer is good for one number.
        [unsafe { *at }; 4]
    }

    #[inline(always)]
    unsafe fn add(a: Four, b: Four) -> Four {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    unsafe fn multiply_add(a: Four, b: Four, sum: Four) -> Four {
        // Not `mul_add`: without the instruction that is a call.
        std::array::from_fn(|i| a[i] * b[i] + sum[i])
    }

    #[inline(always)]
    unsafe fn zero() -> Four {
        [0.0; 4]
    }

    #[inline]
    unsafe fn widen(_: *const f16) -> Four {
        unreachable!("not a set that widens")
    }

    // Left to the machine's own prediction.
    #[inline(always)]
    unsafe fn soon(_: *const u8) {}

    #[inline(always)]
    unsafe fn later(_: *const u8) {}

    microkernel!(4, widens: false, [1 2 3 4]);
}
