//! What a dataset is: a name, its origin, and three splits.

use crate::{DataError, Matrix};

/// The three parts of a dataset, each `[rows, D]` with the same `D`, ready for a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Splits<T = f32> {
    /// Rows to fit weights on.
    pub train: Matrix<T>,
    /// Rows to choose a model by: early stopping, learning-rate drops.
    pub validation: Matrix<T>,
    /// Rows to report on, used once.
    pub test: Matrix<T>,
}

/// A dataset for density estimation.
///
/// One type is one dataset and knows its original files, its preprocessing and its split.
pub trait Dataset {
    /// A short lower-case name, as used on a command line.
    fn name(&self) -> &str;
    /// The work to cite.
    fn citation(&self) -> &str;
    /// The licence the data comes under.
    fn licence(&self) -> &str;
    /// The number of variables `D`.
    fn dimension(&self) -> usize;
    /// Reads, verifies, preprocesses and splits the data.
    ///
    /// # Errors
    /// [`DataError`] for files that are missing, damaged or not this dataset.
    fn load(&self) -> Result<Splits, DataError>;
}
