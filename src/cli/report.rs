//! The one line of `render --json`.

use std::path::Path;

use serde::Serialize;

use crate::engine::Finished;

/// Field names are part of the contract.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    seconds: Seconds,
    step_seconds: &'a [f64],
    /// Peak resident memory of this process in MiB; null where the system does not tell.
    peak_rss_mb: Option<f64>,
    /// What the picture was estimated to take of the device's memory, in MiB.
    estimated_mb: f64,
    device: &'a str,
    dtype: &'a str,
    seed: Option<u64>,
    width: u32,
    height: u32,
    steps: Option<u32>,
    out: String,
}

#[derive(Debug, Serialize)]
struct Seconds {
    loading: f64,
    encoding: f64,
    sampling: f64,
    decoding: f64,
    /// From the start of the command to the written picture.
    total: f64,
}

impl<'a> Report<'a> {
    pub fn new(finished: &'a Finished, total: f64, out: &Path) -> Self {
        let timings = &finished.timings;
        let (device, dtype) = finished.device_and_dtype();
        Self {
            seconds: Seconds {
                loading: timings.loading_secs,
                encoding: timings.encoding_secs,
                sampling: timings.sampling_secs,
                decoding: timings.decoding_secs,
                total,
            },
            step_seconds: &timings.step_secs,
            peak_rss_mb: peak_rss_mib(),
            estimated_mb: (timings.estimated_bytes as f64 / f64::from(1 << 20) * 10.0).round() / 10.0,
            device,
            dtype,
            seed: finished.recipe.seed,
            width: finished.image.width(),
            height: finished.image.height(),
            steps: finished.recipe.steps,
            out: out.to_string_lossy().into_owned(),
        }
    }
}

/// The kernel's own high-water mark.
pub fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    high_water(&status)
}

fn high_water(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some((kib / 1024.0 * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read() {
        assert_eq!(high_water("VmPeak:\t 9999 kB\nVmHWM:\t   2560 kB\nVmRSS:\t 1 kB\n"), Some(2.5));
        assert_eq!(high_water("Name:\tx\n"), None);
    }
}
