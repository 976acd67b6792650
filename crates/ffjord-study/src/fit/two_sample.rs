//! Whether samples can be told from rows: the energy distance (Székely and Rizzo, 2004) and the success of a classifier by
//! nearest neighbours (Lopez-Paz and Oquab, ICLR 2017), each beside what random labels give.

use super::FitOptions;
use super::neighbours::Neighbours;
use crate::error::{Result, StudyError};
use ffjord_data::{Matrix, permutation};
use rand::RngCore;
use serde::{Deserialize, Serialize};

/// Rows and samples, each, below which nothing can be told.
const FEWEST: usize = 8;

/// What telling samples from rows came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TwoSample {
    /// Rows and samples, each.
    pub compared: usize,
    /// `2 E|X − Y| − E|X − X'| − E|Y − Y'|` in deviations of the rows' columns; 0 for equal distributions.
    pub energy: f64,
    /// How often random labels have as large a distance.
    pub energy_p_value: f64,
    /// The share of rows and samples that their five nearest neighbours label rightly; one half for equal distributions.
    pub accuracy: f64,
    /// How often random labels are guessed as well.
    pub accuracy_p_value: f64,
}

/// Compares the first rows of two tables of the same columns.
///
/// # Errors
/// [`StudyError::TooFewRows`] for fewer than eight of either.
pub fn two_sample(
    rows: &Matrix<f64>,
    samples: &Matrix<f64>,
    options: FitOptions,
    mut rng: &mut dyn RngCore,
) -> Result<TwoSample> {
    let compared = options.compared.min(rows.rows()).min(samples.rows());
    if compared < FEWEST {
        return Err(StudyError::TooFewRows {
            given: compared,
            least: FEWEST,
        });
    }
    let neighbours = Neighbours::new(&rows.slice(0..compared)?, &samples.slice(0..compared)?);
    let labels: Vec<bool> = (0..2 * compared).map(|row| row < compared).collect();
    let (found_energy, accuracy) = (energy(&neighbours, &labels), neighbours.accuracy(&labels));
    let (mut larger, mut better) = (0usize, 0usize);
    for _ in 0..options.permutations {
        let order = permutation(2 * compared, &mut rng)?;
        let shuffled: Vec<bool> = order.iter().map(|row| labels[*row as usize]).collect();
        larger += usize::from(energy(&neighbours, &shuffled) >= found_energy);
        better += usize::from(neighbours.accuracy(&shuffled) >= accuracy);
    }
    // The labels that there are count as one of the random ones, so that no probability is 0.
    let p_value = |at_least: usize| (at_least + 1) as f64 / (options.permutations + 1) as f64;
    Ok(TwoSample {
        compared,
        energy: found_energy,
        energy_p_value: p_value(larger),
        accuracy,
        accuracy_p_value: p_value(better),
    })
}

/// The energy distance of two halves of equal size: with signs s = ±1 it is `−Σ sᵢ sⱼ dᵢⱼ / n²`.
fn energy(neighbours: &Neighbours, is_first: &[bool]) -> f64 {
    let signs: Vec<f32> = is_first.iter().map(|first| if *first { 1.0 } else { -1.0 }).collect();
    let rows = neighbours.distances.chunks_exact(neighbours.count);
    let total: f64 = rows
        .zip(&signs)
        .map(|(row, sign)| {
            let sum: f32 = row.iter().zip(&signs).map(|(distance, sign)| distance * sign).sum();
            f64::from(sum * sign)
        })
        .sum();
    let half = neighbours.count as f64 / 2.0;
    -total / (half * half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ffjord_train::{Purpose, Streams};
    use rand_distr::{Distribution, StandardNormal};

    fn normal(rows: usize, shift: f64, seed: u64) -> Result<Matrix<f64>> {
        let mut rng = Streams::new(seed).rng(Purpose::Data, 0, 0);
        let values = (0..3 * rows).map(|_| {
            let value: f64 = StandardNormal.sample(&mut rng);
            value + shift
        });
        Ok(Matrix::new(rows, 3, values.collect())?)
    }

    fn options(permutations: usize) -> FitOptions {
        FitOptions {
            permutations,
            ..FitOptions::default()
        }
    }

    #[test]
    fn equal_distributions_pass_and_shifted_ones_do_not() -> Result<()> {
        let mut rng = Streams::new(0).rng(Purpose::Test, 0, 0);
        let same = two_sample(&normal(200, 0.0, 1)?, &normal(200, 0.0, 2)?, options(99), &mut rng)?;
        assert!(same.energy_p_value > 0.05 && same.accuracy_p_value > 0.05, "{same:?}");
        let other = two_sample(&normal(200, 0.0, 1)?, &normal(200, 0.7, 2)?, options(99), &mut rng)?;
        assert!(
            other.energy_p_value < 0.02 && other.accuracy_p_value < 0.02,
            "{other:?}"
        );
        assert!(other.accuracy > 0.6 && other.energy > 10.0 * same.energy.abs());
        let few = two_sample(&normal(4, 0.0, 1)?, &normal(200, 0.0, 2)?, options(9), &mut rng);
        assert!(matches!(few, Err(StudyError::TooFewRows { given: 4, least: 8 })));
        Ok(())
    }

    #[test]
    fn chance_is_told_as_chance() -> Result<()> {
        // Of 40 comparisons of equal distributions about 4 have a p-value below 0.1.
        let mut rng = Streams::new(1).rng(Purpose::Test, 0, 0);
        let mut below = [0; 2];
        for seed in 0..40 {
            let (a, b) = (normal(40, 0.0, 100 + seed)?, normal(40, 0.0, 900 + seed)?);
            let found = two_sample(&a, &b, options(99), &mut rng)?;
            below[0] += usize::from(found.energy_p_value <= 0.1);
            below[1] += usize::from(found.accuracy_p_value <= 0.1);
        }
        assert!(below.iter().all(|count| *count <= 10), "{below:?}");
        Ok(())
    }

    #[test]
    fn the_energy_distance_is_its_definition() -> Result<()> {
        let (a, b) = (normal(8, 0.0, 3)?, normal(8, 0.5, 4)?);
        let neighbours = Neighbours::new(&a, &b);
        let mean = |left: std::ops::Range<usize>, right: std::ops::Range<usize>| {
            let pairs = left.flat_map(|i| right.clone().map(move |j| (i, j)));
            pairs
                .map(|(i, j)| f64::from(neighbours.distances[i * 16 + j]))
                .sum::<f64>()
                / 64.0
        };
        let expected = 2.0 * mean(0..8, 8..16) - mean(0..8, 0..8) - mean(8..16, 8..16);
        let labels: Vec<bool> = (0..16).map(|row| row < 8).collect();
        assert!((energy(&neighbours, &labels) - expected).abs() < 1e-5);
        Ok(())
    }
}
