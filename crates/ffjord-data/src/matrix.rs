//! The one container of data: a dense, row-major table of numbers.

use std::{ops::Range, slice::ChunksExact};

use crate::DataError;

/// The number types a [`Matrix`] can hold: `f32` and `f64`.
///
/// ```
/// use ffjord_data::{Element, Matrix};
/// fn sum<T: Element>(matrix: &Matrix<T>) -> f64 {
///     matrix.as_slice().iter().map(|value| value.to_f64()).sum()
/// }
/// assert_eq!(sum(&Matrix::from_rows(&[[1.0_f32, 2.0]])), sum(&Matrix::from_rows(&[[1.0_f64, 2.0]])));
/// assert_eq!(f32::from_f64(0.1), 0.1_f32);
/// ```
pub trait Element: Copy + Default + PartialEq + std::fmt::Debug + Send + Sync + sealed::Sealed + 'static {
    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// The same value in double precision.
    fn to_f64(self) -> f64;
}

impl Element for f32 {
    fn from_f64(value: f64) -> Self {
        value as f32
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Element for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A dense matrix `[rows, columns]` in row-major order: one row is one observation, one column one variable.
///
/// It has at least one column; it may have no rows.
///
/// ```
/// use ffjord_data::Matrix;
///
/// let matrix = Matrix::new(2, 3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// assert_eq!(matrix.row(1), [4.0, 5.0, 6.0]);
/// assert_eq!(matrix.select(&[1, 0, 1])?.rows(), 3);
/// assert_eq!(matrix.slice(1..2)?.as_slice(), [4.0, 5.0, 6.0]);
/// assert_eq!(matrix.column_means(), [2.5, 3.5, 4.5]);
/// # Ok::<(), ffjord_data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix<T> {
    values: Vec<T>,
    rows: usize,
    columns: usize,
}

impl<T: Element> Matrix<T> {
    /// A matrix `[rows, columns]` of `values` in row-major order.
    ///
    /// # Errors
    /// [`DataError::Shape`] if there are not `rows × columns` values, or no columns.
    pub fn new(rows: usize, columns: usize, values: Vec<T>) -> Result<Self, DataError> {
        if columns == 0 || rows.checked_mul(columns) != Some(values.len()) {
            return Err(DataError::Shape {
                rows,
                columns,
                values: values.len(),
            });
        }
        Ok(Self { values, rows, columns })
    }

    /// A matrix `[rows, N]` from rows of known width.
    ///
    /// ```
    /// let points = ffjord_data::Matrix::from_rows(&[[0.0_f32, 1.0], [2.0, 3.0]]);
    /// assert_eq!((points.rows(), points.columns()), (2, 2));
    /// ```
    pub fn from_rows<const N: usize>(rows: &[[T; N]]) -> Self {
        const { assert!(N > 0, "a matrix has at least one column") };
        Self {
            values: rows.as_flattened().to_vec(),
            rows: rows.len(),
            columns: N,
        }
    }

    /// A matrix of as many rows as `values` fills; `columns` is known to be at least one.
    pub(crate) fn from_parts(columns: usize, values: Vec<T>) -> Self {
        debug_assert!(columns > 0 && values.len().is_multiple_of(columns));
        Self {
            rows: values.len() / columns,
            columns,
            values,
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Row `index`, `[columns]`.
    ///
    /// # Panics
    /// As a slice does, if `index` is not below [`rows`](Self::rows).
    pub fn row(&self, index: usize) -> &[T] {
        &self.values[index * self.columns..(index + 1) * self.columns]
    }

    /// All rows in order, each `[columns]`.
    ///
    /// ```
    /// let matrix = ffjord_data::Matrix::from_rows(&[[1.0, 2.0], [3.0, 4.0]]);
    /// let sums: Vec<f64> = matrix.iter_rows().map(|row| row.iter().sum()).collect();
    /// assert_eq!(sums, [3.0, 7.0]);
    /// ```
    pub fn iter_rows(&self) -> ChunksExact<'_, T> {
        self.values.chunks_exact(self.columns)
    }

    /// All values in row-major order.
    pub fn as_slice(&self) -> &[T] {
        &self.values
    }

    /// All values in row-major order, to be changed in place.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.values
    }

    /// Gives up the matrix for its values in row-major order.
    pub fn into_vec(self) -> Vec<T> {
        self.values
    }

    /// The rows `indices` in that order, `[indices.len(), columns]`; an index may occur more than once.
    ///
    /// # Errors
    /// [`DataError::RowOutOfRange`] for an index that is not a row.
    pub fn select(&self, indices: &[u32]) -> Result<Self, DataError> {
        let mut values = Vec::with_capacity(indices.len() * self.columns);
        for &index in indices {
            let row = index as usize;
            if row >= self.rows {
                return Err(DataError::RowOutOfRange { row, rows: self.rows });
            }
            values.extend_from_slice(self.row(row));
        }
        Ok(Self {
            values,
            rows: indices.len(),
            columns: self.columns,
        })
    }

