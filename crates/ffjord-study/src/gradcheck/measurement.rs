//! Every adjoint: how far its gradient is from finite differences, and what it takes.

use super::direction::{Direction, Kind};
use super::subject::Subject;
use crate::error::Result;
use crate::memory;
use ffjord_flow::config::write_block_rows;
use ffjord_ode::Method;
use ffjord_run::RunFolder;
use ffjord_run::config::{AdjointKind, RunConfig, StepConfig};
use ffjord_train::Batch;
use serde::Serialize;
use std::time::Instant;

/// Gradients are taken so often; the fastest counts.
const REPETITIONS: usize = 3;

/// How many times as many steps as the run's solver takes the solution stands for the exact one with.
const FINER: usize = 8;

/// Gradients shorter than this, as of a field that is zero, are compared as if they were so long.
const SMALLEST: f64 = 1e-4;
/// The largest error accepted of an adjoint that claims the gradient of its own steps.
const LIMIT: f64 = 1e-6;

/// Errors of a gradient along random directions, relative to the derivatives along them.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct GradientError {
    /// Of the weights.
    pub parameters: f64,
    /// Of the rows.
    pub state: f64,
    /// Of the end times.
    pub end_time: f64,
}

impl GradientError {
    /// The largest of the three, NaN if one is.
    pub fn largest(&self) -> f64 {
        [self.parameters, self.state, self.end_time]
            .into_iter()
            .fold(0.0, |largest, error| {
                if error > largest || error.is_nan() {
                    error
                } else {
                    largest
                }
            })
    }

    fn between(directions: &[Direction], gradients: &[f64], differences: &[f64]) -> Self {
        let error = |kind| {
            let (mut error, mut size) = (0.0, 0.0);
            for ((direction, gradient), difference) in directions.iter().zip(gradients).zip(differences) {
                if direction.kind == kind {
                    error += (gradient - difference).powi(2);
                    size += difference.powi(2);
                }
            }
            (error / size.max(SMALLEST.powi(2))).sqrt()
        };
        Self {
            parameters: error(Kind::Parameters),
            state: error(Kind::State),
            end_time: error(Kind::EndTime),
        }
    }
}

/// One adjoint.
#[derive(Debug, Clone, Serialize)]
pub struct AdjointCheck {
    /// Its name.
    pub adjoint: String,
    /// The method that it differentiates through.
    pub method: String,
    /// With the run's step control, against differences of a solve with many more steps.
    pub error_of_solution: GradientError,
    /// With a fixed number of steps, against differences of the very same steps.
    pub error_of_steps: GradientError,
    /// Evaluations of the forward solve with the run's step control.
    pub forward_evaluations: f64,
    /// Evaluations of its gradient.
    pub backward_evaluations: f64,
    /// Seconds of loss and gradient.
    pub seconds: f64,
    /// What both allocate at most at a time, in MB (10⁶ bytes).
    pub peak_memory_mb: f64,
    /// Whether the error of the steps is within what the adjoint claims.
    pub passes: bool,
}

/// All that is compared.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// The run.
    pub description: String,
    /// Rows of the batch.
    pub rows: usize,
    /// Threads at work.
    pub threads: usize,
    /// How the run's steps are chosen.
    pub control: StepConfig,
    /// Rows that share their steps.
    #[serde(serialize_with = "write_block_rows")]
    pub block_rows: usize,
    /// Fixed steps that the errors of steps are measured with.
    pub fixed_steps: usize,
    /// Steps of the solve that stands for the exact one, by dopri5.
    pub reference_steps: usize,
    /// Every adjoint.
    pub adjoints: Vec<AdjointCheck>,
}

