//! Curves as a picture.

use super::Curve;
use super::table::{CLASSES, of_class};
use crate::error::Result;
use ffjord_ode::Method;
use ffjord_plot::{CurvePanel, Figure, Scale, Series, training_curves};

/// The methods shown: the adaptive ones of order 5 and more.
const SHOWN: [Method; 5] = [
    Method::Dopri5,
    Method::Tsit5,
    Method::Vern7,
    Method::Dopri8,
    Method::Adams,
];

/// Error against evaluations, a plot a class: geometric means over its problems at equal tolerances.
///
/// # Errors
/// When a class has no points, or the picture would be too large.
pub fn draw(curves: &[Curve]) -> Result<Figure> {
    let means: Vec<Vec<Vec<(f64, f64)>>> = CLASSES
        .iter()
        .map(|(class, _)| SHOWN.iter().map(|&method| mean_curve(curves, method, class)).collect())
        .collect();
    let panels: Vec<CurvePanel<'_>> = CLASSES
        .iter()
        .zip(&means)
        .map(|((_, title), class)| {
            let series = SHOWN
                .iter()
                .zip(class)
                .map(|(method, points)| Series::new(method.name(), points));
            CurvePanel::new(series.collect())
                .title(*title)
                .labels("evaluations", "error")
                .x_scale(Scale::Log)
                .scale(Scale::Log)
        })
        .collect();
    Ok(training_curves(&panels, "")?)
}

/// The geometric means of evaluations and errors at the tolerances at which every problem of the class was solved.
fn mean_curve(curves: &[Curve], method: Method, class: &str) -> Vec<(f64, f64)> {
    let problems: Vec<&Curve> = of_class(curves, method, class).collect();
    let Some((first, _)) = problems.split_first() else {
        return Vec::new();
    };
    let at = |tolerance: Option<f64>| -> Option<(f64, f64)> {
        let (mut nfe, mut error) = (0.0, 0.0);
        for problem in &problems {
            let point = problem
                .points
                .iter()
                .find(|point| point.tolerance == tolerance && point.error > 0.0)?;
            nfe += point.nfe.ln();
            error += point.error.ln();
        }
        let count = problems.len() as f64;
        Some(((nfe / count).exp(), (error / count).exp()))
    };
    first.points.iter().filter_map(|point| at(point.tolerance)).collect()
}
