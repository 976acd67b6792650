//! Metrics as JSON lines.

use super::{FailureReport, IterationReport, Observer, ProcessReport, ValidationReport};
use crate::error::Result;
use crate::metrics::MetricsWriter;
use serde_json::{Map, Value, json};

/// Writes every iteration, validation and failure as one line of JSON.
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_data::ToyDensity;
/// # use ffjord_flow::{Cnf, Flow};
/// # let flow = Flow::over_normal(Cnf::builder(2).hidden([8]).tolerance(1e-2).build()?)?;
/// # let moons = ffjord_train::FreshSamples::new(8, DType::F32, |rows, rng| ToyDensity::Moons.sample(rows, rng));
/// use ffjord_train::{JsonLines, MaximumLikelihood, MetricsWriter, Trainer, TrainerOptions, read_metrics};
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("metrics.jsonl");
/// Trainer::new(&flow, &MaximumLikelihood::default(), &moons, TrainerOptions::new(2, 1e-3))?
///     .observe(JsonLines::new(MetricsWriter::create(&path)?))
///     .run()?;
/// let lines = read_metrics(&path)?;
/// assert_eq!((lines.len(), lines[1]["iteration"].as_u64()), (2, Some(2)));
/// assert!(lines[0]["loss"].as_f64().is_some_and(f64::is_finite));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct JsonLines {
    writer: MetricsWriter,
}

impl JsonLines {
    /// Metrics through `writer`.
    #[must_use]
    pub fn new(writer: MetricsWriter) -> Self {
        Self { writer }
    }
}

impl Observer for JsonLines {
    fn iteration(&mut self, report: &IterationReport) -> Result<()> {
        let terms: Map<String, Value> = report
            .terms
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        let mut line = json!({
            "kind": "train",
            "iteration": report.iteration,
            "loss": report.loss,
            "terms": terms,
            "nfe_forward": report.forward_evaluations,
            "nfe_backward": report.backward_evaluations,
            "end_times": report.end_times,
            "gradient_norm": report.gradient_norm,
            "learning_rate": report.learning_rate,
            "seconds": report.seconds,
        });
        if !report.processes.is_empty() {
            let each = |value: fn(&ProcessReport) -> f64| json!(report.processes.iter().map(value).collect::<Vec<_>>());
            line["nfe_processes"] = each(|process| process.evaluations);
            line["seconds_processes"] = each(|process| process.seconds);
        }
        self.writer.write(&line)
    }

    fn validation(&mut self, report: &ValidationReport) -> Result<()> {
        let mut line = json!({
            "kind": "validation",
            "iteration": report.iteration,
            "nll": report.nll,
            "standard_error": report.standard_error,
            "best": report.best,
            "seconds": report.seconds,
        });
        if let Some(nll) = report.test_nll {
            line["test_nll"] = json!(nll);
        }
        self.writer.write(&line)
    }

    fn failure(&mut self, report: &FailureReport) -> Result<()> {
        self.writer
            .write(&json!({ "kind": "failure", "iteration": report.iteration, "cause": report.cause }))
    }
}
