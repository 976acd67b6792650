//! Curves of a training run.

use crate::error::Result;
use ffjord_plot::{CurvePanel, Scale, Series, training_curves};
use ffjord_train::read_metrics;
use serde_json::Value;
use std::path::Path;

/// Iterations over which curves are smoothed.
const WINDOW: usize = 51;

/// Loss and validation, evaluations, gradient norm and end time over the iterations.
pub(super) fn draw(metrics: &Path, file: &Path) -> Result<()> {
    let lines = read_metrics(metrics)?;
    let of = |kind: &str, x: &str, y: &dyn Fn(&Value) -> Option<f64>| -> Vec<(f64, f64)> {
        lines
            .iter()
            .filter(|line| line["kind"] == kind)
            .filter_map(|line| Some((line[x].as_f64()?, y(line)?)))
            .collect()
    };
    let field = |name: &'static str| move |line: &Value| line[name].as_f64();
    let nll = of("train", "iteration", &|line| line["terms"]["nll"].as_f64());
    let matching = of("train", "iteration", &|line| line["terms"]["flow_matching"].as_f64());
    if nll.is_empty() && matching.is_empty() {
        return Ok(());
    }
    let validation = of("validation", "iteration", &field("nll"));
    let by_time = of("validation", "seconds", &field("nll"));
    let test_by_time = of("validation", "seconds", &field("test_nll"));
    let (forward, backward) = (
        of("train", "iteration", &field("nfe_forward")),
        of("train", "iteration", &field("nfe_backward")),
    );
    let norm = of("train", "iteration", &field("gradient_norm"));
    let end_time = of("train", "iteration", &|line| {
        let times = line["end_times"].as_array()?;
        Some(times.iter().filter_map(Value::as_f64).sum())
    });

    let mut loss = Vec::new();
    if !nll.is_empty() {
        loss.push(Series::new("training batches", &nll).smoothed(WINDOW));
    }
    if !validation.is_empty() {
        loss.push(Series::new("validation", &validation));
    }
    let mut panels = Vec::new();
    if !loss.is_empty() {
        let panel = CurvePanel::new(loss).title("negative log-likelihood");
        panels.push(panel.labels("iteration", "nats"));
    }
    if !matching.is_empty() {
        let panel = CurvePanel::new(vec![Series::new("training batches", &matching).smoothed(WINDOW)]);
        panels.push(panel.title("flow matching").labels("iteration", "mean squared error"));
    }
    // Discrete flows evaluate no vector field and have no end time.
    if forward.iter().any(|(_, evaluations)| *evaluations > 0.0) {
        let panel = CurvePanel::new(vec![
            Series::new("forward", &forward).smoothed(WINDOW),
            Series::new("backward", &backward).smoothed(WINDOW),
        ]);
        panels.push(
            panel
                .title("evaluations of the vector field")
                .labels("iteration", "NFE"),
        );
    }
    let panel = CurvePanel::new(vec![Series::new("before clipping", &norm).smoothed(WINDOW)]);
    panels.push(
        panel
            .title("gradient norm")
            .labels("iteration", "norm")
            .scale(Scale::Log),
    );
    if end_time.iter().any(|(_, end_time)| *end_time > 0.0) {
        let panel = CurvePanel::new(vec![Series::new("sum over blocks", &end_time)]);
        panels.push(panel.title("end time").labels("iteration", "T"));
    }
    if by_time.len() > 1 {
        let mut series = vec![Series::new("validation", &by_time)];
        if !test_by_time.is_empty() {
            series.push(Series::new("test rows", &test_by_time));
        }
        let panel = CurvePanel::new(series).title("held-out rows over time");
        panels.push(panel.labels("seconds of training", "nats"));
    }
    training_curves(&panels, "training")?.save(file)?;
    Ok(())
}
