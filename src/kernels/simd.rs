//! One vocabulary for vectors of f32, so that a kernel is written once and compiled for every instruction set.
//!
//! A kernel is an `#[inline(always)]` function over [`Simd`]; a thin function for each set, with that set's
//! `target_feature`, inlines it ([`simd_dispatch`] writes both). Multiplications fused with an addition round once
//! where the set can.

/// Vectors of one instruction set.
///
/// # Safety
/// Every function asks that the machine has the set, and those with pointers that they reach as far as a vector, or `n`
/// numbers, where `n <= LANES`.
pub(super) trait Simd: Copy {
    const LANES: usize;
    /// Rows of three vectors whose sums fit into registers.
    const TILE_ROWS: usize;
    type V: Copy;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// a * b + c
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger; `b` where either is no number.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; `b` where either is no number.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// To the nearest whole number.
    unsafe fn round(v: Self::V) -> Self::V;
    /// v * 2^n for whole `n` from -126 to 127.
    unsafe fn scale_by_power(v: Self::V, n: Self::V) -> Self::V;
    /// `yes` where a < b, else `no`; `no` where either is no number.
    unsafe fn where_less(a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    unsafe fn abs(v: Self::V) -> Self::V;
    /// The size of `v` with the sign of `sign`.
    unsafe fn with_sign(v: Self::V, sign: Self::V) -> Self::V;
    unsafe fn sum(v: Self::V) -> f32;

    /// `n` numbers, and zeros behind them.
    #[inline(always)]
    unsafe fn load_part(from: *const f32, n: usize) -> Self::V {
        let mut whole = [0f32; 16];
        // SAFETY: the caller's promise; 16 is the widest.
        unsafe {
            std::ptr::copy_nonoverlapping(from, whole.as_mut_ptr(), n);
            Self::load(whole.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store_part(to: *mut f32, v: Self::V, n: usize) {
        let mut whole = [0f32; 16];
        // SAFETY: the caller's promise; 16 is the widest.
        unsafe {
            Self::store(whole.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(whole.as_ptr(), to, n);
        }
    }

    /// `LANES` rows of as many numbers, `from_stride` apart, to columns: number j of row i goes to `to + j * to_stride + i`.
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for i in 0..Self::LANES {
            for j in 0..Self::LANES {
                // SAFETY: the caller's promise that both sides reach as far as their strides say.
                unsafe { *to.add(j * to_stride + i) = *from.add(i * from_stride + j) };
            }
        }
    }
}

/// Numbers in a vector of `isa`.
pub(super) fn lanes(isa: super::Isa) -> usize {
    match isa {
        #[cfg(target_arch = "x86_64")]
        super::Isa::Avx512 => super::simd_x86::Avx512::LANES,
        #[cfg(target_arch = "x86_64")]
        super::Isa::Avx2Fma => super::simd_x86::Avx2Fma::LANES,
        _ => Portable::LANES,
    }
}

/// Plain arrays; on Arm the compiler makes NEON of it.
#[derive(Clone, Copy)]
pub(super) struct Portable;

const WIDTH: usize = 8;

#[inline(always)]
fn each(a: [f32; WIDTH], b: [f32; WIDTH], f: impl Fn(f32, f32) -> f32) -> [f32; WIDTH] {
    let mut out = a;
    for (out, b) in out.iter_mut().zip(b) {
        *out = f(*out, b);
    }
    out
}

impl Simd for Portable {
    const LANES: usize = WIDTH;
    const TILE_ROWS: usize = 4;
    type V = [f32; WIDTH];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; WIDTH]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<Self::V>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        let mut out = c;
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            // Elsewhere a fused one would be a call into a library.
            *out = if cfg!(target_arch = "aarch64") { a.mul_add(b, *out) } else { a * b + *out };
        }
        out
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn round(v: Self::V) -> Self::V {
        // Adding 1.5 * 2^23 leaves no room for a fraction; the numbers here are far below it.
        const BIG: f32 = 12_582_912.0;
        v.map(|v| (v + BIG) - BIG)
    }
    #[inline(always)]
    unsafe fn scale_by_power(v: Self::V, n: Self::V) -> Self::V {
        each(v, n, |v, n| {
            // Only what is no number is out of range, and `v` is none either then.
            let exponent = (n as i32).wrapping_add(127) as u32;
            v * f32::from_bits(exponent << 23)
        })
    }
    #[inline(always)]
    unsafe fn where_less(a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        let mut out = no;
        for (i, out) in out.iter_mut().enumerate() {
            if a[i] < b[i] {
                *out = yes[i];
            }
        }
        out
    }
    #[inline(always)]
    unsafe fn abs(v: Self::V) -> Self::V {
        v.map(f32::abs)
    }
    #[inline(always)]
    unsafe fn with_sign(v: Self::V, sign: Self::V) -> Self::V {
        each(v, sign, f32::copysign)
    }
    #[inline(always)]
    unsafe fn sum(v: Self::V) -> f32 {
        v.iter().sum()
    }
}

/// Writes `$name(isa, arguments…)`, which runs the generic kernel `$kernel::<S>(arguments…)` in the set `isa`.
macro_rules! simd_dispatch {
    ($(#[$about:meta])* $visible:vis unsafe fn $name:ident = $kernel:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $out:ty)?) => {
        $(#[$about])*
        $visible unsafe fn $name(isa: $crate::kernels::Isa, $($argument: $kind),*) $(-> $out)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
            unsafe fn avx512($($argument: $kind),*) $(-> $out)? {
                // SAFETY: the caller's promise; the features are those of the set.
                unsafe { $kernel::<$crate::kernels::simd_x86::Avx512>($($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($argument: $kind),*) $(-> $out)? {
                // SAFETY: the caller's promise; the features are those of the set.
                unsafe { $kernel::<$crate::kernels::simd_x86::Avx2Fma>($($argument),*) }
            }
            // SAFETY: the caller promises that the machine has the set.
            unsafe {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    $crate::kernels::Isa::Avx512 => avx512($($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::kernels::Isa::Avx2Fma => avx2($($argument),*),
                    _ => $kernel::<$crate::kernels::simd::Portable>($($argument),*),
                }
            }
        }
    };
}
pub(super) use simd_dispatch;
