//! Regions of high density: the smallest region that holds a share of the model's mass should hold that share of the rows
//! (Hyndman, The American Statistician 50(2), 1996).

use serde::{Deserialize, Serialize};

/// Shares of the model's mass.
const SHARES: [f64; 11] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];

/// One region.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// The share of the model's mass in it.
    pub expected: f64,
    /// The share of the rows in it.
    pub observed: f64,
    /// The standard error of the difference, of so many rows and samples.
    pub standard_error: f64,
}

/// The regions' shares of rows by the log-densities of rows and of the model's own samples. A region is where the density
/// is above a bound, and the bound a quantile over the samples, so that no integral is needed.
pub fn coverage(rows: &[f64], samples: &[f64]) -> Vec<Level> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    if sorted.is_empty() || rows.is_empty() {
        return Vec::new();
    }
    let level = |expected: f64| {
        let place = ((1.0 - expected) * sorted.len() as f64) as usize;
        let bound = sorted[place.min(sorted.len() - 1)];
        let inside = rows.iter().filter(|density| **density >= bound).count();
        let variance = expected * (1.0 - expected);
        Level {
            expected,
            observed: inside as f64 / rows.len() as f64,
            standard_error: (variance / rows.len() as f64 + variance / sorted.len() as f64).sqrt(),
        }
    };
    SHARES.map(level).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_like_the_samples_are_covered_and_others_are_not() {
        let densities: Vec<f64> = (0..1000).map(|index| f64::from(index) / 1000.0).collect();
        for level in coverage(&densities, &densities) {
            assert!((level.observed - level.expected).abs() < 2e-3, "{level:?}");
        }
        // Rows where the density is lower than at samples: regions hold fewer of them.
        let lower: Vec<f64> = densities.iter().map(|density| density - 0.2).collect();
        for level in coverage(&lower, &densities) {
            let expected = (level.expected - 0.2_f64).max(0.0);
            assert!((level.observed - expected).abs() < 2e-3, "{level:?}");
        }
        assert!(coverage(&[], &densities).is_empty() && coverage(&densities, &[]).is_empty());
    }
}
