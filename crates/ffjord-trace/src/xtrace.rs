//! XTrace: every vector both sketches and tests.

use crate::columns::{Columns, dot, products};
use crate::error::TraceError;
use crate::estimator::{TraceEstimate, TraceEstimator, check_probes, collect, mean_with_variance};
use crate::operator::LinearOperator;
use crate::probe::{ProbeDistribution, Probes};
use crate::scalar::Scalar;
use rand::Rng;

/// The mean over i of `tr Q₍ᵢ₎ᵀAQ₍ᵢ₎ + νᵢᵀ A νᵢ`, where Q₍ᵢ₎ is an orthonormal basis of A times all test vectors but ωᵢ
/// and `νᵢ` is `(I − Q₍ᵢ₎Q₍ᵢ₎ᵀ) ωᵢ` scaled to the radius `√(D − rank Q₍ᵢ₎)` (Epperly, Tropp, Webber 2024, algorithm 1 with
/// the normalisation of section 2.3).
///
/// Every test vector serves as sketch for the others and as probe for what they leave, so that no product is taken for
/// one purpose alone; exact where the rank of A is below the number of test vectors. The variance is the sample
/// variance over i of that mean: an estimate, since the terms depend on each other. Not a sum of quadratic forms with
/// fixed vectors.
///
/// ```
/// use ffjord_trace::{DenseOperator, TraceEstimator, XTrace};
/// use rand::SeedableRng;
///
/// // Rank 2 in dimension 4.
/// let matrix: Vec<f64> = (0..16).map(|i| f64::from((i / 4 + 1) * (i % 4)) + f64::from(i / 4)).collect();
/// let trace = matrix.iter().step_by(5).sum::<f64>();
/// let operator = DenseOperator::new(4, matrix)?;
/// let estimate = XTrace { products: 6 }.draw_and_estimate(&operator, &mut rand_chacha::ChaCha8Rng::seed_from_u64(0))?;
/// assert!((estimate.trace[0] - trace).abs() < 1e-10);
/// # Ok::<(), ffjord_trace::TraceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XTrace {
    /// The number of products with each operator, at least 2: half of them with test vectors, of which more than D add
    /// nothing and are not drawn.
    pub products: usize,
}

impl XTrace {
    fn tests(&self, dimension: usize) -> Result<usize, TraceError> {
        if self.products < 2 {
            return Err(TraceError::TooFewProducts {
                estimator: "XTrace",
                given: self.products,
                least: 2,
            });
        }
        Ok((self.products / 2).min(dimension))
    }
}

impl<T: Scalar> TraceEstimator<T> for XTrace {
    /// Test vectors on the sphere of radius √D.
    ///
    /// # Errors
    /// [`TraceError::TooFewProducts`] for fewer than 2 products; otherwise as [`Probes::draw`].
    fn draw<R: Rng + ?Sized>(&self, batch: usize, dimension: usize, rng: &mut R) -> Result<Probes<T>, TraceError> {
        let tests = self.tests(dimension.max(1))?;
        Probes::draw(ProbeDistribution::Sphere, tests, batch, dimension, rng)
    }

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
        let bases: Vec<Columns> = images.iter().map(Columns::orthonormal).collect();
        let on_bases = products(operator, &bases)?;
        let row = |row: usize| {
            let terms = Sketch::new(&tests[row], &images[row], &bases[row], &on_bases[row]).terms();
            mean_with_variance(terms.into_iter())
        };
        Ok(collect((0..batch).map(row), 2 * count))
    }
}

/// The small matrices of one row: with test vectors Ω `[D, k]` and the basis Q `[D, k]` of A Ω.
struct Sketch<'a> {
    tests: &'a Columns,
    /// `QᵀAQ`.
    core: Columns,
    /// `QᵀAΩ`.
    images: Columns,
    /// `QᵀΩ`.
    along: Columns,
    /// `(AQ)ᵀΩ`.
    across: Columns,
}

impl<'a> Sketch<'a> {
    fn new(tests: &'a Columns, images: &Columns, basis: &Columns, on_basis: &Columns) -> Self {
        Self {
            tests,
            core: basis.transposed_times_all(on_basis),
            images: basis.transposed_times_all(images),
            along: basis.transposed_times_all(tests),
            across: on_basis.transposed_times_all(tests),
        }
    }

    /// `xᵀ QᵀAQ y`.
    fn form(&self, x: &[f64], y: &[f64]) -> f64 {
        self.core.iter().zip(y).map(|(column, y)| dot(column, x) * y).sum()
    }

    /// The estimate that leaves out one test vector at a time, for each of them.
    fn terms(&self) -> Vec<f64> {
        let trace: f64 = self.core.iter().enumerate().map(|(i, column)| column[i]).sum();
        (0..self.tests.count()).map(|index| trace + self.term(index)).collect()
    }

    /// What leaving out test vector `index` adds to `tr QᵀAQ`.
    fn term(&self, index: usize) -> f64 {
        let (image, along) = (self.images.get(index), self.along.get(index));
        // Q₍ᵢ₎Q₍ᵢ₎ᵀ is QQᵀ without the one direction Q s that image i alone contributes.
        let others = self.images.without(index).orthonormal();
        let alone = others.complement(&others.complement(image));
        let norm = dot(&alone, &alone).sqrt();
        let scale = if norm > 1e-13 * dot(image, image).sqrt() {
            norm.recip()
        } else {
            0.0
        };
        let s: Vec<f64> = alone.iter().map(|entry| entry * scale).collect();
        let overlap = dot(&s, along);
        // Q₍ᵢ₎Q₍ᵢ₎ᵀ ωᵢ = Q c.
        let c: Vec<f64> = along.iter().zip(&s).map(|(w, s)| w - overlap * s).collect();
        let rank = others.iter().filter(|column| dot(column, column) > 0.5).count();
        let test = self.tests.get(index);
        let (whole, left) = (dot(test, test), dot(test, test) - dot(&c, &c));
        let rest = if left > 1e-13 * whole {
            let form = overlap * dot(&s, image) - dot(self.across.get(index), &c) + self.form(&c, &c);
            form * (test.len() - rank) as f64 / left
        } else {
            0.0
        };
        rest - self.form(&s, &s)
    }
}
