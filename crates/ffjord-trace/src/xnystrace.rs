//! XNysTrace: XTrace's idea for positive semi-definite operators, with one product a test vector.

use crate::columns::{Columns, cholesky, dot, inverse_of_lower, products};
use crate::error::TraceError;
use crate::estimator::{TraceEstimate, TraceEstimator, check_probes, collect, mean_with_variance};
use crate::operator::LinearOperator;
use crate::probe::{ProbeDistribution, Probes};
use crate::scalar::Scalar;
use rand::Rng;

/// For symmetric positive semi-definite operators: the mean over i of `tr A⟨Ω₍ᵢ₎⟩ + νᵢᵀ (A − A⟨Ω₍ᵢ₎⟩) νᵢ` with Nyström's
/// approximation `A⟨Ω⟩ = AΩ (ΩᵀAΩ)⁻¹ (AΩ)ᵀ`, Ω₍ᵢ₎ all test vectors but ωᵢ, and νᵢ the part of ωᵢ at right angles to
/// them, scaled to the radius `√(D − k + 1)` (Epperly, Tropp, Webber 2024, algorithm 2 with the normalisation of section
/// 2.3).
///
/// The Jacobian of a flow is not positive semi-definite in general; covariance and kernel matrices are. The variance is
/// the sample variance over i of that mean, as for [`XTrace`](crate::XTrace); where the spectrum hardly decays it can be
/// a third of the true one, since the terms have nearly everything in common.
///
/// ```
/// use ffjord_trace::{FunctionOperator, TraceEstimator, XNysTrace};
/// use rand::SeedableRng;
///
/// // diag(1, 1/4, 1/9, …) on ℝ²⁰⁰.
/// let operator = FunctionOperator::new(1, 200, |v: &[f64], out: &mut [f64]| {
///     for (i, (out, v)) in out.iter_mut().zip(v).enumerate() {
///         *out = v / ((i % 200 + 1) as f64).powi(2);
///     }
/// });
/// let exact: f64 = (1..=200).map(|i| 1.0 / f64::from(i * i)).sum();
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
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
        if self.products == 0 {
            return Err(TraceError::TooFewProducts {
                estimator: "XNysTrace",
                given: 0,
                least: 1,
            });
        }
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
            let terms = terms(tests, images, T::EPSILON).ok_or(TraceError::NotPositive { row })?;
            rows.push(mean_with_variance(terms.into_iter()));
        }
        Ok(collect(rows.into_iter(), count))
    }
}

/// The estimate that leaves out one test vector at a time; none if the operator is not positive semi-definite.
fn terms(tests: &Columns, images: &Columns, epsilon: f64) -> Option<Vec<f64>> {
    let (count, dimension) = (tests.count(), tests.get(0).len() as f64);
    let norm = images.contract(images).sqrt();
    if norm == 0.0 {
        return Some(vec![0.0; count]);
    }
    // A + νI has a factor where A is singular; the trace of νI is taken off again.
    let shift = 8.0 * epsilon * norm * (count as f64 / dimension).sqrt();
    let mut shifted = Columns::new(tests.get(0).len());
    for (image, test) in images.iter().zip(tests.iter()) {
        shifted.push(image.iter().zip(test).map(|(image, test)| image + shift * test));
    }
    let core = tests.transposed_times_all(&shifted);
    if is_asymmetric(&core, epsilon.sqrt()) {
        return None;
    }
    // With H = ΩᵀAΩ = L Lᵀ and F = AΩ L⁻ᵀ: A⟨Ω⟩ = F Fᵀ, and leaving out ωᵢ takes off AΩ H⁻¹eᵢ, scaled by (H⁻¹)ᵢᵢ.
    let inverse = inverse_of_lower(&cholesky(&core)?);
    let mut factor = Columns::new(tests.get(0).len());
    for row in &inverse {
        factor.push((0..tests.get(0).len()).map(|entry| {
            let terms = row.iter().zip(shifted.iter());
            terms.map(|(weight, image)| weight * image[entry]).sum()
        }));
    }
    let gram = inverse_of_lower(&cholesky(&tests.transposed_times_all(tests))?);
    let diagonal = |inverse: &[Vec<f64>], i: usize| inverse[i..].iter().map(|row| row[i] * row[i]).sum::<f64>();
    let trace = factor.contract(&factor) - shift * dimension;
    let term = |i: usize| {
        let mut without = vec![0.0; tests.get(0).len()];
        for (row, column) in inverse.iter().zip(factor.iter()).skip(i) {
            without.iter_mut().zip(column).for_each(|(sum, f)| *sum += row[i] * f);
        }
        // ωᵢᵀ (A − A⟨Ω₍ᵢ₎⟩) ωᵢ = 1/(H⁻¹)ᵢᵢ, and the part of ωᵢ outside the others' span has the square 1/((ΩᵀΩ)⁻¹)ᵢᵢ.
        let scale = (dimension - count as f64 + 1.0) * diagonal(&gram, i);
        trace + (scale - dot(&without, &without)) / diagonal(&inverse, i)
    };
    Some((0..count).map(term).collect())
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
