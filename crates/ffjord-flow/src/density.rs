//! Probability densities, and the one that a bijection makes of a base.

use crate::base::StandardNormalBase;
use crate::bijection::Bijection;
use crate::error::Result;
use crate::integral::PathIntegrals;
use crate::pass::Pass;
use candle_core::Tensor;

/// A probability density on rows that can be evaluated and sampled.
pub trait Density: std::fmt::Debug + Send + Sync {
    /// `ln p(x)` of each row of `x` `[B, …]`: `[B]`, in nats.
    ///
    /// # Errors
    /// When the input does not fit, or a solve fails.
    fn log_prob(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Tensor>;

    /// `rows` independent samples, `[rows, …]`.
    ///
    /// # Errors
    /// When a solve fails.
    fn sample(&self, rows: usize, pass: &mut Pass<'_>) -> Result<Tensor>;
}

/// The density that a bijection makes of the standard normal distribution.
///
/// `ln p(x) = ln N(forward(x); 0, I) + ln |det ∂forward/∂x|`.
#[derive(Debug)]
pub struct Flow<B> {
    bijection: B,
    base: StandardNormalBase,
}

/// A batch's log-densities with the path integrals that come with them.
#[derive(Debug, Clone)]
pub struct FlowLogProb {
    /// `ln p(x)`, `[B]`, in nats.
    pub log_prob: Tensor,
    /// Integrals along the paths, `[B]` each.
    pub integrals: PathIntegrals,
}

impl<B: Bijection> Flow<B> {
    /// A flow over `base`, whose rows must have the shape that `bijection` works on.
    pub fn new(bijection: B, base: StandardNormalBase) -> Self {
        Self { bijection, base }
    }

    /// The bijection.
    pub fn bijection(&self) -> &B {
        &self.bijection
    }

    /// The base distribution.
    pub fn base(&self) -> &StandardNormalBase {
        &self.base
    }

    /// Log-densities of `x` `[B, …]` together with the path integrals.
    ///
    /// # Errors
    /// When the input does not fit, or a solve fails.
    pub fn evaluate(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<FlowLogProb> {
        let image = self.bijection.forward(x, pass)?;
        let log_prob = (self.base.log_prob(&image.value, pass)? + image.log_det)?;
        Ok(FlowLogProb {
            log_prob,
            integrals: image.integrals,
        })
    }
}

impl<B: Bijection> Density for Flow<B> {
    fn log_prob(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Tensor> {
        Ok(self.evaluate(x, pass)?.log_prob)
    }

    fn sample(&self, rows: usize, pass: &mut Pass<'_>) -> Result<Tensor> {
        let z = self.base.sample(rows, pass)?;
        Ok(self.bijection.inverse(&z, pass)?.value)
    }
}
