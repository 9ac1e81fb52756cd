//! The sentence about a picture that memory is too small for: what it needs, and what would help.

use candle_core::DType;

use super::memory::{MemoryNeed, Part, Storage};

/// The memory of a place, in words.
pub fn whose(storage: Storage) -> &'static str {
    if storage.is_gpu { "the GPU's memory" } else { "memory" }
}

/// None where a picture of `size` fits into `free` bytes.
pub fn refusal(
    need: &MemoryNeed,
    storage: Storage,
    free: u64,
    (width, height): (u32, u32),
    batch: usize,
) -> Option<String> {
    let fits = |need: &MemoryNeed, size: (u32, u32)| need.bytes(storage, size, batch) <= free;
    if fits(need, (width, height)) {
        return None;
    }
    // The same shape, by steps that models are used to.
    let beside = |w: u32| (u64::from(w) * u64::from(height) / u64::from(width)).max(8) as u32 & !7;
    let smaller = (1..=width.saturating_sub(1) / 64).rev().map(|n| n * 64).chain([32, 8]);
    let smaller = smaller.map(|w| (w, beside(w))).filter(|(w, _)| *w < width);
    let fitting = |need: &MemoryNeed| smaller.clone().find(|size| fits(need, *size));
    let fixed = MemoryNeed { has_wide_vae: false, ..*need };
    let has_better_vae = fits(&fixed, (width, height));
    let mut advice = match fitting(need) {
        Some((w, h)) => format!("{w}x{h} would fit"),
        None => too_large(need, storage, |need| fitting(need).is_some()),
    };
    if has_better_vae {
        advice.push_str(", and this size would with --vae sdxl-vae-fp16-fix");
    }
    Some(format!(
        "size {width}x{height} needs about {:.1} GiB of {} and {:.1} GiB are free; {advice}",
        gib(need.bytes(storage, (width, height), batch)),
        whose(storage),
        gib(free)
    ))
}

/// The size would fit, with a shorter prompt.
pub fn long_prompt(storage: Storage, needed: u64, free: u64, chunks: usize) -> String {
    format!(
        "a prompt of {chunks} pieces of 75 tokens needs about {:.1} GiB of {} and {:.1} GiB are free; shorten it",
        gib(needed),
        whose(storage),
        gib(free)
    )
}

