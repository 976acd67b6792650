//! The model beside what was measured, and beyond.

use super::Scaling;
use crate::error::Result;
use ffjord_plot::{CurvePanel, Figure, Scale, Series, training_curves};

/// Two plots a model: measured and modelled seconds of an iteration here, and seconds drawn for many processes.
///
/// # Errors
/// When there are no models, or the picture would be too large.
pub fn draw(scaling: &Scaling) -> Result<Figure> {
    let mut curves = Vec::new();
    for model in &scaling.models {
        let several = model
            .runs
            .iter()
            .filter(|run| run.measured.share == model.subject.usual());
        let points = |value: fn(&super::Compared) -> f64| -> Vec<(f64, f64)> {
            several
                .clone()
                .map(|run| (run.measured.ranks as f64, value(run) * 1e3))
                .collect()
        };
        let drawn = |value: fn(&super::Drawn) -> f64| -> Vec<(f64, f64)> {
            model
                .drawn
                .iter()
                .map(|point| (point.ranks as f64, value(point) * 1e3))
                .collect()
        };
        curves.push((
            model.name.as_str(),
            [points(|run| run.measured.seconds), points(|run| run.model_seconds)],
            [
                drawn(|point| point.compute_seconds),
                drawn(|point| point.loopback_seconds),
                drawn(|point| point.assumed_seconds),
            ],
        ));
    }
    let here = curves.iter().map(|(name, [measured, model], _)| {
        let series = vec![Series::new("measured", measured), Series::new("model", model)];
        CurvePanel::new(series)
            .title(*name)
            .labels("processes on this machine", "ms an iteration")
    });
    let beyond = curves.iter().map(|(name, _, [compute, loopback, assumed])| {
        let series = vec![
            Series::new("without exchange", compute),
            Series::new("network as here", loopback),
            Series::new("10 Gbit/s, 20 µs", assumed),
        ];
        CurvePanel::new(series)
            .title(*name)
            .labels("processes, drawn by the model", "ms an iteration")
            .x_scale(Scale::Log)
            .scale(Scale::Log)
    });
    let panels: Vec<CurvePanel<'_>> = here.chain(beyond).collect();
    Ok(training_curves(&panels, "")?)
}
