//! Simplified Newton's iteration for the equations of the three stages.

use super::{
    End, Radau5, Validity,
    coefficients::{C, T_INVERSE},
    collocation::{Factors, increments, transform},
    jacobian::{self, Differences},
};
use crate::{
    error::SolveError,
    state::State,
    stepper::stage_time,
    system::{Evaluator, System},
};

/// Iterations at most.
const MAX_ITERATIONS: usize = 7;

impl<S: State> Radau5<S> {
    /// Solves the stages' equations with the matrices at hand; the progress if they are solved.
    fn iterate<Sys>(
        &mut self,
        f: &mut Evaluator<'_, Sys>,
        factors: &Factors,
        rounding: f64,
    ) -> Result<Option<Progress>, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        /// Bounds of the part of a step's tolerance that the iteration may leave open, √rtol between them: errors of the
        /// iteration add up over the steps, of which tight tolerances take more.
        const OPEN: (f64, f64) = (1e-4, 1e-2);
        /// Corrections that are rounding alone, in units of that of the state's numbers.
        const ROUNDING: f64 = 2.0;
        let guess = match &self.past {
            Some(past) => past.extrapolate(factors.h),
            None => [(); 3].map(|()| vec![0.0; self.y.len()]),
        };
        let mut w = transform(&T_INVERSE, &guess);
        self.z = guess;
        let open = self.tolerance.rtol().sqrt().clamp(OPEN.0, OPEN.1);
        let mut progress = Progress::new(open, ROUNDING * rounding);
        loop {
            let mut slopes = [const { Vec::new() }; 3];
            for (i, slope) in slopes.iter_mut().enumerate() {
                let z = std::mem::take(&mut self.z[i]);
                *slope = self.evaluate(f, stage_time(C[i], self.t, self.t_next), &z)?;
                self.z[i] = z;
                if slope.iter().any(|x| !x.is_finite()) {
                    let [_, output] = &self.work;
                    self.candidate.set_sum(&[(1.0, output)])?;
                    self.end = End::NotFinite;
                    return Ok(None);
                }
            }
            let correction = factors.correction(&slopes, &w, self.mass.as_ref());
            for (w, correction) in w.iter_mut().zip(&correction) {
                w.iter_mut()
                    .zip(correction)
                    .for_each(|(w, correction)| *w += correction);
            }
            self.z = increments(&w);
            let size = self.size(&correction);
            if !size.is_finite() {
                self.candidate.set_sum(&[(f64::NAN, &self.state)])?;
                self.end = End::NotFinite;
                return Ok(None);
            }
            match progress.judge(size) {
                Next::Iterate => (),
                Next::Stop => return Ok(Some(progress)),
                Next::GiveUp => return Ok(None),
            }
        }
    }

    /// The iteration, with a new Jacobian where it fails with an earlier one.
    pub(super) fn solve_stages<Sys>(
        &mut self,
        f: &mut Evaluator<'_, Sys>,
        slope: &[f64],
        rounding: f64,
    ) -> Result<Option<(Factors, Progress)>, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        let h = self.t_next - self.t;
        loop {
            if self.validity == Validity::Outdated {
                let [input, output] = &mut self.work;
                let differences = Differences {
                    tolerance: &self.tolerance,
                    sparsity: &self.sparsity,
                    input,
                    output,
                };
                jacobian::evaluate(f, (self.t, &self.state), slope, differences, &mut self.jacobian)?;
                self.validity = Validity::Current;
                self.factors = None;
            }
            self.end = End::NotSolved;
            let kept = self.factors.take().filter(|factors| factors.h == h);
            if let Some(factors) = kept.or_else(|| Factors::new(h, &self.jacobian, self.mass.as_ref()))
                && let Some(progress) = self.iterate(f, &factors, rounding)?
            {
                return Ok(Some((factors, progress)));
            }
            if self.validity == Validity::Current {
                return Ok(None);
            }
            self.validity = Validity::Outdated;
        }
    }
}

/// The corrections of an iteration, and whether they come to an end.
#[derive(Debug)]
pub(super) struct Progress {
    /// What the corrections may leave, relative to the tolerance.
    open: f64,
    /// The correction that rounding leaves.
    rounding: f64,
    /// The rate at which corrections shrink; NaN before the second.
    rate: f64,
    iterations: usize,
    previous: f64,
}

/// What an iteration should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Iterate,
    Stop,
    GiveUp,
}

impl Progress {
    fn new(open: f64, rounding: f64) -> Self {
        Self {
            open,
            rounding,
            rate: f64::NAN,
            iterations: 0,
            previous: f64::NAN,
        }
    }

    /// Whether the iteration went fast enough to keep the Jacobian.
    pub(super) fn is_fast(&self) -> bool {
        /// Iterations that are fast whatever their rate.
        const FEW: usize = 2;
        /// The rate up to which any number of them is.
        const RATE: f64 = 1e-3;
        self.iterations <= FEW || self.rate <= RATE
    }

    /// Judges the iteration by the size of its last correction (Hairer and Wanner II, IV.8, eq. 8.10 and 8.11).
    fn judge(&mut self, correction: f64) -> Next {
        self.iterations += 1;
        if correction <= self.rounding {
            return Next::Stop;
        }
        let left = MAX_ITERATIONS - self.iterations;
        let rate = correction / self.previous;
        self.previous = correction;
        if rate.is_nan() {
            return match correction <= self.open {
                true => Next::Stop,
                false => Next::Iterate,
            };
        }
        self.rate = rate;
        if rate >= 1.0 {
            return Next::GiveUp;
        }
        if rate / (1.0 - rate) * correction <= self.open {
            return Next::Stop;
        }
        if left == 0 || rate.powi(left as i32) / (1.0 - rate) * correction > self.open {
            return Next::GiveUp;
        }
        Next::Iterate
    }
}
