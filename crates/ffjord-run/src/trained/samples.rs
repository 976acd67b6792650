//! Samples of a trained flow, in the units of its caller.

use super::{Trained, Units};
use crate::error::Result;
use crate::sampling::Draw;
use ffjord_data::Matrix;
use ffjord_train::{Alone, Communicator, Streams};

/// Samples drawn at a time.
const DRAWN: usize = 4096;

impl Trained {
    /// `count` samples `[count, D]`; the same seed draws the same ones.
    ///
    /// # Errors
    /// [`MissingCondition`](crate::RunError::MissingCondition) for a conditional flow, and the flow's when a solve fails.
    pub fn sample(&self, count: usize, seed: u64) -> Result<Matrix<f64>> {
        self.sample_at(1.0, count, seed)
    }

    /// The same of noise whose standard deviation is `temperature`: below 1, samples stay near the middle of what the flow
    /// has learnt.
    ///
    /// # Errors
    /// As [`sample`](Self::sample), and for a temperature that is negative or no number.
    pub fn sample_at(&self, temperature: f64, count: usize, seed: u64) -> Result<Matrix<f64>> {
        self.sample_together(count, temperature, seed, &Alone)
    }

    /// The same samples, on every one of the processes that `communicator` connects: each draws a part of them.
    ///
    /// # Errors
    /// As [`sample_at`](Self::sample_at), on all processes alike.
    pub fn sample_together(
        &self,
        count: usize,
        temperature: f64,
        seed: u64,
        communicator: &dyn Communicator,
    ) -> Result<Matrix<f64>> {
        self.check_condition(None)?;
        self.draw(count, None, temperature, seed, communicator)
    }

    /// A sample for every row of conditions `[B, C]`, `[B, D]`; the same seed and conditions draw the same ones.
    ///
    /// ```no_run
    /// use ffjord_run::{Matrix, Trained};
    ///
    /// // Trained with --set 'data.given=["speed", "angle"]'.
    /// let run = Trained::open("runs/measurements")?;
    /// let given = Matrix::from_rows(&[[12.5, 0.3], [13.0, 0.3]]);
    /// let samples = run.sample_given(&given, 0)?;
    /// println!("{:?}", run.log_prob_given(&samples, &given)?);
    /// # Ok::<(), ffjord_run::RunError>(())
    /// ```
    ///
    /// # Errors
    /// [`UnexpectedCondition`](crate::RunError::UnexpectedCondition) for a flow that is not conditional,
    /// [`ConditionColumns`](crate::RunError::ConditionColumns) for conditions of another width, and the flow's when a
    /// solve fails.
    pub fn sample_given(&self, given: &Matrix<f64>, seed: u64) -> Result<Matrix<f64>> {
        self.sample_given_together(given, seed, &Alone)
    }

    /// The same samples, on every one of the processes that `communicator` connects: each draws a part of them.
    ///
    /// # Errors
    /// As [`sample_given`](Self::sample_given), on all processes alike.
    pub fn sample_given_together(
        &self,
        given: &Matrix<f64>,
        seed: u64,
        communicator: &dyn Communicator,
    ) -> Result<Matrix<f64>> {
        self.check_condition(Some(given.columns()))?;
        let own = self.given.as_ref().filter(|_| self.units == Units::Data);
        let scaled = own.map(|own| own.standardizer.apply(given)).transpose()?;
        self.draw(
            given.rows(),
            Some(scaled.as_ref().unwrap_or(given)),
            1.0,
            seed,
            communicator,
        )
    }

    /// Samples `[B, D]` as a caller gets them, of conditions as the model takes them.
    fn draw(
        &self,
        count: usize,
        given: Option<&Matrix<f64>>,
        temperature: f64,
        seed: u64,
        communicator: &dyn Communicator,
    ) -> Result<Matrix<f64>> {
        let draw = Draw {
            count,
            given,
            temperature,
            batch: DRAWN,
        };
        let values = draw.together(&self.model, &Streams::new(seed), communicator)?;
        let drawn = Matrix::new(count, self.dimension(), values)?;
        match self.rescaling() {
            Some(standardizer) => Ok(self.on_lattices(standardizer.invert(&drawn)?)),
            None => Ok(drawn),
        }
    }

    /// Samples in the data's units as the data are: without the noise that the model knows them by.
    fn on_lattices(&self, mut samples: Matrix<f64>) -> Matrix<f64> {
        if !self.dequantized.is_empty() {
            for row in samples.as_mut_slice().chunks_exact_mut(self.dequantized.len()) {
                for (value, lattice) in row.iter_mut().zip(&self.dequantized) {
                    *value = lattice.map_or(*value, |lattice| lattice.nearest(*value));
                }
            }
        }
        samples
    }
}
