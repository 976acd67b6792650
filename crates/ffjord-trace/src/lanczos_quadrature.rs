//! Traces of functions of symmetric operators, and log-determinants with bounds.

use crate::error::TraceError;
use crate::estimator::{TraceEstimate, check_probes};
use crate::hutchinson::summarise;
use crate::lanczos::{Krylov, krylov};
use crate::operator::LinearOperator;
use crate::probe::{ProbeDistribution, Probes};
use crate::scalar::Scalar;
use crate::tridiagonal::Tridiagonal;
use rand::Rng;

/// Stochastic Lanczos quadrature: `tr f(A) ≈ 1/K Σₖ εₖᵀ f(A) εₖ` for symmetric A, where Gauss' rule of m nodes stands
/// for each `εᵀ f(A) ε` (Golub, Meurant 2010; Ubaru, Chen, Saad 2017).
///
/// The nodes and weights are eigenvalues of the tridiagonal matrix that m products make of A, and the squares of their
/// eigenvectors' first entries. The rule is exact for polynomials of degree below 2m, which is twice what
/// [`FunctionOf`](crate::FunctionOf) reaches by as many products.
///
/// ```
/// use ffjord_trace::rand::{SeedableRng, rngs::StdRng};
/// use ffjord_trace::{FunctionOperator, LanczosQuadrature, ProbeDistribution};
///
/// // A = 1.1 + the second-difference matrix on 500 points: no eigenvalue is below 1.1.
/// let n = 500;
/// let operator = FunctionOperator::new(1, n, |vectors: &[f64], products: &mut [f64]| {
///     for (v, out) in vectors.chunks_exact(n).zip(products.chunks_exact_mut(n)) {
///         for i in 0..n {
///             let beside = if i > 0 { v[i - 1] } else { 0.0 } + if i + 1 < n { v[i + 1] } else { 0.0 };
///             out[i] = 3.1 * v[i] - beside;
///         }
///     }
/// });
/// let quadrature = LanczosQuadrature { distribution: ProbeDistribution::Rademacher, probes: 30, steps: 20 };
/// let probes = quadrature.draw(1, n, &mut StdRng::seed_from_u64(0))?;
/// let found = quadrature.log_determinant(&operator, &probes, 1.1)?;
///
/// // The determinant is sinh((n + 1) θ)/sinh θ with 2 cosh θ = 3.1.
/// let theta = 1.55_f64.acosh();
/// let exact = 501.0 * theta - 2.0_f64.ln() - theta.sinh().ln();
/// let (low, high) = found.interval(3.0).expect("more than one probe")[0];
/// assert!(low < exact && exact < high && high - low < 20.0, "{low} to {high}");
/// // Nearly all of that is the probes' part: twenty steps leave little to the quadrature.
/// assert!(found.upper[0] - found.lower[0] < 1e-3);
/// # Ok::<(), ffjord_trace::TraceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LanczosQuadrature {
    /// The distribution of the probes.
    pub distribution: ProbeDistribution,
    /// The number K of probes for each operator, at least 1; two or more for a standard error.
    pub probes: usize,
    /// The number m of products for each probe, at least 1; more than the dimension are not taken.
    pub steps: usize,
}

/// Log-determinants of a batch of operators.
///
/// ```
/// use ffjord_trace::{DenseOperator, LanczosQuadrature, ProbeDistribution};
/// use ffjord_trace::rand::{SeedableRng, rngs::StdRng};
///
/// // ln det [[2, 1], [1, 2]] = ln 3, with no eigenvalue below 1; two orthogonal probes leave no chance.
/// let operator = DenseOperator::new(2, vec![2.0, 1.0, 1.0, 2.0])?;
/// let quadrature = LanczosQuadrature { distribution: ProbeDistribution::Orthogonal, probes: 2, steps: 2 };
/// let probes = quadrature.draw(1, 2, &mut StdRng::seed_from_u64(0))?;
/// let found = quadrature.log_determinant(&operator, &probes, 1.0)?;
/// assert!((found.estimate.trace[0] - 3.0_f64.ln()).abs() < 1e-12);
/// // Both bounds, wider by three standard errors.
/// let (low, high) = found.interval(3.0).expect("two probes")[0];
/// let wider = 3.0 * found.standard_error().expect("two probes")[0];
/// assert!((low - (found.lower[0] - wider)).abs() < 1e-12 && (high - (found.upper[0] + wider)).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LogDeterminant {
    /// `ln det A` for each operator, with the variance that comes from the probes: the mean of the upper bounds.
    pub estimate: TraceEstimate,
    /// A lower bound on the mean of `εᵀ ln(A) ε` over the probes, but for rounding, `[B]`; −∞ where nothing is known of
    /// the spectrum but that it is positive.
    pub lower: Vec<f64>,
    /// An upper bound on the same mean, `[B]`.
    pub upper: Vec<f64>,
}

