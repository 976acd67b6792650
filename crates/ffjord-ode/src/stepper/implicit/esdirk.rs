//! Singly diagonally implicit Runge–Kutta steps whose first stage is explicit.

use super::newton::{Iteration, StageEquation, Unknowns, rounding};
use crate::{
    error::{SolveError, StateError},
    interpolant::Interpolant,
    norm::{ScaledError, Tolerance},
    state::{NonFinite, State},
    stepper::{Stepper, stage_time, terms},
    system::{Evaluator, System},
    tableau::ImplicitTableau,
};

/// A stiffly accurate ESDIRK method given by its [`ImplicitTableau`]: `Yᵢ = y₀ + h Σⱼ aᵢⱼ kⱼ + hγ f(tᵢ, Yᵢ)`, y₁ is the
/// last stage.
///
/// Each stage is solved by Newton's iteration, whose linear equations GMRES solves from products with the Jacobian:
/// [`System::jacobian_product`], or finite differences of the right-hand side. A product counts as an evaluation. Dense
/// output is the cubic through values and slopes of both ends.
///
/// ```
/// use ffjord_ode::{Adaptive, Esdirk, Limits, Method, PidController, Tolerance, integrate};
/// // y = cos t, towards which everything else falls within thousandths.
/// let stiff = |t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -1e4 * (y[0] - t.cos()) - t.sin();
/// let tolerance = Tolerance::new(1e-6, 1e-6)?;
/// let method = Method::KenCarp4.implicit_tableau().ok_or("an implicit method")?;
/// let mut stepper = Esdirk::new(method, Some(tolerance), &[1.0])?;
/// let mut controller = PidController::new(Adaptive::new(tolerance))?;
/// let solution = integrate(&stiff, &[1.0], (0.0, 2.0), &mut stepper, &mut controller, &Limits::default())?;
/// assert!((solution.state[0] - 2.0_f64.cos()).abs() < 1e-5);
/// assert!(solution.stats.accepted < 100);                 // an explicit method needs thousands
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Esdirk<S> {
    method: &'static ImplicitTableau,
    tolerance: Tolerance,
    t: f64,
    t_next: f64,
    /// Whether all stages of the last attempt are solved.
    solved: bool,
    /// Whether an attempt of the step under way failed because rounding hides slow components in it.
    too_stiff: bool,
    /// How often that has been of late: 4 more for a step of which an attempt did so, 1 less for any other.
    cut: usize,
    y: S,
    candidate: S,
    /// The known part of a stage's equation, then the error estimate.
    scratch: S,
    /// What the last stage's equation left open.
    residual: S,
    /// The stages; the first is the slope at the current point, the last that at the candidate.
    k: Vec<S>,
}

impl<S: State> Esdirk<S> {
    /// A stepper for states like `y` that solves its equations to a hundredth of `tolerance`; `None` asks for all that the
    /// precision of the states can hold.
    ///
    /// # Errors
    /// If the work space cannot be had.
    pub fn new(method: &'static ImplicitTableau, tolerance: Option<Tolerance>, y: &S) -> Result<Self, StateError> {
        Ok(Self {
            method,
            tolerance: tolerance.unwrap_or(Tolerance::finest(y.epsilon())),
            t: 0.0,
            t_next: 0.0,
            solved: true,
            too_stiff: false,
            cut: 0,
            y: y.zeros_like()?,
            candidate: y.zeros_like()?,
            scratch: y.zeros_like()?,
            residual: y.zeros_like()?,
            k: (0..method.tableau.stages())
                .map(|_| y.zeros_like())
                .collect::<Result<_, _>>()?,
        })
    }

    fn step(&self) -> f64 {
        self.t_next - self.t
    }

