//! What a session of training led to.

use std::fmt;

/// Why training ended.
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
