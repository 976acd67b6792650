//! What a session of training led to.

use std::fmt;

/// Why training ended.
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_data::ToyDensity;
/// # use ffjord_flow::{Cnf, Flow};
/// # let flow = Flow::over_normal(Cnf::builder(2).hidden([8]).tolerance(1e-2).build()?)?;
/// # let moons = ffjord_train::FreshSamples::new(8, DType::F32, |rows, rng| ToyDensity::Moons.sample(rows, rng));
/// use std::sync::atomic::AtomicBool;
/// use ffjord_train::{MaximumLikelihood, Trainer, TrainerOptions, TrainingEnd};
/// // Asked to stop before it begins.
/// let (stop, objective) = (AtomicBool::new(true), MaximumLikelihood::default());
/// let summary = Trainer::new(&flow, &objective, &moons, TrainerOptions::new(3, 1e-3))?.stop_on(&stop).run()?;
/// assert_eq!(summary.end, TrainingEnd::Interrupted);
/// assert!(summary.iterations < 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrainingEnd {
    /// All iterations are done.
    Finished,
    /// No improvement for as many validations as allowed.
    StoppedEarly,
    /// It was asked to stop; a checkpoint holds everything.
    Interrupted,
}

/// What a session of training led to; its text is one sentence on how it ended.
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_data::ToyDensity;
/// # use ffjord_flow::{Cnf, Flow};
/// # let flow = Flow::over_normal(Cnf::builder(2).hidden([8]).tolerance(1e-2).build()?)?;
/// # let moons = ffjord_train::FreshSamples::new(8, DType::F32, |rows, rng| ToyDensity::Moons.sample(rows, rng));
/// use ffjord_train::{MaximumLikelihood, Trainer, TrainerOptions, TrainingEnd};
/// let summary = Trainer::new(&flow, &MaximumLikelihood::default(), &moons, TrainerOptions::new(2, 1e-3))?.run()?;
/// assert_eq!((summary.end, summary.iterations, summary.best_nll), (TrainingEnd::Finished, 2, None));
/// assert!(summary.to_string().contains('2'));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingSummary {
    /// Why it ended.
    pub end: TrainingEnd,
    /// Iterations done over all sessions.
    pub iterations: u64,
    /// Seconds of training over all sessions, validations excluded.
    pub seconds: f64,
    /// The best validation, in nats.
    pub best_nll: Option<f64>,
    /// Iterations that failed and were left out, over all sessions.
    pub failures: u64,
}

impl fmt::Display for TrainingSummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (iterations, seconds) = (self.iterations, self.seconds);
        match self.end {
            TrainingEnd::Finished => write!(
                formatter,
                "training finished: {iterations} iterations in {seconds:.0} s"
            ),
            TrainingEnd::StoppedEarly => {
                write!(
                    formatter,
                    "training stopped early: {iterations} iterations in {seconds:.0} s"
                )
            }
            TrainingEnd::Interrupted => {
                write!(
                    formatter,
                    "interrupted after {iterations} iterations; everything is saved to go on from there"
                )
            }
        }
    }
}
