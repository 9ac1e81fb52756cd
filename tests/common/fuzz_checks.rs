//! What must hold for any bytes: they are taken, or refused in one line. Shared by the fuzz targets and `fuzz_replay.rs`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use instantstyle::weights::{
    AdapterInfo, Dtype, Lora, ModelFolder, Weights, WeightsError, check_pickle, identify, inspect, open_vae,
};

pub fn one_line(said: &str) {
    assert!(said.lines().count() == 1 && !said.contains('\r'), "{said:?}");
    assert!(said.len() < 2_000, "{} characters: {said}", said.len());
}

fn told<T>(result: Result<T, WeightsError>) -> bool {
    result.map_err(|error| one_line(&error.to_string())).is_ok()
}

/// A whole file; `path` is where to write it. Returns whether it is taken.
pub fn header(bytes: &[u8], path: &Path) -> bool {
    std::fs::write(path, bytes).expect("a place to write");
    let weights = match Weights::open(path) {
        Ok(weights) => weights,
        Err(error) => return told::<()>(Err(error)),
    };
    for (key, entry) in weights.entries() {
        assert!(entry.start + entry.bytes as u64 <= bytes.len() as u64, "{key} lies outside of the file");
    }
    for line in inspect(path).expect("an open file can be inspected").lines() {
        one_line(&line);
    }
    true
}

/// Names and shapes alone, a tensor a line: `F16 320x4x3x3 conv_in.weight`. Returns whether any lines are such.
pub fn names(text: &[u8]) -> bool {
    let mut header: BTreeMap<String, (Dtype, Vec<usize>)> = BTreeMap::new();
    for line in String::from_utf8_lossy(text).lines() {
        let mut words = line.splitn(3, ' ');
        let (Some(dtype), Some(shape), Some(name)) = (words.next(), words.next(), words.next()) else { continue };
        let Ok(dtype) = serde_json::from_value(dtype.into()) else { continue };
        let shape: Option<Vec<usize>> = shape.split('x').filter(|n| !n.is_empty()).map(|n| n.parse().ok()).collect();
        // The header's own check lets no larger product through.
        let shape =
            shape.filter(|shape| shape.iter().try_fold(8usize, |all, n| all.checked_mul((*n).max(1))).is_some());
        if let Some(shape) = shape {
            header.insert(name.to_owned(), (dtype, shape));
        }
    }
    if header.is_empty() {
        return false;
    }
    let weights = Arc::new(Weights::header_only("m.safetensors", header));
    one_line(&identify(&weights).to_string());
    told(AdapterInfo::read(&weights));
    told(Lora::new(weights.clone()));
    told(open_vae(&weights, 1.0));
    if let Ok(folder) = ModelFolder::of_checkpoint(&weights).map_err(|error| one_line(&error.to_string())) {
        folder.notices().iter().for_each(|notice| one_line(notice));
    }
    true
}

/// A pickle's program. Returns whether it is taken.
pub fn pickle(bytes: &[u8]) -> bool {
    told(check_pickle("m.bin", bytes))
}
