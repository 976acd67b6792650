//! One reversible Heun step, undone and pulled back.
//!
//! With λ, μ and ν for what the loss owes to y₁, ŷ₁ and f₁ = f(t₁, ŷ₁), the last by the steps from t₁ on alone,
//!
//! ```text
//! v = ν + h/2 λ₁,    μ₁ += (∂f/∂y)ᵀ v,    dL/dθ += (∂f/∂θ)ᵀ v,
//! λ₀ = λ₁ + 2 μ₁,    μ₀ = −μ₁,    ν₀ = h μ₁ + h/2 λ₁,
//! dL/dh = μ₁·f₀ + λ₁·(f₀ + f₁)/2 + (∂f/∂t)·v.
//! ```

use crate::{
    error::{SolveError, StateError},
    state::{State, copy_of},
};

/// A point of the path on its way back.
pub(super) struct Unrolled<S> {
    y: S,
    pub(super) companion: S,
    /// f(t, ŷ).
    pub(super) slope: S,
    /// The same at the start of the step that is being undone.
    pub(super) earlier_slope: S,
    scratch: S,
}

impl<S: State> Unrolled<S> {
    pub(super) fn new(y: S, companion: S) -> Result<Self, StateError> {
        Ok(Self {
            slope: y.zeros_like()?,
            earlier_slope: y.zeros_like()?,
            scratch: y.zeros_like()?,
            y,
            companion,
        })
    }

    /// ŷ₀ = 2 y₁ − ŷ₁ − h f(t₁, ŷ₁).
    pub(super) fn undo_companion(&mut self, h: f64) -> Result<(), StateError> {
        self.scratch
            .set_sum(&[(2.0, &self.y), (-1.0, &self.companion), (-h, &self.slope)])?;
        std::mem::swap(&mut self.scratch, &mut self.companion);
        Ok(())
    }

    /// y₀ = y₁ − h/2 (f(t₀, ŷ₀) + f(t₁, ŷ₁)).
    pub(super) fn undo_state(&mut self, h: f64) -> Result<(), StateError> {
        let half = -0.5 * h;
        self.scratch
            .set_sum(&[(1.0, &self.y), (half, &self.earlier_slope), (half, &self.slope)])?;
        std::mem::swap(&mut self.scratch, &mut self.y);
        Ok(())
    }

    pub(super) fn finish_step(&mut self) {
        std::mem::swap(&mut self.slope, &mut self.earlier_slope);
    }
}

/// dL/dy, dL/dŷ and dL/df(t, ŷ) at a point, the last as far as the steps from there on owe to it.
pub(super) struct StepCostate<S> {
    y: S,
    companion: S,
    slope: S,
    scratch: S,
    /// What a reverse product wrote.
    product: S,
}

impl<S: State> StepCostate<S> {
    pub(super) fn new(cotangent: &S) -> Result<Self, StateError> {
        Ok(Self {
            y: copy_of(cotangent)?,
            companion: cotangent.zeros_like()?,
            slope: cotangent.zeros_like()?,
            scratch: cotangent.zeros_like()?,
            product: cotangent.zeros_like()?,
        })
    }

    /// Passes all that is owed to f(t₁, ŷ₁) on to ŷ₁, the step of size `h` that ends there included; returns
    /// (∂f/∂t)·v.
    pub(super) fn pull_back<E: std::error::Error>(
        &mut self,
        h: f64,
        pullback: impl FnOnce(&S, &mut S) -> Result<f64, SolveError<E>>,
    ) -> Result<f64, SolveError<E>> {
        self.scratch.set_sum(&[(1.0, &self.slope), (0.5 * h, &self.y)])?;
        let tau = pullback(&self.scratch, &mut self.product)?;
        self.scratch.set_sum(&[(1.0, &self.companion), (1.0, &self.product)])?;
        std::mem::swap(&mut self.scratch, &mut self.companion);
        Ok(tau)
    }

    /// dL/dh of the step, its times inside f left out.
    pub(super) fn along_size(&self, path: &Unrolled<S>) -> Result<f64, StateError> {
        let mean = 0.5 * (self.y.dot(&path.earlier_slope)? + self.y.dot(&path.slope)?);
        Ok(self.companion.dot(&path.earlier_slope)? + mean)
    }

    /// From the end of a step of size `h` to its start.
    pub(super) fn undo_step(&mut self, h: f64) -> Result<(), StateError> {
        self.slope.set_sum(&[(h, &self.companion), (0.5 * h, &self.y)])?;
        self.scratch.set_sum(&[(1.0, &self.y), (2.0, &self.companion)])?;
        std::mem::swap(&mut self.scratch, &mut self.y);
        self.scratch.set_sum(&[(-1.0, &self.companion)])?;
        std::mem::swap(&mut self.scratch, &mut self.companion);
        Ok(())
    }

    /// dL/dy(t0), where ŷ = y.
    pub(super) fn into_initial(mut self) -> Result<S, StateError> {
        self.scratch.set_sum(&[(1.0, &self.y), (1.0, &self.companion)])?;
        Ok(self.scratch)
    }
}
