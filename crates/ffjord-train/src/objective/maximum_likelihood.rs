//! Maximum likelihood.

use super::{Loss, Objective, scalar};
use crate::batch::Batch;
use crate::error::Result;
use ffjord_flow::{Bijection, Density, Flow, Pass, PathIntegral};

/// Maximum likelihood with penalties on path integrals: `mean(−ln p(x)) + Σ wᵢ mean(∫ᵢ)`, in nats. Integrals that the
/// flow computes beside those with a weight are reported and not differentiated.
///
/// With kinetic and Jacobian penalties this is RNODE's loss (Finlay et al. 2020, eq. 9).
///
/// ```
/// use ffjord_flow::PathIntegral;
/// use ffjord_train::MaximumLikelihood;
/// let objective = MaximumLikelihood::new(vec![(PathIntegral::Kinetic, 0.01), (PathIntegral::Jacobian, 0.01)]);
/// assert_eq!(objective.penalties().len(), 2);
/// ```
#[derive(Debug, Clone, Default)]
pub struct MaximumLikelihood {
    penalties: Vec<(PathIntegral, f64)>,
}

impl MaximumLikelihood {
    /// The objective with these weights of path integrals; the flow must be set up to compute the integrals.
    #[must_use]
    pub fn new(penalties: Vec<(PathIntegral, f64)>) -> Self {
        Self { penalties }
    }

    /// The weights of the path integrals.
    #[must_use]
    pub fn penalties(&self) -> &[(PathIntegral, f64)] {
        &self.penalties
    }
}

impl<B: Bijection, D: Density> Objective<Flow<B, D>> for MaximumLikelihood {
    fn loss(&self, model: &Flow<B, D>, batch: &Batch, pass: &mut Pass<'_>) -> Result<Loss> {
        batch.give(pass);
        let evaluated = model.evaluate(&batch.x, pass)?;
        let mut total = evaluated.log_prob.mean_all()?.neg()?;
        let mut terms = vec![("nll".to_string(), scalar(&total)?)];
        for (integral, values) in evaluated.integrals.iter() {
            let mean = values.mean_all()?;
            terms.push((integral.to_string(), scalar(&mean)?));
            let weight: f64 = self
                .penalties
                .iter()
                .filter(|(kind, _)| *kind == integral)
                .map(|(_, weight)| weight)
                .sum();
            if weight != 0.0 {
                total = (total + (mean * weight)?)?;
            }
        }
        Ok(Loss { total, terms })
    }

    fn describe(&self) -> String {
        let penalties = self.penalties.iter();
        let penalties: String = penalties.map(|(kind, weight)| format!(", {kind} {weight}")).collect();
        format!("maximum likelihood{penalties}")
    }
}
