//! Linear operators that are only known by their products.

use crate::error::TraceError;
use crate::probe::Probes;
use crate::scalar::Scalar;
use std::convert::Infallible;
use std::fmt;

/// A batch of B square linear operators on vectors of dimension D, known only by products.
///
/// ```
/// use ffjord_trace::{Exact, LinearOperator, TraceEstimator};
/// use ffjord_trace::rand::{SeedableRng, rngs::StdRng};
///
/// /// The reflection `v − 2 u (uᵀv)` in a plane, u of length 1.
/// struct Reflection(Vec<f64>);
///
/// impl LinearOperator<f64> for Reflection {
///     type Error = std::convert::Infallible;
///     fn batch(&self) -> usize { 1 }
///     fn dimension(&self) -> usize { self.0.len() }
///     fn apply(&self, vectors: &[f64], products: &mut [f64]) -> Result<(), Self::Error> {
///         let columns = self.0.len();
///         for (v, out) in vectors.chunks_exact(columns).zip(products.chunks_exact_mut(columns)) {
///             let along: f64 = v.iter().zip(&self.0).map(|(v, u)| v * u).sum();
///             for ((out, v), u) in out.iter_mut().zip(v).zip(&self.0) {
///                 *out = v - 2.0 * along * u;
///             }
///         }
///         Ok(())
///     }
/// }
///
/// let reflection = Reflection(vec![0.6, 0.0, 0.8]);
/// let estimate = Exact.draw_and_estimate(&reflection, &mut StdRng::seed_from_u64(0))?;
/// assert!((estimate.trace[0] - 1.0).abs() < 1e-12);
/// # Ok::<(), ffjord_trace::TraceError>(())
/// ```
pub trait LinearOperator<T> {
    /// Why a product failed; [`Infallible`] if it cannot.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The number B of operators.
    fn batch(&self) -> usize;

    /// The dimension D.
    fn dimension(&self) -> usize;

    /// Writes the products of vectors `[K, B, D]` into `products` `[K, B, D]`: vector `[k, b]` is multiplied by
    /// operator b. Both slices have the same length.
    ///
    /// # Errors
    /// The operator's own.
    fn apply(&self, vectors: &[T], products: &mut [T]) -> Result<(), Self::Error>;
}

/// An operator given by a closure `|vectors: &[T], products: &mut [T]|`.
///
/// ```
/// use ffjord_trace::{Exact, FunctionOperator, TraceEstimator};
/// use ffjord_trace::rand::{SeedableRng, rngs::StdRng};
///
/// // Two rows of the operator 3·identity on ℝ⁴.
/// let operator = FunctionOperator::new(2, 4, |v: &[f64], out: &mut [f64]| {
///     out.iter_mut().zip(v).for_each(|(out, v)| *out = 3.0 * v);
/// });
/// let mut rng = StdRng::seed_from_u64(0);
/// let estimate = Exact.draw_and_estimate(&operator, &mut rng)?;
/// assert_eq!(estimate.trace, [12.0, 12.0]);
/// # Ok::<(), ffjord_trace::TraceError>(())
/// ```
#[derive(Clone, Copy)]
pub struct FunctionOperator<F> {
    batch: usize,
    dimension: usize,
    function: F,
}

impl<F> FunctionOperator<F> {
    /// The operators on `batch` rows of `dimension` numbers whose products `function` writes.
    pub fn new(batch: usize, dimension: usize, function: F) -> Self {
        Self {
            batch,
            dimension,
            function,
        }
    }
}

impl<F> fmt::Debug for FunctionOperator<F> {
    /// The sizes; most functions have nothing to show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionOperator")
            .field("batch", &self.batch)
            .field("dimension", &self.dimension)
            .finish_non_exhaustive()
    }
}

impl<T, F: Fn(&[T], &mut [T])> LinearOperator<T> for FunctionOperator<F> {
    type Error = Infallible;

