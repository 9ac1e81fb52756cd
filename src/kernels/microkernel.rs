//! The innermost loop of every product: a tile of a few rows by one panel of columns, held in registers.
//!
//! A row of the left side is read one number at a time and spread over a vector; a row of the panel is read as two
//! vectors. With 14 rows of two AVX-512 vectors, 28 of the 32 registers accumulate, and each number read is used 14 or 2
//! times, so that the multipliers and not the loads set the pace (K. Goto, R. van de Geijn, "Anatomy of High-Performance
//! Matrix Multiplication", ACM TOMS 34, 2008, section 5; tile shapes as in BLIS).

use super::Isa;

/// Most depth that one call goes through; also the distance between two rows of the left side, so that their addresses
/// are constants. 20 cache lines: rows of one tile fall into different cache sets.
pub(super) const DEPTH: usize = 320;
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
    pub start: *const f32,
    pub start_stride: usize,
    /// One row for all.
    pub row_add: *const f32,
    pub full_add: *const f32,
    pub full_stride: usize,
    pub out: *mut f32,
    pub out_stride: usize,
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

/// # Safety
/// The machine has `isa`; `1 <= rows <= tile_rows(isa)`, `1 <= columns <= panel_columns(isa)`, `depth <= DEPTH`; every
/// pointer reaches as far as [`Tile`] says, for `columns` rounded up to whole vectors; nothing else writes there.
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

/// One instruction set's kernel, from its vector operations: `load(ptr)`, `store(ptr, v)`, `spread(ptr)` of one number,
/// `add(a, b)`, `multiply_add(a, b, sum)`.
macro_rules! microkernel {
    ($(#[$feature:meta])* $lanes:literal, [$($rows:literal)*]) => {
        const LANES: usize = $lanes;

        $(#[$feature])*
        unsafe fn tile<const ROWS: usize, const WIDE: usize>(t: &Tile) {
            // SAFETY: the promise of `super::run`; with constant bounds the loops unroll and `sum` stays in registers.
            unsafe {
                let mut sum = [[load(t.start); WIDE]; ROWS];
                for r in 0..ROWS {
                    for v in 0..WIDE {
                        sum[r][v] = load(t.start.add(r * t.start_stride + v * LANES));
                    }
                }
                let (mut left, mut panel) = (t.left, t.panel);
                for _ in 0..t.depth {
                    let mut row = [load(panel); WIDE];
                    for v in 1..WIDE {
                        row[v] = load(panel.add(v * LANES));
                    }
                    for r in 0..ROWS {
                        let x = spread(left.add(r * DEPTH));
                        for v in 0..WIDE {
                            sum[r][v] = multiply_add(x, row[v], sum[r][v]);
                        }
                    }
                    left = left.add(1);
                    panel = panel.add(VECTORS * LANES);
                }
                for r in 0..ROWS {
                    for v in 0..WIDE {
                        let full = load(t.full_add.add(r * t.full_stride + v * LANES));
                        let extra = add(load(t.row_add.add(v * LANES)), full);
                        store(t.out.add(r * t.out_stride + v * LANES), add(sum[r][v], extra));
                    }
                }
            }
        }

        pub(super) unsafe fn run(t: &Tile, whole: bool) {
            // SAFETY: the promise of `super::run`.
            unsafe {
                match (t.rows, whole) {
                    $(($rows, true) => tile::<$rows, 2>(t),
                    ($rows, false) => tile::<$rows, 1>(t),)*
                    _ => debug_assert!(false, "a tile of {} rows", t.rows),
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        _mm512_add_ps as add, _mm512_fmadd_ps as multiply_add, _mm512_loadu_ps as load, _mm512_set1_ps,
        _mm512_storeu_ps as store,
    };

    use super::{DEPTH, Tile, VECTORS};

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn spread(at: *const f32) -> std::arch::x86_64::__m512 {
        // SAFETY: the caller's pointer is good for one number.
        _mm512_set1_ps(unsafe { *at })
    }

    microkernel!(#[target_feature(enable = "avx512f")] 16, [1 2 3 4 5 6 7 8 9 10 11 12 13 14]);
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        _mm256_add_ps as add, _mm256_fmadd_ps as multiply_add, _mm256_loadu_ps as load, _mm256_set1_ps,
        _mm256_storeu_ps as store,
    };

    use super::{DEPTH, Tile, VECTORS};

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn spread(at: *const f32) -> std::arch::x86_64::__m256 {
        // SAFETY: the caller's pointer is good for one number.
        _mm256_set1_ps(unsafe { *at })
    }

    microkernel!(#[target_feature(enable = "avx2,fma")] 8, [1 2 3 4 5 6]);
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::{
        float32x4_t, vaddq_f32 as add, vfmaq_f32, vld1q_dup_f32 as spread, vld1q_f32 as load, vst1q_f32 as store,
    };

    use super::{DEPTH, Tile, VECTORS};

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn multiply_add(a: float32x4_t, b: float32x4_t, sum: float32x4_t) -> float32x4_t {
        vfmaq_f32(sum, a, b)
    }

    microkernel!(#[target_feature(enable = "neon")] 4, [1 2 3 4 5 6 7 8]);
}

mod portable {
    use super::{DEPTH, Tile, VECTORS};

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

    microkernel!(4, [1 2 3 4]);
}
