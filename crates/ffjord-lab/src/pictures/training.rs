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
    if nll.is_empty() {
        return Ok(());
    }
    let validation = of("validation", "iteration", &field("nll"));
    let by_time = of("validation", "seconds", &field("nll"));
    let (forward, backward) = (
        of("train", "iteration", &field("nfe_forward")),
        of("train", "iteration", &field("nfe_backward")),
    );
    let norm = of("train", "iteration", &field("gradient_norm"));
    let end_time = of("train", "iteration", &|line| {
        let times = line["end_times"].as_array()?;
        Some(times.iter().filter_map(Value::as_f64).sum())
    });

    let mut loss = vec![Series::new("training batches", &nll).smoothed(WINDOW)];
    if !validation.is_empty() {
        loss.push(Series::new("validation", &validation));
    }
    let mut panels = vec![
        CurvePanel::new(loss)
            .title("negative log-likelihood")
            .labels("iteration", "nats"),
        CurvePanel::new(vec![
            Series::new("forward", &forward).smoothed(WINDOW),
            Series::new("backward", &backward).smoothed(WINDOW),
        ])
        .title("evaluations of the vector field")
        .labels("iteration", "NFE"),
        CurvePanel::new(vec![Series::new("before clipping", &norm).smoothed(WINDOW)])
            .title("gradient norm")
            .labels("iteration", "norm")
            .scale(Scale::Log),
        CurvePanel::new(vec![Series::new("sum over blocks", &end_time)])
            .title("end time")
            .labels("iteration", "T"),
    ];
    if by_time.len() > 1 {
        panels.push(
            CurvePanel::new(vec![Series::new("validation", &by_time)])
                .title("validation over time")
                .labels("seconds of training", "nats"),
        );
    }
    training_curves(&panels, "training")?.save(file)?;
    Ok(())
}
