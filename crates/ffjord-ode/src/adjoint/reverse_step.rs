//! One explicit Runge–Kutta step, recomputed and pulled back.

use super::{DifferentiableSystem, kept::Evaluation};
use crate::{
    error::{SolveError, StateError},
    integrate::Window,
    state::{State, Terms},
    stepper::{stage_time, terms},
    tableau::Tableau,
};

/// What a step `(t, h, y₀) ↦ y₁` owes to its times, given λ₁ = dL/dy₁.
pub(super) struct TimeSensitivity {
    /// dL/dt, with the size of the step held.
    pub(super) t: f64,
    /// dL/dh.
    pub(super) h: f64,
}

/// Work space for pulling steps back; reused from step to step.
///
/// With `kᵢ = f(tᵢ, Yᵢ)` and `Yᵢ = y₀ + h Σⱼ aᵢⱼ kⱼ`, from the last stage to the first
///
/// ```text
/// vᵢ = dL/dkᵢ = h (bᵢ λ₁ + Σⱼ aⱼᵢ gⱼ),    gᵢ = (∂f/∂y)ᵀ vᵢ,    λ₀ = λ₁ + Σᵢ gᵢ,
/// dL/dt = Σᵢ τᵢ,    dL/dh = Σᵢ kᵢ·vᵢ / h + cᵢ τᵢ,    τᵢ = (∂f/∂t)·vᵢ.
/// ```
pub(super) struct ReverseStep<S> {
    tableau: &'static Tableau,
    /// Where the right-hand side jumps, and whether the steps were taken forwards in time.
    jumps: Vec<f64>,
    forwards: bool,
    /// Stages that y₁ depends on.
    stages: usize,
    k: Vec<S>,
    g: Vec<S>,
    /// Input of a stage, then the cotangent of a stage.
    scratch: S,
    /// λ, from y₁ to y₀.
    cotangent: S,
}

impl<S: State> ReverseStep<S> {
    /// Begins at the end of the last step with dL/dy there.
    pub(super) fn new(
        tableau: &'static Tableau,
        jumps: &[f64],
        forwards: bool,
        cotangent: &S,
    ) -> Result<Self, StateError> {
        let stages = tableau.stages_of_solution();
        let zeros = || {
            (0..stages)
                .map(|_| cotangent.zeros_like())
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            tableau,
            jumps: jumps.to_vec(),
            forwards,
            stages,
            k: zeros()?,
            g: zeros()?,
            scratch: cotangent.zeros_like()?,
            cotangent: crate::state::copy_of(cotangent)?,
        })
    }

    /// Evaluations that one step takes, each with its reverse product.
    pub(super) fn evaluations(&self) -> usize {
        self.stages
    }

    /// dL/dy at the start of the last step pulled back.
    pub(super) fn into_cotangent(self) -> S {
        self.cotangent
    }

    /// Pulls the step from `(t, y)` to `t_next` back; adds to `gradient`.
    pub(super) fn pull_back<Sys: DifferentiableSystem<S>>(
        &mut self,
        system: &Sys,
        (t, t_next): (f64, f64),
        y: &S,
        gradient: &mut Sys::Gradient,
    ) -> Result<TimeSensitivity, SolveError<Sys::Error>> {
        let tapes = self.recompute(system, (t, t_next), y)?;
        self.reverse(system, (t, t_next), tapes, gradient)
    }

    /// Pulls the step from `t` to `t_next` back, whose evaluations were kept; adds to `gradient`.
    pub(super) fn pull_back_kept<Sys: DifferentiableSystem<S>>(
        &mut self,
        system: &Sys,
        times: (f64, f64),
        evaluations: Vec<Evaluation<S, Sys::Tape>>,
        gradient: &mut Sys::Gradient,
    ) -> Result<TimeSensitivity, SolveError<Sys::Error>> {
        let mut tapes = Vec::with_capacity(self.stages);
        for (k, Evaluation { slope, tape }) in self.k.iter_mut().zip(evaluations) {
            *k = slope;
            tapes.push(tape);
        }
        self.reverse(system, times, tapes, gradient)
    }

    /// Pulls back a step whose stages are in `k`.
    fn reverse<Sys: DifferentiableSystem<S>>(
        &mut self,
        system: &Sys,
        (t, t_next): (f64, f64),
        tapes: Vec<Sys::Tape>,
        gradient: &mut Sys::Gradient,
    ) -> Result<TimeSensitivity, SolveError<Sys::Error>> {
        let (tableau, h) = (self.tableau, t_next - t);
        let mut sensitivity = TimeSensitivity { t: 0.0, h: 0.0 };
        for (i, tape) in tapes.into_iter().enumerate().rev() {
            let (current, later) = self.g.split_at_mut(i + 1);
            let weights = tableau.a[i + 1..self.stages].iter().map(|row| row[i]);
            let later = weights.zip(&*later).filter(|(w, _)| *w != 0.0).map(|(w, g)| (h * w, g));
            let v: Terms<'_, S> = std::iter::once((h * tableau.b[i], &self.cotangent))
                .chain(later)
                .collect();
            self.scratch.set_sum(&v)?;
            let time = stage_time(tableau.c[i], t, t_next);
            let tau = system
                .pullback(tape, &self.scratch, &mut current[i], gradient)
                .map_err(|source| SolveError::System { t: time, source })?;
            sensitivity.t += tau;
            sensitivity.h += self.k[i].dot(&self.scratch)? / h + tableau.c[i] * tau;
        }
        let ones = self.g.iter().map(|g| (1.0, g));
        let total: Terms<'_, S> = std::iter::once((1.0, &self.cotangent)).chain(ones).collect();
        self.scratch.set_sum(&total)?;
        drop(total);
        std::mem::swap(&mut self.scratch, &mut self.cotangent);
        Ok(sensitivity)
    }

    /// Evaluates the stages again and keeps their tapes.
    fn recompute<Sys: DifferentiableSystem<S>>(
        &mut self,
        system: &Sys,
        (t, t_next): (f64, f64),
        y: &S,
    ) -> Result<Vec<Sys::Tape>, SolveError<Sys::Error>> {
        let tableau = self.tableau;
        let window = Window::after(&self.jumps, t, self.forwards);
        let mut tapes = Vec::with_capacity(self.stages);
        for (i, (&c, &weights)) in tableau.c.iter().zip(tableau.a).take(self.stages).enumerate() {
            let (known, rest) = self.k.split_at_mut(i);
            self.scratch.set_sum(&terms(&[(1.0, y)], weights, known, t_next - t))?;
            let time = window.nearest(stage_time(c, t, t_next));
            let tape = system
                .linearize(time, &self.scratch, &mut rest[0])
                .map_err(|source| SolveError::System { t: time, source })?;
            tapes.push(tape);
        }
        Ok(tapes)
    }
}
