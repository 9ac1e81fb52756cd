//! The generator against torch (tests/golden/make_schedulers.py): small and large draws, one after another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use instantstyle::nn::torch_rng::TorchGenerator;
use serde::Deserialize;

#[derive(Deserialize)]
struct Stream {
    seed: u64,
    draws: Vec<Draw>,
}

#[derive(Deserialize)]
struct Draw {
    count: usize,
    stride: usize,
    values: Vec<f32>,
    last: Vec<f32>,
}

#[test]
fn normal_numbers_are_torchs_own() {
    let streams: Vec<Stream> = serde_json::from_str(include_str!("golden/torch_rng.json")).unwrap();
    let mut worst = 0.0f32;
    for stream in streams {
        let mut generator = TorchGenerator::manual_seed(stream.seed);
        for draw in stream.draws {
            let ours = generator.randn(draw.count);
            assert_eq!(ours.len(), draw.count);
            let tail = &ours[draw.count.saturating_sub(16)..];
            let pairs = ours.iter().step_by(draw.stride).zip(&draw.values).chain(tail.iter().zip(&draw.last));
            assert_eq!(ours.iter().step_by(draw.stride).count(), draw.values.len());
            for (a, b) in pairs {
                // Near a zero of sine or cosine the vector code of torch is off by a few units of 1, not of the value.
                let off = (a - b).abs() / b.abs().max(0.1);
                assert!(off <= 2e-6, "seed {} draw {}: {a} is not {b}", stream.seed, draw.count);
                worst = worst.max(off);
            }
        }
    }
    println!("within {worst:e}");
}