    fn batch(&self) -> usize {
        self.batch
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn apply(&self, vectors: &[T], products: &mut [T]) -> Result<(), Infallible> {
        (self.function)(vectors, products);
        Ok(())
    }
}

/// Dense matrices, for tests and small problems.
///
/// ```
/// use ffjord_trace::{DenseOperator, LinearOperator};
///
/// let operator = DenseOperator::new(2, vec![1.0, 2.0, 3.0, 4.0])?;
/// let mut product = [0.0; 2];
/// operator.apply(&[1.0, -1.0], &mut product)?;
/// assert_eq!(product, [-1.0, -1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DenseOperator<T> {
    dimension: usize,
    matrices: Vec<T>,
}

impl<T: Scalar> DenseOperator<T> {
    /// The operators with these row-major matrices `[B, D, D]`.
    ///
    /// # Errors
    /// [`TraceError::Empty`] or [`TraceError::Shape`] unless the length is a positive multiple of D².
    pub fn new(dimension: usize, matrices: Vec<T>) -> Result<Self, TraceError> {
        if dimension == 0 || matrices.is_empty() {
            return Err(TraceError::Empty {
                what: "the dimension or the number of matrices",
            });
        }
        let square = dimension.saturating_mul(dimension);
        if !matrices.len().is_multiple_of(square) {
            let batch = matrices.len().div_ceil(square);
            return Err(TraceError::Shape {
                given: matrices.len(),
                count: dimension,
                batch,
                dimension,
            });
        }
        Ok(Self { dimension, matrices })
    }

    /// The entries of any operator, from D products with the unit vectors; for looking at them, and for the formulas
    /// that need them such as [`single_probe_variance`](crate::single_probe_variance).
    ///
    /// # Errors
    /// [`TraceError::Empty`] when the operator has no entries, [`TraceError::Operator`] when a product fails.
    ///
    /// ```
    /// use ffjord_trace::{DenseOperator, FunctionOperator};
    ///
    /// let swap = FunctionOperator::new(1, 2, |v: &[f64], out: &mut [f64]| {
    ///     v.chunks(2).zip(out.chunks_mut(2)).for_each(|(v, out)| out.copy_from_slice(&[v[1], v[0]]));
    /// });
    /// assert_eq!(DenseOperator::from_products(&swap)?, DenseOperator::new(2, vec![0.0, 1.0, 1.0, 0.0])?);
    /// # Ok::<(), ffjord_trace::TraceError>(())
    /// ```
    pub fn from_products<A: LinearOperator<T>>(operator: &A) -> Result<Self, TraceError<A::Error>> {
        let (batch, dimension) = (operator.batch(), operator.dimension());
        let units = Probes::unit_vectors(batch, dimension).map_err(TraceError::widen)?;
        let mut columns = vec![T::default(); units.vectors().len()];
        operator
            .apply(units.vectors(), &mut columns)
            .map_err(TraceError::Operator)?;
        let mut matrices = vec![T::default(); columns.len()];
        for (index, column) in columns.chunks_exact(dimension).enumerate() {
            let (j, row) = (index / batch, index % batch);
            for (i, entry) in column.iter().enumerate() {
                matrices[(row * dimension + i) * dimension + j] = *entry;
            }
        }
        Ok(Self { dimension, matrices })
    }

    /// The row-major matrices `[D, D]`, one for each row of the batch.
    pub fn matrices(&self) -> impl ExactSizeIterator<Item = &[T]> {
        self.matrices.chunks_exact(self.dimension * self.dimension)
    }
}

impl<T: Scalar> LinearOperator<T> for DenseOperator<T> {
    type Error = Infallible;

    fn batch(&self) -> usize {
        self.matrices.len() / (self.dimension * self.dimension)
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn apply(&self, vectors: &[T], products: &mut [T]) -> Result<(), Infallible> {
        let rows = vectors
            .chunks_exact(self.dimension)
            .zip(products.chunks_exact_mut(self.dimension));
        let matrices = self.matrices.chunks_exact(self.dimension * self.dimension).cycle();
        for ((vector, product), matrix) in rows.zip(matrices) {
            for (entry, row) in product.iter_mut().zip(matrix.chunks_exact(self.dimension)) {
                *entry = T::from_f64(row.iter().zip(vector).map(|(a, b)| a.to_f64() * b.to_f64()).sum());
            }
        }
        Ok(())
    }
}
