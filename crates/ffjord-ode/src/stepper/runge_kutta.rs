//! Explicit Runge–Kutta steps from any tableau.

use super::Stepper;
use crate::{
    error::{SolveError, StateError},
    interpolant::Interpolant,
    norm::{ScaledError, Tolerance},
    state::{NonFinite, State, Terms},
    system::{Evaluator, System},
    tableau::{ExtraStage, Interpolation, Tableau},
};

/// An explicit Runge–Kutta method given by its [`Tableau`]; nothing is allocated inside a step.
///
/// ```
/// use ffjord_ode::{Evaluator, ExplicitRungeKutta, Method, Stepper};
/// let decay = |_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -y[0];
/// let mut f = Evaluator::new(&decay, usize::MAX);
/// let mut stepper = ExplicitRungeKutta::new(Method::Rk4.tableau().ok_or("explicit")?, &[1.0])?;
/// stepper.start(&mut f, 0.0, &[1.0])?;
/// stepper.attempt(&mut f, 0.5)?;
/// // One step of order 4 is the exponential's series up to h⁴.
/// let series = 1.0 - 0.5 + 0.5_f64.powi(2) / 2.0 - 0.5_f64.powi(3) / 6.0 + 0.5_f64.powi(4) / 24.0;
/// assert!((stepper.candidate()[0] - series).abs() < 1e-15);
/// assert_eq!(stepper.state(), &[1.0]);                    // until it is accepted
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ExplicitRungeKutta<S> {
    tableau: &'static Tableau,
    t: f64,
    t_next: f64,
    y: S,
    candidate: S,
    /// The error estimate, or a stage's input while a step is under way.
    scratch: S,
    /// The stages; the slope at `t_next`, which is the last stage itself if the method is first same as last; and the
    /// extra stages of the interpolant, once it has been asked for.
    k: Vec<S>,
    /// Which evaluation of the solve, counted from 1, each of `k` comes from.
    evaluations: Vec<usize>,
    /// Whether `k[0]` is the slope at the current point.
    start_known: bool,
    /// Whether the last of `k` is the slope at the candidate.
    end_known: bool,
}

impl<S: State> ExplicitRungeKutta<S> {
    /// A stepper for states like `y`.
    ///
    /// # Errors
    /// If the work space cannot be had.
    pub fn new(tableau: &'static Tableau, y: &S) -> Result<Self, StateError> {
        let slopes = tableau.stages() + usize::from(!tableau.fsal);
        Ok(Self {
            tableau,
            t: 0.0,
            t_next: 0.0,
            y: y.zeros_like()?,
            candidate: y.zeros_like()?,
            scratch: y.zeros_like()?,
            k: (0..slopes).map(|_| y.zeros_like()).collect::<Result<_, _>>()?,
            evaluations: vec![0; slopes],
            start_known: false,
            end_known: false,
        })
    }

    /// Sets out from `y` at time `t`, where the slope is known.
    pub(super) fn resume(&mut self, t: f64, y: &S, slope: &S) -> Result<(), StateError> {
        self.y.set_sum(&[(1.0, y)])?;
        self.k[0].set_sum(&[(1.0, slope)])?;
        (self.t, self.t_next) = (t, t);
        (self.start_known, self.end_known) = (true, false);
        Ok(())
    }

    /// Which evaluations of the solve, counted from 1, the stages of the last attempt come from.
    pub(crate) fn evaluations(&self) -> &[usize] {
        &self.evaluations[..self.tableau.stages()]
    }

    fn step(&self) -> f64 {
        self.t_next - self.t
    }

    /// Index of the slope at the end of the step.
    fn end(&self) -> usize {
        self.tableau.stages() - usize::from(self.tableau.fsal)
    }

