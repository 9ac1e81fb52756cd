//! Twin of `shaders/shared/srgb.wgsl`: the sRGB transfer function of IEC 61966-2-1, both ways, on 0..1.

#[must_use]
pub fn linear_from_srgb(encoded: f32) -> f32 {
    if encoded <= 0.04045 { encoded / 12.92 } else { ((encoded + 0.055) / 1.055).powf(2.4) }
}

#[must_use]
pub fn srgb_from_linear(light: f32) -> f32 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_both_ways() {
        for byte in 0..=255_u8 {
            let back = srgb_from_linear(linear_from_srgb(f32::from(byte) / 255.0)) * 255.0;
            assert!((back - f32::from(byte)).abs() < 1e-3, "{byte} became {back}");
        }
    }
}
