//! XNysTrace: XTrace's idea for positive semi-definite operators, with one product a test vector.

use crate::columns::{Columns, cholesky, dot, inverse_of_lower, products};
use crate::error::TraceError;
use crate::estimator::{TraceEstimate, TraceEstimator, check_probes, collect, require_products};
use crate::leave_out::{self, Sketch};
use crate::operator::LinearOperator;
use crate::probe::{ProbeDistribution, Probes};
use crate::scalar::Scalar;
use rand::Rng;

/// For symmetric positive semi-definite operators: the mean over i of `tr A⟨Ω₍ᵢ₎⟩ + νᵢᵀ (A − A⟨Ω₍ᵢ₎⟩) νᵢ` with
/// Nyström's approximation `A⟨Ω⟩ = AΩ (ΩᵀAΩ)⁻¹ (AΩ)ᵀ`, Ω₍ᵢ₎ all test vectors but ωᵢ, and νᵢ the part of ωᵢ at right
/// angles to them, scaled to the radius `√(D − k + 1)` (Epperly, Tropp, Webber 2024, algorithm 2 with the normalisation
/// of section 2.3).
///
/// The Jacobian of a flow is not positive semi-definite in general; covariance and kernel matrices are. The variance is
/// the jackknife's, as for [`XTrace`](crate::XTrace).
///
/// ```
/// use ffjord_trace::{FunctionOperator, TraceEstimator, XNysTrace};
/// use ffjord_trace::rand::{SeedableRng, rngs::StdRng};
///
/// // diag(1, 1/4, 1/9, …) on ℝ²⁰⁰.
/// let operator = FunctionOperator::new(1, 200, |v: &[f64], out: &mut [f64]| {
///     for (i, (out, v)) in out.iter_mut().zip(v).enumerate() {
///         *out = v / ((i % 200 + 1) as f64).powi(2);
///     }
/// });
/// let exact: f64 = (1..=200).map(|i| 1.0 / f64::from(i * i)).sum();
/// let mut rng = StdRng::seed_from_u64(0);
/// let estimate = XNysTrace { products: 30 }.draw_and_estimate(&operator, &mut rng)?;
/// assert!((estimate.trace[0] - exact).abs() < 0.01);
/// # Ok::<(), ffjord_trace::TraceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XNysTrace {
    /// The number k of products with each operator, at least 1; more than D add nothing and are not taken.
    pub products: usize,
}

impl XNysTrace {
    fn tests(&self, dimension: usize) -> Result<usize, TraceError> {
        require_products("XNysTrace", self.products, 1)?;
        Ok(self.products.min(dimension))
    }
}

impl<T: Scalar> TraceEstimator<T> for XNysTrace {
    /// Test vectors on the sphere of radius √D.
    ///
    /// # Errors
    /// [`TraceError::TooFewProducts`] without products; otherwise as [`Probes::draw`].
    fn draw<R: Rng + ?Sized>(&self, batch: usize, dimension: usize, rng: &mut R) -> Result<Probes<T>, TraceError> {
        let tests = self.tests(dimension.max(1))?;
        Probes::draw(ProbeDistribution::Sphere, tests, batch, dimension, rng)
    }

    /// # Errors
    /// [`TraceError::NotPositive`] when the products show that an operator is not positive semi-definite; not every one
    /// that is not is found out.
    fn estimate<A: LinearOperator<T>>(
        &self,
        operator: &A,
        probes: &Probes<T>,
    ) -> Result<TraceEstimate, TraceError<A::Error>> {
        let (batch, dimension) = (operator.batch(), operator.dimension());
        let count = self.tests(dimension).map_err(TraceError::widen)?;
        check_probes(operator, probes, count)?;
        let tests = Columns::of_rows(probes.vectors(), batch, dimension);
        let images = products(operator, &tests)?;
        let mut rows = Vec::with_capacity(batch);
        for (row, (tests, images)) in tests.iter().zip(&images).enumerate() {
            // Nothing to sketch, and nothing in proportion to which a shift could be.
            if images.contract(images) == 0.0 {
                rows.push((0.0, (count > 1).then_some(0.0)));
                continue;
            }
            let sketch = NystromSketch::new(tests, images, T::EPSILON).ok_or(TraceError::NotPositive { row })?;
            rows.push(leave_out::estimate(&sketch));
        }
        Ok(collect(rows.into_iter(), count))
    }
}

