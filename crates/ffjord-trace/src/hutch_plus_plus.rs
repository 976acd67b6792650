//! Hutch++: the exact trace on a sketched subspace, Hutchinson's estimate on the rest.

use crate::columns::{Columns, dot, products};
use crate::error::TraceError;
use crate::estimator::{TraceEstimate, TraceEstimator, check_probes, collect, mean_with_variance, require_products};
use crate::operator::LinearOperator;
use crate::probe::{ProbeDistribution, Probes};
use crate::scalar::Scalar;
use rand::Rng;

/// `tr A ≈ tr QᵀAQ + 1/g Σⱼ νⱼᵀ A νⱼ` with Q an orthonormal basis of `A S` and `νⱼ = (I − QQᵀ) εⱼ` (Meyer, Musco, Musco,
/// Woodruff 2021, algorithm 1).
///
/// Of m products a third sketches, a third finds the trace on the sketched subspace, and a third estimates the rest; the
/// error falls as 1/m instead of 1/√m where few directions carry most of A. The variance is the sample variance over
/// the last third. Not a sum of quadratic forms with fixed vectors: Q depends on A.
///
/// ```
/// use ffjord_trace::{FunctionOperator, HutchPlusPlus, ProbeDistribution, TraceEstimator};
/// use ffjord_trace::rand::{SeedableRng, rngs::StdRng};
///
/// // 100 u uᵀ with a unit vector u on ℝ¹⁰⁰: one direction carries all of it.
/// let operator = FunctionOperator::new(1, 100, |v: &[f64], out: &mut [f64]| {
///     v.chunks(100).zip(out.chunks_mut(100)).for_each(|(v, out)| out.fill(v.iter().sum::<f64>()));
/// });
/// let estimator = HutchPlusPlus { distribution: ProbeDistribution::Rademacher, products: 6 };
/// let estimate = estimator.draw_and_estimate(&operator, &mut StdRng::seed_from_u64(0))?;
/// assert!((estimate.trace[0] - 100.0).abs() < 1e-10);
/// # Ok::<(), ffjord_trace::TraceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HutchPlusPlus {
    /// The distribution of sketch and probes.
    pub distribution: ProbeDistribution,
    /// The number m of products with each operator, at least 3.
    pub products: usize,
}

impl HutchPlusPlus {
    /// Vectors of the sketch, of which more than D add nothing, and probes.
    fn split(&self, dimension: usize) -> (usize, usize) {
        let sketch = (self.products / 3).min(dimension);
        (sketch, self.products - 2 * sketch)
    }

    fn check(&self) -> Result<(), TraceError> {
        require_products("Hutch++", self.products, 3)
    }
}

impl<T: Scalar> TraceEstimator<T> for HutchPlusPlus {
    /// The vectors of the sketch, then the probes; the two are independent.
    ///
    /// # Errors
    /// [`TraceError::TooFewProducts`] for fewer than 3 products; otherwise as [`Probes::draw`].
    fn draw<R: Rng + ?Sized>(&self, batch: usize, dimension: usize, rng: &mut R) -> Result<Probes<T>, TraceError> {
        self.check()?;
        let (sketch, probes) = self.split(dimension.max(1));
        let sketch = Probes::draw(self.distribution, sketch, batch, dimension, rng)?;
        Ok(sketch.followed_by(&Probes::draw(self.distribution, probes, batch, dimension, rng)?))
    }

    fn estimate<A: LinearOperator<T>>(
        &self,
        operator: &A,
        probes: &Probes<T>,
    ) -> Result<TraceEstimate, TraceError<A::Error>> {
        self.check().map_err(TraceError::widen)?;
        let (batch, dimension) = (operator.batch(), operator.dimension());
        let (sketch, count) = self.split(dimension);
        check_probes(operator, probes, sketch + count)?;
        let (sketch, tests) = probes.vectors().split_at(sketch * batch * dimension);

        let sketched = products(operator, &Columns::of_rows(sketch, batch, dimension))?;
        let bases: Vec<Columns> = sketched.iter().map(Columns::orthonormal).collect();
        let on_bases = products(operator, &bases)?;
        let rests: Vec<Columns> = bases
            .iter()
            .zip(Columns::of_rows(tests, batch, dimension))
            .map(|(basis, tests)| {
                let mut rest = Columns::new(dimension);
                tests.iter().for_each(|test| rest.push(basis.complement(test)));
                rest
            })
            .collect();
        let on_rests = products(operator, &rests)?;
        let row = |row: usize| {
            let forms = rests[row].iter().zip(on_rests[row].iter());
            let forms: Vec<f64> = forms.map(|(rest, product)| dot(rest, product)).collect();
            let (mean, variance) = mean_with_variance(forms.into_iter());
            (bases[row].contract(&on_bases[row]) + mean, variance)
        };
        Ok(collect((0..batch).map(row), self.products))
    }
}
