//! Watching a run: progress on the terminal, metrics in a file, or whatever a user wants.

mod jsonl;
mod progress;
mod tensorboard;

pub use jsonl::JsonLines;
pub use progress::Progress;
pub use tensorboard::TensorBoard;

use crate::error::Result;

/// One finished iteration.
#[derive(Debug, Clone, PartialEq)]
pub struct IterationReport {
    /// Iterations done, this one included.
    pub iteration: u64,
    /// The loss in nats, penalties included.
    pub loss: f64,
    /// The loss's terms before weighting.
    pub terms: Vec<(String, f64)>,
    /// Evaluations of the vector field in the forward solves.
    pub forward_evaluations: f64,
    /// Evaluations in the gradient.
    pub backward_evaluations: f64,
    /// End times of the continuous parts.
    pub end_times: Vec<f64>,
    /// The gradient's global norm before clipping.
    pub gradient_norm: f64,
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// Seconds of training so far, validations excluded, over all sessions of the run.
    pub seconds: f64,
    /// What each of several processes did, in their order; empty for a process by itself.
    pub processes: Vec<ProcessReport>,
}

/// What one of several processes did in an iteration, before it waited for the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProcessReport {
    /// Evaluations of the vector field, forward and in the gradient; the mean over its rows.
    pub evaluations: f64,
    /// Seconds that loss and gradient of its rows took.
    pub seconds: f64,
}

/// One validation.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidationReport {
    /// Iterations done before it.
    pub iteration: u64,
    /// Mean negative log-likelihood of the validation rows, in nats.
    pub nll: f64,
    /// Its standard error over rows.
    pub standard_error: f64,
    /// That of test rows, in nats, where the run watches them.
    pub test_nll: Option<f64>,
    /// Whether it is the best so far.
    pub best: bool,
    /// Seconds of training so far.
    pub seconds: f64,
}

/// An iteration or a validation that failed, and changed nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct FailureReport {
    /// The iteration that failed, or after which a validation did, counted as in [`IterationReport::iteration`].
    pub iteration: u64,
    /// Why, in words.
    pub cause: String,
}

/// Is told what happens in a run: a progress bar, a file of metrics, a test.
///
/// ```
/// use candle_core::DType;
/// use ffjord_data::ToyDensity;
/// use ffjord_flow::{Cnf, Flow};
/// use ffjord_train::{
///     FreshSamples, IterationReport, MaximumLikelihood, Observer, TrainError, Trainer, TrainerOptions,
/// };
///
/// /// The losses so far.
/// struct Losses<'a>(&'a mut Vec<f64>);
///
/// impl Observer for Losses<'_> {
///     fn iteration(&mut self, report: &IterationReport) -> Result<(), TrainError> {
///         self.0.push(report.loss);
///         Ok(())
///     }
/// }
///
/// let mut losses = Vec::new();
/// let flow = Flow::over_normal(Cnf::builder(2).hidden([16]).tolerance(1e-3).build()?)?;
/// let moons = FreshSamples::new(32, DType::F32, |rows, rng| ToyDensity::Moons.sample(rows, rng));
/// Trainer::new(&flow, &MaximumLikelihood::default(), &moons, TrainerOptions::new(3, 1e-2))?
///     .observe(Losses(&mut losses))
///     .run()?;
/// assert_eq!(losses.len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Observer {
    /// A run starts, or goes on after `iteration` iterations of `total`.
    ///
    /// # Errors
    /// The observer's own; an error ends the run.
    fn started(&mut self, iteration: u64, total: u64) -> Result<()> {
        let _ = (iteration, total);
        Ok(())
    }

    /// An iteration is done.
    ///
    /// # Errors
    /// The observer's own; an error ends the run.
    fn iteration(&mut self, report: &IterationReport) -> Result<()> {
        let _ = report;
        Ok(())
    }

    /// A validation is done.
    ///
    /// # Errors
    /// The observer's own; an error ends the run.
    fn validation(&mut self, report: &ValidationReport) -> Result<()> {
        let _ = report;
        Ok(())
    }

    /// An iteration or a validation failed and was left out.
    ///
    /// # Errors
    /// The observer's own; an error ends the run.
    fn failure(&mut self, report: &FailureReport) -> Result<()> {
        let _ = report;
        Ok(())
    }

    /// The run ends, finished or interrupted, with `message` saying how.
    ///
    /// # Errors
    /// The observer's own.
    fn ended(&mut self, message: &str) -> Result<()> {
        let _ = message;
        Ok(())
    }
}

impl<O: Observer + ?Sized> Observer for &mut O {
    fn started(&mut self, iteration: u64, total: u64) -> Result<()> {
        (**self).started(iteration, total)
    }

    fn iteration(&mut self, report: &IterationReport) -> Result<()> {
        (**self).iteration(report)
    }

    fn validation(&mut self, report: &ValidationReport) -> Result<()> {
        (**self).validation(report)
    }

    fn failure(&mut self, report: &FailureReport) -> Result<()> {
        (**self).failure(report)
    }

    fn ended(&mut self, message: &str) -> Result<()> {
        (**self).ended(message)
    }
}