    fn ensure_end_slope<Sys>(&mut self, f: &mut Evaluator<'_, Sys>) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        if !self.end_known {
            let end = self.end();
            f.rhs(self.t_next, &self.candidate, &mut self.k[end])?;
            self.evaluations[end] = f.evaluations();
            self.end_known = true;
        }
        Ok(())
    }

    /// `Σᵢ h wᵢ kᵢ` as terms, after the terms in `leading`; zero weights are left out.
    fn with_stages<'a>(&'a self, leading: &[(f64, &'a S)], weights: &[f64], h: f64) -> Terms<'a, S> {
        terms(leading, weights, &self.k, h)
    }

    fn sum(&self, terms: &[(f64, &S)]) -> Result<S, StateError> {
        let mut total = self.y.zeros_like()?;
        total.set_sum(terms)?;
        Ok(total)
    }

    /// Coefficients of the quartic through values and slopes of both ends and the mid-point.
    fn quartic(&self, midpoint: &[f64]) -> Result<Vec<S>, StateError> {
        let (h, y0, y1, f0, f1) = (self.step(), &self.y, &self.candidate, &self.k[0], &self.k[self.end()]);
        let mid = &self.sum(&self.with_stages(&[(1.0, y0)], midpoint, h))?;
        Ok(vec![
            y0.clone(),
            self.sum(&[(h, f0)])?,
            self.sum(&[(-5.0, y1), (-11.0, y0), (16.0, mid), (-4.0 * h, f0), (h, f1)])?,
            self.sum(&[(14.0, y1), (18.0, y0), (-32.0, mid), (5.0 * h, f0), (-3.0 * h, f1)])?,
            self.sum(&[(-8.0, y1), (-8.0, y0), (16.0, mid), (-2.0 * h, f0), (2.0 * h, f1)])?,
        ])
    }

    /// Evaluates the stages that only the interpolant needs.
    fn evaluate_extra<Sys>(
        &mut self,
        f: &mut Evaluator<'_, Sys>,
        extra: &[ExtraStage],
    ) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        for (i, stage) in (self.end() + 1..).zip(extra) {
            if i == self.k.len() {
                self.k.push(self.y.zeros_like()?);
            }
            let h = self.step();
            let mut input = self.y.zeros_like()?;
            input.set_sum(&terms(&[(1.0, &self.y)], stage.a, &self.k[..i], h))?;
            f.rhs(stage_time(stage.c, self.t, self.t_next), &input, &mut self.k[i])?;
        }
        Ok(())
    }

    /// Coefficients of the polynomial whose stage weights are given in powers of θ.
    fn weighted(&self, weights: &[&[f64]]) -> Result<Vec<S>, StateError> {
        let degree = weights.iter().map(|row| row.len()).max().unwrap_or(0);
        let mut coefficients = vec![self.y.clone()];
        for power in 0..degree {
            let column: Vec<f64> = weights
                .iter()
                .map(|row| row.get(power).copied().unwrap_or(0.0))
                .collect();
            coefficients.push(self.sum(&self.with_stages(&[], &column, self.step()))?);
        }
        Ok(coefficients)
    }
}

/// The terms in `leading`, then `h wᵢ kᵢ` for every weight that is not zero.
pub(crate) fn terms<'a, S>(leading: &[(f64, &'a S)], weights: &[f64], k: &'a [S], h: f64) -> Terms<'a, S> {
    let stages = weights
        .iter()
        .zip(k)
        .filter(|(w, _)| **w != 0.0)
        .map(|(w, k)| (h * w, k));
    leading.iter().copied().chain(stages).collect()
}

/// Time of a stage; exactly the end of the step for c = 1, whatever `t + (t_next - t)` rounds to.
pub(crate) fn stage_time(c: f64, t: f64, t_next: f64) -> f64 {
    if c == 1.0 { t_next } else { t + c * (t_next - t) }
}

