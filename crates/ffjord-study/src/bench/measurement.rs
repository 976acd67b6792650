//! One workload with one solver: everything that is measured of it.

use super::memory;
use super::subject::{Division, Subject};
use super::{Method, Workload, median};
use crate::error::Result;
use ffjord_cuda::DeviceName;
use ffjord_flow::{Density, Pass};
use ffjord_train::Purpose;
use serde::Serialize;
use std::time::Instant;

/// How often things are timed.
#[derive(Debug, Clone, Copy)]
pub struct Repetitions {
    /// Iterations before the first that counts.
    pub warm_up: usize,
    /// At least so often,
    pub least: usize,
    /// and at most so often,
    pub most: usize,
    /// until so many seconds have passed.
    pub seconds: f64,
}

/// What was measured; seconds are medians.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    /// The workload.
    pub workload: String,
    /// The solver.
    pub solver: String,
    /// How the batch was cut.
    pub division: Division,
    /// Iterations that were timed.
    pub repetitions: usize,
    /// Seconds of a training iteration: forward solve, gradient, Adam.
    pub iteration_seconds: f64,
    /// Seconds of the fastest one, which tells most where other programs run beside.
    pub fastest_iteration_seconds: f64,
    /// Seconds of its forward solve.
    pub forward_seconds: f64,
    /// Evaluations of the forward solves, the blocks of a chain added up.
    pub forward_evaluations: f64,
    /// Evaluations of the gradient, each with its reverse.
    pub backward_evaluations: f64,
    /// Seconds of one evaluation of value and trace for the whole batch.
    pub evaluation_seconds: f64,
    /// Seconds of one evaluation with its reverse, Adam's share included.
    pub reverse_evaluation_seconds: f64,
    /// Useful operations a second, in 10⁹: 2 passes through the matrices for an evaluation forward and 4 for a reverse;
    /// what is computed again counts as time only, and 3×3 convolutions count nine products a pixel, though their kernels take
    /// fewer.
    pub gflops: f64,
    /// That, as a fraction of the processor's product ceiling in the same run; none on a card.
    pub ceiling_fraction: Option<f64>,
    /// Where solves were carried out.
    pub device: DeviceName,
    /// Peak resident memory of training in MB (10⁶ bytes), with what workloads before left to the process; none where the
    /// system does not tell.
    pub peak_memory_mb: Option<f64>,
    /// Seconds of the batch's log-likelihood, with the exact trace but for images.
    pub likelihood_seconds: f64,
    /// The most memory in MB (10⁶ bytes) that an iteration allocates beyond what the one before left for it.
    pub allocated_mb: f64,
    /// Samples drawn at a time.
    pub samples: usize,
    /// Seconds of drawing them.
    pub sampling_seconds: f64,
}

impl Measurement {
    /// Measures a workload with a solver; `ceiling` is the processor's, in 10⁹ operations a second.
    ///
    /// # Errors
    /// When a model cannot be built or a solve fails.
    pub fn take(
        workload: &Workload,
        method: Method,
        division: Division,
        device: DeviceName,
        repetitions: Repetitions,
        ceiling: Option<f64>,
    ) -> Result<Self> {
        let subject = Subject::new(workload, method, division, device)?;
        memory::reset_peak();
        let training = subject.train(repetitions)?;
        let peak_memory_mb = memory::peak_mb();
        let (forward_evaluations, backward_evaluations) = training.evaluations();
        let iteration_seconds = median(training.seconds());
        let forward_seconds = median(training.forward_seconds());
        let flops = workload.pass_flops() * (2.0 * forward_evaluations + 4.0 * backward_evaluations);
        let gflops = flops / iteration_seconds * 1e-9;
        let (model, batch, streams) = (subject.model(), subject.batch(), subject.streams());
        let likelihood_seconds = time(repetitions, |index| {
            let mut rng = streams.rng(Purpose::Test, index, 0);
            let mut pass = Pass::evaluation(&mut rng);
            pass.set_given(subject.given().cloned());
            Ok(model.log_prob(batch, &mut pass)?)
        })?;
        let sampling_seconds = time(repetitions, |index| {
            let mut rng = streams.rng(Purpose::Sample, index, 0);
            let mut pass = Pass::sampling(&mut rng);
            pass.set_given(subject.given().cloned());
            Ok(model.sample(workload.samples(), &mut pass)?)
        })?;
        Ok(Self {
            workload: workload.name.clone(),
            solver: method.name(),
            division,
            repetitions: training.seconds().len(),
            iteration_seconds,
            fastest_iteration_seconds: training.seconds().iter().copied().fold(f64::INFINITY, f64::min),
            forward_seconds,
            forward_evaluations,
            backward_evaluations,
            evaluation_seconds: forward_seconds / forward_evaluations,
            reverse_evaluation_seconds: (iteration_seconds - forward_seconds) / backward_evaluations,
            gflops,
            ceiling_fraction: ceiling.map(|ceiling| gflops / ceiling),
            device,
            peak_memory_mb,
            allocated_mb: training.allocated_bytes() as f64 * 1e-6,
            likelihood_seconds,
            samples: workload.samples(),
            sampling_seconds,
        })
    }
}

/// Median seconds of `work`, which gets the number of the repetition.
fn time<T>(repetitions: Repetitions, mut work: impl FnMut(u64) -> Result<T>) -> Result<f64> {
    let mut seconds = Vec::new();
    let start = Instant::now();
    // Training has warmed everything up; long solves are timed once.
    while seconds.is_empty()
        || (seconds.len() < repetitions.most && start.elapsed().as_secs_f64() < repetitions.seconds)
    {
        let clock = Instant::now();
        work(seconds.len() as u64)?;
        seconds.push(clock.elapsed().as_secs_f64());
    }
    Ok(median(&seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_counts_evaluations_and_operations() -> Result<()> {
        let repetitions = Repetitions {
            warm_up: 1,
            least: 1,
            most: 1,
            seconds: 0.0,
        };
        let workloads = crate::bench::all();
        let division = Division {
            block_rows: 64,
            accumulate_rows: 75,
            tape_mb: 1,
        };
        let measured = Measurement::take(
            &workloads[0],
            Method::RK4,
            division,
            DeviceName::Cpu,
            repetitions,
            Some(1.0),
        )?;
        assert_eq!(
            (measured.forward_evaluations, measured.backward_evaluations),
            (80.0, 80.0)
        );
        // 2 · 100 rows · (2·64 + 64·64 + 64·64 + 64·2) weights, 2 passes forward and 4 back.
        let flops = 2.0 * 100.0 * 8448.0 * 480.0;
        assert!((measured.gflops * measured.iteration_seconds / (flops * 1e-9) - 1.0).abs() < 1e-9);
        assert_eq!(measured.repetitions, 1);
        Ok(())
    }
}
