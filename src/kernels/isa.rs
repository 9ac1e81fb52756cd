//! Which instruction set the kernels use.

use std::sync::OnceLock;

/// An instruction set that a kernel is written for; later is wider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust, left to the compiler.
    Portable,
    /// 128 bits on 64-bit Arm.
    Neon,
    /// 256 bits with fused multiply-add and f16 conversion, on x86-64 since 2013.
    Avx2Fma,
    /// 512 bits (F, VL, DQ and BW), on x86-64.
    Avx512,
}

impl Isa {
    /// The widest that this machine has.
    pub fn best() -> Isa {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Isa::available().last().copied().unwrap_or(Isa::Portable))
    }

    /// All that this machine has, the narrowest first: what a test runs through.
    pub fn available() -> Vec<Isa> {
        let mut sets = vec![Isa::Portable];
        #[cfg(target_arch = "aarch64")]
        sets.push(Isa::Neon);
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx2") && has!("fma") && has!("f16c") {
                sets.push(Isa::Avx2Fma);
                if has!("avx512f") && has!("avx512vl") && has!("avx512dq") && has!("avx512bw") {
                    sets.push(Isa::Avx512);
                }
            }
        }
        sets
    }
}
