//! What all Adams methods share: past slopes, and integrals of the polynomials through them.

use smallvec::SmallVec;

use super::basis::{self, NODES, Weights};
use crate::{
    error::{SolveError, StateError},
    interpolant::Interpolant,
    state::{State, Terms, copy_of},
    stepper::terms,
    system::{Evaluator, System},
};

/// The current point with the slopes behind it, and a step under way.
#[derive(Debug, Clone)]
pub(super) struct AdamsStep<S> {
    pub(super) t: f64,
    pub(super) t_next: f64,
    pub(super) y: S,
    pub(super) candidate: S,
    /// Slope at the predicted end.
    predicted: S,
    /// Times of the past slopes that are known, the newest first.
    times: Vec<f64>,
    /// The slopes at these times; the rest is room for more.
    slopes: Vec<S>,
    /// Nodes of the polynomial whose integral is the candidate: in steps, the predicted end first if it is one of them.
    nodes: Vec<f64>,
    /// Weights of the predictor, for as many nodes as it has.
    predictor: Weights,
    /// Weights of correctors over the predicted end and past slopes, for several numbers of them.
    corrector: Weights,
}

impl<S: State> AdamsStep<S> {
    /// Room for `capacity` slopes of states like `y`.
    pub(super) fn new(y: &S, capacity: usize) -> Result<Self, StateError> {
        Ok(Self {
            t: 0.0,
            t_next: 0.0,
            y: y.zeros_like()?,
            candidate: y.zeros_like()?,
            predicted: y.zeros_like()?,
            times: Vec::with_capacity(capacity),
            slopes: (0..capacity).map(|_| y.zeros_like()).collect::<Result<_, _>>()?,
            nodes: Vec::with_capacity(capacity + 1),
            predictor: Weights::none(),
            corrector: Weights::none(),
        })
    }

    pub(super) fn start<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t: f64, y: &S) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        self.y = copy_of(y)?;
        (self.t, self.t_next) = (t, t);
        self.times.clear();
        self.ensure_slope(f)
    }

    /// Number of past slopes that are known, the one at the current point among them.
    pub(super) fn known(&self) -> usize {
        self.times.len()
    }

    /// The newest slope.
    pub(super) fn slope(&self) -> &S {
        &self.slopes[0]
    }

    /// Evaluates the slope at the current point, unless it is known.
    pub(super) fn ensure_slope<Sys>(&mut self, f: &mut Evaluator<'_, Sys>) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        if self.times.first() == Some(&self.t) {
            return Ok(());
        }
        self.slopes.rotate_right(1);
        self.times.truncate(self.slopes.len() - 1);
        if let Err(error) = f.rhs(self.t, &self.y, &mut self.slopes[0]) {
            self.slopes.rotate_left(1);
            return Err(error);
        }
        self.times.insert(0, self.t);
        Ok(())
    }

    /// Sets the candidate to the integral of the polynomial through the newest `count` slopes: Adams–Bashforth.
    pub(super) fn predict(&mut self, count: usize) -> Result<(), StateError> {
        self.nodes.clear();
        self.push_past_nodes(count);
        self.predictor.form(&self.nodes, count);
        let weights = self.predictor.of(count);
        let terms = weighted(Some(&self.y), weights, self.step(), None, &self.slopes);
        self.candidate.set_sum(&terms)
    }

    /// Evaluates the slope at the candidate and integrates the polynomial through it and the newest `count` slopes:
    /// Adams–Moulton. [`difference`](Self::difference) is then known for counts from `count` − 1 to `count` + 1.
    pub(super) fn correct<Sys>(
        &mut self,
        f: &mut Evaluator<'_, Sys>,
        count: usize,
    ) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        f.rhs(self.t_next, &self.candidate, &mut self.predicted)?;
        self.nodes.clear();
        self.nodes.push(1.0);
        self.push_past_nodes((count + 1).min(self.known()));
        self.corrector.form(&self.nodes, count.saturating_sub(1).max(1));
        self.nodes.truncate(count + 1);
        let weights = self.corrector.of(count + 1);
        let terms = weighted(Some(&self.y), weights, self.step(), Some(&self.predicted), &self.slopes);
        Ok(self.candidate.set_sum(&terms)?)
    }

    /// Writes the difference of the values corrected over `count` slopes and over one less into `error`.
    pub(super) fn difference(&self, count: usize, error: &mut S) -> Result<(), StateError> {
        let mut weights: SmallVec<[f64; NODES]> = SmallVec::from_slice(self.corrector.of(count + 1));
        let coarse = self.corrector.of(count);
        weights.iter_mut().zip(coarse).for_each(|(w, coarse)| *w -= coarse);
        error.set_sum(&weighted(
            None,
            &weights,
            self.step(),
            Some(&self.predicted),
            &self.slopes,
        ))
    }

    /// The integral that led to the candidate, as a function of its upper end.
    pub(super) fn interpolant(&self) -> Result<Interpolant<S>, StateError> {
        let integrals = basis::integrals(&self.nodes);
        let mut coefficients = vec![self.y.clone()];
        for power in 0..self.nodes.len() {
            let column: Vec<f64> = integrals.iter().map(|row| row[power]).collect();
            let mut coefficient = self.y.zeros_like()?;
            coefficient.set_sum(&weighted(None, &column, self.step(), self.prediction(), &self.slopes))?;
            coefficients.push(coefficient);
        }
        Ok(Interpolant::new(self.t, self.t_next, coefficients))
    }

    /// Makes the candidate the current point; its slope is evaluated when it is needed.
    pub(super) fn accept(&mut self) {
        std::mem::swap(&mut self.y, &mut self.candidate);
        self.t = self.t_next;
    }

    fn step(&self) -> f64 {
        self.t_next - self.t
    }

    fn push_past_nodes(&mut self, count: usize) {
        let (t, h) = (self.t, self.step());
        self.nodes.extend(self.times[..count].iter().map(|time| (time - t) / h));
    }

    /// The slope at the predicted end, if the polynomial goes through it.
    fn prediction(&self) -> Option<&S> {
        (self.nodes.first() == Some(&1.0)).then_some(&self.predicted)
    }
}

/// The terms of `start + h Σ wⱼ fⱼ`, the predicted slope first if it is among them.
fn weighted<'a, S>(
    start: Option<&'a S>,
    weights: &[f64],
    h: f64,
    predicted: Option<&'a S>,
    slopes: &'a [S],
) -> Terms<'a, S> {
    let (end, past) = weights.split_at(usize::from(predicted.is_some()));
    let end = end.iter().zip(predicted).map(|(w, slope)| (h * w, slope));
    let leading: Terms<'_, S> = start.map(|y| (1.0, y)).into_iter().chain(end).collect();
    terms(&leading, past, slopes, h)
}
