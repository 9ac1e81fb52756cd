//! Half precision to f32: exact, so that any way of doing it gives the same numbers.

use half::{bf16, f16};

use super::Isa;

/// Both slices are of one length.
pub(super) fn widen_f16(isa: Isa, from: &[f16], to: &mut [f32]) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the machine has the instruction set: `Isa` says so, and both bring f16 conversion.
        Isa::Avx512 => unsafe { f16_avx512(from, to) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2Fma => unsafe { f16_avx2(from, to) },
        _ => {
            for (to, from) in to.iter_mut().zip(from) {
                *to = from.to_f32();
            }
        }
    }
}

/// Both slices are of one length. A shift: the compiler makes vectors of it by itself.
pub(super) fn widen_bf16(isa: Isa, from: &[bf16], to: &mut [f32]) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the machine has the instruction set.
        Isa::Avx512 => unsafe { bf16_avx512(from, to) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the machine has the instruction set.
        Isa::Avx2Fma => unsafe { bf16_avx2(from, to) },
        _ => shift(from, to),
    }
}

#[inline(always)]
fn shift(from: &[bf16], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = f32::from_bits(u32::from(from.to_bits()) << 16);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn bf16_avx512(from: &[bf16], to: &mut [f32]) {
    shift(from, to);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn bf16_avx2(from: &[bf16], to: &mut [f32]) {
    shift(from, to);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn f16_avx512(from: &[f16], to: &mut [f32]) {
    use std::arch::x86_64::{_mm256_loadu_si256, _mm512_cvtph_ps, _mm512_storeu_ps};
    let (whole, wide) = (from.chunks_exact(16), to.chunks_exact_mut(16));
    for (from, to) in whole.zip(wide) {
        // SAFETY: both chunks hold 16 numbers.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), _mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast()))) };
    }
    let done = from.len() / 16 * 16;
    for (to, from) in to[done..].iter_mut().zip(&from[done..]) {
        *to = from.to_f32();
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,f16c")]
fn f16_avx2(from: &[f16], to: &mut [f32]) {
    use std::arch::x86_64::{_mm_loadu_si128, _mm256_cvtph_ps, _mm256_storeu_ps};
    let (whole, wide) = (from.chunks_exact(8), to.chunks_exact_mut(8));
    for (from, to) in whole.zip(wide) {
        // SAFETY: both chunks hold 8 numbers.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast()))) };
    }
    let done = from.len() / 8 * 8;
    for (to, from) in to[done..].iter_mut().zip(&from[done..]) {
        *to = from.to_f32();
    }
}