/// No size fits: which part is to blame, and what would help.
fn too_large(need: &MemoryNeed, storage: Storage, would_fit: impl Fn(&MemoryNeed) -> bool) -> String {
    let (part, size) = match need.largest_encoder.on(storage) > need.unet.on(storage) {
        true => ("its largest encoder", need.largest_encoder),
        false => ("its UNet", need.unet),
    };
    let each = |change: fn(Part) -> Part| MemoryNeed {
        largest_encoder: change(need.largest_encoder),
        unet: change(need.unet),
        adapter: change(need.adapter),
        vae: change(need.vae),
        ..*need
    };
    let without_loras = |part: Part| Part { stored: part.plain, ..part };
    // What LoRAs change stays in f32.
    let in_half = |part: Part| Part { stored: part.stored.min(2 * (part.parameters + part.changed)), ..part };
    let both = |part: Part| Part { stored: part.plain.min(2 * part.parameters), ..part };
    let way = if !storage.is_as_stored {
        match storage.dtype {
            DType::F32 => "use --dtype f16, which takes half of it",
            _ if storage.is_gpu => "use --device cpu",
            _ => "choose a smaller model",
        }
    } else if would_fit(&each(without_loras)) {
        "do without the LoRAs, for which it is held in f32"
    } else if would_fit(&each(in_half)) {
        "get the model in f16, which takes half of it"
    } else if would_fit(&each(both)) {
        "get the model in f16 and do without the LoRAs, for which it is held in f32"
    } else {
        "choose a smaller model"
    };
    format!("{part} alone takes {:.1} GiB at any size; end other programs, or {way}", gib(size.on(storage)))
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GIB: u64 = 1 << 30;
    const KERNELS: Storage = Storage { dtype: DType::F32, is_as_stored: true, is_gpu: false };
    const GPU: Storage = Storage { dtype: DType::F16, is_as_stored: false, is_gpu: true };

    /// So many GiB in f16, in a file of f16 or of f32, with LoRAs or without.
    fn part(half: f64, is_wide: bool, is_merged: bool) -> Part {
        let parameters = (half * GIB as f64 / 2.0) as u64;
        let plain = parameters * if is_wide { 4 } else { 2 };
        let (stored, changed) = if is_merged { (parameters * 4, parameters) } else { (plain, 0) };
        Part { parameters, stored, plain, changed }
    }

    fn model(unet: Part) -> MemoryNeed {
        MemoryNeed {
            largest_encoder: part(1.0, false, false),
            unet,
            adapter: Part::default(),
            vae: part(0.125, false, false),
            has_wide_vae: false,
            unet_width: 320,
            vae_width: 128,
            factor: 8,
            chunk_kept: 0,
            chunk_encoding: 0,
        }
    }

    fn said(need: &MemoryNeed, storage: Storage, gib: f64) -> Option<String> {
        refusal(need, storage, (gib * GIB as f64) as u64, (1024, 512), 2)
    }

    #[test]
    fn a_smaller_size_is_named_where_one_fits() {
        let model = model(part(5.0, false, false));
        let needed = model.bytes(KERNELS, (1024, 512), 2);
        assert_eq!(refusal(&model, KERNELS, needed, (1024, 512), 2), None);
        let line = refusal(&model, KERNELS, needed - 1, (1024, 512), 2).unwrap();
        assert!(line.starts_with("size 1024x512 needs about ") && line.ends_with("; 960x480 would fit"), "{line}");
        let line = said(&model, GPU, 5.5).unwrap();
        assert!(line.contains(" GiB of the GPU's memory and 5.5 GiB are free; "), "{line}");
    }

    /// Whatever is advised would help.
    #[test]
    fn where_nothing_fits_the_advice_names_what_helps() {
        let cases = [
            // In f16 already.
            (part(5.0, false, false), 5.0, "choose a smaller model"),
            (part(5.0, true, false), 8.0, "get the model in f16, which takes half of it"),
            (part(5.0, true, false), 4.0, "choose a smaller model"),
            (part(5.0, false, true), 8.0, "do without the LoRAs, for which it is held in f32"),
            (part(5.0, false, true), 4.0, "choose a smaller model"),
            // Neither alone makes it smaller.
            (part(5.0, true, true), 8.0, "get the model in f16 and do without the LoRAs, for which it is held in f32"),
        ];
        for (unet, free, way) in cases {
            let line = said(&model(unet), KERNELS, free).unwrap();
            let expected = format!("at any size; end other programs, or {way}");
            assert!(line.contains("; its UNet alone takes ") && line.ends_with(&expected), "{line}");
        }
        // On a GPU neither the file's dtype nor a LoRA changes anything.
        let wide = model(part(5.0, true, true));
        assert!(said(&wide, GPU, 4.0).unwrap().ends_with("; end other programs, or use --device cpu"));
        let f32 = Storage { dtype: DType::F32, ..GPU };
        assert!(said(&wide, f32, 8.0).unwrap().ends_with("or use --dtype f16, which takes half of it"));
        let towers = MemoryNeed { largest_encoder: part(9.0, false, false), ..model(part(1.0, false, false)) };
        assert!(said(&towers, GPU, 2.0).unwrap().contains("its largest encoder alone takes 9.0 GiB"));
    }

    #[test]
    fn a_vae_that_does_not_overflow_is_advised_where_it_helps() {
        let own = MemoryNeed { has_wide_vae: true, ..model(part(5.0, false, false)) };
        let between = own.bytes(GPU, (1024, 512), 2) - GIB / 4;
        let line = refusal(&own, GPU, between, (1024, 512), 2).unwrap();
        assert!(line.ends_with("would fit, and this size would with --vae sdxl-vae-fp16-fix"), "{line}");
        assert!(!said(&own, GPU, 5.2).unwrap().contains("--vae"));
    }
}
