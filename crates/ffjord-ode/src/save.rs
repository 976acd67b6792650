//! Collecting the values that a [`SaveAt`] asks for while a solve runs.

use crate::{
    error::{SetupError, SolveError},
    event::{EventPoint, inside_of},
    interpolant::DenseOutput,
    solution::{SaveAt, Saved},
    state::State,
    stepper::Stepper,
    system::{Evaluator, System},
};

/// What is wanted, and the values collected so far.
pub(crate) struct Saver<S> {
    /// Times wanted, in the order of the solve.
    times: Vec<f64>,
    /// How many of them have been reached.
    reached: usize,
    /// Whether the ends of all steps are wanted.
    steps: bool,
    pub(crate) saved: Vec<Saved<S>>,
    pub(crate) dense: Option<DenseOutput<S>>,
}

impl<S: State> Saver<S> {
    /// Starts with the initial state `y0`, if it is asked for.
    ///
    /// # Errors
    /// [`SetupError::InvalidTimes`] for times outside the solve or out of order.
    pub(crate) fn new(save_at: &SaveAt, (t0, t1): (f64, f64), y0: &S) -> Result<Self, SetupError> {
        let mut saver = Self {
            times: Vec::new(),
            reached: 0,
            steps: false,
            saved: Vec::new(),
            dense: None,
        };
        saver.want(save_at, (t0, t1), y0)?;
        if t1 >= t0 {
            saver.times.sort_by(f64::total_cmp);
        } else {
            saver.times.sort_by(|a, b| b.total_cmp(a));
        }
        while saver.times.get(saver.reached) == Some(&t0) {
            saver.save_time(t0, y0.clone());
        }
        saver.save_step(t0, y0);
        Ok(saver)
    }

    fn want(&mut self, save_at: &SaveAt, (t0, t1): (f64, f64), y0: &S) -> Result<(), SetupError> {
        match save_at {
            SaveAt::End => {}
            SaveAt::Times(times) => {
                check_times("save", times, t0, t1)?;
                self.times.extend(times);
            }
            SaveAt::Steps => self.steps = true,
            SaveAt::Dense => self.dense = Some(DenseOutput::new(t0, y0.clone())),
            SaveAt::Several(all) => {
                for save_at in all {
                    self.want(save_at, (t0, t1), y0)?;
                }
            }
        }
        Ok(())
    }

    fn save_time(&mut self, t: f64, state: S) {
        self.saved.push(Saved { t, state });
        self.reached += 1;
    }

    /// Saves the end of a step if it is wanted, and not there yet as one of the times.
    fn save_step(&mut self, t: f64, state: &S) {
        if self.steps && self.saved.last().is_none_or(|last| last.t != t) {
            let state = state.clone();
            self.saved.push(Saved { t, state });
        }
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
        let (t, t_end) = (stepper.time(), stop.map_or(t_next, |stop| stop.t));
        let mut inside = None;
        while let Some(&time) = self.times.get(self.reached)
            && (time - t) / (t_end - t) <= 1.0
        {
            let state = if time == t_end {
                stop.map_or(stepper.candidate(), |stop| &stop.state).clone()
            } else {
                inside_of(&mut inside, stepper, f)?.at(time)?
            };
            self.save_time(time, state);
        }
        self.save_step(t_end, stop.map_or(stepper.candidate(), |stop| &stop.state));
        if let Some(dense) = &mut self.dense {
            let step = inside_of(&mut inside, stepper, f)?;
            dense.push(match stop {
                Some(stop) => step.until(stop.t)?,
                None => step.clone(),
            });
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
