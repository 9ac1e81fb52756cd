//! Steps, guidance and sampler in plain words, for the window and for what it is told.

use crate::recipe::{ModelDefaults, SchedulerName};

pub fn words_for_sampler(name: SchedulerName) -> &'static str {
    match name {
        SchedulerName::Euler => "Euler",
        SchedulerName::EulerTrailing => "Euler, trailing",
        SchedulerName::EulerAncestral => "Euler ancestral",
        SchedulerName::Ddim => "DDIM",
        SchedulerName::Dpmpp2m => "DPM++ 2M",
        SchedulerName::Dpmpp2mKarras => "DPM++ 2M Karras",
        SchedulerName::Lcm => "LCM",
    }
}

/// Steps, guidance and sampler that a model or a LoRA brings.
pub fn words_for_sampling(defaults: &ModelDefaults) -> String {
    let ModelDefaults { steps, guidance, scheduler, .. } = defaults;
    let plural = if *steps == 1 { "" } else { "s" };
    format!("{steps} step{plural}, guidance {guidance}, sampler {}", words_for_sampler(*scheduler))
}
