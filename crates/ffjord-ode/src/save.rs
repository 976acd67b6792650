//! Collecting the values that a [`SaveAt`] asks for while a solve runs.

use crate::{
    error::{SetupError, SolveError},
    event::EventPoint,
    interpolant::DenseOutput,
    solution::{SaveAt, Saved},
    state::State,
    stepper::Stepper,
    system::{Evaluator, System},
};

/// The values collected so far.
pub(crate) struct Saver<'a, S> {
    save_at: &'a SaveAt,
    pub(crate) saved: Vec<Saved<S>>,
    pub(crate) dense: Option<DenseOutput<S>>,
}

impl<'a, S: State> Saver<'a, S> {
    /// Starts with the initial state `y0`, if it is asked for.
    pub(crate) fn new(save_at: &'a SaveAt, t0: f64, y0: &S) -> Self {
        let mut saver = Self {
            save_at,
            saved: Vec::new(),
            dense: None,
        };
        match save_at {
            SaveAt::End => {}
            SaveAt::Times(times) => {
                let at_start = times.iter().take_while(|&&t| t == t0);
                saver.saved.extend(at_start.map(|&t| Saved { t, state: y0.clone() }));
            }
            SaveAt::Steps => saver.saved.push(Saved {
                t: t0,
                state: y0.clone(),
            }),
            SaveAt::Dense => saver.dense = Some(DenseOutput::new(t0, y0.clone())),
        }
        saver
    }

    /// Takes what is wanted from the step just attempted, up to the event that ends the solve in it, before the stepper
    /// moves on.
    pub(crate) fn collect<Sys, M>(
        &mut self,
        f: &mut Evaluator<'_, Sys>,
        stepper: &mut M,
        t_next: f64,
        stop: Option<&EventPoint<S>>,
    ) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
        M: Stepper<S>,
    {
        let t_end = stop.map_or(t_next, |stop| stop.t);
        let end = |stepper: &M| stop.map_or(stepper.candidate(), |stop| &stop.state).clone();
        match self.save_at {
            SaveAt::End => {}
            SaveAt::Steps => self.saved.push(Saved {
                t: t_end,
                state: end(stepper),
            }),
            SaveAt::Dense => {
                let step = stepper.interpolant(f)?;
                if let Some(dense) = &mut self.dense {
                    dense.push(match stop {
                        Some(stop) => step.until(stop.t)?,
                        None => step,
                    });
                }
            }
            SaveAt::Times(times) => {
                let t = stepper.time();
                let open = times.get(self.saved.len()..).unwrap_or_default();
                let reached = open.iter().take_while(|&&time| (time - t) / (t_end - t) <= 1.0);
                let mut step = None;
                for &time in reached {
                    let state = if time == t_end {
                        end(stepper)
                    } else {
                        let step = match &mut step {
                            Some(step) => step,
                            none => none.insert(stepper.interpolant(f)?),
                        };
                        step.at(time)?
                    };
                    self.saved.push(Saved { t: time, state });
                }
            }
        }
        Ok(())
    }
}

/// Checks that `times` lie between `t0` and `t1` and follow one another in that direction.
pub(crate) fn check_times(purpose: &'static str, times: &[f64], t0: f64, t1: f64) -> Result<(), SetupError> {
    let direction = if t1 >= t0 { 1.0 } else { -1.0 };
    let mut previous = t0;
    for &time in times {
        let fits = (time - previous) * direction >= 0.0 && (t1 - time) * direction >= 0.0;
        if !fits {
            return Err(SetupError::InvalidTimes { purpose, time, t0, t1 });
        }
        previous = time;
    }
    Ok(())
}
