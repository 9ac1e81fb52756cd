//! 95% intervals.
//!
//! A rate's is Wilson's score interval (E. B. Wilson 1927, "Probable inference, the law of succession, and statistical
//! inference"), which stays within 0 to 1 and serves for few pictures. A mean's is Student's. A ratio of two rates over
//! the same cases is resampled by case (B. Efron 1979, "Bootstrap methods"), so that what a case does to both counts once.

use serde::Serialize;

/// Lower and upper end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval(pub f64, pub f64);

/// The normal distribution's 97.5% point.
const Z: f64 = 1.959_963_985;
const RESAMPLES: usize = 4000;

/// Of `hits` out of `n`.
pub fn wilson(hits: usize, n: usize) -> Interval {
    if n == 0 {
        return Interval(0.0, 1.0);
    }
    let (p, n) = (hits as f64 / n as f64, n as f64);
    let centre = p + Z * Z / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    Interval(((centre - spread) / scale).max(0.0), ((centre + spread) / scale).min(1.0))
}

/// Mean of values from 0 to 1, and its interval.
pub fn mean(values: &[f64]) -> (f64, Interval) {
    let n = values.len() as f64;
    if values.is_empty() {
        return (0.0, Interval(0.0, 1.0));
    }
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return (mean, Interval(0.0, 1.0));
    }
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = student(n - 1.0) * (variance / n).sqrt();
    (mean, Interval((mean - half).max(0.0), (mean + half).min(1.0)))
}

/// Student's 97.5% point for `freedom` degrees of freedom (Abramowitz and Stegun 26.7.5; within 0.1% from 3 on, exact at
/// 1 and 2).
fn student(freedom: f64) -> f64 {
    if freedom < 1.5 {
        return 12.706;
    }
    if freedom < 2.5 {
        return 4.303;
    }
    let z = Z;
    let one = (z.powi(3) + z) / 4.0;
    let two = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let three = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    let four = (79.0 * z.powi(9) + 776.0 * z.powi(7) + 1482.0 * z.powi(5) - 1920.0 * z.powi(3) - 945.0 * z) / 92160.0;
    z + one / freedom + two / freedom.powi(2) + three / freedom.powi(3) + four / freedom.powi(4)
}

/// Hits of `a` over hits of `b`, case by case the same; `None` where `b` has none.
pub fn paired_ratio(a: &[bool], b: &[bool]) -> Option<(f64, Interval)> {
    let ratio = |a: usize, b: usize| (b > 0).then(|| a as f64 / b as f64);
    let hits = |list: &[bool]| list.iter().filter(|hit| **hit).count();
    let value = ratio(hits(a), hits(b))?;
    let pairs: Vec<(bool, bool)> = a.iter().copied().zip(b.iter().copied()).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut ratios = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let (mut x, mut y) = (0, 0);
        for _ in 0..pairs.len() {
            let drawn = (splitmix64(&mut state) % pairs.len().max(1) as u64) as usize;
            let (in_a, in_b) = pairs.get(drawn).copied().unwrap_or_default();
            x += usize::from(in_a);
            y += usize::from(in_b);
        }
        // A resample without a hit in `b` says that the ratio may be as large as you like.
        ratios.push(ratio(x, y).unwrap_or(f64::INFINITY));
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let at = |part: f64| ratios.get((part * (RESAMPLES - 1) as f64).round() as usize).copied().unwrap_or(value);
    Some((value, Interval(at(0.025), at(0.975))))
}

/// Sebastiano Vigna's generator, public domain: one fixed stream serves for resampling.
fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-4, "{found} is not {expected}");
    }

    #[test]
    fn wilson_as_published() {
        // Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
        for (hits, n, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let Interval(l, h) = wilson(hits, n);
            close(l, low);
            close(h, high);
        }
        assert_eq!(wilson(0, 0), Interval(0.0, 1.0));
    }

    #[test]
    fn students_points() {
        for (freedom, point) in [(1.0, 12.706), (2.0, 4.303), (4.0, 2.776), (9.0, 2.262), (29.0, 2.045)] {
            assert!((student(freedom) - point).abs() < 0.006, "{freedom}: {}", student(freedom));
        }
        let (middle, Interval(low, high)) = mean(&[0.2, 0.4, 0.3, 0.3, 0.3]);
        close(middle, 0.3);
        close(high - middle, 2.776 * (0.005_f64 / 5.0).sqrt());
        close(middle - low, high - middle);
    }

    #[test]
    fn ratios_are_of_pairs() {
        // The same list twice: whatever is drawn, the ratio is 1.
        let list: Vec<bool> = (0..40).map(|i| i % 3 == 0).collect();
        assert_eq!(paired_ratio(&list, &list), Some((1.0, Interval(1.0, 1.0))));
        let half: Vec<bool> = (0..40).map(|i| i % 6 == 0).collect();
        let (value, Interval(low, high)) = paired_ratio(&half, &list).unwrap();
        assert!(low < value && value < high && value == 0.5, "{value} {low} {high}");
        assert_eq!(paired_ratio(&list, &[false; 40]), None);
    }
}
