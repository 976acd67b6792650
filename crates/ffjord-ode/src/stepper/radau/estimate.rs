//! The error estimate: the difference to an embedded formula of order 3, filtered (Hairer and Wanner II, IV.8).

use super::{Radau5, coefficients::E, collocation::Factors};
use crate::{
    error::SolveError,
    state::State,
    system::{Evaluator, System},
};

impl<S: State> Radau5<S> {
    /// The error of the attempt whose stages are solved; `slope` is f at its start, `again` whether the attempt is the
    /// first of a solve or repeats one that was rejected.
    pub(super) fn embedded_error<Sys>(
        &mut self,
        f: &mut Evaluator<'_, Sys>,
        factors: &Factors,
        slope: &[f64],
        again: bool,
    ) -> Result<Vec<f64>, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        let error = self.filtered(factors, slope);
        // Filtered once more where it is large because fast components have not settled yet.
        if again && self.size(std::slice::from_ref(&error)) >= 1.0 {
            let ahead = self.evaluate(f, self.t, &error)?;
            return Ok(self.filtered(factors, &ahead));
        }
        Ok(error)
    }

    /// `(γ/h M − J)⁻¹ (f + M Σ eᵢ zᵢ / h)` for the slope f.
    fn filtered(&self, factors: &Factors, slope: &[f64]) -> Vec<f64> {
        let sum = |i: usize| (E[0] * self.z[0][i] + E[1] * self.z[1][i] + E[2] * self.z[2][i]) / factors.h;
        let weighted: Vec<f64> = (0..self.y.len()).map(sum).collect();
        let weighted = self
            .mass
            .as_ref()
            .map_or(weighted.clone(), |mass| mass.times(&weighted));
        let mut error: Vec<f64> = slope.iter().zip(weighted).map(|(f, z)| f + z).collect();
        factors.solve_real(&mut error);
        error
    }
}