    /// A copy of the rows in `range`, `[range.len(), columns]`.
    ///
    /// # Errors
    /// [`DataError::RowOutOfRange`] if the range is reversed or ends beyond the last row.
    pub fn slice(&self, range: Range<usize>) -> Result<Self, DataError> {
        let outside = DataError::RowOutOfRange {
            row: range.end.max(range.start),
            rows: self.rows,
        };
        if range.start > range.end || range.end > self.rows {
            return Err(outside);
        }
        let values = self.values[range.start * self.columns..range.end * self.columns].to_vec();
        Ok(Self {
            values,
            rows: range.len(),
            columns: self.columns,
        })
    }

    /// Some columns in this order; all of them are known to exist, and to be at least one.
    pub(crate) fn select_columns(&self, columns: &[usize]) -> Self {
        let values = self
            .iter_rows()
            .flat_map(|row| columns.iter().map(|&column| row[column]));
        Self::from_parts(columns.len(), values.collect())
    }

    /// The same values in another precision.
    ///
    /// ```
    /// let mut matrix = ffjord_data::Matrix::from_rows(&[[0.1_f64, 2.0]]);
    /// matrix.as_mut_slice()[1] = 3.0;
    /// assert_eq!(matrix.cast::<f32>().into_vec(), [0.1, 3.0]);
    /// ```
    pub fn cast<U: Element>(&self) -> Matrix<U> {
        let values = self.values.iter().map(|value| U::from_f64(value.to_f64())).collect();
        Matrix {
            values,
            rows: self.rows,
            columns: self.columns,
        }
    }

    /// The mean of every column, `[columns]`, summed in double precision; NaN where there are no rows.
    pub fn column_means(&self) -> Vec<f64> {
        column_means(self.iter_rows(), self.columns)
    }

    /// The population standard deviation of every column (divisor `rows`, as numpy's default), `[columns]`.
    ///
    /// Two passes, so a large common offset costs no precision. NaN where there are no rows.
    ///
    /// ```
    /// let matrix = ffjord_data::Matrix::from_rows(&[[1.0e9], [1.0e9 + 2.0]]);
    /// assert_eq!(matrix.column_stds(), [1.0]);
    /// ```
    pub fn column_stds(&self) -> Vec<f64> {
        column_stds(self.iter_rows(), &self.column_means())
    }
}

/// The mean of every column of `rows`, each `[columns]`.
pub(crate) fn column_means<T: Element>(rows: ChunksExact<'_, T>, columns: usize) -> Vec<f64> {
    mean_over_rows(rows, columns, |_, value| value)
}

/// The population standard deviation of every column of `rows`, whose means are given.
pub(crate) fn column_stds<T: Element>(rows: ChunksExact<'_, T>, means: &[f64]) -> Vec<f64> {
    let variances = mean_over_rows(rows, means.len(), |column, value| (value - means[column]).powi(2));
    variances.into_iter().map(f64::sqrt).collect()
}

fn mean_over_rows<T: Element>(
    rows: ChunksExact<'_, T>,
    columns: usize,
    transform: impl Fn(usize, f64) -> f64,
) -> Vec<f64> {
    let count = rows.len() as f64;
    let mut sums = vec![0.0; columns];
    for row in rows {
        for (column, (sum, value)) in sums.iter_mut().zip(row).enumerate() {
            *sum += transform(column, value.to_f64());
        }
    }
    sums.iter().map(|sum| sum / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_must_match_the_values() {
        assert!(matches!(
            Matrix::new(2, 2, vec![0.0; 3]),
            Err(DataError::Shape { values: 3, .. })
        ));
        assert!(matches!(
            Matrix::<f32>::new(3, 0, vec![]),
            Err(DataError::Shape { columns: 0, .. })
        ));
        assert!(Matrix::<f32>::new(usize::MAX, 2, vec![]).is_err());
        assert_eq!(Matrix::<f32>::new(0, 2, vec![]).unwrap().iter_rows().count(), 0);
    }

    #[test]
    #[allow(clippy::reversed_empty_ranges)]
    fn rows_outside_are_errors() {
        let matrix = Matrix::from_rows(&[[1.0, 2.0], [3.0, 4.0]]);
        assert!(matches!(
            matrix.select(&[0, 2]),
            Err(DataError::RowOutOfRange { row: 2, rows: 2 })
        ));
        assert!(matrix.slice(1..3).is_err());
        assert!(matrix.slice(2..1).is_err());
        assert_eq!(matrix.slice(2..2).unwrap().rows(), 0);
    }

    #[test]
    fn standard_deviation_survives_a_large_offset() {
        let matrix = Matrix::from_rows(&[[1e8 + 1.0, 0.5], [1e8 + 2.0, 0.5], [1e8 + 3.0, 0.5]]);
        let stds = matrix.column_stds();
        assert!((stds[0] - (2.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(stds[1], 0.0);
        assert!((matrix.cast::<f32>().column_means()[1] - 0.5).abs() < 1e-12);
    }
}
