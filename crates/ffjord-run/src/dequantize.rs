//! Uniform noise on columns that lie on a lattice.

use crate::error::Result;
use candle_core::{DType, Device};
use ffjord_data::Matrix;
use ffjord_train::{Batch, BatchSource, Purpose, Streams, TrainError, to_tensor};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Adds to every value uniform noise of its column's step, centred, so that a lattice becomes a density whose mean over
/// a cell is the probability of the cell's point over the step.
pub(crate) fn spread(rows: &Matrix<f64>, steps: &[f64], rng: &mut ChaCha8Rng) -> Result<Matrix<f64>> {
    spread_each(rows, steps, |row| add_noise(row, steps, rng))
}

/// The same with noise that is a function of the row's own values: rows that are equal get the same.
pub(crate) fn spread_by_value(rows: &Matrix<f64>, steps: &[f64], streams: &Streams) -> Result<Matrix<f64>> {
    spread_each(rows, steps, |row| {
        // The hash of Fowler, Noll and Vo (FNV-1a), by words; zeros are the same with either sign.
        let words = row.iter().map(|value| (value + 0.0).to_bits());
        let hash = words.fold(0xcbf2_9ce4_8422_2325, |hash: u64, word| {
            (hash ^ word).wrapping_mul(0x0100_0000_01b3)
        });
        add_noise(row, steps, &mut streams.rng(Purpose::Test, hash, NOISE));
    })
}

fn spread_each(rows: &Matrix<f64>, steps: &[f64], mut visit: impl FnMut(&mut [f64])) -> Result<Matrix<f64>> {
    let mut values = rows.as_slice().to_vec();
    values.chunks_exact_mut(steps.len().max(1)).for_each(&mut visit);
    Ok(Matrix::new(rows.rows(), rows.columns(), values)?)
}

fn add_noise(row: &mut [f64], steps: &[f64], rng: &mut ChaCha8Rng) {
    for (value, step) in row.iter_mut().zip(steps).filter(|(_, step)| **step > 0.0) {
        *value += noise(*step, rng);
    }
}

fn noise(step: f64, rng: &mut ChaCha8Rng) -> f64 {
    step * (rng.random::<f64>() - 0.5)
}

/// The index of the part of a purpose's stream that noise on stored rows comes from.
pub(crate) const NOISE: u64 = 3;

/// Batches of another source with fresh noise on columns that lie on lattices: a function of seed and iteration.
pub(crate) struct Dequantized<S> {
    pub source: S,
    /// Steps in the model's units, `[D]`; 0 for columns without noise.
    pub steps: Vec<f64>,
    pub dtype: DType,
}

impl<S: BatchSource> BatchSource for Dequantized<S> {
    fn batch(&self, iteration: u64, streams: &Streams) -> Result<Batch, TrainError> {
        let Batch { x, given } = self.source.batch(iteration, streams)?;
        let mut rng = streams.rng(Purpose::Data, iteration, NOISE);
        let (rows, columns) = (x.dim(0)?, self.steps.len());
        let values = (0..rows)
            .flat_map(|_| &self.steps)
            .map(|step| noise(*step, &mut rng))
            .collect();
        let noise = to_tensor(&Matrix::new(rows, columns, values)?, self.dtype, &Device::Cpu)?;
        Batch::new((x + noise)?, given)
    }
}
