//! The test likelihood at a tighter tolerance: how much of it is the solver's error.

use crate::error::Result;
use ffjord_run::config::{ModelKind, Precision, RunConfig, StepConfig};
use ffjord_run::{RunData, RunFolder, log_likelihoods, summarise};
use ffjord_train::{Purpose, Streams};
use serde::Serialize;

/// What tolerances are multiplied with.
const FACTOR: f64 = 0.01;

/// The likelihood of the first test rows with a hundredth of the evaluation's tolerance, in double precision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Tighter {
    /// The number of rows.
    pub rows: usize,
    /// Relative tolerance.
    pub rtol: f64,
    /// Absolute tolerance.
    pub atol: f64,
    /// Mean negative log-likelihood, in nats.
    pub nll: Option<f64>,
    /// Evaluations of the vector field, mean over batches.
    pub nfe: Option<f64>,
    /// By how much the evaluation's own mean over the same rows lies above it, in nats.
    pub difference: Option<f64>,
    /// Why the solve failed, if it did: the evaluation stands without it.
    pub failure: Option<String>,
}

impl Tighter {
    /// Evaluates the first test rows again, `log_likelihoods` being what the evaluation had for all; nothing where there is
    /// no tolerance, or no row is asked for.
    ///
    /// # Errors
    /// When the weights in the folder cannot be read.
    pub fn measure(
        config: &RunConfig,
        data: &RunData,
        folder: &RunFolder,
        test: &[f64],
        streams: &Streams,
    ) -> Result<Option<Self>> {
        let rows = config.evaluation.tighter_rows.min(data.test.rows());
        let StepConfig::Adaptive { rtol, atol, first_step } = config.solver.test.control else {
            return Ok(None);
        };
        if rows == 0 || config.model.kind != ModelKind::Cnf {
            return Ok(None);
        }
        let (rtol, atol) = (FACTOR * rtol, FACTOR * atol);
        let mut tight = config.clone();
        tight.solver.test.control = StepConfig::Adaptive { rtol, atol, first_step };
        // Such tolerances lie below what single precision can tell apart.
        tight.model.precision = Precision::F64;
        let model = folder.model_under(&tight)?;
        let first = data.test.first(rows)?;
        let mut measured = Self {
            rows,
            rtol,
            atol,
            nll: None,
            nfe: None,
            difference: None,
            failure: None,
        };
        match log_likelihoods(
            &model,
            &first,
            config.evaluation.batch,
            (streams, Purpose::Test),
            |_| (),
        ) {
            Ok((values, nfe)) => {
                let nll = summarise(&values, nfe).nll;
                measured.difference = Some(summarise(&test[..rows], nfe).nll - nll);
                (measured.nll, measured.nfe) = (Some(nll), Some(nfe));
            }
            Err(error) => measured.failure = Some(error.to_string()),
        }
        Ok(Some(measured))
    }
}