impl<S: State> Stepper<S> for ExplicitRungeKutta<S> {
    fn name(&self) -> &'static str {
        self.tableau.name
    }

    fn order(&self) -> u32 {
        self.tableau.order
    }

    fn error_order(&self) -> Option<u32> {
        self.tableau.embedded.map(|embedded| embedded.order)
    }

    fn start<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t: f64, y: &S) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        self.y.set_sum(&[(1.0, y)])?;
        (self.t, self.t_next) = (t, t);
        f.rhs(t, &self.y, &mut self.k[0])?;
        self.evaluations[0] = f.evaluations();
        (self.start_known, self.end_known) = (true, false);
        Ok(())
    }

    fn time(&self) -> f64 {
        self.t
    }

    fn state(&self) -> &S {
        &self.y
    }

    fn initial_slope(&self) -> &S {
        &self.k[0]
    }

    fn attempt<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t_next: f64) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        let tableau = self.tableau;
        self.t_next = t_next;
        self.end_known = false;
        let h = self.step();
        if !self.start_known {
            f.rhs(self.t, &self.y, &mut self.k[0])?;
            self.evaluations[0] = f.evaluations();
            self.start_known = true;
        }
        let last = tableau.stages() - 1;
        for (i, (&c, &weights)) in tableau.c.iter().zip(tableau.a).enumerate().skip(1) {
            let (known, rest) = self.k.split_at_mut(i);
            // The input of the last stage of a first-same-as-last method is the solution itself.
            let input = if tableau.fsal && i == last {
                &mut self.candidate
            } else {
                &mut self.scratch
            };
            input.set_sum(&terms(&[(1.0, &self.y)], weights, known, h))?;
            f.rhs(stage_time(c, self.t, t_next), input, &mut rest[0])?;
            self.evaluations[i] = f.evaluations();
        }
        if tableau.fsal {
            self.end_known = true;
        } else {
            self.candidate
                .set_sum(&terms(&[(1.0, &self.y)], tableau.b, &self.k, h))?;
        }
        Ok(())
    }

    fn candidate(&self) -> &S {
        &self.candidate
    }

    fn measure_error(&mut self, tolerance: &Tolerance) -> Result<Option<ScaledError>, StateError> {
        let Some(embedded) = &self.tableau.embedded else {
            return Ok(None);
        };
        let h = self.step();
        let mut measure = |weights: &[f64]| {
            self.scratch.set_sum(&terms(&[], weights, &self.k, h))?;
            self.scratch.scaled_error(&self.y, &self.candidate, tolerance)
        };
        let coarse = embedded.damping.map(&mut measure).transpose()?;
        let fine = measure(embedded.weights)?;
        Ok(Some(coarse.map_or(fine, |coarse| fine.damped_by(coarse))))
    }

    fn non_finite(&self) -> Result<NonFinite, StateError> {
        self.candidate.non_finite()?.or_else(|| self.scratch.non_finite())
    }

    fn interpolant<Sys>(&mut self, f: &mut Evaluator<'_, Sys>) -> Result<Interpolant<S>, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        let coefficients = match self.tableau.interpolation {
            Interpolation::CubicHermite => {
                self.ensure_end_slope(f)?;
                let slopes = (&self.k[0], &self.k[self.end()]);
                return Ok(Interpolant::cubic_hermite(
                    (self.t, self.t_next),
                    (&self.y, &self.candidate),
                    slopes,
                )?);
            }
            Interpolation::QuarticMidpoint { midpoint } => {
                self.ensure_end_slope(f)?;
                self.quartic(midpoint)?
            }
            Interpolation::Polynomial { extra, weights, .. } => {
                if weights.len() > self.end() {
                    self.ensure_end_slope(f)?;
                }
                self.evaluate_extra(f, extra)?;
                self.weighted(weights)?
            }
        };
        Ok(Interpolant::new(self.t, self.t_next, coefficients))
    }

    fn accept(&mut self) {
        std::mem::swap(&mut self.y, &mut self.candidate);
        self.t = self.t_next;
        let end = self.end();
        self.k.swap(0, end);
        self.evaluations.swap(0, end);
        self.start_known = self.end_known;
        self.end_known = false;
    }
}