/// The small matrices of one row, of test vectors Ω `[D, k]` and the images Y = (A + νI) Ω.
struct NystromSketch {
    dimension: usize,
    /// The shift ν.
    shift: f64,
    /// `H = Ωᵀ(A + νI)Ω`.
    core: Columns,
    /// `QᵀY` with a basis Q of Y's span, in which the images have the same products with each other.
    images: Columns,
    /// `ΩᵀΩ`.
    gram: Columns,
    /// `L⁻¹` of `H = L Lᵀ`, row by row.
    inverse: Vec<Vec<f64>>,
    /// The same of `ΩᵀΩ`.
    gram_inverse: Vec<Vec<f64>>,
}

impl NystromSketch {
    /// None unless what the products show is symmetric positive semi-definite.
    fn new(tests: &Columns, images: &Columns, epsilon: f64) -> Option<Self> {
        let (count, dimension) = (tests.count(), tests.dimension());
        // A + νI has a factor where A is singular; the trace of νI is taken off again.
        let norm = images.contract(images).sqrt();
        let shift = 8.0 * epsilon * norm * (count as f64 / dimension as f64).sqrt();
        let mut shifted = Columns::new(dimension);
        for (image, test) in images.iter().zip(tests.iter()) {
            shifted.push(image.iter().zip(test).map(|(image, test)| image + shift * test));
        }
        let core = tests.transposed_times_all(&shifted);
        if is_asymmetric(&core, epsilon.sqrt()) {
            return None;
        }
        let images = shifted.orthonormal().transposed_times_all(&shifted);
        Self::of_matrices(dimension, shift, core, images, tests.transposed_times_all(tests))
    }

    fn of_matrices(dimension: usize, shift: f64, core: Columns, images: Columns, gram: Columns) -> Option<Self> {
        let inverse = inverse_of_lower(&cholesky(&core)?);
        let gram_inverse = inverse_of_lower(&cholesky(&gram)?);
        Some(Self {
            dimension,
            shift,
            core,
            images,
            gram,
            inverse,
            gram_inverse,
        })
    }
}

impl Sketch for NystromSketch {
    fn count(&self) -> usize {
        self.core.count()
    }

    fn terms(&self) -> Vec<f64> {
        let length = self.images.dimension();
        // With F = Y L⁻ᵀ: A⟨Ω⟩ = F Fᵀ, and leaving out ωᵢ takes off Y H⁻¹eᵢ, scaled by (H⁻¹)ᵢᵢ.
        let mut factor = Columns::new(length);
        for row in &self.inverse {
            factor.push(self.images.times(row));
        }
        let trace = factor.contract(&factor) - self.shift * self.dimension as f64;
        let room = (self.dimension - self.count() + 1) as f64;
        let term = |i: usize| {
            let mut without = vec![0.0; length];
            for (row, column) in self.inverse.iter().zip(factor.iter()).skip(i) {
                without.iter_mut().zip(column).for_each(|(sum, f)| *sum += row[i] * f);
            }
            // ωᵢᵀ (A − A⟨Ω₍ᵢ₎⟩) ωᵢ = 1/(H⁻¹)ᵢᵢ, and the part of ωᵢ outside the others' span has the square
            // 1/((ΩᵀΩ)⁻¹)ᵢᵢ.
            let scale = room * diagonal(&self.gram_inverse, i);
            trace + (scale - dot(&without, &without)) / diagonal(&self.inverse, i)
        };
        (0..self.count()).map(term).collect()
    }

    fn without(&self, index: usize) -> Option<Self> {
        Self::of_matrices(
            self.dimension,
            self.shift,
            self.core.without(index).without_entry(index),
            self.images.without(index),
            self.gram.without(index).without_entry(index),
        )
    }

    fn is_complete(&self) -> bool {
        self.count() == self.dimension
    }
}

/// `(M⁻¹)ᵢᵢ` from the inverse of M's lower factor.
fn diagonal(inverse: &[Vec<f64>], i: usize) -> f64 {
    inverse[i..].iter().map(|row| row[i] * row[i]).sum()
}

/// Whether `H` differs from its transpose by more than `tolerance` of its largest entry.
fn is_asymmetric(matrix: &Columns, tolerance: f64) -> bool {
    let entries = || matrix.iter().enumerate();
    let largest = matrix
        .iter()
        .flatten()
        .fold(0.0f64, |most, entry| most.max(entry.abs()));
    entries().any(|(j, column)| (0..j).any(|i| (column[i] - matrix.get(i)[j]).abs() > tolerance * largest))
}
