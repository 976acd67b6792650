//! The vector space a solution lives in.

mod non_finite;
mod slice;
#[cfg(feature = "candle")]
mod tensor;

use smallvec::SmallVec;

use crate::{
    error::StateError,
    norm::{ScaledError, Tolerance},
};

pub use non_finite::NonFinite;
pub use slice::Scalar;

/// The terms of a linear combination; on the stack for every method up to 15 stages.
pub(crate) type Terms<'a, S> = SmallVec<[(f64, &'a S); 16]>;

/// A vector space with a fused linear combination and a scaled error measure: all that a solver needs to know of y.
///
/// Implemented for `Vec<f32>`, `Vec<f64>`, `[f32; N]`, `[f64; N]` and, with the feature `candle`, for
/// `candle_core::Tensor` (F32 and F64).
///
/// ```
/// use ffjord_ode::State;
/// let (y, k) = ([1.0, 2.0], [10.0, 20.0]);
/// let mut next = y.zeros_like()?;
/// next.set_sum(&[(1.0, &y), (0.5, &k)])?;
/// assert_eq!(next, [6.0, 12.0]);
/// # Ok::<(), ffjord_ode::StateError>(())
/// ```
///
/// A state of your own is a sum, an inner product and an error measure:
///
/// ```
/// use ffjord_ode::{Method, NonFinite, ScaledError, Solver, State, StateError, Tolerance};
///
/// /// A position and a momentum.
/// #[derive(Debug, Clone)]
/// struct Phase { q: f64, p: f64 }
///
/// impl State for Phase {
///     fn zeros_like(&self) -> Result<Self, StateError> {
///         Ok(Self { q: 0.0, p: 0.0 })
///     }
///     fn set_sum(&mut self, terms: &[(f64, &Self)]) -> Result<(), StateError> {
///         self.q = terms.iter().rev().map(|(c, x)| c * x.q).sum();
///         self.p = terms.iter().rev().map(|(c, x)| c * x.p).sum();
///         Ok(())
///     }
///     fn dot(&self, other: &Self) -> Result<f64, StateError> {
///         Ok(self.q * other.q + self.p * other.p)
///     }
///     fn scaled_error(&self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<ScaledError, StateError> {
///         // Those of an array serve for its parts.
///         [self.q, self.p].scaled_error(&[y0.q, y0.p], &[y1.q, y1.p], tolerance)
///     }
///     fn non_finite(&self) -> Result<NonFinite, StateError> {
///         [self.q, self.p].non_finite()
///     }
/// }
///
/// let oscillator = |_t: f64, y: &Phase, dy: &mut Phase| *dy = Phase { q: y.p, p: -y.q };
/// let solver = Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-8, 1e-8)?);
/// let solution = solver.solve(&oscillator, &Phase { q: 0.0, p: 1.0 }, 0.0, 1.0)?;
/// assert!((solution.state.q - 1.0_f64.sin()).abs() < 1e-7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait State: Clone {
    /// A zero of the same shape, element type and device.
    ///
    /// # Errors
    /// If the storage cannot be had.
    fn zeros_like(&self) -> Result<Self, StateError>;

    /// `self = Σ cᵢ xᵢ`, in one pass where the storage allows it; the empty sum is zero.
    ///
    /// Terms are added from the last to the first, so that an increment is complete before the (usually larger) state
    /// in the first place is added to it: that keeps the rounding error of f32 states small.
    ///
    /// # Errors
    /// If the shapes differ.
    fn set_sum(&mut self, terms: &[(f64, &Self)]) -> Result<(), StateError>;

    /// Distance from 1 to the next number of the element type; that of f64 unless a state says otherwise.
    fn epsilon(&self) -> f64 {
        f64::EPSILON
    }

    /// The inner product `Σ selfᵢ otherᵢ`, accumulated in f64.
    ///
    /// # Errors
    /// If the shapes differ.
    fn dot(&self, other: &Self) -> Result<f64, StateError>;

    /// Measures `self`, the error of a step from `y0` to `y1`, against `tolerance`, accumulated in f64.
    ///
    /// A component whose error is 0 counts 0 even where the tolerance is 0; a NaN or an infinity in `self` or `y1`
    /// must make the sum of squares NaN or infinite.
    ///
    /// # Errors
    /// If the shapes differ.
    fn scaled_error(&self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<ScaledError, StateError>;

    /// The inner product `Σ selfᵢ otherᵢ / wᵢ²` with the weights of [`scaled_error`](Self::scaled_error),
    /// `wᵢ = atol + rtol · max(|y₀ᵢ|, |y₁ᵢ|)`, accumulated in f64; only implicit methods ask for it.
    ///
    /// Every component counts, also one that the error measure leaves out: an equation must be solved in all of them.
    /// Unless overridden, it is told from the error measures of the sum and the difference.
    ///
    /// # Errors
    /// If the shapes differ.
    fn scaled_dot(&self, other: &Self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<f64, StateError> {
        let mut combined = self.zeros_like()?;
        combined.set_sum(&[(1.0, self), (1.0, other)])?;
        let sum = combined.scaled_error(y0, y1, tolerance)?.sum_squares;
        combined.set_sum(&[(1.0, self), (-1.0, other)])?;
        Ok((sum - combined.scaled_error(y0, y1, tolerance)?.sum_squares) / 4.0)
    }

    /// The components as numbers, in a fixed order; only methods that form matrices ask for them.
    ///
    /// # Errors
    /// [`StateError::NoComponents`] unless overridden.
    fn to_components(&self) -> Result<Vec<f64>, StateError> {
        Err(StateError::NoComponents)
    }

    /// Sets the components, in the order of [`to_components`](Self::to_components), rounded to the element type.
    ///
    /// # Errors
    /// If their number differs; [`StateError::NoComponents`] unless overridden.
    fn set_components(&mut self, _components: &[f64]) -> Result<(), StateError> {
        Err(StateError::NoComponents)
    }

    /// Where the state holds a NaN or an infinity, and what the indices count.
    ///
    /// # Errors
    /// If the storage cannot be read.
    fn non_finite(&self) -> Result<NonFinite, StateError>;
}

/// A copy of `state` that shares nothing with it, not even an autograd graph.
pub(crate) fn copy_of<S: State>(state: &S) -> Result<S, StateError> {
    let mut copy = state.zeros_like()?;
    copy.set_sum(&[(1.0, state)])?;
    Ok(copy)
}
