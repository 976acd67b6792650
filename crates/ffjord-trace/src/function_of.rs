//! Functions of symmetric operators.

use crate::error::TraceError;
use crate::lanczos::{Krylov, krylov};
use crate::operator::LinearOperator;
use crate::scalar::Scalar;
use std::fmt;

/// `f(A)` for symmetric operators A, by Lanczos' method: `f(A) v ≈ ‖v‖ Q f(QᵀAQ) e₁` with an orthonormal basis Q of
/// `v, Av, …, Aᵐ⁻¹v` (Saad 1992).
///
/// Exact for polynomials of degree below the number m of steps, and otherwise as good as the best such polynomial on
/// the spectrum but for a factor of 2. It is an operator itself, so that every trace estimator works on it; for
/// log-determinants [`LanczosQuadrature`](crate::LanczosQuadrature) needs half the steps. Memory: m vectors for every
/// vector multiplied.
///
/// ```
/// use ffjord_trace::{DenseOperator, FunctionOf};
///
/// // √A with A = [[2, 1], [1, 2]], whose square is A again.
/// let operator = DenseOperator::new(2, vec![2.0, 1.0, 1.0, 2.0])?;
/// let root = FunctionOf::new(&operator, 2, f64::sqrt)?;
/// let once = root.times(&[1.0, 0.0])?;
/// let twice = root.times(&once.products)?;
/// assert!((twice.products[0] - 2.0_f64).abs() < 1e-14 && (twice.products[1] - 1.0_f64).abs() < 1e-14);
/// # Ok::<(), ffjord_trace::TraceError>(())
/// ```
#[derive(Clone, Copy)]
pub struct FunctionOf<'a, A, F> {
    operator: &'a A,
    steps: usize,
    function: F,
}

/// Products with a function of an operator.
///
/// ```
/// use ffjord_trace::{DenseOperator, FunctionOf};
///
/// // exp(A) v for A = diag(0, 1, 2, 3): four steps are exact, three are not and say so.
/// let diagonal = (0..16).map(|i| if i % 5 == 0 { f64::from(i / 5) } else { 0.0 }).collect();
/// let operator = DenseOperator::new(4, diagonal)?;
/// let exact = FunctionOf::new(&operator, 4, f64::exp)?.times(&[1.0; 4])?;
/// assert!(exact.products.iter().zip(0..4).all(|(x, i)| (x - f64::from(i).exp()).abs() < 1e-12));
/// let three = FunctionOf::new(&operator, 3, f64::exp)?.times(&[1.0; 4])?;
/// let error: f64 = three.products.iter().zip(&exact.products).map(|(x, y)| (x - y).powi(2)).sum();
/// assert!(error.sqrt() > 1e-3 && error.sqrt() < three.errors[0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FunctionProducts<T> {
    /// The products, `[K, B, D]`.
    pub products: Vec<T>,
    /// How far each product may be off, as a norm, `[K, B]`: its difference from the one that three quarters of the
    /// steps give. Cautious where the method converges, and no bound where it does not yet.
    pub errors: Vec<f64>,
}

impl<'a, A, F: Fn(f64) -> f64> FunctionOf<'a, A, F> {
    /// `function` of the operators, with `steps` products for every product with it.
    ///
    /// The function is called with approximate eigenvalues; where it is not finite there, so are the products.
    ///
    /// # Errors
    /// [`TraceError::Empty`] without steps.
    pub fn new(operator: &'a A, steps: usize, function: F) -> Result<Self, TraceError> {
        if steps == 0 {
            return Err(TraceError::Empty {
                what: "the number of steps",
            });
        }
        Ok(Self {
            operator,
            steps,
            function,
        })
    }

    /// The products with vectors `[K, B, D]`, and how far they may be off.
    ///
    /// # Errors
    /// [`TraceError::Shape`] for vectors that do not fit, [`TraceError::NotSymmetric`] if the products show that an
    /// operator is not symmetric, [`TraceError::Operator`] when a product fails.
    pub fn times<T: Scalar>(&self, vectors: &[T]) -> Result<FunctionProducts<T>, TraceError<A::Error>>
    where
        A: LinearOperator<T>,
    {
        let spaces = krylov(self.operator, vectors, self.steps)?;
        let mut products = Vec::with_capacity(vectors.len());
        let mut errors = Vec::with_capacity(spaces.len());
        for space in &spaces {
            let steps = space.matrix.rows();
            let weights = self.weights(space, steps);
            products.extend(space.basis.times(&weights).into_iter().map(T::from_f64));
            errors.push(if space.is_invariant {
                0.0
            } else {
                let mut earlier = self.weights(space, steps - (steps / 4).max(1));
                earlier.resize(steps, 0.0);
                let squares = weights.iter().zip(earlier).map(|(now, before)| (now - before).powi(2));
                squares.sum::<f64>().sqrt()
            });
        }
        Ok(FunctionProducts { products, errors })
    }

    /// `‖v‖ f(T) e₁` with the leading `steps` rows of the tridiagonal matrix T.
    fn weights(&self, space: &Krylov, steps: usize) -> Vec<f64> {
        let spectrum = space.matrix.leading(steps).spectrum(steps);
        let mut weights = vec![0.0; steps];
        for (value, vector) in spectrum.values.iter().zip(&spectrum.vectors) {
            let factor = space.norm * (self.function)(*value) * vector[0];
            weights
                .iter_mut()
                .zip(vector)
                .for_each(|(sum, entry)| *sum += factor * entry);
        }
        weights
    }
}

impl<T: Scalar, A: LinearOperator<T>, F: Fn(f64) -> f64> LinearOperator<T> for FunctionOf<'_, A, F> {
    type Error = TraceError<A::Error>;

    fn batch(&self) -> usize {
        self.operator.batch()
    }

    fn dimension(&self) -> usize {
        self.operator.dimension()
    }

    fn apply(&self, vectors: &[T], products: &mut [T]) -> Result<(), Self::Error> {
        products.copy_from_slice(&self.times(vectors)?.products);
        Ok(())
    }
}

impl<A: fmt::Debug, F> fmt::Debug for FunctionOf<'_, A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionOf")
            .field("operator", self.operator)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
