//! XTrace: every vector both sketches and tests.

use crate::columns::{Columns, dot, inverse_of_lower, products};
use crate::error::TraceError;
use crate::estimator::{TraceEstimate, TraceEstimator, check_probes, collect, require_products};
use crate::leave_out::{self, Sketch};
use crate::operator::LinearOperator;
use crate::probe::{ProbeDistribution, Probes};
use crate::scalar::Scalar;
use rand::Rng;

/// The mean over i of `tr Q₍ᵢ₎ᵀAQ₍ᵢ₎ + νᵢᵀ A νᵢ`, where Q₍ᵢ₎ is an orthonormal basis of A times all test vectors but ωᵢ
/// and `νᵢ` is `(I − Q₍ᵢ₎Q₍ᵢ₎ᵀ) ωᵢ` scaled to the radius `√(D − rank Q₍ᵢ₎)` (Epperly, Tropp, Webber 2024, algorithm 1
/// with the normalisation of section 2.3).
///
/// Every test vector serves as sketch for the others and as probe for what they leave, so that no product is taken for
/// one purpose alone; exact where the rank of A is below the number of test vectors. The variance is the
/// jackknife's, by leaving out one test vector at a time; without further products. Not a sum of quadratic forms with
/// fixed vectors.
///
/// ```
/// use ffjord_trace::{DenseOperator, TraceEstimator, XTrace};
/// use ffjord_trace::rand::{SeedableRng, rngs::StdRng};
///
/// // Rank 2 in dimension 4.
/// let matrix: Vec<f64> = (0..16).map(|i| f64::from((i / 4 + 1) * (i % 4)) + f64::from(i / 4)).collect();
/// let trace = matrix.iter().step_by(5).sum::<f64>();
/// let operator = DenseOperator::new(4, matrix)?;
/// let estimate = XTrace { products: 6 }.draw_and_estimate(&operator, &mut StdRng::seed_from_u64(0))?;
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
        require_products("XTrace", self.products, 2)?;
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
            leave_out::estimate(&XTraceSketch::new(
                &tests[row],
                &images[row],
                &bases[row],
                &on_bases[row],
            ))
        };
        Ok(collect((0..batch).map(row), 2 * count))
    }
}

/// The small matrices of one row: with test vectors Ω `[D, k]` and a basis Q of their images A Ω.
struct XTraceSketch {
    dimension: usize,
    /// `QᵀAQ`.
    core: Columns,
    /// `QᵀAΩ`, upper triangular.
    images: Columns,
    /// `QᵀΩ`.
    along: Columns,
    /// `(AQ)ᵀΩ`.
    across: Columns,
    /// `‖ωᵢ‖²`.
    squares: Vec<f64>,
}

impl XTraceSketch {
    fn new(tests: &Columns, images: &Columns, basis: &Columns, on_basis: &Columns) -> Self {
        Self {
            dimension: tests.dimension(),
            core: basis.transposed_times_all(on_basis),
            images: basis.transposed_times_all(images),
            along: basis.transposed_times_all(tests),
            across: on_basis.transposed_times_all(tests),
            squares: tests.iter().map(|test| dot(test, test)).collect(),
        }
    }

    /// The number of images that do not depend on those before them.
    fn rank(&self) -> usize {
        let diagonal = self.images.iter().enumerate().map(|(i, image)| image[i]);
        diagonal.filter(|entry| *entry != 0.0).count()
    }

    /// `xᵀ QᵀAQ y`.
    fn form(&self, x: &[f64], y: &[f64]) -> f64 {
        self.core.iter().zip(y).map(|(column, y)| dot(column, x) * y).sum()
    }

    /// For each image the unit vector s such that Q s is the direction that no other image has a part of; zero if all
    /// of the image is in the span of the others.
    fn directions(&self) -> Vec<Vec<f64>> {
        let count = self.count();
        if self.rank() == count {
            // Column i of R⁻ᵀ is at right angles to all columns of R but column i.
            let lower: Vec<Vec<f64>> = self.images.iter().enumerate().map(|(i, r)| r[..=i].to_vec()).collect();
            let inverse = inverse_of_lower(&lower);
            let column = |i: usize| (0..count).map(|m| if m < i { 0.0 } else { inverse[m][i] }).collect();
            return (0..count).map(column).map(|z: Vec<f64>| scaled(&z, norm(&z))).collect();
        }
        let alone = |index: usize| {
            let (others, image) = (self.images.without(index).orthonormal(), self.images.get(index));
            let rest = others.complement(&others.complement(image));
            let length = norm(&rest);
            let is_shared = length <= 1e-13 * norm(image);
            scaled(&rest, if is_shared { f64::INFINITY } else { length })
        };
        (0..count).map(alone).collect()
    }

    /// What leaving out test vector `index`, whose image alone has the direction s, adds to `tr QᵀAQ`.
    fn term(&self, index: usize, s: &[f64]) -> f64 {
        let (image, along) = (self.images.get(index), self.along.get(index));
        let overlap = dot(s, along);
        // Q₍ᵢ₎Q₍ᵢ₎ᵀ is QQᵀ without Q s, and Q₍ᵢ₎Q₍ᵢ₎ᵀ ωᵢ = Q c.
        let c: Vec<f64> = along.iter().zip(s).map(|(w, s)| w - overlap * s).collect();
        let rank = self.rank() - usize::from(s.iter().any(|entry| *entry != 0.0));
        let (whole, left) = (self.squares[index], self.squares[index] - dot(&c, &c));
        let rest = if left > 1e-13 * whole {
            let form = overlap * dot(s, image) - dot(self.across.get(index), &c) + self.form(&c, &c);
            form * (self.dimension - rank) as f64 / left
        } else {
            0.0
        };
        rest - self.form(s, s)
    }
}

impl Sketch for XTraceSketch {
    fn count(&self) -> usize {
        self.images.count()
    }

    fn terms(&self) -> Vec<f64> {
        let trace: f64 = self.core.iter().enumerate().map(|(i, column)| column[i]).sum();
        let directions = self.directions();
        let terms = directions.iter().enumerate();
        terms.map(|(index, s)| trace + self.term(index, s)).collect()
    }

    fn without(&self, index: usize) -> Option<Self> {
        let images = self.images.without(index);
        let basis = images.orthonormal();
        let mut on_basis = Columns::new(self.count());
        for column in basis.iter() {
            on_basis.push(self.core.times(column));
        }
        let mut squares = self.squares.clone();
        squares.remove(index);
        Some(Self {
            dimension: self.dimension,
            core: basis.transposed_times_all(&on_basis),
            images: basis.transposed_times_all(&images),
            along: basis.transposed_times_all(&self.along.without(index)),
            across: basis.transposed_times_all(&self.across.without(index)),
            squares,
        })
    }

    fn is_complete(&self) -> bool {
        self.count() == self.dimension || self.rank() < self.count()
    }
}

fn norm(vector: &[f64]) -> f64 {
    dot(vector, vector).sqrt()
}

fn scaled(vector: &[f64], length: f64) -> Vec<f64> {
    vector.iter().map(|entry| entry / length).collect()
}