    /// Solves stage `i`, whose value becomes the candidate.
    fn stage<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, i: usize) -> Result<Iteration, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        let (tableau, h) = (&self.method.tableau, self.step());
        let s = h * self.method.diagonal;
        let (known, rest) = self.k.split_at_mut(i);
        self.scratch
            .set_sum(&terms(&[(1.0, &self.y)], tableau.a[i], known, h))?;
        let stage = &mut rest[0];
        stage.set_sum(&[(s, &known[i - 1])])?;
        let equation = StageEquation {
            t: stage_time(tableau.c[i], self.t, self.t_next),
            start: &self.y,
            psi: &self.scratch,
            s,
            tolerance: self.tolerance,
        };
        let unknowns = Unknowns {
            z: stage,
            value: &mut self.candidate,
            residual: &mut self.residual,
        };
        let outcome = equation.solve(f, unknowns)?;
        if outcome == Iteration::Converged {
            // The slope by the equation itself: another evaluation would magnify what the iteration left open.
            self.residual.set_sum(&[(1.0 / s, stage)])?;
            std::mem::swap(stage, &mut self.residual);
        }
        Ok(outcome)
    }

    /// Makes the candidate not a number, in the rows at fault where these can be told.
    fn spoil(&mut self) -> Result<(), StateError> {
        if self.residual.non_finite()?.is_empty() {
            self.candidate.set_sum(&[(f64::NAN, &self.y)])
        } else {
            self.candidate.set_sum(&[(1.0, &self.residual)])
        }
    }
}

impl<S: State> Stepper<S> for Esdirk<S> {
    fn name(&self) -> &'static str {
        self.method.tableau.name
    }

    fn order(&self) -> u32 {
        self.method.tableau.order
    }

    fn error_order(&self) -> Option<u32> {
        self.method.tableau.embedded.map(|embedded| embedded.order)
    }

    fn start<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t: f64, y: &S) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        self.y.set_sum(&[(1.0, y)])?;
        (self.t, self.t_next) = (t, t);
        (self.too_stiff, self.cut) = (false, 0);
        f.rhs(t, &self.y, &mut self.k[0])
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
        /// The part of the tolerance that rounding may take.
        const ROUNDING: f64 = 0.125;
        /// Rounding holds the steps short if 16 in a row are cut short by it, or about every fourth of many.
        const PATIENCE: usize = 64;
        (self.t_next, self.solved) = (t_next, true);
        let (_, ratio) = rounding(&self.y, &self.tolerance)?;
        if ratio > ROUNDING {
            return Err(SolveError::Rounding {
                t: self.t,
                ratio,
                accepted: ROUNDING,
            });
        }
        for i in 1..self.k.len() {
            match self.stage(f, i)? {
                Iteration::Converged => (),
                Iteration::NotConverged => {
                    self.solved = false;
                    return Ok(());
                }
                // Shorter steps are less stiff.
                Iteration::TooStiff(ratio) if self.cut >= PATIENCE => {
                    return Err(SolveError::TooStiff {
                        t: self.t,
                        dt: self.step(),
                        ratio,
                    });
                }
                Iteration::TooStiff(_) => {
                    (self.solved, self.too_stiff) = (false, true);
                    return Ok(());
                }
                Iteration::NotFinite => return Ok(self.spoil()?),
            }
        }
        Ok(())
    }

    fn is_solved(&self) -> bool {
        self.solved
    }

    fn candidate(&self) -> &S {
        &self.candidate
    }

    fn measure_error(&mut self, tolerance: &Tolerance) -> Result<Option<ScaledError>, StateError> {
        let Some(embedded) = &self.method.tableau.embedded else {
            return Ok(None);
        };
        let h = self.step();
        self.scratch.set_sum(&terms(&[], embedded.weights, &self.k, h))?;
        self.scratch.scaled_error(&self.y, &self.candidate, tolerance).map(Some)
    }

    fn non_finite(&self) -> Result<NonFinite, StateError> {
        self.candidate.non_finite()?.or_else(|| self.scratch.non_finite())
    }

    fn interpolant<Sys>(&mut self, _f: &mut Evaluator<'_, Sys>) -> Result<Interpolant<S>, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        let (first, last) = (&self.k[0], &self.k[self.k.len() - 1]);
        let (times, values) = ((self.t, self.t_next), (&self.y, &self.candidate));
        Ok(Interpolant::cubic_hermite(times, values, (first, last))?)
    }

    fn accept(&mut self) {
        std::mem::swap(&mut self.y, &mut self.candidate);
        self.t = self.t_next;
        self.cut = if self.too_stiff {
            self.cut + 4
        } else {
            self.cut.saturating_sub(1)
        };
        self.too_stiff = false;
        let last = self.k.len() - 1;
        self.k.swap(0, last);
    }
}
