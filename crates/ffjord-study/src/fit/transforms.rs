//! Probability integral transforms: where a model is right, `F(z)` of its noise is uniform on [0, 1].

use ffjord_data::Matrix;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};

/// The transform of one number a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transform {
    /// A column of the noise, from 0; none for its square length.
    pub column: Option<usize>,
    /// The largest distance between the shares below a value, found and expected (Kolmogorov and Smirnov).
    pub distance: f64,
    /// How often uniform numbers are as far away.
    pub p_value: f64,
    /// Shares below 0.01, 0.02, …, 0.99.
    pub shares: Vec<f64>,
}

impl Transform {
    /// Of numbers that are uniform on [0, 1] where the model is right.
    fn new(column: Option<usize>, mut uniform: Vec<f64>) -> Self {
        uniform.sort_unstable_by(f64::total_cmp);
        let count = uniform.len() as f64;
        let distances = uniform.iter().enumerate().map(|(index, value)| {
            let (below, with) = (index as f64 / count, (index + 1) as f64 / count);
            (value - below).abs().max((with - value).abs())
        });
        let distance = distances.fold(0.0, f64::max);
        let share = |value: f64| uniform.partition_point(|number| *number <= value) as f64 / count;
        Self {
            column,
            distance,
            p_value: kolmogorov(distance, count),
            shares: (1..100).map(|percent| share(f64::from(percent) / 100.0)).collect(),
        }
    }
}

/// The transforms of every column of noise `[N, D]` by the normal distribution, and of the rows' square lengths by χ² with
/// D degrees of freedom.
pub fn transforms(noise: &Matrix<f64>) -> Vec<Transform> {
    let normal = Normal::standard();
    let column = |column: usize| {
        let values = noise.iter_rows().map(|row| normal.cdf(row[column])).collect();
        Transform::new(Some(column), values)
    };
    let mut all: Vec<Transform> = (0..noise.columns()).map(column).collect();
    // There is a column, so there are degrees of freedom.
    if let Ok(squares) = ChiSquared::new(noise.columns() as f64) {
        let length = |row: &[f64]| squares.cdf(row.iter().map(|value| value * value).sum());
        all.push(Transform::new(None, noise.iter_rows().map(length).collect()));
    }
    all
}

/// The probability of a distance at least this large of `count` numbers: Kolmogorov's limit with Stephens' correction for
/// few (Journal of the Royal Statistical Society B 32, 1970).
fn kolmogorov(distance: f64, count: f64) -> f64 {
    let root = count.sqrt();
    let scaled = (root + 0.12 + 0.11 / root) * distance;
    if scaled < 0.3 {
        // The series below needs many terms there, and the probability is 1 to ten digits.
        return 1.0;
    }
    let term = |index: i32| {
        let sign = if index % 2 == 1 { 1.0 } else { -1.0 };
        sign * (-2.0 * f64::from(index * index) * scaled * scaled).exp()
    };
    (2.0 * (1..=20).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kolmogorovs_probabilities_are_those_of_tables() {
        // The critical values of the limit at 10, 5 and 1 percent.
        for (scaled, expected) in [(1.2238, 0.1), (1.3581, 0.05), (1.6276, 0.01)] {
            let count: f64 = 1e12;
            let found = kolmogorov(scaled / count.sqrt(), count);
            assert!((found - expected).abs() < 1e-4, "{found} at {scaled}");
        }
        // Of 20 numbers 0.294 is the critical value at 5 percent.
        assert!((kolmogorov(0.294, 20.0) - 0.05).abs() < 2e-3);
        assert_eq!(kolmogorov(0.0, 10.0), 1.0);
    }

    #[test]
    fn noise_that_is_normal_passes_and_wider_noise_does_not() -> Result<(), ffjord_data::DataError> {
        // Evenly spread quantiles, in two columns that do not depend on each other.
        let normal = Normal::standard();
        let quantile = |index: usize| normal.inverse_cdf((index as f64 + 0.5) / 100.0);
        let pairs = |factor: f64| {
            let value = |index: usize| [factor * quantile(index / 100), quantile(index % 100)];
            Matrix::new(10_000, 2, (0..10_000).flat_map(value).collect())
        };
        let right = transforms(&pairs(1.0)?);
        assert_eq!(right.len(), 3);
        assert!(right.iter().all(|transform| transform.p_value > 0.1), "{right:?}");
        assert!((right[0].shares[49] - 0.5).abs() < 1e-9);
        let wide = transforms(&pairs(1.2)?);
        assert!(
            wide[0].p_value < 1e-6 && wide[1].p_value > 0.5 && wide[2].p_value < 1e-6,
            "{wide:?}"
        );
        Ok(())
    }
}
