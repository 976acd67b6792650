//! How far the integral of a two-dimensional model's density is from 1, by the solver's tolerance.

use crate::error::Result;
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Density, Pass};
use ffjord_run::config::{Precision, RunConfig, StepConfig, TraceConfig};
use ffjord_run::{Model, RunError, RunFolder};
use ffjord_train::{Purpose, Streams};
use serde::Serialize;

/// The midpoint rule's grid: a square around the origin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quadrature {
    /// Half the side of the square.
    pub half_side: f64,
    /// Points a side.
    pub points: usize,
}

/// The integral at one precision and tolerance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Integral {
    /// `f32` or `f64`.
    pub precision: Precision,
    /// Relative and absolute tolerance.
    pub tolerance: f64,
    /// `∫ p dx`; none where a solve failed.
    pub integral: Option<f64>,
    /// `|∫ p dx − 1|`.
    pub error: Option<f64>,
    /// Evaluations of the vector field, mean over the grid.
    pub nfe: Option<f64>,
    /// Why there is no integral.
    pub failure: Option<String>,
}

/// The integral of a run's density, with the exact trace, at one precision and tolerance.
///
/// # Errors
/// When the run is not two-dimensional or its model cannot be loaded; a failed solve is part of the result.
pub fn integrate(folder: &RunFolder, precision: Precision, tolerance: f64, grid: Quadrature) -> Result<Integral> {
    let mut config = folder.config()?;
    config.model.precision = precision;
    config.solver.test.control = StepConfig::Adaptive {
        rtol: tolerance,
        atol: tolerance,
        first_step: None,
    };
    config.solver.test.trace = TraceConfig::Exact;
    // What is wrong with the settings is an error of the call, not of the integral.
    config.solver.test.build()?;
    let model = folder.model_under(&config)?;
    model.require_solves("figure 8")?;
    model.require_unconditional("figure 8")?;
    if model.dimension() != 2 {
        return Err(RunError::RunFolder {
            path: folder.path().to_path_buf(),
            reason: format!(
                "its rows have {} numbers: the integral is taken over a grid of two, as toy presets have",
                model.dimension()
            ),
        }
        .into());
    }
    let (integral, nfe, failure) = match sum(&model, &config, grid) {
        Ok((integral, nfe)) => (Some(integral), Some(nfe), None),
        Err(error) => (None, None, Some(error.to_string())),
    };
    Ok(Integral {
        precision,
        tolerance,
        integral,
        error: integral.map(|integral| (integral - 1.0).abs()),
        nfe,
        failure,
    })
}

/// The sum over the grid's cells, in double precision, and the mean number of evaluations.
fn sum(model: &Model, config: &RunConfig, grid: Quadrature) -> Result<(f64, f64)> {
    let mut rng = Streams::new(config.seed).rng(Purpose::Test, 0, 3);
    let width = 2.0 * grid.half_side / grid.points as f64;
    let along = |index: usize| width.mul_add(index as f64 + 0.5, -grid.half_side);
    let count = grid.points * grid.points;
    let batch = config.evaluation.batch.max(1);
    let (mut total, mut evaluations) = (0.0, 0.0);
    for start in (0..count).step_by(batch) {
        let cells = start..count.min(start + batch);
        let flat: Vec<f64> = cells
            .clone()
            .flat_map(|cell| [along(cell % grid.points), along(cell / grid.points)])
            .collect();
        let points = Tensor::from_vec(flat, (cells.len(), 2), &Device::Cpu)?.to_dtype(model.dtype())?;
        let mut pass = Pass::evaluation(&mut rng);
        let densities = model.flow.log_prob(&points, &mut pass)?.to_dtype(DType::F64)?.exp()?;
        total += densities.sum_all()?.to_scalar::<f64>()?;
        evaluations += pass.cost().snapshot().forward_evaluations * cells.len() as f64;
    }
    Ok((total * width * width, evaluations / count as f64))
}