/// Compares every adjoint on a batch, in double precision.
///
/// # Errors
/// When the model cannot be loaded or a solve fails.
pub fn check(folder: &RunFolder, config: &RunConfig, batch: &Batch) -> Result<Check> {
    let subject = |solver, adjoint| Subject::new(folder, config, batch, solver, adjoint);
    let control = config.solver.train.control;
    let method = explicit_method(config)?;
    let probe = subject((method, control), AdjointKind::Checkpointed)?;
    let (_, cost) = probe.loss()?;
    let fixed_steps = (cost.snapshot().accepted_steps / probe.continuous_parts() as f64).ceil() as usize;
    let reference_steps = FINER * fixed_steps;
    let fixed = |steps| StepConfig::Fixed { steps };
    let differences = |method: Method, steps| -> Result<Vec<f64>> {
        let subject = subject((method, fixed(steps)), AdjointKind::Backsolve)?;
        subject
            .directions()?
            .iter()
            .map(|direction| subject.difference(direction))
            .collect()
    };
    let exact = differences(Method::Dopri5, reference_steps)?;
    let of_steps = differences(method, fixed_steps)?;
    let of_reversible_steps = differences(Method::ReversibleHeun, fixed_steps)?;
    let mut adjoints = Vec::new();
    for adjoint in AdjointKind::ALL {
        let (method, of_steps) = match adjoint {
            AdjointKind::Reversible => (Method::ReversibleHeun, &of_reversible_steps),
            _ => (method, &of_steps),
        };
        let own = measure(&subject((method, control), adjoint)?, &exact)?;
        let steps = measure(&subject((method, fixed(fixed_steps)), adjoint)?, of_steps)?;
        let claims_steps = !matches!(adjoint, AdjointKind::Backsolve | AdjointKind::Interpolated);
        adjoints.push(AdjointCheck {
            adjoint: adjoint.to_string(),
            method: method.to_string(),
            error_of_solution: own.error,
            error_of_steps: steps.error,
            forward_evaluations: own.forward_evaluations,
            backward_evaluations: own.backward_evaluations,
            seconds: own.seconds,
            peak_memory_mb: own.peak_memory_mb,
            passes: !claims_steps || steps.error.largest() <= LIMIT,
        });
    }
    Ok(Check {
        description: config.description.clone(),
        rows: batch.rows()?,
        threads: rayon::current_num_threads(),
        control,
        block_rows: config.solver.train.block_rows,
        fixed_steps,
        reference_steps,
        adjoints,
    })
}

/// The run's method if it is an explicit Runge–Kutta method, which every adjoint but the reversible one takes.
fn explicit_method(config: &RunConfig) -> Result<Method> {
    let method = config.solver.train.method;
    Ok(if method.tableau().is_some() {
        method
    } else {
        Method::Dopri5
    })
}

struct Measured {
    error: GradientError,
    forward_evaluations: f64,
    backward_evaluations: f64,
    seconds: f64,
    peak_memory_mb: f64,
}

fn measure(subject: &Subject, differences: &[f64]) -> Result<Measured> {
    let directions = subject.directions()?;
    let (mut seconds, mut peak) = (f64::INFINITY, 0);
    let mut last = None;
    for _ in 0..REPETITIONS {
        let clock = Instant::now();
        let watch = memory::Watch::begin();
        let (loss, cost) = subject.loss()?;
        let gradient = loss.backward()?;
        peak = peak.max(watch.peak());
        seconds = clock.elapsed().as_secs_f64().min(seconds);
        last = Some((gradient, cost.snapshot()));
    }
    let mut gradients = Vec::new();
    let mut evaluations = (0.0, 0.0);
    if let Some((gradient, cost)) = last {
        for direction in &directions {
            gradients.push(direction.along(&gradient)?);
        }
        evaluations = (cost.forward_evaluations, cost.backward_evaluations);
    }
    Ok(Measured {
        error: GradientError::between(&directions, &gradients, differences),
        forward_evaluations: evaluations.0,
        backward_evaluations: evaluations.1,
        seconds,
        peak_memory_mb: peak as f64 * 1e-6,
    })
}