impl LogDeterminant {
    /// The standard error of each log-determinant, `[B]`, from the probes alone; none for a single probe.
    pub fn standard_error(&self) -> Option<Vec<f64>> {
        self.estimate.standard_error()
    }

    /// The intervals from the quadrature's lower to its upper bound, wider by so many standard errors on both sides,
    /// `[B]`; none for a single probe.
    pub fn interval(&self, standard_errors: f64) -> Option<Vec<(f64, f64)>> {
        let errors = self.standard_error()?.into_iter().map(|error| standard_errors * error);
        let bounds = self.lower.iter().zip(&self.upper).zip(errors);
        Some(
            bounds
                .map(|((lower, upper), error)| (lower - error, upper + error))
                .collect(),
        )
    }
}

impl LanczosQuadrature {
    /// Draws the probes for `batch` operators of `dimension`.
    ///
    /// # Errors
    /// As [`Probes::draw`].
    pub fn draw<T: Scalar, R: Rng + ?Sized>(
        &self,
        batch: usize,
        dimension: usize,
        rng: &mut R,
    ) -> Result<Probes<T>, TraceError> {
        Probes::draw(self.distribution, self.probes, batch, dimension, rng)
    }

    /// `tr f(A)` for each operator, with the variance that comes from the probes.
    ///
    /// The function is called with approximate eigenvalues. How far the quadrature is off does not show: compare with
    /// another number of steps, or use [`log_determinant`](Self::log_determinant), which has bounds.
    ///
    /// # Errors
    /// [`TraceError::Mismatch`] or [`TraceError::ProbeCount`] for probes of another size or number,
    /// [`TraceError::Empty`] without steps, [`TraceError::NotSymmetric`] if the products show that an operator is not
    /// symmetric, [`TraceError::Operator`] when a product fails.
    ///
    /// ```
    /// use ffjord_trace::{DenseOperator, LanczosQuadrature, ProbeDistribution, Probes};
    ///
    /// // tr exp(A) with the eigenvalues 1 and 3, along two orthogonal probes.
    /// let operator = DenseOperator::new(2, vec![2.0, 1.0, 1.0, 2.0])?;
    /// let root = 2.0_f64.sqrt();
    /// let probes = Probes::from_vectors(2, 1, 2, vec![root, 0.0, 0.0, root])?;
    /// let quadrature = LanczosQuadrature { distribution: ProbeDistribution::Orthogonal, probes: 2, steps: 2 };
    /// let estimate = quadrature.trace_of(&operator, &probes, f64::exp)?;
    /// assert!((estimate.trace[0] - (1.0_f64.exp() + 3.0_f64.exp())).abs() < 1e-13);
    /// # Ok::<(), ffjord_trace::TraceError>(())
    /// ```
    pub fn trace_of<T: Scalar, A: LinearOperator<T>>(
        &self,
        operator: &A,
        probes: &Probes<T>,
        function: impl Fn(f64) -> f64,
    ) -> Result<TraceEstimate, TraceError<A::Error>> {
        let spaces = self.spaces(operator, probes)?;
        let forms: Vec<f64> = spaces
            .iter()
            .map(|space| space.norm.powi(2) * integral(&rule(&space.matrix), &function))
            .collect();
        Ok(self.summarise(&forms, operator.batch(), operator.dimension()))
    }

