//! Watching a run: progress on the terminal, metrics in a file, or whatever a user wants.

mod jsonl;
mod progress;
mod tensorboard;

pub use jsonl::JsonLines;
pub use progress::Progress;
pub use tensorboard::TensorBoard;

use crate::error::Result;

/// One finished iteration.
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_data::ToyDensity;
/// # use ffjord_flow::{Cnf, Flow};
/// # let flow = Flow::over_normal(Cnf::builder(2).hidden([8]).tolerance(1e-2).build()?)?;
/// # let moons = ffjord_train::FreshSamples::new(8, DType::F32, |rows, rng| ToyDensity::Moons.sample(rows, rng));
/// use ffjord_train::{IterationReport, MaximumLikelihood, Observer, TrainError, Trainer, TrainerOptions};
///
/// struct Last<'a>(&'a mut Option<IterationReport>);
/// impl Observer for Last<'_> {
///     fn iteration(&mut self, report: &IterationReport) -> Result<(), TrainError> {
///         *self.0 = Some(report.clone());
///         Ok(())
///     }
/// }
///
/// let mut last = None;
/// Trainer::new(&flow, &MaximumLikelihood::default(), &moons, TrainerOptions::new(2, 1e-3))?
///     .observe(Last(&mut last))
///     .run()?;
/// let report = last.ok_or("two iterations")?;
/// assert_eq!((report.iteration, report.learning_rate, report.end_times.len()), (2, 1e-3, 1));
/// assert!(report.forward_evaluations > 0.0 && report.gradient_norm > 0.0 && report.processes.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// ```
/// use ffjord_train::ProcessReport;
/// // How far the slowest process holds up the others.
/// let processes =
///     [ProcessReport { evaluations: 40.0, seconds: 1.0 }, ProcessReport { evaluations: 62.0, seconds: 1.5 }];
/// let slowest = processes.iter().map(|process| process.seconds).fold(0.0, f64::max);
/// let mean = processes.iter().map(|process| process.seconds).sum::<f64>() / processes.len() as f64;
/// assert_eq!(slowest / mean, 1.2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProcessReport {
    /// Evaluations of the vector field, forward and in the gradient; the mean over its rows.
    pub evaluations: f64,
    /// Seconds that loss and gradient of its rows took.
    pub seconds: f64,
}

/// One validation.
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_data::ToyDensity;
/// # use ffjord_flow::{Cnf, Flow};
/// # let flow = Flow::over_normal(Cnf::builder(2).hidden([8]).tolerance(1e-2).build()?)?;
/// # let moons = ffjord_train::FreshSamples::new(8, DType::F32, |rows, rng| ToyDensity::Moons.sample(rows, rng));
/// use ffjord_train::{
///     MaximumLikelihood, Observer, TrainError, Trainer, TrainerOptions, Validation, ValidationReport,
/// };
///
/// struct Seen<'a>(&'a mut Vec<ValidationReport>);
/// impl Observer for Seen<'_> {
///     fn validation(&mut self, report: &ValidationReport) -> Result<(), TrainError> {
///         self.0.push(report.clone());
///         Ok(())
///     }
/// }
///
/// let worse_every_time = std::cell::Cell::new(1.0);
/// let validate = |_: &Flow<Cnf>| {
///     let nll = worse_every_time.replace(worse_every_time.get() + 1.0);
///     Ok::<_, TrainError>(Validation { nll, standard_error: 0.0, test_nll: None })
/// };
/// let mut seen = Vec::new();
/// Trainer::new(&flow, &MaximumLikelihood::default(), &moons, TrainerOptions::new(2, 1e-3).validate_every(1))?
///     .validate(&validate)
///     .observe(Seen(&mut seen))
///     .run()?;
/// assert_eq!((seen[0].nll, seen[0].best, seen[1].nll, seen[1].best), (1.0, true, 2.0, false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_data::ToyDensity;
/// # use ffjord_flow::{Cnf, Flow};
/// # let flow = Flow::over_normal(Cnf::builder(2).hidden([8]).tolerance(1e-2).build()?)?;
/// # let moons = ffjord_train::FreshSamples::new(8, DType::F32, |rows, rng| ToyDensity::Moons.sample(rows, rng));
/// use ffjord_flow::Pass;
/// use ffjord_train::{Batch, FailureReport, Loss, Objective, Observer, TrainError, Trainer, TrainerOptions};
///
/// /// An objective that never works.
/// struct Broken;
/// impl Objective<Flow<Cnf>> for Broken {
///     fn loss(&self, _: &Flow<Cnf>, _: &Batch, _: &mut Pass<'_>) -> Result<Loss, TrainError> {
///         Err(TrainError::own("cannot weigh the batch", std::io::Error::other("no scale")))
///     }
/// }
/// struct Seen<'a>(&'a mut Vec<FailureReport>);
/// impl Observer for Seen<'_> {
///     fn failure(&mut self, report: &FailureReport) -> Result<(), TrainError> {
///         self.0.push(report.clone());
///         Ok(())
///     }
/// }
///
/// let mut seen = Vec::new();
/// Trainer::new(&flow, &Broken, &moons, TrainerOptions::new(2, 1e-3))?.observe(Seen(&mut seen)).run()?;
/// assert_eq!((seen.len(), seen[1].iteration), (2, 2));
/// assert!(seen[0].cause.contains("cannot weigh the batch: no scale"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
