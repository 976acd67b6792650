//! What a dataset is: a name, its origin, and three splits.

use crate::{DataError, Matrix};

/// The three parts of a dataset, each `[rows, D]` with the same `D`, ready for a model.
///
/// ```
/// use ffjord_data::{Matrix, RowSplit, SplitRule, Splits};
/// let table = Matrix::new(10, 1, (0..10).map(f64::from).collect())?;
/// let rule = SplitRule { test: 0.2, validation: 0.25 };
/// let splits: Splits<f64> = RowSplit::ordered(&rule, table.rows())?.apply(&table)?;
/// assert_eq!(splits.train.as_slice(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
/// assert_eq!((splits.validation.as_slice(), splits.test.as_slice()), (&[6.0, 7.0][..], &[8.0, 9.0][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// One of your own:
///
/// ```
/// use ffjord_data::{ConstantColumns, DataError, Dataset, Matrix, SplitRule, Splits, prepare};
///
/// /// A parabola with a wave on it.
/// struct Parabola;
///
/// impl Dataset for Parabola {
///     fn name(&self) -> &str { "parabola" }
///     fn citation(&self) -> &str { "none: the numbers are made here" }
///     fn licence(&self) -> &str { "CC0" }
///     fn dimension(&self) -> usize { 2 }
///     fn load(&self) -> Result<Splits, DataError> {
///         let at = (0..200).map(|row| f64::from(row) / 100.0 - 1.0);
///         let rows = at.flat_map(|x| [x, x * x + 0.1 * (40.0 * x).sin()]);
///         let table = Matrix::new(200, 2, rows.collect())?;
///         Ok(prepare(&table, None, &SplitRule::default(), ConstantColumns::Reject)?.splits)
///     }
/// }
///
/// let splits = Parabola.load()?;
/// assert_eq!((splits.train.rows(), splits.train.columns()), (162, Parabola.dimension()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