    /// `ln det A` for each positive definite operator, with the variance that comes from the probes and bounds on what
    /// the quadrature is off.
    ///
    /// `above` is a positive number that no eigenvalue is below, such as the σ² of a kernel matrix with σ² I added, or
    /// 0 where none is known: then there is no lower bound. Gauss' rule is never below the integral of a logarithm, and
    /// that of Radau with a node at `above` never above it (Golub, Meurant 2010, chapter 6).
    ///
    /// # Errors
    /// Those of [`trace_of`](Self::trace_of), [`TraceError::NotPositive`] if the products show that an operator is not
    /// positive definite, and [`TraceError::SpectrumBound`] if they show an eigenvalue below `above`, or it is negative
    /// or not finite.
    pub fn log_determinant<T: Scalar, A: LinearOperator<T>>(
        &self,
        operator: &A,
        probes: &Probes<T>,
        above: f64,
    ) -> Result<LogDeterminant, TraceError<A::Error>> {
        if !(above.is_finite() && above >= 0.0) {
            return Err(TraceError::SpectrumBound {
                given: above.to_string(),
                reason: "it must be finite and not negative",
            });
        }
        let (batch, dimension) = (operator.batch(), operator.dimension());
        let (mut lower, mut upper) = (Vec::new(), Vec::new());
        for (index, space) in self.spaces(operator, probes)?.iter().enumerate() {
            let row = index % batch;
            let gauss = rule(&space.matrix);
            if gauss.iter().any(|(node, _)| *node <= 0.0) {
                return Err(TraceError::NotPositive { row });
            }
            let square = space.norm.powi(2);
            upper.push(square * integral(&gauss, f64::ln));
            lower.push(if space.is_invariant {
                square * integral(&gauss, f64::ln)
            } else if above == 0.0 {
                f64::NEG_INFINITY
            } else {
                let radau = with_node(&space.matrix, above).ok_or_else(|| TraceError::SpectrumBound {
                    given: above.to_string(),
                    reason: "an operator has an eigenvalue below it",
                })?;
                // Rounding may have moved the node.
                square * integral(&rule(&radau), |node| if node < above { above.ln() } else { node.ln() })
            });
        }
        let mean = |forms: &[f64]| self.summarise(forms, batch, dimension);
        let estimate = mean(&upper);
        Ok(LogDeterminant {
            lower: mean(&lower).trace,
            upper: estimate.trace.clone(),
            estimate,
        })
    }

    fn spaces<T: Scalar, A: LinearOperator<T>>(
        &self,
        operator: &A,
        probes: &Probes<T>,
    ) -> Result<Vec<Krylov>, TraceError<A::Error>> {
        check_probes(operator, probes, self.probes)?;
        krylov(operator, probes.vectors(), self.steps)
    }

    fn summarise(&self, forms: &[f64], batch: usize, dimension: usize) -> TraceEstimate {
        let mut estimate = summarise(self.distribution, forms, batch, dimension);
        estimate.products *= self.steps.min(dimension);
        estimate
    }
}

/// The nodes of Gauss' rule for `e₁ᵀ f(T) e₁`, each with its weight.
fn rule(matrix: &Tridiagonal) -> Vec<(f64, f64)> {
    let spectrum = matrix.spectrum(1);
    let weights = spectrum.vectors.iter().map(|vector| vector[0].powi(2));
    spectrum.values.into_iter().zip(weights).collect()
}

fn integral(rule: &[(f64, f64)], function: impl Fn(f64) -> f64) -> f64 {
    rule.iter().map(|(node, weight)| weight * function(*node)).sum()
}

/// The matrix with one more row, such that `node` is an eigenvalue and its rule is Radau's; none unless all eigenvalues
/// were above the node.
fn with_node(matrix: &Tridiagonal, node: f64) -> Option<Tridiagonal> {
    // The last pivot of T − a I, whose inverse is the last entry of (T − a I)⁻¹; all are positive if all eigenvalues
    // are.
    let mut pivot = f64::INFINITY;
    for (row, diagonal) in matrix.diagonal.iter().enumerate() {
        let beside = if row == 0 { 0.0 } else { matrix.beside[row - 1] };
        pivot = diagonal - node - beside.powi(2) / pivot;
        if pivot <= 0.0 {
            return None;
        }
    }
    let mut matrix = matrix.clone();
    let beside = matrix.beside.last().copied().unwrap_or(0.0);
    matrix.diagonal.push(node + beside.powi(2) / pivot);
    Some(matrix)
}
