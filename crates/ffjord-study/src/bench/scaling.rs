//! One workload on one and on two threads.

use super::{Division, Method, Repetitions, Subject, Workload, median};
use crate::error::Result;
use ffjord_cuda::DeviceName;
use serde::Serialize;

/// What a second thread gains.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThreadScaling {
    /// The workload.
    pub workload: String,
    /// The solver.
    pub solver: String,
    /// Median seconds of an iteration on a pool of one thread.
    pub seconds_with_one_thread: f64,
    /// On a pool of two.
    pub seconds_with_two_threads: f64,
    /// How many times faster two threads are.
    pub speedup: f64,
}

/// Times a workload on pools of one and of two threads, with the fixed steps of the benchmark.
///
/// # Errors
/// When threads cannot be started or a solve fails.
pub fn thread_scaling(workload: &Workload, division: Division, repetitions: Repetitions) -> Result<ThreadScaling> {
    let subject = Subject::new(workload, Method::RK4, division, DeviceName::Cpu)?;
    let seconds = |threads| -> Result<f64> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        Ok(median(pool.install(|| subject.train(repetitions))?.seconds()))
    };
    let (one, two) = (seconds(1)?, seconds(2)?);
    Ok(ThreadScaling {
        workload: workload.name.clone(),
        solver: Method::RK4.name(),
        seconds_with_one_thread: one,
        seconds_with_two_threads: two,
        speedup: one / two,
    })
}
