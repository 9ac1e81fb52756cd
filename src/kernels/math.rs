//! exp, erf and the activations built on them, on vectors.
//!
//! Each polynomial was fitted to its function for the least largest error (Lawson's weighting of least squares, in double
//! precision); the tests say what is left against the exact values.

use super::simd::Simd;

/// c0 + c1 x + c2 x² + …
#[inline(always)]
unsafe fn polynomial<S: Simd>(x: S::V, coefficients: &[f32]) -> S::V {
    // SAFETY: the caller's promise that the machine has the set.
    unsafe {
        let mut sum = S::splat(0.0);
        for (i, c) in coefficients.iter().rev().enumerate() {
            sum = if i == 0 { S::splat(*c) } else { S::fma(sum, x, S::splat(*c)) };
        }
        sum
    }
}

/// e^x, for x clamped to -87.3..88.3 (1.2e-38 to 2.2e38).
#[inline(always)]
pub(super) unsafe fn exp<S: Simd>(x: S::V) -> S::V {
    // ln 2 in two parts: a small whole number times the first is exact.
    const LN2_HIGH: f32 = 355.0 / 512.0;
    const LN2_LOW: f32 = (std::f64::consts::LN_2 - 355.0 / 512.0) as f32;
    // (e^r - 1 - r) / r² on ±ln 2 / 2
    const TAIL: [f32; 5] = [0.499_999_94, 0.166_665_21, 0.041_668_39, 0.008_368_736, 0.001_381_455_8];
    // SAFETY: the caller's promise that the machine has the set.
    unsafe {
        // In this order what is no number stays none.
        let x = S::min(S::splat(88.3), S::max(S::splat(-87.3), x));
        let n = S::round(S::mul(x, S::splat(std::f32::consts::LOG2_E)));
        let r = S::fma(n, S::splat(-LN2_LOW), S::fma(n, S::splat(-LN2_HIGH), x));
        let tail = polynomial::<S>(r, &TAIL);
        let power = S::add(S::fma(tail, S::mul(r, r), r), S::splat(1.0));
        S::scale_by_power(power, n)
    }
}

/// 2^x for x <= 0; zero below -126.
#[inline(always)]
pub(super) unsafe fn exp2_of_negative<S: Simd>(x: S::V) -> S::V {
    // (2^r - 1) / r on ±1/2
    const TAIL: [f32; 6] =
        [std::f32::consts::LN_2, 0.240_226_48, 0.055_503_324, 0.009_618_437, 0.001_339_887_5, 0.000_153_533_6];
    // SAFETY: the caller's promise that the machine has the set.
    unsafe {
        let low = S::splat(-126.0);
        let kept = S::max(low, x);
        let n = S::round(kept);
        let r = S::sub(kept, n);
        let power = S::fma(polynomial::<S>(r, &TAIL), r, S::splat(1.0));
        S::where_less(x, low, S::splat(0.0), S::scale_by_power(power, n))
    }
}

/// erf(x)
#[inline(always)]
pub(super) unsafe fn erf<S: Simd>(x: S::V) -> S::V {
    // erf(x) / x - 1 in x², up to 1
    const SMALL: [f32; 6] =
        [0.128_379_12, -0.376_123_55, 0.112_804_115, -0.026_717_708, 0.004_924_789, -0.000_566_015_3];
    // -ln(1 - erf(x)), from 1 to 4, where erf is 1 in f32
    const LARGE: [f32; 6] = [0.002_619_118, 1.117_621_4, 0.654_239_8, 0.088_799_9, -0.014_831_904, 0.001_157_228_7];
    // SAFETY: the caller's promise that the machine has the set.
    unsafe {
        let one = S::splat(1.0);
        let size = S::abs(x);
        let small = S::fma(polynomial::<S>(S::mul(x, x), &SMALL), x, x);
        let clamped = S::min(S::splat(4.0), size);
        let rest = exp::<S>(S::sub(S::splat(0.0), polynomial::<S>(clamped, &LARGE)));
        let large = S::with_sign(S::sub(one, rest), x);
        S::where_less(one, size, large, small)
    }
}

/// x * sigmoid(steepness * x): SiLU at 1, CLIP's quick GELU at 1.702.
#[inline(always)]
pub(super) unsafe fn sigmoid_weighted<S: Simd>(x: S::V, steepness: f32) -> S::V {
    // SAFETY: the caller's promise that the machine has the set.
    unsafe { S::div(x, S::add(S::splat(1.0), exp::<S>(S::mul(x, S::splat(-steepness))))) }
}

/// The exact GELU: x / 2 * (1 + erf(x / √2)).
#[inline(always)]
pub(super) unsafe fn gelu<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller's promise that the machine has the set.
    unsafe {
        let half = S::mul(x, S::splat(0.5));
        S::fma(half, erf::<S>(S::mul(x, S::splat(std::f32::consts::FRAC_1_SQRT_2))), half)
    }
}
